"""Sizes and words of the wire, each with the reason for its value.

Law of this file: constants only.  A limit that is enforced elsewhere (a
deadline, a queue) is named where it is enforced.
"""

from typing import Final

HEADER_SIZE: Final = 128
"""Bytes of a header unless configured: the width that the original scripts use.
Typed frames exist at this width only."""

MIN_HEADER_SIZE: Final = 4
"""Bytes of the narrowest header: four digits still hold a payload of 9,999 bytes."""

MAX_HEADER_SIZE: Final = 2048
"""Bytes of the widest header: the widest that scripts of this family are known to use."""

LENGTH_BOUND: Final = 10**10
"""Every length is below this: ten digits, so that a header always has room for words."""

MAX_PAYLOAD: Final = 1024 * 1024
"""Bytes of the largest payload unless configured.  A payload is held whole until its
last byte arrives, so this times the number of connections bounds that memory."""

MAX_HELLO: Final = 4096
"""Bytes of the largest payload of a `HELLO`.  Its JSON holds a name, a secret and a token, and
is parsed at once while all other peers wait."""

DISCONNECT: Final = b"!DISCONNECT!"
"""The payload that ends a plain connection, unless configured."""

ERROR_PREFIX: Final = b"!ERROR! "
"""What the payload of an error begins with on a plain connection."""

EXCERPT: Final = 48
"""Bytes of refused input that an error may quote: enough to recognise, too few to echo
a whole message back."""


def max_payload_for(header_size: int, max_payload: int) -> int:
    """Return the largest payload, in bytes, that a header of `header_size` bytes can announce.

    A narrow header has room for few digits, so it may lower `max_payload`.
    """
    bound: int = 10 ** min(header_size, 10)
    return min(max_payload, bound - 1)

"""The header's grammar, for plain and typed frames.

    header  =  *SP length *( SP word ) *SP        (padded to the fixed width)
    length  =  1*DIGIT                            (value below 10^10)
    word    =  1*( %x21-7E )                      (the first one: 1*( A-Z ))

Law of this file: what is not in this grammar is refused.  Python's `int()` alone
is too liberal: it takes signs, underscores and every kind of white space.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from twisted_msg.wire.errors import ErrorCode, ProtocolError
from twisted_msg.wire.limits import EXCERPT, HEADER_SIZE, LENGTH_BOUND

_TYPED: Final = re.compile(rb"([0-9]+) ([A-Z]+(?: [!-~]+)*)")
_QUOTED: Final = re.compile(rb"([^ =:]*(?: +[^ =:]*)?).*", re.DOTALL)
"""What may be quoted of a header that is refused: two words, and nothing after `=` or `:`, where
the secret of a `HELLO` may stand."""

_WORDS: Final = re.compile(r"[A-Z]+(?: [!-~]+)*")


class Header(NamedTuple):
    """What a header says: `length` of the payload in bytes, and the words (none: plain)."""

    length: int
    words: tuple[str, ...]


def parse_header(data: bytes) -> Header:
    """Parse one whole header.

    `data` holds exactly the header's fixed width.  Raises `ProtocolError` with
    `bad-header` for whatever the grammar does not hold, and for words where the width
    is not 128.
    """
    text = data.strip(b" ")
    if text.isdigit():
        digits, words = text, ()
    else:
        match = _TYPED.fullmatch(text)
        if match is None:
            raise ProtocolError(ErrorCode.BAD_HEADER, _fault(data, text))
        if len(data) != HEADER_SIZE:
            raise ProtocolError(
                ErrorCode.BAD_HEADER,
                f"typed frames need headers of {HEADER_SIZE} bytes, and this server's have "
                f"{len(data)}: send the length alone",
            )
        digits, words = match[1], tuple(match[2].decode("ascii").split(" "))
    length = int(digits)
    if length >= LENGTH_BOUND:
        raise ProtocolError(
            ErrorCode.BAD_HEADER,
            f"a length has at most ten digits, not the value {excerpt(digits)}",
        )
    return Header(length, words)


def encode_header(length: int, words: Sequence[str] = (), header_size: int = HEADER_SIZE) -> bytes:
    """Return the header of a frame, padded with spaces to `header_size` bytes.

    `length` is the payload's in bytes.  Raises `ValueError` if the words break the
    grammar, if there are words and `header_size` is not 128, or if it all does not fit, and
    `TypeError`.
    """
    if not 0 <= length < LENGTH_BOUND:
        raise ValueError(f"a payload of {length} bytes cannot be announced: below 10^10 only")
    text = str(length)
    if words:
        if type(words) is str:
            raise TypeError("words are several, such as a tuple of them, not one str")
        if header_size != HEADER_SIZE:
            raise ValueError(f"typed frames need headers of {HEADER_SIZE} bytes")
        joined = " ".join(words)
        if _WORDS.fullmatch(joined) is None or joined.count(" ") != len(words) - 1:
            raise ValueError(f"not a verb of A-Z and words of printable ASCII: {words!r}")
        text += " " + joined
    if len(text) > header_size:
        raise ValueError(f"{len(text)} bytes do not fit a header of {header_size}")
    return text.ljust(header_size).encode("ascii")


def excerpt(data: bytes) -> str:
    """Return the beginning of a peer's bytes for people: escaped, quoted and bounded."""
    shown = ascii(data[:EXCERPT])[1:]
    return shown if len(data) <= EXCERPT else shown + "..."


def _fault(data: bytes, text: bytes) -> str:
    """Return a sentence for a header that the grammar does not hold."""
    rule = f"a header is {len(data)} ASCII bytes: the length in digits, padded with spaces"
    if not text:
        return f"{rule}; this one is empty, so send 0 for an empty message"
    begins = _QUOTED.sub(rb"\1", text, count=1)
    more = "..." if len(begins) < len(text) and len(begins) <= EXCERPT else ""
    return f"{rule}; this one begins {excerpt(begins)}{more}"

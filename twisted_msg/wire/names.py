"""The grammar of names, rooms, ids and clients: what each may be, and the sentence that says so.

Law of this file: one place for each rule; who checks raises with the rule's sentence.
"""

import re
from typing import Final

NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,24}")
"""What a member may be called: short enough that a `MSG` header keeps 22 bytes free."""

ROOM: Final = re.compile(r"[A-Za-z0-9._-]{1,32}")
"""What a room may be called."""

CLIENT: Final = re.compile(r"[!-~]{16,64}")
"""A client's secret: 16 printable characters hold the 96 random bits that keep it one."""

TOKEN: Final = re.compile(r"[!-~]{1,64}")
"""What a `PING` may carry and have given back."""

MAX_ID: Final = 2**63 - 1
"""The highest id and sequence number: what SQLite, and most languages, hold in an integer."""

NAME_RULE: Final = "a name is 1 to 24 of A-Z a-z 0-9 . _ -"
ROOM_RULE: Final = "a room's name is 1 to 32 of A-Z a-z 0-9 . _ -"
CLIENT_RULE: Final = "a client is 16 to 64 printable ASCII characters, drawn at random"
ID_RULE: Final = "an id is a whole number from 1 to 9223372036854775807"

DIRECT: Final = "@"
"""What stands before a name where a room would: a direct message."""


def number(word: str) -> int | None:
    """Return a number of the wire (ASCII digits, 0 to 2^63-1), or None for anything else."""
    if not (word.isascii() and word.isdigit()) or len(word) > 19:
        return None
    value = int(word)
    return value if value <= MAX_ID else None

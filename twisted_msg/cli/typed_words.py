"""The words between a chat and its user: names as they are typed, and things said in short.

Law of this file: texts in, texts out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted_msg.cli.conversation import Wrong
from twisted_msg.cli.text import visible
from twisted_msg.client.errors import ClientError, Refused
from twisted_msg.client.sendable import check_name, check_room

NAMES_SHOWN: Final = 50
"""Names that one notice lists: a few lines of a terminal."""

SHORT: Final = 200
"""Characters of a line that a notice repeats: what people type, and not what they paste."""


def short(text: bytes) -> str:
    """Return enough of a text for its author to know it again."""
    shown = visible(text[: 4 * SHORT])
    return shown if len(shown) <= SHORT else f"{shown[:SHORT]}..."


def room_in(rest: bytes) -> str:
    """Return a room's name as people type it.  Raises `Wrong`."""
    name = rest.decode(errors="backslashreplace").removeprefix("#")
    try:
        check_room(name)
    except ValueError as error:
        raise Wrong(str(error) if name else "which room?") from None
    return name


def name_in(rest: bytes) -> str:
    """Return a member's name as people type it.  Raises `Wrong`."""
    name = rest.decode(errors="backslashreplace")
    try:
        check_name(name)
    except ValueError as error:
        raise Wrong(str(error) if name else "who?") from None
    return name


def listed(names: Sequence[str]) -> str:
    """Return names as a list for people: `a`, `a and b`, `a, b and c`."""
    if len(names) > NAMES_SHOWN:
        return f"{', '.join(names[:NAMES_SHOWN])} and {len(names) - NAMES_SHOWN} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def words(error: ClientError) -> str:
    """Return an error in the server's words, where they are its."""
    return error.reason if isinstance(error, Refused) else str(error)

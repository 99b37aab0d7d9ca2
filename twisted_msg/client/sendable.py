"""What may be sent, and to whom.

Law of this file: what the server would refuse, or a plain peer would never be shown, is
refused here, before it is sent, with a text that says why.  No Twisted.
"""

from __future__ import annotations

from twisted_msg.wire.arguments import BUFFERS, check_payload, check_text
from twisted_msg.wire.limits import (
    DISCONNECT,
    ERROR_PREFIX,
    HEADER_SIZE,
    LENGTH_BOUND,
    max_payload_for,
)
from twisted_msg.wire.names import DIRECT, NAME, NAME_RULE, ROOM, ROOM_RULE


def sendable(
    message: bytes | str, disconnect_word: bytes = DISCONNECT, header_size: int = HEADER_SIZE
) -> bytes:
    """Return a message's payload (text as UTF-8), checked.

    Raises `ValueError` for what a plain peer would never be shown: an empty message, the
    disconnect word, a beginning like an error's, and what a header cannot announce; and
    `TypeError` for what is neither bytes nor text.
    """
    payload = check_payload(message)
    if not payload:
        raise ValueError("an empty message cannot be sent: on the wire it is a keep-alive")
    if payload == disconnect_word:
        raise ValueError(
            f"{disconnect_word.decode(errors='backslashreplace')} cannot be sent as a message: "
            "it is the word that ends a connection"
        )
    if payload.startswith(ERROR_PREFIX):
        raise ValueError(
            f"a message cannot begin with {ERROR_PREFIX.decode()!r}: plain peers would take it "
            "for an error of the server, so it would be shown to nobody"
        )
    if len(payload) > max_payload_for(header_size, LENGTH_BOUND):
        raise ValueError(
            f"a message of {len(payload)} bytes cannot be announced in a header of {header_size}"
        )
    return payload


def check_word(word: bytes) -> bytes:
    """Return a disconnect word.  Raises `TypeError` for what is no bytes, `ValueError` for none."""
    if not isinstance(word, BUFFERS):
        raise TypeError(f"a disconnect word is bytes, not {type(word).__name__}")
    if not word:
        raise ValueError("a disconnect word is not empty: an empty message is a keep-alive")
    return bytes(word)


def check_name(name: str) -> str:
    """Return a member's name.  Raises `ValueError` for what cannot be one, and `TypeError`."""
    name = check_text(name, "a name")
    if NAME.fullmatch(name) is None:
        raise ValueError(f"{NAME_RULE}, not {name!r}")
    return name


def check_room(room: str) -> str:
    """Return a room's name.  Raises `ValueError` for what cannot be one, and `TypeError`."""
    room = check_text(room, "a room's name")
    if ROOM.fullmatch(room) is None:
        raise ValueError(f"{ROOM_RULE}, not {room!r}")
    return room


def check_target(room: str) -> str:
    """Return what is sent to: a room, or `@name`.  Raises `ValueError` and `TypeError`."""
    room = check_text(room, "a room's name")
    if room.startswith(DIRECT):
        check_name(room.removeprefix(DIRECT))
    else:
        check_room(room)
    return room

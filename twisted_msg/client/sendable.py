"""What may be sent, and to whom.

Law of this file: what the server would refuse, or a plain peer would never be shown, is
refused here, before it is sent, with a text that says why.  No Twisted.
"""

from __future__ import annotations

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
    disconnect word, a beginning like an error's, and what a header cannot announce.
    """
    payload = message.encode() if isinstance(message, str) else message
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


def check_name(name: str) -> None:
    """Raise `ValueError` for what cannot be a member's name."""
    if NAME.fullmatch(name) is None:
        raise ValueError(f"{NAME_RULE}, not {name!r}")


def check_room(room: str) -> None:
    """Raise `ValueError` for what cannot be a room's name."""
    if ROOM.fullmatch(room) is None:
        raise ValueError(f"{ROOM_RULE}, not {room!r}")


def check_target(room: str) -> None:
    """Raise `ValueError` for what cannot be sent to: neither a room nor `@name`."""
    if room.startswith(DIRECT):
        check_name(room.removeprefix(DIRECT))
    else:
        check_room(room)

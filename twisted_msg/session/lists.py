"""What a typed peer is told when it asks who is in a room, or which rooms there are.

Law of this file: an answer is one frame, no larger than the server lets messages be, and
says how many did not fit.
"""

from __future__ import annotations

from typing import Final

from twisted_msg.session.house import House
from twisted_msg.wire import replies

SHORTEST_ENTRY: Final = len('{"room":"a","head":0,"members":0},')
"""Bytes of a room in the answer to `ROOMS`, at the least: more rooms than fit are not looked at."""


def here(house: House, name: str) -> bytes:
    """Return the frame that says who is in a room."""
    room = house.rooms.get(name)
    names = [] if room is None else list(room.names())
    return replies.Here.fitting(name, names, house.max_payload).encode()


def rooms(house: House) -> bytes:
    """Return the frame that says which rooms there are."""
    limit = house.max_payload
    found = list(house.rooms.listed())
    entries = [
        {"room": name, "head": head, "members": members}
        for name, head, members in found[: limit // SHORTEST_ENTRY]
    ]
    answer = replies.RoomList.fitting(entries, limit)
    return answer._replace(cut=len(found) - len(answer.rooms)).encode()

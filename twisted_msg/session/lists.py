"""What a typed peer is told when it asks who is in a room, or which rooms there are.

Law of this file: an answer is one frame, no larger than the server lets messages be, and
says how many did not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from heapq import merge
from itertools import islice
from typing import Final

from twisted_msg.rooms.registry import Rooms
from twisted_msg.session.house import House
from twisted_msg.wire import replies
from twisted_msg.wire.lists import room_entry

PORTION: Final = 2000
"""Rooms that one turn of the reactor puts into a list: some 3 ms.  All of 100,000 rooms in one
turn kept everybody else waiting for 300."""


def here(house: House, name: str) -> bytes:
    """Return the frame that says who is in a room."""
    room = house.rooms.get(name)
    names = [] if room is None else list(room.names())
    return replies.Here.fitting(name, names, house.max_payload).encode()


def list_rooms(
    rooms: Rooms,
    limit: int,
    then: Callable[[list[bytes], int], None],
    *,
    entry: Callable[[str, int, int], bytes] = room_entry,
    order: Callable[[list[str]], Generator[None, None, Iterable[str]]] | None = None,
) -> Generator[None, None, None]:
    """Make a list of all rooms, in JSON, and count those left out; yields between portions.

    As many are in it as fit `limit` bytes; `entry` makes each of name, head and members, and
    `then` gets parts of the list, which commas join.  `order` puts the names in order, and
    yields between its portions, too.
    """
    names = rooms.names()
    parts: list[bytes] = []
    size, left = len("[]") - len(","), len(names)
    found = iter(names if order is None else (yield from order(names)))
    while portion := list(islice(found, PORTION)):
        entries: list[bytes] = []
        for name in portion:
            room = rooms.describe(name)
            if room is not None:
                made = entry(name, *room)
                size += len(",") + len(made)
                if size > limit:
                    break
                entries.append(made)
            left -= 1
        if entries:
            parts.append(b",".join(entries))
        if size > limit or not left:
            break
        yield
    then(parts, left)


def by_name(names: list[str]) -> Generator[None, None, Iterable[str]]:
    """Return names in the order in which people look for them; yields between portions."""
    runs = []
    for at in range(0, len(names), PORTION):
        runs.append(sorted(names[at : at + PORTION], key=_without_case))
        if at + PORTION < len(names):
            yield
    return merge(*runs, key=_without_case)


def _without_case(name: str) -> tuple[str, str]:
    return name.casefold(), name

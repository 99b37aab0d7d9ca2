"""What a store knows of its rooms without reading it.

Law of this file: memory only.  It holds what was committed; nobody changes a room's row
here before the store has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from itertools import islice
from typing import Final, NamedTuple

from twisted_msg.log.piece import Piece
from twisted_msg.log.store import Kept

EMPTY_ROOMS: Final = 20_000
"""Forgotten rooms whose heads are remembered one by one: about 10 MB of memory.  Behind
that, somebody invents room names, and the oldest share one number."""

FOLD_ROOMS: Final = 500
"""Forgotten rooms that lose their row in one step: some milliseconds of a commit's time."""

_SLACK: Final = 64
"""Entries of the heap that may be out of date beside one for each room."""


class Room(NamedTuple):
    """A row of the table of rooms; schema/0001.sql explains the columns.

    `oldest` is a time in Unix milliseconds.  Retention by age examines the room when messages of
    that time are too old.  It is the time of the oldest piece.  If that time is in the future,
    since the clock was ahead, it is the time of a later piece, or of the last examination.
    """

    id: int
    name: str
    first: int
    head: int
    size: int
    oldest: int
    peak: int

    @property
    def kept(self) -> Kept:
        """The part that others see."""
        return Kept(self.name, self.first, self.head, self.size)


class Ledger:
    """All rooms of a store.

    `floor` is the highest head among those whose rows are gone, `peak` the highest time of
    any message so far, in milliseconds.
    """

    def __init__(self, rooms: Iterable[Room] = (), floor: int = 0) -> None:
        self.rooms: dict[str, Room] = {}
        self.floor = floor
        self.peak = 0
        self._last_id = 0
        self._ages: list[tuple[int, str]] = []
        self._unused: dict[str, None] = {}
        for room in rooms:
            self.put(room)
            self.forget(room.name)

    def head(self, name: str) -> int:
        """Return the highest number that a room may have given.

        Safe beside a thread that folds: that raises the floor before it drops a room.
        """
        room = self.rooms.get(name)
        return self.floor if room is None else room.head

    def append(self, changed: dict[str, Room], piece: Piece, size: int) -> Room:
        """Note in `changed` what a room becomes with a piece behind it, and return that.

        `size` is the body's, in bytes.  Raises `ValueError` for a number given before.
        """
        name = piece.room
        room = changed.get(name) or self.rooms.get(name)
        if room is None:
            self._last_id += 1
            room = Room(self._last_id, name, piece.first, piece.first - 1, 0, 0, 0)
        if piece.first <= room.head:
            raise ValueError(f"{name} has given {piece.first} before: its head is {room.head}")
        first, oldest, peak = piece.first, piece.millis, piece.millis
        if room.size:  # a piece of the past shows that the oldest is from a wrong clock's future
            first, oldest, peak = room.first, min(room.oldest, oldest), max(room.peak, peak)
        room = Room(room.id, name, first, piece.last, room.size + size, oldest, peak)
        changed[name] = room
        return room

    def put(self, room: Room) -> None:
        """Take over a room's row, as it is stored now."""
        before = self.rooms.get(room.name)
        self.rooms[room.name] = room
        self._last_id = max(self._last_id, room.id)
        self.peak = max(self.peak, room.peak)
        self._unused.pop(room.name, None)
        if room.size and (before is None or not before.size or before.oldest != room.oldest):
            heappush(self._ages, (room.oldest, room.name))
            if len(self._ages) > 2 * len(self.rooms) + _SLACK:
                self._ages = [(each.oldest, each.name) for each in self.rooms.values() if each.size]
                heapify(self._ages)

    def oldest(self) -> int | None:
        """Return the time of the oldest piece of any room, None if nothing is kept."""
        while self._ages:
            oldest, name = self._ages[0]
            room = self.rooms.get(name)
            if room is not None and room.size and room.oldest == oldest:
                return oldest
            heappop(self._ages)
        return None

    def overdue(self, cutoff: int, most: int) -> list[Room]:
        """Return rooms whose oldest piece is from before a time, the oldest first.

        At most `most` of them.
        """
        found: dict[str, int] = {}
        while len(found) < most:
            oldest = self.oldest()
            if oldest is None or oldest >= cutoff:
                break
            found[heappop(self._ages)[1]] = oldest
        for name, oldest in found.items():
            heappush(self._ages, (oldest, name))
        return [self.rooms[name] for name in found]

    def largest(self) -> Room | None:
        """Return the room with the most bytes, None if nothing is kept."""
        room = max(self.rooms.values(), key=lambda each: each.size, default=None)
        return room if room is not None and room.size else None

    def forget(self, name: str) -> None:
        """Take note that a room is unused; one with content stays what it is."""
        room = self.rooms.get(name)
        if room is not None and not room.size:
            self._unused[name] = None

    def surplus(self) -> list[Room]:
        """Return the rooms to fold into the floor: the longest forgotten, once they are many."""
        if len(self._unused) <= EMPTY_ROOMS:
            return []
        return [self.rooms[name] for name in islice(self._unused, FOLD_ROOMS)]

    def fold(self, rooms: list[Room]) -> None:
        """Drop rooms, whose heads the floor remembers from now on."""
        self.floor = max(self.floor, *(room.head for room in rooms))
        for room in rooms:
            del self.rooms[room.name]
            del self._unused[room.name]

"""The rooms of a server: which there are, which are stored, when one begins and when it is gone.

Law of this file: a room begins with its first message or member and is gone when nothing
of it is kept and nobody is in it; its numbers are never given twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

from twisted_msg.counts import Counts
from twisted_msg.log.commits import Commits
from twisted_msg.log.store import Kept
from twisted_msg.rooms.cursor import Cursor, Reader
from twisted_msg.rooms.holds import Holds, Publisher
from twisted_msg.rooms.memory import MemoryRoom
from twisted_msg.rooms.room import Room
from twisted_msg.rooms.stored import StoredRoom
from twisted_msg.wire import ErrorCode, ProtocolError
from twisted_msg.wire.names import ROOM, ROOM_RULE

ROOMS_LIMIT: Final = 100_000
"""Rooms that a server has at the most: each may hold a name, numbers and a place in lists."""

MEMORY_COST: Final = 64 * 1024 * 1024
"""Bytes of memory that what was said takes in all rooms: the ones that were quiet for the
longest lose first what they hold there and nobody is reading."""

READ_COST: Final = 2 * MEMORY_COST
"""Bytes of memory that all rooms may take for members who read, but slowly: the ones for whom
the most is kept fall off first.  One that reads a little in a thousand memory rooms would have
gigabytes kept."""


class Rooms:
    """Every room, by name."""

    def __init__(
        self,
        *,
        seconds: Callable[[], float],
        now: Callable[[], int],
        soon: Callable[[Callable[[], None]], object],
        counts: Counts,
        commits: Commits | None = None,
        memory: Sequence[str] = ("*",),
        age: float | None = None,
    ) -> None:
        """Take what rooms need, and which are not stored.

        `seconds` is a monotonic clock, `now` one of Unix microseconds; `soon` calls a
        function when this turn of the reactor is over; `counts` is where messages are counted.
        `commits` leads to the store, None if there is none; rooms that match a pattern of
        `memory` are not stored.  `age` is for how many seconds memory rooms keep messages at
        the most.
        """
        self.commits = commits
        self.counts = counts
        self._memory = ("*",) if commits is None else tuple(memory)
        self._age = age
        self._micros = now
        self._timing: dict[str, Any] = {"seconds": seconds, "soon": soon, "counts": counts}
        self._rooms: dict[str, Room] = {}
        self._known: dict[str, Kept] = {}
        """What the store holds of rooms that are not in memory."""
        self._unused: list[str] = []
        """Rooms that are gone, of which the store is still to be told."""
        self._given = 0
        """The highest number of memory rooms that are gone: clocks are set back."""
        self._congested: dict[MemoryRoom, None] = {}
        self._holds = Holds(lambda: commits is not None and commits.full)

    # -- for sessions --------------------------------------------------------

    def get(self, name: str) -> Room | None:
        """Return the room of that name, if there is one now."""
        room = self._rooms.get(name)
        if room is None and name in self._known:
            return self.open(name)
        return room

    def open(self, name: str) -> Room:
        """Return the room of that name, which begins now if there is none.

        Raises `ProtocolError`: `bad-room` for what is no name, `limit` if there are too many.
        """
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = self._begin(name)
            self._known.pop(name, None)
        return room

    def stored(self, name: str) -> bool:
        """Return whether a room of that name is, or would be, stored."""
        return not any(fnmatchcase(name, pattern) for pattern in self._memory)

    def names(self) -> list[str]:
        """Return the names of all rooms there are now."""
        return [*self._rooms, *self._known]

    def describe(self, name: str) -> tuple[int, int] | None:
        """Return a room's newest sequence number and its members, None if it is gone."""
        room = self._rooms.get(name)
        if room is not None:
            return room.head, len(room.members)
        kept = self._known.get(name)
        return None if kept is None else (kept.head, 0)

    def __len__(self) -> int:
        """How many rooms there are."""
        return len(self._rooms) + len(self._known)

    @property
    def delivered(self) -> int:
        """How many messages members were sent so far."""
        reading = sum(cursor.seq for room in self._rooms.values() for cursor in room.members)
        return self.counts.delivered + reading

    @property
    def behind(self) -> int:
        """How many members, in all rooms, have not taken all that they may see."""
        return sum(room.readers_behind for room in self._rooms.values())

    # -- for connections -----------------------------------------------------

    def admit(self, publisher: Publisher) -> None:
        """Have a newcomer hold while those who publish to stored rooms must.

        Who publishes to a memory room that is full is held there, at its first message.
        """
        if self.commits is not None and self.commits.full:
            self._holds.hold(publisher)

    def dismiss(self, publisher: Publisher) -> None:
        """Forget a publisher that is gone."""
        self._holds.forget(publisher)
        for room in self._congested:
            room.dismiss(publisher)

    # -- for the store -------------------------------------------------------

    def load(self, kept: Sequence[Kept]) -> None:
        """Take in what the store holds."""
        self._known = {each.room: each for each in kept if each.size and self.stored(each.room)}

    def kept(self, kept: Kept) -> None:
        """The store holds less, or more, of a room than before."""
        room = self._rooms.get(kept.room)
        if isinstance(room, StoredRoom):
            room.kept(kept)
        else:
            self._known.pop(kept.room, None)
            self._put_away(kept)
            self._forget_unused()

    def relieved(self) -> None:
        """The store has caught up: publishers go on."""
        self._holds.release()

    # -- the passing of time -------------------------------------------------

    def sweep(self, now: int | None = None) -> None:
        """Let go of what need not be kept; to be called about once a second.

        `now` is the Unix time in milliseconds that memory rooms delete by, 0 if none can be
        trusted; without it the clock is.
        """
        now = self._millis() if now is None else now
        oldest = 0 if self._age is None else now - int(self._age * 1000)
        cost = 0
        for room in list(self._rooms.values()):
            if isinstance(room, MemoryRoom):
                room.sweep()
                room.expire(oldest, now)
            cost += room.tail.cost
            if not room.members and room.quiet and (room.durable or not room.tail.pieces):
                self._end(room)
        self._forget_unused()
        if cost > MEMORY_COST:
            self._shrink(cost)

    def _begin(self, name: str) -> Room:
        """Return a new room."""
        if not ROOM.fullmatch(name):
            raise ProtocolError(ErrorCode.BAD_ROOM, f"{ROOM_RULE}: {name[:40]!a} is none")
        if name not in self._known and len(self) >= ROOMS_LIMIT:
            raise ProtocolError(
                ErrorCode.LIMIT,
                f"there are {ROOMS_LIMIT} rooms, as many as can be: use one of them",
            )
        if self.commits is not None and self.stored(name):
            head = self.commits.archive.head(name)
            kept = self._known.get(name) or Kept(name, head + 1, head, 0)
            soon = self._timing["soon"]
            return StoredRoom(kept, self.commits, self._holds, self._millis, soon, self.counts)
        return MemoryRoom(
            name,
            start=max(self._micros(), self._given),
            now=self._millis,
            congestion=self._congestion,
            **self._timing,
        )

    def _end(self, room: Room) -> None:
        """A room has nothing in memory that anybody wants."""
        del self._rooms[room.name]
        room.ended = True
        if isinstance(room, StoredRoom):
            self._put_away(Kept(room.name, room.first, room.head, room.size))
        else:
            self._given = max(self._given, room.received)

    def _put_away(self, kept: Kept) -> None:
        """Note what the store holds of a room that is not in memory."""
        if not kept.size:
            self._unused.append(kept.room)
        elif self.stored(kept.room):
            self._known[kept.room] = kept

    def _forget_unused(self) -> None:
        """Tell the store which rooms are gone, in one question for however many."""
        unused, self._unused = self._unused, []
        if unused and self.commits is not None:
            self.commits.archive.forget(unused)

    def _shrink(self, cost: int) -> None:
        """Have rooms forget what nobody needs in memory, the quietest ones first."""
        rooms = [room for room in self._rooms.values() if room.tail.pieces]
        rooms.sort(key=lambda room: room.tail.pieces[-1].millis)
        for room in rooms:
            if cost <= MEMORY_COST:
                break
            before = room.tail.cost
            room.shrink()
            cost -= before - room.tail.cost
        if cost > READ_COST:
            self._shed(cost)

    def _shed(self, cost: int) -> None:
        """Have those fall off in memory rooms for whom the most is kept, over all their rooms."""
        kept: dict[Reader, list[tuple[MemoryRoom, Cursor]]] = {}
        for room in self._rooms.values():
            if isinstance(room, MemoryRoom):
                for cursor in room.behind():
                    kept.setdefault(cursor.reader, []).append((room, cursor))
        readers = sorted(
            kept.values(), key=lambda each: sum(room.tail.cost for room, _ in each), reverse=True
        )
        for reader in readers:
            for room, cursor in reader:
                if cost <= READ_COST:
                    return
                before = room.tail.cost
                room.shed(cursor)
                cost -= before - room.tail.cost

    def _congestion(self, room: MemoryRoom, on: bool) -> None:
        """A memory room makes those who publish wait, or no longer."""
        if on:
            self._congested[room] = None
        else:
            self._congested.pop(room, None)

    def _millis(self) -> int:
        return self._micros() // 1000

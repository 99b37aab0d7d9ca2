"""What is deleted, so that a store stays within its limits.

Law of this file: from the oldest end only, and little at a time, for a commit may be
waiting.  The ledger is read here; whoever asked writes to it when the store has it all.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from twisted_msg.log.database import Database
from twisted_msg.log.ledger import Ledger, Room
from twisted_msg.log.marks import MARK_SIZE, Marks
from twisted_msg.log.store import Retention

PRUNE_ROWS: Final = 256
"""Pieces that one step of retention deletes: about 2 ms, so that no commit waits long."""

PRUNE_SIZE: Final = 4 * 1024 * 1024
"""Bytes of bodies that one step deletes, likewise."""

SLACK: Final = 1024 * 1024
"""Bytes below its limit that a room is taken down to, or a 16th of the limit if that is
less.  A room that is flooded at its limit then pays for deleting once in a megabyte."""

AHEAD_ROWS: Final = 4096
"""Pieces of a clock that was ahead, at the most, behind which a step looks for one that shows
that they are old: what a busy room takes in some seconds."""

AGED_ROOMS: Final = 16
"""Rooms that share one step when several hold what is too old, and so share its sync."""

_ROOM: Final = 2
_ALL: Final = 2**63 - 1

# One row for all of them: for each row the interpreter's lock is given up, and beside a busy
# reactor had back only a tenth of a millisecond later.
_OLDEST: Final = (
    "SELECT group_concat(first || ' ' || millis || ' ' || size) FROM"
    " (SELECT first, millis, length(body) AS size FROM pieces"
    " WHERE room = ? AND first < ? ORDER BY first LIMIT ?)"
)
_NEWEST: Final = "SELECT max(first) FROM pieces WHERE room = ?"


class _Bound(NamedTuple):
    """Where deleting stops: a number of rows, of bytes, and a sequence number."""

    rows: int
    size: int
    seq: int = _ALL


_STEP: Final = _Bound(PRUNE_ROWS, PRUNE_SIZE)


def room_row(room: Room) -> tuple[object, ...]:
    """Return what makes a room's row in `Database.write_all`."""
    return (_ROOM, *room)


class Pruning:
    """The limits of one open store, and how far it has got with them."""

    def __init__(self, database: Database, ledger: Ledger, retention: Retention) -> None:
        self._database = database
        self._ledger = ledger
        self._retention = retention
        self._limit = _ALL if retention.size is None else retention.size
        # Only a limit that was lowered makes these: commits keep within it.
        self._crowded = [room.name for room in ledger.rooms.values() if self.crowded(room)]
        self.marks = Marks(database, retention)

    def crowded(self, room: Room) -> bool:
        """Return whether a room holds more than it may."""
        return room.size > self._limit

    def make_room(self, room: Room, seq: int, rows: int, size: int) -> Room:
        """Take a crowded room below its limit, in a commit's transaction.

        What stands at or behind `seq` is what the commit brought, and stays.  No more is
        deleted than a step's rows or twice what came in: `rows` pieces of `size` bytes.
        """
        most = _Bound(PRUNE_ROWS + 2 * rows, SLACK + 2 * size, seq=seq)
        excess = room.size - self._limit + min(SLACK, self._limit // 16)
        return self._trim(room, excess, most)

    def step(self, now: int) -> list[Room]:
        """Do a step; return the rooms that it changed, as they are now."""
        changed = self._prune_age(now) or self._prune_size() or self._prune_store()
        if not changed:
            self.marks.step(now, self._ledger.oldest())
        return changed

    def _prune_age(self, now: int) -> list[Room]:
        if self._retention.age is None:
            return []
        cutoff = now - int(self._retention.age * 1000)
        rooms = self._ledger.overdue(cutoff, AGED_ROOMS)
        if not rooms:
            return []
        share = _Bound(PRUNE_ROWS // AGED_ROOMS, PRUNE_SIZE // AGED_ROOMS)
        if len(rooms) == 1:
            share = _STEP
        with self._database.transaction():
            return [self._expire(room, cutoff, now, share) for room in rooms]

    def _prune_size(self) -> list[Room]:
        while self._crowded:
            room = self._ledger.rooms.get(self._crowded[-1])
            if room is not None and self.crowded(room):
                ((newest,),) = self._database.read(_NEWEST, room.id)
                excess = room.size - self._limit
                changed = self._trimmed(room, excess, _STEP._replace(seq=newest))
                if changed:
                    return changed
            self._crowded.pop()
        return []

    def _prune_store(self) -> list[Room]:
        if self._retention.store is None:
            return []
        marks = (
            self.marks.surplus * MARK_SIZE
        )  # they go by themselves, and take no message with them
        excess = self._database.used - marks - self._retention.store
        room = self._ledger.largest() if excess > 0 else None
        return self._trimmed(room, excess, _STEP) if room else []

    def _trimmed(self, room: Room, excess: int, most: _Bound) -> list[Room]:
        """Trim a room in a transaction; return it if it changed."""
        with self._database.transaction():
            trimmed = self._trim(room, excess, most)
        return [] if trimmed is room else [trimmed]

    def _trim(self, room: Room, excess: int, most: _Bound) -> Room:
        """Delete the oldest pieces of a room, `excess` bytes of them; return the room's new row.

        `most` bounds what one call deletes.
        """
        size, end = 0, None
        for first, _, length in self._oldest(room, most.seq, most.rows):
            if size >= most.size or size >= excess:
                break
            size += length
            end = first
        return room if end is None else self._delete(room, end, size)

    def _expire(self, room: Room, cutoff: int, now: int, most: _Bound) -> Room:
        """Delete a room's messages that are older than a time; return the room's new row.

        A piece whose time is in the future was published while the clock was ahead.  It is deleted
        together with an old piece that follows it, since that one was published later.
        """
        pieces = self._with_ahead(room, now, most.rows)
        passed, size, end = 0, 0, None
        for first, millis, length in pieces:
            if cutoff <= millis <= now or size >= most.size:
                break
            passed += length
            if millis < cutoff:
                size, end = passed, first
        if end is not None:
            room = self._delete(room, end, size)
            pieces = self._with_ahead(room, now, 1)
        oldest = next((millis for _, millis, _ in pieces if millis <= now), now)
        if pieces and oldest != room.oldest:
            room = room._replace(oldest=oldest)
            self._database.write_all([room_row(room)])
        return room

    def _with_ahead(self, room: Room, now: int, rows: int) -> list[tuple[int, int, int]]:
        """Return a room's first pieces, and more of them if the first has a time in the future."""
        pieces = self._oldest(room, _ALL, rows)
        return self._oldest(room, _ALL, AHEAD_ROWS) if pieces and pieces[0][1] > now else pieces

    def _delete(self, room: Room, end: int, size: int) -> Room:
        """Delete a room's pieces up to `end`, `size` bytes in all; return the room's new row."""
        self._database.write("DELETE FROM pieces WHERE room = ? AND first <= ?", room.id, end)
        left = self._oldest(room, _ALL, 1)
        if left:
            first, millis, _ = left[0]
            room = room._replace(first=first, oldest=millis, size=room.size - size)
        else:
            room = room._replace(first=room.head + 1, size=0)
        self._database.write_all([room_row(room)])
        return room

    def _oldest(self, room: Room, seq: int, rows: int) -> list[tuple[int, int, int]]:
        """Return number, time and size of a room's first pieces before a sequence number."""
        ((found,),) = self._database.read(_OLDEST, room.id, seq, rows)
        pieces = (each.split() for each in found.split(",")) if found else ()
        return sorted((int(first), int(millis), int(size)) for first, millis, size in pieces)

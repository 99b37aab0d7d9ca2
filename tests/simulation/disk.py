"""A disk that forgets, and a store on it.

Law of this file: what is written is in the system's memory and readable at once, by whoever
opens the store next; only what was synced outlives a power cut.  A sync that failed has
forgotten what it should have kept, and a later one does not bring it back; opening the store
writes everything anew, as SQLite's checkpoint does, and syncs that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from twisted_msg.log.codec import pack, unpack
from twisted_msg.log.piece import Piece
from twisted_msg.log.store import Kept, Mark, StoreBroken, StoreError, StoreFull


class Died(BaseException):
    """The process was killed while the store worked."""


class Row(NamedTuple):
    """A stored piece."""

    first: int
    last: int
    millis: int
    body: bytes


@dataclass
class Group:
    """One transaction: pieces, marks, and up to where rooms were pruned."""

    pieces: list[tuple[str, Row]] = field(default_factory=list)
    marks: dict[bytes, Mark] = field(default_factory=dict)
    pruned: dict[str, int] = field(default_factory=dict)
    synced: bool = False
    spoilt: bool = False
    """Whether its sync failed: no later one keeps it."""


class Disk:
    """Transactions in the order of their writing; `next_sync` and the others are faults to come."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.groups: list[Group] = []
        self.full = False
        self.fail_sync = 0
        self.die = ""
        self.with_power = False
        """Whether the power goes when the process dies at its work."""
        self.counts: dict[str, int] = {}

    def count(self, what: str, by: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + by

    def write(self, group: Group) -> None:
        """Append a transaction."""
        if self.full:
            self.count("disk full")
            raise StoreFull("no space is left")
        self._die("before the write")
        self.groups.append(group)
        self._die("between write and sync")
        self.sync()
        self._die("behind the sync")

    def sync(self) -> None:
        """Have everything outlive a power cut that an earlier failure has not spoilt."""
        fresh = [group for group in self.groups if not group.synced]
        if self.fail_sync:
            self.fail_sync -= 1
            self.count("failed syncs")
            for group in fresh:
                group.spoilt = True
            raise StoreBroken("the sync failed")
        for group in fresh:
            group.synced = not group.spoilt

    def rewrite(self) -> None:
        """Write all of it anew, and sync."""
        for group in self.groups:
            group.spoilt = False
        self.sync()

    def cut_power(self) -> int:
        """Forget what was not synced, or tear it: return how many transactions that were.

        A log is read up to its first torn record, so what is left is a beginning.
        """
        kept = 0
        while kept < len(self.groups) and self.groups[kept].synced:
            kept += 1
        kept += self.random.randint(0, len(self.groups) - kept)
        while any(group.spoilt for group in self.groups[:kept]):
            kept -= 1
        lost = len(self.groups) - kept
        del self.groups[kept:]
        for group in self.groups:
            group.synced = True
        return lost

    def _die(self, when: str) -> None:
        if self.die == when:
            self.die = ""
            self.count(f"died {when}")
            raise Died(when)


class SimulatedStore:
    """A `Store` on a `Disk`; keeps at most `limit` pieces of a room, when it is pruned."""

    def __init__(self, disk: Disk, limit: Callable[[], int]) -> None:
        self.disk = disk
        self._limit = limit
        self.floor = 0
        self.rooms: dict[str, list[Row]] = {}
        self.heads: dict[str, int] = {}
        self.firsts: dict[str, int] = {}
        self.marks: dict[bytes, Mark] = {}
        self.opened = False

    @property
    def marks_per_address(self) -> int | None:
        return None

    def drop_marks(self, clients: Sequence[bytes]) -> None:
        raise AssertionError("marks have no limit")

    @property
    def newest(self) -> int:
        return 0

    @property
    def size(self) -> int:
        return 0

    def open(self) -> list[Kept]:
        """Read what is there; before anybody hears of it, make sure that it stays."""
        self.recover()
        for group in self.disk.groups:
            self.apply(group)
        self.opened = True
        return [self.kept(room) for room in self.heads]

    def recover(self) -> None:
        """What a crash left readable was perhaps never synced: sync it."""
        if self.disk.full:
            raise StoreFull("no space is left")
        self.disk.rewrite()

    def apply(self, group: Group) -> None:
        """Take in a transaction."""
        for room, row in group.pieces:
            self.rooms.setdefault(room, []).append(row)
            self.heads[room] = row.last
            self.firsts.setdefault(room, row.first)
        for key, mark in group.marks.items():
            before = self.marks.get(key)
            if before is None or before.id < mark.id:
                self.marks[key] = mark
        for room, last in group.pruned.items():
            rows = self.rooms[room]
            while rows and rows[0].last <= last:
                rows.pop(0)
            self.firsts[room] = rows[0].first if rows else self.heads[room] + 1

    def kept(self, room: str) -> Kept:
        size = sum(len(row.body) for row in self.rooms.get(room, ()))
        return Kept(room, self.firsts[room], self.heads[room], size)

    def head(self, room: str) -> int:
        return self.heads.get(room, self.floor)

    def commit(
        self, pieces: Sequence[Piece], marks: Sequence[tuple[bytes, int, int]]
    ) -> list[Kept]:
        heads: dict[str, int] = {}
        group = Group()
        for piece in pieces:
            if piece.first <= heads.get(piece.room, self.head(piece.room)):
                raise ValueError(f"{piece.room} has given {piece.first} before")
            heads[piece.room] = piece.last
            row = Row(piece.first, piece.last, piece.millis, pack(piece))
            group.pieces.append((piece.room, row))
        for key, number, seq in marks:
            group.marks[key] = Mark(number, seq)
        self.store(group)
        return [self.kept(room) for room in heads]

    def store(self, group: Group) -> None:
        """Write a transaction, sync, and know it from then on."""
        self.disk.write(group)
        self.apply(group)

    def piece(self, room: str, seq: int) -> Piece | None:
        for row in self.rooms.get(room, ()):
            if row.last >= seq:
                return unpack(room, row.first, row.millis, row.body)
        return None

    def set_aside(self, size: int) -> None:
        if self.disk.full:
            raise StoreFull("no space is left")

    def check(self) -> None:
        pass

    def since(self, room: str, millis: int) -> int:
        for row in self.rooms.get(room, ()):
            if row.millis >= millis:
                return row.first
        return self.head(room) + 1

    def mark(self, key: bytes) -> Mark | None:
        return self.marks.get(key)

    def prune(self, now: int) -> list[Kept]:
        limit = self._limit()
        for room, rows in self.rooms.items():
            if len(rows) > limit:
                self.disk.count("pruned rooms")
                self.store(Group(pruned={room: rows[len(rows) - limit - 1].last}))
                return [self.kept(room)]
        return []

    def forget(self, room: str) -> None:
        pass

    def close(self) -> None:
        if not self.opened:
            raise StoreError("it was closed before")
        self.opened = False


def every_row(disk: Disk) -> dict[str, list[Row]]:
    """Return everything that the disk holds, also what was pruned, by room."""
    found: dict[str, list[Row]] = {}
    for group in disk.groups:
        for room, row in group.pieces:
            found.setdefault(room, []).append(row)
    return found

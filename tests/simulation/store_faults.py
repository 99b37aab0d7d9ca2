"""Faults of the store: SQLite's settings, commits, retention, and the index of rooms.

Each undoes one protection and nothing else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any
from unittest import mock

from tests.simulation.model import ObservedStore
from tests.simulation.planting import instead, planted
from twisted_msg.log import database, folder
from twisted_msg.log.archive import Archive
from twisted_msg.log.ledger import Ledger, Room
from twisted_msg.log.marks import Marks
from twisted_msg.log.piece import Piece
from twisted_msg.log.pruning import Pruning
from twisted_msg.log.sqlite import SqliteStore
from twisted_msg.log.store import Kept
from twisted_msg.rooms.retention_clock import RetentionClock


@contextmanager
def statements(change: Callable[[str], str]) -> Iterator[None]:
    """Have SQLite run other statements."""

    class Changed(sqlite3.Connection):
        def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
            return super().execute(change(statement), *values)

    def connect(*arguments: Any, **named: Any) -> sqlite3.Connection:
        return connects(*arguments, factory=Changed, **named)

    connects = sqlite3.connect
    with mock.patch.object(database.sqlite3, "connect", connect):
        yield


def inner(**names: Any) -> AbstractContextManager[None]:
    """Have the product's store, below the observer, do some things in another way."""
    return instead(SqliteStore, **names)


# -- what is on disk, and when -----------------------------------------------


@planted
def commits_not_synced() -> Iterator[None]:
    """A commit does not wait for the disk."""
    with statements(lambda text: text.replace("synchronous = FULL", "synchronous = OFF")):
        yield


@planted
def recovered_but_not_synced() -> Iterator[None]:
    """What a crash left readable is served without a sync."""
    with (
        statements(lambda text: "SELECT 1" if "TRUNCATE" in text else text),
        instead(database, write_again=lambda path: None),
    ):
        yield


@planted
def synced_after_a_failed_sync() -> Iterator[None]:
    """What a failed sync has forgotten is synced, and not written again."""
    with instead(database, write_again=lambda path: None):
        yield


@planted
def names_not_synced() -> Iterator[None]:
    """The name of a new database is not synced."""
    nothing = lambda path: None  # noqa: E731
    with instead(folder, sync=nothing, _sync_way=nothing), instead(database, sync=nothing):
        yield


@planted
def marks_apart() -> Iterator[None]:
    """How far a client has come is written in a transaction of its own, behind the messages."""

    def commit(
        self: SqliteStore, pieces: Sequence[Piece], marks: Sequence[tuple[bytes, int, int]]
    ) -> list[Kept]:
        kept = original(self, pieces, ())
        original(self, (), marks)
        return kept

    original = SqliteStore.commit
    with inner(commit=commit):
        yield


@planted
def marks_before_messages() -> Iterator[None]:
    """How far a client has come is written in a transaction of its own, before the messages."""

    def commit(
        self: SqliteStore, pieces: Sequence[Piece], marks: Sequence[tuple[bytes, int, int]]
    ) -> list[Kept]:
        original(self, (), marks)
        return original(self, pieces, ())

    original = SqliteStore.commit
    with inner(commit=commit):
        yield


@planted
def marks_forgotten() -> Iterator[None]:
    """A restarted server knows no client."""
    with inner(mark=lambda self, key: None):
        yield


@planted
def full_taken_for_stored() -> Iterator[None]:
    """A commit for which there is no space is taken for a good one."""
    with mock.patch.object(ObservedStore, "commit", _swallowed(ObservedStore.commit)):
        yield


def _swallowed(commit: Callable[..., list[Kept]]) -> Callable[..., list[Kept]]:
    from twisted_msg.log.store import StoreFull

    def swallowed(self: Any, pieces: Any, marks: Any) -> list[Kept]:
        try:
            return commit(self, pieces, marks)
        except StoreFull:
            return []

    return swallowed


# -- the index of rooms ------------------------------------------------------


@planted
def numbers_given_twice() -> Iterator[None]:
    """After a restart a room goes on behind what it still holds, and not behind what it gave."""

    def begin(self: Ledger, rooms: Any = (), floor: int = 0) -> None:
        original(
            self,
            [room if room.size else room._replace(first=1, head=0) for room in rooms],
            floor,
        )

    original = Ledger.__init__
    with instead(Ledger, __init__=begin):
        yield


@planted
def floor_not_raised() -> Iterator[None]:
    """Rooms that are folded leave nothing behind."""

    def fold(self: Ledger, rooms: list[Room]) -> None:
        floor = self.floor
        original(self, rooms)
        self.floor = floor

    original = Ledger.fold
    with instead(Ledger, fold=fold):
        yield


@planted
def size_of_a_room_drifts() -> Iterator[None]:
    """A commit of several pieces counts the first one's size only."""

    def append(self: Ledger, changed: dict[str, Room], piece: Piece, size: int) -> Room:
        return original(self, changed, piece, 0 if piece.room in changed else size)

    original = Ledger.append
    with instead(Ledger, append=append):
        yield


@planted
def page_of_another_room() -> Iterator[None]:
    """Pages of history are kept for others by number, whatever room they are of."""

    def page(self: Archive, room: str, seq: int, taker: Any, *wanted: Any) -> None:
        for (_, number), piece in self._pages.items():
            if number == seq:
                self._soon(partial(taker, piece))
                return
        original(self, room, seq, taker, *wanted)

    original = Archive.page
    with instead(Archive, page=page):
        yield


@planted
def the_oldest_time_is_searched() -> Iterator[None]:
    """`since` begins one piece too late."""

    def since(self: SqliteStore, room: str, millis: int) -> int:
        return original(self, room, millis + 1)

    original = SqliteStore.since
    with inner(since=since):
        yield


# -- retention ---------------------------------------------------------------


@planted
def one_deleted_too_many() -> Iterator[None]:
    """When the excess is met exactly, one more is deleted."""

    def trim(self: Pruning, room: Room, wanted: Any, most: Any) -> Room:
        if wanted.size:
            wanted = wanted._replace(size=wanted.size + 1)
        return original(self, room, wanted, most)

    original = Pruning._trim
    with instead(Pruning, _trim=trim):
        yield


@planted
def deleted_a_second_early() -> Iterator[None]:
    """Messages are deleted when they are a second younger than they may become."""

    def prune_age(self: Pruning, now: int) -> list[Room]:
        return original(self, now + 1000)

    original = Pruning._prune_age
    with instead(Pruning, _prune_age=prune_age):
        yield


@planted
def first_not_moved() -> Iterator[None]:
    """What is told of a room after retention has its old first number."""

    def trim(self: Pruning, room: Room, wanted: Any, most: Any) -> Room:
        trimmed = original(self, room, wanted, most)
        return trimmed._replace(first=room.first) if trimmed.size else trimmed

    original = Pruning._trim
    with instead(Pruning, _trim=trim):
        yield


@planted
def the_newest_room_first() -> Iterator[None]:
    """Retention by age looks at one room only."""

    def overdue(self: Ledger, cutoff: int, most: int) -> list[Room]:
        return [room for room in original(self, cutoff, most) if room.id == 1]

    original = Ledger.overdue
    with instead(Ledger, overdue=overdue):
        yield


@planted
def marks_swept_too_early() -> Iterator[None]:
    """Marks go though messages that they guard are kept."""

    def step(self: Marks, now: int, oldest: int | None) -> None:
        original(self, now + 8 * 24 * 3600 * 1000, None)

    original = Marks.step
    with instead(Marks, step=step):
        yield


@planted
def a_clock_that_jumped_is_believed() -> Iterator[None]:
    """Messages are deleted by age without a wait for the clock."""
    with instead(RetentionClock, read=lambda self: self._now() // 1000):
        yield

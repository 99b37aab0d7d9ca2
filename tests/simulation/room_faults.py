"""Faults of rooms and of publishing, the six of the independent trial among them.

Each undoes one protection and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from tests.simulation.planting import instead, planted
from twisted_msg.log.commits import Commits
from twisted_msg.log.piece import Piece, View
from twisted_msg.rooms import room as rooms
from twisted_msg.rooms.cursor import Cursor
from twisted_msg.rooms.holds import Holds
from twisted_msg.rooms.memory import MemoryRoom
from twisted_msg.rooms.room import Room
from twisted_msg.session.publishing import Publishing


@planted
def a_run_left_out_at_a_cut() -> Iterator[None]:
    """A piece that is shown from its midst lacks the run in which it begins."""

    def encoded(self: Piece, view: View, start: int = 0, without: int | None = None) -> bytes:
        if without is not None and start > self.first and self._holds(without):
            for origin, first, last in self.runs:
                if first < start - self.first <= last and origin != without:
                    start = self.first + last + 1
        return original(self, view, start, without)

    original = Piece.encoded
    with instead(Piece, encoded=encoded):
        yield


@planted
def a_message_left_out_at_a_cut() -> Iterator[None]:
    """A batch that is cut into pieces loses the last message of a piece."""

    def cut(*arguments: Any) -> list[Piece]:
        pieces = original(*arguments)
        for piece in pieces[:-1]:
            if len(piece.payloads) > 1:
                piece.last -= 1
                piece.authors.pop()
                piece.payloads.pop()
        return pieces

    original = rooms.cut
    with instead(rooms, cut=cut):
        yield


@planted
def plain_missed_counts_its_own() -> Iterator[None]:
    """The number of missed messages of a plain member includes its own messages."""

    def count(self: Piece, view: View, start: int, _: int | None, *rest: int | None) -> int:
        return original(self, view, start, None, *rest)

    original = Piece.count
    with instead(Piece, count=count):
        yield


@planted
def plain_missed_counts_what_it_got() -> Iterator[None]:
    """The number of missed messages of a plain member includes messages that it received."""

    def count(self: Piece, view: View, _: int, *rest: int | None) -> int:
        return original(self, view, 0, *rest)

    original = Piece.count
    with instead(Piece, count=count):
        yield


@planted
def held_after_the_slow_member_left() -> Iterator[None]:
    """Publishers go on waiting for a member that has left."""

    def forget(self: MemoryRoom, cursor: Cursor, *, quietly: bool) -> None:
        with mock.patch.object(MemoryRoom, "_unblock"):
            original(self, cursor, quietly=quietly)

    original = MemoryRoom.forget
    with instead(MemoryRoom, forget=forget):
        yield


@planted
def ids_forgotten_at_a_full_disk() -> Iterator[None]:
    """After a refusal an id that a memory room has heard is taken for new."""

    def turned_away(self: Publishing) -> None:
        self._heard = 0
        original(self)

    original = Publishing.turned_away
    with instead(Publishing, turned_away=turned_away):
        yield


@planted
def settled_before_the_group_is() -> Iterator[None]:
    """Who waits until all is stored does not wait for the group that is being committed."""

    def settle(self: Commits, then: Callable[[], None]) -> None:
        if self._next.sources or self._next.owed:
            self._next.waiting.append(then)
        else:
            then()

    with instead(Commits, settle=settle):
        yield


@planted
def released_only_once() -> Iterator[None]:
    """Of the publishers that wait, one is let go on."""

    def release(self: Holds) -> None:
        if self._held and not self._full():
            publisher = next(iter(self._held))
            del self._held[publisher]
            publisher.release()

    with instead(Holds, release=release):
        yield


@planted
def memory_dropped_before_it_is_read() -> Iterator[None]:
    """A memory room drops its oldest piece, whoever reads it."""

    def trim(self: MemoryRoom) -> None:
        original(self)
        if len(self.tail.pieces) > 3:
            self.tail.drop_first()

    original = MemoryRoom._trim
    with instead(MemoryRoom, _trim=trim):
        yield


@planted
def numbers_kept_after_a_refusal() -> Iterator[None]:
    """After a full disk members wait for numbers that are given to other messages."""

    def turned_away(self: Any) -> None:
        self.cut()
        self.received = self.head
        for cursor in list(self.members):
            cursor.seq = max(cursor.seq, self.head + 2)

    from twisted_msg.rooms.stored import StoredRoom

    with instead(StoredRoom, turned_away=turned_away):
        yield


@planted
def late_members_never_woken() -> Iterator[None]:
    """Members for whom a turn has no time are forgotten."""
    with instead(Room, _wake_later=lambda self: self._later.clear()):
        yield

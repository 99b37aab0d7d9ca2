"""Faults of the server: what it protects against, taken out one at a time.

Law of this file: each undoes one protection and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.simulation.planting import instead, planted
from twisted_msg.log.commits import Commits
from twisted_msg.log.piece import Piece
from twisted_msg.log.store import StoreFull
from twisted_msg.rooms.cursor import Cursor
from twisted_msg.rooms.stored import StoredRoom
from twisted_msg.session.clients import Clients
from twisted_msg.session.publishing import Publishing
from twisted_msg.wire.replies import Missed


@planted
def ack_before_commit() -> Iterator[None]:
    """A message is acknowledged when it is received."""

    def owe(self: StoredRoom, debtor: Any, number: int, seq: int) -> None:
        original(self, debtor, number, seq)
        debtor.stored(number, seq)

    original = StoredRoom.owe
    with instead(StoredRoom, owe=owe):
        yield


@planted
def seen_before_commit() -> Iterator[None]:
    """Members see a message while it is being written."""

    def cut(self: StoredRoom) -> list[Piece]:
        pieces = original(self)
        show(self, pieces)
        return pieces

    original, show = StoredRoom.cut, StoredRoom.committed
    with instead(StoredRoom, cut=cut, committed=lambda self, pieces: None):
        yield


@planted
def no_duplicate_check_in_a_group() -> Iterator[None]:
    """What is received and not yet stored is not known to be a repetition."""

    def is_new(self: Publishing, number: int) -> bool:
        return number > self.mark.id or original(self, number)

    original = Publishing._is_new
    with instead(Publishing, _is_new=is_new):
        yield


@planted
def refusal_passed_over() -> Iterator[None]:
    """After a full disk the connection goes on, and its next acknowledgement covers the loss."""
    with instead(Publishing, turned_away=lambda self: None):
        yield


@planted
def carrying_on_after_a_failed_sync() -> Iterator[None]:
    """A failed sync is taken for a good one."""

    def written(self: Commits, group: Any, outcome: Any) -> None:
        failed = isinstance(outcome, BaseException) and not isinstance(outcome, StoreFull)
        original(self, group, () if failed else outcome)

    original = Commits._written
    with instead(Commits, _written=written):
        yield


@planted
def takeover_without_settling() -> Iterator[None]:
    """A new connection of a client begins before what the older one said is stored."""

    def settle(self: Clients, key: bytes, client: Any, holder: Any, then: Any, *rest: Any) -> None:
        if client.mark is not None and client.holder is holder:
            then(client.mark)
        else:
            original(self, key, client, holder, then, *rest)

    original = Clients._settle
    with instead(Clients, _settle=settle):
        yield


@planted
def older_connection_goes_on() -> Iterator[None]:
    """A takeover forgets what the older connection said that is not stored yet."""

    def settle(self: Clients, key: bytes, client: Any, holder: Any, then: Any, *rest: Any) -> None:
        if client.mark is not None and not client.mark.settled:
            client.mark.received = client.mark.id
        original(self, key, client, holder, then, *rest)

    original = Clients._settle
    with instead(Clients, _settle=settle):
        yield


@planted
def a_piece_skipped_at_the_step_to_live() -> Iterator[None]:
    """The last piece that a reader takes from the store is taken for the first one in memory."""

    def fetched(self: Cursor, piece: Piece | None) -> None:
        room = self._room
        if piece is not None and room is not None and piece.last + 1 == room.tail.first:
            self.seq = piece.last + 1
            piece = None
        original(self, piece)

    original = Cursor.fetched
    with instead(Cursor, fetched=fetched):
        yield


@planted
def missed_one_too_many() -> Iterator[None]:
    """The range that a reader is told of as missed ends one number too late."""

    def missed(self: Cursor, room: Any, first: int) -> bytes:
        return original(self, room, first + 1 if first <= room.head else first)

    original = Cursor._missed
    with instead(Cursor, _missed=missed):
        yield


@planted
def missed_one_too_few() -> Iterator[None]:
    """The range that a reader is told of as missed begins one number too late."""

    def missed(self: Cursor, room: Any, first: int) -> bytes:
        lost, data = self.seq, original(self, room, first)
        return (
            Missed(room.name, lost + 1, first - 1).encode() if data and first > lost + 1 else data
        )

    original = Cursor._missed
    with instead(Cursor, _missed=missed):
        yield

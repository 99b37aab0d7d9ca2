"""Faults that are planted: what the product protects against, taken out one at a time.

Law of this file: each undoes one protection and nothing else, and none of it is in the
product.  That every one is found is how one knows that the simulation sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest import mock

from tests.simulation.disk import Group, SimulatedStore
from tests.simulation.machine import Machine
from twisted_msg.client.outbox import Outbox
from twisted_msg.client.subscription import Subscription
from twisted_msg.log.commits import Commits
from twisted_msg.log.piece import Piece
from twisted_msg.log.store import Kept, Mark, StoreFull
from twisted_msg.rooms.cursor import Cursor
from twisted_msg.rooms.stored import StoredRoom
from twisted_msg.session.clients import Clients
from twisted_msg.session.publishing import Publishing
from twisted_msg.wire.replies import Missed
from twisted_msg.wire.requests import Sub

Planted = AbstractContextManager[None]
FAULTS: dict[str, Callable[[], Planted]] = {}


def planted(fault: Callable[[], Iterator[None]]) -> Callable[[], Planted]:
    """Register a fault under its name, with dashes."""
    made = contextmanager(fault)
    FAULTS[fault.__name__.replace("_", "-")] = made
    return made


@contextmanager
def instead(owner: Any, **names: Any) -> Iterator[None]:
    """Have other functions in the place of an owner's."""
    with mock.patch.multiple(owner, **names):
        yield


# -- the server --------------------------------------------------------------


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

    def settle(self: Clients, key: bytes, client: Any, holder: Any, then: Any) -> None:
        if client.mark is not None and client.holder is holder:
            then(client.mark)
        else:
            original(self, key, client, holder, then)

    original = Clients._settle
    with instead(Clients, _settle=settle):
        yield


@planted
def older_connection_goes_on() -> Iterator[None]:
    """A takeover forgets what the older connection said that is not stored yet."""

    def settle(self: Clients, key: bytes, client: Any, holder: Any, then: Any) -> None:
        if client.mark is not None and not client.mark.settled:
            client.mark.received = client.mark.id
        original(self, key, client, holder, then)

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


# -- the store ---------------------------------------------------------------


def store(**names: Any) -> AbstractContextManager[None]:
    """Have the machine use a store that does some things in another way."""
    made = type("FaultyStore", (SimulatedStore,), names)
    return instead(Machine, store_class=made)


@planted
def recovered_but_not_synced() -> Iterator[None]:
    """What a crash left readable is served without a sync."""
    with store(recover=lambda self: None):
        yield


@planted
def marks_apart() -> Iterator[None]:
    """How far a client has come is written in a transaction of its own, behind the messages."""

    def commit(
        self: SimulatedStore, pieces: Sequence[Piece], marks: Sequence[tuple[bytes, int, int]]
    ) -> list[Kept]:
        kept = SimulatedStore.commit(self, pieces, ())
        self.store(Group(marks={key: Mark(*mark) for key, *mark in marks}))
        return kept

    with store(commit=commit):
        yield


@planted
def marks_forgotten() -> Iterator[None]:
    """A restarted server knows no client."""
    with store(mark=lambda self, key: None):
        yield


@planted
def numbers_given_twice() -> Iterator[None]:
    """After a restart a room goes on behind what it still holds, and not behind what it gave."""

    def open_(self: SimulatedStore) -> list[Kept]:
        SimulatedStore.open(self)
        for room, rows in self.rooms.items():
            if not rows:
                self.heads[room], self.firsts[room] = 0, 1
        return [self.kept(room) for room in self.heads]

    with store(open=open_):
        yield


@planted
def marks_before_messages() -> Iterator[None]:
    """How far a client has come is written before the messages, in a transaction of its own."""

    def commit(
        self: SimulatedStore, pieces: Sequence[Piece], marks: Sequence[tuple[bytes, int, int]]
    ) -> list[Kept]:
        self.store(Group(marks={key: Mark(*mark) for key, *mark in marks}))
        return SimulatedStore.commit(self, pieces, ())

    with store(commit=commit):
        yield


# -- the client --------------------------------------------------------------


@planted
def resume_off_by_one() -> Iterator[None]:
    """A reader that comes back asks for one message too late."""

    def come_back(self: Subscription, request: Sub) -> None:
        if request.start is not None:
            request = request._replace(start=request.start + 1)
        original(self, request)

    original = Subscription._come_back
    with instead(Subscription, _come_back=come_back):
        yield


@planted
def resume_one_too_early() -> Iterator[None]:
    """A reader that comes back is handed its last message again."""

    def lost(self: Subscription) -> None:
        original(self)
        if self._next is not None and self._next > 1:
            self._next -= 1
            self._seen -= 1

    original = Subscription.lost
    with instead(Subscription, lost=lost):
        yield


@planted
def new_ids_on_retry() -> Iterator[None]:
    """A client that comes back sends what is not acknowledged under new ids."""

    def resume(self: Outbox[Any], last_id: int) -> list[Any]:
        begun = self._begun
        done = original(self, last_id)
        if begun:
            for batch in self._batches:
                batch.first = self._next
                self._next += len(batch.payloads)
        return done

    original = Outbox.resume
    with instead(Outbox, resume=resume):
        yield


@planted
def full_reader_goes_on_too_late() -> Iterator[None]:
    """What comes between a reader's leaving, for too much is unread, and the answer is lost."""

    def message(self: Subscription, reply: Any) -> None:
        original(self, reply)
        if self.phase.name == "LEAVING":
            self._next = max(self._next or 0, reply.seq + 1)

    original = Subscription.message
    with instead(Subscription, message=message):
        yield

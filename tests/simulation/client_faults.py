"""Faults of the client library.

Law of this file: each undoes one protection and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.simulation.planting import instead, planted
from twisted_msg.client.outbox import Outbox
from twisted_msg.client.subscription import Subscription
from twisted_msg.wire.requests import Sub


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

    def resume(self: Outbox[Any], last_id: int, *rest: Any) -> list[Any]:
        begun = self._begun
        done = original(self, last_id, *rest)
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

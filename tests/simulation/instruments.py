"""Small numbers and watchful eyes: what makes every situation come up in a short run.

Law of this file: the product's own bounds, made small, and its own methods, counted; what
they do is not changed.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

from twisted.logger import globalLogPublisher

from twisted_msg import delivery, transports
from twisted_msg.client import outbox
from twisted_msg.client.subscription import Subscription
from twisted_msg.log import archive, commits, piece
from twisted_msg.rooms import cursor, memory, registry, stored
from twisted_msg.rooms.holds import Holds
from twisted_msg.rooms.memory import MemoryRoom
from twisted_msg.session.clients import Clients
from twisted_msg.session.publishing import Publishing
from twisted_msg.session.typed import TypedSession
from twisted_msg.wire import series

if TYPE_CHECKING:
    from tests.simulation.world import World

BOUNDS: list[tuple[Any, str, int]] = [
    (memory, "TAIL_COST", 40_000),
    (memory, "RELIEF_COST", 20_000),
    (stored, "RECENT_COST", 12_000),
    (archive, "PAGES_COST", 12_000),
    (registry, "MEMORY_COST", 60_000),
    (commits, "UNCOMMITTED_COST", 12_000),
    (commits, "UNCOMMITTED_RELIEF", 6_000),
    (piece, "PIECE_SIZE", 1500),
    (cursor, "PIECE_SIZE", 1500),
    (transports, "READ_SIZE", 3000),
    (delivery, "ANSWERS_LIMIT", 1000),
    (series, "RUN_AFTER", 1),
    (series, "RUN_FIRST", 2),
]


def explain(world: World, error: BaseException) -> None:
    """Put where an exception came from into the trace."""
    for line in traceback.format_exception(error):
        world.trace.extend(line.rstrip().splitlines())


@contextmanager
def counting(world: World) -> Iterator[None]:
    """Have the product run with small bounds, its acts counted, its logged failures told."""
    counts = world.counts

    def around(patches: ExitStack, owner: Any, name: str, see: Callable[..., None]) -> None:
        original = getattr(owner, name)

        def seen(*arguments: Any, **named: Any) -> Any:
            outcome = original(*arguments, **named)
            see(outcome, *arguments)
            return outcome

        patches.enter_context(mock.patch.object(owner, name, seen))

    def new(outcome: bool, *_: Any) -> None:
        counts["duplicates recognised"] += not outcome

    def run(outcome: bool, *_: Any) -> None:
        counts["runs of ids"] += outcome

    def settling(_: Any, clients: Any, key: bytes, client: Any, *rest: Any) -> None:
        counts["takeovers that had to wait"] += client.mark is not None and not client.mark.settled

    def count(what: str) -> Callable[..., None]:
        def add(*_: Any) -> None:
            counts[what] += 1

        return add

    def fetched(_: Any, reader: Any, piece: Any) -> None:
        room = reader._room
        if piece is not None and room is not None and piece.last + 1 == room.tail.first:
            counts["steps from the store to memory"] += 1

    def accepted(pieces: Any, _: Any) -> None:
        log = world.in_memory.setdefault(world.machine.incarnation, [])
        for each in pieces:
            log += enumerate(each.payloads, each.first)

    def logged(event: Any) -> None:
        if "log_failure" in event:
            failure = event["log_failure"]
            world.trouble(f"logged: {failure.getErrorMessage()}")
            world.trace.extend(failure.getTraceback().splitlines()[-12:])

    with ExitStack() as patches:
        for module, name, value in BOUNDS:
            patches.enter_context(mock.patch.object(module, name, value))
        around(patches, Publishing, "_is_new", new)
        around(patches, Publishing, "publish_run", run)
        around(patches, Clients, "_settle", settling)
        around(patches, Publishing, "turned_away", count("publishers turned away"))
        around(patches, cursor.Cursor, "_missed", count("MISSED"))
        around(patches, cursor.Cursor, "fetched", fetched)
        around(patches, stored.StoredRoom, "fetch", count("pieces asked of the store"))
        around(patches, Holds, "hold", count("publishers held"))
        around(patches, MemoryRoom, "cut", accepted)
        around(patches, TypedSession, "supersede", count("connections taken over"))
        around(patches, Subscription, "unsubbed", count("readers that were full"))
        around(patches, outbox.Outbox, "resume", count("resumptions"))
        patches.callback(globalLogPublisher.removeObserver, logged)
        globalLogPublisher.addObserver(logged)
        yield

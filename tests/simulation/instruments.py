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

from twisted_msg import delivery, rows, transports
from twisted_msg.client import outbox
from twisted_msg.client.subscription import Subscription
from twisted_msg.log import archive, commits, database, ledger, marks, piece, pruning, sqlite
from twisted_msg.rooms import cursor, memory, registry, stored
from twisted_msg.rooms import room as rooms
from twisted_msg.rooms.holds import Holds
from twisted_msg.rooms.memory import MemoryRoom
from twisted_msg.session import house
from twisted_msg.session.clients import Clients
from twisted_msg.session.plain import PlainSession
from twisted_msg.session.publishing import Publishing
from twisted_msg.session.typed import TypedSession
from twisted_msg.web import inside
from twisted_msg.web.api import encoding, reading
from twisted_msg.wire import series

if TYPE_CHECKING:
    from tests.simulation.world import World

BOUNDS: list[tuple[Any, str, Any]] = [
    (memory, "TAIL_COST", 20_000),
    (memory, "RELIEF_COST", 10_000),
    (rooms, "TURN_BYTES", 1500),
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
    (pruning, "PRUNE_ROWS", 6),
    (pruning, "PRUNE_SIZE", 4000),
    (pruning, "_STEP", pruning._Bound(6, 4000)),
    (pruning, "SLACK", 1000),
    (pruning, "AGED_ROOMS", 2),
    (marks, "MARK_ROWS", 4),
    (ledger, "EMPTY_ROOMS", 1),
    (ledger, "FOLD_ROOMS", 1),
    (database, "CHECKPOINT_PAGES", 40),
    (database, "CACHE_SIZE", 32 * 1024),
    (database, "LOG_SIZE", 4096),
    (database, "WRITES", 8),
    (sqlite, "WRITES", 8),
    (house, "PRUNE_SECONDS", 3),
    (inside, "BUFFER", 3000),
    (encoding, "CACHE_SIZE", 5000),
    (encoding, "SLICE_SIZE", 300),
    (rows, "SLICE_SIZE", 300),
    (reading, "WRITE_SIZE", 500),
    (house, "PRUNE_COST", 20_000),
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
        for each in pieces:
            log = world.in_memory.setdefault((world.machine.incarnation, each.room), [])
            log += enumerate(each.payloads, each.first)
            origins = world.origins.setdefault((world.machine.incarnation, each.room), {})
            origins.update(enumerate((author.origin for author in each.authors), each.first))

    def fallen(_: Any, session: PlainSession, cursor: Any, missed: int) -> None:
        room = session._room
        if isinstance(room, MemoryRoom):
            last = room.tail.head if cursor.limit is None else cursor.limit
            origins = world.origins[world.machine.incarnation, room.name]
            due = sum(
                cursor.seq <= seq <= last and origin != session.number
                for seq, origin in origins.items()
            )
            counts["plain members that fell in memory rooms"] += 1
        else:
            lost, first = world.gap
            due = first - lost
            counts["plain members whose messages had expired"] += 1
        world.fallen[session.number] = due
        if missed != due:
            world.trouble(f"COUNT a plain member of {room.name} missed {missed}, and {due} is due")

    def stepping(cursor: Any, room: Any, first: int) -> bytes:
        counts["MISSED"] += 1
        world.gap = cursor.seq, first
        gone = [row for row in world.machine.model.rows.get(room.name, ()) if row.last < first]
        gone = [row for row in gone if row.last >= cursor.seq]
        if gone:
            world.trouble(
                f"GAP {room.name}: {cursor.seq} to {first - 1} missed, and kept: {gone[:2]}"
            )
        return step(cursor, room, first)

    step = cursor.Cursor._missed

    def entered(_: Any, session: PlainSession, *rest: Any) -> None:
        reader = session._cursor
        if reader is not None:
            world.joined[world.machine.incarnation, session.number] = reader.seq

    def let_in(_: Any, core: Any, head: int) -> None:
        core.times = getattr(core, "times", 0) + 1

    def forgotten(_: Any, publishing: Any) -> None:
        if publishing._heard > publishing.mark.id:
            counts["refusals behind what a memory room has heard"] += 1

    def parting(room: Any, reader: Any, *, quietly: bool) -> None:
        if reader in room._blockers:
            counts["members that left while publishers waited for them"] += 1
            counts["publishers held when such a member left"] += len(room._holds._held)
        if room.congested:
            counts["members that left a congested room"] += 1
        part(room, reader, quietly=quietly)

    part = MemoryRoom.forget

    def asked(_: Any, commits_: Any, then: Any) -> None:
        if commits_._group is not None and not (commits_._next.sources or commits_._next.owed):
            counts["waits for the group being committed"] += 1

    def paused(_: Any, session: Any, ask: Any, then: Any) -> None:
        if getattr(ask, "__name__", "") == "settle":
            counts["waits until all is stored"] += 1

    def cutting(pieces: Any, *rest: Any) -> None:
        counts["batches cut into pieces"] += len(pieces) > 1
        counts["pieces of several senders"] += any(len(each.runs) > 1 for each in pieces)

    def shown(data: bytes, whole: Any, view: Any, start: int = 0, without: Any = None) -> None:
        if without is not None and data and len(whole.runs) > 1 and whole._holds(without):
            counts["pieces shown without one's own runs"] += 1
            if start > whole.first:
                counts["pieces begun in their midst without one's own runs"] += 1

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
        patches.enter_context(mock.patch.object(cursor.Cursor, "_missed", stepping))
        around(patches, PlainSession, "fallen", fallen)
        around(patches, PlainSession, "__init__", entered)
        around(patches, cursor.Cursor, "fetched", fetched)
        around(patches, stored.StoredRoom, "fetch", count("pieces asked of the store"))
        around(patches, Holds, "hold", count("publishers held"))
        around(patches, MemoryRoom, "cut", accepted)
        around(patches, TypedSession, "supersede", count("connections taken over"))
        around(patches, Subscription, "unsubbed", count("readers that were full"))
        around(patches, outbox.Outbox, "resume", count("resumptions"))
        around(patches, Subscription, "subbed", let_in)
        around(patches, Publishing, "turned_away", forgotten)
        patches.enter_context(mock.patch.object(MemoryRoom, "forget", parting))
        around(patches, commits.Commits, "settle", asked)
        around(patches, TypedSession, "_pause", paused)
        around(patches, rooms, "cut", cutting)
        around(patches, piece.Piece, "encoded", shown)
        patches.callback(globalLogPublisher.removeObserver, logged)
        globalLogPublisher.addObserver(logged)
        yield

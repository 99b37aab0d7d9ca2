"""The workloads: what each one does with a peer's server, and which figure counts.

Law of this file: a workload is the same for every peer that takes part in it.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import NamedTuple

from bench import answered, load
from bench.counting import check, cycle, payload
from bench.figures import Row
from bench.peer import Peer
from bench.servers import Look, ServerProcess
from bench.sockets import BUFFER, Connection, Publisher, converse

MANY_SOURCES = tuple(f"127.0.0.{number}" for number in range(2, 12))
"""Where many connections come from: one address has some 28,000 ports."""


class Terms(NamedTuple):
    """How long and how large; seconds, counts and bytes.

    `tries` is how often a cell that others disturb is measured at the most.
    """

    seconds: float = 2.0
    warm: float = 0.5
    members: int = 100
    window: int = 512
    round_trips: int = 10_000
    connections: int = 5_000
    in_flight: int = 256
    slow_seconds: float = 12.0
    durable_size: int = 256
    tries: int = 3


class Workload(NamedTuple):
    """A thing to measure.

    `peers` are the names of those who take part, the one that others are compared with
    first among the strangers; `figure` is what the table shows, better when `more`.
    """

    name: str
    title: str
    peers: tuple[str, ...]
    run: Callable[[Peer, ServerProcess, Terms], Row]
    figure: str = "rate"
    unit: str = "deliveries/s"
    more: bool = True


def member(
    peer: Peer,
    server: ServerProcess,
    count: int = 1,
    *,
    sources: tuple[str, ...] = (),
    **sizes: int,
) -> list[Connection]:
    """Return so many members."""
    source = itertools.cycle(sources or ("",))
    found = converse(
        (Connection(server.port, next(source), **sizes), peer.greeting(i) + peer.joining())
        for i in range(count)
    )
    if not any(step.awaited for step in peer.joining()):
        time.sleep(0.2)  # nobody says that they have joined
    return found


def publisher(peer: Peer, server: ServerProcess, size: int, number: int = 0) -> Publisher:
    """Return a publisher of payloads of so many bytes, each of which tells its place."""
    (connection,) = converse(
        [(Connection(server.port, send=1 << 18), peer.greeting(100_000 + number))]
    )
    messages = [peer.publication(payload(number, each, size)) for each in range(cycle(size))]
    blocks = itertools.cycle([b"".join(messages)])
    return Publisher(connection, len(messages[0]), blocks)


def flood(
    peer: Peer,
    server: ServerProcess,
    terms: Terms,
    *,
    size: int,
    publishers: int = 1,
    members: int = 0,
    window: int = 0,
    seconds: float = 0,
    tick: Callable[[float, int], bool] | None = None,
) -> Row:
    """Measure deliveries, every one counted, and those of three members checked."""
    count = members or terms.members
    delivery = peer.delivery(size)
    listening = member(peer, server, count, sources=MANY_SOURCES if count > 1000 else ())
    sampled = [listening[0], listening[count // 2], listening[-1]]
    for each in sampled:
        each.kept = bytearray()
    talking: list[Publisher] = []
    try:
        for number in range(publishers):
            talking.append(publisher(peer, server, size, number))
        run = load.Flood(talking, listening, delivery, window or terms.window, server.look, tick)
        measured = run.run(terms.warm, seconds or terms.seconds)
        row = measured.figures | looks(measured)
        row["checked"] = sum(check(bytes(each.kept or b""), delivery, size) for each in sampled)
    finally:
        for connection in [*listening, *(each.connection for each in talking)]:
            connection.close()
    return row


def disturbance(before: Look, after: Look) -> float:
    """Return the seconds that others had of the core on which they had most."""
    return max(0.0, after.others - before.others, after.beside - before.beside)


def looks(measured: load.Measured) -> Row:
    """Return what two looks at the server say: its load, its cost, its memory."""
    before, after = measured.looks
    spent = after.seconds - before.seconds
    return {
        "server_load": spent / measured.seconds,
        "server_seconds": spent,
        "others": disturbance(before, after) / measured.seconds,
        "cost": spent / measured.done * 1e6 if measured.done else None,
        "resident": after.resident,
    }


def _fan_out(size: int, window: int = 0) -> Callable[[Peer, ServerProcess, Terms], Row]:
    return lambda peer, server, terms: flood(peer, server, terms, size=size, window=window)


def _many(size: int) -> Callable[[Peer, ServerProcess, Terms], Row]:
    return lambda peer, server, terms: flood(
        peer, server, terms, size=size, publishers=10, members=10
    )


def _ingest(peer: Peer, server: ServerProcess, terms: Terms) -> Row:
    talking = publisher(peer, server, 16)
    try:
        measured = answered.ingest(talking, peer.barrier, terms.seconds, server.look)
    finally:
        talking.connection.close()
    return measured.figures | looks(measured)


def round_trips(peer: Peer, server: ServerProcess, terms: Terms) -> Row:
    """Measure how long a message takes to a member, one in flight; every one is checked."""
    (listening,) = member(peer, server)
    listening.kept = bytearray()
    talking = publisher(peer, server, 16)
    delivery = peer.delivery(16)
    try:
        measured = answered.one_by_one(talking, listening, delivery, terms.round_trips, server.look)
        checked = check(bytes(listening.kept), delivery, 16)
    finally:
        listening.close()
        talking.connection.close()
    return measured.figures | looks(measured) | {"checked": checked}


def _durable(window: int) -> Callable[[Peer, ServerProcess, Terms], Row]:
    def run(peer: Peer, server: ServerProcess, terms: Terms) -> Row:
        return durable(peer, server, terms, window or terms.in_flight)

    return run


def durable(peer: Peer, server: ServerProcess, terms: Terms, window: int) -> Row:
    """Measure acknowledgements with so many messages in flight."""
    if peer.setup():
        (first,) = converse([(Connection(server.port), peer.setup())])
        first.close()
    (connection,) = converse([(Connection(server.port), peer.greeting(1) + peer.answers())])
    blocks, counter, length = peer.acknowledged(terms.durable_size)
    try:
        measured = answered.acknowledged(
            Publisher(connection, length, blocks), counter, window,
            terms.warm, terms.seconds, server.look,
        )  # fmt: skip
    finally:
        connection.close()
    return measured.figures | looks(measured)


def _idle(peer: Peer, server: ServerProcess, terms: Terms) -> Row:
    """Measure the memory of members that say nothing and hear nothing."""
    member(peer, server)[0].close()  # what a first one loads is not each one's
    time.sleep(0.3)
    before, begun = server.look(), time.perf_counter()
    waiting = member(peer, server, terms.connections, sources=MANY_SOURCES)
    try:
        seconds = time.perf_counter() - begun
        time.sleep(0.5)
        after = server.look()
    finally:
        for each in waiting:
            each.close()
    return {
        "seconds": seconds,
        "count": len(waiting),
        "rate": len(waiting) / seconds,
        "each": (after.resident - before.resident) / len(waiting),
        "server_seconds": after.seconds - before.seconds,
        "resident": after.resident,
    }


def _slow(peer: Peer, server: ServerProcess, terms: Terms) -> Row:
    """Measure ten members alone, then beside an eleventh that never reads."""
    alone = flood(peer, server, terms, size=1024, members=10)
    (stuck,) = member(peer, server, receive=65536)
    before = server.resident()
    grown: list[tuple[float, int, int]] = [(0.0, 0, 0)]  # seconds, bytes, deliveries

    def tick(seconds: float, count: int) -> bool:
        grown.append((seconds, server.resident() - before, count))
        return grown[-1][1] > 3 << 30

    try:
        row = flood(
            peer, server, terms, size=1024, members=10, seconds=terms.slow_seconds, tick=tick
        )
        fate, over = "kept", time.perf_counter() + 1.0
        while time.perf_counter() < over:
            try:
                if not stuck.socket.recv_into(BUFFER):
                    fate = "cut off"
                    break
            except BlockingIOError:
                time.sleep(0.001)
            except ConnectionError:
                fate = "cut off"
                break
    finally:
        stuck.close()
    late = [each for each in grown if each[0] >= grown[-1][0] * 0.75]
    span = late[-1][0] - late[0][0]
    last = (late[-1][2] - late[0][2]) / span if span > 0 else row["rate"]
    return row | {
        "alone": alone["rate"],
        "kept": row["rate"] / alone["rate"],
        "kept_late": last / alone["rate"],
        "grown": max(each[1] for each in grown),
        "fate": fate,
    }


_FIELD = ("tcpmsg", "nats", "mosquitto", "twisted-int32")
_STORED = ("tcpmsg-durable", "jetstream-always", "jetstream")

WORKLOADS: dict[str, Workload] = {
    each.name: each
    for each in (
        Workload("fanout-16", "1 publisher, 100 members, 16 B", (*_FIELD, "tcpmsg-plain"),
                 _fan_out(16)),
        Workload("fanout-1024", "1 publisher, 100 members, 1 KiB", _FIELD, _fan_out(1024)),
        Workload("fanout-one", "the same, 16 B, one message in flight", _FIELD, _fan_out(16, 1)),
        Workload("many-16", "10 publishers, 10 members, 16 B", _FIELD, _many(16)),
        Workload("many-1024", "10 publishers, 10 members, 1 KiB", _FIELD, _many(1024)),
        Workload("ingest", "1 publisher, nobody listens, 16 B", (*_FIELD, "tcpmsg-plain"),
                 _ingest, unit="messages/s"),
        Workload("latency", "1 publisher, 1 member, one message in flight: median",
                 (*_FIELD, "tcpmsg-plain"), round_trips, "p50", "µs", more=False),
        Workload("durable", "acknowledged, 256 B, 256 in flight", _STORED, _durable(0),
                 unit="acknowledged/s"),
        Workload("durable-one", "acknowledged, 256 B, one in flight: median", _STORED,
                 _durable(1), "p50", "µs", more=False),
        Workload("durable-fanout", "stored first, then 1 publisher, 100 members, 16 B",
                 ("tcpmsg-durable", "nats"), _fan_out(16)),
        Workload("idle", "memory of an idle member", _FIELD, _idle, "each", "bytes", more=False),
        Workload("slow", "10 members beside one that does not read, 1 KiB: rate kept",
                 (*_FIELD, "tcpmsg-durable"), _slow, "kept", "of the rate without it"),
    )
}  # fmt: skip

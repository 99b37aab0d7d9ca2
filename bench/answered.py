"""Loads in which something is waited for: a delivery, acknowledgements, the end of a flood.

Law of this file: as in `load.py`; and a time is taken from before the message is handed to
the kernel until the last byte of the answer is read.
"""

from __future__ import annotations

import select
import socket
from time import perf_counter as clock
from typing import Any

from bench.counting import Counter, Delivery, Wrong
from bench.load import DRAIN, Look, Measured
from bench.sockets import BUFFER, KEPT, READ, VIEW, Connection, Publisher


def one_by_one(
    publisher: Publisher,
    member: Connection,
    delivery: Delivery,
    count: int,
    look: Look,
    warm: int = 300,
) -> Measured:
    """Send a message, spin until its delivery is whole, `count` times; take each one's time."""
    times: list[float] = []
    over = clock() + 60.0
    waiting = select.poll()
    waiting.register(member.fd, select.POLLIN)
    first, before = clock(), look()
    for number in range(warm + count):
        if number == warm:
            first, before = clock(), look()
        begun = clock()
        publisher.send(1)
        heard = b""
        while len(heard) < delivery.length:
            if waiting.poll(0):
                data = member.socket.recv(READ)
                if not data:
                    raise Wrong("the server closed the member")
                heard += data
                if delivery.noise and delivery.noise in heard:
                    heard = heard.replace(delivery.noise, b"")
            elif clock() > over:
                raise Wrong(f"message {number} was not delivered")
        if number >= warm:
            times.append(clock() - begun)
        if member.kept is not None and len(member.kept) < KEPT:
            member.kept += heard
    last = clock()
    return Measured(last - first, count, (before, look()), 0.0, warm + count, times)


def acknowledged(
    publisher: Publisher, counter: Counter, window: int, warm: float, seconds: float, look: Look
) -> Measured:
    """Publish with at most `window` messages unacknowledged; count acknowledgements.

    With one in flight the time of each is taken.  Raises `Wrong` unless all are acknowledged
    in the end, and none that was not sent.
    """
    connection = publisher.connection.socket
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    acked, idle, times = 0, 0.0, []
    begin = clock() + warm
    first: tuple[float, int, Any] | None = None
    last: tuple[float, int, Any] | None = None
    asked = over = 0.0
    while True:
        now = clock()
        if first is None:
            if now >= begin:
                first, idle = (now, acked, look()), 0.0
        elif last is None and now >= first[0] + seconds:
            last, over, idle_then = (now, acked, look()), now + DRAIN, idle
            publisher.finish(over)
        if last is not None and (acked >= publisher.sent or now > over):
            break
        room = window - (publisher.sent - acked)
        if last is None and room >= max(1, window // 8):
            asked = now
            publisher.send(room)
        if not poll.poll(0):
            idle += clock() - now
            continue
        came = connection.recv_into(BUFFER)
        if not came:
            raise Wrong("the server closed the publisher")
        more = counter.feed(bytes(VIEW[:came]))
        acked += more
        if window == 1 and more and first is not None and last is None:
            times.append(clock() - asked)
    if first is None or acked != publisher.sent:
        raise Wrong(f"{acked} of {publisher.sent} messages were acknowledged")
    return Measured(
        last[0] - first[0], last[1] - first[1], (first[2], last[2]), idle_then, acked, times
    )


def ingest(
    publisher: Publisher, barrier: tuple[bytes, bytes] | None, seconds: float, look: Look
) -> Measured:
    """Flood a server that need not deliver, until it says that it has read all of it.

    `barrier` is a question and its answer; without one the stream is half-closed, and a
    server that reads in order closes when it has read everything.
    """
    connection = publisher.connection.socket
    poll = select.poll()
    poll.register(connection, select.POLLOUT)
    first, before, idle = clock(), look(), 0.0
    some = max(1, READ // publisher.length)
    now = first
    while True:  # once at least: where this process stood still, the time is over
        if not publisher.send(some):
            poll.poll(max(0.0, first + seconds - now) * 1000)
            idle += clock() - now
        if (now := clock()) >= first + seconds:
            break
    over = clock() + 2 * DRAIN
    publisher.finish(over)
    connection.setblocking(True)
    connection.settimeout(2 * DRAIN)
    if barrier is None:
        connection.shutdown(socket.SHUT_WR)
    else:
        connection.sendall(barrier[0])
    heard = b""
    while barrier is None or barrier[1] not in heard:
        data = connection.recv(READ)
        if not data:
            if barrier is None:
                break
            raise Wrong(f"the server closed: {heard[-200:]!r}")
        heard = (heard + data)[-1000:]
    last = clock()
    return Measured(last - first, publisher.sent, (before, look()), idle, publisher.sent)

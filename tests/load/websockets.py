"""A thousand members over WebSocket beside a thousand over TCP: what does each kind cost?

    python -m tests.load.websockets                   1,000 members of each kind, some 40 s

Measured by turns, each time on a server of its own with its rooms in memory: what a member
takes of the server's resident memory, and how many messages a second are delivered to all of
them, by the clock and by the server's processor time.  Exits 1 if a WebSocket member takes over
4 KB more than one over TCP, or if fewer than half as many messages a second reach them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import selectors
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.integration.conftest import PATIENCE, ServerProcess
from tests.load.measuring import allow_descriptors, cpu_seconds
from tests.load.slow_member import Reader, frame
from tests.websockets import WebSocketPeer, masked

MORE: Final = 4096
"""Bytes that a WebSocket member may cost more."""

SHARE: Final = 0.5
"""What share of the rate over TCP is to reach members over WebSocket."""

TICK: Final = 0.01
"""Seconds that the system counts processor time in."""

ROOM: Final = "load"
LAST: Final = b"the last one"


class Fanout(NamedTuple):
    """What it took to reach all members: messages, seconds, and those of the server's processor."""

    messages: int
    members: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """Deliveries a second."""
        return self.messages * self.members / self.seconds

    @property
    def worth(self) -> float:
        """Deliveries for each second of the server's processor time."""
        return self.messages * self.members / max(self.cpu, TICK)


class Kind(NamedTuple):
    """What was measured of one kind of members; `each` is in bytes."""

    each: list[float]
    runs: list[Fanout]


def over_tcp(port: int) -> Any:
    return Reader(port).socket


def over_websocket(port: int) -> Any:
    return WebSocketPeer(("127.0.0.1", port), PATIENCE).socket


WAYS: Final[dict[str, Callable[[int], Any]]] = {"TCP": over_tcp, "WebSocket": over_websocket}


def _members(port: int, way: str, number: int, pipe: Connection) -> None:
    """Be all members: say when they are there, and when all of them have the last message."""
    allow_descriptors()
    waiting = selectors.DefaultSelector()
    join = frame(f"SUB {ROOM}")
    for _ in range(number):
        member = WAYS[way](port)
        if way == "WebSocket":
            member.sendall(masked(join))
        else:
            member.sendall(join)
        heard = b""
        while b"LIVE" not in heard:
            more = member.recv(4096)
            assert more, heard
            heard += more
        waiting.register(member, selectors.EVENT_READ, bytearray())
    pipe.send("there")
    left = number
    while left:
        for key, _ in waiting.select():
            end = key.data  # the last word may come in two pieces
            end += key.fileobj.recv(1 << 20)  # type: ignore[union-attr]
            del end[: -len(LAST)]
            left -= end == LAST
    pipe.send("heard")


def run(*, members: int, messages: int, size: int, rounds: int) -> dict[str, Kind]:
    """Measure both kinds by turns, each time on a server of its own."""
    kinds = {way: Kind([], []) for way in WAYS}
    for way in list(WAYS) * rounds:
        with tempfile.TemporaryDirectory() as folder:
            server = ServerProcess(Path(folder), "--store", "memory")
            try:
                each, reached = _measure(server, way, members, messages, size)
            finally:
                server.stop()
        kinds[way].each.append(each)
        kinds[way].runs.append(reached)
    return kinds


def _measure(
    server: ServerProcess, way: str, members: int, messages: int, size: int
) -> tuple[float, Fanout]:
    """Return the bytes that each member costs, and what it takes to reach them all."""
    here, there = multiprocessing.Pipe()
    before = server.resident()
    process = multiprocessing.Process(target=_members, args=(server.port, way, members, there))
    process.start()
    here.recv()
    each = (server.resident() - before) / members
    reached = _reach(server, here, members, messages, size)
    process.join()
    here.close()
    there.close()
    return each, reached


def _reach(
    server: ServerProcess, pipe: Connection, members: int, messages: int, size: int
) -> Fanout:
    """Publish messages, as fast as they are taken, until all members have all of them."""
    talker = Reader(server.port)
    stream = frame(f"PUB {ROOM}", b"x" * size) * (messages - 1) + frame(f"PUB {ROOM}", LAST)
    cpu, begun = cpu_seconds(server.pid), time.monotonic()
    talker.socket.sendall(stream)
    pipe.recv()
    outcome = Fanout(messages, members, time.monotonic() - begun, cpu_seconds(server.pid) - cpu)
    talker.close()
    return outcome


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--messages", type=int, default=4000)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    allow_descriptors()
    kinds = run(
        members=arguments.members,
        messages=arguments.messages,
        size=arguments.size,
        rounds=arguments.rounds,
    )
    for way, kind in kinds.items():
        for each, reached in zip(kind.each, kind.runs, strict=True):
            print(
                f"{way}: {each:.0f} bytes each, {reached.rate / 1e6:.2f} M deliveries/s, "
                f"{reached.worth / 1e6:.2f} M for a second of processor"
            )
    tcp, web = kinds["TCP"], kinds["WebSocket"]
    more = statistics.median(web.each) - statistics.median(tcp.each)
    share, worth = (
        statistics.median(getattr(each, what) for each in web.runs)
        / statistics.median(getattr(each, what) for each in tcp.runs)
        for what in ("rate", "worth")
    )
    print(
        f"over WebSocket: {more:.0f} bytes more each, {share:.2f} of the rate, {worth:.2f} of what "
        "a second of processor delivers"
    )
    return 1 if more > MORE or share < SHARE else 0


if __name__ == "__main__":
    sys.exit(main())

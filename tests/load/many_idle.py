"""Ten thousand connections that say nothing, and a hundred that talk: what do the idle ones cost?

    python -m tests.load.many_idle                    10,000 idle, 100 active

Half of the idle ones are plain members, half said HELLO and answer PINGs; they come from
several addresses of 127.0.0.0/8.  The active ones are fifty pairs, each in a room of its own,
and are measured by turns without and with the idle ones.  Exits 1 if the 99th percentile of
what a message takes is more than twice that of the same server without them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import selectors
import socket
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from tests.integration.conftest import ServerProcess
from tests.load.measuring import allow_descriptors, cpu_seconds
from tests.load.slow_member import Reader, frame, percentile

ADDRESSES = 8
"""Addresses that the idle ones come from: each has 28,000 ports, and lends some of them."""

TIMES_SLOWER = 2.0
"""How much the idle ones may cost (reliability.md, many)."""


class Round(NamedTuple):
    """One time that the active ones talked: seconds that each message took, of the server's too."""

    seconds: list[float]
    cpu: float

    @property
    def p99(self) -> float:
        return percentile(self.seconds, 0.99)


class Outcome(NamedTuple):
    """What was seen, by turns; sizes in bytes."""

    alone: list[Round]
    beside: list[Round]
    each: float
    answered: int
    lost: int

    @property
    def ratio(self) -> float:
        """How much slower the middle round was beside the idle ones."""
        return statistics.median(r.p99 for r in self.beside) / statistics.median(
            r.p99 for r in self.alone
        )

    def faults(self) -> list[str]:
        """Return what is not as promised."""
        return [
            *([f"p99 is {self.ratio:.1f} times what it was"] if self.ratio > TIMES_SLOWER else []),
            *([f"{self.lost} idle connections were lost"] if self.lost else []),
        ]


def _idle(port: int, number: int, pipe: Connection) -> None:
    """Be all the idle ones, until told to end; then say how many PINGs came, and who was lost."""
    allow_descriptors()
    ping, pong = frame("PING"), frame("PONG")
    waiting = selectors.DefaultSelector()
    for each in range(number):
        peer = socket.socket()
        peer.bind((f"127.0.0.{2 + each % ADDRESSES}", 0))
        peer.connect(("127.0.0.1", port))
        peer.sendall(frame("HELLO") if each % 2 else b"0".ljust(128))
        waiting.register(peer, selectors.EVENT_READ)
    waiting.register(pipe, selectors.EVENT_READ)
    pipe.send("ready")
    pings = lost = 0
    while True:
        for key, _ in waiting.select():
            if key.fileobj is pipe:
                pipe.send((pings, lost))
                return
            peer = key.fileobj  # type: ignore[assignment]
            data = peer.recv(4096)
            if not data:
                lost += 1
                waiting.unregister(peer)
            elif count := data.count(ping):
                pings += count
                peer.sendall(pong * count)


class Pairs:
    """The active ones: in each room one that talks and one that listens."""

    def __init__(self, port: int, pairs: int) -> None:
        self._waiting = selectors.DefaultSelector()
        self._talkers = []
        self._listeners = []
        for number in range(pairs):
            listener = Reader(port)
            self._listeners.append(listener)
            listener.socket.sendall(frame(f"SUB room-{number}"))
            listener.until(b"LIVE")
            self._waiting.register(listener.socket, selectors.EVENT_READ, (number, listener))
            self._talkers.append(Reader(port))

    def close(self) -> None:
        """Close all connections."""
        for each in (*self._talkers, *self._listeners):
            each.close()
        self._waiting.close()

    def talk(self, seconds: float, rate: float) -> list[float]:
        """Send so many messages a second in all; return how long each took."""
        took = []
        sent: dict[int, float] = {}
        begun = time.monotonic()
        count = 0
        while time.monotonic() - begun < seconds or sent:
            now = time.monotonic()
            number = count % len(self._talkers)
            if now - begun < seconds and now - begun >= count / rate and number not in sent:
                sent[number] = now
                self._talkers[number].socket.sendall(frame(f"PUB room-{number}", b"x" * 100))
                count += 1
            for key, _ in self._waiting.select(0.0005):
                room, listener = key.data
                for _ in listener.frames():
                    took.append(time.monotonic() - sent.pop(room))
        return took


def run(
    server: ServerProcess, *, idle: int, active: int, seconds: float, rounds: int, rate: float = 500
) -> Outcome:
    """Have the active ones talk by turns without and with the idle ones."""
    pairs = Pairs(server.port, active // 2)
    pairs.talk(1, rate)  # until everything is warm
    alone, beside, costs = [], [], []
    answered = lost = 0
    for number in range(rounds):
        if number:
            pairs.talk(2, rate)  # until the server has seen the idle ones off
        alone.append(_round(server, pairs, seconds, rate))
        before = server.resident()
        here, there = multiprocessing.Pipe()
        process = multiprocessing.Process(target=_idle, args=(server.port, idle, there))
        process.start()
        here.recv()
        pairs.talk(1, rate)
        costs.append((server.resident() - before) / idle)
        beside.append(_round(server, pairs, seconds, rate))
        here.send("end")
        pings, gone = here.recv()
        answered, lost = answered + pings, lost + gone
        process.join()
        here.close()
        there.close()
    pairs.close()
    return Outcome(alone, beside, costs[0], answered, lost)


def _round(server: ServerProcess, pairs: Pairs, seconds: float, rate: float) -> Round:
    before = cpu_seconds(server.pid)
    took = pairs.talk(seconds, rate)
    return Round(took, (cpu_seconds(server.pid) - before) / seconds)


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--active", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--store", default="memory", help="the disk's noise hides all else")
    arguments = parser.parse_args()
    allow_descriptors()
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder), "--store", arguments.store)
        try:
            outcome = run(
                server,
                idle=arguments.idle,
                active=arguments.active,
                seconds=arguments.seconds,
                rounds=arguments.rounds,
            )
        finally:
            server.stop()
    for name, rounds in (("alone", outcome.alone), ("beside", outcome.beside)):
        for each in rounds:
            print(
                f"{name}: {len(each.seconds)} messages, "
                f"p50 {percentile(each.seconds, 0.5) * 1000:.2f} ms, p99 {each.p99 * 1000:.2f} ms, "
                f"max {max(each.seconds) * 1000:.1f} ms, processor {each.cpu:.0%}"
            )
    print(
        f"{arguments.idle} idle connections: p99 {outcome.ratio:.2f} times what it is without; "
        f"{outcome.each:.0f} bytes each; {outcome.answered} PINGs answered"
    )
    faults = outcome.faults()
    for fault in faults:
        print(f"FAULT: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

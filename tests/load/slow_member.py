"""Two hundred members of one stored room, one of which stops reading while gigabytes pass.

    python -m tests.load.slow_member                      2 GiB, the room keeps 8 GiB
    python -m tests.load.slow_member --retain 256MiB      the default: it gets one MISSED
    python -m tests.load.slow_member --rate 2000 --members 100 --size 1KiB --total 120MiB
                                                          paced, and what that does to the others

Starts a server of its own on the loopback interface, in a temporary folder.  Prints what
the server grew by, what rate the others kept, and what the slow one read in the end; exits
1 if anything of it is not as docs/protocol.md promises.
"""

from __future__ import annotations

import argparse
import multiprocessing
import selectors
import socket
import sys
import tempfile
import time
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from tests.connecting import at_once
from tests.integration.conftest import ServerProcess
from twisted_msg.settings import read_size

ROOM = "load"
HEADER = 128
IN_FLIGHT = 256
"""Messages that the publisher has unacknowledged at the most."""

STAMP = 16
"""Bytes of a timed message that hold the time."""

GROWTH = 9 * 1024 * 1024
"""Bytes that the server may grow by (reliability.md, slow member)."""


class Outcome(NamedTuple):
    """What was seen; sizes in bytes, rates in messages a second."""

    messages: int
    grown: int
    rate: float
    others: list[int]
    read: int
    gaps: list[tuple[int, int]]
    in_order: bool
    seconds: list[float]
    """How long each message took to one of the others; empty unless they are paced."""

    def faults(self, *, gaps: int) -> list[str]:
        """Return what is not as promised, where so many gaps are."""
        missed = sum(last - first + 1 for first, last in self.gaps)
        return [
            *([f"the server grew by {self.grown} bytes"] if self.grown >= GROWTH else []),
            *(["a member missed something"] if set(self.others) != {self.messages} else []),
            *(["the slow one read out of order"] if not self.in_order else []),
            *([f"{len(self.gaps)} gaps, not {gaps}"] if len(self.gaps) != gaps else []),
            *(
                [f"{self.read} read and {missed} missed of {self.messages}"]
                if self.read + missed != self.messages
                else []
            ),
        ]


def percentile(values: list[float], share: float) -> float:
    """Return the value below which that share of all lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def frame(words: str, payload: bytes = b"") -> bytes:
    """Return a typed frame."""
    return f"{len(payload)} {words}".encode().ljust(HEADER) + payload


class Reader:
    """One member, which takes its frames apart as they come."""

    def __init__(self, port: int, window: int = 0) -> None:
        self.socket = socket.socket()
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.connect(("127.0.0.1", port))
        at_once(self.socket)
        self.socket.settimeout(60)
        self._left = b""

    def frames(self) -> list[tuple[list[bytes], int]]:
        """Return the next frames: their words, and the length of the payload."""
        data = self._left + self.socket.recv(1 << 20)
        if len(data) == len(self._left):
            raise EOFError("the server closed")
        found = []
        at = 0
        while len(data) - at >= HEADER:
            length, *words = data[at : at + HEADER].split()
            end = at + HEADER + int(length)
            if end > len(data):
                break
            found.append((words, int(length)))
            at = end
        self._left = data[at:]
        return found

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def until(self, verb: bytes) -> None:
        """Read until a frame of this verb."""
        while all(words[0] != verb for words, _ in self.frames()):
            pass


def _read_all(port: int, members: int, size: int, timed: bool, pipe: Connection) -> None:
    """Be all the members that read: count the bytes of each until all messages are there.

    If messages are `timed`, they begin with when they were sent, and one member looks.
    """
    readers = [Reader(port) for _ in range(members)]
    for reader in readers:
        reader.socket.sendall(frame(f"SUB {ROOM}"))
    for reader in readers:
        reader.until(b"LIVE")
    pipe.send("ready")
    wanted = pipe.recv()
    counts = dict.fromkeys(range(members), 0)
    waiting = selectors.DefaultSelector()
    for number, reader in enumerate(readers):
        waiting.register(reader.socket, selectors.EVENT_READ, number)
    buffer = bytearray(1 << 20)
    open_ones = members
    seconds = []
    begun = b""
    while open_ones:
        for key, _ in waiting.select(60):
            came = readers[key.data].socket.recv_into(buffer)
            counts[key.data] += came
            if timed and key.data == 0:
                begun += buffer[:came]
                now = time.monotonic()
                while len(begun) >= HEADER + size:
                    seconds.append(now - float(begun[HEADER : HEADER + STAMP]))
                    begun = begun[HEADER + size :]
            if not came or counts[key.data] >= wanted * (HEADER + size):
                waiting.unregister(key.fileobj)
                open_ones -= 1
    pipe.send(([count // (HEADER + size) for count in counts.values()], seconds))


def _publish(port: int, number: int, size: int, rate: float) -> float:
    """Publish so many messages with ids, each acknowledged; return how long that took.

    With a `rate`, so many a second, each with the time when it was sent.
    """
    payload = b"x" * size
    acked = sent = 0
    with closing(Reader(port)) as publisher:
        begun = time.monotonic()
        while acked < number:
            more = min(number, acked + IN_FLIGHT)
            if rate:
                now = time.monotonic()
                payload = (b"%.6f" % now).ljust(size)
                more = min(more, int((now - begun) * rate))
            if sent < more:
                publisher.socket.sendall(
                    b"".join(frame(f"PUB {ROOM} {each + 1}", payload) for each in range(sent, more))
                )
                sent = more
            elif rate and sent == acked:
                time.sleep(1 / rate)
                continue
            for words, _ in publisher.frames():
                acked = int(words[1])
        return time.monotonic() - begun


def run(
    server: ServerProcess,
    *,
    members: int,
    total: int,
    size: int,
    patience: float = 600,
    rate: float = 0,
    stops: bool = True,
) -> Outcome:
    """Have `total` bytes pass in messages of `size`, beside one of `members` that reads nothing.

    With a `rate`, so many messages a second pass and are timed.  Unless it `stops`, the one
    is not there: so it is without it.
    """
    slow = Reader(server.port, window=4096)
    if stops:
        slow.socket.sendall(frame(f"SUB {ROOM}"))
        slow.until(b"LIVE")
    here, there = multiprocessing.Pipe()
    others = multiprocessing.Process(
        target=_read_all, args=(server.port, members - 1, size, rate > 0, there)
    )
    others.start()
    here.recv()
    before = server.resident()
    number = total // size
    here.send(number)
    lasted = _publish(server.port, number, size, rate)
    if not here.poll(patience):
        raise TimeoutError("the other members did not get everything")
    counts, seconds = here.recv()
    others.join()
    here.close()
    there.close()
    grown = server.resident() - before
    read, gaps, in_order, next_one = 0, [], True, 1
    while stops and next_one <= number:
        for words, _ in slow.frames():
            if words[0] == b"MISSED":
                first, last = int(words[2]), int(words[3])
                gaps.append((first, last))
            else:
                first = last = int(words[2])
                read += 1
            in_order = in_order and first == next_one
            next_one = last + 1
    slow.close()
    return Outcome(number, grown, number / lasted, counts, read, gaps, in_order, seconds)


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--members", type=int, default=200)
    parser.add_argument("--total", type=read_size, default="2GiB")
    parser.add_argument("--size", type=read_size, default="16KiB")
    parser.add_argument("--retain", default="8GiB")
    parser.add_argument("--rate", type=float, default=0)
    arguments = parser.parse_args()
    without: list[float] = []
    if arguments.rate:
        with tempfile.TemporaryDirectory() as folder:
            server = ServerProcess(Path(folder), "--retain", arguments.retain)
            try:
                without = run(
                    server,
                    members=arguments.members,
                    total=arguments.total // 2,
                    size=arguments.size,
                    rate=arguments.rate,
                    stops=False,
                ).seconds
            finally:
                server.stop()
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder), "--retain", arguments.retain)
        try:
            outcome = run(
                server,
                members=arguments.members,
                total=arguments.total,
                size=arguments.size,
                rate=arguments.rate,
            )
        finally:
            server.stop()
    kept = read_size(arguments.retain) > 2 * arguments.total
    faults = outcome.faults(gaps=0 if kept else 1)
    print(
        f"{outcome.messages} messages of {arguments.size} bytes at {outcome.rate:.0f}/s to "
        f"{arguments.members - 1} members; the server grew by {outcome.grown / 1024**2:.1f} MiB; "
        f"the slow one read {outcome.read}, gaps {outcome.gaps}"
    )
    for name, seconds in (("without it", without), ("beside it", outcome.seconds)):
        if seconds:
            p50, p99 = (percentile(seconds, share) * 1000 for share in (0.5, 0.99))
            print(f"{name} a message took p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    if without and percentile(outcome.seconds, 0.99) > 2 * percentile(without, 0.99):
        faults.append("the others did not keep their latency")
    for fault in faults:
        print(f"FAULT: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

"""What one connection can do to the others by asking for what costs the server much.

    python -m tests.load.attacks                      without limits, then with the defaults
    python -m tests.load.attacks --only HTTP          only attacks whose name holds this

A thousand members watch a room, and a thousand rooms are there; two others talk.  Each attack
sends one request again and again, as fast as it is read, and reads what is answered: comings
and goings in the watched room, by SUB and by new connections; lists of rooms and members;
HELLO; subscriptions; new rooms; HTTP requests with large heads; connections that are reset at once.
Prints how long the two others' messages took, what processor time the server used, and how many
requests were done.  Exits 1 if, with the limits, the two others waited for more than a second, or
the server had no time to spare; beside connections that are reset, for more than 0.1 s.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import selectors
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from tests.integration.conftest import ServerProcess
from tests.load.measuring import Probe, allow_descriptors, cpu_seconds
from tests.load.slow_member import Reader, frame

WATCHED = "watched"
COUNT = itertools.count()


def comings() -> Iterator[bytes]:
    """Come and go."""
    while True:
        yield frame(f"SUB {WATCHED}") + frame(f"UNSUB {WATCHED}")


def repeated(words: str, payload: bytes = b"") -> Iterator[bytes]:
    """Say the same again and again."""
    while True:
        yield frame(words, payload)


def subscriptions() -> Iterator[bytes]:
    """Be in as many rooms as may be, and in one more."""
    for number in itertools.count():
        yield frame(f"SUB room-{number % 1200}")


def new_rooms() -> Iterator[bytes]:
    """Begin rooms."""
    while True:
        yield frame(f"PUB new-{next(COUNT)}", b"x")


def asked(query: int = 0, lines: int = 0, value: str = "") -> Iterator[bytes]:
    """Ask over HTTP with so many parameters and header lines, each with this value."""
    target = "/healthz?" + "&".join(f"a{number}={value}" for number in range(query))
    head = [f"GET {target} HTTP/1.1", "Host: localhost"]
    head += [f"a{number}: {value}" for number in range(lines)]
    while True:
        yield "\r\n".join((*head, "", "")).encode()


ATTACKS = {
    "comings and goings": comings,
    "ROOMS": lambda: repeated("ROOMS"),
    "WHO": lambda: repeated(f"WHO {WATCHED}"),
    "HELLO": lambda: repeated("HELLO", b'{"v":1}'),
    "subscriptions": subscriptions,
    "new rooms": new_rooms,
    "HTTP, 2,000 parameters": lambda: asked(query=2000),
    "HTTP, 95 header lines": lambda: asked(lines=95),
    "HTTP, 62 header lines": lambda: asked(lines=62),
    "HTTP, 62 long header lines": lambda: asked(lines=62, value="x" * 240),
}


def attack(port: int, requests: Iterator[bytes], until: float) -> int:
    """Send requests for as long as it lasts, reading all the while; return how many were sent.

    Where the server ends the connection, go on with another one.
    """
    sent = 0
    while time.monotonic() < until:
        with socket.create_connection(("127.0.0.1", port)) as peer:
            sent += _on_one(peer, requests, until)
    return sent


def _on_one(peer: socket.socket, requests: Iterator[bytes], until: float) -> int:
    peer.setblocking(False)
    sent, left = 0, b""
    with selectors.DefaultSelector() as waiting, suppress(ConnectionError):
        waiting.register(peer, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while time.monotonic() < until:
            for _, events in waiting.select(0.1):
                with suppress(BlockingIOError):
                    if events & selectors.EVENT_READ and not peer.recv(1 << 20):
                        return sent
                    if events & selectors.EVENT_WRITE:
                        if not left:
                            some = list(itertools.islice(requests, 100))
                            left, sent = b"".join(some), sent + len(some)
                        left = left[peer.send(left) :]
    return sent


def reconnect(port: int, until: float) -> int:
    """Connect, join the watched room and leave, again and again; return how often."""
    count = 0
    while time.monotonic() < until:
        with socket.create_connection(("127.0.0.1", port), 5) as peer:
            peer.sendall(frame(f"SUB {WATCHED}") + frame("BYE"))
            with suppress(ConnectionResetError, TimeoutError):
                while peer.recv(1 << 16):
                    pass
        count += 1
    return count


def reset(port: int, until: float) -> int:
    """Connect and reset the connection, again and again; return how often."""
    count = 0
    while time.monotonic() < until:
        with socket.create_connection(("127.0.0.1", port), 5) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        count += 1
    return count


CONNECTING: dict[str, Callable[[int, float], int]] = {
    "new connections": reconnect,
    "connects and resets": reset,
}
"""What is done by a process of its own, beside which a message's time is measured well."""


def _watch(port: int, watchers: int, pipe: Connection) -> None:
    """Be those who watch."""
    allow_descriptors()
    waiting = selectors.DefaultSelector()
    peers = []
    for number in range(watchers):
        peer = Reader(port)
        peers.append(peer)
        peer.socket.sendall(frame(f"SUB {WATCHED} presence=1") + frame(f"PUB room-{number}", b"x"))
        waiting.register(peer.socket, selectors.EVENT_READ)
    waiting.register(pipe, selectors.EVENT_READ)
    time.sleep(1)
    pipe.send("ready")
    while True:
        for key, _ in waiting.select():
            if key.fileobj is pipe:
                return
            key.fileobj.recv(1 << 20)  # type: ignore[union-attr]


def run(
    server: ServerProcess, *, watchers: int, seconds: float, limited: bool, only: str
) -> list[str]:
    """Make every attack; print what it did, and return what it should not have done."""
    faults = []
    here, there = multiprocessing.Pipe()
    crowd = multiprocessing.Process(target=_watch, args=(server.port, watchers, there), daemon=True)
    crowd.start()
    here.recv()
    for name in (name for name in (*ATTACKS, *CONNECTING) if only in name):
        with Probe(server.port, every=0.05) as probe:
            before, until = cpu_seconds(server.pid), time.monotonic() + seconds
            if name in ATTACKS:
                done = attack(server.port, ATTACKS[name](), until)
            else:
                with multiprocessing.Pool(1) as pool:
                    done = pool.apply(CONNECTING[name], (server.port, until))
            busy = (cpu_seconds(server.pid) - before) / seconds
        print(f"  {name}: {done} sent, processor {busy:.0%}, the others {probe.told()}")
        if limited and name in ATTACKS and (max(probe.seconds) > 1 or busy > 0.8):
            faults.append(f"{name}: the others waited, or the server had no time to spare")
        if name == "connects and resets" and max(probe.seconds) > 0.1:
            faults.append(f"{name}: the others waited")
        time.sleep(2)
    here.send("end")
    crowd.join()
    return faults


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--watchers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    allow_descriptors()
    faults = []
    for limited in (False, True):
        options = ("--limit-loopback", "--connections-per-address", "none") if limited else ()
        print("with the default limits" if limited else "without limits")
        with tempfile.TemporaryDirectory() as folder:
            server = ServerProcess(Path(folder), *options)
            try:
                faults += run(
                    server,
                    watchers=arguments.watchers,
                    seconds=arguments.seconds,
                    limited=limited,
                    only=arguments.only,
                )
            finally:
                server.stop()
    for fault in faults:
        print(f"FAULT: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

"""Measure the memory that closed connections leave behind in a server that never collects garbage.

    python -m tests.load.closed_connections           8 rounds of each kind of connection

The server runs with Python's garbage collector off, so what a reference cycle holds stays in
memory.  Each round opens connections of one kind, leaves them in a state in which the server
holds much for them, closes one half of them with FIN and the other half with RST, and waits
until the server has forgotten them.  The program prints the server's memory after each round.
It exits with 1 if a kind of connection makes the server grow from round to round.
"""

from __future__ import annotations

import argparse
import socket
import struct
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.integration.conftest import PATIENCE, ServerProcess
from tests.load.measuring import allow_descriptors
from tests.load.slow_member import Reader, frame
from tests.websockets import handshake, masked

MIB: Final = 1 << 20

LARGE: Final = 64 * MIB
"""The server's `--max-payload`, in bytes."""

HALF: Final = 40 * MIB
"""Bytes that are sent of a frame, body or message of that size."""

GROWTH: Final = 8
"""MiB by which the least memory after the second half of the rounds may be over the most after the
first half.  Freed memory does not all go back to the system, so the first rounds differ."""

NEVER_COLLECTING: Final = "import gc; gc.disable(); from twisted_msg.cli.main import main; main()"


def connect(port: int, data: bytes = b"", window: int = 0) -> socket.socket:
    """Return a connection that has sent these bytes; `window` bounds what it takes unread."""
    peer = socket.socket()
    if window:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    peer.settimeout(PATIENCE)
    peer.connect(("127.0.0.1", port))
    peer.sendall(data)
    return peer


def get(path: str) -> bytes:
    """Return the bytes of a request."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def half_frame(port: int) -> socket.socket:
    """Send half a plain frame."""
    return connect(port, str(LARGE).encode().ljust(128) + bytes(HALF))


def half_typed(port: int) -> socket.socket:
    """Send HELLO, a subscription and half a message."""
    head = f"{LARGE} PUB half 1".encode().ljust(128)
    return connect(port, frame("HELLO") + frame("SUB half") + head + bytes(HALF))


def half_body(port: int) -> socket.socket:
    """Send half the body of a request."""
    head = f"POST /v1/rooms/half/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LARGE}"
    return connect(port, head.encode() + b"\r\n\r\n" + bytes(HALF))


def half_message(port: int) -> socket.socket:
    """Send half a frame in half a message of a WebSocket."""
    peer = connect(port, handshake())
    peer.recv(4096)
    begun = str(LARGE).encode().ljust(128) + bytes(HALF)
    peer.sendall(masked(begun, size=b"\x7f" + LARGE.to_bytes(8, "big")))
    return peer


def plain_member(port: int) -> socket.socket:
    """Join the server's room and read nothing."""
    return connect(port, b"0".ljust(128), 4096)


def typed_member(port: int) -> socket.socket:
    """Join a room and read nothing."""
    return connect(port, frame("SUB lobby"), 4096)


def events(port: int) -> socket.socket:
    """Follow a room over HTTP and read nothing."""
    return connect(port, get("/v1/rooms/lobby/events"), 4096)


def history(port: int) -> socket.socket:
    """Ask for a room's history and read the first bytes of it."""
    peer = connect(port, get("/v1/rooms/lobby/messages"), 4096)
    peer.recv(512)
    return peer


def web_member(port: int) -> socket.socket:
    """Join a room over a WebSocket and read nothing."""
    peer = connect(port, handshake(), 4096)
    peer.recv(4096)
    peer.sendall(masked(frame("SUB lobby")))
    return peer


Kind = Callable[[int], socket.socket]

KINDS: Final[dict[str, tuple[Kind, int]]] = {
    "plain, half a frame": (half_frame, 4),
    "typed, half a frame": (half_typed, 4),
    "HTTP, half a body": (half_body, 4),
    "WebSocket, half a message": (half_message, 4),
    "plain member that does not read": (plain_member, 50),
    "typed member that does not read": (typed_member, 50),
    "WebSocket member that does not read": (web_member, 50),
    "event stream that is not read": (events, 100),
    "history that is half read": (history, 50),
}
"""What connects, and how many of them there are in a round."""


def connections(port: int) -> int:
    """Return how many connections the server has beside the one that asks."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith("tcpmsg_connections "):
                return int(float(line.split()[1])) - 1
    raise ValueError("the server does not say how many connections it has")


def settle(port: int, wanted: int) -> None:
    """Wait until the server has so many connections."""
    until = time.monotonic() + PATIENCE
    while connections(port) != wanted:
        if time.monotonic() > until:
            raise TimeoutError(f"the server has {connections(port)} connections, not {wanted}")
        time.sleep(0.02)


def run_round(port: int, kind: Kind, count: int) -> None:
    """Open connections, have messages of 1 MiB published beside them, and close them."""
    peers = [kind(port) for _ in range(count)]
    settle(port, count)
    publisher = Reader(port)
    for number in range(1, 4):
        publisher.socket.sendall(frame(f"PUB lobby {number}", bytes(MIB)))
        publisher.until(b"ACK")
    publisher.close()
    for number, peer in enumerate(peers):
        if number % 2:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
    settle(port, 0)


def run(server: ServerProcess, rounds: int, kinds: dict[str, tuple[Kind, int]]) -> list[str]:
    """Make the rounds; print what the server's memory was, and return what it should not be."""
    faults = []
    for name, (kind, count) in kinds.items():
        sizes = [server.resident() / MIB]
        for _ in range(rounds):
            run_round(server.port, kind, count)
            sizes.append(server.resident() / MIB)
        shown = " ".join(f"{size:.0f}" for size in sizes[1:])
        print(f"{name}, {count} a round: {sizes[0]:.0f} -> {shown} MiB", flush=True)
        middle = 1 + rounds // 2
        growth = min(sizes[middle:]) - max(sizes[:middle])
        if growth > GROWTH:
            faults.append(f"{name}: the second half of the rounds took {growth:.0f} MiB more")
    return faults


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--only", default="", help="kinds whose names hold this")
    arguments = parser.parse_args()
    allow_descriptors()
    kinds = {name: kind for name, kind in KINDS.items() if arguments.only in name}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", NEVER_COLLECTING, "serve"]
        options = ("--store", "memory", "--max-payload", "64MiB", "--rate-messages", "none")
        server = ServerProcess(Path(folder), *options, command=command)
        try:
            faults = run(server, arguments.rounds, kinds)
        finally:
            server.stop()
    for fault in faults:
        print(f"FAULT: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

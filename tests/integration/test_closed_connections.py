"""Closed connections of a real server whose garbage collector is off: no cycle holds them.

`tests/unit/test_closed_connections.py` has each state in memory; here are real transports: TCP,
TLS, the PROXY protocol and a Unix socket.
"""

from __future__ import annotations

import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from tests.certificates import make_certificate
from tests.connecting import connected
from tests.integration.conftest import PATIENCE, ServerProcess
from tests.load.closed_connections import connections, get
from tests.load.slow_member import frame
from tests.websockets import close, handshake, masked

PROGRAM = """
import collections, gc, signal
gc.disable()

def report(*_):
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    kinds = {f"{type(each).__module__}.{type(each).__name__}" for each in gc.garbage}
    gc.set_debug(0)
    gc.garbage.clear()
    gc.collect()
    ours = ("twisted.", "twisted_msg.", "wsproto.", "OpenSSL.")
    print("in cycles:", *sorted(kind for kind in kinds if kind.startswith(ours)), flush=True)

signal.signal(signal.SIGUSR1, report)
from twisted_msg.cli.main import main
raise SystemExit(main())
"""
"""Serves without a garbage collector; at SIGUSR1 it prints what a collection would have freed."""

CLIENTS = """
import gc, tracemalloc
gc.disable()
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react
from twisted_msg.client import Client, PlainClient
from twisted_msg.protocol import FrameFactory, FrameProtocol
from twisted_msg.wire.replies import Welcome

SIZE = 4 * 1024 * 1024

class Peer(FrameProtocol):
    "Sends half a message, and reads nothing behind the first frame."

    def frame_received(self, frame):
        peers.append(self)
        self.stop_receiving()
        self.transport.pauseProducing()
        if frame.words:
            self.transport.write(Welcome("ann", 0, {}).encode())
        head = b"%d MSG lobby 1 bob 1" if frame.words else b"%d"
        self.transport.write((head % (2 * SIZE)).ljust(128) + bytes(SIZE))

    def connectionLost(self, reason):
        peers.remove(self)

async def run(kind, cut):
    client = kind(reactor, f"127.0.0.1:{port.getHost().port}")
    await client.connect()
    for _ in range(2):
        said = ("lobby", bytes(SIZE)) if kind is Client else (bytes(SIZE),)
        client.send(*said).addErrback(lambda failure: None)
    connection = client._current
    while len(connection.decoder._buffer) < SIZE // 2:
        await deferLater(reactor, 0)
    if cut:
        peers[0].transport.abortConnection()
        await connection.gone().addErrback(lambda failure: None)
    await client.abort()
    for peer in peers:
        peer.transport.abortConnection()
    while peers:
        await deferLater(reactor, 0)

async def main():
    tracemalloc.start()
    for kind in (Client, PlainClient):
        for cut in (True, False, True, False):
            await run(kind, cut)
    print(tracemalloc.get_traced_memory()[0])

peers = []
port = reactor.listenTCP(0, FrameFactory(Peer), interface="127.0.0.1")
react(lambda _: Deferred.fromCoroutine(main()))
"""
"""Has clients end in the midst of large messages, and prints the bytes that are in use then."""

POST = (
    b"POST /v1/rooms/lobby/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
)

LARGE = b"100000".ljust(128) + bytes(70_000)

STATES: Final = (
    [],  # nothing
    [b"12"],  # half a header
    [LARGE],  # half a frame
    [b"5".ljust(128) + b"hello"],  # a plain member
    [b"?" * 128],  # refused
    [frame("BYE")],  # goodbye
    [frame("HELLO") + frame("SUB lobby presence=1") + frame("PUB lobby 1", b"x")],  # a typed member
    [frame("HELLO") + b"100000 PUB lobby 1".ljust(128) + bytes(70_000)],  # half a typed frame
    [frame("SUB lobby from=0")],  # history that is not read
    [get("/")[:-9]],  # half a head
    [POST + bytes(70_000)],  # half a body
    [get("/") + get("/v1/rooms")],  # idle over HTTP
    [b"GET nonsense\r\n\r\n"],  # refused over HTTP
    [get("/v1/rooms/lobby/messages")],  # history over HTTP
    [get("/v1/rooms/lobby/events?from=0")],  # events
    [handshake()[:-9]],  # half an upgrade
    [handshake(), masked(frame("HELLO") + frame("SUB lobby from=0"))],  # a WebSocket
    [handshake(), masked(LARGE, size=b"\x7f" + (100_128).to_bytes(8, "big"))],  # half a message
    [handshake(), masked(b"text", 1)],  # a violation
    [handshake(), close()],  # a closed WebSocket
)
"""What is sent, piece by piece; one byte of the answer is awaited between two pieces."""


def reset(peers: list[socket.socket]) -> None:
    """Reset the connections."""
    for peer in peers:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()


def fin(peers: list[socket.socket]) -> None:
    """Close the connections."""
    for peer in peers:
        peer.close()


def half_close(peers: list[socket.socket]) -> None:
    """End the input, and read until the server closes."""
    for peer in peers:
        with suppress(OSError):
            peer.shutdown(socket.SHUT_WR)
    for peer in peers:
        with suppress(OSError):
            while peer.recv(1 << 16):
                pass
        peer.close()


class Server:
    """A server that listens on a carrier of its own and on TCP, by which it is asked."""

    def __init__(self, process: ServerProcess, folder: Path) -> None:
        self.process = process
        self.folder = folder
        ports = re.findall(r"listens on [^ ]*?127\.0\.0\.1:(\d+)", process.output)
        self.port, self.tls, self.proxied = map(int, ports)

    def tcp(self) -> socket.socket:
        return connected(("127.0.0.1", self.port), PATIENCE)

    def unix(self) -> socket.socket:
        peer = socket.socket(socket.AF_UNIX)
        peer.settimeout(PATIENCE)
        peer.connect(str(self.folder / "socket"))
        return peer

    def secure(self) -> socket.socket:
        context = ssl.create_default_context(cafile=str(self.folder / "cert.pem"))
        peer = connected(("127.0.0.1", self.tls), PATIENCE)
        return context.wrap_socket(peer, server_hostname="localhost")

    def begun_tls(self) -> socket.socket:
        """Return a connection inside its TLS handshake; what is sent on it breaks that off."""
        peer = connected(("127.0.0.1", self.tls), PATIENCE)
        peer.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        return peer

    def relayed(self) -> socket.socket:
        peer = connected(("127.0.0.1", self.proxied), PATIENCE)
        peer.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n")
        return peer

    def open(self, carrier: str, *pieces: bytes) -> socket.socket:
        """Connect over one of these, and send what has to be sent."""
        peer: socket.socket = getattr(self, carrier)()
        for number, piece in enumerate(pieces):
            if number and carrier != "begun_tls":
                assert peer.recv(1)
            peer.sendall(piece)
        return peer

    def cycles(self) -> list[str]:
        """Return what a collection would free, every connection being gone."""
        until = time.monotonic() + PATIENCE
        while connections(self.port):
            assert time.monotonic() < until, "connections are left"
        seen = self.process.output.count("in cycles:")
        self.process.process.send_signal(signal.SIGUSR1)
        while self.process.output.count("in cycles:") == seen:
            assert time.monotonic() < until, "the server does not answer"
            connections(self.port)
        return self.process.output.rpartition("in cycles:")[2].split("\n")[0].split()


@pytest.mark.parametrize("carrier", ["tcp", "unix", "secure", "begun_tls", "relayed"])
def test_no_cycle_holds_a_closed_connection(
    start: Callable[..., ServerProcess], tmp_path: Path, carrier: str
) -> None:
    process = start(
        *("--listen", "127.0.0.1:0", "--listen", make_certificate(tmp_path)),
        *("--listen", "haproxy:tcp:0:interface=127.0.0.1"),
        *("--listen", f"unix:{tmp_path}/socket"),
        command=[sys.executable, "-c", PROGRAM, "serve"],
    )
    server = Server(process, tmp_path)
    with server.tcp() as publisher:
        for number in range(1, 40):  # more than the kernel takes for a peer that does not read
            publisher.sendall(frame(f"PUB lobby {number}", bytes(200_000)))
            assert publisher.recv(128, socket.MSG_WAITALL)
    server.cycles()  # of the start
    for finish in (reset, fin, half_close):
        finish([server.open(carrier, *pieces) for pieces in STATES])
        assert server.cycles() == []


def test_a_closed_client_keeps_no_buffers() -> None:
    """Eight of them had 12 MiB each to send and to decode."""
    program = [sys.executable, "-c", CLIENTS]
    result = subprocess.run(program, capture_output=True, text=True, timeout=PATIENCE)
    assert result.stderr == ""
    assert int(result.stdout) < 2 * 1024 * 1024

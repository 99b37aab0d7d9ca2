"""The one port of a real server: frames, HTTP and WebSocket, through all that carries them."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import make_certificate
from tests.connecting import connected
from tests.integration.conftest import PATIENCE, ServerProcess
from tests.integration.sockets import Peer
from tests.integration.test_family import exactly, to_the_end
from tests.load import hostile_web, websockets
from tests.websockets import (
    BINARY,
    CLOSE,
    WebSocketPeer,
    accepted,
    close,
    handshake,
    masked,
    parsed,
)

Start = Callable[..., ServerProcess]

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
PROXY = b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n"
PING = b"0 PING".ljust(128)


def exchange(connection: socket.socket, data: bytes) -> bytes:
    """Send bytes, and read to the end."""
    connection.sendall(data)
    return to_the_end(connection)


def until(connection: Any, text: bytes) -> bytes:
    """Read until a text has come; return all that has come by then."""
    heard = b""
    while text not in heard:
        more = connection.recv(4096)
        assert more, heard
        heard += more
    return heard


def answer_from(connection: socket.socket) -> http.client.HTTPResponse:
    """Return the next answer, of which the head has come."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer


@contextmanager
def standing_still(server: ServerProcess) -> Iterator[None]:
    """Have the server stand still for a while: what is sent then is there when it goes on."""
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


def web_socket(connection: socket.socket, before: bytes = b"") -> None:
    """Begin a WebSocket, have a frame answered, and close as both sides should."""
    connection.sendall(before + handshake())
    answer = until(connection, b"\r\n\r\n")
    assert accepted(answer), answer
    heard = answer.partition(b"\r\n\r\n")[2] + exchange(connection, masked(PING) + close(1000))
    frames, rest = parsed(heard)
    assert [frame.code for frame in frames] == [BINARY, CLOSE]
    assert frames[0].payload.split()[1] == b"PONG"
    assert rest == b""


def connect(server: ServerProcess) -> socket.socket:
    return connected(("127.0.0.1", server.port), PATIENCE)


# -- what carries it ---------------------------------------------------------------------------


def test_through_haproxy(start: Start) -> None:
    server = start("--listen", "haproxy:tcp:0:interface=127.0.0.1")
    with connect(server) as peer:
        assert b"200 OK" in exchange(peer, PROXY + GET)
    with connect(server) as peer:
        web_socket(peer, PROXY)
    with connect(server) as peer:
        peer.sendall(PROXY + PING)
        assert exactly(peer, 128).split() == [b"0", b"PONG"]
    with connect(server) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in PROXY:
            peer.sendall(bytes((byte,)))
        peer.sendall(PING)
        assert exactly(peer, 128).split() == [b"0", b"PONG"]
    with connect(server) as peer:
        peer.sendall(b"PROXY UNKNOWN\r\n" + PING)
        assert peer.recv(1) == b""
    server.process.send_signal(signal.SIGTERM)
    server.stop(0)
    assert "left: refused, its PROXY header says UNKNOWN" in server.output


def test_through_tls(start: Start, tmp_path: Path) -> None:
    server = start("--listen", make_certificate(tmp_path))
    assert f"https://127.0.0.1:{server.port}/" in server.output
    context = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    context.check_hostname = False

    def secure() -> ssl.SSLSocket:
        return context.wrap_socket(connect(server), server_hostname="localhost")

    with secure() as peer:
        assert b"200 OK" in exchange(peer, GET)
    with secure() as peer:
        web_socket(peer)
    with secure() as one, secure() as other:
        for peer in (one, other):
            peer.sendall(b"0 SUB tls".ljust(128))
            until(peer, b"0 LIVE tls 0".ljust(128))
        payload = b"x" * 1_000_000
        one.sendall(b"1000000 PUB tls 1".ljust(128) + payload)
        assert exactly(other, 128 + len(payload)).endswith(payload)


def test_through_a_unix_socket(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "s"
    server = start("--listen", f"unix:{path}")
    assert f"curl --unix-socket {path} http://localhost/" in server.output

    def local() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        connection.connect(str(path))
        return connection

    with local() as peer:
        assert b"200 OK" in exchange(peer, GET)
    with local() as peer:
        web_socket(peer)


# -- where it is ---------------------------------------------------------------------------------


def test_a_port_of_its_own(start: Start) -> None:
    server = start("--web", "127.0.0.1:0")
    web = int(re.search(r"HTTP is spoken on 127\.0\.0\.1:(\d+)\n", server.output)[1])  # type: ignore[index]
    with socket.create_connection(("127.0.0.1", web), PATIENCE) as peer:
        assert b"200 OK" in exchange(peer, GET)
    with socket.create_connection(("127.0.0.1", web), PATIENCE) as peer:
        web_socket(peer)
    with Peer(server) as peer:
        peer.send(GET.ljust(128))
        assert peer.hear().startswith(b"!ERROR! bad-header ")


def test_none(start: Start) -> None:
    server = start("--no-web")
    assert "in a browser" not in server.output
    with Peer(server) as peer:
        peer.send(GET.ljust(128))
        assert peer.hear().startswith(b"!ERROR! bad-header ")


@pytest.mark.parametrize(("option", "wanted"), [((), 403), (("--web-host", "chat.example"), 200)])
def test_names(start: Start, option: tuple[str, ...], wanted: int) -> None:
    server = start(*option)
    for host, status in (
        ("chat.example", wanted), ("localhost", 200), (socket.gethostname(), 200), ("evil", 403),
    ):  # fmt: skip
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        connection.request("GET", "/v1/rooms", headers={"Host": host})
        answer = connection.getresponse()
        assert answer.status == status, host
        if status == 403:
            assert f"--web-host {host}" in json.load(answer)["error"]["text"]
        connection.close()


def test_tls_where_none_is_spoken(server: ServerProcess) -> None:
    context = ssl.create_default_context()
    with pytest.raises((ssl.SSLError, ConnectionError)), connect(server) as plain:
        context.wrap_socket(plain, server_hostname="localhost")
    server.stop()
    assert server.output.count("began TLS where none is spoken: connect without it, or") == 1


# -- how it ends ---------------------------------------------------------------------------------


def test_who_finds_no_place_is_told_so(start: Start) -> None:
    """Each in the language that it speaks, and who says nothing in a frame."""
    server = start("--connections", "1")
    with Peer(server) as inside:
        inside.say(b"")
        with standing_still(server):  # who says nothing for two seconds is told in a frame
            peer = connect(server)
            peer.sendall(GET)
        with peer:
            answer = answer_from(peer)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert json.loads(answer.read())["error"]["code"] == "busy"
        for said in (PING, b""):
            with connect(server) as peer:
                peer.sendall(said)
                told = to_the_end(peer)
                assert told[128:].startswith(b"!ERROR! busy all 1 places for connections are taken")


def test_a_stop(server: ServerProcess) -> None:
    """Members are told both ways, requests are finished, streams end."""
    member = WebSocketPeer(("127.0.0.1", server.port), PATIENCE)
    member.sendall(b"0 HELLO name=alice".ljust(128) + b"0 SUB lobby".ljust(128))
    with member, connect(server) as stream, connect(server) as upload, connect(server) as idle:
        stream.sendall(b"GET /v1/rooms/lobby/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(stream, b"event: live")
        idle.sendall(GET.replace(b"Connection: close\r\n", b""))
        assert answer_from(idle).read() == b'{"status":"ok"}\n'
        upload.sendall(
            b"POST /v1/rooms/lobby/messages HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
            b"Content-Length: 5\r\n\r\nhel"
        )
        until(upload, b"100 Continue\r\n\r\n")
        server.process.terminate()
        until(member, b" BYE")
        assert b"HTTP/1.1 " in exchange(upload, b"lo")
        while member.recv(4096):
            pass
        assert member.code == 1001
        assert exchange(idle, b"") == b""
        assert exchange(stream, b"").endswith(b"0\r\n\r\n")
    assert server.stop(0) in (0, -15)


def test_requests_are_answered_to_who_half_closes(server: ServerProcess) -> None:
    with connect(server) as peer:
        peer.sendall(b"POST /v1/rooms/lobby/messages HTTP/1.1\r\nHost: localhost\r\n")
        peer.sendall(b"Content-Length: 5\r\n\r\nhello")
        peer.shutdown(socket.SHUT_WR)
        assert b'"seq":1' in to_the_end(peer)


# -- how much it takes ---------------------------------------------------------------------------


def test_hostile_streams(server: ServerProcess) -> None:
    """`python -m tests.load.hostile_web` sends a hundred thousand."""
    outcome = hostile_web.run(server, 4000)
    print(f"{outcome.answers} of {outcome.streams} answered, grown {outcome.grown / 2**20:.1f} MiB")
    assert outcome.answers > 3000
    assert outcome.bounded, outcome
    with Peer(server) as alice, Peer(server) as bob:
        alice.join_with(bob)  # it serves as before


def test_members_over_websocket() -> None:
    """`python -m tests.load.websockets` measures with a thousand."""
    kinds = websockets.run(members=100, messages=500, size=100, rounds=1)
    for way, kind in kinds.items():
        print(f"{way}: {kind.each[0]:.0f} bytes each, {kind.runs[0].rate:.0f} deliveries/s")
    assert all(run.messages * run.members == 50_000 for kind in kinds.values() for run in kind.runs)


def test_a_slow_member_over_websocket_costs_a_cursor(server: ServerProcess) -> None:
    slow = WebSocketPeer(("127.0.0.1", server.port), PATIENCE)
    slow.sendall(b"0 SUB slow".ljust(128))
    with slow, connect(server) as publisher:
        before = server.resident()
        payload = b"y" * 60_000
        for number in range(1, 501):
            publisher.sendall(f"60000 PUB slow {number}".encode().ljust(128) + payload)
        until(publisher, b"ACK 500 ")
        assert server.resident() - before < 20 * 2**20
        heard = 0
        begun = time.monotonic()
        while heard < 500 * (128 + 60_000):
            heard += len(slow.recv(1 << 20))
            assert time.monotonic() - begun < PATIENCE

"""Hostile HTTP and WebSocket streams at a real server: each is answered or closed, none is dear.

    python -m tests.load.hostile_web                    100,000 streams, some two minutes
    python -m tests.load.hostile_web --count 4000       as in tests/integration/test_web_process.py

Half of the streams are HTTP: requests, good, bent and broken, one behind another, cut anywhere.
The others begin a WebSocket and then send frames, good, bent and broken, with protocol frames of
the same kinds in them.  Every stream ends with a half-close; the server must end the connection,
must begin every answer as HTTP does, and must not grow: little at first, and less than half of
that in the second half of the streams.  Exits 1 if it does not.
"""

from __future__ import annotations

import argparse
import http.client
import random
import sys
import tempfile
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from tests import hostile, websockets
from tests.integration.conftest import PATIENCE, ServerProcess

GROWTH: Final = 16 * 2**20
"""Bytes that the server may grow by, once it is warm: the allocator's free places between what
lives long, the store's cache, and what the streams publish."""

LATE: Final = 6 * 2**20
"""Bytes of that which may come in the second half of the streams, when all of it should be there
already.  What is not given back is found if it is more than 125 bytes a stream, of 100,000."""

FILL: Final = 2200
"""Messages that are published before, one by one: then a room's newest pieces take all the memory
that they may (`RECENT_COST`), and what the streams publish takes the place of older ones."""

METHODS = (
    "GET",
    "GET",
    "POST",
    "HEAD",
    "PUT",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "G\0T",
    "P",
)
TARGETS = (
    "/", "/ws", "/healthz", "/readyz", "/metrics", "/v1/rooms", "/v1/openapi.json",
    "/v1/rooms/lobby/messages", "/v1/rooms/lobby/messages?last=2", "/v1/rooms/lobby/members",
    "/v1/rooms/lobby/events", "/v1/rooms/lobby/events?last=x", "/v1/rooms/@x/messages", "/v1/%ff",
    "/../../etc/passwd", "//", "/?" + "a=" * 300, "*", "http://evil.example/", "x",
    "/" + "y" * 9000,
)  # fmt: skip
HEADERS = (
    "Host: localhost", "Host: evil.example", "Host: ", "Host: localhost\r\nHost: localhost",
    "Origin: http://evil.example", "Origin: null", "Connection: close", "Connection: upgrade",
    "Upgrade: websocket", "Expect: 100-continue", "Expect: x", "Content-Length: 5",
    "Content-Length: -1", "Content-Length: 99999999999", "Content-Length: 3\r\nContent-Length: 4",
    "Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Transfer-Encoding : chunked",
    "Idempotency-Key: k", "Last-Event-ID: 1", "Last-Event-ID: x", "Cookie: a=b; c",
    "X: " + "z" * 2000, "no colon", " folded: x", "X: a\0b", "Range: bytes=0-1",
    "Accept-Encoding: gzip", "Content-Type: multipart/form-data; boundary=x", "If-None-Match: *",
)  # fmt: skip
CHUNKS = (b"5\r\nhello\r\n", b"0\r\n\r\n", b"5;x=y\r\nhello\r\n", b"-1\r\n", b"fffffffff\r\n",
          b"zz\r\n", b"5\r\nhel", b"\r\n")  # fmt: skip


class Outcome(NamedTuple):
    """What was seen; `grown` is in bytes, and `late` how many of them the second half brought."""

    streams: int
    answers: int
    grown: int
    late: int

    @property
    def bounded(self) -> bool:
        """Whether the server grew by no more than it may."""
        return self.grown < GROWTH and self.late < LATE


def http_stream(random_: random.Random) -> bytes:
    """Return requests, or something like them."""
    stream = b""
    for _ in range(random_.choice((1, 1, 1, 2, 5, 40))):
        end = random_.choice(("\r\n",) * 9 + ("\n",))
        head = [
            f"{random_.choice(METHODS)} {random_.choice(TARGETS)} HTTP/1.{random_.choice('0111')}"
        ]
        if random_.random() < 0.8:
            head.append("Host: localhost")
        head += random_.sample(HEADERS, random_.choice((0, 1, 2, 3)))
        stream += (end.join(head) + end * 2).encode("latin-1")
        stream += random_.choice((b"", b"", b"hello", b"".join(random_.choices(CHUNKS, k=4))))
    return bent(stream, random_)


def web_socket_stream(random_: random.Random) -> bytes:
    """Return a handshake, mostly a right one, and frames, mostly right ones."""
    stream = websockets.handshake()
    if random_.random() < 0.1:
        return bent(stream, random_)
    for _ in range(random_.randrange(12)):
        kind = random_.randrange(10)
        payload = random_.choice(
            (b"", b"x", b"5 PUB lobby".ljust(128) + b"hello", b"0 PING".ljust(128), b"0".ljust(128),
             b"0 SUB lobby last=3".ljust(128), b"0 BYE".ljust(128), random_.randbytes(200),
             b"%-128d" % 2**40, b"GET / HTTP/1.1\r\n\r\n")
        )  # fmt: skip
        if kind < 5:
            stream += websockets.masked(payload, fin=random_.random() < 0.9)
        elif kind == 5:
            code = random_.randrange(16)
            stream += websockets.masked(payload[:125], code, rsv=random_.choice((0, 0, 0, 1, 4)))
        elif kind == 6:
            stream += websockets.masked(
                payload, random_.choice((0, 1, 2)), mask=random_.choice((b"", None))
            )
        elif kind == 7:
            stream += websockets.masked(
                b"?" * random_.randrange(126), random_.choice((9, 10))
            ) * random_.choice((1, 3, 400))
        elif kind == 8:
            size = random_.choice((b"\x7f" + b"\xff" * 8, b"\x7f" + bytes(8), b"\x7e\0\0", b"\x7d"))
            stream += websockets.masked(payload, size=size)
        else:
            code = random_.choice((0, 999, 1000, 1001, 1005, 1006, 2999, 3000, 5000))
            stream += websockets.close(code, random_.choice((b"", b"bye", b"\xff")))
    return bent(stream, random_) if random_.random() < 0.3 else stream


def bent(stream: bytes, random_: random.Random) -> bytes:
    """Return a stream as it is, cut, or with some bytes changed."""
    kind = random_.randrange(4)
    if kind == 0:
        return stream[: random_.randrange(1, len(stream) + 1)]
    changed = bytearray(stream)
    for _ in range(random_.choice((1, 2, 8)) if kind == 1 else 0):
        changed[random_.randrange(1, len(changed))] = random_.randrange(256)
    return bytes(changed)


class WebAttack(hostile.Attack):
    """One that must be answered as HTTP is, if it is answered."""

    def read(self) -> bool:
        """Read what is there; return whether that was the end."""
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError:
            data = b""  # it still sent, when its connection was closed
        if len(self.heard) < 4096:
            self.heard += data
        return not data

    def judge(self) -> bool:
        """Return whether something was answered; it must be HTTP, whatever was asked."""
        assert not self.heard or self.heard.startswith(b"HTTP/1."), (self.stream, self.heard)
        assert b"Traceback" not in self.heard, (self.stream, self.heard)
        return bool(self.heard)


def run(server: ServerProcess, count: int, seed: int = 6) -> Outcome:
    """Send so many streams.  Raises `AssertionError` for one that is not ended, or wrongly."""
    fill(server)
    random_ = random.Random(seed)
    kinds = (web_socket_stream, http_stream)
    attacks = (WebAttack(server.port, each, kinds[each % 2](random_)) for each in range(count))
    early, grown = hostile.run(islice(attacks, count // 2), server.resident, PATIENCE)
    middle = server.resident()
    later, _ = hostile.run(attacks, server.resident, PATIENCE)
    late = server.resident() - middle
    return Outcome(count, early + later, grown + late, late)


def fill(server: ServerProcess) -> None:
    """Publish until the room that the streams speak of takes all the memory it may."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    with closing(connection):
        for _ in range(FILL):
            connection.request("POST", "/v1/rooms/lobby/messages", b"hello")
            answer = connection.getresponse()
            assert answer.status == http.HTTPStatus.CREATED, answer.read()
            answer.read()


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=6)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder))
        try:
            outcome = run(server, arguments.count, arguments.seed)
        finally:
            server.stop()
        faults = [at for at, line in enumerate(server.lines) if "Traceback" in line]
    for at in faults[:3]:
        print("".join(server.lines[at - 1 : at + 30]))
    print(
        f"{outcome.streams} streams, {outcome.answers} answered, the server grew by "
        f"{outcome.grown / 2**20:.1f} MiB, of these {outcome.late / 2**20:.1f} in the second half, "
        f"{len(faults)} faults in its log"
    )
    return 1 if faults or not outcome.bounded else 0


if __name__ == "__main__":
    sys.exit(main())

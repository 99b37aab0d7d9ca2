"""The table of targets: what each checks, where its corpus is, and which words it knows.

Law of this file: a target is one function of bytes, whose docstring is what always holds; a finding
is an exception.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from tests.fuzz import browsing, parsing, serving, visiting
from tests.fuzz.mutation import EDGES, IN_BAND, SIGNS
from tests.websockets import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, masked

CORPUS: Final = Path(__file__).with_name("corpus")

REQUESTS: Final = (
    b"HELLO", b"HELLO name=al", b"HELLO client=0123456789abcdef", b"PUB lobby", b"PUB lobby 1",
    b"PUB m1 2", b"PUB @witness", b"PUB @al 3", b"SUB lobby", b"SUB m1", b"UNSUB lobby",
    b"WHO lobby", b"ROOMS", b"PING", b"PING x", b"PONG", b"BYE", b"from=1", b"last=2", b"since=0",
    b"presence=1", b"-", b"-: ",
)  # fmt: skip

REPLIES: Final = (
    b'WELCOME alice 0: {"v":1}', b"ACK 1 1", b"ACK 3 9 dup", b"SUBBED lobby 3", b"LIVE lobby 3",
    b"SUBBED hall 2", b"LIVE hall 2", b"UNSUBBED lobby", b"MSG lobby 3 bob 1700000000000: hi",
    b"MSG hall 1 bob 17: x", b"MSG @alice 7 bob 17: psst", b"MISSED lobby 1 2", b"JOIN lobby bob",
    b"PART lobby bob", b'HERE lobby: ["bob"]', b"ROOMS: []", b"ERR busy PUB 1: no",
    b"ERR bad-args SUB lobby: no", b"ERR superseded: go", b"ERR too-large PUB", b"PING", b"PING x",
    b"PONG 1", b"BYE: going", b"cut=3",
)  # fmt: skip

ACTS: Final = (
    b"\n", b"*200", b"*4000", b"+30", b"+91", b"%1", b"%2", b"(", b")", b"&", b"<", b"#", b"|1",
    b"|127", b"> ", b": ",
)  # fmt: skip

PROGRAM: Final = (b"?who", b"?rooms", b"?ping", b"?send", b"?read", b"?leave")

FIELDS: Final = (
    b'{"v":1}', b'"v":', b'"name":', b'"client":', b'"token":', b"null", b"true", b"1e999", b"NaN",
    b"-0", b"[" * 50, b'"\\ud800"', b'"al"', b'"0123456789abcdef"', b"\xef\xbb\xbf",
)  # fmt: skip


HTTP: Final = (
    b"GET ", b"POST ", b"HEAD ", b"OPTIONS ", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"\r\n\r\n",
    b"\r\n", b"Host: localhost\r\n", b"Content-Length: 5\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n",
    b"Connection: close\r\n", b"Expect: 100-continue\r\n",
    b"Idempotency-Key: k\r\n", b"Last-Event-ID: 1\r\n", b"Origin: http://x\r\n",
    b"Upgrade: websocket\r\n", b"/v1/rooms/lobby/messages", b"/v1/rooms/lobby/events",
    b"/v1/rooms/@witness/messages", b"/v1/rooms", b"/members", b"?last=2", b"?from=0", b"?name=al",
    b"&limit=1", b"/readyz", b"/healthz", b"/metrics", b"/v1/openapi.json", b"/ws", b"%ff",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
)  # fmt: skip

MASKED: Final = tuple(
    masked(payload, code, fin=fin, mask=bytes(4))
    for payload, code, fin in (
        (b"0 PING".ljust(128), BINARY, True),
        (b"5 PUB lobby 1".ljust(128) + b"hello", BINARY, True),
        (b"0 SUB lobby last=3".ljust(128), BINARY, True),
        (b"0 BYE".ljust(128), BINARY, True),
        (b"", BINARY, False),
        (b"x", CONTINUATION, True),
        (b"", PING, True),
        (b"?" * 125, PING, True),
        (b"", PONG, True),
        (b"hello", TEXT, True),
        (b"\x03\xe8bye", CLOSE, True),
        (b"", CLOSE, True),
    )
)
"""Frames of a WebSocket whose masks change nothing, so that what is in them can be mutated."""


class Target(NamedTuple):
    """One target: its function, the words that it knows, and how long an input may be."""

    name: str
    check: Callable[[bytes], None]
    words: tuple[bytes, ...]
    longest: int = 4096

    @property
    def folder(self) -> Path:
        """Where its corpus is."""
        return CORPUS / self.name

    def seeds(self) -> list[bytes]:
        """Return its corpus, in a fixed order."""
        return [path.read_bytes() for path in sorted(self.folder.iterdir())]


_COMMON: Final = EDGES + SIGNS + IN_BAND

TARGETS: Final = {
    target.name: target
    for target in (
        Target("header", parsing.header, _COMMON + REQUESTS, 128),
        Target("decoder", parsing.decoder, _COMMON + REQUESTS, 2048),
        Target("requests", parsing.requests, _COMMON + REQUESTS, 512),
        Target("replies", parsing.replies, _COMMON + REPLIES, 1024),
        Target("hello", parsing.hello, _COMMON + FIELDS, 1024),
        Target("stream", serving.stream, _COMMON + REQUESTS),
        Target("server", serving.server, _COMMON + REQUESTS + ACTS, 2048),
        Target("web", browsing.web, _COMMON + HTTP, 3000),
        Target("websocket", browsing.websocket, _COMMON + REQUESTS + MASKED, browsing.SHORT),
        Target("client", visiting.client, _COMMON + REPLIES + ACTS + PROGRAM, 2048),
        Target("plain_client", visiting.plain_client, _COMMON + ACTS + PROGRAM, 2048),
    )
}

"""HTTP over a server in memory: requests as bytes, and answers as http.client reads them."""

from __future__ import annotations

import http.client
import io
import json
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from tests.unit.conversing import StoredCase, TypedCase
from tests.unit.world import Pipe, World
from twisted_msg.log.store import KEEP_ALL, Retention
from twisted_msg.web.site import make_site


@implementer(IPushProducer)
class WebPipe(Pipe):
    """A transport that HTTP takes as well."""

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "127.0.0.1", 5050)

    def stopProducing(self) -> None:
        self.loseConnection()

    @property
    def disconnecting(self) -> bool:
        return self.closing is not None


def visitor(world: World, *, stuck: bool = False, host: str = "127.0.0.1") -> WebPipe:
    """Connect a peer that has said nothing yet, at the same door as everybody."""
    pipe = WebPipe(len(world.peers), stuck=stuck, host=host)
    pipe.protocol = world.server.buildProtocol(pipe.address)
    pipe.protocol.makeConnection(pipe)
    world.peers.append(pipe)
    return pipe


class _Socket:
    """What `http.client` reads from."""

    def __init__(self, data: bytes) -> None:
        self.file = io.BytesIO(data)

    def makefile(self, *_: object) -> io.BytesIO:
        return self.file


class Answer:
    """A response so far.  `whole` says whether its end has come."""

    def __init__(self, data: bytes, method: str = "GET") -> None:
        response = http.client.HTTPResponse(_Socket(data), method=method)  # type: ignore[arg-type]
        response.begin()
        self.status = response.status
        self.headers = response.headers
        self.whole = True
        try:
            self.body = response.read()
        except http.client.IncompleteRead as error:
            self.body = error.partial
            self.whole = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str, str]:
        """Status, code and sentence of a refusal."""
        error = self.json["error"]
        assert list(self.json) == ["error"]
        return self.status, error["code"], error["text"]

    @property
    def rows(self) -> list[Any]:
        """The lines of a history, without their times."""
        rows = [json.loads(line) for line in self.body.splitlines()]
        for row in rows:
            row.pop("time", None)
        return rows

    @property
    def events(self) -> list[tuple[str, str, Any]]:
        """Kind, id and data of each event: as an EventSource takes the stream."""
        found = []
        for block in self.body.decode().split("\n\n")[:-1]:
            fields = dict(
                line.split(": ", 1) for line in block.split("\n") if not line.startswith(":")
            )
            if "data" in fields:
                row = json.loads(fields["data"])
                row.pop("time", None)
                found.append((fields["event"], fields["id"], row))
        return found


class WebCase(TypedCase):
    """A world with an HTTP interface."""

    def begin(self, retention: Retention = KEEP_ALL, **options: Any) -> Any:
        world = super().begin(retention, **options)
        self.site = world.server.web = make_site(world.server, ())
        return world

    def inside(self) -> int:
        """Return how many conversations there are within requests."""
        guests = self.world.server.guests
        return len(guests.all()) - len(guests)

    def open(self, *, stuck: bool = False, host: str = "192.0.2.1") -> WebPipe:
        """Connect, at the same door as everybody."""
        return visitor(self.world, stuck=stuck, host=host)

    def request(
        self,
        path: str,
        body: bytes | None = None,
        method: str | None = None,
        *,
        pipe: WebPipe | None = None,
        **headers: str,
    ) -> WebPipe:
        """Send a request, a POST if there is a body; return its connection."""
        method = method or ("GET" if body is None else "POST")
        pipe = pipe or self.open()
        head = [f"{method} {path} HTTP/1.1"]
        headers.setdefault("Host", "localhost")
        head += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if body is not None:
            head.append(f"Content-Length: {len(body)}")
        pipe.say("\r\n".join((*head, "", "")).encode("latin-1") + (body or b""))
        return pipe

    def ask(
        self,
        path: str,
        body: bytes | None = None,
        method: str | None = None,
        *,
        pipe: WebPipe | None = None,
        **headers: str,
    ) -> Answer:
        """Send a request, have the server do everything that follows, and return the answer."""
        pipe = self.request(path, body, method, pipe=pipe, **headers)
        self.settle()
        return Answer(pipe.received, method or ("GET" if body is None else "POST"))

    def ask_late(self, path: str, body: bytes | None = None) -> Answer:
        """Ask on a connection that was there before the server began to stop."""
        pipe = self.open()
        self.world.server.stopping = True
        answer = self.ask(path, body, pipe=pipe)
        self.world.server.stopping = False
        return answer


class StoredWebCase(WebCase, StoredCase):
    """The same with rooms on disk."""

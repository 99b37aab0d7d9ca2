"""HTTP clients: one that publishes with an `Idempotency-Key`, and one that follows a room's events.

They speak HTTP by hand, from docs/http.md, and share no code with the server.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from tests.history import Said
from tests.simulation.people import Person, Road, read, written

if TYPE_CHECKING:
    from tests.simulation.world import World

PATIENCE = 45.0
"""Seconds after which a publisher gives up an answer and asks again."""


class Response:
    """Reads one response, whose body has a length, or comes in chunks."""

    def __init__(self, chunk: Callable[[bytes], None]) -> None:
        self.status = 0
        self.body = b""
        self.done = False
        self._chunk = chunk
        self._data = b""
        self._left: int | None = None
        self._chunked = False

    def feed(self, data: bytes) -> None:
        """Take some bytes."""
        self._data += data
        if not self.status and not self._head():
            return
        if self._chunked:
            self._chunks()
        elif self._left is not None:
            self.body, self.done = self._data, len(self._data) >= self._left

    def _head(self) -> bool:
        head, end, rest = self._data.partition(b"\r\n\r\n")
        if not end:
            return False
        first, *lines = head.split(b"\r\n")
        self.status = int(first.split(b" ")[1])
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(b":") for line in lines)
        }
        self._data = rest
        self._chunked = headers.get(b"transfer-encoding") == b"chunked"
        if not self._chunked:
            self._left = int(headers.get(b"content-length", b"0"))
        return True

    def _chunks(self) -> None:
        while not self.done:
            size, end, rest = self._data.partition(b"\r\n")
            if not end:
                return
            length = int(size, 16)
            if len(rest) < length + 2:
                return
            self._data = rest[length + 2 :]
            if length:
                self.body += rest[:length]
                self._chunk(rest[:length])
            else:
                self.done = True


class Visit(Protocol):
    """One connection, for one request."""

    transport: Any

    def __init__(
        self, request: bytes, chunk: Callable[[bytes], None], over: Callable[[Response], None]
    ) -> None:
        self._request = request
        self._over: Callable[[Response], None] | None = over
        self.response = Response(chunk)

    def connectionMade(self) -> None:
        self.transport.write(self._request)

    def dataReceived(self, data: bytes) -> None:
        self.response.feed(data)
        if self.response.done:
            self._end()
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._over is not None and not self.response.done:
            self.response = Response(lambda _: None)  # cut short, it is no answer
        self._end()

    def give_up(self) -> None:
        """Wait for no answer any more."""
        self._over = None
        if self.transport is not None:
            self.transport.abortConnection()

    def _end(self) -> None:
        over, self._over = self._over, None
        if over is not None:
            over(self.response)


class HttpPerson(Person):
    """Somebody whose program makes HTTP requests, one at a time."""

    kind = "http"
    typed = False

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.random = Random(f"{name} {world.seed}")
        self.visit: Visit | None = None
        self.busy = False

    def start(self) -> None:
        self.runs += 1
        self.clock = type(self.clock)(self.world.time)
        self.world.clocks.append(self.clock)
        self.busy = False
        self.begin()

    def begin(self) -> None:
        """Ask for something, if nothing is under way."""
        raise NotImplementedError

    def ask(
        self, head: list[str], body: bytes, chunk: Callable[[bytes], None],
        over: Callable[[Response], None],
    ) -> None:  # fmt: skip
        """Connect, and make a request; `over` is called once, with what came of it."""
        clock, self.busy = self.clock, True
        lines = [*head, "Host: localhost", f"Content-Length: {len(body)}", "", ""]

        def ended(response: Response) -> None:
            if clock is self.clock and clock.alive:
                self.busy = False
                over(response)

        def made() -> Visit:
            visit = Visit("\r\n".join(lines).encode() + body, chunk, ended)
            self.visit = visit
            return visit

        factory = Factory.forProtocol(made)  # type: ignore[arg-type]
        factory.noisy = False
        nothing = Response(chunk)
        Road(self).connect(factory).addErrback(lambda _: ended(nothing))

    def kill(self) -> None:
        super().kill()
        self.visit = None
        self.busy = False


class Poster(HttpPerson):
    """Publishes with an `Idempotency-Key`, again and again until it is answered."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.journal: dict[int, tuple[str, bytes]] = {}
        self.next = 1
        self.keys: dict[int, int] = {}
        self._in_room: Counter[str] = Counter()
        self.stored: dict[int, tuple[str, bytes, int]] = {}

    @property
    def can_say(self) -> bool:
        return self.alive and len(self.journal) < 10

    def say(self, room: str, size: int) -> None:
        number, self.next = self.next, self.next + 1
        if self.random.random() < 0.1:
            self._say_once(number, room, size)
            return
        said = Said(self.name, number)
        self._in_room[room] += 1
        self.keys[number] = self._in_room[room]
        payload = written(said, size)
        self.journal[number] = room, payload
        self.world.sent(room, said, payload)
        self.begin()

    def begin(self) -> None:
        if self.busy:
            return
        if self.journal and self.stored and self.random.random() < 0.15:
            number = self.random.choice(sorted(self.stored))
            self._repeat(number, *self.stored[number])
        elif self.journal:
            number = min(self.journal)
            room, payload = self.journal[number]
            self._post(number, room, payload)

    def _post(self, number: int, room: str, payload: bytes) -> None:
        def over(response: Response) -> None:
            if number not in self.journal:
                return  # answered to another try
            if response.status in (200, 201):
                self.world.counts[f"HTTP {response.status}"] += 1
                self.journal.pop(number)
                seq = json.loads(response.body)["seq"]
                self.world.said(room, Said(self.name, number), "ok", seq)
                if self.world.machine.is_stored(room):
                    self.stored[number] = room, payload, seq
            elif response.status == 413:
                self.journal.pop(number)
                self.world.said(room, Said(self.name, number), "refused", None)
            elif response.status not in (0, 503, 500, 408):
                self.world.trouble(f"{self.name} was answered {response.status} {response.body!r}")
                self.journal.pop(number)
            else:
                self.world.counts["HTTP requests to be sent again"] += 1
                unknown = b"is stored is not known" in response.body
                self.world.counts["HTTP answers that nothing is known"] += unknown
                self.clock.callLater(1.0, self.begin)
                return
            self.clock.callLater(0, self.begin)

        self._request(number, room, payload, over)

    def _repeat(self, number: int, room: str, payload: bytes, seq: int) -> None:
        """Send again what is stored, which must be known."""

        def over(response: Response) -> None:
            if response.status in (200, 201):
                answer = json.loads(response.body)
                self.world.counts["keys used again"] += 1
                if not answer["dup"] or answer["seq"] != seq:
                    self.world.trouble(f"DUP {self.name} {number} at {seq}, again: {answer}")
            self.clock.callLater(0 if response.status else 1.0, self.begin)

        self._request(number, room, payload, over)

    def _request(
        self, number: int, room: str, payload: bytes, over: Callable[[Response], None]
    ) -> None:
        head = [
            f"POST /v1/rooms/{room}/messages?name={self.name} HTTP/1.1",
            # A key counts for its room: in each room the next message has the same one.
            f"Idempotency-Key: {self.name} {self.keys[number]}",
        ]
        self.ask(head, payload, lambda _: None, over)
        clock = self.clock

        def give_up() -> None:
            here = self.busy and clock.alive and self.clock is clock
            if here and waiting is not None and waiting is self.visit:
                waiting.give_up()
                self.busy = False
                self.world.counts["HTTP answers that never came"] += 1
                self.begin()

        def look() -> None:
            nonlocal waiting
            waiting = self.visit
            clock.callLater(PATIENCE, give_up)

        waiting: Visit | None = None
        clock.callLater(1.0, look)

    def _say_once(self, number: int, room: str, size: int) -> None:
        """Publish without a key: whether it is stored is not known unless it is answered."""
        if self.busy:
            return
        said = Said(f"{self.name}u{number}", 1)
        payload = written(said, size)
        self.world.sent(room, said, payload)

        def over(response: Response) -> None:
            if response.status == 201:
                self.world.said(room, said, "ok", json.loads(response.body)["seq"])
            elif response.status == 413:
                self.world.said(room, said, "refused", None)
            self.begin()

        self.ask(
            [f"POST /v1/rooms/{room}/messages?name={self.name} HTTP/1.1"],
            payload, lambda _: None, over,
        )  # fmt: skip


class Follower(HttpPerson):
    """Follows a room's events, and comes back with the last id that it was given."""

    def __init__(self, world: World, name: str, room: str, start: int | None) -> None:
        super().__init__(world, name)
        self.room = room
        self.start_at = start
        self.reading = world.reading(name, room, start)
        self.last = ""
        self.place: int | None = None
        self._data = b""

    @property
    def following(self) -> bool:
        """Whether the server has begun to answer, as far as this side knows."""
        return self.busy and self.visit is not None and self.visit.response.status == 200

    def begin(self) -> None:
        if self.busy:
            return
        query = "" if self.start_at is None else f"?from={self.start_at}"
        head = [f"GET /v1/rooms/{self.room}/events{query} HTTP/1.1"]
        if self.last:
            head.append(f"Last-Event-ID: {self.last}")
            self.world.counts["event streams resumed"] += 1
        self._data = b""
        clock = self.clock

        def chunk(data: bytes) -> None:
            if clock is self.clock and clock.alive:
                self._chunk(data)

        self.ask(head, b"", chunk, self._over)

    def _over(self, response: Response) -> None:
        if response.status not in (0, 200, 503, 500, 408):
            self.world.trouble(f"GAP {self.name} was answered {response.status} {response.body!r}")
        self.clock.callLater(1.0, self.begin)

    def _chunk(self, data: bytes) -> None:
        self._data += data
        while b"\n\n" in self._data:
            event, _, self._data = self._data.partition(b"\n\n")
            self._event(event)

    def _event(self, event: bytes) -> None:
        fields = dict(line.split(b": ", 1) for line in event.split(b"\n") if b": " in line)
        if b"id" in fields:
            self.last = fields[b"id"].decode()
        kind = fields.get(b"event", b"").decode()
        if not kind:
            return
        row = json.loads(fields[b"data"])
        if kind == "message":
            payload = row["text"].encode()
            self.world.counts["events followed"] += 1
            self.world.check_payload(self.room, payload, f"{self.name} in {self.room}")
            self.reading.got.append((row["seq"], read(payload)))
            self.place = row["seq"]
            self.world.note("event", self.name, row["seq"], payload[:12])
            if row["seq"] != int(self.last):
                self.world.trouble(f"GAP {self.name}: event {row['seq']} has the id {self.last}")
        elif kind == "missed":
            first, last = row["missed"]["first"], row["missed"]["last"]
            self.world.counts["MISSED to event streams"] += 1
            self.world.note("event missed", self.name, first, last)
            if self.place is not None and first <= self.place:
                self.world.trouble(f"DUP {self.name} is told again of {first} to {last}")
            self.reading.missed.append((first, last))
            self.place = last
        elif kind == "live":
            self.place = max(self.place or 0, row["live"])

"""Targets against the client library in memory: what a hostile server does to a program."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from tests.fuzz import grammar
from tests.fuzz.faults import NoFault, hold
from tests.fuzz.script import Step, read
from tests.unit.world import Pipe
from twisted_msg.client import Client, ClientError, PlainClient
from twisted_msg.client.subscription import UNREAD_BYTES
from twisted_msg.client.typed import WELCOME_SECONDS
from twisted_msg.client.waiting import UNREAD_LIMIT
from twisted_msg.wire import FrameDecoder, ProtocolError
from twisted_msg.wire.requests import parse_request

MAX_PAYLOAD = 64 * 1024
"""Bytes of the largest message that the clients here take."""

UNSENT = 192 * 1024
"""Bytes that may wait in a transport for a server that does not read, beside the program's own
messages: a transport's 64 KiB, and as many answers as a server would keep for a client."""

WELCOME = int(WELCOME_SECONDS)

PUB_BYTES = 128 + 16
"""Bytes of each message that the program of this target sends, at the most."""

UNREAD = UNREAD_BYTES + MAX_PAYLOAD + 1024
"""Bytes of one room that may wait for a program that does not read."""


class Wire(Pipe):
    """A transport whose end is told in a later turn, as a real one's is."""

    def __init__(self, number: int, reactor: MemoryReactorClock, *, stuck: bool) -> None:
        super().__init__(number, stuck=stuck)
        self._reactor = reactor
        self.waiting = bytearray()

    def bring(self, data: bytes) -> None:
        """Have the server's bytes come, as far as this side reads."""
        self.waiting += data
        while self.waiting and self.reading and not (self.closed or self.closing):
            piece = bytes(self.waiting[:60_000])
            del self.waiting[:60_000]
            self.protocol.dataReceived(piece)

    @property
    def spoken(self) -> Any:
        """The client's own protocol, out of what Twisted wraps round it."""
        protocol = self.protocol
        while not hasattr(protocol, "decoder"):
            inner = getattr(protocol, "_wrappedProtocol", None)
            protocol = protocol._protocol if inner is None else inner
        return protocol

    def _lose(self, reason: Exception) -> None:
        if not self.closed:
            self.closed = True
            self._reactor.callLater(0, self.protocol.connectionLost, Failure(reason))

    def lose(self, *, cleanly: bool) -> None:
        self._lose(ConnectionDone() if cleanly else ConnectionLost())


class Visit:
    """A program with a client, and the hostile server that it comes to."""

    plain = False
    own = b" PUB "
    """What each of the program's own messages holds on the wire."""

    def __init__(self) -> None:
        self.reactor = MemoryReactorClock()
        self.wires: list[Wire] = []
        self.stuck = False
        self.waits: list[Deferred[Any]] = []
        self.ends: list[object] = []
        self.cut = 0
        self.begin()
        self.turn()

    def begin(self) -> None:
        """Make the client, and have the program ask for things."""
        server = TCP4ClientEndpoint(self.reactor, "server", 1)
        self.client: Any = Client(
            self.reactor, server, "alice", jitter=lambda: 0.5, entropy=lambda n: "c" * 2 * n,
            max_payload=MAX_PAYLOAD, on_connected=lambda: None, on_lost=lambda reason: None,
        )  # fmt: skip
        self.told: list[Any] = []
        self.lobby = self.client.messages("lobby", last=5, presence=self.told.append)
        self.hall = self.client.messages("hall", start=1, until_end=True)
        self.directs = self.client.directs()
        self.seen: dict[str, int] = {}
        self.run(self.client.connect(None))
        self.run(self._read(self.hall))
        for room, message in (("lobby", "one"), ("@bob", "psst"), ("hall", b"two")):
            self.note(self.client.send(room, message))
        self.ask(b"who"), self.ask(b"rooms"), self.ask(b"ping")

    async def _read(self, messages: AsyncIterator[Any]) -> None:
        async for message in messages:
            before = self.seen.get(message.room, -1)
            hold(message.seq > before, "twice, or out of order", message)
            self.seen[message.room] = message.seq

    def ask(self, what: bytes) -> None:
        """Do what a program may do meanwhile."""
        client = self.client
        if what == b"who":
            self.run(client.who("lobby"))
        elif what == b"rooms":
            self.run(client.rooms())
        elif what == b"ping":
            self.run(client.ping())
        elif what == b"send":
            self.note(client.send_all("lobby", [b"more", b"!DISCONNECT!"]))
        elif what == b"read":
            while self.lobby.waiting:
                self.run(self.lobby.__anext__())
        elif what == b"leave":
            self.lobby._reading.leave()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.note(Deferred.fromCoroutine(coroutine))

    def note(self, wait: Deferred[Any]) -> None:
        """Take note of a wait, and of how it ends."""
        if len(self.waits) > 5000:
            wait.addErrback(lambda _: None)
            return
        self.waits.append(wait)
        wait.addBoth(self.ends.append)

    # -- the server ------------------------------------------------------------

    def do(self, step: Step) -> None:
        wire = self.wires[-1] if self.wires else None
        if step.act == "+":
            for _ in range(step.number % 200):
                self.reactor.advance(1)
                self.turn()
        elif step.act == "?":
            self.ask(step.data)
        elif step.act == "|":
            self.cut = step.number
        elif step.act == "(":
            self.stuck = True
            if wire is not None:
                wire.stuck = True
        elif wire is None or wire.closed:
            pass
        elif step.act == "send":
            for at in range(0, len(step.data), self.cut or 60_000):
                wire.bring(step.data[at : at + (self.cut or 60_000)])
        elif step.act == ")":
            self.stuck = False
            wire.read_on()
        elif step.act == "<":
            wire.protocol.readConnectionLost()
        elif step.act in "#%":
            wire.lose(cleanly=step.act == "%")
        self.turn()

    def turn(self) -> None:
        """Let what is due happen, and take in a connection that was begun."""
        for _ in range(3):
            self.reactor.advance(0)
            while len(self.wires) < len(self.reactor.tcpClients):
                factory = self.reactor.tcpClients[len(self.wires)][2]
                protocol = factory.buildProtocol(None)
                wire = Wire(len(self.wires), self.reactor, stuck=self.stuck)
                self.wires.append(wire)
                if protocol is None:  # it was given up meanwhile
                    wire.closed = True
                    continue
                wire.protocol = protocol
                protocol.makeConnection(wire)
            if self.wires and not self.wires[-1].closed:
                self.wires[-1].bring(b"")
        self.bounded()

    def bounded(self) -> None:
        """Check what is held."""
        for wire in self.wires[-1:]:
            if wire.closed:
                continue
            if len(wire.dataBuffer) > UNSENT:
                own = wire.dataBuffer.count(self.own) * PUB_BYTES
                hold(len(wire.dataBuffer) - own <= UNSENT, "unsent", len(wire.dataBuffer), own)
            spoken = wire.spoken
            kept = len(spoken.decoder._buffer) + sum(map(len, spoken._unread))
            hold(kept <= MAX_PAYLOAD + 128 + 60_000, "undecoded", kept)
        self.unread()

    def unread(self) -> None:
        for messages in (self.lobby, self.hall, self.directs):
            core = messages._reading.core
            size = sum(256 + len(getattr(each, "payload", b"")) for each in core.unread)
            hold(size <= UNREAD, "unread", size)
        self.told.clear()

    # -- the end -----------------------------------------------------------------

    def finish(self) -> None:
        """Check how it stands; then close it, and check that nothing is left."""
        goes_on = bool(self.client.connected or self.reactor.getDelayedCalls())
        hold(self.client.closed or goes_on, "neither ended nor going on")
        self.run(self.client.abort() if not self.plain else self.close())
        left = self.waits
        for second in range(WELCOME + 4):  # a server may not even take HELLO
            self.reactor.advance(1)
            self.turn()
            left = [wait for wait in left if not wait.called]
            if not left and second > 3:
                break
        hold(not left, "somebody waits for ever", left)
        for end in self.ends:
            if isinstance(end, Failure):
                expected = end.check(ClientError, StopAsyncIteration)
                hold(expected, "" if expected else end.getTraceback())
        hold(not self.reactor.getDelayedCalls(), self.reactor.getDelayedCalls())
        hold(all(wire.closed for wire in self.wires), "a connection was left open")
        self.understood()

    def understood(self) -> None:
        """Check that all that was said to the server is what a client may say."""
        for wire in self.wires:
            said = bytes(wire.taken)
            for words, payload in grammar.read_stream(said, 128, 1 << 30).frames:
                hold(words, "a plain frame to a typed server", payload)
            try:
                for each in FrameDecoder(128, 1 << 30).feed(said):
                    parse_request(each)
            except ProtocolError as error:
                hold(False, error, said[:500])

    async def close(self) -> None:
        try:
            await self.client.close(1.0)
        except ClientError:
            pass


class PlainVisit(Visit):
    """The same with a client of the original protocol."""

    plain = True
    own = b"4 "

    def begin(self) -> None:
        server = TCP4ClientEndpoint(self.reactor, "server", 1)
        self.client = PlainClient(
            self.reactor, server, max_payload=MAX_PAYLOAD, jitter=lambda: 0.5,
            on_connected=lambda: None, on_lost=lambda reason: None,
        )  # fmt: skip
        self.run(self.client.connect(None))
        self.note(self.client.send("hello"))

    def ask(self, what: bytes) -> None:
        if what == b"send":
            self.note(self.client.send("more"))
        elif what == b"read":
            for _ in range(len(self.client._inbox)):
                self.run(self.client.receive())

    def unread(self) -> None:
        inbox = self.client._inbox
        hold(inbox._size <= UNREAD_LIMIT + 62 * 1024 * 65 + MAX_PAYLOAD, inbox._size)

    def understood(self) -> None:
        for wire in self.wires:
            heard = grammar.read_stream(bytes(wire.taken), 128, 1 << 30)
            hold(heard.refused is None, wire.taken[:300])
            hold(all(not words for words, _ in heard.frames), "a typed frame to a plain server")


def client(data: bytes) -> None:
    """Whatever a server sends, the client logs no fault, keeps a bounded number of bytes, hands on
    each message once and in order, says nothing but requests, and either goes on or ends with a
    `ClientError`; closed, it leaves no wait, no timer and no connection."""
    with NoFault():
        visit = Visit()
        for step in read(data):
            visit.do(step)
        visit.finish()


def plain_client(data: bytes) -> None:
    """The same of a plain client, which says nothing but plain frames."""
    with NoFault():
        visit = PlainVisit()
        for step in read(data):
            visit.do(step)
        visit.finish()

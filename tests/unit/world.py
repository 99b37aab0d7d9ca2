"""A whole server in memory: a clock that the test turns, and peers that read when it says so."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.unit.pumped import PumpedWorker
from twisted_msg.connection import Connection
from twisted_msg.log.store import Store
from twisted_msg.rooms.registry import Rooms
from twisted_msg.service import Storage, make_server
from twisted_msg.settings import load
from twisted_msg.wire import Frame, FrameDecoder, encode_frame
from twisted_msg.wire.replies import Reply, parse_reply

EPOCH = 1_700_000_000_000_000
"""Unix time in microseconds when a world begins."""

BUFFER = 64 * 1024
"""What Twisted's transports hold before they pause a producer."""


class Pipe:
    """A transport whose peer takes bytes when the test says so.

    Behaves as Twisted's TCP transports do where it matters: a producer is paused inside
    `write`, resumed only when the buffer is empty, and while one is registered the
    connection does not close.
    """

    def __init__(self, number: int, *, stuck: bool = False, host: str = "192.0.2.1") -> None:
        kind = IPv6Address if ":" in host else IPv4Address
        self.address = kind("TCP", host, 1000 + number)
        self.protocol: Any = None
        self.dataBuffer = bytearray()  # the names of Twisted's transports, which `unsent` reads
        self.offset = 0
        self._tempDataLen = 0
        self.taken = bytearray()
        self.stuck = stuck
        self.reading = True
        self.producer: Any = None
        self.paused = False
        self.closing: str | None = None
        self.half_closed = self.closed = self.aborted = False

    # -- what the server calls -----------------------------------------------

    def write(self, data: bytes) -> None:
        assert isinstance(data, bytes)
        if self.closing or self.closed:
            return
        self.dataBuffer += data
        if not self.stuck:
            self.taken += self.dataBuffer
            self.dataBuffer.clear()
        elif self.producer and len(self.dataBuffer) > BUFFER and not self.paused:
            self.paused = True
            self.producer.pauseProducing()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        assert self.producer is None
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def pauseProducing(self) -> None:
        self.reading = False

    def resumeProducing(self) -> None:
        self.reading = True

    def loseConnection(self) -> None:
        self.closing = "both"
        self._settle()

    def loseWriteConnection(self) -> None:
        self.closing = self.closing or "output"
        self._settle()

    def abortConnection(self) -> None:
        self.aborted = True
        self._lose(ConnectionLost())

    def getPeer(self) -> IPv4Address | IPv6Address:
        return self.address

    def setTcpNoDelay(self, on: bool) -> None:
        pass

    def setTcpKeepAlive(self, on: bool) -> None:
        pass

    def getHandle(self) -> None:
        raise AttributeError("no socket in memory")

    # -- what the peer does --------------------------------------------------

    def say(self, data: bytes) -> None:
        """Send bytes to the server."""
        assert self.reading, "the server is not reading"
        self.protocol.dataReceived(data)

    def take(self, count: int | None = None) -> None:
        """Read so many bytes of what the server sent, or all; the pipe stays stuck."""
        count = len(self.dataBuffer) if count is None else count
        self.taken += self.dataBuffer[:count]
        del self.dataBuffer[:count]
        if not self.dataBuffer and self.paused:
            self.paused = False
            if self.producer:
                self.producer.resumeProducing()
        self._settle()

    def read_on(self) -> None:
        """Read everything from now on."""
        while self.dataBuffer:
            self.take()
        self.stuck = False
        self.take()

    def close_input(self) -> None:
        """Half-close, as `shutdown(SHUT_WR)` does."""
        self.protocol.readConnectionLost()

    def vanish(self) -> None:
        """Reset the connection."""
        self._lose(ConnectionLost())

    @property
    def received(self) -> bytes:
        """What the peer has read so far."""
        return bytes(self.taken)

    def frames(self) -> list[Frame]:
        """Return the frames received so far."""
        return list(FrameDecoder(self.protocol.decoder.header_size, 1 << 30).feed(self.received))

    def replies(self) -> list[Reply | None]:
        """Return the typed frames received so far, as values."""
        return [parse_reply(frame) for frame in self.frames()]

    def payloads(self) -> list[bytes]:
        return [frame.payload for frame in self.frames()]

    def _settle(self) -> None:
        if self.closed or self.closing is None or self.dataBuffer or self.producer:
            return
        if self.closing == "both":
            self._lose(ConnectionDone())
        elif not self.half_closed:
            self.half_closed = True
            self.protocol.writeConnectionLost()

    def _lose(self, reason: Exception) -> None:
        if self.closed:
            return
        self.closed = True
        if self.producer:
            self.producer.stopProducing()
            self.producer = None
        self.protocol.connectionLost(Failure(reason))


class World:
    """A server with the given options, and its peers.

    With a `store`, its jobs are done when the test calls `work`; Unix time is the clock's,
    from a fixed day on, and `ahead` seconds more.
    """

    def __init__(self, *, store: Store | None = None, **options: Any) -> None:
        self.clock = Clock()
        self.ahead = 0.0
        flags = {name.replace("_", "-"): value for name, value in options.items()}
        self.settings = load(flags, {"HOME": "/nonexistent", "XDG_CONFIG_DIRS": "/nonexistent"})
        self.worker = PumpedWorker()
        self.broken: list[BaseException] = []
        self.server = make_server(
            self.settings,
            self.clock,
            None if store is None else Storage(store, self.worker),
            broken=self.broken.append,
            now=lambda: EPOCH + int((self.clock.seconds() + self.ahead) * 1e6),
        )
        if store is not None:
            self.server.house.rooms.load(store.open())
            self.server.house.retention_clock.compare(store.newest)
        self.server.start()
        self.peers: list[Pipe] = []

    @property
    def rooms(self) -> Rooms:
        return self.server.house.rooms

    def typed(self, *requests: bytes, stuck: bool = False) -> Pipe:
        """Connect a peer that says these frames, and end the turn."""
        pipe = self.peer(stuck=stuck)
        pipe.say(b"".join(requests))
        self.turn()
        return pipe

    def work(self) -> None:
        """Have the store do everything that it is asked for."""
        self.turn()
        while self.worker.pump():
            self.turn()

    def peer(self, *, stuck: bool = False, host: str = "192.0.2.1") -> Pipe:
        """Connect a peer that has said nothing yet."""
        pipe = Pipe(len(self.peers), stuck=stuck, host=host)
        protocol = self.server.buildProtocol(pipe.address)
        assert isinstance(protocol, Connection)
        pipe.protocol = protocol
        protocol.makeConnection(pipe)  # type: ignore[arg-type]
        self.peers.append(pipe)
        return pipe

    def member(self, *, stuck: bool = False) -> Pipe:
        """Connect a plain peer that has joined the room."""
        pipe = self.peer(stuck=stuck)
        pipe.say(self.frame(b""))
        return pipe

    def frame(self, payload: bytes, *words: str) -> bytes:
        return encode_frame(payload, words, self.settings.header_size)

    def turn(self) -> None:
        """End this turn of the reactor, and those that follow at once."""
        for _ in range(3):
            self.clock.advance(0)

    def say(self, pipe: Pipe, *payloads: bytes) -> None:
        """Have a peer send messages, and end the turn."""
        pipe.say(b"".join(self.frame(payload) for payload in payloads))
        self.turn()

    def wait(self, seconds: float) -> None:
        """Let time pass, second by second."""
        for _ in range(int(seconds)):
            self.clock.advance(1)
        self.clock.advance(seconds - int(seconds))

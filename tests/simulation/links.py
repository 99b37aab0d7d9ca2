"""Connections in memory: two ends, each with a real protocol, and a network between them.

Law of this file: an end behaves as Twisted's TCP transports do, and the network as TCP
does; nothing moves unless the scheduler moves it.  What a process wrote waits in
`dataBuffer`, goes into the `flight` as far as the window allows, and is delivered from there
in pieces of any size.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer, ITransport
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.simulation.clocks import ProcessClock
from twisted_msg.wire import FrameDecoder, Stage
from twisted_msg.wire.limits import ERROR_PREFIX


@implementer(ITransport, IPushProducer)
class End:
    """One side's transport."""

    def __init__(self, link: Link, clock: ProcessClock, number: int) -> None:
        self.link = link
        self.clock = clock
        self.address = IPv4Address("TCP", "192.0.2.1", 1000 + number)
        self.peer: End
        self.protocol: Any = None
        self.dataBuffer = bytearray()  # the names of Twisted's transports, which `unsent` reads
        self.offset = self._tempDataLen = 0
        self.bufferSize = 4096
        self.flight = bytearray()
        self.fin = self.reset = False
        self.connected = self.reading = True
        self.stalled = False
        """Whether this side's program takes nothing."""
        self.disconnecting = self.aborting = False
        self.write_closing = self.write_closed = self.read_closed = False
        self.producer: Any = None
        self.producer_paused = False

    # -- what the protocol calls ---------------------------------------------

    def write(self, data: bytes) -> None:
        if not self.connected or self.write_closed or not data:
            return
        self.dataBuffer += data
        if self.producer is not None and len(self.dataBuffer) > self.bufferSize:
            self.producer_paused = True
            self.producer.pauseProducing()

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        assert self.producer is None
        if self.connected:
            self.producer = producer
        else:
            producer.stopProducing()

    def unregisterProducer(self) -> None:
        self.producer = None

    def pauseProducing(self) -> None:
        self.reading = False

    def resumeProducing(self) -> None:
        if self.connected and not self.disconnecting:
            self.reading = True

    def loseConnection(self) -> None:
        if not self.connected or self.disconnecting:
            return
        if self.write_closed:
            self.lose(ConnectionDone())
        else:
            self.reading = False
            self.disconnecting = True

    def loseWriteConnection(self) -> None:
        self.write_closing = True

    def abortConnection(self) -> None:
        if self.connected and not self.aborting:
            self.aborting = True
            self.reading = False
            self.clock.callLater(0, self.lose, ConnectionAborted())

    def stopProducing(self) -> None:
        self.loseConnection()

    def getPeer(self) -> IPv4Address:
        return self.address

    def getHost(self) -> IPv4Address:
        return self.address

    def setTcpNoDelay(self, on: bool) -> None:
        pass

    def setTcpKeepAlive(self, on: bool) -> None:
        pass

    def getHandle(self) -> None:
        raise AttributeError("no socket in memory")

    # -- what the scheduler does ---------------------------------------------

    @property
    def writable(self) -> bool:
        """Whether `flush` would do something."""
        if not self.connected or self.aborting or self.link.severed or not self.clock.alive:
            return False
        if self.dataBuffer:
            return len(self.flight) < self.link.window
        return (
            self.disconnecting
            or (self.producer is not None and self.producer_paused)
            or (self.write_closing and not self.write_closed)
        )

    def flush(self) -> None:
        """Hand to the network what it takes, as a reactor does when a socket is writable."""
        room = self.link.window - len(self.flight)
        if room > 0:
            self.flight += self.dataBuffer[:room]
            del self.dataBuffer[:room]
        if self.dataBuffer:
            return
        if self.producer is not None and self.producer_paused:
            self.producer_paused = False
            self.producer.resumeProducing()
        elif self.disconnecting:
            self.lose(ConnectionDone())
        elif self.write_closing and not self.write_closed:
            self.write_closed = self.fin = True
            if IHalfCloseableProtocol.providedBy(self.protocol):
                self.protocol.writeConnectionLost()

    @property
    def readable(self) -> bool:
        """Whether `deliver` would do something."""
        peer = self.peer
        if self.link.severed or not (peer.flight or (peer.fin and not self.read_closed)):
            return False
        if not self.connected:  # nobody is there: whoever sends is told so
            return bool(peer.flight) and self.link.reaches(self)
        return self.reading and not self.stalled and self.clock.alive

    def deliver(self, size: int) -> int:
        """Hand to the protocol so many bytes, or the stream's end; return how many."""
        peer = self.peer
        if not self.connected:
            peer.flight.clear()
            peer.reset = True
            return 0
        data = bytes(peer.flight[: min(size, self.bufferSize)])
        if data:
            del peer.flight[: len(data)]
            self.link.heard(self, data)
            self.protocol.dataReceived(data)
        else:
            self.read_closed = True
            self.reading = False
            if IHalfCloseableProtocol.providedBy(self.protocol):
                self.protocol.readConnectionLost()
            else:
                self.lose(ConnectionDone())
        return len(data)

    def lose(self, reason: Exception) -> None:
        """Close this end, and tell the protocol."""
        if not self.connected:
            return
        if self.link.lossy:
            self.vanish()
        else:
            self.hang_up(rude=not isinstance(reason, ConnectionDone))
        producer, self.producer = self.producer, None
        if producer is not None:
            producer.stopProducing()
        self.protocol.connectionLost(Failure(reason))

    def hang_up(self, *, rude: bool = False) -> None:
        """Close the socket, as also the kernel does for a process that is gone."""
        self.connected = self.reading = False
        self.dataBuffer.clear()
        self.reset = False
        if rude or self.peer.flight:  # unread input makes it a reset, which overtakes what was sent
            self.flight.clear()
            self.peer.flight.clear()
            self.peer.reset = self.peer.connected
        else:
            self.fin = True

    def vanish(self) -> None:
        """Be gone without a word, as with the power; what is on its way stays so."""
        self.connected = self.reading = False
        self.dataBuffer.clear()
        self.reset = False


class Link:
    """One connection between a client's process and the server's."""

    def __init__(
        self, number: int, window: int, client: ProcessClock, server: ProcessClock, *, kind: str
    ) -> None:
        self.number = number
        self.window = window
        self.frozen = self.severed = False
        self.lossy = False
        """Whether the server is not told that the client is gone."""
        self.mixed = ""
        """What the client got of the other kind, which must never be."""
        self.client = End(self, client, number)
        self.server = End(self, server, number)
        self.client.peer, self.server.peer = self.server, self.client
        self.ends = (self.client, self.server)
        self.powered = True
        """Whether the server's machine can answer for a process that is gone."""
        self.kind = kind
        self.told_missed = ""
        """What the server told a plain peer that it missed."""
        self._heard = FrameDecoder()
        self._first = True

    @property
    def over(self) -> bool:
        """Whether nothing can happen here any more."""
        return not (self.client.connected or self.server.connected)

    def reaches(self, end: End) -> bool:
        return end is self.client or self.powered

    def cut(self) -> bool:
        """Reset the connection for both; return whether somebody stood inside a frame."""
        stages = [self._heard.stage]
        if self.server.connected:
            decoder = getattr(self.server.protocol, "decoder", None)
            stages += [] if decoder is None else [decoder.stage]
        self.severed = True
        for end in self.ends:
            end.flight.clear()
            end.reset = end.connected
        return any(stage is not Stage.BETWEEN for stage in stages)

    def heard(self, end: End, data: bytes) -> None:
        """Look at what goes to the client: frames of its own kind and nothing else."""
        if end is self.client and not self.mixed and self.kind in ("typed", "plain"):
            for frame in self._heard.feed(data):
                early = self._first and frame.payload.startswith(ERROR_PREFIX)
                self._first = False  # an error before a first frame is told in a plain one
                if frame.payload.startswith(ERROR_PREFIX + b"missed "):
                    self.told_missed = frame.payload[len(ERROR_PREFIX) :].decode()
                if bool(frame.words) != (self.kind == "typed") and not early:
                    self.mixed = f"{frame.words} {frame.payload[:40]!r}"

"""A connection of frames over WebSocket: the transport that a `Connection` is given.

Law of this file: messages are pieces of one stream of bytes, whatever their sizes; nothing is
kept of what comes in, and what goes out is written from the bytes that all members share.
wsproto's engine reads; the few bytes in front of each message that goes out are made here,
because it would copy the message three times.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.python.failure import Failure
from wsproto.frame_protocol import CloseReason, FrameProtocol, Opcode, ParseFailed
from zope.interface import implementer

from twisted_msg.connection import Connection
from twisted_msg.counts import End
from twisted_msg.deadlines import LINGER_SECONDS
from twisted_msg.transports import Way, unsent
from twisted_msg.wire import ProtocolError

SMALL: Final = 128
"""Bytes of content below which a frame costs as much as a message, whatever is in it: it takes
10 us to read, so a stream in pieces of one byte costs thirty times what it costs in one."""

EMPTY_LIMIT: Final = 256
"""Frames without content (pings, pongs, empty pieces) that one read may hold: a read holds ten
thousand of them, and only who means harm sends more than a few."""


@lru_cache(maxsize=64)
def head_of(size: int) -> bytes:
    """Return what stands before a binary message of so many bytes, from a server."""
    if size < 126:
        return bytes((0x82, size))
    if size < 1 << 16:
        return b"\x82\x7e" + size.to_bytes(2, "big")
    return b"\x82\x7f" + size.to_bytes(8, "big")


@implementer(IHalfCloseableProtocol)
class WebSocket:
    """The protocol of the transport that carries it, and the transport of a connection."""

    __slots__ = (
        "_closing", "_control", "_deaf", "_done", "_emptied", "_engine", "_head", "_left", "_peer",
        "_way", "carrier", "code", "connection", "reason",
    )  # fmt: skip

    connection: WebConnection

    def __init__(self, carrier: Any, peer: Any) -> None:
        """Take the transport; the connection's outlet becomes its producer.

        `peer` is the address of the client, which may be behind a proxy.
        """
        self.carrier = carrier
        self._peer = peer
        self.code: int = CloseReason.NORMAL_CLOSURE
        self.reason = ""
        self._way = Way(carrier)
        self._engine = FrameProtocol(False, [])
        self._head = b""  # what is unsent of what stands before a message
        self._left = 0  # bytes of a message begun that are still to come
        self._control = b""
        self._deaf = self._done = self._closing = False
        self._emptied: float | None = None

    # -- as the protocol of what carries it ----------------------------------

    def dataReceived(self, data: bytes) -> None:
        """Take input."""
        if self._deaf:
            return
        connection = self.connection
        violation: tuple[int, str] | None = None
        connection.hear()
        pieces: list[bytes] = []
        empty = small = 0
        try:
            self._engine.receive_bytes(data)
            for frame in self._engine.received_frames():
                if frame.opcode is Opcode.BINARY and frame.payload:
                    pieces.append(frame.payload)  # type: ignore[arg-type]
                    small += len(frame.payload) < SMALL
                    continue
                if frame.opcode is Opcode.CLOSE:
                    self._deaf = self._done = True
                    self.code, self.reason = frame.payload[0], ""  # type: ignore[assignment]
                    break
                if frame.opcode is Opcode.TEXT:
                    raise ParseFailed("messages are binary here", CloseReason.UNSUPPORTED_DATA)
                if frame.opcode is Opcode.PING:
                    self._pong(frame.payload)  # type: ignore[arg-type]
                empty += 1
                if empty > EMPTY_LIMIT:
                    raise ParseFailed("too many empty frames", CloseReason.POLICY_VIOLATION)
        except ParseFailed as failed:
            self._deaf = True
            violation = failed.code, str(failed)  # its traceback would hold this frame
        if pieces:
            connection.dataReceived(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if empty or small:
            connection.charge(empty + small)
        if violation is not None:
            connection.violated(*violation)
        elif self._done:
            self._end_input()

    def readConnectionLost(self) -> None:
        """Take the end of the input, which a Close should have told of."""
        if not self._done:
            self._deaf = self._done = True
            self._end_input()

    def writeConnectionLost(self) -> None:
        """Nothing: this side is never half-closed."""

    def connectionLost(self, reason: Failure) -> None:
        """Tell the connection."""
        self._deaf = True
        self.connection.connectionLost(reason)
        del self.connection

    def _end_input(self) -> None:
        if self._closing:
            self.carrier.loseConnection()
        else:
            self.connection.readConnectionLost()

    def _pong(self, payload: bytes) -> None:
        """Answer a ping; of those that cannot be answered at once, the last one alone."""
        pong = bytes(self._engine.pong(payload))
        if self._left or self._control or self.connection.outlet.paused:
            self._control = pong
        elif not self._closing:
            self.carrier.write(pong)

    # -- as the transport of a connection ------------------------------------

    @property
    def way(self) -> WebSocket:
        """What an outlet sends with."""
        return self

    def send(self, data: bytes, start: int = 0) -> int:
        """Send what stands in `data` from `start` on as one message; see `Way.send`.

        A message that was begun is to be finished by further calls with what is left of it.
        """
        if not self._left:
            self._left = len(data) - start
            self._head = self._control + head_of(self._left)
            self._control = b""
        sent = self._way.send(data, start, self._head)
        behind = sent - len(self._head)
        if behind < 0:
            self._head = self._head[sent:]
            return 0
        self._head = b""
        self._left -= behind
        return behind

    def write(self, data: bytes) -> None:
        """Send a message, keeping what cannot be sent at once."""
        self.carrier.write(head_of(len(data)) + data)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Have a producer told by what carries this."""
        self.carrier.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Tell the producer no more."""
        self.carrier.unregisterProducer()

    def pauseProducing(self) -> None:
        """Read no more."""
        self.carrier.pauseProducing()

    def resumeProducing(self) -> None:
        """Read again."""
        self.carrier.resumeProducing()

    def loseConnection(self) -> None:
        """Say Close behind everything that was sent; the peer's own Close ends it."""
        if self._closing:
            return
        self._closing = True
        if self._left:  # whoever ends it so does not care for the rest
            self.carrier.abortConnection()
            return
        close = self._engine.close(self.code, self.reason)
        self.carrier.write(self._control + close)
        if self._done:
            self.carrier.loseConnection()

    def abortConnection(self) -> None:
        """Close at once."""
        self.carrier.abortConnection()

    def getPeer(self) -> Any:
        """Return the client's address."""
        return self._peer

    def getHost(self) -> Any:
        """Return this side's address."""
        return self.carrier.getHost()

    def unsent(self) -> int:
        """Return how many bytes of what was sent the peer has not taken."""
        return unsent(self.carrier)

    # -- for its connection --------------------------------------------------

    def ping(self) -> None:
        """Ask a silent peer whether it is there; who is sent something need not be asked."""
        if not (self._left or self._closing or self.connection.outlet.paused):
            self.carrier.write(bytes(self._engine.ping()))

    def sweep(self, now: float) -> None:
        """Send a pong that had to wait, and hang up on a peer that does not answer Close."""
        if self._closing:
            if unsent(self.carrier):
                self._emptied = None
            elif self._emptied is None:
                self._emptied = now
            elif now - self._emptied >= LINGER_SECONDS:
                self.carrier.loseConnection()
        elif self._control and not (self._left or self.connection.outlet.paused):
            control, self._control = self._control, b""
            self.carrier.write(control)


class WebConnection(Connection):
    """A connection over WebSocket."""

    _asks = False

    def connectionMade(self) -> None:
        """Begin; unlike a TCP peer, the kernel asks nobody here whether it is still there."""
        self.transport.connection = self
        super().connectionMade()
        super().keep_beating()

    def hear(self) -> None:
        """Note that something came from the peer."""
        self._heard = True

    def keep_beating(self) -> None:
        """Ask by frames from now on, as the peer was promised."""
        self._asks = True
        super().keep_beating()

    def beat(self) -> None:
        """Ask a silent peer whether it is there: by a frame, or a ping where none is promised."""
        if self._asks:
            super().beat()
        else:
            self.transport.ping()

    def refused(self, error: ProtocolError) -> None:
        """Answer an error and end."""
        self._end_as(CloseReason.POLICY_VIOLATION, f"{error.code.value} {error.reason}")
        super().refused(error)

    def violated(self, code: int, why: str) -> None:
        """End: the peer broke WebSocket's own rules, and no frame would reach it."""
        self._refused = True
        self._end_as(code, why)
        self.close(End.REFUSED, f"refused, WebSocket: {why}", cut=True)

    def stop(self) -> None:
        """The server stops."""
        self._end_as(CloseReason.GOING_AWAY, "the server stops: reconnect")
        super().stop()

    def sweep(self, now: float) -> None:
        """See to the deadlines."""
        self.transport.sweep(now)
        super().sweep(now)

    def _end_as(self, code: int, reason: str) -> None:
        """Have Close say this."""
        self.transport.code, self.transport.reason = code, reason

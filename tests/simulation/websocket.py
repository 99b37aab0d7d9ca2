"""WebSocket under a client: frames of the protocol carried in messages, some of them in fragments.

The client above is the library's own; the handshake and the framing are those of the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from tests.websockets import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    accepted,
    handshake,
    masked,
    parsed,
)


class WebSocketCarrier(Protocol):
    """Carries one client connection; it is that connection's transport too."""

    def __init__(self, factory: Any, made: Any, random: Random, trouble: Callable[[str], None]):
        self._factory = factory
        self._made = made
        self._random = random
        self._trouble = trouble
        self._data = b""
        self._inner: Any = None
        self._closing = False

    # -- from the network ----------------------------------------------------

    def connectionMade(self) -> None:
        self.transport.write(handshake())

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        if self._inner is None and not self._shake_hands():
            return
        try:
            frames, self._data = parsed(self._data)
        except AssertionError as error:
            self._trouble(f"PHANTOM over WebSocket: {error}")
            self.transport.abortConnection()
            return
        for fin, code, payload in frames:
            if code in (BINARY, CONTINUATION):
                self._inner.dataReceived(payload)
            elif code == PING:
                self.transport.write(self._masked(payload, PONG))
            elif code == CLOSE:
                self._say_close()
            elif code != PONG:
                self._trouble(f"PHANTOM a WebSocket message of kind {code}, last: {fin}")

    def _shake_hands(self) -> bool:
        head, end, rest = self._data.partition(b"\r\n\r\n")
        if not end:
            return False
        if not accepted(head):  # the server is full, or stops
            self.transport.abortConnection()
            return False
        self._data = rest
        self._inner = self._factory.buildProtocol(self.transport.getPeer())
        self._inner.makeConnection(self)
        self._made.callback(self._inner)
        return True

    def give_up(self) -> None:
        """End, if the handshake was not answered in time."""
        if self._inner is None:
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._inner is not None:
            self._inner.connectionLost(reason)
        elif not self._made.called:
            self._made.errback(Failure(ConnectionLost()))

    # -- for the client ------------------------------------------------------

    def write(self, data: bytes) -> None:
        if self._closing:
            return
        pieces = [data]
        if len(data) > 1 and self._random.random() < 0.2:
            cut = self._random.randrange(1, len(data))
            pieces = [data[:cut], data[cut:]]
        frames = b""
        for number, piece in enumerate(pieces):
            code = CONTINUATION if number else BINARY
            frames += self._masked(piece, code, fin=number == len(pieces) - 1)
            if len(pieces) > 1:
                frames += self._masked(b"?", PING)
        self.transport.write(frames)

    def loseConnection(self) -> None:
        self._say_close()

    loseWriteConnection = loseConnection

    def abortConnection(self) -> None:
        self.transport.abortConnection()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def _say_close(self) -> None:
        if not self._closing:
            self._closing = True
            self.transport.write(self._masked((1000).to_bytes(2, "big"), CLOSE))
        self.transport.loseConnection()

    def _masked(self, payload: bytes, code: int, *, fin: bool = True) -> bytes:
        return masked(payload, code, fin=fin, mask=self._random.randbytes(4))

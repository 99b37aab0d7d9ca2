"""The factory of plain connections, which tells their owner when they come and go.

Law of this file: it builds and tells; what a connection does is `plain.py`'s matter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHandshakeListener,
    IReactorTime,
    ISSLTransport,
)
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_msg.client.connection import MAX_RECEIVED
from twisted_msg.client.errors import TLSFailed
from twisted_msg.client.plain import PlainConnection
from twisted_msg.client.sendable import check_word
from twisted_msg.client.waiting import Inbox
from twisted_msg.protocol import FrameFactory
from twisted_msg.wire.arguments import check_callable
from twisted_msg.wire.limits import DISCONNECT, HEADER_SIZE

HANDSHAKE_SECONDS: Final = 30.0
"""How long TLS may take to begin: as long as a typed client waits for its welcome."""


class PlainFactory(FrameFactory):
    """Builds a `PlainConnection` for each connection, all with the same arguments.

    `made` is called with each one when it is connected, over TLS after the handshake.  `lost` is
    called when it is gone, also if it was never made.
    """

    noisy = False  # Twisted's own lines about factories tell a person nothing

    def __init__(
        self,
        clock: IReactorTime,
        *,
        header_size: int = HEADER_SIZE,
        max_payload: int = MAX_RECEIVED,
        disconnect_word: bytes = DISCONNECT,
        listen: bool = True,
        inbox: Inbox | None = None,
        made: Callable[[PlainConnection], None] | None = None,
        lost: Callable[[PlainConnection], None] | None = None,
    ) -> None:
        """Take the arguments of `PlainConnection`, and the callbacks for what happens to it.

        Raises `ValueError` and `TypeError` as it does.
        """
        for what, callback in (("made", made), ("lost", lost)):
            if callback is not None:
                check_callable(callback, what)
        super().__init__(PlainConnection, header_size=header_size, max_payload=max_payload)
        check_callable(getattr(clock, "callLater", None), "a clock's callLater")
        self.clock = clock
        self.disconnect_word = check_word(disconnect_word)
        self.listen = bool(listen)
        self.inbox = inbox
        self.made = made
        self.lost = lost

    def buildProtocol(self, addr: IAddress | None) -> PlainConnection:
        """Return the protocol for one connection; `addr` may be missing."""
        built = _Told(
            self.clock,
            header_size=self.header_size,
            max_payload=self.max_payload,
            disconnect_word=self.disconnect_word,
            listen=self.listen,
            inbox=self.inbox,
        )
        built.factory = self
        return built


@implementer(IHandshakeListener)
class _Told(PlainConnection):
    """A connection that tells its factory; over TLS it is made when the handshake is complete."""

    factory: PlainFactory
    _late: IDelayedCall | None = None

    def connectionMade(self) -> None:
        super().connectionMade()
        if ISSLTransport.providedBy(self.transport):
            self._late = self.factory.clock.callLater(HANDSHAKE_SECONDS, self._no_handshake)
        else:
            self._report_made()

    def handshakeCompleted(self) -> None:
        self._stop_waiting()
        self._report_made()

    def _report_made(self) -> None:
        if self.factory.made is not None:
            self.factory.made(self)

    def _no_handshake(self) -> None:
        self.end(TLSFailed(f"the server did not complete TLS within {HANDSHAKE_SECONDS:g} s"))
        self.abort()

    def _stop_waiting(self) -> None:
        if self._late is not None and self._late.active():
            self._late.cancel()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_waiting()
        super().connectionLost(reason)
        if self.factory.lost is not None:
            self.factory.lost(self)

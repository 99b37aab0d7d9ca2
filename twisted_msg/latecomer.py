"""One for whom there is no place: it is told so in the language that it speaks.

Law of this file: nothing is kept of what it says, and it is told within seconds whatever it
says or leaves out.  It opens no session and takes no place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_msg.connection import Connection
from twisted_msg.opening import Speech, opening
from twisted_msg.transports import hand_over
from twisted_msg.wire import ProtocolError

WORD_SECONDS: Final = 2.0
"""How long it may take for its first byte, which says what it speaks: programs speak at once,
and the 64 places of those who are told are wanted by others."""


@implementer(IHalfCloseableProtocol)
class Latecomer:
    """The protocol of a connection without a place, until it is known how to tell it so."""

    def __init__(
        self,
        connection: Connection,
        error: ProtocolError,
        visit: Callable[[Connection, Latecomer], Any],
    ) -> None:
        """Take the connection, what to tell it, and what makes a visit over HTTP of it.

        `visit` takes the connection and the protocol of its transport, which is this one; it
        returns None if it cannot.
        """
        self.number = connection.number
        self._connection = connection
        self._error = error
        self._visit = visit
        self._since = connection.host.clock.seconds()

    # -- for its transport ---------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        """Take the first bytes, and answer them."""
        self.guard(lambda: self._answer(data))

    def readConnectionLost(self) -> None:
        """Take the end of the input: it says nothing, and may still read."""
        self._tell()
        self._connection.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """Nothing was sent yet, so nobody has closed this side."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is gone."""
        self._connection.connectionLost(reason)

    def refuse_proxy_header(self, reason: str) -> None:
        """Close without an answer; the log has said why there is no place."""
        self.abort()

    def _answer(self, data: bytes) -> None:
        visit = None
        if opening(data) is Speech.HTTP:
            visit = self._visit(self._connection, self)
        if visit is None:
            self._tell()
        else:
            visit.turn_away(self._error)

    def _tell(self) -> None:
        """Tell it in frames, as its connection does from here on."""
        connection = self._connection
        hand_over(connection.transport, self, connection)
        connection.host.took_back(connection)
        connection.refused(self._error)

    # -- for the server ------------------------------------------------------

    def sweep(self, now: float) -> None:
        """Wait no longer for one that says nothing."""
        if now - self._since >= WORD_SECONDS:
            self._tell()

    def stop(self) -> None:
        """The server stops."""
        self._tell()

    def guard(self, call: Callable[[], None]) -> None:
        """Make a call; a fault in it ends this connection and no other."""
        self._connection.guard(call)

    def abort(self) -> None:
        """Close at once."""
        self._connection.abort()

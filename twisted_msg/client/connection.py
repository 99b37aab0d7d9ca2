"""What every connection of a client has, whatever is spoken on it: one end, with one reason.

Law of this file: a connection ends once, with one reason, and every wait on it ends
with that reason; the socket is closed on every path.  Nothing here connects again.
"""

from __future__ import annotations

from typing import Final

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_msg.client.errors import ClientError, Disconnected, NotUnderstood, TimedOut, lost
from twisted_msg.client.waiting import Gate
from twisted_msg.protocol import FrameProtocol
from twisted_msg.transports import drop_unsent
from twisted_msg.wire import ErrorCode, ProtocolError
from twisted_msg.wire.arguments import check_callable, check_seconds
from twisted_msg.wire.limits import HEADER_SIZE

MAX_RECEIVED: Final = 64 * 1024 * 1024
"""Bytes of the largest message taken unless told otherwise: far above any server's usual
limit, and far below what a hostile one could make this process keep."""

GOODBYE_SECONDS: Final = 30.0
"""How long a goodbye may take: what the server gives a peer that does not read, too."""

CLOSE_SECONDS: Final = 2.0
"""How long the transport may take to close when nothing more is wanted of it; then it is
cut off.  As long as a server listens on behind its own end."""


class ClientConnection(FrameProtocol):
    """One connection to a server; a subclass says what is spoken on it."""

    unconfirmed = "the server did not close the connection"
    """What a goodbye without an answer means, for people."""

    hint = "check the address"
    """What to look at if what the server sends is not understood."""

    def __init__(
        self,
        clock: IReactorTime,
        *,
        header_size: int = HEADER_SIZE,
        max_payload: int = MAX_RECEIVED,
    ) -> None:
        """Take the clock for deadlines, and the sizes in bytes."""
        super().__init__(header_size, max_payload)
        check_callable(getattr(clock, "callLater", None), "a clock's callLater")
        self._clock = clock
        self._gone = Gate()
        self._error: ClientError | None = None
        self._saying_goodbye = False
        self._lost = False

    # -- for subclasses ------------------------------------------------------

    def say_goodbye(self) -> None:
        """Send the word that ends the connection; called once."""
        raise NotImplementedError

    def ended(self, error: ClientError) -> None:
        """Called once, with the reason, when the end is certain."""

    def end(self, error: ClientError) -> ClientError:
        """Give every wait the reason of the end; return it, for the first one stands."""
        if self._error is None:
            self._error = error
            self.ended(error)
        return self._error

    def close(self) -> None:
        """Close the transport, whether or not the other side still reads."""
        self.stop_receiving()
        self.transport.loseConnection()
        late = self._clock.callLater(CLOSE_SECONDS, self.transport.abortConnection)

        def closed(_: object) -> None:
            if late.active():
                late.cancel()

        self._gone.wait().addBoth(closed)

    # -- for users -----------------------------------------------------------

    async def disconnect(self, timeout: float = GOODBYE_SECONDS) -> None:
        """Say goodbye and wait until the server has closed.

        Then the server has processed everything sent before.  Messages that still come are
        discarded.  Raises `TimedOut` after `timeout` seconds, and whatever else ended the
        connection first: then it is not known what was processed.  Does nothing if it had
        ended in this way before.  Raises `ValueError` or `TypeError` if `timeout` is not a
        time; the connection then stays open.
        """
        check_seconds(timeout)
        if not self._saying_goodbye and self._error is None:
            self._saying_goodbye = True
            self.say_goodbye()
        gone = self.gone()
        try:
            await gone.addTimeout(timeout, self._clock)
        except defer.TimeoutError:
            raise TimedOut(f"the server did not confirm within {timeout:g} s: "
                           f"{self.unconfirmed}") from None  # fmt: skip
        finally:
            if not self._lost:
                self.abort()

    def abort(self) -> None:
        """Close at once, without a goodbye; what is unsent is lost."""
        self.end(Disconnected("the connection was cut off by this side"))
        if self.transport is not None and not self._lost:
            self.transport.abortConnection()

    def gone(self) -> Deferred[None]:
        """Return a Deferred that fires when the connection is closed after a goodbye.

        If it ends in any other way, the Deferred fails with the reason.
        """
        return self._gone.wait()

    @property
    def error(self) -> ClientError | None:
        """Why the connection has ended, or None while it lasts."""
        return self._error

    # -- for Twisted and the decoder -----------------------------------------

    def refused(self, error: ProtocolError) -> None:
        """The server's bytes are not understood: close, and say nothing to it."""
        if error.code == ErrorCode.TOO_LARGE:
            limit = self.decoder.max_payload
            reason = f"the server announces a message above this side's limit of {limit} bytes"
        else:
            reason = (
                f"what the server sent is not this protocol with headers of "
                f"{self.decoder.header_size} bytes ({error.reason}); {self.hint}"
            )
        self.end(NotUnderstood(reason))
        self.close()

    def input_ended(self) -> None:
        """The server sends no more, so it will not read either: close."""
        if not self._saying_goodbye:
            self.end(Disconnected("the server closed the connection"))
        self.close()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End every wait."""
        self._lost = True
        self.stop_receiving()
        drop_unsent(self.transport)
        if self._saying_goodbye and self._error is None and reason.check(ConnectionDone):
            self.end(Disconnected("this side has said goodbye"))
            self._gone.open()
        else:
            self._gone.fail(self.end(lost(reason.value)))

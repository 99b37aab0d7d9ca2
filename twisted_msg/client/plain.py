"""The client side of one plain connection: send, receive, disconnect.

Law of this file: a connection ends once, with one reason, and every wait on it ends
with that reason; the socket is closed on every path.  Nothing here connects again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from twisted.internet import defer
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_msg.client.errors import (
    ClientError,
    Disconnected,
    NotUnderstood,
    TimedOut,
    refusal,
)
from twisted_msg.client.sendable import sendable
from twisted_msg.client.waiting import Gate, Inbox
from twisted_msg.protocol import FrameProtocol
from twisted_msg.transports import keep_alive
from twisted_msg.wire import ErrorCode, Frame, ProtocolError, Stage, encode_frame
from twisted_msg.wire.header import excerpt
from twisted_msg.wire.limits import DISCONNECT, ERROR_PREFIX, HEADER_SIZE

MAX_RECEIVED: Final = 64 * 1024 * 1024
"""Bytes of the largest message taken unless told otherwise: far above any server's usual
limit, and far below what a hostile one could make this process keep."""

GOODBYE_SECONDS: Final = 30.0
"""How long a goodbye may take: what the server gives a peer that does not read, too."""

CLOSE_SECONDS: Final = 2.0
"""How long the transport may take to close when nothing more is wanted of it; then it is
cut off.  As long as a server listens on behind its own end."""


_BEGINNINGS: Final = frozenset(bytes([byte]) for byte in b" 0123456789")


@implementer(IPushProducer)
class PlainConnection(FrameProtocol):
    """One connection to a server, in the original protocol.

    Made by `PlainFactory` (`client/factory.py`).  It joins the server's room at once.
    """

    transport: Any  # what Twisted says of transports lacks `registerProducer` and `abortConnection`

    def __init__(
        self,
        clock: IReactorTime,
        *,
        header_size: int = HEADER_SIZE,
        max_payload: int = MAX_RECEIVED,
        disconnect_word: bytes = DISCONNECT,
        listen: bool = True,
        inbox: Inbox | None = None,
    ) -> None:
        """Take the clock for deadlines, and how the server speaks.

        `header_size` and `max_payload` are in bytes.  Without `listen` all messages are
        discarded.  Several connections, one after the other, may fill the same `inbox`;
        then its owner ends it.
        """
        super().__init__(header_size, max_payload)
        self._clock = clock
        self._word = disconnect_word
        self._listen = listen
        self._shared = inbox is not None
        self._inbox = Inbox() if inbox is None else inbox
        self._writable = Gate(opened=True)
        self._gone = Gate()
        self._error: ClientError | None = None
        self._saying_goodbye = False
        self._backed_up = False
        self._held = False
        self._lost = False

    # -- for users -----------------------------------------------------------

    def send(self, message: bytes | str) -> Deferred[None]:
        """Send one message; see `send_all`."""
        return self.send_all((message,))

    def send_all(self, messages: Iterable[bytes | str]) -> Deferred[None]:
        """Send messages, in one piece.

        They are handed to the transport at once, whoever waits or not; the Deferred fires
        when the transport has room for more.  Raises `ValueError`, sending nothing, if one
        is not `sendable`; the Deferred fails with the connection's end.
        """
        width = self.decoder.header_size
        data = b"".join(
            encode_frame(sendable(message, self._word, width), (), width) for message in messages
        )
        if self._error is not None:
            return fail(self._error)
        if self._saying_goodbye:
            return fail(Disconnected("this side has said goodbye"))
        self._write(data)
        return self._writable.wait()

    async def receive(self) -> bytes:
        """Return the next message's payload.

        At the end of the connection, after the last message, raises `Disconnected`,
        `Refused` or `NotUnderstood`.  With an inbox of somebody else's, read that instead.
        """
        return await self._inbox.get()

    async def disconnect(self, timeout: float = GOODBYE_SECONDS) -> None:
        """Say goodbye and wait until the server has closed.

        Then the server has processed everything sent before.  Messages that still come are
        discarded.  Raises `TimedOut` after `timeout` seconds, and whatever else ended the
        connection first: then it is not known what was processed.  Does nothing if it had
        ended in this way before.
        """
        self._say_goodbye()
        gone = self.gone()
        try:
            await gone.addTimeout(timeout, self._clock)
        except defer.TimeoutError:
            raise TimedOut(
                f"the server did not confirm within {timeout:g} s: what was sent last may or "
                "may not have arrived (does the server have another disconnect message?)"
            ) from None
        finally:
            if not self._lost:
                self.abort()

    def abort(self) -> None:
        """Close at once, without a goodbye; what is unsent is lost."""
        self._end(Disconnected("the connection was cut off by this side"))
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

    # -- for the decoder -----------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        """Decode; what cannot begin a header is told at once, not after a whole header of it."""
        if self.decoder.stage is Stage.BETWEEN and self.receiving and data[:1] not in _BEGINNINGS:
            self.stop_receiving()
            self.refused(ProtocolError(ErrorCode.BAD_HEADER, f"it begins {excerpt(data)}"))
        super().dataReceived(data)

    def frame_received(self, frame: Frame) -> None:
        """Take a message, or the server's last word."""
        payload = frame.payload
        if frame.words:
            raise ProtocolError(ErrorCode.BAD_HEADER, "a typed frame on a plain connection")
        if payload == self._word:
            self._end(Disconnected("the server stops", server_goes=True))
            self._close()
        elif payload.startswith(ERROR_PREFIX):
            text = payload[len(ERROR_PREFIX) :].decode(errors="backslashreplace")
            self._end(refusal(text))
            self._close()
        elif payload and self._listen and not self._saying_goodbye:
            self._inbox.put(payload)

    def refused(self, error: ProtocolError) -> None:
        """The server's bytes are not understood: close, and say nothing to it."""
        if error.code == ErrorCode.TOO_LARGE:
            limit = self.decoder.max_payload
            reason = f"the server announces a message above this side's limit of {limit} bytes"
        else:
            reason = (
                f"what the server sent is not this protocol with headers of "
                f"{self.decoder.header_size} bytes ({error.reason}); check the address and "
                "--header-size, and that the server has no --plain-reply"
            )
        self._end(NotUnderstood(reason))
        self._close()

    def input_ended(self) -> None:
        """The server sends no more, so it will not read either: close."""
        if not self._saying_goodbye or self._backed_up:  # the goodbye may be unsent
            self._end(Disconnected("the server closed the connection"))
        self._close()

    # -- for Twisted ---------------------------------------------------------

    def connectionMade(self) -> None:
        """Join the room: an empty frame says that somebody listens."""
        keep_alive(self.transport)
        self.transport.registerProducer(self, True)
        if self._listen:
            self._inbox.attach(self)
        self._write(encode_frame(b"", (), self.decoder.header_size))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End every wait."""
        self._lost = True
        self.stop_receiving()
        if self._saying_goodbye and self.decoder.stage is not Stage.BETWEEN:
            self._end(NotUnderstood("the server answered with something that is no frame; has it "
                                    "a --plain-reply? what was sent may have arrived"))  # fmt: skip
        if self._saying_goodbye and self._error is None and reason.check(ConnectionDone):
            self._end(Disconnected("this side has said goodbye"))
            self._gone.open()
        else:
            self._gone.fail(self._end(Disconnected("the connection was lost")))
        if self._listen:
            self._inbox.attach(None)

    def pauseProducing(self) -> None:
        """The transport has enough to send."""
        self._backed_up = True
        self._writable.shut()

    def resumeProducing(self) -> None:
        """The transport takes more."""
        self._backed_up = False
        self._writable.open()

    def stopProducing(self) -> None:
        """The transport will never take more: `connectionLost` follows."""

    # -- for the inbox -------------------------------------------------------

    def hold(self) -> None:
        """Read no more: too much is unread."""
        self._held = True
        if self.receiving and self.transport is not None:
            self.transport.pauseProducing()

    def release(self) -> None:
        """Read on."""
        self._held = False
        if self.receiving and self.transport is not None:
            self.transport.resumeProducing()

    # -- within --------------------------------------------------------------

    def _write(self, data: bytes) -> None:
        """Hand bytes to the transport."""
        self.transport.write(data)

    def _say_goodbye(self) -> None:
        """Send the disconnect word, once, and read on until the server closes."""
        if self._saying_goodbye or self._error is not None:
            return
        self._saying_goodbye = True
        self._write(encode_frame(self._word, (), self.decoder.header_size))
        if self._listen:
            self._inbox.attach(None)  # the end could not be seen while reading is paused
        if self._held:
            self.release()

    def _end(self, error: ClientError) -> ClientError:
        """Give every wait the reason of the end; return it, for the first one stands."""
        if self._error is None:
            self._error = error
            self._writable.fail(error)
            if not self._shared:
                self._inbox.end(error)
        return self._error

    def _close(self) -> None:
        """Close the transport, whether or not the other side still reads."""
        self.stop_receiving()
        self._held = False
        self.transport.unregisterProducer()  # a paused one would keep it open for ever
        self.transport.loseConnection()
        late = self._clock.callLater(CLOSE_SECONDS, self.transport.abortConnection)

        def closed(_: object) -> None:
            if late.active():
                late.cancel()

        self._gone.wait().addBoth(closed)

"""The client side of one plain connection: send, receive, disconnect.

Law of this file: plain frames only; how a connection ends is `connection.py`'s matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_msg.client.connection import MAX_RECEIVED, ClientConnection
from twisted_msg.client.errors import ClientError, Disconnected, NotUnderstood, refusal
from twisted_msg.client.sendable import check_word, sendable
from twisted_msg.client.waiting import Gate, Inbox, anew
from twisted_msg.transports import keep_alive
from twisted_msg.wire import ErrorCode, Frame, ProtocolError, Stage, encode_frame
from twisted_msg.wire.arguments import check_payloads
from twisted_msg.wire.header import excerpt
from twisted_msg.wire.limits import DISCONNECT, ERROR_PREFIX, HEADER_SIZE

_BEGINNINGS: Final = frozenset(bytes([byte]) for byte in b" 0123456789")


@implementer(IPushProducer)
class PlainConnection(ClientConnection):
    """One connection to a server, in the original protocol.

    Made by `PlainFactory` (`client/factory.py`).  It joins the server's room at once.
    """

    unconfirmed = (
        "what was sent last may or may not have arrived (does the server have another "
        "disconnect message?)"
    )
    hint = "check the address and --header-size, and that the server has no --plain-reply"
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
        super().__init__(clock, header_size=header_size, max_payload=max_payload)
        self._word = check_word(disconnect_word)
        self._listen = bool(listen)
        self._shared = inbox is not None
        self._inbox = Inbox() if inbox is None else inbox
        self._writable = Gate(opened=True)
        self._backed_up = False
        self._held = False

    # -- for users -----------------------------------------------------------

    def send(self, message: bytes | str) -> Deferred[None]:
        """Send one message; see `send_all`."""
        return self.send_all((message,))

    def send_all(self, messages: Iterable[bytes | str]) -> Deferred[None]:
        """Send messages, in one piece.

        They are handed to the transport at once, whoever waits or not; the Deferred fires
        when the transport has room for more.  Raises `ValueError`, sending nothing, if one
        is not `sendable` (and `TypeError`); the Deferred fails with the connection's end.
        """
        width = self.decoder.header_size
        data = b"".join(
            encode_frame(sendable(message, self._word, width), (), width)
            for message in check_payloads(messages)
        )
        if self._error is not None:
            return fail(anew(self._error))
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
            self.end(Disconnected("the server stops", server_goes=True))
            self.close()
        elif payload.startswith(ERROR_PREFIX):
            text = payload[len(ERROR_PREFIX) :].decode(errors="backslashreplace")
            self.end(refusal(text))
            self.close()
        elif payload and self._listen and not self._saying_goodbye:
            self._inbox.put(payload)

    def input_ended(self) -> None:
        """The server sends no more, so it will not read either: close."""
        if self._backed_up:  # the goodbye may be unsent
            self.end(Disconnected("the server closed the connection"))
        super().input_ended()

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
        if self._saying_goodbye and self.decoder.stage is not Stage.BETWEEN:
            self.end(NotUnderstood("the server answered with something that is no frame; has it "
                                   "a --plain-reply? what was sent may have arrived"))  # fmt: skip
        super().connectionLost(reason)
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

    # -- for the end ---------------------------------------------------------

    def say_goodbye(self) -> None:
        """Send the disconnect word, and read on until the server closes."""
        self._write(encode_frame(self._word, (), self.decoder.header_size))
        if self._listen:
            self._inbox.attach(None)  # the end could not be seen while reading is paused
        if self._held:
            self.release()

    def ended(self, error: ClientError) -> None:
        """End the waits for room and for messages."""
        self._writable.fail(error)
        if not self._shared:
            self._inbox.end(error)

    def close(self) -> None:
        """Close the transport, whether or not the other side still reads."""
        self._held = False
        self.transport.unregisterProducer()  # a paused one would keep it open for ever
        super().close()

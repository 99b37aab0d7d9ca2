"""A client that keeps its connection: it waits, backs off and connects again.

Law of this file: at most one connection at a time, and none once it is closed.  What
was handed to a connection that is lost is not sent again: the plain protocol has no
acknowledgements, so a second try could show a message twice.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import deferLater

from twisted_msg.client.connection import MAX_RECEIVED
from twisted_msg.client.errors import ClientError, Disconnected
from twisted_msg.client.factory import PlainFactory
from twisted_msg.client.lifetime import Lifetime
from twisted_msg.client.plain import PlainConnection
from twisted_msg.client.sendable import check_word, sendable
from twisted_msg.client.service import LONGEST_RETRY, STEADY_SECONDS, Lifeline, endpoint
from twisted_msg.client.waiting import Inbox
from twisted_msg.wire.limits import DISCONNECT, HEADER_SIZE

__all__ = ["LONGEST_RETRY", "STEADY_SECONDS", "PlainClient", "endpoint"]


class PlainClient(Lifetime):
    """A member of a server's room that survives the loss of its connection.

    ::

        async with PlainClient(reactor, "127.0.0.1:5050") as client:
            await client.send("hello")
            async for payload in client:
                print(payload)

    Messages that others send while there is no connection are not seen.
    """

    def __init__(
        self,
        reactor: Any,
        server: str | IStreamClientEndpoint,
        *,
        header_size: int = HEADER_SIZE,
        max_payload: int = MAX_RECEIVED,
        disconnect_word: bytes = DISCONNECT,
        listen: bool = True,
        on_connected: Callable[[], None] | None = None,
        on_lost: Callable[[ClientError], None] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Take the reactor, and the server's address or endpoint.  Nothing is connected yet.

        `header_size` and `max_payload` are in bytes; without `listen` messages are
        discarded.  `on_connected` is called at every connection, `on_lost` with the reason
        when one is lost and another will be tried.  `jitter` returns a number from 0 to 1.
        Raises `ValueError` for an address or a header's width that cannot be, and `TypeError`.
        """
        self._word = check_word(disconnect_word)
        self._header_size = header_size
        self._clock = reactor
        self._inbox = Inbox()
        self._connection: PlainConnection | None = None
        self._line = Lifeline(
            reactor,
            server,
            PlainFactory(
                reactor,
                header_size=header_size,
                max_payload=max_payload,
                disconnect_word=disconnect_word,
                listen=listen,
                inbox=self._inbox,
                made=self._made,
                lost=self._lost,
            ),
            jitter=jitter,
            ended=self._inbox.end,
            on_connected=on_connected,
            on_lost=on_lost,
        )

    # -- for users -----------------------------------------------------------

    async def connect(self, attempts: int | None = 1) -> None:
        """Connect, trying up to `attempts` times (None: until it works), and keep connected.

        When it returns, the frame that joins the room is on its way to the server.
        Raises `CannotConnect` with the last attempt's cause; nothing is tried any more then.
        Called once only.
        """
        await self._line.connect(attempts)
        try:
            for _ in range(2):  # the reactor's turns until the first frame is with the kernel
                await deferLater(self._clock, 0)
        except CancelledError:
            await self.abort()
            raise

    def send(self, message: bytes | str) -> Deferred[None]:
        """Send a message as soon as there is a connection, and in order.

        The Deferred fires when the message is handed to a connection that has room for
        more; it fails with what ended that connection, and then the message may or may not
        have arrived, or with what ended the client.  Raises `ValueError` if the message is
        not `sendable`, and `TypeError` for what is neither bytes nor text.
        """
        payload = sendable(message, self._word, self._header_size)
        return Deferred.fromCoroutine(self._send(payload))

    async def receive(self) -> bytes:
        """Return the next message's payload, over however many connections.

        Raises `Disconnected` once the client is closed, or what ended it for good.
        """
        return await self._inbox.get()

    def __aiter__(self) -> PlainClient:
        """Iterate over the messages until the client is closed."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next message; `StopAsyncIteration` after `close`."""
        try:
            return await self.receive()
        except Disconnected:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> PlainClient:
        """Connect, at the first attempt."""
        await self.connect()
        return self

    # -- within --------------------------------------------------------------

    @property
    def _current(self) -> PlainConnection | None:
        return self._connection

    async def _say_goodbye(self, timeout: float) -> None:
        """Say goodbye if there is a connection."""
        self._line.closing = True
        if self._connection is not None:
            await self._connection.disconnect(timeout)

    async def _send(self, payload: bytes) -> None:
        """Send once connected."""
        connection = None
        while connection is None:
            await self._line.ready.wait()  # in turn, behind those who came before
            connection = self._connection
        sent = connection.send(payload)
        del payload  # the traceback of a failure holds this frame
        await sent

    def _made(self, connection: PlainConnection) -> None:
        """There is a connection."""
        self._connection = connection
        self._line.came()

    def _lost(self, connection: PlainConnection) -> None:
        """It is gone."""
        self._connection = None
        self._line.went(connection.error)

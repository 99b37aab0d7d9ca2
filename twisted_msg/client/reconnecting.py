"""A client that keeps its connection: it waits, backs off and connects again.

Law of this file: at most one connection at a time, and none once it is closed.  What
was handed to a connection that is lost is not sent again: the plain protocol has no
acknowledgements, so a second try could show a message twice.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

from twisted.application.internet import ClientService, backoffPolicy
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import clientFromString
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import deferLater

from twisted_msg.addresses import BadAddress, connecting, no_endpoint
from twisted_msg.client.errors import ClientError, Disconnected, cannot_connect
from twisted_msg.client.factory import PlainFactory
from twisted_msg.client.plain import GOODBYE_SECONDS, MAX_RECEIVED, PlainConnection
from twisted_msg.client.sendable import sendable
from twisted_msg.client.waiting import Gate, Inbox
from twisted_msg.wire.limits import DISCONNECT, HEADER_SIZE

FIRST_RETRY: Final = 0.25
"""Seconds, doubled before the first use and after each failure: a server that restarts is
back within a second."""

LONGEST_RETRY: Final = 30.0
"""Seconds that the wait grows to: a server that was away for long is noticed soon enough."""

STEADY_SECONDS: Final = 10.0
"""How long a connection must last for the waits to begin anew: a server that accepts and
closes at once is backed off from like one that does not answer."""


def endpoint(reactor: Any, address: str) -> IStreamClientEndpoint:
    """Return the endpoint for an address as people type it; see `addresses.connecting`.

    Raises `BadAddress` if it is none, or of a kind that is not installed.
    """
    description = connecting(address)
    try:
        made: IStreamClientEndpoint = clientFromString(reactor, description)
    except Exception as error:  # each kind of endpoint raises what it likes
        raise BadAddress(no_endpoint(address, description, error)) from None
    return made


class PlainClient:
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
        Raises `ValueError` for an address or a header's width that cannot be.
        """
        self._shown = server if isinstance(server, str) else "the server"
        self._word = disconnect_word
        self._header_size = header_size
        self._on_connected = on_connected
        self._on_lost = on_lost
        self._clock = reactor
        self._inbox = Inbox()
        self._connection: PlainConnection | None = None
        self._connected = Gate()
        self._closing = False
        self._stopping = False
        self._stopped = Gate()
        self._failures = 0
        self._since: float | None = None
        self._jitter = jitter
        self._backoff = backoffPolicy(FIRST_RETRY, LONGEST_RETRY, 2.0, jitter=lambda: 0.0)
        self._service = ClientService(
            endpoint(reactor, server) if isinstance(server, str) else server,
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
            retryPolicy=self._wait,
            clock=reactor,
        )

    # -- for users -----------------------------------------------------------

    async def connect(self, attempts: int | None = 1) -> None:
        """Connect, trying up to `attempts` times (None: until it works), and keep connected.

        When it returns, the frame that joins the room is on its way to the server.
        Raises `CannotConnect` with the last attempt's cause; nothing is tried any more then.
        Called once only.
        """
        self._service.startService()
        try:
            await self._service.whenConnected(attempts)
            for _ in range(2):  # the reactor's turns until the first frame is with the kernel
                await deferLater(self._clock, 0)
        except CancelledError:
            await self._stop(Disconnected("this client was closed"))
            raise
        except Exception as cause:
            error = cannot_connect(self._shown, cause)
            await self._stop(error)
            raise error from cause

    def send(self, message: bytes | str) -> Deferred[None]:
        """Send a message as soon as there is a connection, and in order.

        The Deferred fires when the message is handed to a connection that has room for
        more; it fails with what ended that connection, and then the message may or may not
        have arrived, or with what ended the client.  Raises `ValueError` if the message is
        not `sendable`.
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

    async def close(self, timeout: float = GOODBYE_SECONDS) -> None:
        """Say goodbye if there is a connection, and connect no more.

        Then everything sent was processed by the server.  Raises what kept that from being
        known: `TimedOut` after `timeout` seconds, or what ended the connection first.  Does
        nothing if there is no connection.
        """
        self._closing = True
        connection = self._connection
        try:
            if connection is not None:
                await connection.disconnect(timeout)
        finally:
            await self._stop(Disconnected("this client was closed"))

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connection is not None

    @property
    def closed(self) -> bool:
        """Whether no connection will be tried any more."""
        return self._closing

    async def __aenter__(self) -> PlainClient:
        """Connect, at the first attempt."""
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close; after an error without waiting for the server."""
        if error is None:
            await self.close()
        else:
            await self.abort()

    async def abort(self) -> None:
        """Close at once, without a goodbye; what is unsent is lost."""
        self._closing = True
        if self._connection is not None:
            self._connection.abort()
        await self._stop(Disconnected("this client was closed"))

    # -- within --------------------------------------------------------------

    async def _send(self, payload: bytes) -> None:
        """Send once connected."""
        while self._connection is None:
            await self._connected.wait()
        await self._connection.send(payload)

    def _made(self, connection: PlainConnection) -> None:
        """There is a connection."""
        self._connection = connection
        self._since = self._clock.seconds()
        self._connected.open()
        if self._on_connected is not None:
            self._on_connected()

    def _lost(self, connection: PlainConnection) -> None:
        """It is gone; `ClientService` tries again unless it is told not to."""
        self._connection = None
        self._connected.shut()
        error = connection.error
        if self._closing or error is None:
            return
        if error.final:
            Deferred.fromCoroutine(self._stop(error))  # runs by itself; `close` waits for it
        elif self._on_lost is not None:
            self._on_lost(error)

    async def _stop(self, error: ClientError) -> None:
        """Connect no more, and give every wait the reason."""
        self._closing = True
        self._connected.fail(error)
        self._inbox.end(error)
        if not self._stopping:
            self._stopping = True
            Deferred.fromCoroutine(self._stop_service())  # goes on if this wait is cancelled
        await self._stopped.wait()

    async def _stop_service(self) -> None:
        """Stop `ClientService`, in a turn of its own: from its callbacks it cannot be."""
        await deferLater(self._clock, 0)
        await self._service.stopService()
        self._stopped.open()

    def _wait(self, attempt: int) -> float:
        """Return for how many seconds to wait before the next attempt."""
        if self._since is not None and self._clock.seconds() - self._since >= STEADY_SECONDS:
            self._failures = 0
        self._since = None
        self._failures += 1
        return self._backoff(self._failures) * (0.5 + self._jitter())

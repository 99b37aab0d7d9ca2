"""What `tcpmsg send --plain` does once its arguments are known.

Law of this file: exit code 0 means that the server has processed everything; whatever
else happened is told, with what was and what was not sent.  Nothing is sent twice.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure

from twisted_msg.cli.exits import Exit, UsageError
from twisted_msg.cli.options import Common
from twisted_msg.cli.running import Work, tell, whichever
from twisted_msg.cli.sources import Source
from twisted_msg.client.errors import Disconnected, TimedOut, cannot_connect
from twisted_msg.client.factory import PlainFactory
from twisted_msg.client.plain import PlainConnection
from twisted_msg.client.reconnecting import endpoint
from twisted_msg.client.sendable import sendable


def send_plain(reactor: Any, common: Common, timeout: float, source: Source) -> Work:
    """Send what comes from a source, and wait until the server has processed it.

    `timeout` is in seconds, for each answer of the server's.  Raises `UsageError` for what
    cannot be sent, after sending what came before it, and `ClientError`.
    """
    return PlainSending(reactor, common, timeout).work(source)


class PlainSending:
    """One run of the verb."""

    def __init__(self, reactor: Any, common: Common, timeout: float) -> None:
        self._reactor = reactor
        self._common = common
        self._timeout = timeout
        self._prefix = b"" if common.name is None else f"{common.name}: ".encode()
        self._number = 0
        self._empty = 0

    async def work(self, source: Source) -> int:
        """Connect, send, say goodbye."""
        connection = await self._connect()
        wrong: Exception | None = None
        try:
            await whichever(self._pump(connection, source), _until_gone(connection))
        except (UsageError, OSError) as error:
            wrong = error  # what came before it still goes out
        except BaseException:
            connection.abort()
            raise
        await connection.disconnect(self._timeout)
        if self._empty and not self._common.quiet:
            some = "1 empty line was" if self._empty == 1 else f"{self._empty} empty lines were"
            tell(f"{some} not sent: on the wire an empty message is a keep-alive")
        if wrong is not None:
            raise wrong
        return Exit.DONE

    async def _connect(self) -> PlainConnection:
        """Return a connection, at the first attempt."""
        server = self._common.server
        made: Deferred[PlainConnection] = Deferred()

        def lost(connection: PlainConnection) -> None:
            if not made.called:  # TLS did not begin
                made.errback(connection.error or Disconnected("the connection was lost"))

        try:
            factory = PlainFactory(
                self._reactor, listen=False, made=made.callback, lost=lost,
                **self._common.connection(),
            )  # fmt: skip
            attempt: Deferred[IProtocol] = endpoint(self._reactor, server).connect(factory)
        except ValueError as error:
            raise UsageError(f"--server {server}: {error}") from None
        attempt.addErrback(_as_cancelled)
        try:
            return await attempt.addCallback(lambda _: made).addTimeout(
                self._timeout, self._reactor
            )
        except defer.TimeoutError:
            raise TimedOut(f"no connection to {server} within {self._timeout:g} s") from None
        except defer.CancelledError:
            raise
        except Exception as error:
            raise cannot_connect(server, error) from None

    async def _pump(self, connection: PlainConnection, source: Source) -> None:
        """Send everything, at the pace of the connection."""
        async for messages in source:
            good, wrong = self._checked(messages)
            if good:
                await self._taken(connection.send_all(good))
            if wrong is not None:
                raise wrong

    async def _taken(self, room: Deferred[None]) -> None:
        """Wait until the transport has room for more."""
        try:
            await room.addTimeout(self._timeout, self._reactor)
        except defer.TimeoutError:
            raise TimedOut(
                f"the server took nothing for {self._timeout:g} s: what was sent last may or "
                "may not have arrived"
            ) from None

    def _checked(self, messages: list[bytes]) -> tuple[list[bytes], UsageError | None]:
        """Return the messages before the first one that cannot be sent, and what is wrong."""
        good: list[bytes] = []
        for text in messages:
            self._number += 1
            if not text:
                self._empty += 1
                continue
            message = self._prefix + text
            try:
                sendable(message, self._common.disconnect_word, self._common.header_size)
            except ValueError as error:
                return good, UsageError(f"line {self._number}: {error}; {self._fate()}")
            good.append(message)
        return good, None

    def _fate(self) -> str:
        """Return what became of the other lines when this one is refused."""
        if self._number == 1:
            return "nothing was sent"
        return "the lines before it were sent, the rest were not"


def _as_cancelled(failure: Failure) -> Failure:
    """Return an endpoint's own word for a cancelled attempt as everybody else's."""
    if failure.check(ConnectingCancelledError):
        return Failure(defer.CancelledError())
    return failure


async def _until_gone(connection: PlainConnection) -> None:
    """Raise what ended a connection."""
    await connection.gone()

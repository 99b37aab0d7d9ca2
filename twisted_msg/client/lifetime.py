"""What all clients that keep their connection have in common: whether there is one, and its end.

Law of this file: a client that is closed, at its word or by leaving `async with`, tries no
connection any more, and every wait has its reason.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType

from twisted_msg.client.connection import GOODBYE_SECONDS, ClientConnection
from twisted_msg.client.errors import Disconnected
from twisted_msg.client.service import Lifeline
from twisted_msg.wire.arguments import check_seconds


class Lifetime(ABC):
    """A client with a lifeline, from its making to its end."""

    _line: Lifeline

    @property
    @abstractmethod
    def _current(self) -> ClientConnection | None:
        """The connection that is ready for use, if there is one."""

    @property
    def connected(self) -> bool:
        """Whether there is a connection that is ready now."""
        return self._current is not None

    @property
    def closed(self) -> bool:
        """Whether no connection will be tried any more."""
        return self._line.closing

    async def close(self, timeout: float = GOODBYE_SECONDS) -> None:
        """Wait until all that was sent has arrived, say goodbye, and connect no more.

        What a `Client` sent has arrived when it is stored; its iterators of rooms end at once,
        that of direct messages with the connection.  What a
        `PlainClient` sent has, when the server has processed it; without a connection it does
        not wait.  Raises `TimedOut` if that is not known after `timeout` seconds, or what else
        kept it from being known; the client is closed all the same.  Raises `ValueError` or
        `TypeError` if `timeout` is not a time; the client then stays connected.
        """
        check_seconds(timeout)
        try:
            await self._say_goodbye(timeout)
        except GeneratorExit:  # the program is dropped midway: it can await nothing any more
            self._cut()
            raise
        except BaseException:
            await self.abort()
            raise
        await self.abort()

    @abstractmethod
    async def _say_goodbye(self, timeout: float) -> None:
        """Do what `close` waits for."""

    async def abort(self) -> None:
        """Close at once, without a goodbye; what is not sent, or not stored, may be lost."""
        self._cut()
        await self._line.stopped()

    def _cut(self) -> None:
        """Begin to end at once; the rest runs by itself."""
        self._line.closing = True
        if self._current is not None:
            self._current.abort()
        self._line.stop(Disconnected("this client was closed"))

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close; after an error without waiting for the server."""
        if error is None:
            await self.close()
        elif isinstance(error, GeneratorExit):
            self._cut()
        else:
            await self.abort()

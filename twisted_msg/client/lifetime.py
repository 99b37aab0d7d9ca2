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

    @abstractmethod
    async def close(self, timeout: float = GOODBYE_SECONDS) -> None:
        """Say goodbye, and connect no more."""

    async def abort(self) -> None:
        """Close at once, without a goodbye; what is not sent, or not stored, may be lost."""
        self._line.closing = True
        if self._current is not None:
            self._current.abort()
        await self._line.stop(Disconnected("this client was closed"))

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

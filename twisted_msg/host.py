"""The port between a connection and its server.

Law of this file: an interface only, so that neither needs to know how the other does it.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from twisted.python.failure import Failure

from twisted_msg.counts import Counts, End
from twisted_msg.session import Session
from twisted_msg.wire import ProtocolError

C = TypeVar("C", contravariant=True)
"""The connections that it takes."""


class Host(Protocol[C]):
    """What a connection asks of its server."""

    clock: Any
    """A clock: `IReactorTime`."""

    counts: Counts
    """Where what happens is counted."""

    stall_limit: float
    """For how many seconds a peer may take nothing of what waits for it."""

    def joined(self, connection: C) -> None:
        """Take in a new connection and give it its number."""
        ...

    def converse(self, connection: C) -> Session:
        """Return the session for a connection whose first frame is there."""
        ...

    def refusal(self, connection: C, error: ProtocolError) -> bytes:
        """Return what to tell a peer whose first frame was refused."""
        ...

    def failed(self, failure: Failure) -> None:
        """Log a fault of the server's own."""
        ...

    def left(self, connection: C, end: End, reason: str, *, refused: bool) -> None:
        """Forget a connection that is gone."""
        ...

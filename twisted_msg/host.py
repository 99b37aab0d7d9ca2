"""The ports between a server and what comes to it.

Law of this file: interfaces only, so that neither side needs to know how the other does it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from twisted.python.failure import Failure

from twisted_msg.counts import Counts, End
from twisted_msg.session import Session
from twisted_msg.wire import ProtocolError

C = TypeVar("C", contravariant=True)
"""The connections that it takes."""


class Guest(Protocol):
    """What a server knows of each that takes a place: a connection, or a visit of another kind."""

    number: int
    """The place it takes, never given twice while the server runs; 0 before it is known."""

    def sweep(self, now: float) -> None:
        """See to the deadlines; called about once a second."""
        ...

    def stop(self) -> None:
        """The server stops: end soon, and well."""
        ...

    def guard(self, call: Callable[[], None]) -> None:
        """Make a call; a fault in it ends this guest and no other."""
        ...

    def abort(self) -> None:
        """Close at once, whatever is still unsent."""
        ...


class Web(Protocol):
    """What else than frames a server's port may speak."""

    def receive(self, number: int) -> Any:
        """Return the protocol (`IProtocol`) that talks to a peer who speaks HTTP.

        It is a `Guest` and takes the place of this number.  Its `turn_away` tells the peer
        that there is no place for it, in an error, and ends the visit.
        """
        ...


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

    def opened(self, connection: C, data: bytes) -> bool:
        """Look at the first bytes of a connection; return whether it goes on with them."""
        ...

    def took_back(self, connection: C) -> None:
        """Know a connection again whose place another guest had."""
        ...

    def converse(self, connection: C) -> Session:
        """Return the session for a connection whose first frame is there."""
        ...

    def network_of(self, transport: Any) -> str | None:
        """Return the network by which limits count a peer; None if no limit applies to it."""
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

"""The ports of a conversation: two to its connection, and one by which its parts wait.

Law of this file: interfaces only.  A TCP connection, a WebSocket and a test's list
of bytes can all be a `Line`.
"""

from collections.abc import Callable
from typing import Protocol

from twisted_msg.counts import End
from twisted_msg.delivery import Outlet
from twisted_msg.wire import Frame, ProtocolError, Run

Pause = Callable[[Callable[[Callable[..., None]], None], Callable[..., None]], None]
"""Processes no frame until an answer is there, and then what depends on it."""


class Line(Protocol):
    """What a session may ask of its connection."""

    number: int
    """The connection's number, never given twice while the server runs."""

    outlet: Outlet

    @property
    def network(self) -> str | None:
        """The IPv4 address or IPv6 /64 by which limits count the peer; None if no limit does."""
        ...

    def hold(self) -> None:
        """Stop reading, until `release`."""
        ...

    def release(self) -> None:
        """Read again."""
        ...

    def charge(self, messages: int) -> None:
        """Count what a frame asks for as so many messages more, where peers have a limit."""
        ...

    def guard(self, call: Callable[[], None]) -> None:
        """Make a call that the session comes back to later; what it raises ends the connection.

        A `ProtocolError` is answered as one of `frame_received` is.
        """
        ...

    def keep_beating(self) -> None:
        """Ask a silent peer whether it is there, by the session's `beat`, from now on."""
        ...

    def close(self, end: End, reason: str, last: bytes = b"", *, cut: bool = False) -> None:
        """Take no more input, send what is owed and the frame `last`, then close.

        `end` is what is counted and `reason` what the log says; neither is for the peer.  With
        `cut`, nothing of any room is owed any more, and `last` takes the place of what an end
        that is under way would send last.
        """
        ...


class Session(Protocol):
    """What a connection tells its conversation."""

    def frame_received(self, frame: Frame) -> None:
        """Called with every frame.  May raise `ProtocolError`, which is handed to `refuse`."""
        ...

    def run_received(self, run: Run) -> bool:
        """Called with many frames in a row that are alike; see `Run`.

        Returns whether all were taken; else they come one by one.
        """
        ...

    def refuse(self, error: ProtocolError) -> None:
        """Called when the input broke a rule and nothing behind it will be read."""
        ...

    def beat(self) -> None:
        """Called when the peer has been silent: ask whether it is there."""
        ...

    def stop(self) -> None:
        """Called when the server stops."""
        ...

    def lost(self) -> None:
        """Called when the connection is gone."""
        ...

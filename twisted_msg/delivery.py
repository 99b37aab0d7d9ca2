"""The way out: one outlet for each connection, merging answers and a room's messages.

Law of this file: bytes go out only while the transport takes them, answers stand
between frames and never inside one, and an end comes after all that is owed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from twisted_msg.rooms.cursor import Cursor
from twisted_msg.transports import unsent

ANSWERS_LIMIT: Final = 64 * 1024
"""Bytes of unread answers after which a connection's input waits: what a transport
buffers before it says stop, so that answers cost a peer no more than messages do."""


@implementer(IPushProducer)
class Outlet:
    """Writes to one transport what one conversation owes its peer.

    `on_backlog` is called with True when more than `ANSWERS_LIMIT` bytes of answers
    wait, and with False when they are gone.
    """

    __slots__ = (
        "_answers", "_backlogged", "_cursor", "_finish", "_last", "_on_backlog", "_open",
        "_paused", "_pumping", "_size", "_transport", "_written",
    )  # fmt: skip

    def __init__(self, transport: Any, on_backlog: Callable[[bool], None]) -> None:
        self._transport = transport
        self._on_backlog = on_backlog
        self._answers: list[bytes] | None = None
        self._size = 0
        self._cursor: Cursor | None = None
        self._finish: Callable[[], None] | None = None
        self._last = b""
        self._open = True
        self._paused = self._pumping = self._backlogged = False
        self._written = 0
        transport.registerProducer(self, True)

    # -- for conversations ---------------------------------------------------

    def answer(self, data: bytes) -> None:
        """Send whole frames, as soon as no other frame is under way."""
        if self.ending or not self._open:
            return
        if self._answers is None:
            self._answers = []
        self._answers.append(data)
        self._size += len(data)
        self.wake()
        if self._size > ANSWERS_LIMIT and not self._backlogged:
            self._backlogged = True
            self._on_backlog(True)

    def follow(self, cursor: Cursor) -> None:
        """Send what a cursor reads, from now on."""
        self._cursor = cursor

    def end(self, finish: Callable[[], None], last: bytes = b"") -> None:
        """Send what is owed up to now and the frame `last`, then call `finish`, once.

        Whatever is asked of an ending outlet later is passed over.  No producer is
        registered any more when `finish` is called.
        """
        if self.ending or not self._open:
            return
        self._finish = finish
        self._last = last
        if self._cursor is not None:
            self._cursor.stop()
        self.wake()

    def end_with(self, last: bytes) -> None:
        """Have an ending outlet send another last frame, if it has not yet sent its own."""
        if self.ending and self._open:
            self._last = last

    def cut_short(self) -> None:
        """Owe nothing of the room any more, save the frame that was begun."""
        if self._cursor is not None:
            self._cursor.leave()

    @property
    def ending(self) -> bool:
        """Whether `end` was called."""
        return self._finish is not None

    def wake(self) -> None:
        """Send what can be sent."""
        if self._paused or self._pumping or not self._open:
            return
        self._pumping = True
        try:
            while self._open and not self._paused and (data := self._next()):
                self._written += len(data)
                self._transport.write(data)
        finally:
            self._pumping = False
        if self._backlogged and self._size == 0:
            self._backlogged = False
            self._on_backlog(False)
        if self._finish is not None and self._open and not self._paused:
            self._open = False
            self._transport.unregisterProducer()  # else the transport would never close
            self._finish()

    def taken(self) -> int:
        """Return how many bytes the peer has taken so far."""
        return self._written - unsent(self._transport)

    def _next(self) -> bytes:
        """Return the next bytes to write: answers first, unless a frame is under way."""
        cursor = self._cursor
        if self._answers and not (cursor is not None and cursor.mid_frame):
            data = b"".join(self._answers)
            self._answers = None
            self._size = 0
            return data
        data = b"" if cursor is None else cursor.take()
        if not data:
            data, self._last = self._last, b""
        return data

    # -- for the transport ---------------------------------------------------

    def pauseProducing(self) -> None:
        """The transport has enough; it may say so from inside `write`."""
        self._paused = True

    def resumeProducing(self) -> None:
        """The transport has sent everything."""
        self._paused = False
        self.wake()

    def stopProducing(self) -> None:
        """The connection is lost."""
        self._open = False
        if self._cursor is not None:
            self._cursor.leave()

"""The way out: one outlet for each connection, merging answers and any number of rooms.

Law of this file: bytes go out only while the transport takes them, answers stand
between frames and never inside one, rooms take turns at a cost of those that have
something, and an end comes after all that is owed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from twisted_msg.rooms.cursor import Cursor
from twisted_msg.transports import unsent, way

ANSWERS_LIMIT: Final = 64 * 1024
"""Bytes of unread answers after which a connection's input waits, and of unread notices
after which others' are refused: what a transport buffers before it says stop, so that
neither costs more than messages do."""

JOINED: Final = 32 * 1024
"""Bytes up to which what waits in small parts is joined and sent in one call: copying them takes
a fraction of what a call does.  With a piece behind them that is 96 KiB at the most, which is
what one who stops reading in that very moment shares with nobody."""


def _ignore(*_: object) -> None:
    """Take the callbacks of an outlet whose connection is lost."""


@implementer(IPushProducer)
class Outlet:
    """Writes to one transport what one conversation owes its peer.

    `on_backlog` is called with True when more than `ANSWERS_LIMIT` bytes of answers
    wait, and with False when they are gone; `on_fault` from within an `except` that caught
    a fault of the server's own, after which nothing more is sent.  While `owing` is set,
    answers are still to come, and the outlet does not end.
    """

    __slots__ = (
        "_ack", "_answers", "_answers_size", "_backlogged", "_current", "_cursors", "_finish",
        "_last", "_notices_size", "_on_backlog", "_on_fault", "_open", "_paused", "_pumping",
        "_ready", "_rest", "_seen", "_sent", "_transport", "_way", "_whole", "_written", "owing",
    )  # fmt: skip

    def __init__(
        self,
        transport: Any,
        on_backlog: Callable[[bool], None],
        on_fault: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._way = way(transport)
        self._whole = bool(getattr(transport, "takes_whole", False))  # a peer in this process
        self._on_backlog = on_backlog
        self._on_fault = on_fault
        self._answers: list[bytes] | None = None
        self._answers_size = 0
        self._notices_size = 0
        self._ack = b""
        self._cursors: list[Cursor] | None = None
        self._ready: list[Cursor] | None = None  # few, and a deque takes 600 bytes
        self._current: Cursor | None = None
        self._finish: Callable[[], None] | None = None
        self._last = b""
        self._open = True
        self._paused = self._pumping = self._backlogged = False
        self._rest = b""
        self._sent = 0
        self._written = self._seen = 0
        self.owing = False
        transport.registerProducer(self, True)

    # -- for conversations ---------------------------------------------------

    def answer(self, data: bytes) -> None:
        """Send whole frames, as soon as no other frame is under way."""
        if not self._open:
            return
        self._queue(data)
        self._answers_size += len(data)
        self.pump()
        if self._answers_size > ANSWERS_LIMIT and not self._backlogged:
            self._backlogged = True
            self._on_backlog(True)

    def notify(self, data: bytes) -> bool:
        """Send a frame that nobody asked for, unless the peer leaves too many unread.

        Returns whether it is sent.
        """
        if not self._open or self.ending or self._notices_size > ANSWERS_LIMIT:
            return False
        self._queue(data)
        self._notices_size += len(data)
        self.pump()
        return True

    def acknowledge(self, data: bytes) -> None:
        """Send an acknowledgement, which takes the place of one that is not sent yet."""
        if self._open:
            self._ack = data
            self.pump()

    def follow(self, cursor: Cursor) -> None:
        """Send what a cursor reads, from now on; one that comes too late leaves."""
        if self.ending or not self._open:
            cursor.leave()
            return
        if self._cursors is None or self._ready is None:
            self._cursors, self._ready = [], []
        self._cursors = [each for each in self._cursors if not each.ended]
        self._cursors.append(cursor)
        self.wake(cursor)

    def end(self, finish: Callable[[], None], last: bytes = b"") -> None:
        """Send what is owed up to now and the frame `last`, then call `finish`, once.

        Only what was owed already is sent by an ending outlet.  No producer is
        registered any more when `finish` is called.
        """
        if self.ending or not self._open:
            return
        self._finish = finish
        self._last = last
        for cursor in self._cursors or ():
            cursor.stop()
        self.pump()

    def end_with(self, last: bytes) -> None:
        """Have an ending outlet send another last frame, if it has not yet sent its own."""
        if self.ending and self._open:
            self._last = last
            self.pump()

    def cut_short(self) -> None:
        """Owe nothing of any room any more, save the frame that was begun."""
        for cursor in self._cursors or ():
            cursor.leave()

    @property
    def ending(self) -> bool:
        """Whether `end` was called."""
        return self._finish is not None

    @property
    def paused(self) -> bool:
        """Whether the transport has enough for now."""
        return self._paused

    @property
    def waiting(self) -> bool:
        """Whether something that was sent waits for the peer to take it."""
        if self._paused:
            return True
        if self._seen != self._written:
            self._seen = self.taken()
        return self._seen != self._written

    @property
    def written(self) -> int:
        """How many bytes were given to the transport so far."""
        return self._written

    def taken(self) -> int:
        """Return how many bytes the peer has taken so far."""
        return self._written - unsent(self._transport)

    def unsent(self) -> int:
        """Return how many bytes wait for the peer to take them."""
        return self._written + len(self._rest) - self._sent - self.taken()

    # -- for rooms -----------------------------------------------------------

    def wake(self, cursor: Cursor) -> None:
        """Take what a cursor has, in its turn."""
        if not cursor.queued and self._ready is not None:
            cursor.queued = True
            self._ready.append(cursor)
        if not (self._paused or self._pumping):
            self.pump()

    def pump(self) -> None:
        """Send what can be sent."""
        if self._paused or self._pumping or not self._open:
            return
        self._pumping = True
        try:
            while data := self._rest or self._next() or self._take_last():
                if self._ready and len(data) < JOINED and not (self._rest or self._whole):
                    data = self._join(data)
                sent = self._way.send(data, self._sent)
                self._written += sent
                self._sent += sent
                if self._sent < len(data):
                    self._rest = data
                    self._paused = True  # until the transport asks for more
                    break
                self._rest, self._sent = b"", 0
                if self._paused or not self._open:
                    break
                if not (self._ready or self._answers or self._ack or self._current or self._last):
                    break
        except Exception:  # whoever woke this outlet goes on with the others
            self._open = False
            self._on_fault()
        finally:
            self._pumping = False
        if self._backlogged and not self._answers_size:
            self._backlogged = False
            self._on_backlog(False)
        if self._finish is not None and self._open and not self._paused and self._settled():
            self._open = False
            self._transport.unregisterProducer()  # else the transport would never close
            self._finish()

    def _next(self) -> bytes:
        """Return the next bytes to write: the rest of a frame, else answers, else a room's."""
        cursor = self._current
        if cursor is not None:
            data = cursor.take(whole=self._whole)
            if not cursor.mid_frame:
                self._current = None
            return data
        if self._answers or self._ack:
            return self._take_answers()
        ready = self._ready
        while ready:
            cursor = ready.pop(0)
            cursor.queued = False  # before it takes, since that may lead to its being woken
            data = cursor.take(whole=self._whole)
            if data:
                if cursor.more and not cursor.queued:
                    cursor.queued = True
                    ready.append(cursor)  # after the others
                if cursor.mid_frame:
                    self._current = cursor
                return data
        if self._answers or self._ack:  # a cursor that caught up had something told
            return self._take_answers()
        return b""

    def _join(self, data: bytes) -> bytes:
        """Return bytes together with what is to be written behind them, if that is little."""
        parts, size = [data], len(data)
        while size < JOINED and (data := self._next()):
            parts.append(data)
            size += len(data)
        return b"".join(parts)

    def _take_last(self) -> bytes:
        """Return an ending outlet's last frame, when nothing else is owed."""
        if not (self._last and self._settled()):
            return b""
        data, self._last = self._last, b""
        return data

    def _take_answers(self) -> bytes:
        """Return all answers, then what is acknowledged: an `ACK` never overtakes a notice."""
        data = b"".join((*(self._answers or ()), self._ack))
        self._ack = b""
        self._answers = None
        self._answers_size = self._notices_size = 0
        return data

    def _queue(self, data: bytes) -> None:
        if self._answers is None:
            self._answers = []
        self._answers.append(data)

    def _settled(self) -> bool:
        """Return whether an ending outlet owes nothing but its last frame."""
        return (
            self._finish is not None
            and not self.owing
            and not self._answers
            and not self._ack
            and not self._rest
            and all(cursor.done for cursor in self._cursors or ())
        )

    # -- for the transport ---------------------------------------------------

    def pauseProducing(self) -> None:
        """The transport has enough; it may say so from inside `write`."""
        self._paused = True

    def resumeProducing(self) -> None:
        """The transport has sent everything."""
        self._paused = False
        self.pump()

    def stopProducing(self) -> None:
        """Take the loss of the connection: drop all data, and whatever holds this outlet."""
        self.cut_short()
        self._open = self._backlogged = False
        self._answers = self._cursors = self._ready = self._current = self._finish = None
        self._answers_size = 0
        self._ack = self._last = self._rest = b""
        self._on_backlog = self._on_fault = _ignore

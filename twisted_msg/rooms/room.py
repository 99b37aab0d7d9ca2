"""A room: a log of pieces, and a cursor in it for every member.

Law of this file: nothing is dropped from a reader that makes progress, and memory
stays bounded whatever the others do.  What is said in one turn of the reactor is
appended as one batch, so an idle room is prompt and a busy one efficient.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, takewhile
from typing import Final, Protocol

from twisted_msg.log.memory import MemoryLog
from twisted_msg.log.piece import MESSAGE_COST, Message, Piece, View, cut
from twisted_msg.rooms.cursor import Cursor, Reader
from twisted_msg.wire.limits import HEADER_SIZE

TAIL_COST: Final = 4 * 1024 * 1024
"""Bytes of memory that a room's log takes before publishers wait for the slowest member.
Large enough to ride out a second of a busy room, small enough for a small machine."""

RELIEF_COST: Final = TAIL_COST // 2
"""How little may be unread by the slowest member before publishers go on: far below the
bound, so that they are not stopped and started for every piece."""

STALL_SECONDS: Final = 10.0
"""How long a member may take nothing before the room goes on without it: longer than a
network's hiccup, short enough for those who wait (docs/protocol.md, Slow readers)."""


class Publisher(Protocol):
    """Who publishes, or may: what a room needs to know of a sender."""

    number: int
    """Its connection's, by which the log remembers where a message came from."""

    def hold(self) -> None:
        """The room is congested: publish nothing more for now."""
        ...

    def release(self) -> None:
        """The room takes more."""
        ...


class Room:
    """One room of the server."""

    def __init__(
        self,
        name: str,
        *,
        start: int,
        seconds: Callable[[], float],
        soon: Callable[[Callable[[], None]], object],
        header_size: int = HEADER_SIZE,
    ) -> None:
        """Take the room's name and what it may not fetch itself.

        `start` is below the first sequence number; memory rooms take Unix time in
        microseconds, so that no number is given twice, restarts included.  `seconds` is a
        monotonic clock; `soon` calls a function when this turn of the reactor is over;
        `header_size` is the width in bytes of the widest header that members are sent.
        """
        self.name = name
        self.head = start
        """Sequence number of the newest message."""
        self.congested = False
        self._seconds = seconds
        self._soon = soon
        self._header_size = header_size
        self._log = MemoryLog()
        self._pending: list[Message] = []
        self._pending_cost = 0
        self._stored: list[Callable[[], None]] = []
        self._authors: dict[Publisher, None] = {}
        self._held: dict[Publisher, None] = {}
        self._members: dict[Cursor, None] = {}
        self._behind: dict[Cursor, None] = {}
        self._blockers: dict[Cursor, None] = {}
        self._relief = 0
        self._releasing = False

    # -- for members ---------------------------------------------------------

    @property
    def end(self) -> int:
        """The position behind the newest piece."""
        return self._log.end

    @property
    def members(self) -> int:
        """How many cursors there are."""
        return len(self._members)

    @property
    def cost(self) -> int:
        """Bytes of memory that the log takes, as estimated by its pieces."""
        return self._log.cost

    def join(self, reader: Reader, view: View, origin: int) -> Cursor:
        """Return a cursor that reads what is said from now on, save what comes from `origin`."""
        self.commit()  # what was said in this turn is not for the newcomer
        cursor = Cursor(self, reader, view, origin, self._log.end)
        self._members[cursor] = None
        return cursor

    def read(self, cursor: Cursor) -> Piece | None:
        """Return the cursor's next piece and step over it; None if it has read them all."""
        piece = self._log.at(cursor.position)
        if piece is None:
            self.caught_up(cursor)
            return None
        cursor.position += 1
        if self.congested and cursor.position >= self._relief:
            self._unblock(cursor)
        return piece

    def caught_up(self, cursor: Cursor) -> None:
        """Note that a cursor wants nothing that the room holds now."""
        self._behind.pop(cursor, None)
        self._unblock(cursor)

    def forget(self, cursor: Cursor) -> None:
        """Take a cursor out; see `Cursor.leave`."""
        self._members.pop(cursor, None)
        self.caught_up(cursor)

    # -- for publishers ------------------------------------------------------

    def publish(
        self, author: Publisher, payload: bytes, stored: Callable[[], None] | None = None
    ) -> None:
        """Say something; `stored` is called when it is accepted.

        A room that is full still takes it, and asks the author to hold.
        """
        if not self._pending:
            self._soon(self.commit)
        self.head += 1
        self._pending_cost += MESSAGE_COST + 2 * len(payload)
        self._pending.append(Message(self.head, author.number, payload))
        self._authors[author] = None
        if stored is not None:
            self._stored.append(stored)
        if self.congested or self._pending_cost > TAIL_COST:
            self._hold(author)

    def admit(self, author: Publisher) -> None:
        """Have a newcomer hold while the room is congested, before anything is read from it.

        Else each of many newcomers could add one read to a room that is full.
        """
        if self.congested:
            self._hold(author)

    def dismiss(self, author: Publisher) -> None:
        """Forget a publisher that is gone."""
        self._authors.pop(author, None)
        self._held.pop(author, None)

    # -- the end of a turn, and the passing of time --------------------------

    def sweep(self) -> None:
        """Look after members that are behind; to be called about once a second."""
        now = self._seconds()
        stalled = {cursor for cursor in self._behind if self._stalls(cursor, now)}
        for cursor in list(self._blockers):
            if cursor in stalled and cursor in self._blockers:  # no other fall has freed it
                self._fell(cursor)
        if self.congested:
            self._trim()
            self._clear()

    def commit(self) -> None:
        """Append what was said since the last time, and wake who waits for it."""
        messages, stored = self._pending, self._stored
        if not messages:
            return
        self._pending, self._stored = [], []
        self._pending_cost = 0
        for piece in cut(messages, self._header_size):
            self._log.append(piece)
        for call in stored:
            call()
        now = self._seconds()
        for cursor in [cursor for cursor in self._members if cursor not in self._behind]:
            if cursor.ended or cursor.limit is not None:
                continue  # it left meanwhile, or has all that it is owed
            self._behind[cursor] = None  # until it says that it has caught up
            cursor.mark, cursor.since = None, now
            cursor.reader.wake()
        self._trim()
        authors, self._authors = self._authors, {}
        if self.congested:
            for author in authors:
                self._hold(author)
        self._release()

    def _trim(self) -> None:
        """Bring the log within its bound, at the cost of members that stall, else of publishers."""
        log = self._log
        now = self._seconds()
        while log.cost > TAIL_COST:
            oldest = min((cursor.position for cursor in self._behind), default=log.end)
            while log.cost > TAIL_COST and log.start < oldest:
                log.drop_first()
            if log.cost <= TAIL_COST:
                break
            slowest = [cursor for cursor in self._behind if cursor.position == oldest]
            stalled = [cursor for cursor in slowest if self._stalls(cursor, now)]
            if len(stalled) < len(slowest):
                self._congest()
            if not stalled:
                break
            self._fell(stalled[0])

    def _stalls(self, cursor: Cursor, now: float) -> bool:
        """Return whether the room need not wait for a cursor, which takes nothing.

        Asked at the moment of judging, so that what was taken since the last sweep counts.
        """
        taken = cursor.reader.taken()
        if taken != cursor.mark:
            cursor.mark, cursor.since = taken, now
        return now - cursor.since >= STALL_SECONDS

    def _fell(self, cursor: Cursor) -> None:
        """Let a member fall off: go on without it, and tell it what it missed.

        Who misses nothing, because all that is unread is its own, only steps over it.
        """
        end = self._log.end if cursor.limit is None else cursor.limit
        unread = self._log.between(cursor.position, end)
        missed = sum(piece.count(cursor.view, without=cursor.origin) for piece in unread)
        if missed:
            cursor.leave()
            cursor.reader.fallen(missed)
        else:
            cursor.position = end
            self.caught_up(cursor)

    def _congest(self) -> None:
        """Make publishers wait until no healthy member is far behind."""
        if self.congested:
            return
        self.congested = True
        unread = accumulate(piece.cost for piece in self._log.newest_first())
        little = sum(1 for _ in takewhile(lambda cost: cost <= RELIEF_COST, unread))
        self._relief = self._log.end - little
        self._blockers = {cursor: None for cursor in self._behind if cursor.position < self._relief}

    def _unblock(self, cursor: Cursor) -> None:
        """Note that nobody need wait for a cursor any longer."""
        if cursor in self._blockers:
            del self._blockers[cursor]
            self._clear()

    def _clear(self) -> None:
        """Let publishers go on if no member is far behind."""
        if not self.congested or self._blockers:
            return
        self.congested = False
        self._trim()
        self._release()

    def _release(self) -> None:
        """Let those go on who hold, until the room is full again."""
        if self._releasing:
            return  # what a released author says may lead here again; the loop below goes on
        self._releasing = True
        try:
            while self._held and not self.congested and self._pending_cost <= TAIL_COST:
                author = next(iter(self._held))
                del self._held[author]
                author.release()
        finally:
            self._releasing = False

    def _hold(self, author: Publisher) -> None:
        """Ask a publisher to wait, once."""
        if author not in self._held:
            self._held[author] = None
            author.hold()

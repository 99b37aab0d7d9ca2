"""A memory room: nothing is stored, and the log is bounded by whom the room waits for.

Law of this file: nothing is dropped from a reader that makes progress, and memory
stays bounded whatever the others do.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, chain, takewhile
from typing import Final

from twisted_msg.counts import Counts
from twisted_msg.log.commits import Debtor
from twisted_msg.log.piece import Piece
from twisted_msg.rooms.cursor import Cursor
from twisted_msg.rooms.holds import Holds, Publisher
from twisted_msg.rooms.room import Room

TAIL_COST: Final = 4 * 1024 * 1024
"""Bytes of memory that a room's log takes before publishers wait for the slowest member.
Large enough to ride out a second of a busy room, small enough for a small machine."""

RELIEF_COST: Final = TAIL_COST // 2
"""How little may be unread by the slowest member before publishers go on: far below the
bound, so that they are not stopped and started for every piece."""

STALL_SECONDS: Final = 10.0
"""How long a member may take nothing before the room goes on without it: longer than a
network's hiccup, short enough for those who wait (docs/protocol.md, Slow readers)."""

PROGRESS_SIZE: Final = 40 * 1024
"""Bytes that are progress: 4 KiB a second, as of a payload.  Who takes a byte now and then
could make those who publish wait for ever."""


class MemoryRoom(Room):
    """A room whose messages are accepted at the end of the turn, and kept while memory lasts."""

    durable = False

    def __init__(
        self,
        name: str,
        *,
        start: int,
        now: Callable[[], int],
        seconds: Callable[[], float],
        soon: Callable[[Callable[[], None]], object],
        counts: Counts,
        congestion: Callable[[MemoryRoom, bool], None] = lambda room, on: None,
    ) -> None:
        """Take the room's name and what it may not fetch itself.

        `start` is below the first sequence number; memory rooms take Unix time in
        microseconds, so that no number is given twice, restarts included.  `now` is a clock
        of Unix milliseconds, `seconds` a monotonic one; `soon` calls a function when this
        turn of the reactor is over; `congestion` is told when publishers must wait, and
        when no longer.
        """
        super().__init__(name, start, now, soon, counts)
        self._congestion = congestion
        self.congested = False
        self._seconds = seconds
        self._owed: dict[Debtor, tuple[int, int]] = {}
        self._publishers: dict[Publisher, None] = {}
        self._behind: dict[Cursor, None] = {}
        self._blockers: dict[Cursor, None] = {}
        self._holds = Holds(lambda: self.full)
        self._relief = 0
        self._waking = False

    @property
    def full(self) -> bool:
        """Whether a member is far behind, or this turn has said too much."""
        return self.congested or self._weight > TAIL_COST

    # -- for members ---------------------------------------------------------

    def caught_up(self, cursor: Cursor) -> None:
        """Note that a cursor wants nothing that the room holds now."""
        self._behind.pop(cursor, None)
        cursor.fell = False
        super().caught_up(cursor)
        if self._blockers:
            self._unblock(cursor)

    def passed(self, cursor: Cursor) -> None:
        """Note that a cursor has moved on."""
        if cursor.fell:
            cursor.fell = False
            self._wait_for(cursor)
        if self.congested and cursor.seq >= self._relief:
            self._unblock(cursor)

    def forget(self, cursor: Cursor, *, quietly: bool) -> None:
        """Take a cursor out; see `Cursor.leave`."""
        self._behind.pop(cursor, None)
        super().forget(cursor, quietly=quietly)
        self._unblock(cursor)

    # -- for publishers ------------------------------------------------------

    def owe(self, debtor: Debtor, number: int, seq: int) -> None:
        """Note what a debtor is owed; see `Room`."""
        self._owed[debtor] = number, seq

    def settle(self, then: Callable[[], None]) -> None:
        """Call back when everything said so far can be seen."""
        self.commit()
        then()

    def admit(self, publisher: Publisher) -> None:
        """Have a newcomer hold while the room is congested; see `Room`.

        Else each of many newcomers could add something to a room that is full.
        """
        if self.congested:
            self._holds.hold(publisher)

    def dismiss(self, publisher: Publisher) -> None:
        """Forget a publisher that is gone."""
        self._publishers.pop(publisher, None)
        self._holds.forget(publisher)

    def _begin(self) -> None:
        self._soon(self.commit)

    def _bear(self, publisher: Publisher, weight: int) -> None:
        self._weight += weight
        self._publishers[publisher] = None
        if self.full:
            self._holds.hold(publisher)

    # -- the end of a turn, and the passing of time --------------------------

    def commit(self) -> None:
        """Append what was said since the last time, and wake who waits for it."""
        pieces = self.cut()
        if not pieces:
            return
        self._waking, waking = True, self._waking
        for piece in pieces:
            self.tail.append(piece)  # before anybody is told, who may come back here at once
        owed, self._owed = self._owed, {}
        for debtor, (number, seq) in owed.items():
            debtor.stored(number, seq)
        self._wake_idle()
        self._waking = waking
        self._trim()
        publishers, self._publishers = self._publishers, {}
        if self.congested:
            for publisher in publishers:
                self._holds.hold(publisher)
        self._holds.release()

    def sweep(self) -> None:
        """Look after members that are behind; to be called about once a second."""
        if not (self._behind or self.congested):
            return  # of very many rooms, nearly all
        now = self._seconds()
        stalled = {cursor for cursor in self._behind if self._stalls(cursor, now)}
        for cursor in list(self._blockers):
            if cursor in stalled and cursor in self._blockers:  # no other fall has freed it
                self._fall(cursor)
        if self.congested:
            self._trim()
            self._clear()

    def expire(self, millis: int, now: int) -> None:
        """Drop messages that are older than a Unix time, unless a member has yet to read them.

        `now` is the present Unix time; both are in milliseconds.  A piece whose time is in the
        future was published while the clock was ahead.  It is dropped together with an old piece
        that follows it.
        """
        pieces = self.tail.pieces
        if millis <= 0 or not pieces or millis <= pieces[0].millis <= now:
            return
        oldest = self._oldest()
        old = 0
        for count, piece in enumerate(pieces, 1):
            if millis <= piece.millis <= now or piece.last >= oldest:
                break
            if piece.millis < millis:
                old = count
        for _ in range(old):
            self.tail.drop_first()

    def shrink(self) -> None:
        """Forget what nobody reads who makes progress."""
        now = self._seconds()
        for cursor in list(self._behind):
            if cursor in self._behind and self._stalls(cursor, now):
                self._fall(cursor)
        self._forget_read()

    def behind(self) -> list[Cursor]:
        """Return the cursors for which the room keeps something."""
        return list(self._behind)

    def shed(self, cursor: Cursor) -> None:
        """Let a member fall off, though it makes progress, and forget what only it wanted."""
        if cursor in self._behind:
            self._fall(cursor)
            self._forget_read()

    def _forget_read(self) -> None:
        """Forget what nobody reads any more."""
        oldest = self._oldest()
        while self.tail.pieces and self.tail.pieces[0].last < oldest:
            self.tail.drop_first()

    def _oldest(self) -> int:
        """Return the lowest sequence number that somebody reads next, or will be given next."""
        # while some are woken, those who are not yet have something to read as well
        readers = chain(self._behind, self._idle) if self._waking else self._behind
        if not readers:
            return self.tail.head + 1
        return min((cursor.seq for cursor in readers), default=self.tail.head + 1)

    def _trim(self) -> None:
        """Bring the log within its bound, at the cost of members that stall, else of publishers."""
        tail = self.tail
        while tail.cost > TAIL_COST:
            oldest = self._oldest()
            while tail.cost > TAIL_COST and tail.pieces[0].last < oldest:
                tail.drop_first()
            if tail.cost <= TAIL_COST:
                break
            now = self._seconds()
            slowest = [cursor for cursor in self._behind if cursor.seq == oldest]
            stalled = [cursor for cursor in slowest if self._stalls(cursor, now)]
            if len(stalled) < len(slowest):
                self._congest()
            if not stalled:
                break
            self._fall(stalled[0])

    def _wait_for(self, cursor: Cursor) -> None:
        """Drop nothing that a cursor has not read, unless it stalls."""
        self._behind[cursor] = None
        cursor.mark, cursor.since = None, self._seconds()

    def _stalls(self, cursor: Cursor, now: float) -> bool:
        """Return whether the room need not wait for a cursor, which takes next to nothing.

        Asked at the moment of judging, so that what was taken since the last sweep counts.
        """
        taken = cursor.reader.taken()
        if cursor.mark is None or taken - cursor.mark >= PROGRESS_SIZE:
            cursor.mark, cursor.since = taken, now
        return now - cursor.since >= STALL_SECONDS

    def _fall(self, cursor: Cursor) -> None:
        """Let a member fall off: go on without it.

        A typed member is told what it missed when it reads on; a plain one is told how many
        and let go, or, if all of it is its own, only steps over it.
        """
        self._behind.pop(cursor, None)
        cursor.fell = True
        if not cursor.view.gap(self.name, cursor.seq, cursor.seq):
            last = self.tail.head if cursor.limit is None else cursor.limit
            missed = sum(
                piece.count(cursor.view, cursor.seq, cursor.without, last)
                for piece in self._from(cursor.seq, last)
            )
            if missed:
                cursor.leave()
                cursor.member.fallen(cursor, missed)
            else:
                self.left_out(last + 1 - cursor.seq)
                cursor.seq = last + 1
                self.caught_up(cursor)
        self._unblock(cursor)

    def _from(self, seq: int, last: int) -> list[Piece]:
        """Return the pieces from one sequence number to another."""
        return [piece for piece in self.tail.pieces if piece.last >= seq and piece.first <= last]

    def _congest(self) -> None:
        """Make publishers wait until no healthy member is far behind."""
        if self.congested:
            return
        self.congested = True
        self._congestion(self, True)
        unread = accumulate(piece.cost for piece in self.tail.newest_first())
        little = sum(1 for _ in takewhile(lambda cost: cost <= RELIEF_COST, unread))
        pieces = self.tail.pieces
        self._relief = pieces[-little].first if little else self.tail.head + 1
        self._blockers = {cursor: None for cursor in self._behind if cursor.seq < self._relief}

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
        self._congestion(self, False)
        self._trim()
        self._holds.release()

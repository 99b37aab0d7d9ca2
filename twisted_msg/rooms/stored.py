"""A stored room: members see what the store has, newest pieces from memory, older ones from it.

Law of this file: no reader is ever waited for.  Who falls behind what memory holds reads
on from the store, at its own pace, until what it wants is no longer kept there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted_msg.counts import Counts
from twisted_msg.log.commits import Commits, Debtor
from twisted_msg.log.piece import Piece
from twisted_msg.log.store import Kept
from twisted_msg.rooms.cursor import Cursor
from twisted_msg.rooms.holds import Holds, Publisher
from twisted_msg.rooms.room import Room

RECENT_COST: Final = 2 * 1024 * 1024
"""Bytes of memory that the newest pieces of a stored room take: enough for members that
keep pace; all others are served by the store."""

WANTED_LATER: Final = 4
"""How many times that, while some who keep pace have their turn only next: what they are about
to be sent need not be read from the store."""


class StoredRoom(Room):
    """A room whose messages are accepted when they are on disk."""

    durable = True

    def __init__(
        self,
        kept: Kept,
        commits: Commits,
        holds: Holds,
        now: Callable[[], int],
        soon: Callable[[Callable[[], None]], object],
        counts: Counts,
    ) -> None:
        """Take what the store holds of the room, the way there, and who waits for it."""
        super().__init__(kept.room, kept.head, now, soon, counts)
        self._commits = commits
        self._holds = holds
        self._first = kept.first
        self.size = kept.size
        """Bytes that the store holds of the room."""

    @property
    def full(self) -> bool:
        """Whether the store is behind with what was said, in whatever room."""
        return self._commits.full

    @property
    def first(self) -> int:
        """The lowest sequence number that is kept."""
        return self._first

    def fetch(self, cursor: Cursor) -> None:
        """Have the piece fetched that a cursor reads next; see `Shelf`."""
        cursor.waiting = True
        self._commits.archive.page(
            self.name,
            cursor.seq,
            lambda page: self._fetched(cursor, page),
            lambda: not cursor.ended,
        )

    def kept(self, kept: Kept) -> None:
        """The store holds less, or more, of the room than before."""
        self._first, self.size = kept.first, kept.size
        while self.tail.pieces and self.tail.pieces[0].last < kept.first:
            self.tail.drop_first()

    def owe(self, debtor: Debtor, number: int, seq: int) -> None:
        """Note what a debtor is owed; see `Room`."""
        self._commits.owe(debtor, number, seq)

    def settle(self, then: Callable[[], None]) -> None:
        """Call back when everything said so far can be seen."""
        if self.received == self.head:
            then()
        else:
            self._commits.settle(then)

    def committed(self, pieces: list[Piece]) -> None:
        """Show members what the store has."""
        super().committed(pieces)
        most = RECENT_COST * WANTED_LATER if self._later else RECENT_COST
        while self.tail.cost > most and len(self.tail.pieces) > 1:
            self.tail.drop_first()

    def turned_away(self) -> None:
        """The store has no room for what was said since the last time, and has none of it."""
        self.cut()
        self.received = self.head
        for cursor in list(self.members):
            seq = min(cursor.seq, self.head + 1)  # those numbers are given to others
            self.left_out(seq - cursor.seq)
            cursor.seq = seq
            if cursor.limit is not None:
                cursor.limit = min(cursor.limit, self.head)
                cursor.reader.wake(cursor)

    def shrink(self) -> None:
        """Forget all of it: whoever reads on does so from the store."""
        while self.tail.pieces:
            self.tail.drop_first()

    def _fetched(self, cursor: Cursor, page: Piece | BaseException | None) -> None:
        if isinstance(page, BaseException):
            cursor.unreadable(str(page))
            return
        if page is None and self._first <= cursor.seq < self.tail.first:
            self._first = self.tail.first  # what was there has expired meanwhile
        cursor.fetched(page)

    def _begin(self) -> None:
        self._commits.add(self)

    def _bear(self, publisher: Publisher, weight: int) -> None:
        self._commits.weight += weight
        if self._commits.full:
            self._holds.hold(publisher)

"""A room's log in memory: the newest pieces, as many as a bound allows.

Law of this file: the log drops the oldest pieces when it is told to, and knows nobody who
reads them; what it has dropped stays told by `first`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from operator import attrgetter

from twisted_msg.log.piece import Piece

_LAST = attrgetter("last")


class MemoryLog:
    """The newest pieces of one room.

    `first` is the lowest sequence number that is kept (`head + 1` if none is), `head` the
    highest that was given, `cost` the bytes of memory that the pieces take.
    """

    __slots__ = ("cost", "first", "head", "pieces")

    def __init__(self, head: int) -> None:
        """Begin empty, behind the sequence number `head`."""
        self.pieces: deque[Piece] = deque()
        self.first = head + 1
        self.head = head
        self.cost = 0

    def append(self, piece: Piece) -> None:
        """Add a piece behind the newest."""
        if not self.pieces:
            self.first = piece.first
        self.pieces.append(piece)
        self.head = piece.last
        self.cost += piece.cost

    def drop_first(self) -> None:
        """Forget the oldest piece.  Raises `IndexError` if there is none."""
        self.cost -= self.pieces.popleft().cost
        self.first = self.pieces[0].first if self.pieces else self.head + 1

    def find(self, seq: int) -> Piece | None:
        """Return the first piece that reaches to a sequence number, or None behind the newest."""
        pieces = self.pieces
        if seq > self.head or not pieces:
            return None
        newest = pieces[-1]
        if seq >= newest.first:
            return newest  # what live members ask for
        return pieces[bisect_left(pieces, seq, key=_LAST)]

    def since(self, millis: int) -> int:
        """Return the sequence number of the first piece said at Unix time `millis` or later."""
        at = bisect_left(self.pieces, millis, key=attrgetter("millis"))
        return self.pieces[at].first if at < len(self.pieces) else self.head + 1

    def newest_first(self) -> Iterator[Piece]:
        """Return the pieces, from the newest to the oldest."""
        return reversed(self.pieces)

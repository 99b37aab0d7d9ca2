"""A room's log in memory: the newest pieces, as many as a bound allows.

Law of this file: pieces are numbered from 0 and never renumbered; the log drops
the oldest ones when it is told to and knows nobody who reads them.
"""

from collections import deque
from collections.abc import Iterator
from itertools import islice

from twisted_msg.log.piece import Piece


class MemoryLog:
    """The newest pieces of one room.

    `start` is the position of the oldest piece that is kept, `end` the position behind
    the newest one, `cost` the bytes of memory that they take.
    """

    __slots__ = ("_pieces", "cost", "end", "start")

    def __init__(self) -> None:
        self._pieces: deque[Piece] = deque()
        self.start = 0
        self.end = 0
        self.cost = 0

    def append(self, piece: Piece) -> None:
        """Add a piece behind the newest."""
        self._pieces.append(piece)
        self.end += 1
        self.cost += piece.cost

    def drop_first(self) -> None:
        """Forget the oldest piece.  Raises `IndexError` if there is none."""
        self.cost -= self._pieces.popleft().cost
        self.start += 1

    def at(self, position: int) -> Piece | None:
        """Return the piece at a position, or None behind the newest.

        Raises `IndexError` for one that is no longer kept.
        """
        if position == self.end:
            return None
        if position < self.start:
            raise IndexError(f"piece {position} is no longer kept")
        return self._pieces[position - self.start]

    def between(self, start: int, end: int) -> Iterator[Piece]:
        """Return the pieces from one position to before another, both kept."""
        return islice(self._pieces, start - self.start, end - self.start)

    def newest_first(self) -> Iterator[Piece]:
        """Return the pieces, from the newest to the oldest."""
        return reversed(self._pieces)

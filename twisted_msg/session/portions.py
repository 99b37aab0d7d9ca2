"""Long work in portions, so that no turn of the reactor takes long.

Invariant: while one list waits for its next portion, each turn does one portion, of whichever list.
A list that is one portion long is made at once if no other waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator


class Portions:
    """Long work of sessions, a portion in each turn of the reactor, whoever asked for it."""

    def __init__(self, soon: Callable[[Callable[[], None]], object]) -> None:
        """Take what calls a function when this turn of the reactor is over."""
        self._soon = soon
        self._works: deque[tuple[Iterator[None], Callable[[], bool]]] = deque()

    def run(self, work: Iterator[None], wanted: Callable[[], bool]) -> None:
        """Do work that yields between its portions, until it ends or is no longer wanted.

        The first portion is done at once, unless other work waits for its turn.
        """
        self._works.append((work, wanted))
        if len(self._works) == 1:
            self._turn()

    def _turn(self) -> None:
        """Do a portion of the work that has waited for the longest."""
        work, wanted = self._works[0]
        goes_on = False
        try:
            goes_on = wanted() and next(work, work) is None
        finally:
            self._works.popleft()
            if goes_on:
                self._works.append((work, wanted))
            if self._works:
                self._soon(self._turn)

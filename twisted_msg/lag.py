"""How late the reactor is: what whoever waits for it, waits for other work.

Law of this file: one timer, and it only looks.  How late it is, is what any other timer, and
any other connection, would have waited at that moment too.
"""

from __future__ import annotations

from typing import Any, Final

from twisted_msg.counts import Distribution

EVERY: Final = 1.0
"""Seconds between two looks: a minute's sixty say what is usual, and cost nothing."""


class Lag:
    """Looks once in `EVERY` seconds how late it is called."""

    def __init__(self, clock: Any, lateness: Distribution) -> None:
        """Take a clock, `IReactorTime`, and where to count what is seen, in seconds."""
        self._clock = clock
        self._lateness = lateness
        self._next: Any = None

    def start(self) -> None:
        """Look from now on."""
        self._next = self._clock.callLater(EVERY, self._look, self._clock.seconds() + EVERY)

    def stop(self) -> None:
        """Look no more; to stop again changes nothing."""
        following, self._next = self._next, None
        if following is not None:
            following.cancel()

    def _look(self, due: float) -> None:
        self._lateness.add(max(0.0, self._clock.seconds() - due))
        self.start()

"""When messages are to go, if they are not to go as fast as they can.

Law of this file: the instant at which a message is to go is fixed beforehand, whatever the
server does meanwhile; who waits for the server's answers to measure it measures its best hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from twisted_msg.cli.bench.measures import Times
from twisted_msg.cli.bench.wires import Publisher

EARLY: Final = 0.002
"""Seconds before a message is due from which on the clock is looked at all the time: the
system wakes a program a millisecond late."""


AT_ONCE: Final = 1e-6
"""Seconds that are over by the reactor's next turn; with none, a test's clock would never rest."""


class Pace:
    """Allows publishers their messages, taking turns, each at its instant."""

    def __init__(self, clock: Any, rate: float, publishers: Sequence[Publisher]) -> None:
        """Take the clock, and the messages a second of all publishers together."""
        self.late = Times()
        """How long after its instant a message was allowed."""
        self._clock = clock
        self._rate = rate
        self._publishers = publishers
        self._begun: float = clock.seconds()
        self._allowed = 0
        self._ended = False
        self._call: Any = None

    def due(self, publisher: int, place: int) -> float:
        """Return when a publisher's message is to go."""
        return self._begun + (place * len(self._publishers) + publisher) / self._rate

    def begin(self) -> None:
        """Begin to allow."""
        self._turn()

    def stop(self) -> None:
        """Allow no more."""
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _turn(self) -> None:
        """Allow what is due, and come again for the next."""
        now = self._clock.seconds()
        due = int((now - self._begun) * self._rate) + 1
        if due > self._allowed:
            self.late.add(now - (self._begun + self._allowed / self._rate))
            self._allow(due)
        wait = self._begun + self._allowed / self._rate - self._clock.seconds() - EARLY
        self._call = self._clock.callLater(max(AT_ONCE, wait), self._turn)

    def _allow(self, due: int) -> None:
        """Allow all messages up to this number, counted over all publishers."""
        publishers = self._publishers
        many = len(publishers)
        for number in range(self._allowed, min(due, self._allowed + many)):
            each = publishers[number % many]
            each.allow((due - 1 - number % many) // many + 1)
        self._allowed = due

"""Which messages are timed, and from when on.

Law of this file: of messages that go as fast as they can, the last of a write is timed, from
the instant of the write; of messages that have an hour of their own, every so many-th, from
that hour, however late it went.  No Twisted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from twisted_msg.cli.bench.measures import Times

A_SECOND: Final = 50_000
"""How many times are taken in a second, of all members together: more would cost too much."""

WAITING: Final = 100_000
"""How many timed messages of a publisher may be on their way; the oldest are not timed then."""


class Timing:
    """What is timed of one publisher's messages."""

    def __init__(
        self,
        acks: Times,
        *,
        ids: bool,
        gap: float = 0.0,
        due: Callable[[int], float] | None = None,
        every: int = 1,
    ) -> None:
        """Take where the times to the acknowledgements go, if there are `ids`.

        `due` tells when the message at a place is to go, and one of `every` so many is timed;
        without it one of each write is, and none for `gap` seconds behind it.
        """
        self.delivery: deque[tuple[int, float]] = deque(maxlen=WAITING)
        """The timed messages that no member has had: their places, and when they were to go."""
        self._acks: deque[tuple[int, float]] = deque(maxlen=WAITING if ids else 0)
        self._times = acks
        self._gap = gap
        self._due = due
        self._every = every
        self._free = 0.0

    def going(self, first: int, count: int, now: float) -> None:
        """Take note of messages that are written now."""
        end = first + count
        if self._due is not None:
            begin = -(-first // self._every) * self._every
            for place in range(begin, end, self._every):
                self._add(place, self._due(place))
        elif now >= self._free:
            self._free = now + self._gap
            self._add(end - 1, now)

    def acknowledged(self, end: int, now: float) -> None:
        """Take note that all messages before a place are acknowledged."""
        waiting = self._acks
        while waiting and waiting[0][0] < end:
            self._times.add(now - waiting.popleft()[1])

    def _add(self, place: int, instant: float) -> None:
        self.delivery.append((place, instant))
        self._acks.append((place, instant))

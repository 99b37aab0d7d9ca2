"""One time for all, and a reactor's turns for each process.

Law of this file: nothing happens by itself; a process that is dead is never given a turn
again, whatever it had planned.
"""

from __future__ import annotations

from twisted.internet.task import Clock

EPOCH = 1_700_000_000_000_000
"""Unix time in microseconds when a world begins."""


class Time:
    """What every clock of a world shows; the wall's may be set, as people and NTP do."""

    def __init__(self) -> None:
        self.now = 0.0
        self.wall_offset = 0
        self.jumped = 0.0
        """When the wall's clock was set by over a minute last."""

    def set_wall(self, seconds: float) -> None:
        """Set the wall's clock by so many seconds, ahead or back."""
        self.wall_offset += int(seconds * 1e6)
        if abs(seconds) > 60:
            self.jumped = self.now

    def wall(self) -> int:
        """Return Unix time in microseconds."""
        return EPOCH + int(self.now * 1e6) + self.wall_offset


class ProcessClock(Clock):
    """A process's clock: Twisted's own for tests, which a scheduler turns one turn at a time."""

    def __init__(self, time: Time) -> None:
        super().__init__()
        self._time = time
        self.alive = True

    def seconds(self) -> float:
        return self._time.now

    @property
    def next(self) -> float | None:
        """When the next call is due."""
        return self.calls[0].getTime() if self.alive and self.calls else None

    @property
    def due(self) -> bool:
        """Whether there is something to do now."""
        at = self.next
        return at is not None and at <= self._time.now

    def turn(self) -> None:
        """Make the calls that are due; those that they bring have their turn later."""
        self._sortCalls()
        now = self._time.now
        for call in [each for each in self.calls if each.getTime() <= now]:
            if not self.alive:
                return
            if call.active():
                self.calls.remove(call)
                call.called = 1
                call.func(*call.args, **call.kw)

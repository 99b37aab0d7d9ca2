"""The clock by which messages are deleted: the system's, after an hour without a jump.

Invariant: no single reading of the clock deletes anything.  Without that, a clock that
jumps ahead for a minute would delete history.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

CONFIRM_SECONDS: Final = 3600.0
"""Seconds of monotonic time for which the clock must have run without a jump before anything is
deleted by age: long enough for NTP to correct a machine that started with a wrong clock, and
for its owner to read the log."""

JUMP_SECONDS: Final = 60.0
"""Seconds between two readings that are a jump: NTP corrects less than that without anybody's
notice, and retention is in hours and days."""

_UNITS: Final = ((86400, "days"), (3600, "hours"), (60, "minutes"))


class RetentionClock:
    """Compares the system's clock with monotonic time and with the newest stored message."""

    def __init__(
        self,
        *,
        now: Callable[[], int],
        seconds: Callable[[], float],
        age: float | None,
        report: Callable[[str], None],
    ) -> None:
        """Take two clocks, the age at which messages are deleted, and a callback for jumps.

        `now` returns Unix time in microseconds, `seconds` monotonic time; `age` is in seconds.
        If `age` is less than an hour, the clock is confirmed after `age`: every message that was
        there at the start or at the jump is then certainly older than `age`.
        """
        self._now = now
        self._seconds = seconds
        self._age = age
        self._report = report
        self._confirm = CONFIRM_SECONDS if age is None else min(CONFIRM_SECONDS, age)
        self._offset = self._measure()
        self._since = seconds()

    def compare(self, newest: int) -> None:
        """Report a newest stored message that shows that the clock was or is wrong.

        `newest` is its time in Unix milliseconds, 0 if there is none.
        """
        ahead = self._now() / 1e6 - newest / 1000
        if not newest:
            return
        if ahead < -JUMP_SECONDS:
            self._report(
                f"the clock is {_shown(-ahead)} behind the newest stored message, so it is wrong "
                "now or was wrong then: look at the machine's clock (timedatectl)"
            )
        elif self._age is not None and ahead > self._age:
            self._report(
                f"the clock is {_shown(ahead)} ahead of the newest stored message, so all history "
                f"is older than --retain allows; {self._waiting}"
            )

    def read(self) -> int:
        """Return the Unix time in milliseconds that retention goes by; 0 while it must wait.

        To be called about once a second, for it notices jumps between two calls.
        """
        seconds, offset = self._seconds(), self._measure()
        jump = offset - self._offset
        self._offset = offset
        if abs(jump) > JUMP_SECONDS:
            self._since = seconds
            way = "ahead" if jump > 0 else "back"
            self._report(
                f"the clock jumped {way} by {_shown(abs(jump))}: it was set, or the machine "
                f"slept; {self._waiting}"
            )
        return self._now() // 1000 if seconds - self._since >= self._confirm else 0

    def _measure(self) -> float:
        """Return the system's clock minus monotonic time, in seconds: a jump changes it."""
        return self._now() / 1e6 - self._seconds()

    @property
    def _waiting(self) -> str:
        return (
            f"nothing is deleted by age until it has run steadily for {_shown(self._confirm)}; "
            "if it is wrong, correct it before that (timedatectl)"
        )


def _shown(seconds: float) -> str:
    """Return a duration in the largest unit of which it has at least two."""
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"

"""The sweep: once a second, time is seen to for everybody who is here.

Law of this file: it knows when, and not what; nobody's turn keeps others waiting, and whoever
fails in it ends alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from twisted_msg.guests import Guests
from twisted_msg.host import Guest

EVERY: Final = 1.0
"""Seconds between two sweeps: no deadline is shorter than a few of them."""

SLICE: Final = 200
"""Guests that are seen to at once: ten thousand, many of which are asked whether they are
there, would keep all others waiting for a tenth of a second."""

SLICE_SECONDS: Final = 0.01
"""How long the others have for themselves in between: what those who are asked answer comes
spread out as well."""


class Sweeper:
    """Calls `sweep` of every guest once a second, some at a time."""

    def __init__(
        self,
        clock: Any,
        guests: Guests,
        failed: Callable[[Failure], None],
        others: Callable[[], None],
    ) -> None:
        """Take a clock (`IReactorTime`), who is here, and whom to tell of a fault.

        `others` is called with each sweep: it sees to all that is no guest.
        """
        self._clock = clock
        self._guests = guests
        self._failed = failed
        self._others = others
        self._unswept: list[Guest] = []
        self._slice: Any = None
        self._loop = LoopingCall(self.sweep)
        self._loop.clock = clock

    def start(self) -> None:
        """Begin, a second from now."""
        self._loop.start(EVERY, now=False).addErrback(self._failed)

    def stop(self) -> None:
        """See to nobody any more; to stop again changes nothing."""
        if self._loop.running:
            self._loop.stop()
        if self._slice is not None and self._slice.active():
            self._slice.cancel()

    def sweep(self) -> None:
        """See to everything that time does."""
        if not self._unswept:  # else the last time is not over yet
            self.sweep_these(self._guests.all())
        try:
            self._others()
        except Exception:
            self._failed(Failure())

    def sweep_these(self, guests: list[Guest]) -> None:
        """See to some guests, the last of the list first; it is used up."""
        self._unswept = guests
        self._sweep_some()

    def _sweep_some(self) -> None:
        """See to some of them, then let all have their turn before the next ones."""
        now = self._clock.seconds()
        some = self._unswept[-SLICE:]
        del self._unswept[-SLICE:]
        if self._unswept:  # whatever becomes of these
            self._slice = self._clock.callLater(SLICE_SECONDS, self._sweep_some)
        for guest in some:
            if guest not in self._guests:
                continue  # gone meanwhile
            try:
                guest.sweep(now)
            except Exception:  # time must go on for all the others
                self._failed(Failure())
                self._abort(guest)

    def _abort(self, guest: Guest) -> None:
        """End one that has failed; what it stands on may fail in that, too."""
        try:
            guest.abort()
        except Exception:  # it is here still, and the next sweep tries again
            self._failed(Failure())

"""How far long work has come, on a terminal's stderr.

Law of this file: one line that is written over and gone in the end; nothing at all where
nobody watches, and nothing for work that is done at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Final, NoReturn

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

EVERY_SECONDS: Final = 1.0
"""Seconds before the first line, and between two."""

_CLEAR: Final = "\r\x1b[K"
"""To the line's beginning, and away with what stands there (ECMA-48)."""


class Progress:
    """A line that says how far the work has come."""

    def __init__(self, clock: IReactorTime, stream: IO[str] | None) -> None:
        """Take the clock and the terminal; without one nothing is shown."""
        self._clock = clock
        self._stream = stream

    async def show(self, text: Callable[[], str]) -> NoReturn:
        """Show what `text` returns, again and again, until cancelled."""
        while True:
            await deferLater(self._clock, EVERY_SECONDS)
            self._write(f"{_CLEAR}{text()}")

    def before(self, say: Callable[[str], None]) -> Callable[[str], None]:
        """Return `say` with the line cleared before it."""

        def cleared(notice: str) -> None:
            self.clear()
            say(notice)

        return cleared

    def clear(self) -> None:
        """Take the line away."""
        self._write(_CLEAR)

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self._stream = None  # the terminal is gone: not a reason to end

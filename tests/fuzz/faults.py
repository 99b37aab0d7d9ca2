"""What nobody may cause: a fault in the log.

Law of this file: what Twisted logs as an error (an exception in a protocol, a Deferred's failure
that nobody took, a fault of the server's own) is a finding.
"""

from __future__ import annotations

import gc
from types import TracebackType
from typing import Final

from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher

EVERY: Final = 500
"""After how many runs cycles are collected, so that forgotten failures are told."""


class Finding(AssertionError):
    """A target's sentence does not hold."""


def hold(condition: object, *what: object) -> None:
    """Raise `Finding` unless the condition holds; `python -O` does not take it away."""
    if not condition:
        raise Finding(*what)


class NoFault:
    """Within it, whatever is logged as an error is a finding at its end."""

    runs = 0

    def __enter__(self) -> NoFault:
        self._found: list[str] = []
        globalLogPublisher.addObserver(self._look)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        NoFault.runs += 1
        if NoFault.runs % EVERY == 0:
            gc.collect()
        globalLogPublisher.removeObserver(self._look)
        if error is None and self._found:
            raise Finding("\n".join(self._found))

    def _look(self, event: LogEvent) -> None:
        if event.get("log_level") in (LogLevel.error, LogLevel.critical) or event.get("isError"):
            failure = event.get("log_failure")
            trace = failure.getTraceback() if failure is not None else ""
            self._found.append(f"{formatEvent(event)}\n{trace}")

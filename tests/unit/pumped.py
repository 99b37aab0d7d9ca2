"""A worker that works when a test says so."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeVar

from twisted_msg.log.worker import outcome

T = TypeVar("T")


class PumpedWorker:
    """Jobs wait until `pump`; `work` and `report` are its two halves.

    `waiting` are jobs not begun, `finished` those done and not yet reported.
    """

    def __init__(self) -> None:
        self.waiting: deque[Callable[[], Callable[[], None]]] = deque()
        self.finished: deque[Callable[[], None]] = deque()

    def run(
        self,
        job: Callable[[], T],
        done: Callable[[T], object],
        failed: Callable[[BaseException], object],
    ) -> None:
        self.waiting.append(lambda: outcome(job, done, failed))

    def start(self) -> None:
        """Begin; there is no thread."""

    def stop(self) -> None:
        """End; there is no thread."""

    def join(self) -> None:
        """Wait for no thread."""

    def work(self) -> None:
        """Do the oldest job; what came of it is not told yet."""
        self.finished.append(self.waiting.popleft()())

    def report(self) -> None:
        """Tell what came of the oldest job done."""
        self.finished.popleft()()

    def pump(self) -> bool:
        """Do one job and report it; return False if there was none."""
        if not self.waiting:
            return False
        self.work()
        self.report()
        return True

    def drain(self) -> None:
        """Pump until nothing waits, those jobs included that reports bring."""
        while self.pump():
            pass

"""Coroutines that run beside each other until the first of them fails.

Law of this file: nothing fails in silence, and nothing is left running by `cancel`.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from twisted_msg.client.waiting import Gate


class Tasks:
    """A set of coroutines; the first failure is what `failed` waits for."""

    def __init__(self) -> None:
        self._running: set[Deferred[None]] = set()
        self._end = Gate()

    def begin(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        """Run something."""
        task = Deferred.fromCoroutine(work)
        self._running.add(task)

        def done(result: object) -> None:
            self._running.discard(task)
            if isinstance(result, Failure) and not result.check(CancelledError):
                self.fail(result)

        task.addBoth(done)

    def fail(self, failure: Failure) -> None:
        """Something has failed; the first failure stands."""
        error = failure.value
        self._end.fail(error if isinstance(error, Exception) else RuntimeError(repr(error)))

    def cancel(self) -> None:
        """End everything."""
        for task in list(self._running):
            task.cancel()

    def failed(self) -> Deferred[None]:
        """Return a Deferred that fails with the first failure, and does nothing else."""
        return self._end.wait()

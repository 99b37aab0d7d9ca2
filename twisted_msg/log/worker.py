"""Work that must not keep the reactor waiting, done one job after another.

Law of this file: order, and nothing of what a job does.  Which job is next is decided by
whoever gives them; a worker does them in the order in which it got them.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Final, Protocol, TypeVar

T = TypeVar("T")

THREAD_NAME: Final = "tcpmsg-store"
"""What a debugger calls the thread."""


class Worker(Protocol):
    """Does jobs in order, elsewhere, and reports each one at home."""

    def run(
        self,
        job: Callable[[], T],
        done: Callable[[T], object],
        failed: Callable[[BaseException], object],
    ) -> None:
        """Do a job behind those given before.

        Then one of the others is called where `run` was called from: `done` with what the
        job returned, or `failed` with what it raised.
        """
        ...


class ThreadWorker:
    """A worker with a thread of its own.

    `from_thread` makes the reactor's thread call something: `reactor.callFromThread`.
    """

    def __init__(self, from_thread: Callable[[Callable[[], None]], object]) -> None:
        self._from_thread = from_thread
        self._jobs: SimpleQueue[Callable[[], Callable[[], None]] | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._stopped = False

    def start(self) -> None:
        """Start the thread: not before a daemon has forked, for a fork leaves threads behind.

        Jobs given earlier have waited.  Raises `RuntimeError` when it was started before.
        """
        if self._thread is not None:
            raise RuntimeError("the worker was started before")
        # Not a daemon thread: the interpreter waits for it, so no commit is cut off.
        self._thread = Thread(target=self._work, name=THREAD_NAME, daemon=False)
        self._thread.start()

    def run(
        self,
        job: Callable[[], T],
        done: Callable[[T], object],
        failed: Callable[[BaseException], object],
    ) -> None:
        """Do a job in the thread; see `Worker`.  Raises `RuntimeError` after `stop`."""
        if self._stopped:
            raise RuntimeError("the worker was stopped")
        self._jobs.put(lambda: outcome(job, done, failed))

    def stop(self) -> None:
        """Let the thread end when it has done all jobs; to stop again changes nothing."""
        if not self._stopped:
            self._stopped = True
            self._jobs.put(None)

    def join(self) -> None:
        """Wait until the thread has ended, after `stop`."""
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while (work := self._jobs.get()) is not None:
            self._from_thread(work())
            # Held on to, the last group's pieces would stay in memory until the next.
            del work


def outcome(
    job: Callable[[], T],
    done: Callable[[T], object],
    failed: Callable[[BaseException], object],
) -> Callable[[], None]:
    """Do a job now and return what reports it."""
    try:
        result = job()
    except BaseException as error:  # whatever it is, somebody waits for an answer
        return _Report(failed, error)
    return _Report(done, result)


class _Report:
    """A call to make later."""

    __slots__ = ("_told", "_what")

    def __init__(self, told: Callable[[T], object], what: T) -> None:
        self._told: Callable[[T], object] = told
        self._what = what

    def __call__(self) -> None:
        self._told(self._what)

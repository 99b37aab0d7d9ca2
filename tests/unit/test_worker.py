"""Workers: the same order and the same reports, in a thread and pumped by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.pumped import PumpedWorker
from twisted_msg.log.worker import THREAD_NAME, ThreadWorker, Worker


class Home:
    """A reactor's thread, as a list of calls that the test makes."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def run_all(self) -> None:
        while not self.calls.empty():
            self.calls.get()()


def give_three(worker: Worker, told: list[object]) -> None:
    def fail() -> str:
        raise KeyError("second")

    worker.run(lambda: "first", told.append, told.append)
    worker.run(fail, told.append, lambda error: told.append((type(error), error.args)))
    worker.run(threading.current_thread, lambda thread: told.append(thread.name), told.append)


class ThreadWorkerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.home = Home()
        self.worker = ThreadWorker(self.home.calls.put)
        self.told: list[object] = []

    def test_in_order_and_reported_at_home(self) -> None:
        give_three(self.worker, self.told)
        self.worker.start()
        self.worker.stop()
        self.worker.join()
        self.assertEqual(self.told, [])
        self.home.run_all()
        self.assertEqual(self.told, ["first", (KeyError, ("second",)), THREAD_NAME])

    def test_an_exit_in_a_job_is_an_outcome_too(self) -> None:
        def leave() -> None:
            raise SystemExit(3)

        self.worker.start()
        self.worker.run(leave, self.told.append, lambda error: self.told.append(repr(error)))
        self.worker.run(lambda: "still here", self.told.append, self.told.append)
        self.worker.stop()
        self.worker.join()
        self.home.run_all()
        self.assertEqual(self.told, ["SystemExit(3)", "still here"])

    def test_started_once(self) -> None:
        self.worker.start()
        self.assertRaises(RuntimeError, self.worker.start)
        self.worker.stop()
        self.worker.stop()
        self.worker.join()

    def test_nothing_after_the_stop(self) -> None:
        self.worker.stop()
        self.worker.join()
        self.assertRaises(RuntimeError, self.worker.run, int, self.told.append, self.told.append)

    def test_the_interpreter_waits_for_it(self) -> None:
        self.worker.start()
        (thread,) = [each for each in threading.enumerate() if each.name == THREAD_NAME]
        self.assertFalse(thread.daemon)
        self.worker.stop()
        self.worker.join()
        self.assertFalse(thread.is_alive())


class PumpedWorkerTests(SynchronousTestCase):
    def test_in_order(self) -> None:
        worker, told = PumpedWorker(), list[object]()
        give_three(worker, told)
        self.assertTrue(worker.pump())
        self.assertEqual(told, ["first"])
        worker.work()
        self.assertEqual(told, ["first"])
        worker.report()
        worker.drain()
        self.assertEqual(told, ["first", (KeyError, ("second",)), "MainThread"])
        self.assertFalse(worker.pump())

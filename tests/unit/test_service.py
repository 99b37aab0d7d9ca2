"""The service's start and end: when it says so, and what becomes of the store."""

from __future__ import annotations

import shutil
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.pumped import PumpedWorker
from tests.unit.world import Pipe
from twisted_msg import service
from twisted_msg.log.sqlite import SqliteStore
from twisted_msg.log.store import StoreBroken, StoreError
from twisted_msg.server import STOP_SECONDS, STORE_SECONDS
from twisted_msg.service import ServerService
from twisted_msg.settings import load
from twisted_msg.wire import encode_frame


class Ended(Exception):
    """The process has ended at once."""


class Reactor(MemoryReactorClock):
    """One whose worker's thread is never started, so that what the store is asked for waits."""

    def callFromThread(self, call: Any, *arguments: Any) -> None:
        raise AssertionError("no thread is there")


class StartingTests(SynchronousTestCase):
    def test_it_says_that_it_serves_when_signals_stop_it_well(self) -> None:
        """A signal that comes before the reactor runs ends the process as it is."""
        said: list[object] = []
        self.patch(service, "announce", lambda *words: said.append(words))
        reactor = Reactor()
        settings = load({"store": "memory"}, {"HOME": "/nonexistent"})
        starting = ServerService(settings, reactor)
        self.patch(starting, "privilegedStartService", lambda: None)  # memory has no ports
        starting.startService()
        self.assertEqual((reactor.running, said), (False, []))
        reactor.run()
        self.assertEqual(said, [([], settings)])


class CheckingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = self.mktemp()
        self.reactor = Reactor()
        self.worker = PumpedWorker()
        self.given_up: list[BaseException] = []
        self.patch(service, "_give_up", self.given_up.append)
        self.patch(service, "ThreadWorker", lambda from_thread: self.worker)
        settings = load({"data-dir": self.folder}, {"HOME": "/nonexistent"})
        self.service = ServerService(settings, self.reactor)
        self.patch(self.service, "privilegedStartService", lambda: None)
        self.service.startService()
        self.addCleanup(lambda: self.successResultOf(self.service.stopService()))

    def second(self) -> None:
        self.reactor.advance(1)
        self.worker.drain()

    def test_a_store_that_is_there_is_looked_for_each_second(self) -> None:
        for _ in range(3):
            self.reactor.advance(1)
            self.assertTrue(self.worker.pump())
            self.assertFalse(self.worker.pump())
        self.assertEqual(self.given_up, [])

    def test_a_busy_store_is_not_asked_twice(self) -> None:
        self.reactor.pump([1] * 5)
        self.assertTrue(self.worker.pump())
        self.assertFalse(self.worker.pump())

    def test_a_store_that_was_removed_ends_the_server_within_a_second(self) -> None:
        shutil.rmtree(self.folder)
        self.second()
        (error,) = self.given_up
        self.assertIsInstance(error, StoreBroken)
        self.assertIn(self.folder, str(error))


class StoppingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = self.mktemp()
        self.reactor = Reactor()
        settings = load({"data-dir": self.folder}, {"HOME": "/nonexistent"})
        self.service = ServerService(settings, self.reactor)
        assert self.service._storage is not None
        self.store = self.service._storage.store
        self.addCleanup(self.store.close)
        self.service.server.house.rooms.load(self.store.open())
        self.done: list[str] = []
        self.given_up: list[BaseException] = []
        self.patch(service, "_give_up", self.give_up)
        for name, owner in (("stop", self.service._worker), ("join", self.service._worker)):
            self.patch(owner, name, lambda name=name: self.done.append(name))
        close = self.store.close
        self.patch(self.store, "close", lambda: (self.done.append("close"), close()))

    def give_up(self, error: BaseException) -> None:
        self.given_up.append(error)
        raise Ended

    def test_the_store_is_closed_when_its_worker_has_ended(self) -> None:
        self.assertRaises(StoreError, SqliteStore(self.folder).open)
        self.successResultOf(self.service.stopService())
        self.assertEqual(self.done, ["stop", "join", "close"])
        self.assertEqual(self.given_up, [])
        other = SqliteStore(self.folder)
        other.open()
        other.close()

    def test_a_store_that_hangs_is_not_waited_for(self) -> None:
        """To join its worker would take for ever, and to close it under way would not be sound."""
        pipe = Pipe(1)
        pipe.protocol = self.service.server.buildProtocol(pipe.address)
        pipe.protocol.makeConnection(pipe)
        pipe.say(encode_frame(b"never stored", ("PUB", "lobby", "1")))
        self.reactor.advance(0)
        stopped = self.service.stopService()
        self.reactor.pump([1] * int(STOP_SECONDS + STORE_SECONDS - 1))
        self.assertNoResult(stopped)
        self.reactor.pump([1] * 2)
        self.failureResultOf(stopped, Ended)
        self.assertIsInstance(self.given_up[0], TimeoutError)
        self.assertEqual(self.done, [])

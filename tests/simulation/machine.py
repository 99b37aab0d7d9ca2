"""The server's machine: a disk, and the process that runs there now, if there is one.

Law of this file: the process is put together by `make_server`, as the product does it, and
ends as processes end: killed, with the power, by its own hand after a failed write, or well.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from tests.simulation.clocks import ProcessClock, Time
from tests.simulation.disk import Died, Disk, SimulatedStore
from tests.simulation.links import Link
from tests.unit.pumped import PumpedWorker
from twisted_msg.log.store import StoreError
from twisted_msg.log.worker import outcome
from twisted_msg.server import Server
from twisted_msg.service import Storage, make_server
from twisted_msg.settings import Settings, load

T = TypeVar("T")

MEMORY = "mem"
"""The room that is not stored."""

PLAIN = "lobby"
"""The room of plain peers."""


@cache
def settings() -> Settings:
    nowhere = {"HOME": "/nonexistent", "XDG_CONFIG_DIRS": "/nonexistent"}
    return load({"memory-room": [MEMORY], "max-payload": "16384"}, nowhere)


class SteppedWorker(PumpedWorker):
    """A worker in three steps, between which anything may happen, death at work included."""

    def run(
        self,
        job: Callable[[], T],
        done: Callable[[T], object],
        failed: Callable[[BaseException], object],
    ) -> None:
        def work() -> Callable[[], None]:
            died: list[Died] = []

            def guarded() -> T:
                try:
                    return job()
                except Died as death:
                    died.append(death)
                    raise

            told = outcome(guarded, done, failed)
            if died:
                raise died[0]
            return told

        self.waiting.append(work)


class Machine:
    """Where the server runs; `incarnation` counts its processes."""

    store_class: Callable[..., SimulatedStore] = SimulatedStore

    def __init__(self, time: Time, random: Random, note: Callable[..., None]) -> None:
        self.time = time
        self.note = note
        self.disk = Disk(random)
        self.limit = 1 << 30
        self.clock = ProcessClock(time)
        self.clock.alive = False
        self.powered = True
        self.incarnation = 0
        self.links: list[Link] = []
        self.server: Server
        self.worker: SteppedWorker
        self.stopping = False
        self.given = 0
        """The highest number that a memory room gave."""

    @property
    def up(self) -> bool:
        """Whether a process runs."""
        return self.clock.alive

    @property
    def committing(self) -> bool:
        """Whether the worker's job is a group of messages, and not a question."""
        commits = self.server.house.commits
        return commits is not None and commits._group is not None

    def start(self) -> bool:
        """Start a process; return whether it came to serve."""
        # Memory rooms begin at Unix time: who sets the clock back over a restart gives their
        # numbers twice, which is documented.  Here it is right again when a process starts.
        self.time.wall_offset += max(0, self.given + 1 - self.time.wall())
        self.powered = True
        for link in self.links:
            link.powered = True
        self.links.clear()
        clock = ProcessClock(self.time)
        store = self.store_class(self.disk, lambda: self.limit)
        self.worker = worker = SteppedWorker()
        server = make_server(
            settings(),
            clock,
            Storage(store, worker),
            broken=lambda error: self.give_up(clock, error),
            now=self.time.wall,
        )
        try:
            kept = store.open()
        except StoreError as error:
            self.note("refused to start", error)
            return False
        self.incarnation += 1
        self.stopping = False
        self.clock, self.server = clock, server
        # Clients are told of a larger limit than there is, so that some messages are refused.
        server.house.details["max_payload"] = 1 << 20
        server.house.rooms.load(kept)
        server.start()
        self.note("started", self.incarnation)
        return True

    def kill(self) -> None:
        """End the process at once; its system closes its sockets."""
        self._end()
        for link in self.links:
            if link.server.connected:
                link.server.hang_up()
        self.links.clear()

    def cut_power(self) -> int:
        """End everything at once; return how many transactions the disk has forgotten."""
        if self.up:
            self._end()
        for link in self.links:
            link.powered = False
            link.server.vanish()
        self.powered = False
        return self.disk.cut_power()

    def give_up(self, clock: ProcessClock, error: BaseException) -> None:
        """A write has failed, and the process ends by its own hand."""
        if clock.alive:
            self.note("gave up", error)
            self.kill()

    def work(self) -> None:
        """Do the worker's next job."""
        try:
            self.worker.work()
        except Died as death:
            self.note("died", death)
            if self.disk.with_power:
                self.disk.count("transactions forgotten", self.cut_power())
            else:
                self.kill()

    def report(self) -> None:
        """Tell of the oldest job done."""
        self.worker.report()

    def stop(self) -> None:
        """Stop as after a SIGTERM: the process ends when the server has drained."""
        clock = self.clock
        self.stopping = True

        def ended(stored: Any) -> None:
            self.note("stopped", stored)
            while self.worker.waiting and clock.alive:
                self.work()
            if clock.alive:
                self.kill()

        Deferred.fromCoroutine(self.server.drain()).addCallback(ended)

    def _end(self) -> None:
        rooms = self.server.house.rooms
        room = rooms._rooms.get(MEMORY)
        self.given = max(self.given, rooms._given, 0 if room is None else room.received)
        self.clock.alive = False

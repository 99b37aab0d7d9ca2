"""The server's machine: a disk, and the process that runs there now, if there is one.

Law of this file: the process is put together by `make_server`, as the product does it, and
ends as processes end: killed, with the power, by its own hand after a failed write, or well.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from tests.simulation.clocks import ProcessClock, Time
from tests.simulation.files import Died, Files
from tests.simulation.links import Link
from tests.simulation.model import Model, ObservedStore
from tests.unit.pumped import PumpedWorker
from twisted_msg.log.store import Retention, StoreError
from twisted_msg.log.worker import outcome
from twisted_msg.rooms.retention_clock import CONFIRM_SECONDS
from twisted_msg.server import Server
from twisted_msg.service import Storage, make_server
from twisted_msg.settings import Settings, load
from twisted_msg.values import Retain
from twisted_msg.web.site import make_site

T = TypeVar("T")

MEMORY = "mem"
"""The room that is not stored."""

PLAIN = "lobby"
"""The room of plain peers."""


SIZES = (2000, 5000, 9000)
"""Bytes that a room may keep, where a world limits that: some tens of messages."""

AGES = (8.0, 25.0, 60.0)
"""Seconds that messages are kept, where a world limits that."""

STORES = (60_000, 90_000)
"""Bytes that the store may take, where a world limits that: its empty pages take 40,000."""


@cache
def base_settings() -> Settings:
    """Return what all worlds have in common."""
    nowhere = {"HOME": "/nonexistent", "XDG_CONFIG_DIRS": "/nonexistent"}
    return load({"max-payload": "16384", "retain": "all"}, nowhere)


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

    store_class: Callable[..., ObservedStore] = ObservedStore

    def __init__(
        self, time: Time, seed: int, note: Callable[..., None], trouble: Callable[[str], None]
    ) -> None:
        self.time = time
        self.seed = seed
        self.note = note
        self.random = Random(f"machine {seed}")
        self.disk = Files(Random(f"disk {seed}"))
        self.model = Model(trouble, self.count)
        self.memory_rooms = (MEMORY, PLAIN) if self.random.random() < 0.25 else (MEMORY,)
        self.retention = self._some_retention()
        self.clock = ProcessClock(time)
        self.clock.alive = False
        self.powered = True
        self.incarnation = 0
        self.links: list[Link] = []
        self.server: Server
        self.worker: SteppedWorker
        self.store: ObservedStore | None = None
        self.stopping = False
        self.given = 0
        """The highest number that a memory room gave."""

    def count(self, what: str, by: int = 1) -> None:
        """Count a situation."""
        self.disk.counts[what] += by

    @property
    def up(self) -> bool:
        """Whether a process runs."""
        return self.clock.alive

    @property
    def committing(self) -> bool:
        """Whether the worker's job is a group of messages, and not a question."""
        commits = self.server.house.commits
        return commits is not None and commits._group is not None

    def is_stored(self, room: str) -> bool:
        """Return whether a room is stored."""
        return room not in self.memory_rooms

    def start(self) -> bool:
        """Start a process; return whether it came to serve."""
        # Memory rooms begin at Unix time: who sets the clock back over a restart gives their
        # numbers twice, which is documented.  Here it is right again when a process starts.
        self.time.wall_offset += max(0, self.given + 1 - self.time.wall())
        spare = self.time.wall() - self.given - 1
        chance = Random(f"clock {self.seed} {self.incarnation}")
        if chance.random() < 0.08 and spare > 0:  # the machine's clock was wrong meanwhile
            self.time.wall_offset -= min(spare, chance.choice([500_000, 5_000_000, 60_000_000]))
            self.count("clocks set back over a restart")
        self.powered = True
        for link in self.links:
            link.powered = True
        self.links.clear()
        self.disk.begin_process()
        if self.random.random() < 0.3:
            self.retention = self._some_retention()
            self.count("retention configured anew")
        clock = ProcessClock(self.time)
        self.store = store = self.store_class(self.disk, self.model, self.retention)
        began, wait = self.time.now, min(CONFIRM_SECONDS, self.retention.age or CONFIRM_SECONDS)
        steady: set[int] = set()
        store.was_steady = steady.__contains__

        def wall() -> int:
            """Return the time, and note in milliseconds that the clock was steady when read."""
            reading = self.time.wall()
            if self.time.now - max(began, self.time.jumped) >= wait:
                steady.add(reading // 1000)
            return reading

        self.worker = worker = SteppedWorker()
        settings = replace(
            base_settings(),
            memory_room=self.memory_rooms,
            retain=Retain(self.retention.age, self.retention.size),
            store_limit=self.retention.store,
        )
        server = make_server(
            settings,
            clock,
            Storage(store, worker),
            broken=lambda error: self.give_up(clock, error),
            now=wall,
        )
        server.web = make_site(server, ())
        try:
            kept = store.open()
        except (StoreError, Died) as error:
            self.note("refused to start", error)
            self.count("starts refused")
            self._drop_store()
            if isinstance(error, Died):
                self._died()
            return False
        self.incarnation += 1
        self.stopping = False
        self.clock, self.server = clock, server
        # Clients are told of a larger limit than there is, so that some messages are refused.
        server.house.details["max_payload"] = 1 << 20
        server.house.rooms.load(kept)
        server.start()
        self.note("started", self.incarnation, self.retention)
        return True

    def expire(self) -> None:
        """Have the store delete what is too old now, as if the clock had long been steady."""
        commits, store = self.server.house.commits, self.store
        assert commits is not None
        assert store is not None
        now = self.time.wall() // 1000
        store.proposed.add(now)
        commits.archive.prune(now)

    def kill(self) -> None:
        """End the process at once; its system closes its sockets."""
        self._end()
        for link in self.links:
            if link.server.connected:
                link.server.hang_up()
        self.links.clear()

    def cut_power(self) -> int:
        """End everything at once; return how many files the disk has forgotten something of."""
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
            self.count("processes that gave up")
            self.kill()

    def work(self) -> None:
        """Do the worker's next job."""
        try:
            self.worker.work()
        except Died as death:
            self.note("died", death)
            self._died()

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
            if not clock.alive or self.store is None:
                return
            try:
                self.store.close()
                self.count("stores closed well")
            except StoreError as error:
                self.note("not closed well", error)
            if self.disk.dead:
                self._died()
            else:
                self.kill()

        Deferred.fromCoroutine(self.server.drain()).addCallback(ended)

    def discard(self) -> None:
        """End what is left of the world's last process."""
        self.clock.alive = False
        self._drop_store()

    def _died(self) -> None:
        """The process was killed at its work, perhaps by a power cut."""
        if self.disk.with_power:
            self.count("files that forgot something", self.cut_power())
        elif self.up:
            self.kill()

    def _end(self) -> None:
        rooms = self.server.house.rooms
        names = [rooms._rooms[name] for name in self.memory_rooms if name in rooms._rooms]
        self.given = max(self.given, rooms._given, *(room.received for room in names))
        self.clock.alive = False
        self._drop_store()

    def _drop_store(self) -> None:
        """Free what the dead process had in memory; nothing of it reaches the disk."""
        self.disk.end_process()
        store, self.store = self.store, None
        connection = None if store is None else store._database._connection
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error:
                pass  # its process is dead

    def _some_retention(self) -> Retention:
        """Return random retention settings; often the size is exactly that of a room's messages."""
        random = self.random
        age = random.choice(AGES) if random.random() < 0.3 else None
        size = random.choice(SIZES) if random.random() < 0.4 else None
        store = random.choice(STORES) if random.random() < 0.2 else None
        rows = self.model.rows.get("one") or self.model.rows.get("two") or []
        if size is not None and len(rows) > 2 and random.random() < 0.7:
            size = sum(row.size for row in rows[random.randrange(1, len(rows) - 1) :])
        return Retention(age, size, store)

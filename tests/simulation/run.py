"""One run: a seed decides what happens and when, then everything heals and is judged.

Law of this file: all chance comes from the seed; after the last fault there is nothing that
may keep a message from its acknowledgement, or a member from the newest message.
"""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from random import Random

from tests.history import Fault, judge
from tests.simulation import faults, instruments
from tests.simulation.audit import audit, finish
from tests.simulation.machine import MEMORY, PLAIN
from tests.simulation.people import WATCHED, Member, Publisher
from tests.simulation.world import ROOMS, World

STEPS = 800
ROUNDS = 3000
"""Rounds of everything until a healed world must be quiet."""

SIZES = (0, 0, 10, 100, 700, 3000)
TOO_LARGE = 20_000
"""Bytes of a message that the server refuses; see `Machine.start`."""

SLOW = 0.15
"""How many of the seeds have a slow store, so that much is on its way, and who comes back finds
what it said before not yet stored."""

PIECES = (1, 7, 100, 128, 500, 4096, 4096)

ACTS = {
    "deliver": 40, "flush": 25, "turn": 20, "work": 9, "report": 9, "answer": 8, "reset": 5,
    "say": 9, "eat": 9, "wait": 4, "begin": 5, "move": 2,
}  # fmt: skip

FAULTS = {
    "cut": 6, "half open": 5, "freeze": 2, "kill server": 3, "power cut": 2, "die at work": 3,
    "failed sync": 2, "full": 2, "wall": 1, "prune": 6, "takeover": 6, "kill person": 3, "stop": 1,
    "long wait": 2,
}  # fmt: skip


@dataclass
class Outcome:
    """What came of a run."""

    seed: int
    digest: str
    faults: list[Fault]
    troubles: list[str]
    happened: list[str] = field(repr=False)
    trace: list[str] = field(repr=False)
    counts: Counter[str] = field(repr=False)

    @property
    def found(self) -> list[str]:
        """Everything that must never be."""
        return [*map(str, self.faults), *self.troubles]


class Run:
    """A world under one seed's chance."""

    def __init__(self, seed: int, *, full_trace: bool = False, steps: int = STEPS) -> None:
        self.world = World(seed, full_trace=full_trace)
        self.random = Random(f"run {seed}")
        self.steps = steps
        random = self.random
        # Each seed has faults of its own: with all of them at once nothing would get far.
        names = [name for name in FAULTS if random.random() < 0.6]
        self.fault_names = names
        self.fault_weights = [FAULTS[name] for name in names]
        self.fault_rate = random.choice([0.01, 0.02, 0.04]) if names else 0.0
        self.act_names = list(ACTS)
        self.act_weights = [ACTS[name] * random.choice([0.1, 0.3, 1, 1, 3]) for name in ACTS]
        self.slow = random.random() < SLOW
        if self.slow:
            self.fault_names = ["half open", "takeover", "kill server", "full", "die at work"]
            self.fault_weights = [8, 8, 3, 3, 3]
            self.fault_rate = 0.03
        self.pieces = random.choice([PIECES, (4096,), (1, 128, 1000)])

    def go(self) -> Outcome:
        """Run to the end."""
        world = self.world
        complete = False
        with instruments.counting(world):
            try:
                world.machine.start()
                for person in world.people:
                    if self.random.random() < 0.7:
                        person.start()
                for _ in range(self.steps):
                    world.steps += 1
                    self.step()
                self.heal()
                kept = audit(world, self.settle)
                finish(world, kept)
                complete = True
            except Exception as error:  # a fault of the product, or of the harness
                world.trouble(f"{type(error).__name__}: {error}")
                if isinstance(error, AssertionError):
                    raise
                instruments.explain(world, error)
        for key, value in world.machine.disk.counts.items():
            world.counts[key] += value
        found = judge(world.history) if complete else []
        return Outcome(
            world.seed, world.digest, found, world.troubles, world.faults, list(world.trace),
            world.counts,
        )  # fmt: skip

    # -- chance --------------------------------------------------------------

    def step(self) -> None:
        """Do one thing."""
        random = self.random
        if random.random() < self.fault_rate:
            (name,) = random.choices(self.fault_names, self.fault_weights)
            getattr(self, "fault_" + name.replace(" ", "_"))()
            return
        for _ in range(20):
            (name,) = random.choices(self.act_names, self.act_weights)
            if getattr(self, "do_" + name)():
                return
        self.do_wait()

    def do_deliver(self) -> bool:
        ends = self.world.readable()
        if ends:
            self.world.deliver(self.random.choice(ends), self.random.choice(self.pieces))
        return bool(ends)

    def do_flush(self) -> bool:
        ends = self.world.writable()
        if ends:
            self.random.choice(ends).flush()
        return bool(ends)

    def do_turn(self) -> bool:
        clocks = self.world.due()
        if clocks:
            self.random.choice(clocks).turn()
        return bool(clocks)

    def do_work(self) -> bool:
        machine = self.world.machine
        if machine.up and machine.worker.waiting:
            if not (self.slow and machine.committing and self.random.random() < 0.85):
                machine.work()
            return True
        return False

    def do_report(self) -> bool:
        machine = self.world.machine
        if machine.up and machine.worker.finished:
            machine.report()
            return True
        return False

    def do_answer(self) -> bool:
        attempts = self.world.attempts
        if attempts:
            self.world.answer(self.random.choice(attempts))
            return True
        return False

    def do_reset(self) -> bool:
        ends = self.world.resets()
        if ends:
            self.world.reset(self.random.choice(ends))
        return bool(ends)

    def do_say(self) -> bool:
        random, world = self.random, self.world
        speaker = random.choice(world.speakers)
        for _ in range(random.choice([1, 1, 3, 8])):
            if not speaker.can_say:
                return False
            plain = not speaker.typed
            large = not plain and random.random() < 0.02
            room = PLAIN if plain else random.choice((*ROOMS, MEMORY))
            speaker.say(room, TOO_LARGE if large else random.choice(SIZES))
        return True

    def do_eat(self) -> bool:
        self.random.choice(self.world.members).eat(self.random.choice([1, 5, 30]))
        return True

    def do_move(self) -> bool:
        """Somebody leaves a room, or the server, and comes back."""
        world, random = self.world, self.random
        member = random.choice(world.members)
        member.leaving.add(random.choice(list(member.how)))
        publisher = random.choice(world.publishers)
        if publisher.ready and random.random() < 0.1:
            publisher.leave()
        return True

    def do_wait(self) -> bool:
        world = self.world
        until = world.next_time()
        if until is not None and self.random.random() < 0.5:
            world.time.now = max(world.time.now, until)
        else:
            world.time.now += self.random.choice([0.01, 0.3, 1.0, 2.5])
        return True

    def do_begin(self) -> bool:
        """Start what is down."""
        world, random = self.world, self.random
        if not world.machine.up and random.random() < 0.7:
            world.machine.start()
            return True
        for link in world.links:
            if link.frozen and random.random() < 0.2:
                link.frozen = False
        if world.machine.disk.full and random.random() < 0.5:
            world.machine.disk.full = False
            return True
        person = random.choice(world.people)
        if isinstance(person, Publisher):
            person.look()
        if not person.alive:
            person.start()
            return True
        if person is world.repeater and not world.repeater.line:
            world.repeater.connect()
            return True
        return False

    # -- faults --------------------------------------------------------------

    def fault_cut(self) -> None:
        links = [link for link in self.world.links if link.client.connected]
        if links:
            link = self.random.choice(links)
            inside = link.cut()
            self.world.fault("cuts", link.number)
            self.world.counts["cuts inside a frame"] += inside

    def fault_half_open(self) -> None:
        links = [link for link in self.world.links if link.client.connected and not link.severed]
        if links:
            link = self.random.choice(links)
            link.lossy = link.client.reset = True
            self.world.fault("half-open connections", link.number)

    def fault_freeze(self) -> None:
        links = self.world.links
        if links:
            link = self.random.choice(links)
            link.frozen = True
            self.world.fault("silences", link.number)

    def fault_kill_server(self) -> None:
        if self.world.machine.up:
            self.world.fault("server kills")
            self.world.machine.kill()

    def fault_power_cut(self) -> None:
        if self.world.machine.powered:
            lost = self.world.machine.cut_power()
            self.world.fault("power cuts", lost)
            self.world.counts["transactions forgotten"] += lost

    def fault_die_at_work(self) -> None:
        when = self.random.choice(["before the write", "between write and sync", "behind the sync"])
        disk = self.world.machine.disk
        disk.die, disk.with_power = when, self.random.random() < 0.4
        self.world.fault("deaths at work to come", when, disk.with_power)

    def fault_failed_sync(self) -> None:
        self.world.machine.disk.fail_sync = 1
        self.world.fault("failing syncs to come")

    def fault_full(self) -> None:
        self.world.machine.disk.full = True
        self.world.fault("full disks")

    def fault_wall(self) -> None:
        by = self.random.choice([-3600, -5, -0.2, 0.2, 5, 3600])
        self.world.time.wall_offset += int(by * 1e6)
        self.world.fault("clock steps", by)

    def fault_prune(self) -> None:
        machine = self.world.machine
        machine.limit = self.random.choice([0, 1, 3, 8])
        if machine.up and machine.server.house.commits is not None:
            self.world.fault("expiries", machine.limit)
            machine.server.house.commits.prune(0)

    def fault_takeover(self) -> None:
        publisher = self.random.choice(self.world.publishers)
        if publisher.ready:
            self.world.fault("takeovers", publisher.name)
            publisher.start()

    def fault_kill_person(self) -> None:
        person = self.random.choice(self.world.people)
        if person.alive and not person.going:
            self.world.fault("program kills", person.name)
            person.kill()

    def fault_stop(self) -> None:
        machine = self.world.machine
        if machine.up and not machine.stopping:
            self.world.fault("stops")
            machine.stop()

    def fault_long_wait(self) -> None:
        self.world.time.now += self.random.choice([12.0, 35.0, 100.0])
        self.world.fault("long waits")

    # -- the end -------------------------------------------------------------

    def heal(self) -> None:
        """No more faults: everything reconnects and drains, or is stuck."""
        world = self.world
        world.note("heals")
        disk = world.machine.disk
        disk.full, disk.fail_sync, disk.die = False, 0, ""
        silent = [person.clock for person in (world.repeater, *world.plain)]
        for link in world.links:
            link.frozen = False
            link.window = 1 << 16
            if link.client.clock in silent and link.client.connected != link.server.connected:
                for end in link.ends:
                    end.reset = end.connected  # by TCP's keep-alive: they have no heartbeat
        world.windows = [1 << 16]
        current = [person.clock for person in world.people]
        for clock in world.clocks:
            if clock.alive and clock not in current:
                world.kill(clock)  # a program that another one has replaced
        for member in world.members:
            member.eat(1 << 40)
        self.settle(self.quiet)
        for member in world.members:
            for room, reading in member.readings.items():
                if reading.start is not None or reading.got:
                    reading.end = self.head(room)
            self.check_presence(member)
        room = world.machine.server.house.rooms.get(MEMORY)
        if room is not None:
            world.memory_first[world.machine.incarnation] = room.first

    def check_presence(self, member: Member) -> None:
        """Compare who is there with what a member that watches was told."""
        room = self.world.machine.server.house.rooms.get(WATCHED)
        if room is not None and WATCHED in member.readings:
            there, told = sorted(room.names()), sorted(member.present[WATCHED])
            if there != told:
                self.world.trouble(f"PHANTOM {member.name} sees {told} where {there} are")

    def settle(self, done: object) -> None:
        """Let everything happen that can, in turn, until `done()` says so."""
        world = self.world
        for _ in range(ROUNDS):
            world.steps += 1
            if self._round():
                continue
            if done():  # type: ignore[operator]
                return
            world.time.now = max(world.time.now, min(world.next_time() or 1e18, world.time.now + 1))
        world.trouble(f"STUCK: {self._why()}")
        raise Stuck

    def quiet(self) -> bool:
        """Whether everybody is there, all that was said is settled, and all members have it."""
        world = self.world
        for person in world.people:
            if person is not world.repeater and not (person.ready and person.client.connected):
                return False
        if any(link.client.connected != link.server.connected for link in world.links):
            return False
        if any(person.journal for person in (*world.publishers, world.repeater)):
            return False
        for member in world.members:
            for room, reading in member.readings.items():
                due = reading.start is not None or reading.got  # else it came to nothing new
                if due and (member.at(room) or 0) < self.head(room):
                    return False
        return True

    def head(self, room: str) -> int:
        found = self.world.machine.server.house.rooms.get(room)
        if found is None or (room == MEMORY and not found.tail.pieces):
            return 0
        return found.head

    def _round(self) -> bool:
        """Do everything once; return whether there was anything."""
        world, machine = self.world, self.world.machine
        acted = False
        if not machine.up:
            machine.start()
            acted = True
        for person in world.people:
            if isinstance(person, Publisher):
                person.look()
            if not person.alive:
                person.start()
                acted = True
        if world.repeater.alive and not world.repeater.line:
            world.repeater.connect()
        for attempt in list(world.attempts):
            acted = acted or attempt.person is not world.repeater
            world.answer(attempt)
        for clock in world.due():
            clock.turn()
            acted = True
        while machine.up and (machine.worker.waiting or machine.worker.finished):
            if machine.worker.waiting:
                machine.work()
            if machine.up and machine.worker.finished:
                machine.report()
            acted = True
        for end in world.resets():
            world.reset(end)
            acted = True
        for end in world.writable():
            if end.writable:
                end.flush()
                acted = True
        for end in world.readable():
            if end.readable:
                world.deliver(end, 1 << 20)
                acted = True
        return acted

    def _why(self) -> str:
        world = self.world
        owed = {
            person.name: list(person.journal)[:5]
            for person in (*world.publishers, world.repeater)
            if person.journal
        }
        behind = {
            f"{member.name} in {room}": (member.at(room), self.head(room))
            for member in world.members
            for room in member.readings
            if (member.at(room) or 0) < self.head(room)
        }
        return f"not acknowledged: {owed}; behind: {behind}"


class Stuck(Exception):
    """A healed world does not come to rest."""


def run(seed: int, fault: str = "", *, full_trace: bool = False) -> Outcome:
    """Run one seed, with a planted fault if one is named."""
    with faults.FAULTS[fault]() if fault else nullcontext():
        return Run(seed, full_trace=full_trace).go()


def first_found(fault: str, seeds: range) -> Outcome | None:
    """Run seeds with a planted fault until it is found."""
    for seed in seeds:
        outcome = run(seed, fault)
        if outcome.found:
            return outcome
    return None


__all__ = ["Outcome", "Run", "first_found", "run"]

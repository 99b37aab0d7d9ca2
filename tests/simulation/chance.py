"""What happens next, by chance: one act of many, or a mishap.

Law of this file: all chance comes from the one source that it is given.
"""

from __future__ import annotations

from random import Random
from typing import cast

from tests.simulation.clocks import ProcessClock
from tests.simulation.http import HttpPerson
from tests.simulation.machine import MEMORY, PLAIN
from tests.simulation.mishaps import FAULTS, Mishaps
from tests.simulation.plain import PlainPerson
from tests.simulation.publisher import Publisher
from tests.simulation.world import ROOMS, World

SIZES = (0, 0, 10, 100, 700, 3000)
TOO_LARGE = 20_000
"""Bytes of a message that the server refuses; see `Machine.start`."""

SLOW = 0.15
"""How many of the seeds have a slow store, so that much is on its way, and who comes back finds
what it said before not yet stored."""

PIECES = (1, 7, 100, 128, 500, 4096, 4096)

ACTS = {
    "deliver": 40, "flush": 25, "turn": 20, "work": 9, "report": 9, "answer": 8, "reset": 5,
    "say": 9, "eat": 9, "wait": 4, "begin": 5, "move": 2, "crowd": 2, "mix": 3, "flood": 1,
}  # fmt: skip


class Chance(Mishaps):
    """The scheduler: each seed has habits of its own."""

    def __init__(self, world: World, random: Random) -> None:
        super().__init__(world, random)
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
        alike = random.random() < 0.3  # a flood of one size to one room, which makes runs
        times = random.choice([8, 20] if alike else [1, 1, 3, 8])
        for first in (True, *[False] * (times - 1)):
            if not speaker.can_say:
                return False
            if first or not alike:
                plain = speaker.kind == "plain"
                large = not (plain or alike) and random.random() < 0.02
                room = PLAIN if plain else random.choice((*ROOMS, MEMORY))
                if not plain and random.random() < 0.04:
                    room = f"passing{random.randrange(5)}"
                if speaker in world.publishers and random.random() < 0.05:
                    room = f"@{random.choice(world.members).name}"
                size = TOO_LARGE if large else random.choice(SIZES)
            speaker.say(room, size)
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

    def do_crowd(self) -> bool:
        """Several people speak in one room, in one turn of the server's, and some come to it."""
        world, random = self.world, self.random
        if not world.machine.up or world.machine.stopping:
            return False
        for plain in world.plain:
            if plain.ready and random.random() < 0.2:
                plain.kill()  # its connection ends, and it comes back
        for person in world.plain:
            if not person.alive:
                person.start()
        for speaker in random.choices(world.speakers, k=random.choice([3, 6])):
            if speaker.can_say and speaker not in world.posters:
                for _ in range(random.choice([1, 2, 4])):
                    speaker.say(PLAIN, 10)
                    self.hurry(speaker.clock)
                    late = self.come_in()
                    if late is not None and random.random() < 0.5:
                        speaker.say(PLAIN, 10)  # the other has come amid what this one says
                        self.hurry(speaker.clock)
                    if late is not None and late.can_say:
                        late.say(PLAIN, 10)
                        self.hurry(late.clock)
        world.counts["crowds"] += 1
        return True

    def come_in(self) -> PlainPerson | None:
        """Have a plain peer that waits for its connection come in, perhaps; return it."""
        world = self.world
        for attempt in world.attempts:
            if attempt.person in world.plain and self.random.random() < 0.3:
                world.answer(attempt)
                for _ in range(4):
                    self.hurry(attempt.clock)
                    if attempt.clock.due:
                        attempt.clock.turn()
                return cast(PlainPerson, attempt.person)
        return None

    def do_mix(self) -> bool:
        """One speaks in a memory room and in a stored one, while others' words cannot be stored."""
        world, random = self.world, self.random
        machine = world.machine
        speakers = [each for each in world.publishers if each.can_say and not each.journal]
        if not machine.up or machine.stopping or not speakers:
            return False
        speaker = random.choice(speakers)
        others = [each for each in world.speakers if each.can_say and each is not speaker]
        if "full" in self.fault_names and random.random() < 0.5:
            machine.disk.free = 0
        for other in others[:2]:
            other.say("one" if other.typed else PLAIN, 3000)
            self.hurry(other.clock)
        if machine.clock.due:
            machine.clock.turn()
        for room in random.choice([(MEMORY, "one"), ("one", MEMORY), (MEMORY, "two", MEMORY)]):
            speaker.say(room, 10)
        self.hurry(speaker.clock)
        while machine.up and (machine.worker.waiting or machine.worker.finished):
            if machine.worker.waiting:
                machine.work()
            if machine.up and machine.worker.finished:
                machine.report()
        if random.random() < 0.8:
            machine.disk.full = False
        world.counts["mixed rooms"] += 1
        return True

    def do_flood(self) -> bool:
        """Many speak in a memory room of which one member takes nothing, until it leaves."""
        world, random = self.world, self.random
        machine = world.machine
        if not machine.up or machine.stopping:
            return False
        room = random.choice(machine.memory_rooms)
        readers = [world.followers[1], world.members[2], world.members[3]]
        if room == PLAIN:
            readers = [*world.plain, world.members[1]]
        clocks = [reader.clock for reader in readers]
        links = [each for each in world.links if each.client.clock in clocks]
        links = [each for each in links if each.client.connected and each.server.connected]
        if not links:
            return False
        slow = random.choice(links)
        slow.client.stalled = True
        speakers = [each for each in world.speakers if each.typed or room == PLAIN]
        for _ in range(random.choice([10, 30])):
            speaker = random.choice(speakers)
            if speaker.can_say:
                for _ in range(random.choice([1, 5])):
                    speaker.say(room, random.choice([10, 3000]))
                self.hurry(speaker.clock)
            if random.random() < 0.6:
                self.settle_turns()
        if random.random() < 0.5:
            world.time.now += 12.0
            self.settle_turns()
        there = machine.server.house.rooms._rooms.get(room) if machine.up else None
        world.counts["floods of a memory room"] += 1
        if there is not None and there.congested and random.random() < 0.7:
            slow.cut()
            world.fault("cuts of a slow member", slow.number)
        return True

    def hurry(self, clock: ProcessClock) -> None:
        """Have what a program wrote be with the server at once."""
        for link in self.world.links:
            if link.client.clock is clock and not link.frozen:
                for _ in range(20):
                    if link.client.writable:
                        link.client.flush()
                    if not link.server.readable:
                        break
                    self.world.deliver(link.server, 1 << 16)

    def settle_turns(self) -> None:
        """Have the server make its turns, and send what the peers take."""
        world = self.world
        if world.machine.up and world.machine.clock.due:
            world.machine.clock.turn()
        for link in world.links:
            if link.server.writable:
                link.server.flush()

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
            if link.client.stalled and random.random() < 0.1:
                link.client.stalled = False
        disk = world.machine.disk
        if (disk.full or disk.read_only) and random.random() < 0.5:
            disk.full = disk.read_only = False
            return True
        person = random.choice(world.people)
        if isinstance(person, Publisher):
            person.look()
        if not person.alive:
            person.start()
            return True
        if isinstance(person, HttpPerson):
            person.begin()
        if person is world.repeater and not world.repeater.line:
            world.repeater.connect()
            return True
        return False

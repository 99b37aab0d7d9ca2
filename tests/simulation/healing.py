"""The end of all faults: everything reconnects and drains, or is stuck.

Law of this file: no chance is left; whatever can happen does, in turn, and only then does
time pass.
"""

from __future__ import annotations

from tests.simulation.http import HttpPerson
from tests.simulation.machine import PLAIN
from tests.simulation.member import WATCHED
from tests.simulation.publisher import Publisher
from tests.simulation.world import World

ROUNDS = 3000
"""Rounds of everything until a healed world must be quiet."""


class Stuck(Exception):
    """A healed world does not come to rest."""


class Healing:
    """A world without faults."""

    def __init__(self, world: World) -> None:
        self.world = world

    def heal(self) -> None:
        """No more faults: everything reconnects and drains, or is stuck."""
        world = self.world
        world.note("heals")
        disk = world.machine.disk
        disk.full = disk.read_only = False
        disk.fail_sync, disk.doom = 0, None
        silent = [person.clock for person in (world.repeater, *world.plain, *world.http)]
        for link in world.links:
            link.frozen = link.lossy = link.client.stalled = False
            link.window = 1 << 16
            unknown = getattr(link.server.protocol, "session", None) is None
            deaf = unknown or link.kind in ("plain", "http") or link.client.clock in silent
            if deaf and link.client.connected != link.server.connected:
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
        for follower in world.followers:
            if follower.reading.start is not None or follower.reading.got:
                follower.reading.end = self.head(follower.room)
        for plain in world.plain:
            if (world.machine.incarnation, world.number_of[plain.voice]) in world.joined:
                world.plain_ends[plain.voice] = self.head(PLAIN)
        for member in world.members:
            for room, reading in member.readings.items():
                if room not in member.skips and (reading.start is not None or reading.got):
                    reading.end = self.head(room)
        self.check_presence()
        for room in world.history.outcomes:
            world.firsts[room] = world.machine.model.first(room)
        for name in world.machine.memory_rooms:
            room = world.machine.server.house.rooms.get(name)
            if room is not None:
                world.memory_first[world.machine.incarnation, name] = room.first

    def check_presence(self) -> None:
        """Compare who is in a room with what the room says, and what its watchers were told."""
        world = self.world
        room = world.machine.server.house.rooms.get(WATCHED)
        if room is None:
            return
        there = sorted(room.names())
        readers = [each for each in world.members if WATCHED in each.how]
        readers = [each for each in readers if WATCHED not in each.skips]
        due = sorted(each.client.server["name"] for each in readers)
        followers = sum(each.following for each in world.followers if each.room == WATCHED)
        followers += world.repeater.reads
        named = [name for name in there if not name.startswith("guest-")]
        if named != due or len(there) - len(named) != followers:
            world.trouble(
                f"PRESENCE {there} are in {WATCHED}: {due} and {followers} followers are due"
            )
        for member in readers:
            told = sorted(member.present[WATCHED])
            if there != told:
                world.trouble(f"PRESENCE {member.name} sees {told} where {there} are")

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
            if person is world.repeater or isinstance(person, HttpPerson):
                continue
            if not (person.ready and person.client.connected):
                return False
        if any(link.client.connected != link.server.connected for link in world.links):
            return False
        if any(person.journal for person in (*world.publishers, world.repeater, *world.posters)):
            return False
        for follower in world.followers:
            due = follower.reading.start is not None or follower.reading.got
            if not follower.following or (due and (follower.place or 0) < self.head(follower.room)):
                return False
        for member in world.members:
            for room, reading in member.readings.items():
                if room in member.skips:
                    continue
                due = reading.start is not None or reading.got  # else it came to nothing new
                if due and (member.at(room) or 0) < self.head(room):
                    return False
        return True

    def head(self, room: str) -> int:
        found = self.world.machine.server.house.rooms.get(room)
        volatile = not self.world.machine.is_stored(room)
        if found is None or (volatile and not found.tail.pieces):
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
            if isinstance(person, HttpPerson) and person.alive and not person.busy:
                person.begin()
            if not person.alive:
                person.start()
                acted = True
        if world.repeater.alive and not world.repeater.line:
            world.repeater.connect()
        for attempt in list(world.attempts):
            patient = attempt.person is world.repeater or isinstance(attempt.person, HttpPerson)
            acted = acted or not patient
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
            for person in (*world.publishers, world.repeater, *world.posters)
            if person.journal
        }
        behind = {
            f"{member.name} in {room}": (member.at(room), self.head(room))
            for member in world.members
            for room in member.readings
            if (member.at(room) or 0) < self.head(room)
        }
        behind |= {
            f"{each.name} in {each.room}": (each.place, self.head(each.room), each.following)
            for each in world.followers
        }
        return f"not acknowledged: {owed}; behind: {behind}"

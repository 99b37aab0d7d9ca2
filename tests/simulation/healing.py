"""The end of all faults: everything reconnects and drains, or is stuck.

Law of this file: no chance is left; whatever can happen does, in turn, and only then does
time pass.
"""

from __future__ import annotations

from tests.simulation.machine import MEMORY
from tests.simulation.member import WATCHED, Member
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
        disk.full, disk.fail_sync, disk.die = False, 0, ""
        silent = [person.clock for person in (world.repeater, *world.plain)]
        for link in world.links:
            link.frozen = link.lossy = False
            link.window = 1 << 16
            deaf = not link.typed or link.client.clock in silent
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

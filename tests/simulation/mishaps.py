"""What goes wrong, by chance: connections, processes, disks and clocks.

Law of this file: each mishap is one that the world outside may bring, and is counted.
"""

from __future__ import annotations

from random import Random

from tests.simulation.files import DOOMS
from tests.simulation.world import World

FAULTS = {
    "cut": 6, "half open": 5, "freeze": 2, "stall": 4, "kill server": 3, "power cut": 2,
    "die at work": 4, "failed sync": 2, "full": 3, "read only": 1, "wall": 1, "prune": 6,
    "takeover": 6, "member takeover": 2, "kill person": 3, "stop": 1, "long wait": 2,
}  # fmt: skip


class Mishaps:
    """What may go wrong in a world."""

    def __init__(self, world: World, random: Random) -> None:
        self.world = world
        self.random = random

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

    def fault_stall(self) -> None:
        links = [link for link in self.world.links if link.client.connected]
        if links:
            slow = [link for link in links if link.kind != "typed"]
            link = self.random.choice(slow if slow and self.random.random() < 0.8 else links)
            link.client.stalled = True
            self.world.fault("peers that stop reading", link.number, link.kind)

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
        disk = self.world.machine.disk
        disk.doom, disk.with_power = self.random.choice(DOOMS), self.random.random() < 0.5
        self.world.fault("deaths at work to come", disk.doom.name, disk.with_power)

    def fault_failed_sync(self) -> None:
        self.world.machine.disk.fail_sync = 1
        self.world.fault("failing syncs to come")

    def fault_full(self) -> None:
        self.world.machine.disk.full = True
        self.world.fault("full disks")

    def fault_read_only(self) -> None:
        self.world.machine.disk.read_only = True
        self.world.fault("read-only disks")

    def fault_wall(self) -> None:
        by = self.random.choice([-3600, -5, -0.2, 0.2, 5, 3600])
        machine = self.world.machine
        there = machine.server.house.rooms._rooms if machine.up else {}
        if by < 0 and not all(room in there for room in machine.memory_rooms):
            return  # a memory room that begins later would give numbers again: see `Machine`
        self.world.time.set_wall(by)
        self.world.fault("clock steps", by)

    def fault_prune(self) -> None:
        machine = self.world.machine
        if machine.up and machine.server.house.commits is not None:
            self.world.fault("expiries")
            machine.expire()

    def fault_takeover(self) -> None:
        publisher = self.random.choice(self.world.publishers)
        if publisher.ready:
            self.world.fault("takeovers", publisher.name)
            publisher.start()

    def fault_member_takeover(self) -> None:
        """A member's machine is gone, and another one goes on as the same client."""
        member = self.world.members[0]
        if not member.ready:
            return
        for link in self.world.links:
            if link.client.clock is member.clock and link.client.connected:
                link.lossy = True
                link.client.vanish()
        member.kill()
        rooms = sorted(member.how)
        member.skips = set() if self.random.random() < 0.3 else {self.random.choice(rooms)}
        self.world.fault("takeovers of members", *sorted(member.skips))
        member.start()

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

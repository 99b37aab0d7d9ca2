"""A peer that talks and listens as the original scripts do.

Law of this file: each connection is a membership, and a sender, of its own.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from tests.history import Said
from tests.simulation.clocks import ProcessClock
from twisted_msg.client import (
    PlainClient,
)

if TYPE_CHECKING:
    from tests.simulation.world import World


from tests.simulation.people import Person, Road, read, written


class PlainPerson(Person):
    """Talks and listens as the original scripts do.

    Each connection is a membership, and a sender, of its own: nothing is promised over two.
    """

    typed = False
    kind = "plain"

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.voice = name
        self.voices = self.count = 0
        self.heard: list[Said] = []

    def make(self, random: Random) -> PlainClient:
        return PlainClient(self.clock, Road(self), on_connected=self._begin, jitter=random.random)

    def _begin(self) -> None:
        self.voices += 1
        self.voice = f"{self.name}.{self.voices}"
        self.world.process_of[self.voice] = self.world.machine.incarnation
        links = [link for link in self.world.links if link.client.clock is self.clock]
        self.world.number_of[self.voice] = links[-1].server.protocol.number
        self.heard = self.world.plain_readings.setdefault(self.voice, [])

    def start(self) -> None:
        super().start()  # and listen at once: what is heard later may be of an earlier connection
        listening = Deferred.fromCoroutine(self._listen(self.client, self.clock))
        listening.addErrback(self.ended, self.clock)

    def connected(self, client: PlainClient, clock: ProcessClock) -> None:
        self.ready = True

    async def _listen(self, client: PlainClient, clock: ProcessClock) -> None:
        async for payload in client:
            if not clock.alive:
                return
            self.heard.append(read(payload))
            self.world.note("heard", self.voice, payload[:12])

    def say(self, room: str, size: int) -> None:
        """Say something, if there is a connection; nobody tells whether it arrived."""
        if self.client.connected:
            self.count += 1
            said = Said(self.voice, self.count)
            payload = written(said, size)
            self.world.sent(room, said, payload)
            self.client.send(payload).addErrback(lambda _: None)

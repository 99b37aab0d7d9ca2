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
        self.heard = self.world.plain_readings.setdefault(self.voice, [])

    def connected(self, client: PlainClient, clock: ProcessClock) -> None:
        self.ready = True
        Deferred.fromCoroutine(self._listen(client, clock)).addErrback(self.ended, clock)

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
            self.world.said(room, said, "unknown", None)
            self.client.send(written(said, size)).addErrback(lambda _: None)

"""A member: it reads rooms, and remembers in each how far it has come.

Law of this file: what it was handed is written down at once, and a program that is started
again goes on behind that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from tests.history import Said
from tests.simulation.clocks import ProcessClock
from twisted_msg.client import (
    Client,
    Gap,
    Joined,
    Parted,
    Presence,
)

if TYPE_CHECKING:
    from tests.simulation.world import World


from tests.simulation.people import Person, read

WATCHED = "one"
"""The room whose members are told who comes and goes."""


class Member(Person):
    """Reads rooms, and remembers in each how far it has come."""

    def __init__(
        self,
        world: World,
        name: str,
        rooms: list[str],
        how: list[dict[str, int]],
        kind: str = "typed",
    ) -> None:
        super().__init__(world, name)
        self.kind = kind
        self.skips: set[str] = set()
        """Rooms that its program does not read this time."""
        self.directs: list[Said] = []
        self.epoch = -1
        """Which of a reading's times of being let in its list of the present is of."""
        self.how = dict(zip(rooms, how, strict=True))
        self.readings = {
            room: world.reading(name, room, way.get("start")) for room, way in self.how.items()
        }
        self.places: dict[str, int] = {}
        self.leaving: set[str] = set()
        self.present: dict[str, set[str]] = {}
        """Who is in a room, as far as it was told."""
        self.appetite = 0
        self._hungry: list[Deferred[None]] = []
        self.unread_bytes = 2048

    @property
    def secret(self) -> str | None:
        return "secret-of-m0-0123456789" if self.name == "m0" else None

    def start(self) -> None:
        self.epoch = -1
        super().start()

    def connected(self, client: Client, clock: ProcessClock) -> None:
        if clock is not self.clock:
            return
        self.ready = True
        listening = Deferred.fromCoroutine(self._listen(client, clock))
        listening.addErrback(self.ended, clock)
        for room in self.how:
            if room in self.skips:
                continue
            reading = Deferred.fromCoroutine(self._read(client, clock, room))
            reading.addErrback(self.ended, clock)

    def eat(self, count: int) -> None:
        """Read on, so many messages in all."""
        self.appetite += count
        hungry, self._hungry = self._hungry, []
        for waiting in hungry:
            waiting.callback(None)

    def at(self, room: str) -> int | None:
        """Return the last number that it was handed, or was told of as missed."""
        return self.places.get(room)

    def kill(self) -> None:
        super().kill()
        self._hungry.clear()

    async def _listen(self, client: Client, clock: ProcessClock) -> None:
        """Take direct messages."""
        async for message in client.directs():
            if not clock.alive:
                return
            self.world.note("direct", self.name, message.payload[:12])
            self.world.counts["direct messages received"] += 1
            self.world.check_payload(
                f"@{self.name}", message.payload, f"a direct one to {self.name}"
            )
            said = read(message.payload)
            if said in self.directs and self.world.has_one_server(said):
                self.world.trouble(f"DUP {self.name} got the direct message {said} twice")
            self.directs.append(said)

    async def _read(self, client: Client, clock: ProcessClock, room: str) -> None:
        at = self.at(room)

        def missed(gap: Gap) -> None:
            self.world.note("missed", self.name, room, gap.first, gap.last)
            self.places[room] = gap.last
            self.readings[room].missed.append((gap.first, gap.last))
            if gap.last < gap.first:
                self.world.trouble(f"GAP {self.name} finds another history in {room}")

        present = self.present[room] = set()
        if room == WATCHED:
            self.epoch = -1

        def told(event: Presence) -> None:
            self.world.note("told", self.name, *event)
            known = getattr(messages._reading.core, "times", 0) == self.epoch
            if isinstance(event, Joined):
                if known and event.name in present:
                    self.world.trouble(f"PRESENCE {self.name} is told twice that {event} came")
                present.add(event.name)
                self.world.counts["JOIN"] += 1
            elif isinstance(event, Parted):
                if known and event.name not in present:
                    self.world.trouble(f"PRESENCE {self.name} is told that {event} left, unseen")
                present.discard(event.name)
                self.world.counts["PART"] += 1
            else:
                self.epoch = getattr(messages._reading.core, "times", 0)
                present.clear()
                present.update(event.names)
                self.world.counts["HERE"] += 1

        messages = client.messages(
            room,
            on_missed=missed,
            presence=told if room == WATCHED else None,
            **(self.how[room] if at is None else {"start": at + 1}),
        )
        messages._reading.core._limit = self.unread_bytes  # type: ignore[union-attr]
        self.world.kept.append(messages)
        if room == WATCHED:
            Deferred.fromCoroutine(client.who(room)).addErrback(lambda _: None)
        while True:
            while not self.appetite:
                waiting: Deferred[None] = Deferred()
                self._hungry.append(waiting)
                await waiting
            message = await messages.__anext__()
            if not clock.alive:
                return
            self.appetite -= 1
            self.world.check_payload(room, message.payload, f"{self.name} in {room}")
            self.readings[room].got.append((message.seq, read(message.payload)))
            self.places[room] = message.seq
            self.world.note("got", self.name, room, message.seq, message.payload[:12])
            if room in self.leaving:
                self.leaving.discard(room)
                self.world.counts["rooms left and entered again"] += 1
                await messages.aclose()
                await self._read(client, clock, room)
                return

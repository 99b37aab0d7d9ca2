"""Programs that use the client library: publishers that keep a journal, members that read.

Law of this file: real clients only; what a program must keep over its own crashes it keeps
in plain values here, and everything else is lost with its process.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.history import Said
from tests.simulation.clocks import ProcessClock
from tests.simulation.machine import MEMORY
from twisted_msg.client import (
    Client,
    Gap,
    Joined,
    Parted,
    PlainClient,
    Presence,
    Refused,
    Superseded,
)
from twisted_msg.wire import ErrorCode

if TYPE_CHECKING:
    from tests.simulation.world import World


WATCHED = "one"
"""The room whose members are told who comes and goes."""

OWED = 60
"""Messages that are not acknowledged, after which nothing new is said."""


def written(said: Said, size: int) -> bytes:
    """Return the payload that stands for a message."""
    return b"%b %d %b" % (said.client.encode(), said.id, b"x" * size)


def read(payload: bytes) -> Said:
    """Return which message a payload stands for."""
    client, number, _ = payload.split(b" ", 2)
    return Said(client.decode(), int(number))


class Attempt:
    """A connection that somebody asks for."""

    def __init__(self, person: Person, clock: ProcessClock, factory: Any) -> None:
        self.person = person
        self.clock = clock
        self.factory = factory
        self.made: Deferred[Any] = Deferred(self._cancelled)
        self.cancelled = False

    def _cancelled(self, _: object) -> None:
        self.cancelled = True


@implementer(IStreamClientEndpoint)
class Road:
    """The way to the server: whether and when it leads there, the scheduler decides."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self._clock = person.clock  # this program's, though another one may take its place

    def connect(self, factory: Any) -> Deferred[Any]:
        attempt = Attempt(self._person, self._clock, factory)
        self._person.world.attempts.append(attempt)
        return attempt.made


class Person:
    """Somebody with a program that may die and be started again."""

    typed = True

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.clock = ProcessClock(world.time)
        self.clock.alive = False
        self.runs = 0
        self.ready = False
        self.going = False
        """Whether the program is about to end well; it is not killed then."""
        self.client: Any = None

    @property
    def alive(self) -> bool:
        return self.clock.alive

    def start(self) -> None:
        """Start the program anew."""
        self.runs += 1
        self.ready = False
        self.clock = clock = ProcessClock(self.world.time)
        clock.alive = True
        self.world.clocks.append(clock)
        self.client = self.make(Random(f"{self.world.seed} {self.name} {self.runs}"))
        self.world.kept.append(self.client)  # until the end: it must not go in its own time
        connected = Deferred.fromCoroutine(self.client.connect(None))
        connected.addCallback(lambda _: self.connected(self.client, clock))
        connected.addErrback(self.ended, clock)

    @property
    def can_say(self) -> bool:
        """Whether something can be said now."""
        return self.ready

    def say(self, room: str, size: int) -> None:
        """Say something."""
        raise NotImplementedError

    def kill(self) -> None:
        """End the program at once."""
        self.world.kill(self.clock)
        self.client = None
        self.ready = self.going = False

    def make(self, random: Random) -> Any:
        """Return a new client."""
        return Client(
            self.clock,
            Road(self),
            self.name,
            client_id=self.secret,
            jitter=random.random,
            entropy=lambda size: random.randbytes(size).hex(),
        )

    @property
    def secret(self) -> str | None:
        return None

    def connected(self, client: Any, clock: ProcessClock) -> None:
        """The program has its first connection."""

    def ended(self, failure: Failure, clock: ProcessClock) -> None:
        """The client has ended for good: nobody else may have caused that."""
        self.world.note("ended", self.name, failure.value)
        if clock is self.clock:
            self.kill()
        else:
            self.world.kill(clock)
        if not failure.check(Superseded):
            self.world.trouble(f"{self.name} ended: {failure.value}")


class Publisher(Person):
    """Sends to rooms, each message with an id that it keeps until it is acknowledged.

    `journal` outlives its program: what is not known to be stored, by id.
    """

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.journal: dict[int, tuple[str, bytes]] = {}
        self.next = 1
        self._given = -1

    @property
    def can_say(self) -> bool:
        return self.ready and len(self.journal) < OWED

    @property
    def secret(self) -> str:
        return f"secret-of-{self.name}-0123456789"

    def connected(self, client: Client, clock: ProcessClock) -> None:
        """Settle what the server has received, and send the rest again."""
        if clock is not self.clock:
            return
        self.ready = True
        self._given = -1  # this program has begun no ids yet
        last = client.server["last_id"]
        if last >= self.next:
            self.world.trouble(f"PHANTOM {self.name} is told of {last}, sent {self.next - 1}")
        for number in [each for each in self.journal if each <= last]:
            self.settled(number, None)
        for number, (room, payload) in list(self.journal.items()):
            self.world.counts["retries"] += 1
            self._send(client, clock, number, room, payload)

    def say(self, room: str, size: int) -> None:
        """Send a new message."""
        number, self.next = self.next, self.next + 1
        payload = written(Said(self.name, number), size)
        self.journal[number] = room, payload
        self.world.said(room, Said(self.name, number), "unknown", None)
        self._send(self.client, self.clock, number, room, payload)

    def look(self) -> None:
        """Notice that another program of this client has taken over, though nothing was owed."""
        if self.ready and not self.going and self.client.closed:
            self.world.counts["superseded"] += 1
            self.kill()

    def leave(self) -> None:
        """End the program well: when that is done, all it said is stored."""
        self.ready = False
        self.going = True

        def left(_: object) -> None:
            if self.journal:
                self.world.trouble(f"LOST {self.name} has left, owing {list(self.journal)}")
            self.world.counts["programs ended well"] += 1
            self.kill()

        def failed(failure: Failure) -> None:
            self.world.note("could not leave", self.name, failure.value)
            self.kill()

        Deferred.fromCoroutine(self.client.close()).addCallbacks(left, failed)

    def settled(self, number: int, seq: int | None) -> None:
        """A message is known to be stored."""
        entry = self.journal.pop(number, None)
        if entry is not None:
            self.world.said(entry[0], Said(self.name, number), "ok", seq)

    def _send(
        self, client: Client, clock: ProcessClock, number: int, room: str, payload: bytes
    ) -> None:
        if number != self._given + 1:
            client.begin_ids(number)
        self._given = number
        client.send(room, payload).addCallbacks(
            lambda receipt: self.settled(number, receipt.seq),
            self._failed,
            errbackArgs=(number, clock),
        )

    def _failed(self, failure: Failure, number: int, clock: ProcessClock) -> None:
        if failure.check(Superseded):
            if self.clock is clock and clock.alive:
                self.world.counts["superseded"] += 1
                self.kill()
        elif failure.check(Refused):
            entry = self.journal.pop(number, None)
            if entry is not None:
                self.world.counts["refusals"] += 1
                self.world.said(entry[0], Said(self.name, number), "refused", None)
        elif self.clock is clock and clock.alive and not self.going:
            self.world.trouble(f"{self.name} could not send {number}: {failure.value}")


class Member(Person):
    """Reads rooms, and remembers in each how far it has come."""

    def __init__(
        self, world: World, name: str, rooms: list[str], how: list[dict[str, int]]
    ) -> None:
        super().__init__(world, name)
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

    def connected(self, client: Client, clock: ProcessClock) -> None:
        self.ready = True
        for room in self.how:
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

    async def _read(self, client: Client, clock: ProcessClock, room: str) -> None:
        try:
            await self._read_on(client, clock, room)
        except Refused as error:
            # A process that is gone took its memory room along, and the wall's clock was set back.
            if error.code != ErrorCode.BAD_ARGS or room != MEMORY:
                raise
            self.world.note("another history", self.name, room)
            del self.places[room]
            self.how[room] = {"start": 0}
            await self._read_on(client, clock, room)

    async def _read_on(self, client: Client, clock: ProcessClock, room: str) -> None:
        reading = self.readings[room]
        at = self.at(room)

        def missed(gap: Gap) -> None:
            self.world.note("missed", self.name, room, gap.first, gap.last)
            reading.missed.append((gap.first, gap.last))
            self.places[room] = gap.last

        present = self.present[room] = set()

        def told(event: Presence) -> None:
            if isinstance(event, Joined):
                present.add(event.name)
            elif isinstance(event, Parted):
                present.discard(event.name)
            else:
                present.clear()
                present.update(event.names)

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
            reading.got.append((message.seq, read(message.payload)))
            self.places[room] = message.seq
            self.world.note("got", self.name, room, message.seq, message.payload[:12])
            if room in self.leaving:
                self.leaving.discard(room)
                self.world.counts["rooms left and entered again"] += 1
                await messages.aclose()
                await self._read_on(client, clock, room)
                return


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

"""People with programs that may die and be started again, and their way to the server.

Law of this file: real clients only; what a program must keep over its own crashes it keeps
in plain values, and everything else is lost with its process.
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
from twisted_msg.client import (
    Client,
    Superseded,
)

if TYPE_CHECKING:
    from tests.simulation.world import World


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
    kind = "typed"
    """What its connections speak."""

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
            self.world.trouble(f"ENDED {self.name}: {failure.value}")

"""A script that repeats itself, as `examples/publisher.sh` does when it is run again.

Law of this file: it keeps to section 20 of docs/protocol.md and uses no client library: the
same ids, in order, until they are acknowledged, and some of them again behind that.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from tests.history import Said
from tests.simulation.people import OWED, Person, Road, written
from twisted_msg.wire import FrameDecoder
from twisted_msg.wire.replies import Ack, Err, Ping, Welcome, parse_reply
from twisted_msg.wire.requests import Hello, Pong, Pub, Sub

if TYPE_CHECKING:
    from tests.simulation.world import World


class Script(Protocol):
    """One connection of it."""

    transport: Any

    def __init__(self, repeater: Repeater) -> None:
        self._repeater = repeater
        self._decoder = FrameDecoder()

    def connectionMade(self) -> None:
        self.transport.write(Hello(None, self._repeater.secret).encode())

    def dataReceived(self, data: bytes) -> None:
        for frame in self._decoder.feed(data):
            if not frame.words:  # it was too slow for its first frame to be waited for
                self.transport.abortConnection()
                return
            reply = parse_reply(frame)
            if isinstance(reply, Welcome):
                self._repeater.welcome(self, reply.last_id)
            elif isinstance(reply, Ack):
                self._repeater.acknowledged(reply.id, reply.seq)
            elif isinstance(reply, Ping):
                self.transport.write(Pong(reply.token).encode())
            elif isinstance(reply, Err):
                if reply.verb == "PUB" and (reply.subject or "").isdigit():
                    self._repeater.refused(int(reply.subject or ""))
                self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._repeater.script is self:
            self._repeater.script = None
            self._repeater.reads = False
        self._repeater.line = False


class Repeater(Person):
    """Publishes to one room at a time, each message up to five times."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.random = Random(f"repeater {world.seed}")
        self.script: Script | None = None
        self.line = False
        """Whether there is a connection, or will be."""
        self.reads = False
        """Whether it is in a room, whose messages it does not look at."""
        self.journal: dict[int, tuple[str, bytes]] = {}
        self.spoken: dict[int, tuple[str, bytes]] = {}
        self.next = 1
        self.known = 0

    @property
    def secret(self) -> str:
        return "secret-of-the-repeater"

    @property
    def can_say(self) -> bool:
        return self.alive and len(self.journal) < OWED

    def start(self) -> None:
        self.runs += 1
        self.clock = type(self.clock)(self.world.time)
        self.world.clocks.append(self.clock)
        self.script = None
        self.connect()

    def connect(self) -> None:
        """Connect, unless that is done or under way."""
        self.line = True
        factory = Factory.forProtocol(lambda: Script(self))  # type: ignore[arg-type]
        factory.noisy = False
        Road(self).connect(factory).addErrback(self._refused)

    def kill(self) -> None:
        super().kill()
        self.script = None
        self.reads = False
        self.line = False

    def _refused(self, _: Failure) -> None:
        self.line = False

    def welcome(self, script: Script, last: int) -> None:
        """Settle what is stored, and say the rest again."""
        self.script = script
        if self.random.random() < 0.3:  # in, and in again, which nobody is to be told of twice
            self.reads = True
            script.transport.write(Sub("one").encode() * 2)
            self.world.counts["rooms entered twice"] += 1
        if last >= self.next:
            self.world.trouble(f"PHANTOM r is told of id {last}, and said {self.next - 1}")
        self.acknowledged(last, None)
        for number in list(self.journal):
            self._repeat(number)

    def say(self, room: str, size: int) -> None:
        """Say something new, and by chance something old behind it."""
        number, self.next = self.next, self.next + 1
        payload = written(Said(self.name, number), size)
        self.journal[number] = self.spoken[number] = room, payload
        self.world.sent(room, Said(self.name, number), payload)
        self._repeat(number)
        if self.random.random() < 0.3:
            self._repeat(self.random.randint(max(1, number - 5), number))

    def acknowledged(self, number: int, seq: int | None) -> None:
        """All up to an id is stored."""
        for each in [each for each in self.journal if each <= number]:
            room, _ = self.journal.pop(each)
            self.world.said(room, Said(self.name, each), "ok", seq if each == number else None)

    def refused(self, number: int) -> None:
        """A message is not taken, and is not said again."""
        self.spoken.pop(number)
        entry = self.journal.pop(number, None)
        if entry is not None:
            self.world.said(entry[0], Said(self.name, number), "refused", None)

    def _repeat(self, number: int) -> None:
        if self.script is not None and number in self.spoken:
            room, payload = self.spoken[number]
            times = self.random.choice([1, 1, 2, 5])
            self.world.counts["said again"] += times - 1
            self.script.transport.write(Pub(room, payload, number).encode() * times)

"""A world: one server's machine, people with programs, and the network between them.

Law of this file: what can happen is listed here, each as one act that the scheduler may
choose; nothing here chooses.
"""

from __future__ import annotations

from collections import Counter, deque
from hashlib import blake2b
from random import Random
from typing import Any

from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tests.history import History, Outcome, Reading, Said
from tests.simulation.clocks import EPOCH, ProcessClock, Time
from tests.simulation.http import Follower, Poster
from tests.simulation.links import End, Link
from tests.simulation.machine import MEMORY, PLAIN, Machine
from tests.simulation.member import Member
from tests.simulation.people import Attempt, Person, read
from tests.simulation.plain import PlainPerson
from tests.simulation.publisher import Publisher
from tests.simulation.repeater import Repeater
from tests.simulation.websocket import WebSocketCarrier

ROOMS = ("one", "two", PLAIN)
TAIL = 300
"""Lines of the trace that are kept to be shown."""


class World:
    """Everything, and what has happened so far."""

    def __init__(self, seed: int, *, full_trace: bool = False) -> None:
        self.seed = seed
        self.random = Random(f"world {seed}")
        self.time = Time()
        self.counts: Counter[str] = Counter()
        self.troubles: list[str] = []
        self.faults: list[str] = []
        self.history = History()
        self.trace: deque[str] = deque(maxlen=None if full_trace else TAIL)
        self.steps = 0
        self._digest = blake2b(digest_size=8)
        self.machine = Machine(self.time, seed, self.note, self.trouble)
        self.clocks: list[ProcessClock] = []
        self.links: list[Link] = []
        self.attempts: list[Attempt] = []
        self.kept: list[Any] = []
        self.endings: list[Deferred[None]] = []
        """What programs that are about to end well still do."""
        self.plain_readings: dict[str, list[Said]] = {}
        """What was heard on each connection of a plain peer."""
        self.process_of: dict[str, int] = {}
        """Which of the server's processes each of those connections led to."""
        self.number_of: dict[str, int] = {}
        """The server's number of each of those connections."""
        self.joined: dict[tuple[int, int], int] = {}
        """The first message that a plain peer is due, by process and number."""
        self.plain_ends: dict[str, int] = {}
        """The last one, of those that are there at the end."""
        self.in_memory: dict[tuple[int, str], list[tuple[int, bytes]]] = {}
        self.memory_readings: list[Reading] = []
        self.origins: dict[tuple[int, str], dict[int, int]] = {}
        """Which connection said each message of a memory room."""
        self.fallen: dict[int, int] = {}
        """How many messages each plain connection that fell behind has missed."""
        self.gap: tuple[int, int] = (0, 0)
        """The numbers that a cursor steps over at this moment."""
        self.memory_first: dict[tuple[int, str], int] = {}
        self.said_in_memory: dict[tuple[str, Said], tuple[Outcome, int | None]] = {}
        self.directs: dict[Said, Outcome] = {}
        self.sent_to: dict[Said, int] = {}
        """To which process of the server a message was sent first."""
        """What became of direct messages."""
        self.payloads: dict[Said, tuple[str, bytes]] = {}
        self.firsts: dict[str, int] = {}
        """The lowest number that each stored room kept when everything had healed."""
        self.windows = [200, 4096, 60_000]
        self._connections = 0
        self.publishers = [Publisher(self, f"p{n}") for n in range(2)]
        self.repeater = Repeater(self, "r")
        start, live = {"start": 1}, dict[str, int]()
        since = {"since": EPOCH // 1000 + self.random.choice([0, 3000])}
        late = self.random.choice([start, {"last": 3}, since])
        self.members = [
            Member(self, "m0", ["one", "two"], [start, live]),
            Member(self, "m1", ["one", PLAIN], [late, start]),
            Member(self, "m2", [MEMORY, "two"], [live, start]),
            Member(self, "w0", ["one", MEMORY], [start, live], kind="websocket"),
        ]
        self.plain = [PlainPerson(self, f"q{n}") for n in range(2)]
        self.posters = [Poster(self, f"h{n}") for n in range(2)]
        self.followers = [
            Follower(self, "f0", "one", self.random.choice([1, None])),
            Follower(self, "f1", MEMORY, None),
            Follower(self, "f2", "two", self.random.choice([1, None])),
        ]
        self.http = [*self.posters, *self.followers]
        self.speakers: list[Person] = [
            *self.publishers,
            *self.publishers,
            self.repeater,
            *self.posters,
            *self.plain,
        ]
        self.people: list[Person] = [
            *self.publishers, self.repeater, *self.members, *self.plain, *self.http
        ]  # fmt: skip

    # -- what is written down ------------------------------------------------

    def note(self, *what: object) -> None:
        """Add a line to the trace, which two runs of a seed have in common."""
        line = f"{self.steps} {self.time.now:.3f} {' '.join(map(str, what))}"
        self._digest.update(line.encode() + b"\n")
        self.trace.append(line)

    def fault(self, name: str, *what: object) -> None:
        """Note, and count, something that people call a fault."""
        self.counts[name] += 1
        self.faults.append(f"{self.steps}: {name} {' '.join(map(str, what))}".rstrip())
        self.note("FAULT", name, *what)

    def trouble(self, text: str) -> None:
        """Note what must never be, and is none of the judge's five."""
        self.note("TROUBLE", text)
        self.troubles.append(text)

    @property
    def digest(self) -> str:
        """What the whole trace comes to."""
        return self._digest.hexdigest()

    def said(self, room: str, said: Said, outcome: Outcome, seq: int | None) -> None:
        """Note what became of a message."""
        self.note("said", room, said.client, said.id, outcome, seq)
        if room.startswith("@"):
            self.directs[said] = outcome
            return
        if not self.machine.is_stored(room):
            self.said_in_memory[room, said] = outcome, seq
            return
        self.history.said(room, said, outcome)
        if outcome == "ok" and seq is not None:
            self.history.numbers.setdefault(room, {})[said] = seq

    def sent(self, room: str, said: Said, payload: bytes) -> None:
        """Note what a message holds, before it is sent."""
        self.payloads[said] = room, payload
        self.sent_to[said] = self.machine.incarnation
        self.said(room, said, "unknown", None)

    def has_one_server(self, said: Said) -> bool:
        """Return whether the server has run without an end since a message was sent first.

        Only so long are retries of a direct message safe (docs/protocol.md, section 17).
        """
        return self.sent_to.get(said) == self.machine.incarnation

    def check_payload(self, room: str, payload: bytes, where: str) -> None:
        """Compare a payload with what was sent."""
        said = read(payload)
        if self.payloads.get(said) != (room, payload):
            self.trouble(f"PHANTOM {where}: {said} is not what was sent to {room}")

    def reading(self, member: str, room: str, start: int | None) -> Reading:
        """Begin what a member is handed in a room."""
        reading = Reading(member, room, start)
        if self.machine.is_stored(room):
            self.history.readings.append(reading)
        else:
            self.memory_readings.append(reading)
        return reading

    # -- processes and connections -------------------------------------------

    def kill(self, clock: ProcessClock) -> None:
        """End a person's process: its system closes its sockets."""
        clock.alive = False
        self.attempts = [each for each in self.attempts if each.clock is not clock]
        for link in self.links:
            if link.client.clock is clock and link.client.connected:
                link.client.hang_up()

    def answer(self, attempt: Attempt) -> None:
        """Let somebody in who wants to connect, or tell why not."""
        self.attempts.remove(attempt)
        name = attempt.person.name
        if attempt.cancelled:
            return
        if not self.machine.up or self.machine.stopping:
            self.note("refused", name)
            refused = error.ConnectionRefusedError if self.machine.powered else error.TimeoutError
            attempt.made.errback(Failure(refused()))
            return
        self._connections += 1
        link = Link(
            self._connections,
            self.random.choice(self.windows),
            attempt.clock,
            self.machine.clock,
            kind=attempt.person.kind,
        )
        self.note("connected", name, link.number)
        self.links = [each for each in self.links if not each.over]
        self.links.append(link)
        self.machine.links.append(link)
        link.server.protocol = self.machine.server.buildProtocol(link.server.address)
        if link.kind == "websocket":
            random = Random(f"masks {self.seed} {link.number}")
            carrier = WebSocketCarrier(attempt.factory, attempt.made, random, self.trouble)
            link.client.protocol = carrier
            attempt.clock.callLater(30.0, carrier.give_up)
        else:
            link.client.protocol = attempt.factory.buildProtocol(link.client.address)
        link.server.protocol.makeConnection(link.server)
        link.client.protocol.makeConnection(link.client)
        if link.kind != "websocket":
            attempt.made.callback(link.client.protocol)

    def deliver(self, end: End, size: int) -> None:
        """Let bytes arrive."""
        link = end.link
        side = "client" if end is link.client else "server"
        count = end.deliver(size)
        self.note("delivered", link.number, side, count)
        if link.mixed:
            self.trouble(f"connection {link.number} got a frame of the other kind: {link.mixed}")
        if link.told_missed:
            due = self.fallen.get(getattr(link.server.protocol, "number", 0))
            if link.told_missed != f"missed {due}":
                self.trouble(
                    f"COUNT connection {link.number}: {link.told_missed}, and {due} is due"
                )
            link.told_missed = ""

    def reset(self, end: End) -> None:
        """Let a reset arrive."""
        end.reset = False
        self.note("reset", end.link.number)
        end.lose(error.ConnectionLost())

    # -- what may be done now ------------------------------------------------

    def due(self) -> list[ProcessClock]:
        if len(self.clocks) > 20:
            self.clocks = [clock for clock in self.clocks if clock.alive]
        found = [clock for clock in self.clocks if clock.due]
        if self.machine.clock.due:
            found.append(self.machine.clock)
        return found

    def writable(self) -> list[End]:
        return [end for link in self.links for end in link.ends if end.writable]

    def readable(self) -> list[End]:
        return [end for link in self.links if not link.frozen for end in link.ends if end.readable]

    def resets(self) -> list[End]:
        return [
            end
            for link in self.links
            if not link.frozen
            for end in link.ends
            if end.reset and end.connected and end.clock.alive
        ]

    def next_time(self) -> float | None:
        """When something is due next."""
        times = [clock.next for clock in (*self.clocks, self.machine.clock)]
        return min((each for each in times if each is not None), default=None)

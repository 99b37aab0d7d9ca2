"""The end of a run: every room is read, the power is cut once more, and every room is read again.

Both readings must be what the model says, message by message: number, sender, time, payload.
Readers are a client of the library and an HTTP request.  Then a month passes, and retention must
have deleted all that is too old, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tests.history import Reading, Said
from tests.simulation.clocks import ProcessClock
from tests.simulation.http import HttpPerson, Response
from tests.simulation.model import Line, Row
from tests.simulation.people import Person, read, written
from twisted_msg.client import Client, Refused

if TYPE_CHECKING:
    from tests.simulation.world import World

Settle = Callable[[Callable[[], bool]], None]

MONTH = 31 * 24 * 3600.0


class Auditor(Person):
    """Reads every room from its first message to its last."""

    def __init__(self, world: World, rooms: list[str]) -> None:
        super().__init__(world, "auditor")
        self.lines: dict[str, list[Line]] = {room: [] for room in rooms}
        self.missed: dict[str, list[tuple[int, int]]] = {room: [] for room in rooms}
        self.left = set(rooms)

    def connected(self, client: Client, clock: ProcessClock) -> None:
        for room in self.lines:
            done = Deferred.fromCoroutine(self._read(client, room))
            done.addErrback(self._refused).addErrback(self.ended, clock)
            done.addCallback(lambda _, room=room: self.left.discard(room))

    async def _read(self, client: Client, room: str) -> None:
        messages = client.messages(
            room,
            start=1,
            until_end=True,
            on_missed=lambda gap: self.missed[room].append((gap.first, gap.last)),
        )
        self.world.kept.append(messages)
        async for message in messages:
            line = Line(message.seq, message.sender, message.time, message.payload)
            self.lines[room].append(line)

    def _refused(self, failure: Failure) -> None:
        failure.trap(Refused)  # a room that could never begin


def check(world: World, settle: Settle, when: str) -> None:
    """Read all stored rooms, and compare with the model."""
    model = world.machine.model
    stored = [room for room in sorted(world.history.outcomes) if world.machine.is_stored(room)]
    auditor = Auditor(world, stored)
    world.people = [*world.people, auditor]
    auditor.start()
    settle(lambda: not auditor.left)
    auditor.kill()
    world.people.remove(auditor)
    for room in stored:
        compare(world, f"a client, {when}", room, auditor.lines[room])
        first = model.first(room)
        if not model.rows.get(room):  # a room that is forgotten goes on behind the highest number
            assert world.machine.store is not None
            head = world.machine.store.head(room)
            if head + 1 < first:
                world.trouble(f"LOST {room}, {when}: its numbers go on at {head + 1}, not {first}")
            first = head + 1
        due = [(1, first - 1)] if first > 1 else []
        if auditor.missed[room] != due:
            world.trouble(f"GAP {room}, {when}: missed {auditor.missed[room]}, and {due} is right")
    for room in stored:
        by_http(world, settle, room, when)
    store = world.machine.store
    assert store is not None
    model.compare(store.every_row())


def by_http(world: World, settle: Settle, room: str, when: str) -> None:
    """Read a room over HTTP: all of it, and from some time on."""
    reader = HttpReader(world, "reader")
    rows = world.machine.model.rows.get(room, [])
    world.people = [*world.people, reader]
    got = reader.read(settle, f"/v1/rooms/{room}/messages?from=0")
    compare(world, f"HTTP, {when}", room, got)
    if rows:
        peak, begin = world.machine.model.peaks(room), reader.random.choice(rows).millis
        got = reader.read(settle, f"/v1/rooms/{room}/messages?since={begin}")
        first = next(row.first for row, high in zip(rows, peak, strict=True) if high >= begin)
        due = [line for line in world.machine.model.lines(room) if line.seq >= first]
        world.counts["rooms read since a time"] += 1
        # An earlier beginning is right where a clock was set back, and is documented.
        times = reader.millis(world.machine.model.expired.get(room, []) + rows)
        if got[-len(due) :] != due or (got != due and sorted(times) == times):
            world.trouble(f"GAP HTTP, {when}, reads {room} since {begin} otherwise: {_shown(got)}")
    reader.kill()
    world.people.remove(reader)


class HttpReader(HttpPerson):
    """Reads rooms over HTTP."""

    def begin(self) -> None:
        """Nothing by itself."""

    def read(self, settle: Settle, path: str) -> list[Line]:
        """Return what a request brings."""
        answers: list[Response] = []
        for _ in range(30):
            if not self.alive:
                self.start()
            self.ask([f"GET {path} HTTP/1.1"], b"", lambda _: None, answers.append)
            settle(lambda: not self.busy)
            if answers[-1].status == 200:
                break
        rows = [json.loads(line) for line in answers[-1].body.splitlines()]
        return [
            Line(row["seq"], row["from"], row["time"], row["text"].encode())
            for row in rows
            if "text" in row
        ]

    @staticmethod
    def millis(rows: list[Row]) -> list[int]:
        """Return the times of rows."""
        return [row.millis for row in rows]


def compare(world: World, who: str, room: str, got: list[Line]) -> None:
    """Compare what a reader got of a room with what it holds."""
    due = world.machine.model.lines(room)
    if got == due:
        world.counts["rooms read whole"] += 1
        return
    absent = [line for line in due if line not in got]
    wrong = [line for line in got if line not in due]
    kind = "LOST" if absent and not wrong else "PHANTOM" if wrong else "ORD"
    world.trouble(
        f"{kind} {who} reads {room} otherwise: absent {_shown(absent)}, wrong {_shown(wrong)}"
    )


def reach(world: World, settle: Settle) -> None:
    """Send each member a direct message, which it gets, for it is there and reads."""
    if not world.publishers[0].ready:
        return
    for member in world.members:
        name = member.client.server["name"]
        payload = written(Said("direct", len(world.payloads) + 1), 3)
        world.payloads[read(payload)] = f"@{member.name}", payload
        outcome: list[Any] = []
        world.publishers[0].client.send(f"@{name}", payload).addBoth(outcome.append)
        settle(lambda outcome=outcome: bool(outcome))  # type: ignore[misc]
        if isinstance(outcome[0], Failure) or read(payload) not in member.directs:
            world.trouble(f"LOST {name} was not reached: {outcome[0]}")
        world.counts["members reached directly"] += 1


def audit(world: World, settle: Settle) -> None:
    """Read everything, cut the power, start again, and read everything again."""
    reach(world, settle)
    check(world, settle, "before the end")
    for person in world.people:
        if person.alive:
            person.kill()
    world.people = []
    world.note("the last power cut", world.machine.cut_power())
    world.machine.start()
    check(world, settle, "after the last start")
    age(world, settle)


def age(world: World, settle: Settle) -> None:
    """Let a month pass, in which retention has time for all that it should do."""
    machine = world.machine
    commits = machine.server.house.commits
    assert commits is not None
    settle(lambda: not commits.archive._pruning)
    for _ in range(3):
        world.time.now += MONTH / 3
        for _ in range(300):
            before = len(machine.model.expired), sum(map(len, machine.model.rows.values()))
            machine.expire()
            settle(lambda: not commits.archive._pruning)
            if before == (len(machine.model.expired), sum(map(len, machine.model.rows.values()))):
                break
    limit = machine.retention.age
    now = world.time.wall() // 1000
    for room, rows in machine.model.rows.items():
        if limit is not None and rows and rows[0].millis < now - int(limit * 1000):
            world.trouble(f"KEPT {room}: {rows[0]} is older than {limit} s at {now}")


def finish(world: World) -> None:
    """Complete the history: what is kept, and what is known only now."""
    history, model = world.history, world.machine.model
    for room in sorted(history.outcomes):
        lines = model.lines(room, expired=True)
        history.first[room] = world.firsts.get(room, 1)
        history.kept[room] = [(line.seq, read(line.payload)) for line in lines]
        for line in lines:
            world.check_payload(room, line.payload, f"{room} at {line.seq}")
    _plain(world)
    _memory(world)


def _plain(world: World) -> None:
    """Find the numbers of what plain peers have heard."""
    from tests.simulation.machine import PLAIN

    if not world.machine.is_stored(PLAIN):
        for (incarnation, room), log in sorted(world.in_memory.items()):
            if room == PLAIN:
                numbers = {read(payload): seq for seq, payload in log}
                _plain_in(world, f"{room} of process {incarnation}", numbers, incarnation)
        return
    numbers = {said: seq for seq, said in world.history.kept.get(PLAIN, [])}
    for voice, heard in world.plain_readings.items():
        for said in heard:
            if said not in numbers:
                world.trouble(f"PHANTOM {voice} heard {said}, which is not kept")
    _plain_in(world, PLAIN, numbers)


def _plain_in(
    world: World, room: str, numbers: dict[Said, int], process: int | None = None
) -> None:
    for voice, heard in world.plain_readings.items():
        if process not in (None, world.process_of[voice]):
            continue
        if process is not None:
            for said in heard:
                if said not in numbers:
                    world.trouble(f"PHANTOM {voice} heard {said}, which was not said in {room}")
        got = [(numbers[said], said) for said in heard if said in numbers]
        start = world.joined.get((world.process_of[voice], world.number_of[voice]))
        end = world.plain_ends.get(voice)
        skips = frozenset({voice})
        world.history.readings.append(Reading(voice, room, start, end, skips=skips, got=got))


def _memory(world: World) -> None:
    """Judge each process's memory room as a room of its own: nothing of it outlives one."""
    history = world.history
    everywhere: dict[str, set[tuple[int, Said]]] = {}
    for (incarnation, name), log in world.in_memory.items():
        room = f"{name} of process {incarnation}"
        kept = [(seq, read(payload)) for seq, payload in log]
        known = dict(kept)
        everywhere.setdefault(name, set()).update(kept)
        history.kept[room] = kept
        history.first[room] = world.memory_first.get((incarnation, name), 1 << 62)
        for (where, said), (outcome, seq) in world.said_in_memory.items():
            if where != name:
                continue
            here = seq is not None and known.get(seq) == said
            history.said(room, said, outcome if here or outcome == "refused" else "unknown")
            if here and seq is not None:
                history.numbers.setdefault(room, {})[said] = seq
        for whole in world.memory_readings:
            if whole.room != name:
                continue
            part = Reading(whole.member, room, missed=whole.missed)
            part.got = [entry for entry in whole.got if known.get(entry[0]) == entry[1]]
            if whole.start is not None and kept and kept[0][0] <= whole.start <= kept[-1][0] + 1:
                part.start = whole.start
            history.readings.append(part)
    for whole in world.memory_readings:
        for entry in whole.got:
            if entry not in everywhere.get(whole.room, ()):
                world.trouble(f"PHANTOM {whole.member}: {entry} never was in {whole.room}")


def _shown(lines: list[Line]) -> str:
    return (
        ", ".join(f"{line.seq} {line.name} {line.payload[:12]!r}" for line in lines[:4]) or "none"
    )

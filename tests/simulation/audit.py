"""The end of a run: the power is cut once more, and what is there then is read by a client.

Law of this file: what is kept is what the real server hands to a real client, and what had
expired before, which the disk remembers; nobody is asked what he believes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tests.history import Reading, Said
from tests.simulation.clocks import ProcessClock
from tests.simulation.disk import every_row
from tests.simulation.machine import MEMORY, PLAIN
from tests.simulation.people import Person, read
from twisted_msg.client import Client, Refused
from twisted_msg.log.codec import unpack

if TYPE_CHECKING:
    from tests.simulation.world import World

Kept = dict[str, list[tuple[int, Said]]]


class Auditor(Person):
    """Reads every room from its first message to its last."""

    def __init__(self, world: World, rooms: list[str]) -> None:
        super().__init__(world, "auditor")
        self.readings = {room: Reading("auditor", room, 1) for room in rooms}
        self.left = set(rooms)

    def connected(self, client: Client, clock: ProcessClock) -> None:
        for room in self.readings:
            done = Deferred.fromCoroutine(self._read(client, room))
            done.addErrback(self._refused).addErrback(self.ended, clock)
            done.addCallback(lambda _, room=room: self.left.discard(room))

    async def _read(self, client: Client, room: str) -> None:
        reading = self.readings[room]
        messages = client.messages(
            room,
            start=1,
            until_end=True,
            on_missed=lambda gap: reading.missed.append((gap.first, gap.last)),
        )
        self.world.kept.append(messages)
        async for message in messages:
            reading.got.append((message.seq, read(message.payload)))
            reading.end = message.seq

    def _refused(self, failure: Failure) -> None:
        failure.trap(Refused)  # a room that could never begin


def audit(world: World, settle: Callable[[Callable[[], bool]], None]) -> list[Reading]:
    """Cut the power, start again, and return what a client reads of every room."""
    for person in world.people:
        if person.alive:
            person.kill()
    world.note("the last power cut", world.machine.cut_power())
    world.machine.start()
    auditor = Auditor(world, sorted(room for room in world.history.outcomes if room != MEMORY))
    world.people = [auditor]
    auditor.start()
    settle(lambda: not auditor.left)
    return list(auditor.readings.values())


def finish(world: World, audited: list[Reading]) -> None:
    """Complete the history: what is kept, and what is known only now."""
    history = world.history
    firsts = world.machine.server.house.commits._store.firsts  # type: ignore[union-attr]
    rows = every_row(world.machine.disk)
    for reading in audited:
        room = reading.room
        history.readings.append(reading)
        history.first[room] = first = firsts.get(room, 1)
        expired = [
            (seq, read(payload))
            for row in rows.get(room, ())
            if row.last < first
            for seq, payload in enumerate(
                unpack(room, row.first, row.millis, row.body).payloads, row.first
            )
        ]
        history.kept[room] = expired + reading.got
    _plain(world)
    _memory(world)


def _plain(world: World) -> None:
    """Find the numbers of what plain peers have heard."""
    numbers = {said: seq for seq, said in world.history.kept.get(PLAIN, [])}
    for voice, heard in world.plain_readings.items():
        for said in heard:
            if said not in numbers:
                world.trouble(f"PHANTOM {voice} heard {said}, which is not kept")
        got = [(numbers[said], said) for said in heard if said in numbers]
        reading = Reading(voice, PLAIN, skips=frozenset({voice}), got=got)
        world.history.readings.append(reading)


def _memory(world: World) -> None:
    """Judge each process's memory room as a room of its own: nothing of it outlives one."""
    history = world.history
    for incarnation, log in world.in_memory.items():
        room = f"{MEMORY} of process {incarnation}"
        kept = [(seq, read(payload)) for seq, payload in log]
        known = dict(kept)
        history.kept[room] = kept
        history.first[room] = world.memory_first.get(incarnation, 1 << 62)
        for said, (outcome, seq) in world.said_in_memory.items():
            here = seq is not None and known.get(seq) == said
            history.said(room, said, outcome if here or outcome == "refused" else "unknown")
            if here and seq is not None:
                history.numbers.setdefault(room, {})[said] = seq
        for whole in world.memory_readings:
            part = Reading(whole.member, room, missed=whole.missed)
            part.got = [entry for entry in whole.got if known.get(entry[0]) == entry[1]]
            if whole.start is not None and kept[0][0] <= whole.start <= kept[-1][0] + 1:
                part.start = whole.start
            history.readings.append(part)
    everywhere = {(seq, read(payload)) for log in world.in_memory.values() for seq, payload in log}
    for whole in world.memory_readings:
        for entry in whole.got:
            if entry not in everywhere:
                world.trouble(f"PHANTOM {whole.member}: {entry} never was in {MEMORY}")

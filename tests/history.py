"""What happened in a run, and whether it may have: one judge for simulations and real processes.

A `History` is written while a run goes on, by whoever knows: publishers say what they sent
and what became of it, members say what they were handed, and at the end somebody reads every
room from its first message on.  `judge` finds what must never be, in the five words of
`docs/reliability.md`: LOST, DUP, ORD, GAP, PHANTOM.

Law of this file: it knows nothing of the server, of sockets and of frames, so that no fault
of theirs can be its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

Outcome = Literal["ok", "refused", "unknown"]
"""What a publisher knows of a message: acknowledged; certainly refused; or neither, for the
run or the connection ended first, and it may be stored or not."""


class Said(NamedTuple):
    """Names one message for good: who said it, and which of theirs it is (ids rise)."""

    client: str
    id: int


@dataclass
class Reading:
    """What one member was handed in one room, in that order.

    `start` is the sequence number from which on it asked to read, None if it took what came
    after its joining (then nothing before the first thing it got is its due).  `end` is the
    last number that it is owed: the head when it was seen to have caught up, None if the run
    ended before (then nothing behind the last thing it got is missed).  `skips` are clients whose
    messages it is not sent, its own for example.
    """

    member: str
    room: str
    start: int | None = None
    end: int | None = None
    skips: frozenset[str] = frozenset()
    got: list[tuple[int, Said]] = field(default_factory=list)
    missed: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class History:
    """A run: what was said and what became of it, who was handed what, and what is kept."""

    outcomes: dict[str, dict[Said, Outcome]] = field(default_factory=dict)
    readings: list[Reading] = field(default_factory=list)
    kept: dict[str, list[tuple[int, Said]]] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)
    """The lowest number still kept in a room, where retention was at work; else 1."""
    numbers: dict[str, dict[Said, int]] = field(default_factory=dict)
    """The number that an acknowledgement named, where it names one."""

    def said(self, room: str, said: Said, outcome: Outcome = "unknown") -> None:
        """Note that a message was sent, or what became of it."""
        self.outcomes.setdefault(room, {})[said] = outcome

    def save(self, path: Path) -> None:
        """Write the run as JSON lines, for people to search."""
        with path.open("w") as lines:
            for room, outcomes in self.outcomes.items():
                for said, outcome in outcomes.items():
                    line = {"said": [*said], "room": room, "outcome": outcome}
                    lines.write(json.dumps(line) + "\n")
            for reading in self.readings:
                for seq, said in reading.got:
                    line = {"got": [*said], "seq": seq, "member": reading.member}
                    lines.write(json.dumps(line | {"room": reading.room}) + "\n")
                for first, last in reading.missed:
                    line = {"missed": [first, last], "member": reading.member}
                    lines.write(json.dumps(line | {"room": reading.room}) + "\n")
            for room, kept in self.kept.items():
                for seq, said in kept:
                    lines.write(json.dumps({"kept": [*said], "seq": seq, "room": room}) + "\n")


class Fault(NamedTuple):
    """Something that must never be; `kind` is one of the five words."""

    kind: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind} {self.where}: {self.what}"


KINDS = ("LOST", "DUP", "ORD", "GAP", "PHANTOM")


def tally(faults: Iterable[Fault]) -> dict[str, int]:
    """Count faults by kind, with a zero for each kind that is absent."""
    counts = dict.fromkeys(KINDS, 0)
    for fault in faults:
        counts[fault.kind] += 1
    return counts


def judge(history: History) -> list[Fault]:
    """Return every fault of a run, in the order of the five words."""
    faults: list[Fault] = []
    for room in history.outcomes | history.kept:
        kept = history.kept.get(room, [])
        faults += _lost(history, room, kept)
        faults += _repeated(kept, f"final read of {room}")
        faults += _swapped(kept, f"final read of {room}")
        faults += _invented(history, room, kept, f"final read of {room}")
    for reading in history.readings:
        where = f"{reading.member} in {reading.room}"
        kept = history.kept.get(reading.room, [])
        faults += _repeated(reading.got, where)
        faults += _swapped(reading.got, where)
        faults += _gaps(reading, kept, where)
        faults += _wrongly_missed(history, reading, kept, where)
        faults += _invented(history, reading.room, reading.got, where)
        faults += _absent(history, reading, kept, where)
    return sorted(faults, key=lambda fault: KINDS.index(fault.kind))


def _lost(history: History, room: str, kept: list[tuple[int, Said]]) -> Iterable[Fault]:
    """Find what was acknowledged and is not kept, and what is kept under another number."""
    found = {said: seq for seq, said in kept}
    first = history.first.get(room, 1)
    numbers = history.numbers.get(room, {})
    for said, outcome in history.outcomes.get(room, {}).items():
        if outcome != "ok":
            continue
        seq = numbers.get(said)
        if said not in found:
            if seq is None or seq >= first:
                yield Fault("LOST", room, f"{said} was acknowledged as {seq}")
        elif seq is not None and found[said] != seq:
            yield Fault("LOST", room, f"{said} was acknowledged as {seq}, kept as {found[said]}")


def _repeated(got: list[tuple[int, Said]], where: str) -> Iterable[Fault]:
    """Find what stands there twice."""
    seen: dict[Said, int] = {}
    for seq, said in got:
        if said in seen:
            yield Fault("DUP", where, f"{said} as {seen[said]} and again as {seq}")
        seen[said] = seq


def _swapped(got: list[tuple[int, Said]], where: str) -> Iterable[Fault]:
    """Find numbers that do not rise, and senders whose ids do not."""
    last_seq = 0
    last_id: dict[str, int] = {}
    for seq, said in got:
        if seq <= last_seq:
            yield Fault("ORD", where, f"number {seq} came behind {last_seq}")
        last_seq = seq
        if said.id < last_id.get(said.client, said.id):
            yield Fault("ORD", where, f"{said} came behind id {last_id[said.client]}")
        last_id[said.client] = said.id


def _gaps(reading: Reading, kept: list[tuple[int, Said]], where: str) -> Iterable[Fault]:
    """Find what is kept, was the member's due, and never came."""
    got = {seq for seq, _ in reading.got}
    seen = got | {number for pair in reading.missed for number in pair}
    start = reading.start if reading.start is not None else min(seen, default=None)
    end = reading.end if reading.end is not None else max(seen, default=None)
    if start is None or end is None:
        return
    for seq, said in kept:
        due = start <= seq <= end and said.client not in reading.skips
        told = seq in got or any(first <= seq <= last for first, last in reading.missed)
        if due and not told:
            yield Fault("GAP", where, f"never got {seq}, {said}")


def _wrongly_missed(
    history: History, reading: Reading, kept: list[tuple[int, Said]], where: str
) -> Iterable[Fault]:
    """Find what a member was told that it missed, though it is still kept, or though it came."""
    first = history.first.get(reading.room, 1)
    got = {seq for seq, _ in reading.got}
    for begin, end in reading.missed:
        for seq in sorted(each for each in got if begin <= each <= end):
            yield Fault("GAP", where, f"was told that {seq} is missed, which it got")
        for seq, said in kept:
            if max(begin, first) <= seq <= end and seq not in got:
                yield Fault("GAP", where, f"was told that {seq} is missed, and it is kept: {said}")


def _invented(
    history: History, room: str, got: list[tuple[int, Said]], where: str
) -> Iterable[Fault]:
    """Find what nobody sent, and what was certainly refused."""
    outcomes = history.outcomes.get(room, {})
    for seq, said in got:
        if said not in outcomes:
            yield Fault("PHANTOM", where, f"{seq}, {said}, was never sent")
        elif outcomes[said] == "refused":
            yield Fault("PHANTOM", where, f"{seq}, {said}, was refused")


def _absent(
    history: History, reading: Reading, kept: list[tuple[int, Said]], where: str
) -> Iterable[Fault]:
    """Find what was handed to a member and is not kept, or is kept under another number."""
    found = {said: seq for seq, said in kept}
    first = history.first.get(reading.room, 1)
    for seq, said in reading.got:
        if found.get(said, seq if seq < first else None) != seq:
            stands = f"kept as {found[said]}" if said in found else "is not kept"
            yield Fault("PHANTOM", where, f"{said} came as {seq} and {stands}")

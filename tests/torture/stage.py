"""A run: a server, the programs round it, the end of it all, and the verdict.

Law of this file: the verdict is made of what was noted and of a final read of a server that was
killed and started again after the last acknowledgement, never of what a program believes.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.history import KINDS, History, Said, judge, tally
from tests.torture.member import END
from tests.torture.notes import add_publisher, payload, read, readings_of, said_in
from tests.torture.publisher import STOP
from tests.torture.servers import Program, Server, everything, say

WAIT = 180.0
"""Seconds that programs may take to end when nothing hinders them any more."""

SHOWN = 10
"""Faults that are printed; the saved history has all."""


@dataclass
class Verdict:
    """What a run has shown: counts, figures in words, and what must not be."""

    name: str
    seed: int
    history: History = field(default_factory=History)
    faults: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    judged: bool = False

    def judge(self) -> None:
        """Have the history judged; once, when it is complete."""
        self.judged = True
        found = judge(self.history)
        self.counts = tally(found)
        self.faults += map(str, found)

    @property
    def words(self) -> str:
        """The verdict for a person: a line of counts, the figures, the faults."""
        lines = [f"{self.name} (seed {self.seed}): {'FAULTY' if self.faults else 'all well'}"]
        if self.judged:
            outcomes = [o for room in self.history.outcomes.values() for o in room.values()]
            counts = {
                "sent": len(outcomes),
                "acknowledged": outcomes.count("ok"),
                "refused": outcomes.count("refused"),
                "stored": sum(map(len, self.history.kept.values())),
                "delivered": sum(len(reading.got) for reading in self.history.readings),
            }
            words = {"LOST": "lost", "DUP": "doubled", "ORD": "swapped", "GAP": "gaps",
                     "PHANTOM": "phantoms"}  # fmt: skip
            counts |= {words[kind]: self.counts[kind] for kind in KINDS}
            lines.append("   " + "".join(f"{word:>13}" for word in counts))
            lines.append("   " + "".join(f"{count:>13}" for count in counts.values()))
        lines += [f"    {figure}" for figure in self.figures]
        lines += [f"    FAULT: {fault}" for fault in self.faults[:SHOWN]]
        if len(self.faults) > SHOWN:
            lines.append(f"    and {len(self.faults) - SHOWN} faults more")
        return "\n".join(lines)

    def save(self) -> Path:
        """Write the history where it outlives the run; return where."""
        path = Path(tempfile.gettempdir()) / f"torture-{self.name}-{self.seed}.jsonl"
        self.history.save(path)
        return path


class Stage:
    """A server and the programs round it, in a folder of their own."""

    def __init__(self, server: Server, rooms: tuple[str, ...], verdict: Verdict) -> None:
        self.server = server
        self.rooms = rooms
        self.verdict = verdict
        self.publishers: list[Program] = []
        self.members: list[Program] = []

    def publish(self, count: int, *options: str, address: str = "") -> None:
        """Start so many publishers; each notes what it does."""
        self.publishers += self._programs("publisher", "p", count, options, address)

    def follow(self, count: int, *options: str, address: str = "") -> None:
        """Start so many members."""
        self.members += self._programs("member", "m", count, options, address)

    def _programs(
        self, kind: str, letter: str, count: int, options: Iterable[str], address: str
    ) -> list[Program]:
        words = "--rooms", ",".join(self.rooms), "--seed", str(self.verdict.seed), *options
        address = address or self.server.address
        return [
            Program(self.server.folder, kind, address, f"{letter}{number}", *words)
            for number in range(1, count + 1)
        ]

    @property
    def programs(self) -> list[Program]:
        """All of them."""
        return [*self.publishers, *self.members]

    def until(self, messages: int, patience: float = WAIT) -> None:
        """Wait until so many are acknowledged in all; it is a fault if that does not come."""
        deadline = time.monotonic() + patience
        while self.acknowledged() < messages:
            over = not any(each.running for each in self.publishers)
            if time.monotonic() > deadline or over:
                self.verdict.faults.append(f"there were no {messages} acknowledgements")
                return
            time.sleep(0.02)

    def until_connected(self, times: int) -> None:
        """Wait until every program was connected so many times."""
        deadline = time.monotonic() + WAIT
        for each in self.programs:
            while sum("up" in note for note in read(each.notes)) < times:
                if time.monotonic() > deadline:
                    self.verdict.faults.append(f"{each.name} did not come back")
                    return
                time.sleep(0.02)

    def acknowledged(self) -> int:
        """Return how many messages the publishers have noted as acknowledged."""
        return sum(
            len(note["ok"]) for each in self.publishers for note in read(each.notes) if "ok" in note
        )

    def finish(self, patience: float = WAIT, *, settle: bool = True) -> Verdict:
        """End everything, read everything anew, and return the verdict.

        With `settle` publishers are told to send no more; else they end by themselves.
        """
        verdict = self.verdict
        if settle:
            for each in self.publishers:
                each.notes.with_suffix(STOP).touch()
        verdict.faults += filter(None, [each.ended(patience) for each in self.publishers])
        history = verdict.history
        for each in self.publishers:
            add_publisher(history, each.name, each.notes)
            verdict.faults += [n["fault"] for n in read(each.notes) if "fault" in n]
        heads = {}
        for number, room in enumerate(self.rooms, 1):
            # an id of its own for each room, so that every message has one name
            end = Said(END, number)
            heads[room] = say(self.server.port, room, payload(end))
            history.said(room, end, "ok")
        verdict.faults += filter(None, [each.ended(patience) for each in self.members])
        for each in self.members:
            readings = readings_of(each.name, each.notes, self.rooms)
            for reading in readings:
                reading.end = heads[reading.room]
            history.readings += readings
        self.server.kill()
        self.server.before = []
        self.server.start()
        for room in self.rooms:
            rows = everything(self.server.port, room)
            history.kept[room] = [(seq, said_in(data)) for seq, data in rows]
        verdict.judge()
        return verdict

    def end(self) -> None:
        """Leave no process behind."""
        for each in self.programs:
            each.kill()
        if self.server.process.poll() is None:
            self.server.kill()
        if "Traceback" in self.server.output:
            self.verdict.faults.append(f"the server's log: {self.server.output[-2000:]}")

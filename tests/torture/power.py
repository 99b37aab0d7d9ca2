"""Power cuts: what a server wrote, replayed up to a moment, with what was not synced in doubt.

    a write, a new size     is durable when its file was synced behind it
    a name, new or gone     is durable when its folder was synced behind it

What is not durable at the moment of the cut is kept, dropped, or torn by sectors.  Then the
real store opens what is left, and must have all that peers had been told.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.history import Said
from tests.torture.notes import ALTERED, said_in
from tests.torture.servers import Server, everything, traced
from tests.torture.stage import Stage, Verdict
from tests.torture.trace import (
    Acked,
    Cut,
    Delivered,
    Event,
    Made,
    Removed,
    Synced,
    Wrote,
    events,
)
from twisted_msg.log.sqlite import SqliteStore
from twisted_msg.log.store import StoreError

ROOMS = "a", "b"
_SMALL = ("--size", "600", "--in-flight", "2", "--at-once", "1")
"""A publisher that asks for many small commits, so that SQLite's log is soon copied."""

SECTOR = 512
"""Bytes that a disk writes whole or not at all."""

WAYS = "dropped", "kept", "some", "torn", "first"
"""What becomes of what is not durable: nothing of it, all, some writes, some sectors, or the
writes up to one of them."""


@dataclass
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Wrote | Cut] = field(default_factory=list)

    def sync(self) -> None:
        for write in self.pending:
            _apply(self.durable, write)
        self.pending = []


def _apply(content: bytearray, write: Wrote | Cut) -> None:
    if isinstance(write, Cut):
        del content[write.size :]
        content.extend(bytes(write.size - len(content)))
    else:
        content.extend(bytes(max(0, write.offset - len(content))))
        content[write.offset : write.offset + len(write.data)] = write.data


class Disk:
    """A folder's files as they are, and as they would be if the power went now."""

    def __init__(self, folder: Path) -> None:
        """Take the folder's path; it is not there yet."""
        self.folder = str(folder)
        self.files: dict[str, _File | None] = {}  # None: a folder
        self._names: dict[str, _File | None] = {}  # the durable ones
        self._doubt: dict[str, list[tuple[str, _File | None, bool]]] = {}  # by their folder

    def take(self, event: Event) -> None:
        """Have something happen to the files."""
        if isinstance(event, Wrote | Cut):
            file = self.files[event.path]
            assert file is not None
            file.pending.append(event)
        elif isinstance(event, Made):
            if event.path not in self.files:
                self.files[event.path] = None if event.folder else _File()
                self._doubted(event.path, new=True)
        elif isinstance(event, Removed):
            self._doubted(event.path, new=False)
            del self.files[event.path]
        elif isinstance(event, Synced):
            file = self.files.get(event.path)
            if file is not None:
                file.sync()
            for path, named, new in self._doubt.pop(event.path, ()):
                _name(self._names, path, named, new)

    def _doubted(self, path: str, *, new: bool) -> None:
        change = path, self.files[path], new
        self._doubt.setdefault(os.path.dirname(path), []).append(change)

    def left(self, chance: random.Random, way: str) -> dict[str, bytes | None]:
        """Return the files that a power cut leaves, by path; None is a folder."""
        names = dict(self._names)
        for changes in self._doubt.values():
            for path, named, new in changes:
                if way == "kept" or (way != "dropped" and chance.random() < 0.5):
                    _name(names, path, named, new)
        found: dict[str, bytes | None] = {}
        for path, file in sorted(names.items()):
            if path == self.folder or os.path.dirname(path) in found:
                found[path] = None if file is None else _content(file, chance, way)
        return found


def _name(names: dict[str, _File | None], path: str, file: _File | None, new: bool) -> None:
    if new:
        names[path] = file
    else:
        names.pop(path, None)


def _content(file: _File, chance: random.Random, way: str) -> bytes:
    """Return what a file may hold after the cut."""
    content = bytearray(file.durable)
    until = chance.randint(0, len(file.pending))
    for number, write in enumerate(file.pending):
        keep = {
            "dropped": False, "kept": True, "first": number < until,
            "some": chance.random() < 0.5, "torn": chance.random() < 0.7,
        }[way]  # fmt: skip
        if not keep:
            continue
        if way == "torn" and isinstance(write, Wrote):
            for part in _sectors(write):
                if chance.random() < 0.6:
                    _apply(content, part)
        else:
            _apply(content, write)
    return bytes(content)


def _sectors(write: Wrote) -> Iterable[Wrote]:
    """Return a write in parts that end where sectors do."""
    at, end = write.offset, write.offset + len(write.data)
    while at < end:
        till = min(end, (at // SECTOR + 1) * SECTOR)
        yield Wrote(write.path, at, write.data[at - write.offset : till - write.offset])
        at = till


@dataclass
class Told:
    """What peers have been told, and so may count on."""

    acked: dict[str, int] = field(default_factory=dict)
    delivered: dict[Said, tuple[str, int]] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Have something be told."""
        if isinstance(event, Acked):
            self.acked[event.client] = max(event.id, self.acked.get(event.client, 0))
        elif isinstance(event, Delivered):
            self.delivered[event.said] = event.room, event.seq


def opened(files: dict[str, bytes | None], folder: Path, told: Told) -> list[str]:
    """Have the real store open what a cut has left; return what is wrong with it."""
    shutil.rmtree(folder, ignore_errors=True)
    root = min(files, default="")  # the outermost folder, if it is there at all
    for path, content in files.items():
        place = folder / os.path.relpath(path, root)
        if content is None:
            place.mkdir(parents=True)
        else:
            place.write_bytes(content)
    found: dict[Said, tuple[str, int]] = {}
    faults = []
    store = SqliteStore(str(folder / "data"))
    try:
        for kept in store.open():
            seq = kept.first
            while (piece := store.piece(kept.room, seq)) is not None:
                for number, data in enumerate(piece.payloads, piece.first):
                    said = said_in(data)
                    if said in found or said.client == ALTERED:
                        faults.append(f"{said} stands in {kept.room} as {number}: {data[:60]!r}")
                    found[said] = kept.room, number
                seq = piece.last + 1
    except StoreError as error:
        faults.append(f"the store is not sound: {error}")
    finally:
        store.close()
    for client, last in told.acked.items():
        missing = [id_ for id_ in range(1, last + 1) if Said(client, id_) not in found]
        if missing:
            faults.append(f"LOST {client}: {len(missing)} acknowledged ids from {missing[0]} on")
    for said, place in told.delivered.items():
        if found.get(said) != place:
            faults.append(f"TAKEN BACK {said}: delivered as {place}, found as {found.get(said)}")
            break
    return faults


def cut_at_random(
    verdict: Verdict, disk: Disk, told: Told, trace: Sequence[Event], cuts: int
) -> tuple[int, int]:
    """Cut the power at so many moments of a trace, and all through its beginning.

    Returns how often in all, and how often there were writes that were not synced.
    """
    chance = random.Random(verdict.seed)
    speaking = [n for n, event in enumerate(trace, 1) if isinstance(event, Acked | Delivered)]
    # half of them anywhere, half right behind something that was told; and what a start does
    # is cut everywhere, in every way
    anywhere = [chance.randint(0, len(trace)) for _ in range(cuts - cuts // 2)]
    moments = anywhere + chance.choices(speaking, k=cuts // 2)
    planned = [(moment, chance.choice(WAYS)) for moment in moments]
    planned += [(moment, way) for moment in range(speaking[0]) for way in WAYS]
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as at:
        done = doubts = 0
        for moment, way in sorted(planned):
            for event in trace[done:moment]:
                disk.take(event)
                told.take(event)
            done = moment
            doubts += any(file is not None and file.pending for file in disk.files.values())
            faults = opened(disk.left(chance, way), Path(at) / "home", told)
            verdict.faults += [f"cut behind event {moment}, {way}: {fault}" for fault in faults]
        for event in trace[done:]:
            disk.take(event)
            told.take(event)
    if not doubts:
        verdict.faults.append("there was no moment with unsynced writes: nothing is shown")
    return len(planned), doubts


def loss(
    folder: Path, seed: int, *, cuts: int = 300, messages: int = 250, fault: str = ""
) -> Verdict:
    """Record a store from its first beginning on, over a stop; cut the power so many times."""
    verdict = Verdict("power-loss", seed)
    first, second = folder / "first", folder / "second"
    stage = Stage(Server(folder, fault=fault, before=traced(first)), ROOMS, verdict)
    server = stage.server
    try:
        stage.publish(3, *_SMALL, "--messages", str(messages))
        stage.follow(1)
        stage.until(messages * 2)
        server.stop(signal.SIGTERM)
        server.before = traced(second)
        server.start()
        stage.finish(settle=False)
    finally:
        stage.end()
    trace = events(first, server.home) + events(second, server.home)
    began = time.monotonic()
    made, doubts = cut_at_random(verdict, Disk(server.home), Told(), trace, cuts)
    copied = sum(isinstance(e, Wrote) and e.path.endswith("log.sqlite3") for e in trace)
    verdict.figures.append(
        f"{made} power cuts in {len(trace)} events, {doubts} with writes that were not synced, "
        f"took {time.monotonic() - began:.0f} s; {copied} writes were to the file itself"
    )
    return verdict


def twice(folder: Path, seed: int, *, rounds: int = 4, cuts: int = 60, fault: str = "") -> Verdict:
    """Kill a server between a commit's write and its sync; start it; then cut the power.

    What is readable after the kill was perhaps never synced; what was then delivered, or
    counted in a `WELCOME`, must survive the cut.  Every second start is killed as well, in
    the midst of its recovery, and another one follows.
    """
    verdict = Verdict("crash-then-power-loss", seed)
    chance = random.Random(seed)
    cut = doubts = found = halved = 0
    for number in range(rounds):
        place = folder / str(number)
        place.mkdir()
        traces = [place / "first", place / "second", place / "third"]
        inject = f"--inject=fdatasync:error=EIO:signal=SIGKILL:when={chance.randint(20, 120)}"
        stage = Stage(Server(place, fault=fault, before=traced(traces[0], inject)), ROOMS, verdict)
        server = stage.server
        try:
            stage.publish(3, *_SMALL)
            server.stop(0)
            for each in stage.publishers:
                each.kill()
            if number % 2:
                inject = f"--inject=pwrite64:error=EIO:signal=SIGKILL:when={chance.randint(1, 9)}"
                server.before = traced(traces[1], inject)
                halved += not server.try_to_start()
            server.before = traced(traces[2])
            server.start()
            # what was recovered is read before anything new is written
            found += sum(len(everything(server.port, room)) for room in ROOMS)
            for each in stage.publishers:
                each.start()
            stage.until(stage.acknowledged() + 50)
            server.stop(signal.SIGKILL)
        finally:
            stage.end()
        disk, told = Disk(server.home), Told()
        for path in filter(Path.exists, traces[:2]):
            for event in events(path, server.home):
                disk.take(event)
                told.take(event)
        made = cut_at_random(verdict, disk, told, events(traces[2], server.home), cuts)
        cut, doubts = cut + made[0], doubts + made[1]
    verdict.figures.append(
        f"{rounds} kills between write and sync, {halved} in the recovery; "
        f"{found} messages recovered and read; "
        f"{cut} power cuts, {doubts} with writes that were not synced"
    )
    return verdict

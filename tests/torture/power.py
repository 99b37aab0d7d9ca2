"""Power cuts: what a server wrote, replayed up to a moment, with what was not synced in doubt.

Then the real store opens what is left, and must have all that peers had been told.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.torture.replay import WAYS, Disk, Told, opened
from tests.torture.servers import Server, everything, traced
from tests.torture.stage import Stage, Verdict
from tests.torture.trace import Acked, Delivered, Event, Wrote, events

ROOMS = "a", "b"
_SMALL = ("--size", "600", "--in-flight", "2", "--at-once", "1")
"""A publisher that asks for many small commits, so that SQLite's log is soon copied."""


END_OF_A_STOP, WHOLE_START = 10, 20
"""Events of a stop's end and of the start behind it, all of which are cut in every way."""


def cut_at_random(
    verdict: Verdict,
    disk: Disk,
    told: Told,
    trace: Sequence[Event],
    cuts: int,
    closely: range = range(0),
) -> tuple[int, int]:
    """Cut the power at so many moments of a trace, and all through its beginning.

    At the moments `closely` and those before anybody was told something it is cut in every way.

    Returns how often in all, and how often there were writes that were not synced.
    """
    chance = random.Random(verdict.seed)
    speaking = [n for n, event in enumerate(trace, 1) if isinstance(event, Acked | Delivered)]
    # half of them anywhere, half right behind something that was told
    anywhere = [chance.randint(0, len(trace)) for _ in range(cuts - cuts // 2)]
    moments = anywhere + chance.choices(speaking, k=cuts // 2)
    planned = [(moment, chance.choice(WAYS)) for moment in moments]
    planned += [(moment, way) for moment in (*range(speaking[0]), *closely) for way in WAYS]
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
    trace = events(first, server.home)
    closely = range(len(trace) - END_OF_A_STOP, len(trace) + WHOLE_START)
    trace += events(second, server.home)
    began = time.monotonic()
    made, doubts = cut_at_random(verdict, Disk(server.home), Told(), trace, cuts, closely)
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
                inject = f"--inject=pwrite64:error=EIO:signal=SIGKILL:when={chance.randint(1, 5)}"
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

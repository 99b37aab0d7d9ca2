"""Starts on a disk that fails: each sync, write and truncation of a start fails in its turn.

A start may refuse in one line or go on.  Whatever it does, what was there stays, what it
acknowledges is kept, and with a sound disk the next start serves.
"""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path

from tests.history import Said
from tests.torture.notes import payload
from tests.torture.servers import Server, everything, say, traced
from tests.torture.stage import Verdict

ROOM = "a"
CALLS = "fdatasync", "fsync", "pwrite64", "ftruncate"
OLD = [payload(Said("old", number), 100) for number in range(1, 31)]
NEW = payload(Said("new", 1))


class _Attempt(Server):
    """A server that may refuse to start: `served` says whether it did start."""

    def start(self) -> None:
        self.served = True
        try:
            super().start()
        except AssertionError:
            self.served = False


def run(folder: Path, seed: int, *, most: int = 50) -> Verdict:
    """Fail each of the first so many calls of a kind, at a first start and behind a crash."""
    verdict = Verdict("failing-starts", seed)
    crashed = _crashed(folder / "crashed")
    refused = served = 0
    for base in (None, crashed):
        for call in CALLS:
            for when in count(1):
                place = folder / f"{'first' if base is None else 'behind'}-{call}-{when}"
                outcome = _attempt(verdict, place, base, call, when) if when <= most else None
                if outcome is None:
                    break
                refused += not outcome
                served += outcome
    verdict.figures.append(f"a call failed in {refused + served} starts; {refused} were refused")
    if not refused:
        verdict.faults.append("no start was refused, so nothing is shown")
    return verdict


def _crashed(folder: Path) -> Path:
    """Make a store that was killed, with all it has in SQLite's log; return its folder."""
    folder.mkdir()
    server = Server(folder)
    for data in OLD:
        say(server.port, ROOM, data)
    server.kill()
    return server.home


def _attempt(
    verdict: Verdict, folder: Path, base: Path | None, call: str, when: int
) -> bool | None:
    """Start once with a fault, then without; return whether it served, None if nothing failed."""
    folder.mkdir()
    if base is not None:
        shutil.copytree(base, folder / "home")
    trace = folder / "trace"
    inject = f"--inject={call}:error=EIO:when={when}"
    server = _Attempt(folder, before=traced(trace, inject))
    served, acknowledged = server.served, False
    if served:
        try:
            acknowledged = say(server.port, ROOM, NEW) > 0
        except (OSError, StopIteration):
            pass  # the store's own thread met its fault
        server.kill()
    elif server.process.returncode != 1 or not server.lines[-1].startswith("tcpmsg: "):
        verdict.faults.append(f"{folder.name}: it refused so: {server.output[-1000:]}")
    if b"(INJECTED)" not in trace.read_bytes():
        return None
    server.before = []
    server.start()
    if not server.served:
        verdict.faults.append(f"{folder.name}: the next start: {server.output[-1000:]}")
        return False
    found = [data for _, data in everything(server.port, ROOM)]
    server.kill()
    expected = [*([] if base is None else OLD), *([NEW] if acknowledged else [])]
    # what was not acknowledged may be there all the same
    if found not in (expected, [*expected, NEW]):
        verdict.faults.append(f"{folder.name}: {len(found)} messages, not {len(expected)}")
    return served

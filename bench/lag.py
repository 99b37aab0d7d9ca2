"""How late the server's reactor is while large messages go to many members.

Law of this file: lateness is taken inside the server (lagging.py), so that nothing of the
generator's own is in it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from bench import machine
from bench.counting import HEADER, Wrong, latencies
from bench.figures import keep
from bench.lagging import EVERY
from bench.ours import Tcpmsg, TcpmsgDurable
from bench.servers import Cores, ServerProcess, allow_descriptors
from bench.workloads import Terms, flood

CASES: Final = ((100, 16, 512), (1000, 64 << 10, 2), (100, 1 << 20, 2))
"""Members of the room, bytes of a message, messages on their way at the most."""


def waits(late: Iterable[float], every: float) -> list[float]:
    """Return how long each of many would have waited who come at a steady pace.

    A reactor that is busy for long is looked at once in that time; those who would have come
    meanwhile waited too, each a bit less than the one before.
    """
    found: list[float] = []
    for each in late:
        found.append(each)
        found += [each - every * missed for missed in range(1, int(each / every) + 1)]
    return found


class Watched(Tcpmsg):
    """This server, watched."""

    def command(self, port: int, folder: Path) -> list[str]:
        """See `Peer`."""
        return [
            sys.executable, "-m", "bench.lagging", str(folder / "lag.json"),
            *super().command(port, folder)[1:],
        ]  # fmt: skip


class WatchedDurable(Watched):
    """The same, a stored room."""

    room = TcpmsgDurable.room


def lag(seconds: float, results: Path) -> None:
    """Measure each case with a memory room and a stored one, and keep the figures in a file."""
    cores = Cores.found()
    os.sched_setaffinity(0, {cores.generator})
    allow_descriptors(0)
    told = machine.about(cores, ())
    cases = []
    for peer, kind in ((Watched(), "memory"), (WatchedDurable(), "stored")):
        for members, size, window in CASES:
            what = f"a {kind} room of {members:,} gets messages of {size:,} bytes"
            cases.append({"what": what} | _case(peer, cores, seconds, members, size, window))
            print(what, cases[-1], file=sys.stderr, flush=True)
    told["load"].append(round(os.getloadavg()[0], 2))
    keep({"about": told, "cases": cases}, results)


def _case(
    peer: Tcpmsg, cores: Cores, seconds: float, members: int, size: int, window: int
) -> dict[str, float]:
    terms = Terms(seconds=seconds, warm=min(1.0, seconds / 4))
    with tempfile.TemporaryDirectory(prefix="bench-lag-") as folder:
        with ServerProcess(peer, cores, folder=Path(folder)) as server:
            spans: list[float] = []

            def tick(since: float, count: int) -> bool:
                spans.append(time.monotonic())
                return False

            row = flood(peer, server, terms, size=size, members=members, window=window, tick=tick)
        looks = json.loads((Path(folder) / "lag.json").read_text())
    begun, over = (spans[0] + terms.warm, spans[-1]) if spans else (0.0, 0.0)
    late = [each for when, each in looks if begun <= when <= over]
    if not late:
        raise Wrong("the reactor was not seen once: more --seconds are needed")
    return latencies(waits(late, EVERY)) | {
        "looks": len(late),
        "rate": row["rate"] * (size + HEADER),
    }

"""How cost grows: every sweep, point by point.

Law of this file: a point that fails is a figure too, and the next one is tried.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import machine
from bench.counting import Wrong
from bench.servers import Cores, allow_descriptors
from bench.sweeps import SWEEPS, sizes
from bench.workloads import Terms


def scale(
    names: Sequence[str], largest: int, seconds: float, warm: float, results: Path
) -> dict[str, Any]:
    """Measure, and write the figures to a file after each sweep; return them.

    Sweeps that are in the file and not asked for stay in it.
    """
    cores = Cores.found()
    os.sched_setaffinity(0, {cores.generator})
    allow_descriptors(0)
    terms = Terms(seconds=seconds, warm=warm)
    told = machine.about(cores, ())
    done: dict[str, Any] = {}
    if results.exists():
        done = {each["name"]: each for each in json.loads(results.read_text())["sweeps"]}
    for name in names:
        sweep = SWEEPS[name]
        points = []
        for at in sizes(sweep, largest):
            point: dict[str, Any] = {"at": at}
            try:
                point |= sweep.measure(at, cores, terms)
            except (Wrong, OSError) as error:
                point["failed"] = f"{type(error).__name__}: {error}"[:300]
            points.append(point)
            shown = {key: point.get(key) for key in (*sweep.columns, "failed") if key in point}
            print(f"{name:<12}{at:>12,}  {_shown(shown)}", file=sys.stderr, flush=True)
        told["load"].append(round(os.getloadavg()[0], 2))
        done[name] = {
            "name": name, "title": sweep.title, "axis": sweep.axis, "columns": sweep.columns,
            "drawn": sweep.drawn, "points": points,
        }  # fmt: skip
        found = {"about": told, "sweeps": [done[each] for each in SWEEPS if each in done]}
        results.parent.mkdir(parents=True, exist_ok=True)
        results.write_text(json.dumps(found, indent=1) + "\n")
    return found


def _shown(figures: dict[str, Any]) -> str:
    return ", ".join(
        f"{key} {value:,.4g}" if isinstance(value, (int, float)) else f"{key}: {value}"
        for key, value in figures.items()
    )

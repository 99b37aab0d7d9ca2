"""How cost grows: every sweep, point by point.

Law of this file: a point that fails is a figure too, and the next one is tried; what others
disturb is measured again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench import machine
from bench.figures import Row, attempt, keep, kept, least_disturbed
from bench.servers import Cores, allow_descriptors
from bench.sweeps import SWEEPS, Sweep, sizes
from bench.workloads import Terms


def scale(names: Sequence[str], largest: int, terms: Terms, results: Path) -> None:
    """Measure, and keep the figures in a file after each sweep.

    Sweeps that are in the file and not asked for stay in it; each has its date and revision.
    """
    cores = Cores.found()
    os.sched_setaffinity(0, {cores.generator})
    allow_descriptors(0)
    before = kept(results)
    done = {each["name"]: each for each in before["sweeps"]} if before else {}
    for name in names:
        sweep, told = SWEEPS[name], machine.about(cores, ())
        points = [_point(sweep, at, cores, terms) for at in sizes(sweep, largest)]
        told["load"].append(round(os.getloadavg()[0], 2))
        done[name] = {
            "name": name, "about": told, "title": sweep.title, "axis": sweep.axis,
            "columns": sweep.columns, "drawn": sweep.drawn, "points": points,
        }  # fmt: skip
        keep({"sweeps": [done[each] for each in SWEEPS if each in done]}, results)


def _point(sweep: Sweep, at: int, cores: Cores, terms: Terms) -> Row:
    """Measure a point, and say on standard error what came of it."""
    tries = terms.tries if at in sweep.sizes else 1  # what is larger takes long to make
    measure = partial(sweep.measure, at, cores, terms)
    point = {"at": at} | least_disturbed(partial(attempt, measure), tries)
    shown = {key: point[key] for key in (*sweep.columns, "failed") if key in point}
    print(f"{sweep.axis:<12}{at:>12,}  {_shown(shown)}", file=sys.stderr, flush=True)
    return point


def _shown(figures: Row) -> str:
    return ", ".join(
        f"{key} {value:,.4g}" if isinstance(value, (int, float)) else f"{key}: {value}"
        for key, value in figures.items()
    )

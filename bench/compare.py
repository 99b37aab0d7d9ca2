"""All peers side by side: repetitions, interleaved, each cell on a fresh server.

Law of this file: no cell is left out for what came of it.  What fails is in the figures
with its reason, what is missing is named.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench import codec, machine
from bench.figures import Row, attempt, keep, least_disturbed
from bench.peer import Peer
from bench.peers import PEERS
from bench.servers import Cores, ServerProcess, allow_descriptors
from bench.workloads import WORKLOADS, Terms, Workload


def present(names: Sequence[str]) -> tuple[dict[str, Peer], list[str]]:
    """Return those of the named peers that can run here, and the names of the others."""
    peers = {name: PEERS[name]() for name in names}
    missing = [name for name, peer in peers.items() if not peer.found()]
    return {name: peer for name, peer in peers.items() if name not in missing}, missing


def turned(names: Sequence[str], repetition: int) -> list[str]:
    """Return the names in the order of this repetition: nobody is always first."""
    at = repetition % len(names) if names else 0
    return [*names[at:], *names[:at]]


def cell(workload: Workload, peer: Peer, cores: Cores, terms: Terms) -> Row:
    """Measure one workload on one peer's server, which is started for it."""

    def measure() -> Row:
        with ServerProcess(peer, cores) as server:
            return workload.run(peer, server, terms)

    return {"workload": workload.name, "peer": peer.name} | attempt(measure)


def compare(
    workloads: Sequence[str],
    names: Sequence[str],
    repetitions: int,
    terms: Terms,
    results: Path | None,
) -> Row:
    """Measure, and keep all figures so far in a file, if any, after each workload; return them."""
    peers, missing = present(names)
    if missing:
        print(f"left out, not installed: {', '.join(missing)}", file=sys.stderr)
    cores = Cores.found()
    os.sched_setaffinity(0, {cores.generator})
    terms = terms._replace(connections=allow_descriptors(terms.connections))
    cells: list[Row] = []
    found: Row = {
        "about": machine.about(cores, peers.values()),
        "terms": terms._asdict() | {"repetitions": repetitions},
        "missing": missing,
        "codec": [],
        "cells": cells,
    }
    for repetition in range(repetitions):
        if "codec" in workloads:
            found["codec"].append(codec.measure(cores.server, terms.seconds / 4))
        for name in workloads:
            if name == "codec":
                continue
            workload = WORKLOADS[name]
            taking_part = [each for each in workload.peers if each in peers]
            for each in turned(taking_part, repetition):
                measure = partial(cell, workload, peers[each], cores, terms)
                row = least_disturbed(measure, terms.tries) | {"repetition": repetition}
                cells.append(row)
                _tell(row, workload)
            if results is not None:
                keep(found, results)
        found["about"]["load"].append(round(os.getloadavg()[0], 2))
    if results is not None:
        keep(found, results)
    return found


def _tell(row: Row, workload: Workload) -> None:
    """Say on standard error how far it is."""
    figure = row.get(workload.figure)
    shown = row.get("failed", "-") if figure is None else f"{figure:,.2f} {workload.unit}"
    print(
        f"{row['repetition']} {row['workload']:<15} {row['peer']:<17} {shown}",
        file=sys.stderr,
        flush=True,
    )

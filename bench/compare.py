"""All peers side by side: repetitions, interleaved, each cell on a fresh server.

Law of this file: no cell is left out for what came of it.  What fails is in the figures
with its reason, what is missing is named.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench import codec, machine
from bench.counting import Wrong
from bench.peer import Peer
from bench.peers import PEERS
from bench.servers import Cores, ServerProcess, allow_descriptors
from bench.tables import DISTURBED
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


def cell(workload: Workload, peer: Peer, cores: Cores, terms: Terms) -> dict[str, Any]:
    """Measure one workload on one peer; a failure is a figure too."""
    row: dict[str, Any] = {"workload": workload.name, "peer": peer.name}
    try:
        with ServerProcess(peer, cores) as server:
            row |= workload.run(peer, server, terms)
    except (Wrong, OSError) as error:
        row["failed"] = f"{type(error).__name__}: {error}"[:300]
    return row


def least_disturbed(measure: Callable[[], dict[str, Any]], tries: int) -> dict[str, Any]:
    """Measure a cell, again if others took much of a core, and return the least disturbed.

    It is measured `tries` times at the most.

    One that failed is returned at once: a message that was lost is no disturbance.
    """
    rows: list[dict[str, Any]] = []
    while len(rows) < tries:
        rows.append(measure())
        if rows[-1].get("others", 0.0) <= DISTURBED:
            break
    found = rows[-1] if "failed" in rows[-1] else min(rows, key=lambda row: row.get("others", 0.0))
    return found | {"tries": len(rows)}


def compare(
    workloads: Sequence[str], names: Sequence[str], repetitions: int, terms: Terms, results: Path
) -> dict[str, Any]:
    """Measure, and write all figures so far to a file after each workload; return them."""
    peers, missing = present(names)
    cores = Cores.found()
    os.sched_setaffinity(0, {cores.generator})
    terms = terms._replace(connections=allow_descriptors(terms.connections))
    cells: list[dict[str, Any]] = []
    found: dict[str, Any] = {
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
            write(found, results)
        found["about"]["load"].append(round(os.getloadavg()[0], 2))
        write(found, results)
    return found


def write(found: dict[str, Any], results: Path) -> None:
    """Write figures to a file, in a folder that is made if need be."""
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(found, indent=1) + "\n")


def _tell(row: dict[str, Any], workload: Workload) -> None:
    """Say on standard error how far it is."""
    figure = row.get(workload.figure)
    shown = row["failed"] if figure is None else f"{figure:,.2f} {workload.unit}"
    print(
        f"{row['repetition']} {row['workload']:<15} {row['peer']:<17} {shown}",
        file=sys.stderr,
        flush=True,
    )

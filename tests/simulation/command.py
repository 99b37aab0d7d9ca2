"""The command: one seed with its trace, or very many, in parts that can be resumed.

What it prints of a failure is enough to replay it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial

from tests.simulation.faults import FAULTS
from tests.simulation.run import Outcome, run
from tests.simulation.situations import table


def main(arguments: list[str]) -> int:
    """Run what was asked for; return how many seeds failed, 1 at the most."""
    options = _options(arguments)
    if options.seed is not None:
        outcome = run(options.seed, options.fault, full_trace=True)
        if options.trace:
            print("\n".join(outcome.trace))
        print(told(outcome, options.fault))
        return int(bool(outcome.found))
    began = time.monotonic()
    counts: Counter[str] = Counter()
    failed = 0
    seeds = options.seeds
    for number, outcome in enumerate(_outcomes(seeds, options), 1):
        counts += outcome.counts
        if outcome.found:
            failed += 1
            print(told(outcome, options.fault), flush=True)
        if number % 1000 == 0:
            print(f"{number} seeds, {failed} failed, {time.monotonic() - began:.0f} s; the rest: "
                  f"--seeds {seeds.start + number}..{seeds.stop}", flush=True)  # fmt: skip
    print(f"{len(seeds)} seeds from {seeds.start}: {failed} failed, "
          f"{time.monotonic() - began:.1f} s")  # fmt: skip
    if options.situations:
        print(table(counts))
    if options.stats:
        for name, count in sorted(counts.items()):
            print(f"{count:10} {name}")
    return int(failed > 0)


def told(outcome: Outcome, fault: str = "") -> str:
    """Return what a person needs of a run."""
    if not outcome.found:
        return f"seed {outcome.seed}: all zero, trace {outcome.digest}"
    planted = f" --fault {fault}" if fault else ""
    return "\n".join(
        [
            "--- the tail of the trace:",
            *outcome.trace[-60:],
            "--- the faults:",
            *outcome.happened,
            f"--- seed {outcome.seed} FAILED:",
            *outcome.found[:20],
            f"replay: python -m tests.simulation --seed {outcome.seed}{planted} --trace",
        ]
    )


def read_seeds(text: str) -> range:
    """Return the seeds that `300` or `2000..4000` stands for.  Raises `ValueError`."""
    first, dots, last = text.partition("..")
    return range(int(first), int(last)) if dots else range(int(first))


def _outcomes(seeds: range, options: argparse.Namespace) -> Iterator[Outcome]:
    act = partial(run, fault=options.fault)
    if options.jobs == 1:
        yield from map(act, seeds)
        return
    with multiprocessing.Pool(options.jobs, maxtasksperchild=500) as pool:
        yield from pool.imap(act, seeds, chunksize=10)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this seed alone")
    parser.add_argument("--trace", action="store_true", help="print the whole trace of --seed")
    parser.add_argument("--seeds", type=read_seeds, default=range(300), metavar="N|A..B",
                        help="how many seeds, or from A up to B, B not included")  # fmt: skip
    parser.add_argument("--jobs", type=int, default=1, help="processes at work")
    parser.add_argument("--fault", choices=sorted(FAULTS), default="", help="plant this fault")
    parser.add_argument("--situations", action="store_true",
                        help="say how often each situation came up; name the gaps")  # fmt: skip
    parser.add_argument("--stats", action="store_true", help="say how often each thing happened")
    return parser.parse_args(arguments)

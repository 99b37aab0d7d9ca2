"""The runs by name, each with the bounds that it has in CI unless others are given."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import tests.torture
from tests.torture import disks, kills, lines, power, retries, starts, syncs
from tests.torture.planted import FAULTS
from tests.torture.servers import STRACE
from tests.torture.stage import Verdict


class Run(NamedTuple):
    """A run, the words of its options, and the fault that must turn it red (empty: none)."""

    run: Callable[..., Verdict]
    options: tuple[str, ...]
    fault: str


RUNS: Final = {
    "kills": Run(kills.run, ("kills", "pause"), "early-ack"),
    "stored": Run(kills.stored, ("messages", "size"), ""),
    "cuts": Run(lines.cuts, ("messages",), "resume-off"),
    "retry": Run(retries.run, ("rounds",), "no-marks"),
    "order": Run(lines.order, ("messages", "leave"), "resume-off"),
    "stop": Run(lines.stop, ("stops",), "undrained"),
    "full-disk": Run(disks.full, ("fills",), "full-is-stored"),
    "refusals": Run(disks.refusals, ("alterations",), ""),
    "failing-starts": Run(starts.run, ("most",), ""),
    "fsync-order": Run(syncs.order, ("messages",), "no-sync"),
    "fsync-error": Run(syncs.failing, ("when", "call"), "carry-on"),
    "slow-disk": Run(syncs.slow, ("messages", "delay"), "unbounded"),
    "power-loss": Run(power.loss, ("cuts", "messages"), "no-sync"),
    "crash-then-power-loss": Run(power.twice, ("rounds", "cuts"), "no-sync-at-start"),
}


def options() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.torture",
        description=tests.torture.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(dest="run", metavar="RUN", title="runs (all of them, if none)")
    parser.add_argument("--seed", type=int, default=None, help="drawn and printed, if not given")
    for name, run in RUNS.items():
        words = (run.run.__doc__ or "").split("\n")[0]
        kind = kinds.add_parser(name, help=words, description=words)
        kind.add_argument("--seed", type=int, default=argparse.SUPPRESS)
        kind.add_argument("--times", type=int, default=1, dest="over", help="with seeds that rise")
        for word in run.options:
            default = (run.run.__kwdefaults__ or {})[word]
            kind.add_argument(f"--{word}", type=type(default), default=argparse.SUPPRESS)
        if run.fault:
            kind.add_argument(
                "--fault", default=argparse.SUPPRESS, choices=sorted(FAULTS),
                help=f"planted, to see that the run finds it: {run.fault}",
            )  # fmt: skip
    return parser


def perform(name: str, seed: int, **bounds: object) -> Verdict:
    """Make one run in a folder of its own, which stays only if there is a fault."""
    if shutil.which(STRACE) is None:
        raise SystemExit("this needs the Debian package strace: sudo apt-get install strace")
    folder = Path(tempfile.mkdtemp(prefix=f"torture-{name}-"))
    verdict = RUNS[name].run(folder, seed, **bounds)
    if verdict.faults:
        verdict.figures.append(f"the history is in {verdict.save()}, the store in {folder}")
    else:
        shutil.rmtree(folder)
    return verdict


def main() -> int:
    """Run as a program; exit 1 if there is a fault."""
    given = vars(options().parse_args())
    name, over = given.pop("run"), given.pop("over", 1)
    seed = given.pop("seed")
    first = random.randrange(1_000_000) if seed is None else seed
    faulty = False
    for one in [name] if name else RUNS:
        for number in range(over):
            began = time.monotonic()
            verdict = perform(one, first + number, **given)
            print(f"{verdict.words}\n    {time.monotonic() - began:.0f} s", flush=True)
            faulty = faulty or bool(verdict.faults)
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())

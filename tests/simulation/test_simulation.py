"""Three hundred histories in which nothing may go wrong, and planted faults that must be found."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.history import KINDS
from tests.simulation.command import told
from tests.simulation.faults import FAULTS
from tests.simulation.run import Outcome, first_found, run

SEEDS = 300
FOUND_WITHIN = 100

SITUATIONS = (
    "runs of ids",
    "server kills", "power cuts", "transactions forgotten", "died before the write",
    "died between write and sync", "died behind the sync", "failed syncs", "disk full",
    "publishers turned away", "cuts", "cuts inside a frame", "half-open connections", "silences",
    "stops", "long waits", "clock steps", "program kills", "takeovers", "connections taken over",
    "takeovers that had to wait", "superseded", "retries", "duplicates recognised", "refusals",
    "publishers held", "pruned rooms", "MISSED", "pieces asked of the store",
    "steps from the store to memory", "readers that were full",
)  # fmt: skip
"""What must come up, or the simulation would have become empty unseen."""


class Histories(SynchronousTestCase):
    def check(self, outcome: Outcome) -> None:
        if outcome.found:
            self.fail(told(outcome))

    def test_nothing_is_lost_doubled_swapped_skipped_or_invented(self) -> None:
        counts: Counter[str] = Counter()
        for seed in range(SEEDS):
            outcome = run(seed)
            self.check(outcome)
            counts += outcome.counts
        print("\n" + "".join(f"{count:10} {name}\n" for name, count in sorted(counts.items())))
        self.assertEqual([each for each in SITUATIONS if not counts[each]], [])

    def test_the_same_seed_is_the_same_history(self) -> None:
        seeds = range(1000, 1003)
        first = [run(seed) for seed in seeds]
        again = [run(seed) for seed in seeds]
        self.assertEqual([each.digest for each in first], [each.digest for each in again])
        self.assertEqual([each.trace for each in first], [each.trace for each in again])
        self.assertEqual(len({each.digest for each in first}), len(seeds))

    def test_also_in_another_process_with_other_hashes(self) -> None:
        command = [sys.executable, "-m", "tests.simulation", "--seed", "1000"]
        said = {
            subprocess.run(
                command,
                cwd=Path(__file__).parents[2],
                env=os.environ | {"PYTHONHASHSEED": hashes},
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            for hashes in ("1", "2")
        }
        self.assertEqual(said, {f"seed 1000: all zero, trace {run(1000).digest}\n"})


class PlantedFaults(SynchronousTestCase):
    """Each is found within a hundred seeds, and most in the first few."""

    def find(self, fault: str) -> None:
        outcome = first_found(fault, range(FOUND_WITHIN))
        self.flushLoggedErrors()
        assert outcome is not None, f"{fault} was not found within {FOUND_WITHIN} seeds"
        self.assertIn(outcome.found[0].split()[0].rstrip(":"), (*KINDS, "STUCK"), outcome.found[0])
        self.assertIn(f"--seed {outcome.seed} --fault {fault}", told(outcome, fault))


def _test(fault: str) -> None:
    def test(self: PlantedFaults) -> None:
        self.find(fault)

    setattr(PlantedFaults, "test_" + fault.replace("-", "_"), test)


for _name in FAULTS:
    _test(_name)

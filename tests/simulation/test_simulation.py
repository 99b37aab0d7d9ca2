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
from tests.simulation.faults import FAULTS, NOT_FOUND
from tests.simulation.run import Outcome, first_found, run
from tests.simulation.situations import gaps, table

SEEDS = 300
FOUND_WITHIN = 300

TROUBLES = ("STUCK", "ENDED", "PRESENCE", "COUNT", "KEPT")
"""What else than the words of the judge tells of a fault: a world that does not come to rest, a
client that cannot go on, a wrong list of the present, a wrong number of messages missed, and
messages that retention should have deleted."""

TRIED_FIRST = {
    "a-follower-that-left-stays": 43,
    "created-before-it-is-stored": 7,
    "floor-not-raised": 17,
    "ids-forgotten-at-a-full-disk": 62,
    "numbers-kept-after-a-refusal": 17,
    "older-connection-goes-on": 48,
    "part-lost-at-takeover": 87,
    "refusal-passed-over": 17,
}
"""The seeds that find what few seeds find, so that the tests take less time."""


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
        print(f"\n{table(counts)}")
        self.assertEqual(gaps(counts), [])

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
    """Each is found within three hundred seeds, and most in the first few."""

    def find(self, fault: str) -> None:
        outcome = first_found(fault, [TRIED_FIRST.get(fault, 0), *range(FOUND_WITHIN)])
        self.flushLoggedErrors()
        assert outcome is not None, f"{fault} was not found within {FOUND_WITHIN} seeds"
        self.assertIn(
            outcome.found[0].split()[0].rstrip(":"), (*KINDS, *TROUBLES), outcome.found[0]
        )
        self.assertIn(f"--seed {outcome.seed} --fault {fault}", told(outcome, fault))


def _test(fault: str) -> None:
    def test(self: PlantedFaults) -> None:
        self.find(fault)

    setattr(PlantedFaults, "test_" + fault.replace("-", "_"), test)


for _name in sorted(FAULTS.keys() - NOT_FOUND.keys()):
    _test(_name)

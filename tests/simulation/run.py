"""One run: a seed decides what happens and when, then everything heals and is judged.

Law of this file: all chance comes from the seed; after the last fault there is nothing that
may keep a message from its acknowledgement, or a member from the newest message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from random import Random

from tests.history import Fault, judge
from tests.simulation import faults, instruments
from tests.simulation.audit import audit, finish
from tests.simulation.chance import Chance
from tests.simulation.healing import Healing
from tests.simulation.system import simulated
from tests.simulation.vfs import vfs
from tests.simulation.world import World

STEPS = 800
"""What happens by chance before everything heals."""


@dataclass
class Outcome:
    """What came of a run."""

    seed: int
    digest: str
    faults: list[Fault]
    troubles: list[str]
    happened: list[str] = field(repr=False)
    trace: list[str] = field(repr=False)
    counts: Counter[str] = field(repr=False)

    @property
    def found(self) -> list[str]:
        """Everything that must never be."""
        return [*map(str, self.faults), *self.troubles]


class Run:
    """A world under one seed's chance."""

    def __init__(self, seed: int, *, full_trace: bool = False, steps: int = STEPS) -> None:
        self.world = World(seed, full_trace=full_trace)
        self.chance = Chance(self.world, Random(f"run {seed}"))
        self.healing = Healing(self.world)
        self.steps = steps

    def go(self) -> Outcome:
        """Run to the end."""
        world = self.world
        complete = False
        disk = world.machine.disk
        with vfs().over(disk), simulated(disk), instruments.counting(world):
            try:
                world.machine.start()
                for person in world.people:
                    if self.chance.random.random() < 0.7:
                        person.start()
                for _ in range(self.steps):
                    world.steps += 1
                    self.chance.step()
                self.healing.heal()
                audit(world, self.healing.settle)
                finish(world)
                complete = True
            except Exception as error:  # a fault of the product, or of the harness
                world.trouble(f"{type(error).__name__}: {error}")
                if isinstance(error, AssertionError):
                    raise
                instruments.explain(world, error)
            world.machine.discard()
        for key, value in world.machine.disk.counts.items():
            world.counts[key] += value
        found = judge(world.history) if complete else []
        outcome = Outcome(  # copies: what is collected as garbage later is not of this run
            world.seed, world.digest, found, list(world.troubles), list(world.faults),
            list(world.trace), Counter(world.counts),
        )  # fmt: skip
        for ending in world.endings:  # of a run that broke off: dropped, it could not clean up
            ending.cancel()
        return outcome


def run(seed: int, fault: str = "", *, full_trace: bool = False) -> Outcome:
    """Run one seed, with a planted fault if one is named."""
    with faults.FAULTS[fault]() if fault else nullcontext():
        return Run(seed, full_trace=full_trace).go()


def first_found(fault: str, seeds: Iterable[int]) -> Outcome | None:
    """Run seeds with a planted fault until it is found."""
    for seed in seeds:
        outcome = run(seed, fault)
        if outcome.found:
            return outcome
    return None


__all__ = ["Outcome", "Run", "first_found", "run"]

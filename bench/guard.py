"""Whether this checkout became slower than another revision, hot path by hot path.

Law of this file: ratios only, each of two samples taken one right behind the other on the
same core, the order changing each time; so a busy machine makes them spread, and does not
move them.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from bench.counting import Wrong, interval, median
from bench.peer import ROOT
from bench.servers import Cores
from bench.timing import Tree

TOLERANCE: Final = 1.10
"""What a path may cost at the most, as a multiple of what it cost before: two runs of one
and the same revision differ by up to 4 % here, and 10 % more a user would not see."""


class Verdict(NamedTuple):
    """A path's cost now beside its cost then: the median of the ratios, and bounds for it."""

    name: str
    before: float
    now: float
    ratio: float
    low: float
    high: float

    def slower(self, tolerance: float = TOLERANCE) -> bool:
        """Return whether it costs more than is tolerated, and not by chance."""
        return self.ratio > tolerance and self.low > 1.0


def judge(name: str, pairs: Sequence[tuple[float, float]]) -> Verdict:
    """Return what pairs of (before, now) say; raises `ValueError` if there are none."""
    ratios = [now / before for before, now in pairs]
    before, now = zip(*pairs, strict=True)
    return Verdict(name, median(before), median(now), median(ratios), *interval(ratios))


def base_of(revision: str) -> str:
    """Return the revision to compare with: the one given, else the last tag, else the last landed.

    Raises `Wrong` for what git does not know.
    """
    questions = [
        ["rev-parse", "--verify", "--quiet", f"{each}^{{commit}}"]
        for each in ([revision] if revision else ["origin/main", "main", "HEAD"])
    ]
    if not revision:
        questions.insert(0, ["describe", "--tags", "--abbrev=0"])
    for words in questions:
        found = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
        if found.returncode == 0 and found.stdout.strip():
            return found.stdout.strip()
    raise Wrong(f"git knows no revision {revision}".strip())


def guard(revision: str, rounds: int, names: Sequence[str], tolerance: float = TOLERANCE) -> int:
    """Compare this checkout with a revision, print a line for each path; 1 if one is slower."""
    base = base_of(revision)
    core = Cores.found().server
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory(prefix="bench-base-") as folder:
        tree = Path(folder) / "tree"
        _git("worktree", "add", "--quiet", "--detach", str(tree), base)
        try:
            with Tree(tree, core) as before, Tree(None, core) as now:
                print(f"this checkout beside {base[:12]}, {rounds} pairs of each path", flush=True)
                print(f"{'path':<26}{'before':>9}{'now':>9}   ratio (19 times in 20)")
                for name in names:
                    verdict = compared(name, before, now, rounds)
                    if verdict is not None:
                        verdicts.append(verdict)
                        _print(verdict, tolerance)
        finally:
            _git("worktree", "remove", "--force", str(tree))
    slower = [verdict.name for verdict in verdicts if verdict.slower(tolerance)]
    if slower:
        print(f"SLOWER by more than {tolerance - 1:.0%}: {', '.join(slower)}")
    return 1 if slower else 0


def compared(name: str, before: Tree, now: Tree, rounds: int) -> Verdict | None:
    """Return what so many pairs of samples of a path say, None if they cannot be compared."""
    for tree in (before, now):
        tree.sample(name)  # the first one also makes what the path needs
    if name in now.refusals:
        raise Wrong(f"{name} does not run in this checkout: {now.refusals[name]}")
    if name in before.refusals:
        print(f"{name:<26}not comparable: {before.refusals[name]}", flush=True)
        return None
    pairs: list[tuple[float, float]] = []
    for number in range(rounds):
        order = (before, now) if number % 2 else (now, before)
        costs = {tree: tree.sample(name) for tree in order}
        then, this = costs[before], costs[now]
        if then is None or this is None:
            raise Wrong(f"{name}: {before.refusals.get(name) or now.refusals.get(name)}")
        pairs.append((then, this))
    return judge(name, pairs)


def _print(verdict: Verdict, tolerance: float) -> None:
    mark = "  SLOWER" if verdict.slower(tolerance) else ""
    print(
        f"{verdict.name:<26}{verdict.before:>6.0f} ns{verdict.now:>6.0f} ns   "
        f"{verdict.ratio:.3f} ({verdict.low:.3f} to {verdict.high:.3f}){mark}",
        flush=True,
    )


def _git(*words: str) -> None:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise Wrong(f"git {words[0]} {words[1]}: {done.stderr.strip()}")

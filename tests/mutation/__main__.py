"""The command: draws a sample, judges it, and reports scores of packages and each survivor."""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Final

import tests.mutation
from tests.mutation.judging import Judge, digest, suite, tests_digest
from tests.mutation.mutants import Mutant, code, in_one_line, modules, mutants, sample

EXPLAINED: Final = Path(tests.mutation.__file__).parent / "explained.toml"


def options() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/mutate",
        description=tests.mutation.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sample", type=int, default=500, help="how many mutants (default 500)")
    parser.add_argument("--seed", type=int, default=13, help="which ones (default 13)")
    parser.add_argument("--all", action="store_true", help="all mutants, and no sample")
    parser.add_argument("--only", default="", help="only paths with this in them, of the sample")
    parser.add_argument("--explained", action="store_true", help="judge explained ones as well")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time (default 1)")
    parser.add_argument("--list", action="store_true", help="list the mutants, and judge none")
    parser.add_argument("--state", type=Path, default=Path(".mutation"), help=argparse.SUPPRESS)
    return parser


class Results:
    """The outcomes of this run and of earlier ones, a line of JSON each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamps = {module: digest([Path(module)]) for module in modules()}
        self._tests = tests_digest()
        self._found: dict[str, str] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                self._take(json.loads(line))

    def _take(self, row: dict[str, str]) -> None:
        module = row["mutant"].split("\t")[0]
        same = row["module"] == self._stamps.get(module)
        if same and (row["outcome"] != "survived" or row["tests"] == self._tests):
            self._found[row["mutant"]] = row["outcome"]

    def of(self, mutant: Mutant) -> str | None:
        """Return an outcome that still holds, None if there is none."""
        return self._found.get(mutant.identity)

    def keep(self, mutant: Mutant, outcome: str) -> None:
        """Keep an outcome."""
        row = {
            "mutant": mutant.identity,
            "module": self._stamps[mutant.module],
            "tests": self._tests,
            "outcome": outcome,
        }
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        self._take(row)


class Explanations:
    """The mutants that survive for a reason, by module, function and both sides."""

    def __init__(self, path: Path) -> None:
        self._known: set[tuple[str, str, str, str]] = set()
        for each in tomllib.loads(path.read_text("utf-8")).get("mutant", ()):
            if in_one_line(each["was"]) not in in_one_line(code(each["module"])):
                print(f"explained, but no longer there: {each['module']}: {each['was']}")
            self._known.add((each["module"], each["where"], each["was"], each["now"]))
        self._places = {place[:2] for place in self._known}

    def __contains__(self, mutant: Mutant) -> bool:
        place = mutant.module, mutant.where
        return place in self._places and (*place, *mutant.change()) in self._known


def report(drawn: list[Mutant], results: Results, explained: Explanations) -> int:
    """Print the score per package and all survivors without an explanation; return their number."""
    counts: dict[str, Counter[str]] = {}
    open_ones: list[Mutant] = []
    for mutant in drawn:
        outcome = results.of(mutant) or "not judged"
        if outcome in ("survived", "not judged") and mutant in explained:
            outcome = "explained"
        elif outcome == "survived":
            open_ones.append(mutant)
        for row in (mutant.package, "all"):
            counts.setdefault(row, Counter())[outcome] += 1
    for mutant in sorted(open_ones):
        was, now = mutant.change()
        print(mutant.diff())
        print("\n[[mutant]]")
        for key, value in zip(
            ("module", "where", "was", "now"), (mutant.module, mutant.where, was, now), strict=True
        ):
            print(f"{key} = {json.dumps(value)}")
        print()
    print(f"{'package':10}{'mutants':>9}{'killed':>9}{'score':>8}{'explained':>11}{'survived':>10}")
    for package in sorted(counts, key=lambda row: (row == "all", row)):
        count = counts[package]
        killed = count["killed"] + count["killed by a limit"]
        print(
            f"{package:10}{count.total():9}{killed:9}{killed / count.total():8.1%}"
            f"{count['explained']:11}{count['survived']:10}"
        )
    print(
        f"{counts['all']['killed by a limit']} of those killed ran into the limit of time or memory"
    )
    if counts["all"]["not judged"]:
        print(f"{counts['all']['not judged']} are not judged yet")
    return len(open_ones)


def main() -> int:
    """Run the command; return its exit code."""
    asked = options().parse_args()
    asked.state.mkdir(exist_ok=True)
    drawn = [mutant for module in modules() for mutant in mutants(module)]
    whole = len(drawn)
    if not asked.all:
        drawn = sample(asked.seed, asked.sample, drawn)
    drawn = [mutant for mutant in drawn if asked.only in mutant.module]
    if asked.list:
        for mutant in sorted(drawn):
            print(mutant.identity.replace("\t", "  "))
        return 0
    results = Results(asked.state / "results.jsonl")
    explained = Explanations(EXPLAINED)
    waiting = [mutant for mutant in drawn if results.of(mutant) is None]
    if not asked.explained:
        waiting = [mutant for mutant in waiting if mutant not in explained]
    print(f"{len(drawn)} of {whole} mutants; {len(waiting)} to judge")
    left = len(waiting)

    def told(mutant: Mutant, outcome: str, tests: int) -> None:
        nonlocal left
        left -= 1
        results.keep(mutant, outcome)
        if outcome == "survived":
            was, now = mutant.change()
            print(
                f"survived {tests} tests: {mutant.module} {mutant.where}: {was} => {now}",
                flush=True,
            )
        print(f"{left} to judge", end="\r", file=sys.stderr, flush=True)

    if waiting:
        Judge(suite(asked.state / "suite.json"), asked.jobs, told).judge(waiting)
    return 1 if report(drawn, results, explained) else 0


if __name__ == "__main__":
    sys.exit(main())

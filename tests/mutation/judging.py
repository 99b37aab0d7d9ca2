"""Which unit tests run which lines, and whether they fail with a mutant in place.

Each run is a fork of a process that has loaded pytest and Twisted, and nothing of this package:
that is what makes a run cheap.  The fork loads the mutated module from memory.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.machinery
import importlib.util
import json
import multiprocessing
import multiprocessing.connection
import os
import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import CodeType
from typing import Any, Final, NamedTuple

import coverage
import pytest

from tests.mutation.mutants import Mutant

TESTS: Final = "tests/unit"

LOADED: Final = (
    "hypothesis.strategies",
    "prometheus_client",
    "twisted.internet.endpoints",
    "twisted.internet.task",
    "twisted.trial.unittest",
    "twisted.web.server",
    "wsproto",
)
"""What most tests need and what is loaded once, before the forks."""

OPTIONS: Final = ("-q", "-p", "_hypothesis_pytestplugin", "-p", "no:cacheprovider")

MEMORY: Final = 3 * 1024**3
"""Bytes of address space: a mutant that loops must not take the machine's memory."""

PROCESSOR_SECONDS: Final = 5
"""What a test may take of a processor beside five times what it needs: a loop is killed."""

FRONT: Final = 3
"""Files of tests that a mutant meets before all others."""

IMPORT_SECONDS: Final = 10
"""What the tests' modules and their imports need of a processor, at the most."""

WALL_SECONDS: Final = 60
"""How long a run may last beside ten times what its tests need of a processor: the machine has
other work, and a test may wait for a thread that does nothing."""

CONTEXT: Final = multiprocessing.get_context("fork")


class Suite(NamedTuple):
    """What the unit tests run, as measured once."""

    seconds: dict[str, float]
    """Each test's processor time, by its pytest id."""
    lines: dict[str, dict[int, list[str]]]
    """For each module and line the tests that run it."""
    sizes: Counter[str]
    """How many tests each file has."""

    def concerning(self, mutant: Mutant) -> list[list[str]]:
        """Return the tests that may notice a mutant, in two parts, each with quick ones first.

        The first part is the files of which the largest share runs the mutant: they fail soonest.
        A test that does not run a line of a function cannot notice it.  What runs at the import
        can be noticed by any.
        """
        module = self.lines.get(mutant.module, {})
        first, last = mutant.lines
        wanted = module if mutant.imported else range(first, last + 1)
        near = {test for line in wanted for test in module.get(line, ())}
        chosen = set(self.seconds) if mutant.imported else near
        share = Counter(map(file_of, near))
        for file in share:
            share[file] /= self.sizes[file]  # type: ignore[assignment]
        front = {file for file, _ in share.most_common(FRONT)}
        order = sorted(chosen, key=lambda test: (self.seconds[test], test))
        parts = (
            [test for test in order if (file_of(test) in front) is part] for part in (True, False)
        )
        return [part for part in parts if part]


def file_of(test: str) -> str:
    """Return the file of a test."""
    return test.partition("::")[0]


def digest(paths: Iterable[Path]) -> str:
    """Return a hash of files and their contents."""
    whole = hashlib.sha256()
    for path in sorted(paths):
        whole.update(str(path).encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()[:16]


def tests_digest() -> str:
    """Return a hash of the unit tests."""
    return digest(Path(TESTS).glob("*.py"))


def suite(kept: Path) -> Suite:
    """Return what the unit tests run, measured again if code or tests have changed."""
    stamp = f"{tests_digest()} {digest(Path('twisted_msg').rglob('*.py'))}"
    if not kept.exists() or json.loads(kept.read_text())["stamp"] != stamp:
        print("measuring which tests run which lines (a few minutes)", file=sys.stderr)
        for name in LOADED:
            importlib.import_module(name)
        run = CONTEXT.Process(target=measure, args=(kept, stamp))
        run.start()
        run.join()
        if run.exitcode:
            sys.exit("the unit tests fail without any mutant: mend them first")
    found = json.loads(kept.read_text())
    tests = list(found["seconds"])
    return Suite(
        found["seconds"],
        {
            module: {int(line): [tests[n] for n in numbers] for line, numbers in lines.items()}
            for module, lines in found["lines"].items()
        },
        Counter(map(file_of, tests)),
    )


class Measuring:
    """A plugin of pytest: names the test that runs to coverage, and takes its time."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self.measured = measured
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        """Run one test."""
        self.measured.switch_context(item.nodeid)
        began = time.process_time()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = round(time.process_time() - began, 4)
            self.measured.switch_context("")


def measure(kept: Path, stamp: str) -> None:
    """Run all unit tests, and keep which lines each runs."""
    here = Path.cwd()
    measured = coverage.Coverage(data_file=None, branch=False, source=["twisted_msg"])
    plugin = Measuring(measured)
    measured.start()
    outcome = pytest.main([*OPTIONS, temporary("measure"), TESTS], [plugin])
    measured.stop()
    if outcome:
        os._exit(1)
    numbers = {test: number for number, test in enumerate(plugin.seconds)}
    lines: dict[str, dict[int, list[int]]] = defaultdict(dict)
    data = measured.get_data()
    for path in data.measured_files():
        for line, contexts in data.contexts_by_lineno(path).items():
            found = sorted(numbers[each] for each in contexts if each)
            if found:
                lines[str(Path(path).relative_to(here))][line] = found
    kept.write_text(json.dumps({"stamp": stamp, "seconds": plugin.seconds, "lines": lines}))


class Mutated(MetaPathFinder):
    """Finds one module with another source than its file's."""

    def __init__(self, mutant: Mutant) -> None:
        path = Path(mutant.module)
        parts = path.with_suffix("").parts
        self.name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        self.path = str(path.resolve())
        self.code = compile(mutant.source(), self.path, "exec")

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        """Return the mutated module's spec, None for any other."""
        if fullname != self.name:
            return None
        loader = Loader(fullname, self.path)
        loader.code = self.code
        return importlib.util.spec_from_file_location(fullname, self.path, loader=loader)


class Loader(importlib.machinery.SourceFileLoader):
    """Loads what was compiled before, and leaves no cached file of it."""

    code: CodeType

    def get_code(self, fullname: str) -> CodeType:
        """Return the mutated module's code."""
        return self.code


class Chosen:
    """A plugin of pytest: keeps the chosen tests, in their order, and limits each one's time."""

    def __init__(self, tests: dict[str, float]) -> None:
        """Take the tests, each with the processor time that it needs."""
        self.tests = tests
        self.rank = {test: place for place, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sort, and leave out the others."""
        items[:] = sorted(
            (item for item in items if item.nodeid in self.rank),
            key=lambda item: self.rank[item.nodeid],
        )

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Give the next test its time."""
        self.allow(self.tests[item.nodeid])

    def allow(self, need: float) -> None:
        """Have the kernel kill this process when it takes much more than is needed."""
        limit = int(time.process_time() + PROCESSOR_SECONDS + 5 * need)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def meet(mutant: Mutant, tests: dict[str, float], name: str) -> None:
    """In a fork of its own: run tests with a mutant in place, and exit with pytest's code."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    chosen = Chosen(tests)
    chosen.allow(IMPORT_SECONDS)
    sys.meta_path.insert(0, Mutated(mutant))
    files = list(dict.fromkeys(map(file_of, tests)))
    os._exit(pytest.main([*OPTIONS, "-x", temporary(name), *files], [chosen]))


def temporary(name: str) -> str:
    """Return the option that keeps a run's files in this copy of the checkout."""
    folder = Path.cwd() / ".tmp"
    folder.mkdir(exist_ok=True)
    return f"--basetemp={folder / name}"


class Run(NamedTuple):
    """Some tests that a mutant meets."""

    mutant: Mutant
    tests: int
    """How many, with those that it has survived before."""
    end: float
    """When the run is given up, in monotonic seconds."""
    later: list[list[str]]
    """The tests that it meets if it survives these."""


class Judge:
    """Judges mutants, some at a time."""

    def __init__(self, suite: Suite, jobs: int, told: Callable[[Mutant, str, int], None]) -> None:
        """Take what is called with a mutant, its outcome, and the number of its tests."""
        self.suite = suite
        self.jobs = jobs
        self.told = told
        self.running: dict[BaseProcess, Run] = {}
        for name in LOADED:
            importlib.import_module(name)

    def judge(self, mutants: Iterable[Mutant]) -> None:
        """Judge all, after a control: the same way without a fault, which must pass."""
        told, self.told = self.told, self._control
        try:
            control = Mutant("twisted_msg/web/inside.py", "", "", "", 0, 0, (1, 1000), False)
            self.start(control, 0, self.suite.concerning(control))
            while self.running:
                self.wait()
            self.told = told
            for mutant in mutants:
                while len(self.running) >= self.jobs:
                    self.wait()
                self.start(mutant, 0, self.suite.concerning(mutant))
            while self.running:
                self.wait()
        finally:
            for process in self.running:
                process.kill()

    @staticmethod
    def _control(mutant: Mutant, outcome: str, tests: int) -> None:
        if outcome != "survived":
            sys.exit(f"{tests} tests of {mutant.module} fail without any mutant: {outcome}")

    def start(self, mutant: Mutant, survived: int, parts: list[list[str]]) -> None:
        """Start a run, if there are tests that the mutant has not survived yet."""
        if not parts:
            self.told(mutant, "survived", survived)
            return
        need = {test: self.suite.seconds[test] for test in parts[0]}
        name = hashlib.sha256(f"{mutant.identity} {survived}".encode()).hexdigest()[:12]
        process = CONTEXT.Process(target=meet, args=(mutant, need, name))
        process.start()
        end = time.monotonic() + WALL_SECONDS + 10 * sum(need.values())
        self.running[process] = Run(mutant, survived + len(need), end, parts[1:])

    def wait(self) -> None:
        """Wait until a run has ended or one is over its time."""
        until = min(run.end for run in self.running.values())
        sentinels = [process.sentinel for process in self.running]
        multiprocessing.connection.wait(sentinels, max(0, until - time.monotonic()))
        for process, run in list(self.running.items()):
            if process.is_alive():
                if time.monotonic() < run.end:
                    continue
                process.kill()
            process.join()
            del self.running[process]
            found = outcome(process.exitcode)
            if found == "survived":
                self.start(run.mutant, run.tests, run.later)
            else:
                self.told(run.mutant, found, run.tests)


def outcome(status: int | None) -> str:
    """Return what a run's end means."""
    if status == pytest.ExitCode.OK:
        return "survived"
    if status is None or status < 0:
        return "killed by a limit"
    if status in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED):
        sys.exit(f"pytest could not run the chosen tests: exit code {status}")
    return "killed"

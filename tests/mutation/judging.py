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
from collections import defaultdict
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

PROCESSOR_SECONDS: Final = 20
"""What a run may take of a processor beside ten times what its tests need: a loop is killed."""

WALL_FACTOR: Final = 10
"""Wall seconds to a second of processor time: a machine has other work, and tests may wait for
a thread that a mutant never starts."""

CONTEXT: Final = multiprocessing.get_context("fork")


class Suite(NamedTuple):
    """What the unit tests run, as measured once."""

    seconds: dict[str, float]
    """Each test's processor time, by its pytest id."""
    lines: dict[str, dict[int, list[str]]]
    """For each module and line the tests that run it."""

    def concerning(self, mutant: Mutant) -> list[str]:
        """Return the tests that may notice a mutant, those that probably do and quick ones first.

        A test that does not run a line of a function cannot notice it.  What runs at the
        import can be noticed by any.
        """
        module = self.lines.get(mutant.module, {})
        near = {test for tests in module.values() for test in tests}
        first, last = mutant.lines
        if mutant.imported:
            chosen = set(self.seconds)
        else:
            chosen = {test for line in range(first, last + 1) for test in module.get(line, ())}
        return sorted(chosen, key=lambda test: (test not in near, self.seconds[test], test))


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
    """A plugin of pytest: keeps the chosen tests, in their order."""

    def __init__(self, tests: list[str]) -> None:
        self.rank = {test: place for place, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sort, and leave out the others."""
        items[:] = sorted(
            (item for item in items if item.nodeid in self.rank),
            key=lambda item: self.rank[item.nodeid],
        )


def meet(mutant: Mutant, tests: list[str], processor: int, name: str) -> None:
    """In a fork of its own: run tests with a mutant in place, and exit with pytest's code."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    resource.setrlimit(resource.RLIMIT_CPU, (processor, processor))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.meta_path.insert(0, Mutated(mutant))
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
    os._exit(pytest.main([*OPTIONS, "-x", temporary(name), *files], [Chosen(tests)]))


def temporary(name: str) -> str:
    """Return the option that keeps a run's files in this copy of the checkout."""
    folder = Path.cwd() / ".tmp"
    folder.mkdir(exist_ok=True)
    return f"--basetemp={folder / name}"


class Judge:
    """Judges mutants, some at a time."""

    def __init__(self, suite: Suite, jobs: int, told: Callable[[Mutant, str, int], None]) -> None:
        """Take what is called with a mutant, its outcome, and the number of its tests."""
        self.suite = suite
        self.jobs = jobs
        self.told = told
        self.running: dict[BaseProcess, tuple[Mutant, int, float]] = {}
        for name in LOADED:
            importlib.import_module(name)

    def judge(self, mutants: Iterable[Mutant]) -> None:
        """Judge all."""
        try:
            for mutant in mutants:
                tests = self.suite.concerning(mutant)
                if not tests:
                    self.told(mutant, "survived", 0)
                    continue
                while len(self.running) >= self.jobs:
                    self.wait()
                self.start(mutant, tests)
            while self.running:
                self.wait()
        finally:
            for process in self.running:
                process.kill()

    def start(self, mutant: Mutant, tests: list[str]) -> None:
        """Start a run."""
        need = sum(self.suite.seconds[test] for test in tests)
        processor = int(PROCESSOR_SECONDS + 10 * need)
        name = hashlib.sha256(mutant.identity.encode()).hexdigest()[:12]
        process = CONTEXT.Process(target=meet, args=(mutant, tests, processor, name))
        process.start()
        self.running[process] = mutant, len(tests), time.monotonic() + WALL_FACTOR * processor

    def wait(self) -> None:
        """Wait until a run has ended or one is over its time."""
        until = min(end for _, _, end in self.running.values())
        sentinels = [process.sentinel for process in self.running]
        multiprocessing.connection.wait(sentinels, max(0, until - time.monotonic()))
        for process, (mutant, tests, end) in list(self.running.items()):
            if process.is_alive():
                if time.monotonic() < end:
                    continue
                process.kill()
            process.join()
            del self.running[process]
            self.told(mutant, outcome(process.exitcode), tests)


def outcome(status: int | None) -> str:
    """Return what a run's end means."""
    if status == pytest.ExitCode.OK:
        return "survived"
    if status is None or status < 0:
        return "killed by a limit"
    if status in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED):
        sys.exit(f"pytest could not run the chosen tests: exit code {status}")
    return "killed"

"""What holds for every test: none is skipped, signals act, and no process outlives the run."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.processes import child_processes, reset_signals


def pytest_configure() -> None:
    """Let Ctrl-C act in every process that a test starts; see `reset_signals`."""
    reset_signals()


@pytest.fixture(scope="session", autouse=True)
def no_process_left() -> Iterator[None]:
    """Fail the last test if a process that a test started still runs, and end that process."""
    before = child_processes()
    yield
    left = {pid: words for pid, words in child_processes().items() if pid not in before}
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, f"tests left these processes running: {left}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Fail the run if a test was skipped: a machine that cannot run one must say so."""
    if terminalreporter.getreports("skipped"):
        terminalreporter.write_line("a test was skipped; none may be", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.getreports("skipped") and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED

"""What holds for every test: none is skipped unseen."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Fail the run if a test was skipped: a machine that cannot run one must say so."""
    if terminalreporter.getreports("skipped"):
        terminalreporter.write_line("a test was skipped; none may be", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.getreports("skipped") and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED

"""The suite itself, started as scripts in the background are: with signals that are ignored."""

import signal
import subprocess
import sys

from tests.integration.conftest import PATIENCE, ROOT
from tests.processes import ended_after

INTERRUPTED = "tests/integration/test_process.py::test_serve_exits_0"


def ignore_signals() -> None:
    """Ignore what `nohup` and a script's `&` ignore, and block SIGTERM."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))


def test_tests_that_press_ctrl_c_pass_when_started_in_the_background() -> None:
    suite = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", INTERRUPTED],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=ignore_signals,
    )
    with ended_after(suite):
        output, _ = suite.communicate(timeout=3 * PATIENCE)
    assert suite.returncode == 0, output

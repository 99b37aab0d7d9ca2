"""The suite itself: signals that are ignored where it starts, and processes that a test leaves."""

import signal
import subprocess
import sys
from pathlib import Path

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


def test_a_test_that_leaves_a_process_fails(tmp_path: Path) -> None:
    (tmp_path / "test_leaves.py").write_text(
        "import subprocess\n"
        "def test_leaves():\n"
        "    global left  # or Python would complain that it still runs\n"
        "    left = subprocess.Popen(['sleep', '600'])\n"
    )
    words = ["-q", "-p", "tests.conftest", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--rootdir", str(tmp_path), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert "tests left these processes running: " in done.stdout
    assert "'sleep'" in done.stdout

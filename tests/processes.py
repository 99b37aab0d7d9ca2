"""Processes that tests start, each of which ends with its test.

A test process may be started with signals ignored or blocked: `nohup` ignores SIGHUP, and `&` in a
script ignores SIGINT and SIGQUIT. Child processes inherit that, so `reset_signals` undoes it.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

PATIENCE = 90.0
"""Seconds that any one answer may take on a slow machine before a test fails."""

AnyPopen = TypeVar("AnyPopen", bound="subprocess.Popen[Any]")


def reset_signals() -> None:
    """Give the signals that end a process their defaults, and unblock all signals.

    Raises `ValueError` outside the main thread.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def end_process(process: subprocess.Popen[Any]) -> None:
    """Kill a process unless it has ended, wait for its end, and close its pipes."""
    process.kill()
    process.wait(PATIENCE)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            try:
                stream.close()
            except BrokenPipeError:
                pass  # the process ended before it read what the test wrote


@contextmanager
def ended_after(process: AnyPopen) -> Iterator[AnyPopen]:
    """Return a process that is ended when the block is left, in whatever way."""
    try:
        yield process
    finally:
        end_process(process)


def child_processes() -> dict[int, str]:
    """Return the names of this process's running children, by process id."""
    children = {}
    for thread in Path("/proc/self/task").iterdir():
        for pid in (thread / "children").read_text().split():
            with suppress(FileNotFoundError, ProcessLookupError):  # it may end meanwhile
                name, _, state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
                if not state.startswith(" Z"):  # it has ended, and was not waited for
                    children[int(pid)] = name.partition("(")[2]
    return children

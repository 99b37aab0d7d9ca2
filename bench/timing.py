"""The hot paths of one checkout, timed in a process of its own.

Law of this file: two checkouts are never in one interpreter.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from bench.counting import Wrong
from bench.peer import ROOT


class Tree:
    """A process that has the modules of one checkout."""

    def __init__(self, folder: Path | None, core: int) -> None:
        """Take the checkout, None for this one, and the core to run on."""
        self.refusals: dict[str, str] = {}
        """Why there is no figure of a path."""
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(ROOT / "bench" / "paths.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder or ROOT,
            env=os.environ | {"PYTHONPATH": str(folder or ROOT), "PYTHONHASHSEED": "0"},
            preexec_fn=lambda: _prepare(core),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(30)
        process.stdout.close()

    def sample(self, name: str) -> float | None:
        """Return nanoseconds of CPU time for each message, None if this checkout has no such path.

        Raises `Wrong` if the process is gone.
        """
        if name in self.refusals:
            return None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(name + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if not answer:
            raise Wrong(f"the process that times {name} has ended")
        if answer.startswith("-"):
            self.refusals[name] = answer[2:]
            return None
        return float(answer)


def _prepare(core: int) -> None:
    """Be on one core, and end with the standard input: Ctrl-C is for who asks."""
    os.sched_setaffinity(0, {core})
    signal.signal(signal.SIGINT, signal.SIG_IGN)

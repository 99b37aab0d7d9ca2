"""The real command for tests: run to its end, started to stay, or under a terminal.

Nothing sleeps here: readiness is read from output, and every wait has an end.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from tests.integration.conftest import PATIENCE, ServerProcess, environment
from tests.processes import ended_after

ROOT = Path(__file__).parents[2]

WHERE = b"\x1b[6n"
"""Where is the cursor?  Asked by line editors, and answered by every terminal."""


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "twisted_msg", *words]


def variables(server: ServerProcess | None = None, **more: str) -> dict[str, str]:
    address = {} if server is None else {"TCPMSG_SERVER": server.address}
    return environment(PYTHONPATH=str(ROOT), **address, **more)


def run(
    server: ServerProcess | None, *words: str, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command(*words),
        input=given,
        capture_output=True,
        env=variables(server),
        timeout=PATIENCE,
        check=False,
    )


def until(stream: IO[bytes] | None, text: bytes) -> bytes:
    """Read lines until one holds the text; `PATIENCE` is kept by `begin`'s fixture."""
    assert stream is not None
    for line in stream:
        if text in line:
            return line
    raise AssertionError(f"{text!r} did not come")


@contextmanager
def beginning(server: ServerProcess) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start commands that stay, with pipes on all sides; an alarm ends a test that hangs."""
    processes = ExitStack()

    def start(*words: str, **more: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command(*words),
            stdin=more.pop("stdin", subprocess.PIPE),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=variables(server),
        )
        return processes.enter_context(ended_after(process))

    def late(*_: object) -> None:
        raise AssertionError(f"nothing for {PATIENCE:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(int(2 * PATIENCE))
    try:
        with processes:
            yield start
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Terminal:
    """A command under a pseudo terminal, with what it wrote so far."""

    def __init__(self, *words: str, line: str = "", width: int = 80, **more: str) -> None:
        """Run the command with these words, or a whole line of a shell."""
        self.output = b""
        self._last = b""
        program = ["/bin/sh", "-c", line] if line else command(*words)
        size = struct.pack("HHHH", 24, width, 0, 0)
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:  # pragma: no cover - the child becomes the command
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, size)
                os.execve(program[0], program, more)
            finally:
                os._exit(127)

    def resize(self, width: int) -> None:
        """Make it so many columns wide, which its program is told by a signal."""
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))

    def type(self, text: bytes) -> None:
        os.write(self.descriptor, text)

    def wait_for(self, pattern: bytes) -> bytes:
        """Return the output up to the pattern's match, and forget it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = re.search(pattern, self.output, re.DOTALL)
            if found:
                seen, self.output = self.output[: found.end()], self.output[found.end() :]
                return seen
            assert self._read(deadline), (pattern, self.output)

    def _read(self, deadline: float) -> bool:
        """Take in what comes next; return whether anything has come before the deadline."""
        patience = max(0.0, deadline - time.monotonic())
        if not select.select([self.descriptor], [], [], patience)[0]:
            return False
        try:
            piece = os.read(self.descriptor, 65536)
        except OSError:
            return False  # how Linux tells that the other side is gone
        self.output += piece
        *asked, rest = (self._last + piece).split(WHERE)
        self._last = rest[1 - len(WHERE) :]  # a question may come in two pieces
        if asked:
            with suppress(OSError):  # it may be gone meanwhile
                os.write(self.descriptor, b"\x1b[1;1R" * len(asked))
        return bool(piece)

    def wait(self) -> int:
        """Read to the end and return the exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        process = os.pidfd_open(self.pid)  # readable once the process has ended
        try:
            ended, _, _ = select.select([process], [], [], max(0.0, deadline - time.monotonic()))
        finally:
            os.close(process)
        assert ended, ("still running; was a key lost?", self.output)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def close(self) -> None:
        os.close(self.descriptor)
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass

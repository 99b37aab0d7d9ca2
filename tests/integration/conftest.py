"""Real servers for the integration tests: started on port 0, ready when they say so."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.processes import PATIENCE, end_process

ROOT = Path(__file__).parents[2]


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without the settings that a developer may have."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TCPMSG_", "XDG_"))}
    return {**kept, "PYTHONUNBUFFERED": "1", **more}


class ServerProcess:
    """A server of its own process, driven from outside.

    `lines` is its output so far; `port` the first TCP port it listens on, 0 if none.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        command: list[str] | None = None,
        variables: dict[str, str] | None = None,
        listen: bool = True,
        patience: float = PATIENCE,
    ) -> None:
        """Start, within `patience` seconds; without `listen`, options or a file say where."""
        self.listen = listen and "--listen" not in options
        self.patience = patience
        self.folder = folder
        self.variables = variables or {}
        self.options = options
        self.command = command
        self.port = self._reserved() if self.listen else 0
        self.start()

    def _reserved(self) -> int:
        """Return a port that nobody else is given, also while the server is down.

        It is bound and not listened on, which a server is let to do beside it.
        """
        keeper = socket.socket()
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(("127.0.0.1", 0))
        weakref.finalize(self, keeper.close)
        port: int = keeper.getsockname()[1]
        return port

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self.process.pid

    def start(self) -> None:
        """Start it, always on the same port, and wait until it says that it is ready."""
        listen = ("--listen", self.address) if self.listen else ()
        command = self.command or [
            str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "tcpmsg",
        ]  # fmt: skip
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [*command, *listen, *self.options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            env=environment(HOME=str(self.folder), **self.variables),
            text=True,
        )
        try:
            self._await_readiness()
        except BaseException:  # also when a test's alarm or Ctrl-C interrupts the wait
            end_process(self.process)
            raise
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _await_readiness(self) -> None:
        """Read the server's output until it says that it is ready."""
        alarm = threading.Timer(self.patience, self.process.kill)
        alarm.start()
        assert self.process.stdout is not None
        try:
            for line in self.process.stdout:
                self.lines.append(line)
                listening = re.search(r'(?:listens on |"address": ")[^" ]+:(\d+)', line)
                if listening and not self.port:
                    self.port = int(listening[1])
                if "from a script: " in line:
                    break
            else:
                self.process.wait()
        finally:
            alarm.cancel()
        if self.process.poll() is not None:
            raise AssertionError("the server did not start:\n" + "".join(self.lines))

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Ask it to stop, unless `how` is 0; return its exit status (negative: a signal)."""
        if how:
            self.process.send_signal(how)
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    def kill(self) -> None:
        """End it without warning."""
        self.stop(signal.SIGKILL)

    def end(self) -> None:
        """End it unless it has ended; fail if its output shows a traceback."""
        if self.process.poll() is None:
            self.kill()
        assert "Traceback" not in self.output, self.output

    def restart(self) -> None:
        """Stop it if it runs, and start it again on the same port."""
        if self.process.poll() is None:
            self.stop()
        self.start()

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def resident(self) -> int:
        """Return its resident memory in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024  # type: ignore[index]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Start servers with options of the test's own; each is ended with the test."""
    with ExitStack() as servers:

        def begin(*options: str, **more: Any) -> ServerProcess:
            server = ServerProcess(tmp_path, *options, **more)
            servers.callback(server.end)
            return server

        yield begin


@pytest.fixture
def server(start: Callable[..., ServerProcess]) -> ServerProcess:
    """A server with the default options, on a port of its own."""
    return start()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with the default options for many tests, none of which leaves anything behind."""
    server = ServerProcess(tmp_path_factory.mktemp("shared"))
    yield server
    server.end()


@pytest.fixture
def begin(server: ServerProcess) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start commands that stay, with pipes on all sides; an alarm ends a test that hangs."""
    from tests.integration.commands import beginning

    with beginning(server) as begin:
        yield begin


@pytest.fixture
def terminal(server: ServerProcess) -> Iterator[Callable[..., Any]]:
    """Run commands under terminals."""
    from tests.integration.commands import Terminal, variables

    with ExitStack() as terminals:

        def start(*words: str, width: int = 80, **more: str) -> Terminal:
            environment = variables(server, **{"TERM": "xterm", **more})
            terminal = Terminal(*words, width=width, **environment)
            terminals.callback(terminal.close)
            return terminal

        yield start

"""The server under torture: a process that is killed, stopped, and started again in its place.

Law of this file: what runs is `twistd -n tcpmsg`, as users run it; a fault is planted, and
system calls are traced, by what stands before it on the command line.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.integration.conftest import PATIENCE, ServerProcess, environment

TWISTD = [str(Path(sys.executable).with_name("twistd"))]
SERVE = ["-n", "--pidfile=", "tcpmsg"]
HEADER = 128

STRACE = "strace"
TRACED = (
    "openat,open,creat,mkdir,mkdirat,unlink,unlinkat,rename,renameat,renameat2,link,linkat,"
    "write,writev,pwrite64,pwritev,pwritev2,ftruncate,truncate,fallocate,copy_file_range,"
    "sync_file_range,msync,fsync,fdatasync,accept4,recvfrom,sendto,sendmsg,close,exit_group"
)
"""The system calls that change files or speak to peers."""


def planted(fault: str) -> list[str]:
    """Return what runs twistd with a fault in it, or without one for an empty name."""
    return [sys.executable, "-m", "tests.torture.planted", fault] if fault else TWISTD


def traced(path: Path, *more: str) -> list[str]:
    """Return what runs a program and writes its system calls to a file, with all their data."""
    return [
        STRACE, "-f", "-y", "-ttt", "-xx", "-s", "1000000", "--seccomp-bpf",
        "-e", f"trace={TRACED}", "-o", str(path), *more,
    ]  # fmt: skip


class Server(ServerProcess):
    """A server with its store in `folder`/home/data, and maybe programs round it.

    It makes `home` itself, so that a power cut can take that back, too.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        fault: str = "",
        before: list[str] | None = None,
        disk: Path | None = None,
    ) -> None:
        """Start; `before` are the words that stand before twistd, `disk` is another `folder`."""
        self.home = (disk or folder) / "home"
        self.data = self.home / "data"
        self.fault = fault
        self.before = before or []
        root = Path(__file__).parents[2]
        super().__init__(
            folder,
            "--data-dir", str(self.data), "--retain", "all", *options,
            command=self._words(),
            variables={"PYTHONPATH": str(root)},
        )  # fmt: skip

    def _words(self) -> list[str]:
        return [*self.before, *planted(self.fault), *SERVE]

    def start(self) -> None:
        """Start it in its place; see `ServerProcess`."""
        self.command = self._words()
        super().start()

    def try_to_start(self) -> bool:
        """Start it where it may be killed before it serves; return whether it served."""
        try:
            self.start()
        except AssertionError:
            return False
        finally:
            self.stop(signal.SIGKILL)
        return True

    @property
    def pid(self) -> int:
        """The server's own number, whatever runs it."""
        if not self.before:
            return self.process.pid
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        if not children:
            raise ProcessLookupError("the server has ended, and what traces it soon will")
        return int(children.split()[0])

    def send_signal(self, how: int) -> None:
        """Send a signal to the server itself, if it has not ended meanwhile."""
        with suppress(ProcessLookupError, FileNotFoundError):
            os.kill(self.pid, how)

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Ask it to stop, unless `how` is 0; return its exit status (negative: a signal)."""
        if how and self.process.poll() is None:
            self.send_signal(how)
        return super().stop(0)

    def answered(self) -> float:
        """Ask it for a `PONG`, and return when that came."""
        with talking(self.port) as line:
            line.sendall(frame("PING"))
            assert line.recv(HEADER).split()[1] == b"PONG"
        return time.monotonic()


def frame(words: str, data: bytes = b"") -> bytes:
    """Return a typed frame."""
    return f"{len(data)} {words}".encode().ljust(HEADER) + data


def talking(port: int) -> socket.socket:
    """Return a connection on which waiting has an end."""
    return socket.create_connection(("127.0.0.1", port), PATIENCE)


def frames(line: socket.socket) -> list[tuple[list[bytes], bytes]]:
    """Read to the end of a stream; return its frames, without one that is cut off."""
    data = bytearray()
    while more := line.recv(1 << 20):
        data += more
    found = []
    at = 0
    while len(data) - at >= HEADER:
        length, *words = bytes(data[at : at + HEADER]).split()
        end = at + HEADER + int(length)
        if end > len(data):
            break
        found.append((words, bytes(data[at + HEADER : end])))
        at = end
    return found


def everything(port: int, room: str) -> list[tuple[int, bytes]]:
    """Read a room from its first message on: numbers and payloads.

    Not by the client library, so that no fault of its own can hide one of the server's.
    """
    with talking(port) as line:
        line.sendall(frame(f"SUB {room} from=1") + frame("BYE"))
        return [(int(words[2]), data) for words, data in frames(line) if words[0] == b"MSG"]


def say(port: int, room: str, data: bytes) -> int:
    """Publish one message and return its number."""
    with talking(port) as line:
        line.sendall(frame(f"PUB {room} 1", data) + frame("BYE"))
        return next(int(words[2]) for words, _ in frames(line) if words[0] == b"ACK")


class Program:
    """A publisher or a member: a process of its own, which may be killed and started again."""

    def __init__(self, folder: Path, kind: str, address: str, name: str, *options: str) -> None:
        """Start `tests.torture.<kind>`; its notes and its output go to files called by its name."""
        self.folder = folder
        self.kind = kind
        self.name = name
        self.notes = folder / f"{name}.notes"
        self._command = [
            sys.executable, "-m", f"tests.torture.{kind}", address, str(self.notes),
            "--name", name, *options,
        ]  # fmt: skip
        self.start()

    def start(self) -> None:
        """Start it, with the notes that it has."""
        with (self.folder / f"{self.name}.output").open("ab") as output:
            self.process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=Path(__file__).parents[2],
                env=environment(),
            )

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def send_signal(self, how: int) -> None:
        """Send it a signal."""
        self.process.send_signal(how)

    def kill(self) -> None:
        """End it without warning."""
        self.process.kill()
        self.process.wait()

    def ended(self, patience: float) -> str:
        """Wait for its end; return what is wrong with that, nothing if it is well."""
        try:
            status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            return f"{self.name} was not done after {patience:.0f} s"
        output = (self.folder / f"{self.name}.output").read_text()
        if status or "Traceback" in output:
            return f"{self.name} ended with {status}: {output.strip()[-2000:]}"
        return ""

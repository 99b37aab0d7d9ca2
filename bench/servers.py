"""One server process: started for one measurement, looked at, and ended by its number.

Law of this file: whoever starts a process ends it.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

from bench.counting import Wrong
from bench.peer import ROOT, Peer

PATIENCE: Final = 60.0
"""Seconds that a server may take to accept its first connection, or to stop."""

SPARE: Final = 200
"""Open files of a process beside its connections, at the most."""

_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Cores(NamedTuple):
    """Which core the server has, and which the generator; the same one if there is one only."""

    server: int
    generator: int

    @classmethod
    def found(cls) -> Self:
        """Return the first and the last of those that this process may use."""
        usable = sorted(os.sched_getaffinity(0))
        return cls(usable[0], usable[-1])


class Look(NamedTuple):
    """A process at one moment: seconds of CPU time so far, bytes of resident memory.

    `others` and `beside` are seconds that others had so far of its core and of the generator's.
    """

    seconds: float
    resident: int
    others: float
    beside: float


class ServerProcess:
    """A peer's server, on a core and in a folder of its own."""

    def __init__(self, peer: Peer, cores: Cores, *more: str, folder: Path | None = None) -> None:
        """Start it, `more` behind its command, and wait until it accepts a connection.

        `folder` is one that is there and stays; without it, there is one that goes with the
        server.  Raises `Wrong` if it does not start.
        """
        self._lent = folder is not None
        self._cores = cores
        self.folder = folder or Path(tempfile.mkdtemp(prefix="bench-"))
        with socket.socket() as kept:  # nobody else is given the port until the server has it
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            kept.bind(("127.0.0.1", 0))
            self.port = kept.getsockname()[1]
            begun = time.perf_counter()
            self._start(peer, more, begun + PATIENCE)
        self.started_in = time.perf_counter() - begun
        """Seconds from the command until it accepted a connection."""

    def _start(self, peer: Peer, more: Sequence[str], over: float) -> None:
        """Start it, and wait until it accepts a connection."""
        try:
            self.process = self._started(peer, more)
        except OSError:
            self._clear()
            raise
        try:
            self._wait(over)
        except BaseException as error:  # whoever presses Ctrl-C wants no server left
            said = (self.folder / "output").read_text(errors="replace")[-400:]
            self.stop()
            if isinstance(error, OSError):
                raise Wrong(f"{peer.name} did not start: {said}") from None
            raise

    def _started(self, peer: Peer, more: Sequence[str]) -> subprocess.Popen[bytes]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("TCPMSG_", "XDG_"))}
        with open(self.folder / "output", "wb") as output:
            return subprocess.Popen(
                [*peer.command(self.port, self.folder), *more],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=ROOT,
                env=kept | {"HOME": str(self.folder)} | peer.variables,
                preexec_fn=lambda: os.sched_setaffinity(0, {self._cores.server}),
            )

    def _wait(self, over: float) -> None:
        """Wait until it accepts a connection; raises `OSError` if it is gone, or too late."""
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                if self.process.poll() is not None or time.perf_counter() > over:
                    raise
                time.sleep(0.005)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.stop()

    def look(self) -> Look:
        """Look at all its threads, those that are gone included."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        spent = (int(fields[11]) + int(fields[12])) / _TICKS
        others = _busy(self._cores.server) - spent
        beside = _busy(self._cores.generator) - time.process_time()
        if self._cores.server == self._cores.generator:
            beside = others = others - time.process_time()
        return Look(spent, self.resident(), others, beside)

    def resident(self) -> int:
        """Return its resident memory in bytes; what the kernel holds for sockets is not in it."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return int(found[1]) * 1024 if found else 0

    def stop(self) -> None:
        """End it, and remove its folder if it has one of its own."""
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._clear()

    def _clear(self) -> None:
        if not self._lent:
            shutil.rmtree(self.folder, ignore_errors=True)


def _busy(core: int) -> float:
    """Return how many seconds a core has worked for processes, or was taken by the hypervisor.

    Interrupts are left out: some kernels count them as the time of whom they disturb.
    """
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            user, nice, system, _, _, _, _, stolen = map(int, ticks[:8])
            return (user + nice + system + stolen) / _TICKS
    return 0.0


def allow_descriptors(wanted: int) -> int:
    """Have this process, and those it starts, hold so many connections; return how many it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard - SPARE)

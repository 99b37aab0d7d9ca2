"""A server that is out of places, and then out of file descriptors altogether.

    python -m tests.load.descriptors                  1,000 newcomers, 256 descriptors

First the limit is there from the start: who is one too many is told so, and gets in when
somebody leaves.  Then it is lowered below what the server uses already: nothing can be
accepted at all.  Both times those who are connected go on talking, the server does not turn
in circles, and its log stays short.  Exits 1 if anything of that is not so.
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.integration.conftest import ServerProcess
from tests.load.measuring import Probe, allow_descriptors, cpu_seconds
from tests.load.slow_member import frame
from twisted_msg.journal import BURST, RATE

BUSY = b"!ERROR! busy "
PATIENCE = 60.0
FEW = 20
"""Lines of the log beside those that two budgets allow: of this machine, and of newcomers."""


class Outcome(NamedTuple):
    """What was seen; times in seconds."""

    inside: int
    told: int
    closed: int
    resumed: float
    exhausted_cpu: float
    exhausted_seconds: float
    exhausted_lines: int
    recovered: float
    lines: int
    seconds: float
    probe: str
    slowest: float

    def faults(self, newcomers: int, places: int, stall: float = 0.0) -> list[str]:
        """Return what is not as promised; the machine may stand still for `stall` seconds."""
        busy = self.exhausted_cpu / self.exhausted_seconds
        lines = FEW + 2 * (BURST + RATE * self.seconds)
        return [
            *([f"{self.inside} are in, not {places}"] if self.inside != places else []),
            *(["nobody was told"] if not self.told else []),
            *(
                ["newcomers were left hanging"]
                if self.inside + self.told + self.closed != newcomers
                else []
            ),
            *(
                [f"accepting took {self.resumed:.1f} s to resume"]
                if self.resumed > 2 + stall
                else []
            ),
            *([f"{busy:.0%} of a processor for nothing"] if busy > (0.4 if stall else 0.2) else []),
            *([f"the log grew by {self.lines} lines"] if self.lines > lines else []),
            *(
                [f"{self.exhausted_lines} lines about one shortage"]
                if self.exhausted_lines > 12
                else []
            ),
            *([f"recovery took {self.recovered:.1f} s"] if self.recovered > 3 + stall else []),
            *([f"a message took {self.slowest:.1f} s"] if self.slowest > 2 + stall else []),
        ]


def _come(port: int) -> socket.socket:
    """Connect, and ask for a `PONG`; one that was closed at once is as good as connected."""
    newcomer = socket.socket()
    newcomer.settimeout(PATIENCE)
    try:
        newcomer.connect(("127.0.0.1", port))
        newcomer.sendall(frame("PING"))
    except ConnectionError:
        pass  # what became of it is seen when it is read from
    return newcomer


def _fate(newcomer: socket.socket) -> str:
    """Return what the server made of one."""
    data = b""
    try:
        while more := newcomer.recv(4096):
            data += more
            if data == frame("PONG"):
                return "inside"
    except TimeoutError:
        return "hanging"
    except OSError:
        pass  # reset, perhaps before it was connected
    return "told" if data[128:].startswith(BUSY) else "closed"


def _let_in(port: int) -> float:
    """Return how long it takes until a newcomer is let in, having asked again and again."""
    begun = time.monotonic()
    while time.monotonic() - begun < PATIENCE:
        with _come(port) as newcomer:
            if _fate(newcomer) == "inside":
                return time.monotonic() - begun
        time.sleep(0.05)
    return PATIENCE


def _open_files(server: ServerProcess) -> int:
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def _until_gone(server: ServerProcess, files: int) -> int:
    """Wait until it has no more files open than that; return how many it has."""
    begun = time.monotonic()
    while _open_files(server) > files and time.monotonic() - begun < PATIENCE:
        time.sleep(0.02)
    return _open_files(server)


@contextmanager
def limited(folder: Path, descriptors: int) -> Iterator[ServerProcess]:
    """Start a server that may have so many open files."""
    twistd = str(Path(sys.executable).with_name("twistd"))
    lowered = f'ulimit -n {descriptors}; exec "$0" -n --pidfile= tcpmsg "$@"'
    server = ServerProcess(folder, command=["bash", "-c", lowered, twistd])
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


def run(server: ServerProcess, *, newcomers: int, seconds: float) -> Outcome:
    """Have newcomers come; `seconds` is how long a shortage lasts."""
    before, began = len(server.lines), time.monotonic()
    with Probe(server.port) as probe:
        files = _open_files(server)
        peers = [_come(server.port) for _ in range(newcomers)]
        fates = [_fate(peer) for peer in peers]
        inside = [peer for peer, fate in zip(peers, fates, strict=True) if fate == "inside"]
        for peer in inside[:10]:
            peer.close()
        resumed = _let_in(server.port)
        for peer in peers:
            peer.close()
        used = _until_gone(server, files)  # what follows counts what is open
        at = len(server.lines)
        limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (used - 2, limits[1]))
        begun, cpu = time.monotonic(), cpu_seconds(server.pid)
        waiting = [_come(server.port) for _ in range(50)]
        time.sleep(seconds)
        cpu, lasted = cpu_seconds(server.pid) - cpu, time.monotonic() - begun
        shortage = len(server.lines) - at
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
        recovered = _let_in(server.port)
        for peer in waiting:
            peer.close()
    return Outcome(
        inside=len(inside) + 2,  # the probe's
        told=fates.count("told"),
        closed=fates.count("closed"),
        resumed=resumed,
        exhausted_cpu=cpu,
        exhausted_seconds=lasted,
        exhausted_lines=shortage,
        recovered=recovered,
        lines=len(server.lines) - before,
        seconds=time.monotonic() - began,
        probe=probe.told(),
        slowest=max(probe.seconds),
    )


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--newcomers", type=int, default=1000)
    parser.add_argument("--descriptors", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=30)
    arguments = parser.parse_args()
    allow_descriptors()
    places = arguments.descriptors // 2
    with (
        tempfile.TemporaryDirectory() as folder,
        limited(Path(folder), arguments.descriptors) as server,
    ):
        outcome = run(
            server,
            newcomers=arguments.newcomers,
            seconds=arguments.seconds,
        )
        output = server.output
    print(
        f"{outcome.inside} in, {outcome.told} told that there is no room, {outcome.closed} closed "
        f"at once; let in {outcome.resumed:.2f} s after places were free; without descriptors: "
        f"{outcome.exhausted_cpu:.2f} s of processor in {outcome.exhausted_seconds:.0f} s, "
        f"{outcome.exhausted_lines} lines of log, let in {outcome.recovered:.2f} s after the "
        f"limit was raised; {outcome.lines} lines in all; those inside: {outcome.probe}"
    )
    faults = outcome.faults(arguments.newcomers + 2, places)
    for fault in faults:
        print(f"FAULT: {fault}")
    if faults:
        print(output[-2000:])
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

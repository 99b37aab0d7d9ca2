"""Peers whose cable is pulled, and peers that send a byte now and then: when is each one freed?

    python -m tests.load.half_open           about three minutes; needs root, for the cable

Runs in a network of its own (`unshare --net`): the server, peers beside it on the loopback
interface, and peers at the far end of a cable that is pulled, so that the kernel of theirs
says nothing any more.  Of the latter some are plain members, some said HELLO, and some were
cut off inside a payload.  Those on the loopback interface trickle: a header, or the JSON of a
HELLO, a byte a second.  Meanwhile two others talk.  Prints when the first and the last of each
kind was freed, and exits 1 if one was freed too late, too early, or not at all.
"""

from __future__ import annotations

import argparse
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from tests.integration.conftest import ServerProcess
from tests.load.measuring import Probe, allow_descriptors
from tests.load.slow_member import frame

HERE: Final = "10.9.0.1"
INSIDE: Final = "TCPMSG_TEST_INSIDE"
"""Set in the process that runs in the network of its own."""


class Kind(NamedTuple):
    """What peers say before they stop, and within which seconds they are to be freed."""

    said: bytes
    first: float
    last: float


FAR: Final = {
    "silent plain members": Kind(b"0".ljust(128), 60 + 4 * 15 - 5, 60 + 4 * 15 + 15),
    "silent after HELLO": Kind(frame("HELLO"), 90 - 2, 90 + 5),
    "cut off inside a payload": Kind(frame("PUB lobby", b"x" * 4096)[:-1], 31 - 2, 31 + 5),
}
"""At the end of the cable.  What they are told counts as flushed when the kernel has it, and
two seconds later the connection is closed; what is unsent of it is the kernel's matter."""

NEAR: Final = {
    "trickled header": Kind(b" " * 127, 30 - 2, 30 + 4),
    "trickled HELLO": Kind(frame("HELLO", b'{"v":' + b" " * 100)[:-1], 30 - 2, 30 + 4),
}
"""On the loopback interface, a byte a second."""

FAR_PEERS: Final = """
import socket, sys, time
host, port, each = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
peers = []
for said in sys.argv[4:]:
    for _ in range(each):
        peers.append(socket.create_connection((host, port)))
        peers[-1].sendall(bytes.fromhex(said))
print("ready", *[peer.getsockname()[1] for peer in peers], flush=True)
time.sleep(600)
"""


def established(port: int) -> set[int]:
    """Return the ports of the peers that the server has a connection to.

    A socket without an inode is one that the server has closed.
    """
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *_, inode = line.split()[:10]
        host, _, number = local.partition(":")
        if state != "0A" and inode != "0" and int(number, 16) == port and host == "0100090A":
            found.add(int(remote.partition(":")[2], 16))
    return found


def sh(*words: str) -> None:
    """Run a command."""
    subprocess.run(words, check=True)


class Cable:
    """A network at the far end of a cable, and processes there."""

    def __init__(self) -> None:
        sh("ip", "link", "set", "lo", "up")
        sh("ip", "link", "add", "here", "type", "veth", "peer", "name", "there")
        sh("ip", "addr", "add", f"{HERE}/24", "dev", "here")
        sh("ip", "link", "set", "here", "up")
        self._far = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo ready; exec sleep 900"], stdout=subprocess.PIPE
        )
        assert self._far.stdout is not None
        self._far.stdout.readline()
        sh("ip", "link", "set", "there", "netns", str(self._far.pid))
        sh(*self.there("ip", "addr", "add", "10.9.0.2/24", "dev", "there"))
        sh(*self.there("ip", "link", "set", "there", "up"))

    def there(self, *words: str) -> list[str]:
        """Return a command as it runs at the far end."""
        return ["nsenter", "-t", str(self._far.pid), "--net", *words]

    def pull(self) -> None:
        """From now on nothing arrives, and nobody is told."""
        sh(*self.there("ip", "link", "set", "there", "down"))

    def close(self) -> None:
        """End what runs at the far end."""
        self._far.kill()
        self._far.wait()
        assert self._far.stdout is not None
        self._far.stdout.close()


def watch_near(port: int, each: int, until: float) -> dict[str, list[float]]:
    """Trickle; return for each kind after how many seconds its peers were freed."""
    freed: dict[str, list[float]] = {name: [] for name in NEAR}
    waiting = selectors.DefaultSelector()
    begun: dict[socket.socket, tuple[float, str, list[int]]] = {}
    for name in NEAR:
        for _ in range(each):
            peer = socket.create_connection(("127.0.0.1", port))
            peer.setblocking(False)
            begun[peer] = (time.monotonic(), name, [0])
            waiting.register(peer, selectors.EVENT_READ)
            trickle(peer, name, begun[peer][2])
    beat = time.monotonic()
    while begun and time.monotonic() < until:
        for key, _ in waiting.select(0.2):
            peer = key.fileobj
            assert isinstance(peer, socket.socket)
            waiting.unregister(peer)
            since, name, _ = begun.pop(peer)
            freed[name].append(time.monotonic() - since)
            peer.close()
        if time.monotonic() - beat >= 1:
            beat += 1
            for peer, (_, name, at) in begun.items():
                trickle(peer, name, at)
    return freed


def trickle(peer: socket.socket, name: str, at: list[int]) -> None:
    """Send one byte more of what a peer says; of a HELLO, the header at once."""
    said = NEAR[name].said
    size = 128 if name == "trickled HELLO" and not at[0] else 1
    peer.send(said[at[0] : at[0] + size])
    at[0] += size


def watch_far(
    port: int, kinds: dict[int, str], until: float, now: Callable[[], float]
) -> dict[str, list[float]]:
    """Return for each kind after how many seconds its peers were freed."""
    freed: dict[str, list[float]] = {name: [] for name in FAR}
    begun = now()
    left = dict(kinds)
    while left and now() < until:
        time.sleep(0.5)
        there = established(port)
        for number in [each for each in left if each not in there]:
            freed[left.pop(number)].append(now() - begun)
    return freed


def inside(each: int) -> int:
    """Run in the network of its own."""
    allow_descriptors()
    cable = Cable()
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(
            Path(folder), "--open", "--listen", f"{HERE}:0", "--listen", "127.0.0.1:0",
            "--connections-per-address", "none",
        )  # fmt: skip
        far = None
        try:
            near_port = next(
                int(line.rsplit(":", 1)[1])
                for line in server.lines
                if "listens on 127.0.0.1:" in line
            )
            said = [kind.said.hex() for kind in FAR.values()]
            far = subprocess.Popen(
                cable.there(
                    sys.executable, "-c", FAR_PEERS, HERE, str(server.port), str(each), *said
                ),
                stdout=subprocess.PIPE,
                text=True,
            )
            assert far.stdout is not None
            ports = [int(word) for word in far.stdout.readline().split()[1:]]
            kinds = {port: list(FAR)[number // each] for number, port in enumerate(ports)}
            time.sleep(1)  # until what they said is acknowledged
            with Probe(near_port) as probe:
                cable.pull()
                pulled = time.monotonic()
                freed = watch_near(near_port, each, pulled + 60)
                shift = time.monotonic() - pulled
                freed |= {
                    name: [seconds + shift for seconds in times]
                    for name, times in watch_far(
                        server.port, kinds, pulled + 200, time.monotonic
                    ).items()
                }
        finally:
            if far is not None:
                far.kill()
                far.wait()
            server.stop()
            cable.close()
    return report(freed, each, probe, shift)


def report(freed: dict[str, list[float]], each: int, probe: Probe, shift: float) -> int:
    """Print what was seen; return the exit code."""
    faults = []
    for name, kind in (NEAR | FAR).items():
        times = freed[name]
        if len(times) < each:
            faults.append(f"{each - len(times)} of {each} were not freed: {name}")
        if not times:
            continue
        print(f"{name}: {len(times)} freed after {min(times):.1f} to {max(times):.1f} s")
        seen_late = shift if name in FAR else 0.0  # who was freed before that was not looked at
        if min(times) < kind.first or max(times) > max(kind.last, seen_late + 1):
            faults.append(f"{name}: not within {kind.first:.0f} to {kind.last:.0f} s")
    print(f"two others meanwhile: {len(probe.seconds)} messages, {probe.told()}")
    if max(probe.seconds) > 2:
        faults.append("others were affected")
    for fault in faults:
        print(f"FAULT: {fault}")
    return 1 if faults else 0


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--each", type=int, default=200, help="how many peers of each kind")
    arguments = parser.parse_args()
    if INSIDE in os.environ:
        return inside(arguments.each)
    command = [sys.executable, "-m", "tests.load.half_open", "--each", str(arguments.each)]
    return subprocess.run(
        ["unshare", "--net", *command], env={**os.environ, INSIDE: "1"}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())

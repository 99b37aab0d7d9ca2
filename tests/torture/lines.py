"""Connections that break, publishers that repeat themselves, members that come and go, a stop.

Each has its server's other end: cuts at random bytes, every publish sent up to five times over
old and new connections and over restarts, eight members that must have read the same, and a
SIGTERM under full load.
"""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

from tests.torture.notes import read
from tests.torture.proxy import Proxy
from tests.torture.servers import Server
from tests.torture.stage import WAIT, Stage, Verdict

ROOMS = "a", "b"
STOPPING = 5.0
"""Seconds that a server may take to end everything when it is told to stop."""


def cuts(folder: Path, seed: int, *, messages: int = 3000, fault: str = "") -> Verdict:
    """Have three publishers send so many messages each, over connections that break."""
    verdict = Verdict("cuts", seed)
    stage = Stage(Server(folder, fault=fault), ROOMS, verdict)
    to_publishers = Proxy(stage.server.port, seed, 40_000)
    to_members = Proxy(stage.server.port, seed + 1, 200_000)
    try:
        stage.publish(3, "--messages", str(messages), address=to_publishers.address)
        stage.follow(3, address=to_members.address)
        stage.until(3 * messages)
        to_publishers.mend()
        to_members.mend()
        stage.finish(settle=False)
    finally:
        stage.end()
        to_publishers.close()
        to_members.close()
    made, resets = to_publishers.cuts + to_members.cuts, to_publishers.resets + to_members.resets
    verdict.figures.append(f"{made} connections cut, {resets} of them by a reset")
    if made < 10:
        verdict.faults.append(f"only {made} connections were cut: nothing is shown")
    return verdict


def order(
    folder: Path, seed: int, *, messages: int = 3000, leave: int = 800, fault: str = ""
) -> Verdict:
    """Have eight members read one room, each leaving after up to so many messages; compare."""
    verdict = Verdict("order", seed)
    stage = Stage(Server(folder, fault=fault), ("a",), verdict)
    try:
        stage.publish(4, "--messages", str(messages))
        stage.follow(8, "--leave", str(leave))
        stage.until(4 * messages)
        stage.finish(settle=False)
    finally:
        stage.end()
    digests = [
        note["digests"]["a"]
        for member in stage.members
        for note in read(member.notes)
        if "digests" in note
    ]
    verdict.figures.append(f"{len(digests)} digests, {len(set(digests))} different: {digests[:1]}")
    if len(digests) != 8 or len(set(digests)) != 1:
        verdict.faults.append(f"eight members have read different things: {digests}")
    return verdict


def stop(
    folder: Path, seed: int, *, stops: int = 2, stopping: float = STOPPING, fault: str = ""
) -> Verdict:
    """Tell a server to stop under full load, so many times, and start it again.

    The programs wait as the library does: they have to come back by themselves.  `stopping` is
    how many seconds a stop may take.
    """
    chance = random.Random(seed)
    verdict = Verdict("stop", seed)
    stage = Stage(Server(folder, fault=fault), ROOMS, verdict)
    server = stage.server
    took = []
    try:
        stage.publish(4, "--patient")
        stage.follow(4, "--patient")
        stage.until(5000)
        for number in range(stops):
            stage.until_connected(number + 1)
            time.sleep(chance.uniform(0.1, 0.8))
            began = time.monotonic()
            status = server.stop(signal.SIGTERM)
            took.append(time.monotonic() - began)
            if status != -signal.SIGTERM or "stopped cleanly" not in server.output:
                verdict.faults.append(f"it did not stop cleanly: {status}")
            server.start()
            stage.until(5000 * (number + 2), WAIT)
        stage.finish()
    finally:
        stage.end()
    told = sum("lost" in n and n["goes"] for each in stage.programs for n in read(each.notes))
    verdict.figures.append(
        f"{stops} stops under load took {max(took):.2f} s at the most; "
        f"{told} of {stops * len(stage.programs)} times a program was told that the server goes"
    )
    if max(took) > stopping:
        verdict.faults.append(f"a stop took {max(took):.2f} s")
    on_time = max(took) <= STOPPING  # later, those who have not left are cut off
    if on_time and told < stops * len(stage.programs):
        verdict.faults.append(f"only {told} goodbyes were heard")
    return verdict

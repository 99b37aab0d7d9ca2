"""A server that is killed again and again while publishers have 256 messages in flight each.

Its programs are killed, stopped and continued as well, and so is the server itself.
"""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

from tests.torture.servers import Server, everything
from tests.torture.stage import Stage, Verdict
from twisted_msg.log.piece import Author, Piece
from twisted_msg.log.sqlite import SqliteStore

ROOMS = "a", "b"
SERVING = 2.0
"""Seconds after a kill in which a server must serve again (reliability.md, crash)."""

STORED_AT_ONCE = 1000
"""Messages of one piece, where a store is filled."""

MILLIS = 1_700_000_000_000
"""When these were said."""


def run(
    folder: Path, seed: int, *, kills: int = 10, pause: float = 0.02, fault: str = ""
) -> Verdict:
    """Kill so many times; `pause` is the mean of seconds behind each publisher's bursts."""
    chance = random.Random(seed)
    verdict = Verdict("kills", seed)
    stage = Stage(Server(folder, fault=fault), ROOMS, verdict)
    server = stage.server
    back = []
    try:
        stage.publish(4, "--in-flight", "256", "--pause", str(pause))
        stage.follow(4)
        stage.until(1024)
        for _ in range(kills):
            time.sleep(chance.uniform(0.1, 1.0))
            program = chance.choice(stage.programs)
            deed = chance.choice(["kill", "stop", "stop the server", "leave alone"])
            if deed == "kill":
                program.kill()
            elif deed == "stop":
                program.send_signal(signal.SIGSTOP)
            elif deed == "stop the server":
                server.send_signal(signal.SIGSTOP)
                time.sleep(chance.uniform(0.05, 0.3))
                server.send_signal(signal.SIGCONT)
            time.sleep(chance.uniform(0.1, 0.8))
            server.kill()
            began = time.monotonic()
            server.start()
            back.append(server.answered() - began)
            if deed == "kill":
                program.start()
            elif deed == "stop":
                program.send_signal(signal.SIGCONT)
        stage.finish()
    finally:
        stage.end()
    verdict.figures.append(
        f"{kills} kills; serving again after {sum(back) / len(back):.2f} s, {max(back):.2f} s "
        "at the worst"
    )
    return verdict


def fill(folder: Path, room: str, messages: int, size: int) -> None:
    """Put messages into a store as fast as it takes them; its file is the same each time."""
    store = SqliteStore(str(folder))
    store.open()
    author = Author(1, b"filler")
    for first in range(1, messages + 1, STORED_AT_ONCE):
        count = min(STORED_AT_ONCE, messages + 1 - first)
        store.commit([Piece(room, first, MILLIS, [author] * count, [b"x" * size] * count)], [])
    store.close()


def stored(folder: Path, seed: int, *, messages: int = 1_000_000, size: int = 40) -> Verdict:
    """Kill a server that has stored so many messages; see how soon it serves again."""
    verdict = Verdict("stored", seed)
    fill(folder / "home" / "data", "full", messages, size)
    stage = Stage(Server(folder), ROOMS, verdict)
    server = stage.server
    back = []
    try:
        stage.publish(2, "--pause", "0.05")
        for number in range(5):
            stage.until(1024 * (number + 1))
            server.kill()
            began = time.monotonic()
            server.start()
            back.append(server.answered() - began)
        stage.finish()
        if len(everything(server.port, "full")) != messages:
            verdict.faults.append("the messages that were there before are not")
    finally:
        stage.end()
    megabytes = (server.data / "log.sqlite3").stat().st_size / 1024**2
    verdict.figures.append(
        f"{messages} messages of {size} bytes stored, {megabytes:.0f} MiB: serving again after "
        + ", ".join(f"{seconds:.2f}" for seconds in back)
        + " s"
    )
    if max(back) > SERVING:
        verdict.faults.append(f"it served again only after {max(back):.2f} s")
    return verdict

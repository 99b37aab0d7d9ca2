"""Disks that are full or read-only, files that were altered, and a second server on the same.

What is wanted is a clear refusal: nothing acknowledged is lost, nothing altered is delivered,
and nothing is repaired that nobody asked for.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from tests.integration.conftest import PATIENCE, environment
from tests.torture.kills import fill
from tests.torture.notes import read
from tests.torture.servers import SERVE, TWISTD, Server, everything, frame, frames, talking
from tests.torture.spaces import ROOM, Space
from tests.torture.stage import WAIT, Stage, Verdict
from twisted_msg.log.sqlite import SqliteStore
from twisted_msg.log.store import StoreError

ROOMS = "a", "b"
SIZE = 500
"""Bytes of a message that fills a disk."""

LEFT = 3 * 1024 * 1024
"""Bytes that publishers fill, each time: what remains must hold what they send at the end."""


def full(
    folder: Path, seed: int, *, fills: int = 2, mounting: bool = True, fault: str = ""
) -> Verdict:
    """Let a disk run full under load, restart the server on it, and give room again.

    Restarted, it serves what was acknowledged, and refuses what is published.
    """
    verdict = Verdict("full-disk", seed)
    place = folder / "small"
    place.mkdir()
    space = Space(place, mounting=mounting)
    starts = 0
    space.use_up(left=LEFT)
    try:
        stage = Stage(Server(folder, fault=fault, before=space.before, disk=place), ROOMS, verdict)
        server = stage.server
        try:
            stage.publish(3, "--size", str(SIZE), "--in-flight", "64")
            stage.follow(2)
            for _ in range(fills if space.mounted else 1):
                _until_told(stage, _told(stage) + 1)
                server.kill()
                server.before = []
                space.use_up(left=0)
                server.start()
                starts += 1
                if space.mounted:
                    _reads_on(stage)
                space.give_back()
                space.use_up(left=LEFT)
                stage.until(stage.acknowledged() + 100)
            space.give_back()
            stage.until(stage.acknowledged() + 500)
            stage.finish()
        finally:
            stage.end()
    finally:
        space.close()
    verdict.figures.append(
        f"{space.kind}: full {starts} times, publishers were told {_told(stage)} times; "
        f"restarted while it was full, serving reading: {starts if space.mounted else 0} times"
    )
    return verdict


def _told(stage: Stage) -> int:
    """Return how often a publisher was told that the disk is full."""
    return sum("busy" in note for each in stage.publishers for note in read(each.notes))


def _until_told(stage: Stage, times: int) -> None:
    """Wait until publishers were told so often that there is no room, or took more for stored."""
    deadline = time.monotonic() + WAIT
    most = stage.acknowledged() + ROOM // SIZE
    while _told(stage) < times:
        if time.monotonic() > deadline or stage.acknowledged() > most:
            stage.verdict.faults.append("the disk was full, and no publisher was told")
            return
        time.sleep(0.02)


def _reads_on(stage: Stage) -> None:
    """Note a fault unless a server on a full disk serves all history, and says that it is full."""
    acknowledged = stage.acknowledged()
    kept = sum(len(everything(stage.server.port, room)) for room in ROOMS)
    if kept < acknowledged:
        stage.verdict.faults.append(f"of {acknowledged} messages only {kept} can be read")
    try:
        with urlopen(f"http://{stage.server.address}/readyz", timeout=PATIENCE) as answer:
            status, said = answer.status, answer.read()
    except HTTPError as error:
        status, said = error.code, error.read()
    with talking(stage.server.port) as line:
        line.sendall(frame("PUB a 1", bytes(1_000_000)) + frame("BYE"))
        answers = [words[:2] for words, _ in frames(line)]
    if answers != [[b"ERR", b"busy"]]:
        stage.verdict.faults.append(f"on a full disk PUB was answered {answers}")
    if status != 503 or b"full" not in said:
        stage.verdict.faults.append(f"on a full disk /readyz answered {status}, {said!r}")


def start(folder: Path, data: Path) -> tuple[int | None, str]:
    """Start a server where it should refuse; return its exit status and what it says.

    The status is None if it serves; then it is ended.
    """
    words = [*TWISTD, *SERVE, "--listen", "127.0.0.1:0", "--data-dir", str(data)]
    process = subprocess.Popen(
        words, cwd=folder, env=environment(HOME=str(folder)), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    alarm = threading.Timer(PATIENCE, process.kill)
    alarm.start()
    assert process.stdout is not None
    serves = any("from a script: " in line for line in process.stdout)
    if serves:
        process.kill()
    _, told = process.communicate()
    alarm.cancel()
    return (None if serves else process.returncode), told


def _expect_refusal(verdict: Verdict, what: str, words: str, folder: Path, data: Path) -> None:
    """Note a fault unless a server refuses to start with one line that has these words."""
    status, told = start(folder, data)
    if status != 1 or told.count("\n") != 1 or words not in told:
        verdict.faults.append(f"{what}: it ended with {status} and said {told[-500:]!r}")


def refusals(folder: Path, seed: int, *, alterations: int = 100) -> Verdict:
    """Start a server on a store that another has, that is read-only, or that was altered."""
    verdict = Verdict("refusals", seed)
    server = Server(folder)
    try:
        _expect_refusal(verdict, "second server", "another server", folder, server.data)
        server.answered()
    finally:
        server.stop(signal.SIGTERM)
    place = folder / "frozen"
    place.mkdir()
    space = Space(place)
    try:
        fill(place / "data", "full", 10, 40)
        if space.freeze():
            _expect_refusal(verdict, "read-only", "may write", folder, place / "data")
            verdict.figures.append("a second server and a read-only disk: refused in one line")
        else:
            verdict.figures.append("a second server: refused; no file system could be mounted")
    finally:
        space.close()
    _altered(verdict, folder, alterations)
    return verdict


def _altered(verdict: Verdict, folder: Path, alterations: int) -> None:
    """Alter or truncate a store's file again and again; see what is delivered of it."""
    chance = random.Random(verdict.seed)
    sound = folder / "sound"
    fill(sound, "full", 3000, 200)
    content = (sound / "log.sqlite3").read_bytes()
    damaged = folder / "damaged"
    counts = dict.fromkeys(("refused at start", "refused when read", "all there"), 0)
    for number in range(alterations):
        altered = bytearray(content)
        if chance.random() < 0.3:
            del altered[chance.randint(0, len(altered) - 1) :]
        else:
            for _ in range(chance.choice([1, 1, 10])):
                at = chance.randrange(len(altered))
                altered[at] ^= 1 << chance.randrange(8)
        shutil.rmtree(damaged, ignore_errors=True)
        shutil.copytree(sound, damaged)
        (damaged / "log.sqlite3").write_bytes(altered)
        outcome = _read(damaged, verdict)
        counts[outcome] += 1
        if outcome == "refused at start":
            if (damaged / "log.sqlite3").read_bytes() != altered:
                verdict.faults.append(f"alteration {number}: refused, and yet it was changed")
            if counts[outcome] <= 3:
                _expect_refusal(verdict, f"alteration {number}", "tcpmsg", folder, damaged)
    verdict.figures.append(
        f"{alterations} altered or truncated files: "
        + ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    )
    if not counts["refused at start"] or not counts["refused when read"]:
        verdict.faults.append("too few alterations to show anything")


def _read(folder: Path, verdict: Verdict) -> str:
    """Read a store that was altered; return what became of that."""
    store = SqliteStore(str(folder))
    try:
        rooms = store.open()
    except StoreError:
        return "refused at start"
    seen = 0
    refused = False
    try:
        for kept in rooms:
            seq = kept.first
            while seq <= kept.head:
                try:
                    piece = store.piece(kept.room, seq)
                except StoreError:
                    refused = True
                    seq += 1000  # the next piece
                    continue
                if piece is None:
                    break
                if kept.room != "full" or piece.payloads != [b"x" * 200] * 1000:
                    verdict.faults.append(f"altered messages were delivered of {kept}")
                seen += len(piece.payloads)
                seq = piece.last + 1
    finally:
        store.close()
    if seen == 3000:
        return "all there"
    if not refused:
        verdict.faults.append(f"only {seen} of 3000 messages are there, and nobody was told")
    return "refused when read"

"""Syncs that come late, fail, or take their time: what is told to peers while they do.

The order is read from a trace of system calls: every message is full of its own name, so a
write to the disk shows which messages it holds.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterable
from pathlib import Path

from tests.history import Said
from tests.torture.notes import MARK, read
from tests.torture.servers import Server, traced
from tests.torture.stage import WAIT, Stage, Verdict
from tests.torture.trace import Acked, Delivered, Ended, Event, Failed, Synced, Wrote, events
from twisted_msg.service import BROKEN_STORE

ROOMS = "a", "b"
CALLS = {"fdatasync": (15, 150), "pwrite64": (150, 1500)}
"""Which calls may fail, and between which of them, so that none of them is a start's."""

ENDING = 1.0
"""Seconds in which a server must be gone after a failed sync."""

CARRIED = 100
"""Acknowledgements after a failed sync that show that the server carries on: those that had
left before are fewer."""

GROWTH = 16 * 1024 * 1024
"""Bytes that a server may grow by while its disk is slow, its first use of everything included:
without a bound it is 89 MiB with the same load."""

_BUSY = ("--size", "300", "--in-flight", "8", "--at-once", "2")
"""A publisher that asks for many small commits."""


def uncovered(trace: Iterable[Event]) -> list[str]:
    """Return what was told to a peer before a sync of what it rests on had returned."""
    faults = []
    written: dict[str, set[Said]] = {}
    durable: set[Said] = set()
    told: dict[str, int] = {}
    for event in trace:
        if isinstance(event, Wrote):
            marks = {Said(name.decode(), int(id_)) for name, id_ in MARK.findall(event.data)}
            written.setdefault(event.path, set()).update(marks)
        elif isinstance(event, Synced):
            durable |= written.pop(event.path, set())
        elif isinstance(event, Acked):
            for id_ in range(told.get(event.client, 0) + 1, event.id + 1):
                if Said(event.client, id_) not in durable:
                    faults.append(f"ACK {id_} went to {event.client} before it was synced")
            told[event.client] = max(event.id, told.get(event.client, 0))
        elif isinstance(event, Delivered) and event.said not in durable:
            faults.append(f"MSG {event.room} {event.seq}, {event.said}, went before it was synced")
    return faults


def _counted(trace: list[Event]) -> str:
    """Return in words what a trace has."""
    counts = {kind: sum(isinstance(e, kind) for e in trace) for kind in (Synced, Acked, Delivered)}
    return (
        f"the trace has {counts[Synced]} syncs, {counts[Acked]} ACKs and WELCOMEs and "
        f"{counts[Delivered]} MSGs"
    )


def order(folder: Path, seed: int, *, messages: int = 600, fault: str = "") -> Verdict:
    """See that no ACK and no MSG leaves before the sync that covers it has returned."""
    verdict = Verdict("fsync-order", seed)
    path = folder / "trace"
    stage = Stage(Server(folder, fault=fault, before=traced(path)), ROOMS, verdict)
    try:
        stage.publish(3, *_BUSY, "--messages", str(messages))
        stage.follow(2)
        stage.finish(settle=False)
    finally:
        stage.end()
    trace = events(path, stage.server.home)
    verdict.figures.append(_counted(trace))
    verdict.faults += uncovered(trace)
    if sum(isinstance(event, Acked) for event in trace) < 20:
        verdict.faults.append("the trace has too few acknowledgements to show anything")
    return verdict


def failing(
    folder: Path,
    seed: int,
    *,
    when: int = 0,
    call: str = "fdatasync",
    ending: float = ENDING,
    fault: str = "",
) -> Verdict:
    """Have a commit's sync fail; see that the server tells nobody anything more, and ends.

    `when` says which one of the store's thread, drawn if 0; `call` may be `pwrite64`, too.
    `ending` is how many seconds the end may take.
    """
    verdict = Verdict("fsync-error", seed)
    when = when or random.Random(seed).randint(*CALLS[call])
    path = folder / "trace"
    inject = f"--inject={call}:error=EIO:when={when}"
    stage = Stage(Server(folder, fault=fault, before=traced(path, inject)), ROOMS, verdict)
    server = stage.server
    try:
        stage.publish(3, *_BUSY)
        stage.follow(2)
        _until_failed(path, server)
        if not _ends(stage):
            verdict.faults.append("it carried on after a failed sync")
            server.kill()
        server.stop(0)
        acknowledged = stage.acknowledged()
        server.before = []
        server.start()
        stage.until(acknowledged + 1000)
        stage.finish()
    finally:
        stage.end()
    trace = events(path, server.home)
    verdict.faults += uncovered(trace)
    failed = [event.at for event in trace if isinstance(event, Failed)]
    ended = [event for event in trace if isinstance(event, Ended)]
    if not failed:
        verdict.faults.append("no sync failed, so nothing is shown")
    elif not ended or ended[-1].code != BROKEN_STORE or ended[-1].at - failed[0] > ending:
        verdict.faults.append(f"the sync failed at {failed[0]}; its end: {ended}")
    else:
        took = ended[-1].at - failed[0]
        verdict.figures.append(
            f"ended {took * 1000:.0f} ms after {call} {when} failed, with code {ended[-1].code}"
        )
    return verdict


def _until_failed(path: Path, server: Server) -> None:
    """Wait until a call has failed as it was to, or the server is gone."""
    deadline = time.monotonic() + WAIT
    with path.open("rb") as trace:
        tail = b""
        while server.process.poll() is None and time.monotonic() < deadline:
            tail = tail[-20:] + trace.read()
            if b"(INJECTED)" in tail:
                return
            time.sleep(0.05)


def _ends(stage: Stage) -> bool:
    """Wait until the server has ended; return False if it carries on instead."""
    deadline = time.monotonic() + WAIT
    most = stage.acknowledged() + CARRIED
    while stage.server.process.poll() is None:
        if time.monotonic() > deadline or stage.acknowledged() > most:
            return False
        time.sleep(0.02)
    return True


def slow(
    folder: Path, seed: int, *, messages: int = 1000, delay: float = 0.05, fault: str = ""
) -> Verdict:
    """Have every sync take so many seconds; see that publishers wait and memory does not grow."""
    verdict = Verdict("slow-disk", seed)
    before = [
        *("strace", "-f", "--seccomp-bpf", "-e", "trace=fdatasync", "-o", str(folder / "trace")),
        f"--inject=fdatasync:delay_exit={int(delay * 1e6)}",
    ]
    stage = Stage(Server(folder, fault=fault, before=before), ROOMS, verdict)
    server = stage.server
    try:
        stage.follow(1)
        stage.until_connected(1)
        size = server.resident()
        began = time.monotonic()
        stage.publish(
            8, "--messages", str(messages), "--size", "4000", "--in-flight", "4096",
            "--at-once", "256",
        )  # fmt: skip
        grown = unread = 0
        while any(each.running for each in stage.publishers):
            grown = max(grown, server.resident() - size)
            unread = max(unread, _unread(server.port))
            time.sleep(0.02)
        took = time.monotonic() - began
        stage.finish(settle=False)
    finally:
        stage.end()
    sent = sum(len(n["sent"]) for p in stage.publishers for n in read(p.notes) if "sent" in n)
    verdict.figures.append(
        f"{sent} messages of 4 KB in {took:.1f} s with {delay * 1000:.0f} ms for each sync; the "
        f"server grew by {grown / 1024**2:.1f} MiB, and left up to {unread / 1024:.0f} KiB unread"
    )
    if grown > GROWTH:
        verdict.faults.append(f"it grew by {grown} bytes")
    if not unread:
        verdict.faults.append("no publisher ever had to wait")
    return verdict


def _unread(port: int) -> int:
    """Return how many bytes a server has left unread, at most, on one of its connections."""
    found = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[1].endswith(f":{port:04X}") and re.fullmatch("01", words[3]):
            found = max(found, int(words[4].partition(":")[2], 16))
    return found

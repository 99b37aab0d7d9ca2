"""`tcpmsg bench` on real servers: what it counts, and that it comes to an end."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands import run, until
from tests.integration.conftest import PATIENCE, ServerProcess

Begin = Callable[..., "subprocess.Popen[bytes]"]

GOOD = {"ok": True, "lost": 0, "doubled": 0, "out_of_order": 0, "missed": 0, "of_others": 0}


def bench(server: ServerProcess, *words: str) -> dict[str, Any]:
    done = run(server, "bench", *words, "--json")
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert done.stderr == b""
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["check"] == GOOD
    return told


def members_of(server: ServerProcess) -> list[bytes]:
    return [line.split(b"\t")[1] for line in run(server, "rooms").stdout.splitlines()]


def test_a_stored_room(server: ServerProcess) -> None:
    told = bench(server, "--count", "2000", "--publishers", "2", "--members", "3")
    assert (told["sent"], told["acknowledged"], told["delivered"]) == (2000, 2000, 6000)
    assert told["ack_ms"]["max"] >= told["ack_ms"]["p50"] > 0
    assert told["delivery_ms"]["samples"] > 0
    # all of it was there, and nobody is any more
    assert run(server, "rooms").stdout == b"bench\t0\t2000\n"


def test_a_memory_room_with_many_members(start: Callable[..., ServerProcess]) -> None:
    server = start("--memory-room", "mem.*")
    told = bench(server, "mem.x", "--no-ids", "--count", "20000", "--members", "20", "--size", "16")
    assert (told["sent"], told["delivered"]) == (20000, 400_000)
    assert told["acknowledged"] is None
    assert members_of(server) == [b"0"]


def test_large_messages_at_a_rate(server: ServerProcess) -> None:
    told = bench(server, "--size", "100k", "--rate", "50", "--count", "20", "--members", "2")
    assert (told["sent"], told["delivered"]) == (20, 40)
    assert told["delivery_ms"]["samples"] == 40
    assert told["seconds"] >= 0.38


def test_over_a_unix_socket(start: Callable[..., ServerProcess], tmp_path: Path) -> None:
    address = f"unix:{tmp_path / 'socket'}"
    server = start("--listen", address)
    told = bench(server, "--server", address, "--count", "100")
    assert told["delivered"] == 100


def test_a_table_for_people(server: ServerProcess) -> None:
    done = run(server, "bench", "--count", "100", "--members", "2", "--name", "load")
    assert done.returncode == 0, done.stderr
    assert b"delivered       200" in done.stdout
    assert b"every member got every message once, in order" in done.stdout


@pytest.fixture
def listener(begin: Begin) -> subprocess.Popen[bytes]:
    """Somebody who is in the room, and leaves it with the first message."""
    process = begin("recv", "bench", "--count", "1", "-v")
    until(process.stderr, b"listening to bench")
    return process


def test_ctrl_c(server: ServerProcess, begin: Begin, listener: subprocess.Popen[bytes]) -> None:
    """What was measured so far is told, and nobody is left in the room."""
    process = begin("bench", "--duration", "600", "--rate", "100", "--json")
    assert until(listener.stdout, b"x")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (130, b"")
    told = json.loads(out)
    assert not told["complete"]
    assert told["check"] == {**GOOD, "lost": None}
    assert told["sent"] >= 1
    listener.wait(PATIENCE)
    while members_of(server) != [b"0"]:
        pass


def test_a_server_that_is_killed(
    server: ServerProcess, begin: Begin, listener: subprocess.Popen[bytes]
) -> None:
    process = begin("bench", "--duration", "600", "--rate", "100")
    assert until(listener.stdout, b"x")
    server.kill()
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 5
    assert b"not done: what came until now came once, and in order" in out
    assert err.startswith(b"tcpmsg: ")
    assert err.count(b"\n") == 1

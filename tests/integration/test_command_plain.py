"""`send` and `recv` in the original protocol, against a real server."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.commands import run, until
from tests.integration.conftest import PATIENCE, ServerProcess


@pytest.fixture
def receiver(begin: Callable[..., subprocess.Popen[bytes]]) -> Callable[..., Any]:
    """Start `recv --plain` and return it once it is connected."""

    def start(*words: str) -> subprocess.Popen[bytes]:
        process = begin("recv", "lobby", "-v", "--plain", *words)
        until(process.stderr, b"listening to lobby")
        return process

    return start


def test_a_text_arrives(server: ServerProcess, receiver: Callable[..., Any]) -> None:
    reader = receiver("--count", "2")
    assert run(server, "send", "lobby", "--plain", "hello, world").returncode == 0
    assert run(server, "--name", "alice", "send", "lobby", "--plain", "hi").returncode == 0
    out, _ = reader.communicate(timeout=PATIENCE)
    assert out == b"hello, world\nalice: hi\n"
    assert reader.returncode == 0


def test_a_pipe_of_many_lines(server: ServerProcess, receiver: Callable[..., Any]) -> None:
    lines = b"".join(b"line %d\n" % n for n in range(10_000))
    reader = receiver("--count", "10000")
    sent = run(server, "send", "lobby", "--plain", given=lines)
    assert (sent.returncode, sent.stdout, sent.stderr) == (0, b"", b"")
    out, _ = reader.communicate(timeout=PATIENCE)
    assert out == lines


def test_whole_input_and_json(server: ServerProcess, receiver: Callable[..., Any]) -> None:
    reader = receiver("--count", "2", "--json")
    assert (
        run(server, "send", "lobby", "--plain", "--whole", given=b"a\n\x1b[2Jb\n").returncode == 0
    )
    assert run(server, "send", "lobby", "--plain", "-", given=b"caf\xe9").returncode == 0
    out, _ = reader.communicate(timeout=PATIENCE)
    first, second = map(json.loads, out.splitlines())
    assert first["text"] == "a\n\x1b[2Jb\n"
    assert second["base64"] == "Y2Fm6Q=="
    assert {first[key] for key in ("seq", "from")} == {None}
    assert abs(first["time"] / 1000 - time.time()) < 2 * PATIENCE
    assert b"\x1b" not in out


def test_what_cannot_be_sent(server: ServerProcess, receiver: Callable[..., Any]) -> None:
    reader = receiver("--count", "1")
    sent = run(server, "send", "lobby", "--plain", given=b"\none\n!DISCONNECT!\ntwo\n")
    assert sent.returncode == 2
    empty, wrong = sent.stderr.splitlines()
    assert b"1 empty line was not sent" in empty
    assert b"line 3" in wrong
    assert reader.communicate(timeout=PATIENCE)[0] == b"one\n"


def test_recv_comes_back(server: ServerProcess, receiver: Callable[..., Any]) -> None:
    reader = receiver("--count", "2")
    assert run(server, "send", "lobby", "--plain", "before").returncode == 0
    until(reader.stdout, b"before")
    server.restart()
    assert b"trying again" in until(reader.stderr, b"connection lost")
    until(reader.stderr, b"connected again")
    while reader.poll() is None:  # it may have said so before it was in the room
        assert run(server, "send", "lobby", "--plain", "after").returncode == 0
    assert reader.stdout.read() == b"after\n"


def test_a_server_with_replies_is_recognised(start: Callable[..., ServerProcess]) -> None:
    server = start("--plain-reply", "Msg received")
    result = run(server, "recv", "lobby", "--plain", "--timeout", str(PATIENCE))
    assert result.returncode == 3
    assert b"--plain-reply" in result.stderr


def test_refused_by_the_server(server: ServerProcess) -> None:
    done = run(server, "send", "lobby", "--plain", "--whole", given=b"x" * (2 << 20))
    assert done.returncode == 3
    assert b"too-large" in done.stderr

"""The examples, run as a person runs them: as processes, against real servers."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.integration.conftest import PATIENCE, ROOT, ServerProcess, environment

EXAMPLES = ROOT / "examples"
CLIENTS = {
    "python": [sys.executable, str(EXAMPLES / "plain_client.py")],
    "bash": ["bash", str(EXAMPLES / "plain_client.sh")],
}
HELLO = "are you there?"

Run = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Start example processes; whatever still runs is ended with the test."""
    started: list[subprocess.Popen[bytes]] = []
    alarms: list[threading.Timer] = []

    def begin(*command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=environment(PYTHONPATH=str(ROOT)),
        )
        started.append(process)
        alarms.append(threading.Timer(PATIENCE, process.kill))
        alarms[-1].start()
        return process

    yield begin
    for alarm in alarms:
        alarm.cancel()
    for process in started:
        process.kill()
        process.communicate()


def frame(payload: bytes) -> bytes:
    return b"%-128d" % len(payload) + payload


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def receive(connection: socket.socket, count: int) -> bytes:
    with connection.makefile("rb") as stream:
        return stream.read(count)


def wait_until_listening(server: ServerProcess, listener: subprocess.Popen[bytes]) -> None:
    """Say something until the listener prints it, then say one last thing and read up to that."""
    output = stdout(listener)
    with connect(server.port) as publisher:
        while True:
            publisher.sendall(frame(HELLO.encode()))
            if select.select([output], [], [], 0.05)[0]:
                break
        publisher.sendall(frame(b"there you are"))
        while (line := output.readline()) != b"there you are\n":
            assert line == HELLO.encode() + b"\n"


def stdout(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout


@pytest.mark.parametrize("sender", CLIENTS)
@pytest.mark.parametrize("listener", CLIENTS)
def test_the_clients_talk_to_each_other(
    server: ServerProcess, run: Run, listener: str, sender: str
) -> None:
    listening = run(*CLIENTS[listener], "127.0.0.1", str(server.port))
    wait_until_listening(server, listening)

    texts = ["hello", "Grüße, 世界", "", "100% of two\nlines \\n and -n", "-e", "x" * 5000]
    sending = run(*CLIENTS[sender], "127.0.0.1", str(server.port), *texts)

    assert sending.communicate() == (b"", b"")  # it said goodbye, and the server closed
    assert sending.returncode == 0
    expected = "".join(f"{text}\n" for text in texts if text).encode()  # empty: a keep-alive
    assert stdout(listening).read(len(expected)) == expected

    server.stop()
    assert listening.communicate() == (b"!DISCONNECT!\n", b"")
    assert listening.returncode == 0


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_prints_what_the_server_refuses(
    start: Callable[..., ServerProcess], run: Run, client: str
) -> None:
    server = start("--max-payload", "12")
    sending = run(*CLIENTS[client], "127.0.0.1", str(server.port), "over the limit")
    output, errors = sending.communicate()
    assert output.startswith(b"!ERROR! too-large ")
    assert errors == b""


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_that_finds_no_server_says_so(run: Run, client: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    process = run(*CLIENTS[client], "127.0.0.1", str(port), "hello")
    output, errors = process.communicate()
    assert output == b""
    assert b"refused" in errors
    assert process.returncode != 0


def test_the_bash_client_is_executable() -> None:
    assert os.access(EXAMPLES / "plain_client.sh", os.X_OK)


def test_the_echo_server_sends_every_frame_back(run: Run) -> None:
    echo = run(sys.executable, str(EXAMPLES / "echo_server.py"), "tcp:0:interface=127.0.0.1")
    line = stdout(echo).readline().decode()
    match = re.search(r"host='127\.0\.0\.1', port=([0-9]+)", line)
    assert match, line
    port = int(match[1])

    with connect(port) as one, connect(port) as other:
        said = (
            frame(b"hello") + frame(b"") + frame(bytes(range(256)) * 300) + frame(b"!DISCONNECT!")
        )
        other.sendall(frame(b"x")[:50])
        one.sendall(said)
        assert receive(one, len(said)) == said
        other.sendall(frame(b"x")[50:])
        assert receive(other, len(frame(b"x"))) == frame(b"x")

        typed = b"5 ECHO some words".ljust(128) + b"typed"
        with connect(port) as third:
            third.sendall(typed)
            assert receive(third, len(typed)) == typed

        other.sendall(b"nonsense".ljust(128))
        refusal = receive(other, -1)
        assert refusal[128:].startswith(b"!ERROR! bad-header ")
        assert int(refusal[:128]) == len(refusal) - 128

        one.sendall(frame(b"still here"))
        assert receive(one, 138) == frame(b"still here")

    echo.send_signal(signal.SIGINT)
    assert echo.communicate() == (b"", b"")
    assert echo.returncode == 0

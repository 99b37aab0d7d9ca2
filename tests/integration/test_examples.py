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
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import pytest

from tests.connecting import connected
from tests.integration.conftest import PATIENCE, ROOT, ServerProcess, environment
from tests.processes import ended_after

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
    with ExitStack() as processes:

        def begin(*command: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=tmp_path,
                env=environment(PYTHONPATH=str(ROOT)),
            )
            processes.enter_context(ended_after(process))
            alarm = threading.Timer(PATIENCE, process.kill)
            processes.callback(alarm.cancel)
            alarm.start()
            return process

        yield begin


def frame(payload: bytes) -> bytes:
    return b"%-128d" % len(payload) + payload


def connect(port: int) -> socket.socket:
    return connected(("127.0.0.1", port), PATIENCE)


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
    with socket.socket() as kept:  # nobody listens there, and nobody else is given the port
        kept.bind(("127.0.0.1", 0))
        process = run(*CLIENTS[client], "127.0.0.1", str(kept.getsockname()[1]), "hello")
        output, errors = process.communicate()
    assert output == b""
    assert b"refused" in errors
    assert process.returncode != 0


def test_the_bash_client_is_executable() -> None:
    assert os.access(EXAMPLES / "plain_client.sh", os.X_OK)


SECRET = "0123456789abcdef"


def publisher(server: ServerProcess, number: int, room: str, text: str) -> list[str]:
    path = str(EXAMPLES / "publisher.sh")
    return ["bash", path, "127.0.0.1", str(server.port), SECRET, str(number), room, text]


def history(server: ServerProcess, *room: str) -> list[str]:
    return ["bash", str(EXAMPLES / "history.sh"), "127.0.0.1", str(server.port), *room]


def test_the_publisher_s_message_is_stored_once(server: ServerProcess, run: Run) -> None:
    for number, text, printed in (
        (7, "Grüße, 世界", "ACK 7 1\n"),
        (7, "Grüße, 世界", "ACK 7 1 dup\n"),
        (8, "-e 100% \\n", "ACK 8 2\n"),
        (9, "", "ACK 9 3\n"),
    ):
        publishing = run(*publisher(server, number, "lobby", text))
        assert publishing.communicate() == (printed.encode(), b"")
        assert publishing.returncode == 0

    server.kill()
    server.start()
    publishing = run(*publisher(server, 9, "lobby", ""))
    assert publishing.communicate() == (b"ACK 9 3 dup\n", b"")

    reading = run(*history(server, "lobby"))
    output, errors = reading.communicate()
    lines = re.sub(r"guest-[0-9]+", "guest", output.decode()).splitlines()
    assert lines == ["1 guest: Grüße, 世界", "2 guest: -e 100% \\n", "3 guest: "]
    assert (errors, reading.returncode) == (b"", 0)

    reading = run(*history(server, "lobby", "3"))
    assert re.fullmatch(rb"3 guest-[0-9]+: \n", reading.communicate()[0])


def test_the_history_tells_what_is_no_longer_kept(
    start: Callable[..., ServerProcess], run: Run
) -> None:
    server = start("--retain", "4k")
    for number in (1, 2, 3):
        run(*publisher(server, number, "hall", str(number) * 1500)).communicate()
    output, _ = run(*history(server, "hall")).communicate()
    first, *rest = output.decode().splitlines()
    assert first == "1 to 1 are no longer kept"
    assert [line[:1] + line[-1500:] for line in rest] == ["2" * 1501, "3" * 1501]


def test_publisher_and_history_print_what_is_refused(server: ServerProcess, run: Run) -> None:
    for command, refusal in (
        (publisher(server, 1, "a/b", "x"), b"bad-room PUB 1: a room's name is "),
        (publisher(server, 0, "lobby", "x"), b"bad-args PUB 0: an id is "),
        (history(server, "a/b"), b"bad-room SUB a/b: a room's name is "),
        (history(server, "lobby", "7"), b"bad-args SUB lobby: from=7 is beyond "),
    ):
        process = run(*command)
        output, errors = process.communicate()
        assert output == b""
        assert errors.startswith(refusal)
        assert process.returncode == 1


def test_the_readme_s_publisher_lines_are_right() -> None:
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for name in ("publisher.sh", "history.sh"):
        assert f"bash examples/{name} 127.0.0.1 5050" in text
        assert os.access(EXAMPLES / name, os.X_OK)
    code = (EXAMPLES / "publisher.sh").read_text(encoding="utf-8").splitlines()
    assert len([line for line in code if not line.startswith("#")]) < 15


def test_the_publisher_tells_an_old_id_from_a_stored_one(server: ServerProcess, run: Run) -> None:
    assert run(*publisher(server, 8, "hall", "new")).communicate() == (b"ACK 8 1\n", b"")
    low = run(*publisher(server, 7, "hall", "newer, under an id that is too low"))
    output, errors = low.communicate()
    assert (output, low.returncode) == (b"", 1)
    assert errors.startswith(b"ACK 8: 7 is not above it")


def test_wrong_arguments_are_answered_with_the_usage(server: ServerProcess, run: Run) -> None:
    for command in (
        ["bash", str(EXAMPLES / "publisher.sh")],
        publisher(server, 1, "my hall", "x"),
        CLIENTS["python"],
        [*CLIENTS["python"], "127.0.0.1", "hello"],
    ):
        process = run(*command)
        output, errors = process.communicate()
        assert (output, process.returncode != 0) == (b"", True)
        assert b" HOST PORT " in errors
        assert b"Traceback" not in errors


def test_ctrl_c_ends_the_python_client_without_a_word(server: ServerProcess, run: Run) -> None:
    listening = run(*CLIENTS["python"], "127.0.0.1", str(server.port))
    wait_until_listening(server, listening)
    listening.send_signal(signal.SIGINT)
    assert listening.communicate()[1] == b""
    assert listening.returncode == 0


def test_the_echo_server_sends_every_frame_back(run: Run) -> None:
    echo = run(sys.executable, str(EXAMPLES / "echo_server.py"), "127.0.0.1:0")
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

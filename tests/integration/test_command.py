"""The real command against a real server, as people and scripts use it.

Nothing sleeps here: readiness is read from output, and every wait has an end.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from .conftest import PATIENCE, ServerProcess, environment

ROOT = Path(__file__).parents[2]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "twisted_msg", *words]


def variables(server: ServerProcess | None = None, **more: str) -> dict[str, str]:
    address = {} if server is None else {"TCPMSG_SERVER": server.address}
    return environment(PYTHONPATH=str(ROOT), **address, **more)


def run(
    server: ServerProcess | None, *words: str, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command(*words),
        input=given,
        capture_output=True,
        env=variables(server),
        timeout=PATIENCE,
        check=False,
    )


def until(stream: IO[bytes] | None, text: bytes) -> bytes:
    """Read lines until one holds the text; `PATIENCE` is kept by `begin`'s fixture."""
    assert stream is not None
    for line in stream:
        if text in line:
            return line
    raise AssertionError(f"{text!r} did not come")


@pytest.fixture
def begin(server: ServerProcess) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start commands that stay, with pipes on all sides; an alarm ends a test that hangs."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str, **more: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command(*words),
            stdin=more.pop("stdin", subprocess.PIPE),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=variables(server),
        )
        started.append(process)
        return process

    def late(*_: object) -> None:
        raise AssertionError(f"nothing for {PATIENCE:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(int(2 * PATIENCE))
    try:
        yield start
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        for process in started:
            process.kill()
            process.wait(PATIENCE)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    try:
                        stream.close()
                    except BrokenPipeError:
                        pass  # what was written and not read


@pytest.fixture
def receiver(begin: Callable[..., subprocess.Popen[bytes]]) -> Callable[..., Any]:
    """Start `recv` and return it once it is connected."""

    def start(*words: str) -> subprocess.Popen[bytes]:
        process = begin("recv", "lobby", "-v", *words)
        until(process.stderr, b"listening to lobby")
        return process

    return start


def test_a_text_arrives(server: ServerProcess, receiver: Callable[..., Any]) -> None:
    reader = receiver("--count", "2")
    assert run(server, "send", "lobby", "hello, world").returncode == 0
    assert run(server, "--name", "alice", "send", "lobby", "hi").returncode == 0
    out, _ = reader.communicate(timeout=PATIENCE)
    assert out == b"hello, world\nalice: hi\n"
    assert reader.returncode == 0


def test_a_pipe_of_many_lines(server: ServerProcess, receiver: Callable[..., Any]) -> None:
    lines = b"".join(b"line %d\n" % n for n in range(10_000))
    reader = receiver("--count", "10000")
    sent = run(server, "send", "lobby", given=lines)
    assert (sent.returncode, sent.stdout, sent.stderr) == (0, b"", b"")
    out, _ = reader.communicate(timeout=PATIENCE)
    assert out == lines


def test_whole_input_and_json(server: ServerProcess, receiver: Callable[..., Any]) -> None:
    reader = receiver("--count", "2", "--json")
    assert run(server, "send", "lobby", "--whole", given=b"a\n\x1b[2Jb\n").returncode == 0
    assert run(server, "send", "lobby", "-", given=b"caf\xe9").returncode == 0
    out, _ = reader.communicate(timeout=PATIENCE)
    first, second = map(json.loads, out.splitlines())
    assert first["text"] == "a\n\x1b[2Jb\n"
    assert second["base64"] == "Y2Fm6Q=="
    assert {first[key] for key in ("seq", "from")} == {None}
    assert abs(first["time"] / 1000 - time.time()) < 2 * PATIENCE
    assert b"\x1b" not in out


def test_what_cannot_be_sent(server: ServerProcess, receiver: Callable[..., Any]) -> None:
    reader = receiver("--count", "1")
    sent = run(server, "send", "lobby", given=b"\none\n!DISCONNECT!\ntwo\n")
    assert sent.returncode == 2
    empty, wrong = sent.stderr.splitlines()
    assert b"1 empty line was not sent" in empty
    assert b"line 3" in wrong
    assert reader.communicate(timeout=PATIENCE)[0] == b"one\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["sned"], 2, "did you mean send?"),
        (["send", "hall", "x"], 2, "lobby"),
        (["send", "lobby", ""], 2, "empty"),
        (["recv", "lobby", "--timeout", "0.2"], 6, "nothing came"),
        (["recv", "lobby", "--server", "127.0.0.1:1"], 5, "start it with: tcpmsg serve"),
        (["send", "lobby", "x", "--server", "127.0.0.1:1"], 5, "connection refused"),
        (["chat", "--server", "127.0.0.1:1"], 5, "connection refused"),
        (["send", "lobby", "x", "--server", "foo:bar=baz"], 2, "foo"),
        (["send", "lobby", "x", "--header-size", "64"], 3, "check the address and --header-size"),
    ],
)
def test_exit_codes(server: ServerProcess, words: list[str], code: int, said: str) -> None:
    done = run(server, *words)
    (line,) = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (code, b""), line
    assert line.startswith("tcpmsg: ")
    assert said in line


def test_refused_by_the_server(server: ServerProcess) -> None:
    done = run(server, "send", "lobby", "--whole", given=b"x" * (2 << 20))
    assert done.returncode == 3
    assert b"too-large" in done.stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
@pytest.mark.parametrize("words", [["recv", "lobby", "-v"], ["chat"], ["send", "lobby", "-"]])
def test_signals(
    server: ServerProcess,
    begin: Callable[..., subprocess.Popen[bytes]],
    words: list[str],
    number: signal.Signals,
    code: int,
) -> None:
    process = begin(*words)
    if words[0] == "send":  # says nothing by itself: what it sends tells that it runs
        reader = begin("recv", "lobby", "-v", "--count", "1")
        until(reader.stderr, b"listening")
        assert process.stdin is not None
        process.stdin.write(b"x\n")
        process.stdin.flush()
        until(reader.stdout, b"x")
    else:
        until(process.stderr, server.address.encode())
    process.send_signal(number)
    assert process.wait(PATIENCE) == code
    assert process.stderr is not None
    assert process.stderr.read() == b""


def test_a_reader_that_has_had_enough(receiver: Callable[..., Any]) -> None:
    reader = receiver()
    reader.stdout.close()
    assert reader.wait(PATIENCE) == 0
    assert reader.stderr.read() == b""


def test_recv_comes_back(server: ServerProcess, receiver: Callable[..., Any]) -> None:
    reader = receiver("--count", "2")
    assert run(server, "send", "lobby", "before").returncode == 0
    until(reader.stdout, b"before")
    server.restart()
    assert b"trying again" in until(reader.stderr, b"connection lost")
    until(reader.stderr, b"connected again")
    assert run(server, "send", "lobby", "after").returncode == 0
    assert reader.stdout.read() == b"after\n"


def test_two_chats_in_pipes(
    server: ServerProcess, begin: Callable[..., subprocess.Popen[bytes]]
) -> None:
    alice, bob = begin("chat", "--name", "alice"), begin("chat", "--name", "bob")
    for each in (alice, bob):
        until(each.stderr, b"connected to")
    assert alice.stdin is not None
    assert bob.stdin is not None
    alice.stdin.write(b"hello\n/nonsense\n//slash\n")
    alice.stdin.flush()
    until(alice.stderr, b"no command /nonsense")
    assert until(bob.stdout, b"alice") == b"alice: hello\n"
    assert until(bob.stdout, b"alice") == b"alice: /slash\n"
    bob.stdin.write(b"bye")
    bob.stdin.close()
    assert until(alice.stdout, b"bob") == b"bob: bye\n"
    assert bob.wait(PATIENCE) == 0
    alice.stdin.write(b"/quit\n")
    alice.stdin.flush()
    assert alice.wait(PATIENCE) == 0


class Terminal:
    """A command under a pseudo terminal, with what it wrote so far."""

    def __init__(self, *words: str, **more: str) -> None:
        self.output = b""
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:  # pragma: no cover - the child becomes the command
            try:
                os.execve(sys.executable, command(*words), more)
            finally:
                os._exit(127)
        size = struct.pack("HHHH", 24, 80, 0, 0)
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, size)

    def type(self, text: bytes) -> None:
        os.write(self.descriptor, text)

    def wait_for(self, pattern: bytes) -> bytes:
        """Return the output up to the pattern's match, and forget it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = re.search(pattern, self.output, re.DOTALL)
            if found:
                seen, self.output = self.output[: found.end()], self.output[found.end() :]
                return seen
            ready, _, _ = select.select([self.descriptor], [], [], deadline - time.monotonic())
            assert ready, (pattern, self.output)
            try:
                piece = os.read(self.descriptor, 65536)
            except OSError:
                piece = b""  # how Linux tells that the other side is gone
            assert piece, (pattern, self.output)
            self.output += piece
            if b"\x1b[6n" in piece:  # where is the cursor? as a terminal answers
                os.write(self.descriptor, b"\x1b[1;1R")

    def wait(self) -> int:
        """Read to the end and return the exit code."""
        deadline = time.monotonic() + PATIENCE
        while select.select([self.descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
            try:
                if not os.read(self.descriptor, 65536):
                    break
            except OSError:
                break
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def close(self) -> None:
        os.close(self.descriptor)
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


@pytest.fixture
def terminal(server: ServerProcess) -> Iterator[Callable[..., Terminal]]:
    """Run a command under a terminal."""
    opened: list[Terminal] = []

    def start(*words: str, **more: str) -> Terminal:
        opened.append(Terminal(*words, **variables(server, TERM="xterm", **more)))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def test_what_comes_in_does_not_disturb_the_line(
    server: ServerProcess, terminal: Callable[..., Terminal], receiver: Callable[..., Any]
) -> None:
    chat = terminal("chat", "--name", "alice", NO_COLOR="1")
    chat.wait_for(rb"Ctrl-D leaves.*alice>")
    reader = receiver("--count", "2")
    chat.type(b"half a")
    chat.wait_for(rb"half a")
    assert run(server, "send", "lobby", "from bob").returncode == 0
    # the message stands on a line of its own, and the line being typed is drawn again
    chat.wait_for(rb"from bob\r\n.*alice> half a")
    chat.type(b" line\r")
    until(reader.stdout, b"from bob")
    assert until(reader.stdout, b"alice") == b"alice: half a line\n"
    chat.type(b"\x04")
    assert chat.wait() == 0


def test_hostile_text_does_not_reach_the_terminal(
    server: ServerProcess, terminal: Callable[..., Terminal]
) -> None:
    evil = b"\x1b]0;owned\x07\x1b[2J\x9b31m\xe2\x80\xaeend"
    chat = terminal("chat")
    chat.wait_for(rb"Ctrl-D leaves.*>")
    line = terminal("recv", "lobby", "-v")
    line.wait_for(rb"listening to lobby")
    assert run(server, "send", "lobby", "--whole", given=evil).returncode == 0
    for each in (chat, line):
        seen = each.wait_for(rb"end\r?\n")
        assert rb"\x1b]0;owned\x07\x1b[2J\x9b31m\u202eend" in seen
        for acting in (b"\x1b]0;owned", b"\x07", b"\x9b", b"\xe2\x80\xae"):
            assert acting not in seen


def test_chat_comes_back_and_sends_what_was_typed_meanwhile(
    server: ServerProcess, terminal: Callable[..., Terminal], receiver: Callable[..., Any]
) -> None:
    chat = terminal("chat", NO_COLOR="1")
    chat.wait_for(rb"Ctrl-D leaves.*>")
    reader = receiver()
    server.kill()
    chat.wait_for(rb"connection lost, trying again")
    until(reader.stderr, b"connection lost")
    chat.type(b"one\rtwo\r")
    chat.wait_for(rb"line is kept.*line is kept")
    os.kill(chat.pid, signal.SIGSTOP)  # so that the reader is there before the chat is
    server.start()
    until(reader.stderr, b"connected again")
    os.kill(chat.pid, signal.SIGCONT)
    chat.wait_for(rb"connected again")
    assert until(reader.stdout, b"one") == b"one\n"
    assert until(reader.stdout, b"two") == b"two\n"
    chat.type(b"\x03")
    assert chat.wait() == 130


def test_ctrl_c_and_an_unknown_word(terminal: Callable[..., Terminal]) -> None:
    chat = terminal("chat")
    chat.wait_for(rb"Ctrl-D leaves.*>")
    chat.type(b"/quti\r")
    chat.wait_for(rb"no command /quti; nothing was sent")
    chat.type(b"\x03")
    assert chat.wait() == 130


def test_output_that_cannot_be_written_is_told(server: ServerProcess) -> None:
    with Path("/dev/full").open("wb") as full:
        receiver = subprocess.Popen(
            command("recv", "lobby", "-v"),
            stdout=full,
            stderr=subprocess.PIPE,
            env=variables(server),
        )
        until(receiver.stderr, b"listening to")
        assert run(server, "send", "lobby", "hello").returncode == 0
        _, said = receiver.communicate(timeout=PATIENCE)
    assert receiver.returncode == 1
    assert said == b"tcpmsg: cannot read or write: No space left on device\n"


def test_closed_standard_input_is_empty(server: ServerProcess) -> None:
    line = f"{shlex.join(command('send', 'lobby'))} <&-"
    result = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        env=variables(server),
        timeout=PATIENCE,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, b"")


def test_a_server_with_replies_is_recognised(start: Callable[..., ServerProcess]) -> None:
    server = start("--plain-reply", "Msg received")
    result = run(server, "recv", "lobby", "--timeout", "20")
    assert result.returncode == 3
    assert b"--plain-reply" in result.stderr

"""What acts on a terminal, from hostile servers to every command and from peers to the log.

The commands are real ones under a real terminal, standard output and standard error alike; every
byte that reaches it is judged.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import threading
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration.commands import Terminal, beginning, command, run, until, variables
from tests.integration.conftest import PATIENCE, ServerProcess
from tests.integration.sockets import Peer

ACTING = (
    b"\x1b]0;owned\x07", b"\x1b[6;6H", b"\x1b[5;41m", b"\x1bPq\x1b\\", b"\x1bc",
    b"\x9b31m", "\x9b31m\x85\x90".encode(), b"\x00\x08\x0b\x0c\x0e\x7f", b"\rover",
    "\u202eback\u2066\u061c".encode(), "\u200b\ufeff\u00ad\u2060".encode(),
    "\u2028\u2029\U000e0041".encode(), b"\xed\xa0\x80", b"\xff\xfe\xc0\xaf",
    ("Z" + "\u0301" * 30).encode(),
)  # fmt: skip
"""Titles, cursors, colours, resets, C1 controls (bare and in UTF-8), overwriting, reversed
directions, what has no width, what breaks lines, surrogates, what is no UTF-8, and a flood
of marks over other lines."""

EVIL = b"<" + b"|".join(ACTING) + b">"

TEXT = EVIL.decode("utf-8", "replace") + "\ud800"
"""The same as JSON can say it, with half a surrogate pair."""

FORBIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}

OWN = re.compile(rb"\x1b\[(?:[0-9;]*m|K)")
"""What the commands themselves say to a terminal: colours, and to clear a line."""

EDITOR = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x08")
"""What a line editor says to it."""


def frame(words: str, payload: bytes = b"") -> bytes:
    return f"{len(payload)} {words}".rstrip().encode().ljust(128) + payload


WELCOME = frame("WELCOME alice 0", json.dumps({"v": 1, "server": TEXT, TEXT: TEXT}).encode())
LAST = frame("ERR superseded", EVIL)
"""What nobody goes on after: every command ends by it."""


class HostileServer:
    """Answers each verb with bytes of the test's choice, and a plain peer's first frame."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        self.answers = dict(answers)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listening.settimeout(PATIENCE)
        self.address = f"127.0.0.1:{self.listening.getsockname()[1]}"
        self.serving = threading.Thread(target=self.serve, daemon=True)
        self.serving.start()

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self.listening.accept()
                peer.settimeout(PATIENCE)
                with peer, suppress(OSError, EOFError):
                    self.converse(peer)

    def converse(self, peer: socket.socket) -> None:
        stream = peer.makefile("rb")
        while True:
            head = stream.read(128)
            if len(head) < 128:
                return
            length, *words = head.decode("ascii").split()
            stream.read(int(length))
            verb = words[0] if words else ""
            answer = self.answers.get(verb, b"")
            self.answers[verb] = self.answers.get(f"{verb} again", answer)
            peer.sendall(answer)
            if verb == "BYE":
                return

    def close(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.serving.join(PATIENCE)


@pytest.fixture
def serve() -> Iterator[Callable[[dict[str, bytes]], HostileServer]]:
    with ExitStack() as stack:

        def begin(answers: dict[str, bytes]) -> HostileServer:
            server = HostileServer(answers)
            stack.callback(server.close)
            return server

        yield begin


def judge(output: bytes, own: re.Pattern[bytes] = OWN) -> None:
    """Check that nothing in a terminal's input acts on it, beside what is the program's own."""
    for acting in ACTING:
        assert acting not in output, (acting, output)
    text = own.sub(b"", output).replace(b"\r\n", b"\n").decode("utf-8")
    if own is EDITOR:
        text = text.replace("\r", "")
    for character in set(text) - {"\n", "\t"}:
        assert unicodedata.category(character) not in FORBIDDEN, (character, output)


class Case(NamedTuple):
    """A command, what its server says, and what of it is to be seen: something, made visible."""

    words: Sequence[str]
    answers: dict[str, bytes]
    seen: bytes = rb"\x1b]0;owned\x07"


MESSAGES = frame("SUBBED lobby 3") + b"".join(
    frame(f"MSG lobby {seq} bob 9223372036854775807 new={seq}", text)
    for seq, text in enumerate((EVIL, *ACTING), 1)
)
PLAIN = b"".join(frame("", text) for text in (EVIL, *ACTING))
NAMES = json.dumps(["bob", TEXT]).encode()
ROOMS = json.dumps([{"room": TEXT, "head": TEXT, "members": [TEXT]}, {"room": "hall"}]).encode()
ONWARD = {"HELLO": WELCOME}

CASES = {
    "recv, messages": Case(("recv", "lobby", "-v"), {**ONWARD, "SUB": MESSAGES, "PING": LAST}),
    "recv, refused": Case(
        ("recv", "lobby"), {**ONWARD, "SUB": frame("ERR forbidden SUB lobby", EVIL)}
    ),
    "recv, gone": Case(
        ("recv", "lobby"), {**ONWARD, "SUB": frame("BYE", EVIL), "SUB again": LAST}
    ),
    "recv, no welcome": Case(("recv", "lobby"), {"HELLO": frame("ERR bad-name HELLO", EVIL)}),
    "recv, a bad name": Case(
        ("recv", "lobby"), {"HELLO": frame("WELCOME \\x1b]0;{}% 0", b"{}")}, b"what the server sent"
    ),
    "recv, no frames": Case(("recv", "lobby"), {"HELLO": EVIL.ljust(128, b"\x1b")}, b"\\x1b"),
    "recv, a template": Case(
        ("recv", "lobby", "--format", "{time} {room} {seq} {from} {text}"),
        {**ONWARD, "SUB": MESSAGES + LAST},
    ),
    "recv, json": Case(("recv", "lobby", "--json"), {**ONWARD, "SUB": MESSAGES + LAST}),
    "recv, plain": Case(
        ("recv", "lobby", "--plain"), {"": PLAIN + frame("", b"!ERROR! unauthorized " + EVIL)}
    ),
    "recv, plain, a bad code": Case(
        ("send", "lobby", "x", "--plain"), {"": frame("", b"!ERROR! " + EVIL + b" " + EVIL)}
    ),
    "recv, plain, no frames": Case(("recv", "lobby", "--plain"), {"": EVIL}, b"\\x1b"),
    "send": Case(("send", "lobby", "x"), {**ONWARD, "PUB": frame("ERR forbidden PUB 1", EVIL)}),
    "send, unknown code": Case(
        ("send", "lobby", "x"), {**ONWARD, "PUB": frame("ERR ~]0;}x PUB 1", EVIL)}
    ),
    "who": Case(("who", "lobby"), {**ONWARD, "WHO": frame("HERE lobby", NAMES)}, b"a name is 1"),
    "who, refused": Case(("who", "lobby"), {**ONWARD, "WHO": frame("ERR x WHO lobby", EVIL)}),
    "rooms": Case(("rooms",), {**ONWARD, "ROOMS": frame("ROOMS cut=9", ROOMS)}),
    "ping": Case(("ping",), {**ONWARD, "PING": frame("ERR internal PING", EVIL)}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_nothing_a_server_says_acts_on_the_terminal(
    name: str, serve: Callable[[dict[str, bytes]], HostileServer]
) -> None:
    case = CASES[name]
    server = serve(case.answers)
    environment = variables(TCPMSG_SERVER=server.address, TERM="xterm")
    terminal = Terminal(*case.words, **environment)
    try:
        code = terminal.wait()
        judge(terminal.output)
        assert case.seen in terminal.output or rb"\u001b]0;owned\u0007" in terminal.output
        assert b"unexpected error" not in terminal.output
        assert b"Traceback" not in terminal.output
        assert code != 1
    finally:
        terminal.close()


@pytest.mark.parametrize("editor", [True, False], ids=["editor", "lines"])
@pytest.mark.parametrize("plain", [True, False], ids=["plain", "typed"])
def test_nothing_a_server_says_acts_on_a_chat(
    editor: bool,
    plain: bool,
    serve: Callable[[dict[str, bytes]], HostileServer],
    tmp_path: Path,
) -> None:
    presence = frame("HERE lobby", b'["bob"]') + frame("JOIN lobby carol")
    answers = {
        **ONWARD,
        "SUB": MESSAGES + frame("LIVE lobby 3") + presence,
        "WHO": presence + frame("MSG @alice 5 bob 17", EVIL) + LAST,
        "": PLAIN + frame("", b"!ERROR! unauthorized " + EVIL),
    }  # fmt: skip
    server = serve(answers)
    environment = variables(TCPMSG_SERVER=server.address, TERM="xterm")
    words = ["chat", "--name", "alice", *(["--plain"] if plain else [])]
    typing = tmp_path / "typing"
    os.mkfifo(typing)
    held = os.open(typing, os.O_RDWR)  # so that nobody who reads it comes to its end
    if editor:
        terminal = Terminal(*words, **environment)
    else:
        line = shlex.join(command(*words))
        terminal = Terminal(line=f"exec {line} < {shlex.quote(str(typing))}", **environment)
    try:
        terminal.wait()
        assert rb"the server refused it: " in terminal.output
        assert terminal.output.count(rb"\x1b]0;owned") >= 2
        judge(terminal.output, EDITOR if editor else OWN)
    finally:
        terminal.close()
        os.close(held)


# -- the server's log -------------------------------------------------------------------


HOSTILE_STREAMS = (
    *(text.ljust(128)[:128] for text in ACTING),
    EVIL.ljust(256),
    b"5 \x1b[2J".ljust(128),
    frame("HELLO", json.dumps({"name": TEXT}).encode()),
    frame("HELLO", json.dumps({"v": 1, "name": "a\x1b[6;6Hb"}).encode()),
    frame("HELLO", json.dumps({"client": "\x1b]0;owned\x07" * 3}).encode()),
    frame("HELLO", EVIL),
    frame("HELLO name={peer}%s%(x)s"),
    frame("PUB {reason} 1", EVIL),
    frame("PUB %n 1"),
    frame("SUB lobby") + frame("{number}%s", EVIL) + EVIL.ljust(128),
    frame("PUB lobby", EVIL) + frame("BYE"),
    frame("", EVIL) + frame("", b"!DISCONNECT!"),
)


@pytest.mark.parametrize("shape", ["text", "json"])
def test_nothing_a_peer_says_acts_on_the_log(
    shape: str, start: Callable[..., ServerProcess]
) -> None:
    server = start("--log-format", shape)
    for stream in HOSTILE_STREAMS:
        with Peer(server) as peer:
            peer.send(stream)
            peer.socket.shutdown(socket.SHUT_WR)
            while peer.socket.recv(1 << 16):
                pass
    server.stop()
    assert len(server.lines) > 2 * len(HOSTILE_STREAMS)
    for line in server.lines:
        text = line.removesuffix("\n")
        assert text.isprintable(), line
        if shape == "json":
            fields = json.loads(text)
            assert all(str(value).isprintable() for value in fields.values()), line
        else:
            assert re.match(r"\d{4}-\d\d-\d\dT", text) or "tcpmsg" in text or "  " in text, line
    assert rb"\x1b]0;owned".decode() in server.output.replace("\\\\", "\\")


# -- words of the wire ------------------------------------------------------------------


def test_words_of_the_wire_in_messages_end_nobodys_command(server: ServerProcess) -> None:
    said = ["!DISCONNECT!", "!ERROR! bad-header x", "!SHUTDOWN!", "!ERROR!", "BYE", "end"]
    with beginning(server) as begin, Peer(server) as witness:
        typed = begin("recv", "lobby", "-v", "--json", "--count", str(len(said)))
        plain = begin("recv", "lobby", "-v", "--plain", "--count", "4")
        until(typed.stderr, b"listening")
        until(plain.stderr, b"listening")
        witness.say(b"")
        for text in said:
            assert run(server, "send", "lobby", "--", text).returncode == 0
        out, _ = typed.communicate(timeout=PATIENCE)
        assert [json.loads(line)["text"] for line in out.splitlines()] == said
        out, _ = plain.communicate(timeout=PATIENCE)
        assert out.decode().splitlines() == said[2:]
        assert [witness.hear().decode() for _ in said[2:]] == said[2:]

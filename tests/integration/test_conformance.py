"""The vectors of conformance/ and their runner: they pass here, and they can fail."""

from __future__ import annotations

import contextlib
import selectors
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.connecting import at_once
from tests.integration.conftest import PATIENCE, ServerProcess, environment
from tests.integration.vectors import FOLDER, files

RUNNER = [sys.executable, str(FOLDER / "run.py")]
START = (
    f"{Path(sys.executable).with_name('twistd')} -n --pidfile= tcpmsg "
    "--listen tcp:{port}:interface=127.0.0.1 --data-dir {folder} {options}"
)
SECONDS = 900
"""How long a whole run may take where six others have the same two cores."""

PATIENT = ["--patience", str(PATIENCE)]
"""For what is to pass, however slow the machine is."""

DECODER = """
import json, sys
sys.path.insert(0, {root!r})
from twisted_msg.wire import FrameDecoder, ProtocolError{imports}
{fault}
for line in sys.stdin:
    question = json.loads(line)
    decoder = FrameDecoder(question["header_size"], question["max_payload"])
    frames, error = [], None
    try:
        for piece in question["pieces"]:
            for frame in decoder.feed(bytes.fromhex(piece)):
                frames.append({{"words": list(frame.words), "payload": frame.payload.hex()}})
    except ProtocolError as refused:
        error = str(refused.code)
    print(json.dumps({{"frames": frames, "error": error}}), flush=True)
"""


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RUNNER, *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        cwd=folder,
        env=environment(),
    )


def decoder(folder: Path, fault: str = "", imports: str = "") -> list[str]:
    """Return the command of a decoder, perhaps with a fault planted."""
    program = folder / "decoder.py"
    root = str(FOLDER.parent)
    program.write_text(DECODER.format(root=root, fault=fault, imports=imports))
    return ["decoder", sys.executable, str(program)]


def test_the_committed_vectors_are_the_page_s() -> None:
    """Make them anew with: python -m tests.integration.vectors."""
    for name, text in files().items():
        assert (FOLDER / name).read_text(encoding="ascii") == text, f"{name} is stale"


def test_there_are_enough_vectors() -> None:
    made = files()
    assert made["frames.jsonl"].count("\n") >= 60
    assert made["server.jsonl"].count("\n") >= 55


# -- the decoder ---------------------------------------------------------------------------


def test_the_decoder_passes(tmp_path: Path) -> None:
    done = run(*decoder(tmp_path), folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout == f"{files()['frames.jsonl'].count(chr(10))} right, 0 failed, 0 passed over\n"
    )


LIBERAL = """
strict = module.parse_header
def parse(data):
    try:
        words = data.decode("latin-1").split()
        return Header(int(words[0]), tuple(words[1:]))
    except (ValueError, IndexError):
        return strict(data)
module.parse_header = parse
"""
FORGETFUL = """
feed = FrameDecoder.feed
def hasty(self, data):
    return feed(self, data) if len(data) != 5 else iter(())
FrameDecoder.feed = hasty
"""
LARGE = "module.max_payload_for = lambda size, most: 10**10"


def test_only_some_vectors_are_asked_of_a_decoder(tmp_path: Path) -> None:
    what, *command = decoder(tmp_path)
    done = run(what, "--only", "words behind a plain", *command, folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "1 right, 0 failed, 0 passed over\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["decoder", "no-such"], "cannot run 'no-such' in "),
        (["client", "python3 client.py"], "as a word of its own, not one quoted string"),
        (["decoder", "cat", "--only", "x"], "--only comes before the command"),
        (["client", "--olny", "x", "cat"], "--olny"),
        (["server", "--start", "./server {port}"], "so paths must be absolute"),
        (["server", "--start", "false"], "the server does not start: false"),
        (["server", "--start", "'"], "No closing quotation"),
        (["server", "127.0.0.1:1"], "no server at 127.0.0.1:1: "),
        (["decoder", "--vectors", "no-such", "cat"], "no vectors in no-such: "),
    ],
)
def test_what_cannot_be_tested_is_told_in_a_line(
    tmp_path: Path, arguments: list[str], told: str
) -> None:
    done = run(*arguments, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (LIBERAL, "FAILED  a plus: whole: "),
        (LIBERAL, "FAILED  an underscore: "),
        (FORGETFUL, "FAILED  a message: cut behind byte 5: "),
        (LARGE, "FAILED  over the limit: "),
        ("sys.exit()", "FAILED  an empty frame: the decoder ended"),
        ("print('ready')", "FAILED  an empty frame: no JSON: "),
    ],
)
def test_a_faulty_decoder_fails(tmp_path: Path, fault: str, told: str) -> None:
    imports = ", decoder as module\nfrom twisted_msg.wire.header import Header"
    done = run(*decoder(tmp_path, fault, imports), folder=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert told in done.stdout


# -- the server ------------------------------------------------------------------------------


PARTS = 4
"""So that several processes of the tests can share what takes longest: a server for each vector."""


@pytest.mark.parametrize("part", range(PARTS))
def test_the_server_passes(part: int, tmp_path: Path) -> None:
    lines = files()["server.jsonl"].splitlines()[part::PARTS]
    vectors = tmp_path / "vectors.jsonl"
    vectors.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    words = ("--vectors", str(vectors), "--start", START)
    done = run("server", *PATIENT, *words, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout == f"{len(lines)} right, 0 failed, 0 passed over\n"


def test_a_running_server_passes_twice(server: ServerProcess, tmp_path: Path) -> None:
    """It has a history by the second time, which the vectors do not mind."""
    for _ in range(2):
        done = run("server", server.address, *PATIENT, folder=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        assert " 0 failed" in done.stdout
        assert done.stdout.startswith("writes into the rooms of that server, lobby among them")


def test_a_server_of_another_width_fails(
    start: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    other = start("--header-size", "64")
    done = run("server", other.address, "--only", "How to read", folder=tmp_path)
    assert done.returncode == 1
    assert "FAILED  How to read the examples, 1: " in done.stdout


class Spoiler:
    """Passes on to a server, and spoils what it says, as a bad server would.

    One thread passes on everything, in the order in which it came: the runner takes it for
    granted that what it said on one connection is read before what it says next on another.
    """

    def __init__(self, port: int, old: bytes, new: bytes) -> None:
        self._upstream = port
        self._old, self._new = old, new
        self.faultless = old == new
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._selector.register(self._listener, selectors.EVENT_READ)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._end, self._ended = socket.socketpair()
        self._selector.register(self._ended, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._end.close()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._ended:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._pass_on(key.fileobj, *key.data)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        upstream = socket.create_connection(("127.0.0.1", self._upstream))
        for each, other, old, new in (
            (client, upstream, b"", b""),
            (upstream, client, self._old, self._new),
        ):
            at_once(each)
            self._selector.register(each, selectors.EVENT_READ, (other, old, new))

    def _pass_on(self, source: socket.socket, other: socket.socket, old: bytes, new: bytes) -> None:
        """Pass on what came, or an end; a reset is passed on as an end."""
        data = b""
        with contextlib.suppress(OSError):
            data = source.recv(1 << 20)
        with contextlib.suppress(OSError):
            if data:
                other.sendall(data.replace(old, new))
            else:
                other.shutdown(socket.SHUT_WR)
        if not data:
            self._selector.unregister(source)
            self._over(source, other)

    def _over(self, source: socket.socket, other: socket.socket) -> None:
        """Close a connection's two sides once both have ended."""
        if other not in (key.fileobj for key in self._selector.get_map().values()):
            source.close()
            other.close()


@pytest.mark.parametrize(
    ("only", "old", "new"),
    [
        ("PUB and ACK, 3", b" dup", b"    "),
        ("SUB, 1", b"0 LIVE ", b"0 PONG "),
        ("SUB, 1", b"\x74wo", b"\x74Wo"),
        ("SUB, 2", b"bad-args", b"bad-room"),
        ("HELLO and WELCOME, 1", b'"v":1', b'"v":2'),
        ("Order of answers, 2", b"0 PONG a", b"0 PONG d"),
        ("The first frame decides, 1", b"bad-header", b"bad-verb  "),
        ("Direct messages, 1", b" bob ", b" bib "),
    ],
)
def test_a_server_with_a_fault_fails(
    server: ServerProcess, tmp_path: Path, only: str, old: bytes, new: bytes
) -> None:
    for spoiler in (Spoiler(server.port, old, old), Spoiler(server.port, old, new)):
        patience = PATIENT if spoiler.faultless else []
        with contextlib.closing(spoiler):
            done = run("server", spoiler.address, *patience, "--only", only, folder=tmp_path)
        if spoiler.faultless:  # so that it is the fault that fails, and nothing else
            assert done.returncode == 0, done.stdout + done.stderr
    assert done.returncode == 1
    assert f"FAILED  {only}: " in done.stdout


# -- the client ------------------------------------------------------------------------------

CLIENT = """
from twisted.internet.task import react
from tests.integration.conformant_client import main
from twisted_msg.client import outbox, service
from twisted_msg.wire import requests, verbs
{fault}
import sys
react(main, sys.argv[1:])
"""
OFF_BY_ONE = """
encode = requests.Sub.encode
requests.Sub.encode = lambda self: encode(self._replace(start=self.start and self.start + 1))
"""
MUTE = "verbs.Pong.encode = lambda self: bytes(128).replace(b'\\0', b' ').replace(b' ', b'0', 1)"
NEW_IDS = """
from itertools import count
numbers = count(10)
encode = requests.Pub.encode
requests.Pub.encode = lambda self: encode(self._replace(id=next(numbers)))
"""


def client(folder: Path, fault: str = "") -> list[str]:
    """Return the command of our client as a driver of the vectors, perhaps with a fault."""
    program = folder / "client.py"
    root = f"import sys\nsys.path.insert(0, {str(FOLDER.parent)!r})\n"
    program.write_text(root + CLIENT.format(fault=fault))
    return [sys.executable, str(program)]


def test_the_client_passes(tmp_path: Path) -> None:
    done = run("client", *PATIENT, *client(tmp_path), folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert (
        done.stdout == f"{files()['client.jsonl'].count(chr(10))} right, 0 failed, 0 passed over\n"
    )


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (OFF_BY_ONE, "after a cut it resumes"),
        (MUTE, "answers PING"),
        (NEW_IDS, "after a cut the same client sends the same ids"),
    ],
    ids=["off by one", "mute", "new ids"],
)
def test_a_faulty_client_fails(tmp_path: Path, fault: str, name: str) -> None:
    done = run("client", "--only", name, *client(tmp_path, fault), folder=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"FAILED  {name}" in done.stdout
    assert "the client ended" not in done.stdout

#!/usr/bin/env python3
"""Test a server, a client or a decoder of the tcpmsg protocol, in any language.

    run.py server HOST:PORT              a server that is running, with its default options
    run.py server --start 'COMMAND'      starts the server itself, a new one for each dialogue
    run.py decoder COMMAND [ARGUMENT...] a program that finds frames in bytes
    run.py client COMMAND [ARGUMENT...]  a program that publishes and listens

Each takes --only TEXT (before the COMMAND): the vectors with that text in their name.

Law of this file: the standard library alone, and nothing of the project that it came with.
What the vectors mean stands in README.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import queue
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PATIENCE = 10.0
"""Seconds to wait for anything at all, unless told otherwise."""

PORTS = range(20_000, 30_000)
"""For servers that are started here: below the ports that Linux and others give to whoever asks
for any, so that nobody takes one before the server listens, or while it is started again."""

PAUSE = 0.02
"""Seconds that a server gets, beside what it shows, to process what it was sent."""

QUIET = 2.5
"""Seconds without an end after which an ended connection counts as not closed."""

ORDERED = ("SUBBED", "UNSUBBED", "PONG", "HERE", "ROOMS", "ERR")
"""The answers that stand in the order of the requests."""

Json = Any


class Wrong(Exception):
    """The program under test did something else; the text says what."""


class Unusable(Exception):
    """There is nothing to test; the text says why."""


def vectors(path: Path, only: str) -> list[Json]:
    """Return the records of a file of JSON lines with a text in their name."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
        return [vector for vector in map(json.loads, lines) if only in vector["name"]]
    except (OSError, ValueError) as error:
        raise Unusable(f"no vectors in {path}: {error}") from None


def launched(command: list[str], hint: str, **how: Any) -> subprocess.Popen[bytes]:
    """Start a program under test."""
    try:
        return subprocess.Popen(command, **how)
    except OSError as error:
        told = f"cannot run {command[0]!r} in {how.get('cwd', Path.cwd())}: {error.strerror}"
        raise Unusable(f"{told} ({hint})") from None


WORDS = "give COMMAND and each ARGUMENT as a word of its own, not one quoted string"
STRING = "give one quoted string; it runs in a new, empty folder, so paths must be absolute"


# -- a decoder ---------------------------------------------------------------------------


def splits(data: bytes) -> Iterator[list[bytes]]:
    """Yield a stream whole, byte by byte, and cut once at each place (some, if it is long)."""
    yield [data]
    if len(data) > 3000:
        places = {1, 3, 4, 5, 127, 128, 129, len(data) - 1}
    else:
        yield [data[at : at + 1] for at in range(len(data))]
        places = set(range(1, len(data)))
    for at in sorted(place for place in places if place < len(data)):
        yield [data[:at], data[at:]]


def test_decoder(command: list[str], path: Path, only: str) -> Iterator[tuple[str, str]]:
    """Yield each vector's name and what was wrong with it, or nothing."""
    asked = vectors(path, only)
    with launched(command, WORDS, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for vector in asked:
            yield vector["name"], decoded_wrongly(process, vector)
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # it may be gone
            process.stdin.close()


def decoded_wrongly(process: subprocess.Popen[bytes], vector: Json) -> str:
    """Ask for a vector in all its splits; return what was wrong with the answers."""
    assert process.stdin is not None
    assert process.stdout is not None
    wanted = {"frames": vector["frames"], "error": vector["error"]}
    for pieces in splits(bytes.fromhex(vector["in"])):
        question = {
            "header_size": vector["header_size"],
            "max_payload": vector["max_payload"],
            "pieces": [piece.hex() for piece in pieces],
        }
        try:
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
        except OSError:
            return "the decoder ended"
        line = process.stdout.readline()
        if not line:
            return "the decoder ended"
        try:
            answer = json.loads(line)
        except ValueError:
            return f"no JSON: {line[:100]!r}"
        if answer != wanted:
            cut = "whole" if len(pieces) == 1 else f"in {len(pieces)} pieces"
            if len(pieces) == 2:
                cut = f"cut behind byte {len(pieces[0])}"
            return f"{cut}: {shortened(answer)}, not {shortened(wanted)}"
    return ""


def shortened(value: Json) -> str:
    """Return a value as text that fits a line or two."""
    text = json.dumps(value)
    return text if len(text) < 240 else text[:240] + "..."


# -- a server: what is sent and expected -----------------------------------------------------


class Variables:
    """What the placeholders of one dialogue stand for."""

    def __init__(self, *, rename: bool) -> None:
        self.values: dict[str, str] = {}
        self.rename = rename
        self.salt = f"{random.getrandbits(40):010x}"

    def filled(self, text: str) -> str:
        """Return a text to send."""
        return re.sub(r"<([a-z]+:[^<>]+)>", lambda match: self.value(match[1]), text)

    def value(self, key: str) -> str:
        """Return what a placeholder stands for in what is sent."""
        if key not in self.values:
            kind, _, rest = key.partition(":")
            if kind == "room":
                self.values[key] = f"{rest}-{self.salt}" if self.rename else rest
            elif kind == "client":
                self.values[key] = f"{rest[:32]}-{self.salt}"
            elif kind == "seq":
                return str(self.number(key))
            else:
                raise KeyError(f"nothing is known of <{key}>")
        return self.values[key]

    def number(self, key: str) -> int:
        """Return a number that was not seen yet: so much above the highest one that was."""
        base, step = based(key)
        below = [(known, value) for known, value in self.numbers(base) if known < step]
        if not below:
            return step
        known, value = max(below)
        return value + step - known

    def numbers(self, base: str) -> list[tuple[int, int]]:
        """Return the numbers that are known of one room, with their places on the page."""
        found = []
        for key, value in self.values.items():
            if key.startswith("seq:") and based(key)[0] == base:
                found.append((based(key)[1], int(value)))
        return found

    def match(self, pattern: str, word: str) -> dict[str, str] | None:
        """Return what a word that came says of placeholders, None if it is not as expected."""
        if pattern == "<any>":
            return {} if word.isdigit() else None
        place = re.fullmatch(r"(.*?)<([a-z]+:[^<>]+)>", pattern)
        if place is None:
            return {} if pattern == word else None
        before, key = place[1], place[2]
        if not word.startswith(before):
            return None
        given = word.removeprefix(before)
        kind = key.partition(":")[0]
        if key in self.values or kind == "room":
            return {} if given == self.value(key) else None
        if kind == "name":
            return {key: given} if re.fullmatch(r"[A-Za-z0-9._-]{1,24}", given) else None
        if not re.fullmatch(r"0|[1-9][0-9]*", given):
            return None
        if kind == "seq":
            base, step = based(key)
            for known, value in self.numbers(base):
                if (known < step) != (value < int(given)):
                    return None
        return {key: given}


def based(key: str) -> tuple[str, int]:
    """Return which counter a `seq:` placeholder belongs to, and how far up it is there."""
    _, room, label = key.split(":")
    name, _, more = label.partition("+")
    return (room, int(name)) if name.isdigit() else (f"{room}:{name}", int(more or 0))


def data_of(items: list[Json]) -> bytes:
    """Return the bytes of pieces of data."""
    data = b""
    for item in items:
        if isinstance(item, str):
            data += item.encode("latin-1")
        else:
            data += item["repeat"].encode("latin-1") * item["times"]
    return data


class Frame:
    """A frame that came."""

    def __init__(self, header: bytes, payload: bytes) -> None:
        self.payload = payload
        self.words = header.rstrip(b" ").decode("latin-1").split(" ")[1:]
        length = len(payload)
        text = " ".join([str(length), *self.words])
        if header != text.encode("latin-1").ljust(len(header)):
            raise Wrong(f"a header that is not written as the page says: {header!r}")

    def __str__(self) -> str:
        shown = self.payload[:60].decode("utf-8", "backslashreplace")
        return f"{{{' '.join([str(len(self.payload)), *self.words])}}}{shown}"

    @property
    def passed_over(self) -> bool:
        """Whether a client may have to pass over it anywhere."""
        return self.words[:1] == ["PING"]

    @property
    def tracks(self) -> set[str]:
        """What it may not change places with: frames with one of these."""
        return tracks(self.words)


def tracks(words: list[str]) -> set[str]:
    """Return the sequences that a frame has its place in; see README.md, Order."""
    if not words:
        return {"plain"}
    verb, *rest = words
    found: set[str] = set()
    if verb == "ACK":
        found.add("acks")
    if verb in ORDERED:
        found.add("answers")
    if verb in ("SUBBED", "LIVE", "UNSUBBED", "MSG", "MISSED"):
        found.add(f"room {rest[0]}")
    if verb in ("JOIN", "PART"):
        found.add(f"presence {rest[0]}")
    if verb in ("WELCOME", "BYE"):
        found |= {"acks", "answers"}
    return found


def at_once(connection: socket.socket) -> None:
    """Have what is sent leave at once: else a frame may wait, and others come before it."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def free_port() -> tuple[int, socket.socket]:
    """Return a port that nobody listens on, and what keeps it from others who run this.

    That is a UDP socket of the same number, which does not keep a TCP server from listening.
    """
    while True:
        port = random.choice(PORTS)
        keeper = socket.socket(type=socket.SOCK_DGRAM)
        try:
            keeper.bind(("127.0.0.1", port))
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            keeper.close()
        else:
            return port, keeper


class Peer:
    """A connection of a dialogue."""

    def __init__(self, address: tuple[str, int], patience: float) -> None:
        self.patience = patience
        self.socket = socket.create_connection(address, patience)
        at_once(self.socket)
        self.ahead = b""

    def exactly(self, count: int) -> bytes:
        """Return so many bytes."""
        while len(self.ahead) < count:
            try:
                piece = self.socket.recv(65536)
            except TimeoutError:
                raise Wrong(f"nothing more came behind {self.ahead[-200:]!r}") from None
            if not piece:
                raise Wrong(f"the stream ended behind {self.ahead[-200:]!r}")
            self.ahead += piece
        data, self.ahead = self.ahead[:count], self.ahead[count:]
        return data

    def frame(self, width: int) -> Frame:
        """Return the next frame."""
        header = self.exactly(width)
        digits = header.split(b" ")[0]
        if not digits.isdigit():
            raise Wrong(f"no header of {width} bytes: {header!r}")
        return Frame(header, self.exactly(int(digits)))

    def to_the_end(self, width: int) -> None:
        """Read to the end of the stream: nothing else may come."""
        self.socket.settimeout(QUIET + self.patience)
        while True:
            try:
                piece = self.socket.recv(65536)
            except TimeoutError:
                raise Wrong("the connection was not closed") from None
            self.ahead += piece
            while len(self.ahead) >= width:
                frame = self.frame(width)
                if not frame.passed_over:
                    raise Wrong(f"nobody expected {frame}")
            if not piece and self.ahead:
                raise Wrong(f"nobody expected {self.ahead!r}")
            if not piece:
                return


# -- a server: the dialogues ---------------------------------------------------------------


class Dialogue:
    """One vector, being played."""

    def __init__(self, vector: Json, server: Running) -> None:
        self.vector = vector
        self.server = server
        options = vector.get("options", {})
        self.width = int(options.get("header-size", 128))
        self.variables = Variables(rename=not (server.fresh or vector.get("plain")))
        self.peers: dict[str, Peer] = {}
        self.pending: dict[str, list[Json]] = {}

    def play(self) -> None:
        """Have the conversation.  Raises `Wrong`, or an error of the network."""
        steps = self.vector["steps"]
        for number, step in enumerate(steps):
            if "server" in step:
                if step["server"] == "stops":
                    self.server.stop()
                else:
                    self.server.kill()
                    self.peers.clear()
                continue
            who = step["who"]
            if who not in self.peers:
                self.peers[who] = Peer(self.server.address, self.server.patience)
            if "send" in step:
                self.send(self.peers[who], step)
                continue
            self.pending.setdefault(who, []).extend(step["receive"])
            following = steps[number + 1] if number + 1 < len(steps) else {}
            if following.get("who") != who or "receive" not in following:
                self.receive(self.peers[who], self.pending.pop(who))
            if step.get("end"):
                self.peers[who].to_the_end(self.width)
                self.peers.pop(who).socket.close()
        for peer in self.peers.values():
            with contextlib.suppress(OSError):
                peer.socket.shutdown(socket.SHUT_WR)
            peer.to_the_end(self.width)

    def send(self, peer: Peer, step: Json) -> None:
        """Send what a step says, and wait until it is processed."""
        data = b""
        for item in step["send"]:
            if isinstance(item, dict) and "header" in item:
                text = self.variables.filled(item["header"]).encode("latin-1")
                width, align = item.get("width", 128), item.get("align", "")
                justify = bytes.rjust if align else bytes.ljust
                data += justify(text, width, b"0" if align == "0>" else b" ")
            else:
                data += data_of([item])
        peer.socket.sendall(data)
        if step.get("end"):
            peer.socket.shutdown(socket.SHUT_WR)
        self.server.settle()

    def receive(self, peer: Peer, expected: list[Json]) -> None:
        """Receive frames in any order that the protocol allows."""
        while expected:
            first = expected[0]
            if "raw" in first:
                wanted = first["raw"].encode("latin-1")
                came = peer.exactly(len(wanted))
                if came != wanted:
                    raise Wrong(f"{came!r}, not {wanted!r}")
                expected.pop(0)
            elif "raw error" in first:
                start = f"!ERROR! {first['raw error']} ".encode()
                if peer.exactly(len(start)) != start:
                    raise Wrong(f"no {start!r}")
                peer.exactly(len(peer.ahead))
                expected.pop(0)
            else:
                self.take(peer.frame(first.get("width", 128)), expected)

    def take(self, frame: Frame, expected: list[Json]) -> None:
        """Find the expectation that a frame fulfils, and drop it."""
        blocked: set[str] = set()
        for at, item in enumerate(expected):
            wanted = tracks([self.shown(word) for word in item["words"]])
            if not (wanted & blocked):
                found = self.fulfils(frame, item)
                if found is not None:
                    self.variables.values.update(found)
                    del expected[at]
                    return
            blocked |= wanted
        if not frame.passed_over and not self.lower_ack(frame, expected):
            if frame.words[:1] == ["MISSED"] and self.never_given(frame):
                return
            raise Wrong(f"{frame} came, and not {shortened(expected[0])}")

    def shown(self, word: str) -> str:
        """Return a room's word as it is on the wire."""
        return self.variables.filled(word) if word.startswith("<room:") else word

    def fulfils(self, frame: Frame, item: Json) -> dict[str, str] | None:
        """Return what a frame says of placeholders, None if it is not the expected one."""
        words = item["words"]
        extra = frame.words[len(words) :]
        if len(frame.words) < len(words) or any("=" not in word for word in extra):
            return None
        found: dict[str, str] = {}
        for pattern, word in zip(words, frame.words, strict=False):
            more = self.variables.match(pattern, word)
            if more is None:
                return None
            found |= more
        payload = item["payload"]
        if isinstance(payload, list):
            return found if frame.payload == data_of(payload) else None
        if payload.get("sentence"):
            return found if frame.payload.decode("utf-8").strip() else None
        if "error" in payload:
            text = frame.payload.decode("utf-8")
            return found if re.match(rf"!ERROR! {payload['error']} \S", text) else None
        told = json.loads(frame.payload)
        if payload.get("any order") and isinstance(told, list):
            told = sorted(told, key=lambda each: str(each.get("room")))
            payload = {"json": sorted(payload["json"], key=lambda each: self.shown(each["room"]))}
        return self.same(payload["json"], told, found)

    def same(self, wanted: Json, told: Json, found: dict[str, str]) -> dict[str, str] | None:
        """Compare JSON; objects may hold more than is wanted."""
        if isinstance(wanted, dict):
            if not isinstance(told, dict):
                return None
            for key, value in wanted.items():
                if key not in told or self.same(value, told[key], found) is None:
                    return None
            return found
        if isinstance(wanted, list):
            if not isinstance(told, list) or len(told) != len(wanted):
                return None
            alike = all(
                self.same(one, other, found) is not None
                for one, other in zip(wanted, told, strict=True)
            )
            return found if alike else None
        kinds = {"<text>": str, "<number>": int, "<list>": list}
        if isinstance(wanted, str) and wanted in kinds:
            return found if isinstance(told, kinds[wanted]) else None
        if isinstance(wanted, str) and "<" in wanted:
            key = wanted.strip("<>")
            if key in found:
                return found if found[key] == told else None
            more = self.variables.match(wanted, str(told))
            if more is not None:
                found.update(more)
            return None if more is None else found
        return found if wanted == told and type(wanted) is type(told) else None

    def lower_ack(self, frame: Frame, expected: list[Json]) -> bool:
        """Return whether an `ACK` only comes before the one that is expected."""
        if len(frame.words) != 3 or frame.words[0] != "ACK":
            return False
        acks = (item["words"] for item in expected if item["words"][:1] == ["ACK"])
        return any(len(words) == 3 and int(words[1]) > int(frame.words[1]) for words in acks)

    def never_given(self, frame: Frame) -> bool:
        """Return whether a `MISSED` names no number that is known to be given."""
        _, room, first, last = frame.words[:4]
        known = [
            int(value)
            for key, value in self.variables.values.items()
            if key.startswith("seq:") and self.shown(f"<room:{key.split(':')[1]}>") == room
        ]
        return not any(int(first) <= number <= int(last) for number in known)


def spelled(key: str, value: Any) -> list[str]:
    """Return an option as words of a command; one that takes no value has `true`."""
    return [f"--{key}"] if value is True else [f"--{key}", value]


class Running:
    """A server that somebody has started, with its default options."""

    fresh = False

    def __init__(self, address: tuple[str, int], pause: float, patience: float) -> None:
        self.address = address
        self.patience = patience
        self._pause = pause

    def settle(self) -> None:
        """Wait until the server has, in all likelihood, processed what it was sent.

        Two newcomers, one after the other, send what every server refuses, and read on to
        the end; a server that takes its connections in turn has then seen all the others.
        """
        for _ in range(2):
            with socket.create_connection(self.address, self.patience) as newcomer:
                newcomer.sendall(b"?" * 2048)
                with contextlib.suppress(ConnectionError):
                    while newcomer.recv(4096):
                        pass
        time.sleep(self._pause)

    def begin(self, vector: Json) -> str:
        """Make ready for a vector; return why it is passed over, or what was wrong."""
        if "options" in vector:
            return "passed over: it wants a server with " + " ".join(
                " ".join(spelled(key, value)) for key, value in vector["options"].items()
            )
        if vector.get("fresh"):
            return "passed over: it wants a server without a history"
        if any("server" in step for step in vector["steps"]):
            return "passed over: it stops or kills the server"
        return ""

    def end(self) -> None:
        """Nothing: it goes on."""

    def stop(self) -> None:
        """Never: such vectors are passed over."""
        raise NotImplementedError

    def kill(self) -> None:
        """Never: such vectors are passed over."""
        raise NotImplementedError


class Started(Running):
    """A server that is started anew for each dialogue."""

    fresh = True

    def __init__(self, command: str, pause: float, patience: float) -> None:
        super().__init__(("127.0.0.1", 0), pause, patience)
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise Unusable(f"--start {command!r}: {error}") from None
        if not self._command:
            raise Unusable(f"--start {command!r} names no program")
        self._process: subprocess.Popen[bytes] | None = None
        self._options: dict[str, Any] = {}
        self._folder = ""

    def begin(self, vector: Json) -> str:
        """Start a server with the vector's options."""
        port, self._keeper = free_port()
        self.address = "127.0.0.1", port
        self._folder = tempfile.mkdtemp(prefix="conformance-")
        self._options = vector.get("options", {})
        try:
            self._start()
        except (Unusable, Wrong) as error:
            self.end()
            if self._options and isinstance(error, Wrong):  # without them it may start
                return str(error)
            raise Unusable(str(error)) from None
        return ""

    def end(self) -> None:
        """End it, and remove what it stored."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._keeper.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def stop(self) -> None:
        """Ask it to stop."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it and start it again on the same port and folder."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._start()

    def _start(self) -> None:
        command: list[str] = []
        for word in self._command:
            if word == "{options}":
                for key, value in self._options.items():
                    command += spelled(key, value)
            else:
                command.append(
                    word.replace("{port}", str(self.address[1])).replace("{folder}", self._folder)
                )
        quiet = subprocess.DEVNULL
        self._process = launched(command, STRING, stdout=quiet, stderr=quiet, cwd=self._folder)
        over = time.monotonic() + self.patience
        while True:
            try:
                socket.create_connection(self.address, self.patience).close()
                return
            except OSError:
                if time.monotonic() > over or self._process.poll() is not None:
                    told = f"the server does not start: {shlex.join(command)}"
                    raise Wrong(f"{told} (run it to see why)") from None
                time.sleep(0.02)


def test_server(server: Running, path: Path, only: str) -> Iterator[tuple[str, str]]:
    """Yield each vector's name and what was wrong with it, nothing, or why it was passed over."""
    for vector in vectors(path, only):
        wrong = server.begin(vector)
        if wrong:
            yield vector["name"], wrong
            continue
        try:
            Dialogue(vector, server).play()
        except Wrong as error:
            wrong = str(error)
        except (OSError, ValueError, KeyError, IndexError) as error:
            wrong = f"{type(error).__name__}: {error}"
        finally:
            server.end()
        yield vector["name"], wrong


# -- a client ---------------------------------------------------------------------------------


class Script:
    """One vector, being played to a client by a server that says what is written there."""

    def __init__(self, vector: Json, command: list[str], patience: float) -> None:
        self.vector = vector
        self.patience = patience
        self.ids: dict[str, int] = {}
        self.client = ""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(patience)
        self.connection: socket.socket | None = None
        self.ahead = b""
        address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.process = launched(
            [*command, address], WORDS, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.events: queue.Queue[bytes] = queue.Queue()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.put(line)
        self.events.put(b"")

    def play(self) -> None:
        """Do all steps.  Raises `Wrong`, or an error of the network."""
        doing = {
            "tell": self.tell,
            "connects": self.connects,
            "welcomes": self.welcomes,
            "receives": self.receives,
            "sends": self.sends,
            "cuts": self.cuts,
            "reports": self.reports,
            "stays away": self.stays_away,
        }
        for step in self.vector["steps"]:
            (kind,) = doing.keys() & step.keys()
            doing[kind](step[kind], step)
        if not self.events.empty():
            raise Wrong(f"nobody expected the report {self.events.get()!r}")

    def close(self) -> None:
        """End everything."""
        self.process.kill()
        self.process.wait()
        self.reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        self.listener.close()
        if self.connection is not None:
            self.connection.close()

    def tell(self, request: Json, step: Json) -> None:
        """Have the client do something."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()

    def reports(self, event: Json, step: Json) -> None:
        """Wait for the next thing that the client tells."""
        try:
            line = self.events.get(timeout=self.patience)
        except queue.Empty:
            raise Wrong(f"no report of {shortened(event)}") from None
        if not line or json.loads(line) != event:
            raise Wrong(f"reported {line!r}, not {shortened(event)}")

    def connects(self, _: Json, step: Json) -> None:
        """Wait for a connection."""
        try:
            self.connection, _ = self.listener.accept()
        except TimeoutError:
            raise Wrong("no connection came") from None
        self.connection.settimeout(self.patience)
        at_once(self.connection)
        self.ahead = b""

    def cuts(self, _: Json, step: Json) -> None:
        """End the connection."""
        assert self.connection is not None
        self.connection.close()
        self.connection = None

    def stays_away(self, seconds: float, step: Json) -> None:
        """See that no connection comes."""
        self.listener.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            self.listener.accept()[0].close()
            raise Wrong("it connected again")

    def welcomes(self, last_id: Json, step: Json) -> None:
        """Take the HELLO, which must be of the same client each time, and answer it."""
        words, payload = self.frame()
        if words[:1] != ["HELLO"]:
            raise Wrong(f"the first frame is {words}, not HELLO")
        said = json.loads(payload) if payload else {}
        said |= dict(word.split("=", 1) for word in words[1:])
        client = str(said.get("client", ""))
        if not re.fullmatch(r"[!-~]{16,64}", client):
            raise Wrong(f"no client in HELLO: {shortened(said)}")
        if self.client not in ("", client):
            raise Wrong("another client than before")
        self.client = client
        last = self.ids[last_id] if isinstance(last_id, str) else last_id
        told = {
            "v": 1, "server": "run.py", "name": "alice", "last_id": last, "max_payload": 1048576,
            "heartbeat": 30, "features": ["ack", "direct", "history", "presence", "rooms"],
        }  # fmt: skip
        self.send(["WELCOME", "alice", str(last)], json.dumps(told).encode())

    def receives(self, wanted: list[str], step: Json) -> None:
        """Wait for a frame; a client's own PINGs are answered, and its keep-alives passed over."""
        while True:
            words, payload = self.frame()
            if words[:1] == ["PING"]:
                self.send(["PONG", *words[1:]], b"")
            elif words:
                break
        if sorted(wanted[2:]) != sorted(words[2:]) and wanted[0] == "SUB":
            raise Wrong(f"{words}, not {wanted}")
        if len(words) != len(wanted) or not all(map(self.fits, wanted, words)):
            raise Wrong(f"{words}, not {wanted}")
        if payload != step.get("payload", "").encode("latin-1") and "payload" in step:
            raise Wrong(f"{payload!r}, not {step['payload']!r}")

    def fits(self, wanted: str, word: str) -> bool:
        """Return whether a word is as it should be; ids rise, and are the same when sent again."""
        if not wanted.startswith("<id:"):
            return wanted == word or "=" in wanted
        if not re.fullmatch(r"[0-9]{1,19}", word) or not 0 < int(word) < 2**63:
            return False
        if wanted in self.ids:
            return self.ids[wanted] == int(word)
        rises = int(word) > max(self.ids.values(), default=0)
        self.ids[wanted] = int(word)
        return rises

    def sends(self, words: list[str], step: Json) -> None:
        """Say something to the client, byte by byte if that is asked for."""
        filled = [str(self.ids[word]) if word in self.ids else word for word in words]
        self.send(filled, step["payload"].encode("latin-1"), bytewise=step.get("bytewise", False))

    def send(self, words: list[str], payload: bytes, *, bytewise: bool = False) -> None:
        """Send a frame."""
        assert self.connection is not None
        data = " ".join([str(len(payload)), *words]).encode().ljust(128) + payload
        if bytewise:
            for at in range(len(data)):
                self.connection.sendall(data[at : at + 1])
        else:
            self.connection.sendall(data)

    def frame(self) -> tuple[list[str], bytes]:
        """Return the client's next frame."""
        header = self.exactly(128).strip(b" ").decode("latin-1")
        if not re.fullmatch(r"[0-9]+( [A-Z]+( [!-~]+)*)?", header):
            raise Wrong(f"no header: {header!r}")
        length, *words = header.split(" ")
        return words, self.exactly(int(length))

    def exactly(self, count: int) -> bytes:
        """Return so many bytes of what the client says."""
        assert self.connection is not None
        while len(self.ahead) < count:
            try:
                piece = self.connection.recv(65536)
            except TimeoutError:
                raise Wrong(f"nothing more came behind {self.ahead[-200:]!r}") from None
            if not piece:
                raise Wrong(f"it closed the connection behind {self.ahead[-200:]!r}")
            self.ahead += piece
        data, self.ahead = self.ahead[:count], self.ahead[count:]
        return data


def test_client(
    command: list[str], path: Path, only: str, patience: float
) -> Iterator[tuple[str, str]]:
    """Yield each vector's name and what was wrong with it, or nothing."""
    for vector in vectors(path, only):
        script = Script(vector, command, patience)
        wrong = ""
        try:
            script.play()
        except Wrong as error:
            wrong = str(error)
        except (OSError, ValueError, KeyError) as error:
            wrong = f"{type(error).__name__}: {error}"
        finally:
            script.close()
        yield vector["name"], wrong


# -- the command ------------------------------------------------------------------------------


def report(results: Iterator[tuple[str, str]]) -> int:
    """Print what happened; return the exit code."""
    right = failed = passed_over = 0
    for name, wrong in results:
        if not wrong:
            right += 1
        elif wrong.startswith("passed over"):
            passed_over += 1
            print(f"     -  {name}: {wrong}")
        else:
            failed += 1
            print(f"FAILED  {name}: {wrong}", flush=True)
    print(f"{right} right, {failed} failed, {passed_over} passed over")
    return 0 if right and not failed else 1


WRITES = (
    "writes into the rooms of that server, lobby among them: use one of your own, such as "
    "twistd -n --pidfile= tcpmsg --data-dir /tmp/conformance --listen 127.0.0.1:5051"
)


def running(address: str, pause: float, patience: float) -> Running:
    """Return a server that somebody has started, if it is there."""
    host, _, port = address.rpartition(":")
    if not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise Unusable(f"no address: {address}")
    found = Running((host.strip("[]") or "127.0.0.1", int(port)), pause, patience)
    try:
        socket.create_connection(found.address, patience).close()
    except OSError as error:
        raise Unusable(f"no server at {address}: {error}") from None
    print(WRITES, flush=True)
    return found


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(
        prog="run.py", description="Test a server, a client or a decoder of the tcpmsg protocol."
    )
    commands = parser.add_subparsers(dest="what", required=True)
    server = commands.add_parser(
        "server", help="a server, by the dialogues of server.jsonl", epilog=f"HOST:PORT {WRITES}"
    )
    server.add_argument("address", nargs="?", metavar="HOST:PORT", help="where one is running")
    server.add_argument(
        "--start",
        metavar="COMMAND",
        help="starts one, in a new folder each time, so with absolute paths: "
        "one string, in which {port}, {folder} and {options} are filled in",
    )
    server.add_argument(
        "--pause",
        type=float,
        default=PAUSE,
        metavar="SECONDS",
        help="how long a server gets to process what it was sent [default: 0.02]",
    )
    decoder = commands.add_parser("decoder", help="a program, by the streams of frames.jsonl")
    client = commands.add_parser("client", help="a program, by the scripts of client.jsonl")
    for each in (server, client):
        each.add_argument(
            "--patience",
            type=float,
            default=PATIENCE,
            metavar="SECONDS",
            help="how long anything at all may take [default: 10]",
        )
    for each, name in ((server, "server"), (decoder, "frames"), (client, "client")):
        each.add_argument(
            "--only", default="", metavar="TEXT", help="vectors with this in their name"
        )
        each.add_argument("--vectors", type=Path, default=HERE / f"{name}.jsonl", metavar="FILE")
    for each in (decoder, client):
        each.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help=WORDS)
    given = parser.parse_args()
    try:
        return report(chosen(given))
    except Unusable as error:
        parser.exit(2, f"run.py: {error}\n")


def chosen(given: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Return the results of what the command line asks for.  Raises `Unusable`."""
    if given.what == "server":
        if (given.address is None) == (given.start is None):
            raise Unusable("which server? either HOST:PORT or --start COMMAND")
        under_test = (
            running(given.address, given.pause, given.patience)
            if given.start is None
            else Started(given.start, given.pause, given.patience)
        )
        return test_server(under_test, given.vectors, given.only)
    if not given.command:
        raise Unusable(f"which {given.what}? run.py {given.what} COMMAND [ARGUMENT...]")
    for word in given.command:
        option = word.partition("=")[0]
        if word == given.command[0] and word.startswith("-"):
            raise Unusable(f"{option} is no option of run.py {given.what}: see --help")
        known = ("--only", "--vectors", *(["--patience"] if given.what == "client" else []))
        if option in known:
            raise Unusable(f"{option} comes before the command: run.py {given.what} {option} ...")
    if given.what == "client":
        return test_client(given.command, given.vectors, given.only, given.patience)
    return test_decoder(given.command, given.vectors, given.only)


if __name__ == "__main__":
    sys.exit(main())

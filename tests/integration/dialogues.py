"""The notation of the dialogues in docs/protocol.md: reading it, and having the conversation.

Law of this file: what the page says is taken byte by byte; the few things that vary are
named on the page, and stand for nothing else.
"""

from __future__ import annotations

import json
import re
import shlex
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.connecting import connected
from tests.integration.conftest import PATIENCE

TOKEN = re.compile(
    r"""
    \{(?P<align>0?>)?(?P<width>[0-9]+):(?P<text>[ -\[\]-z|~]+)\}
    | \{(?P<times>[0-9]+)\*(?P<repeated>[^{}\\]+)\}
    | \{welcome[ ](?P<name>[A-Za-z0-9._<>+-]+)[ ](?P<last>[0-9]+)\}
    | (?P<version>\{version\})
    | (?P<end>\{end\}$)
    | \\(?P<escape>n|x[0-9a-f]{2}|[\\{}])
    | (?P<plain>[^{}\\]+)
    """,
    re.VERBOSE,
)
LINE = re.compile(r"(?P<who>[A-Z])(?P<way>[<>]) (?P<content>.*\S)")
PLACE = re.compile(r"<(?P<name>[a-z]+)(?:\+(?P<more>[0-9]+))?>")

ANY = "millis"
"""The placeholder that stands for another number each time."""

STOPS, KILLED = "server stops", "server is killed"


@dataclass(frozen=True)
class Header:
    """A header: its text, which may hold placeholders, in so many bytes."""

    text: str
    width: int
    align: str = ""

    def padded(self, text: str) -> bytes:
        """Return the header with its placeholders filled in."""
        data = text.encode("ascii")
        if len(data) > self.width:
            raise ValueError(f"{text!r} holds more than {self.width} bytes")
        justify = bytes.rjust if self.align else bytes.ljust
        return justify(data, self.width, b"0" if self.align == "0>" else b" ")


@dataclass(frozen=True)
class Repeated:
    """Some bytes, many times."""

    data: bytes
    times: int


@dataclass(frozen=True)
class Welcome:
    """A whole `WELCOME`, whatever else it tells of the server."""

    name: str
    last: int


@dataclass(frozen=True)
class Version:
    """The rest of a JSON text: which version of the server this is."""


Part = bytes | Header | Repeated | Welcome | Version


@dataclass(frozen=True)
class Step:
    """One line of a dialogue: `who` sends (or is sent) `parts`, and perhaps the stream's end."""

    who: str
    sends: bool
    parts: list[Part]
    ends: bool


@dataclass(frozen=True)
class Dialogue:
    """A conversation: the server's options and what happens then; a text is done to the server."""

    options: list[str]
    steps: list[Step | str]


# -- reading -----------------------------------------------------------------------


def parts_of(content: str) -> tuple[list[Part], bool]:
    """Return what a line stands for, and whether the stream ends behind it."""
    parts: list[Part] = []
    at, ends = 0, False
    while at < len(content):
        token = TOKEN.match(content, at)
        if token is None:
            raise ValueError(f"cannot read {content[at:]!r}")
        at = token.end()
        if token["width"]:
            header = Header(token["text"], int(token["width"]), token["align"] or "")
            header.padded(PLACE.sub("0", header.text))
            parts.append(header)
        elif token["times"]:
            parts.append(Repeated(token["repeated"].encode(), int(token["times"])))
        elif token["name"]:
            parts.append(Welcome(token["name"], int(token["last"])))
        elif token["version"]:
            parts.append(Version())
        elif token["end"]:
            ends = True
        elif token["escape"]:
            escape = token["escape"]
            if escape.startswith("x"):
                parts.append(bytes.fromhex(escape[1:]))
            else:
                parts.append(b"\n" if escape == "n" else escape.encode())
        else:
            parts.append(token["plain"].encode())
    return parts, ends


def read_step(line: str) -> Step:
    match = LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"not a line of a dialogue: {line!r}")
    sends = match["way"] == ">"
    parts, ends = parts_of(match["content"])
    if sends and any(isinstance(part, Welcome | Version) for part in parts):
        raise ValueError("what a client sends is told exactly")
    return Step(match["who"], sends, parts, ends)


def read_dialogue(lines: list[str]) -> Dialogue:
    """Read a block's lines.  Raises `ValueError` for what the notation does not hold."""
    options: list[str] = []
    steps: list[Step | str] = []
    for number, line in enumerate(lines):
        if line.startswith("# "):
            continue
        if line in (STOPS, KILLED):
            steps.append(line)
        elif line.startswith("server "):
            if number:
                raise ValueError("the server's options stand on the first line")
            options = shlex.split(line)[1:]
        else:
            steps.append(read_step(line))
    if not any(isinstance(step, Step) and not step.sends for step in steps):
        raise ValueError("a dialogue in which nothing is received shows nothing")
    return Dialogue(options, steps)


# -- having it -----------------------------------------------------------------------


class Server(Protocol):
    """What a dialogue does to a server."""

    port: int

    def settle(self) -> None:
        """Wait until it has processed what was sent."""
        ...

    def stops(self) -> None:
        """Ask it to stop."""
        ...

    def killed(self) -> None:
        """Kill it, and start it again on the same port and data."""
        ...


Connect = Callable[[str, tuple[str, int]], Any]
"""Connects a person of a dialogue to a server: returns a socket, or what has the face of one."""


def over_tcp(who: str, address: tuple[str, int]) -> socket.socket:
    """Connect as the page means it, if it says nothing else."""
    return connected(address, PATIENCE)


@dataclass
class Peer:
    """One connection: its socket, and what was read ahead."""

    socket: Any
    ahead: bytes = b""

    def take(self, count: int) -> bytes:
        """Return so many bytes, or fewer if the stream ends or nothing comes."""
        pieces = [self.ahead]
        have = len(self.ahead)
        try:
            while have < count and (piece := self.socket.recv(count - have)):
                pieces.append(piece)
                have += len(piece)
        except TimeoutError:
            pass  # the comparison shows what is missing
        data = b"".join(pieces)
        self.ahead = data[count:]
        return data[:count]

    def until(self, stop: bytes) -> bytes:
        """Return what comes before a byte, which stays."""
        data = b""
        while (byte := self.take(1)) != stop:
            assert byte, f"the stream ended behind {data!r}"
            data += byte
        self.ahead = stop + self.ahead
        return data

    def rest(self) -> bytes:
        """Return everything up to the stream's end."""
        data = self.ahead
        while piece := self.socket.recv(65536):
            data += piece
        return data


@dataclass
class Conversation:
    """A dialogue under way: who is connected, and what the placeholders stand for."""

    server: Server
    stack: ExitStack
    connect: Connect = over_tcp
    peers: dict[str, Peer] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    def do(self, step: Step | str) -> None:
        """Do one line.  Raises `AssertionError` if it goes otherwise."""
        if step == STOPS:
            self.server.stops()
        elif step == KILLED:
            self.server.killed()
            self.peers.clear()
        elif isinstance(step, Step):
            if step.who not in self.peers:
                address = ("127.0.0.1", self.server.port)
                connected = self.stack.enter_context(self.connect(step.who, address))
                self.peers[step.who] = Peer(connected)
            (self.send if step.sends else self.receive)(self.peers[step.who], step)

    def send(self, peer: Peer, step: Step) -> None:
        peer.socket.sendall(b"".join(map(self.written, step.parts)))
        if step.ends:
            peer.socket.shutdown(socket.SHUT_WR)
        self.server.settle()

    def written(self, part: Part) -> bytes:
        """Return the bytes that a part stands for."""
        if isinstance(part, Header):
            return part.padded(PLACE.sub(self.filled, part.text))
        if isinstance(part, Repeated):
            return part.data * part.times
        assert isinstance(part, bytes)
        return part

    def filled(self, place: re.Match[str]) -> str:
        """Return the number that a placeholder stands for by now."""
        return str(self.numbers[place["name"]] + int(place["more"] or 0))

    def receive(self, peer: Peer, step: Step) -> None:
        for part in step.parts:
            if isinstance(part, Header) and PLACE.search(part.text):
                self.match(peer.take(part.width), part)
            elif isinstance(part, Welcome):
                header = peer.take(128)
                self.match(header, Header(f"<{ANY}> WELCOME {part.name} {part.last}", 128))
                length, _, name, last = text_of(header).split(" ")
                told = json.loads(peer.take(int(length)))
                assert (told["v"], told["name"], told["last_id"]) == (1, name, int(last))
            elif isinstance(part, Version):
                assert re.fullmatch(rb"[0-9A-Za-z.+-]+", peer.until(b'"'))
            else:
                data = self.written(part)
                came = peer.take(len(data))
                assert came == data, f"{came[:400]!r} is not {data[:400]!r}"
        if step.ends:
            assert peer.rest() == b""
            peer.socket.close()
            del self.peers[step.who]

    def match(self, data: bytes, header: Header) -> None:
        """Compare a header, and note what its placeholders stand for."""
        names: list[str] = []

        def pattern(place: re.Match[str]) -> str:
            name = place["name"]
            if name in self.numbers:
                return self.filled(place)
            if name in names and name != ANY:
                return f"\\{names.index(name) + 1}"
            names.append(name)
            return "([0-9]+)"

        wanted = PLACE.sub(pattern, re.escape(header.text).replace(r"\+", "+"))
        found = re.fullmatch(wanted, text_of(data))
        assert found, f"{data!r} is not {header.text!r}"
        assert len(data) == header.width
        self.numbers.update(
            (name, int(value))
            for name, value in zip(names, found.groups(), strict=True)
            if name != ANY
        )

    def close(self) -> None:
        """See that nobody was sent more, and that nobody's stream has ended unsaid."""
        for peer in self.peers.values():
            peer.socket.shutdown(socket.SHUT_WR)  # fails if the server has ended it unsaid
            assert peer.rest() == b""


def text_of(header: bytes) -> str:
    """Return a header's text: what stands before the padding."""
    return header.rstrip(b" ").decode("ascii")


def play(dialogue: Dialogue, server: Server, connect: Connect = over_tcp) -> None:
    """Have the conversation.  Everybody gets what the lines say and nothing else."""
    with ExitStack() as stack:
        conversation = Conversation(server, stack, connect)
        for step in dialogue.steps:
            conversation.do(step)
        conversation.close()

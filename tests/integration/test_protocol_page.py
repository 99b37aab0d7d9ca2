"""The published specification, kept true: every dialogue of docs/protocol.md, byte for byte."""

from __future__ import annotations

import re
import shlex
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.integration.conftest import PATIENCE, ROOT, ServerProcess
from tests.integration.test_family import settle, to_the_end
from twisted_msg import connection, delivery, server, transports
from twisted_msg.rooms import room
from twisted_msg.wire import ErrorCode, limits

PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FEWEST_DIALOGUES = 24
KNOWN_BLOCKS = {"dialogue", "abnf", "sh"}


@dataclass(frozen=True)
class Block:
    """One fenced block: where it begins, what it is, and its lines."""

    line: int
    kind: str
    lines: list[str]


@dataclass(frozen=True)
class Step:
    """One line of a dialogue: `who` sends (or is sent) `data`, and perhaps the stream's end."""

    who: str
    sends: bool
    data: bytes
    ends: bool


@dataclass(frozen=True)
class Dialogue:
    """A conversation: the server's options and what happens then; None is the server's stop."""

    options: list[str]
    steps: list[Step | None]


# -- the page's notation ---------------------------------------------------------

TOKEN = re.compile(
    r"""
    \{(?P<align>0?>)?(?P<width>[0-9]+):(?P<text>[ -\[\]-z|~]+)\}
    | \{(?P<times>[0-9]+)\*(?P<repeated>[^{}\\]+)\}
    | (?P<end>\{end\}$)
    | \\(?P<escape>n|x[0-9a-f]{2}|[\\{}])
    | (?P<plain>[^{}\\]+)
    """,
    re.VERBOSE,
)
LINE = re.compile(r"(?P<who>[A-Z])(?P<way>[<>]) (?P<content>.*\S)")


def blocks() -> list[Block]:
    """Return the page's fenced blocks."""
    return [
        Block(PAGE.count("\n", 0, match.start()) + 1, match[1], match[2].splitlines())
        for match in FENCE.finditer(PAGE)
    ]


def expand(content: str) -> Iterator[bytes | None]:
    """Yield the bytes that a line stands for, and None for the stream's end."""
    at = 0
    while at < len(content):
        token = TOKEN.match(content, at)
        if token is None:
            raise ValueError(f"cannot read {content[at:]!r}")
        at = token.end()
        if token["width"]:
            width, text = int(token["width"]), token["text"].encode("ascii")
            if len(text) > width:
                raise ValueError(f"{token[0]} holds more than it says")
            justify = bytes.rjust if token["align"] else bytes.ljust
            yield justify(text, width, b"0" if token["align"] == "0>" else b" ")
        elif token["times"]:
            yield token["repeated"].encode() * int(token["times"])
        elif token["end"]:
            yield None
        elif token["escape"]:
            escape = token["escape"]
            if escape.startswith("x"):
                yield bytes.fromhex(escape[1:])
            else:
                yield b"\n" if escape == "n" else escape.encode()
        else:
            yield token["plain"].encode()


def read_step(line: str) -> Step:
    match = LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"not a line of a dialogue: {line!r}")
    parts = list(expand(match["content"]))
    data = b"".join(part for part in parts if part is not None)
    return Step(match["who"], match["way"] == ">", data, None in parts)


def read_dialogue(lines: list[str]) -> Dialogue:
    """Read a block's lines.  Raises `ValueError` for what the notation does not hold."""
    options: list[str] = []
    steps: list[Step | None] = []
    for number, line in enumerate(lines):
        if line.startswith("# "):
            continue
        if line == "server stops":
            steps.append(None)
        elif line.startswith("server "):
            if number:
                raise ValueError("the server's options stand on the first line")
            options = shlex.split(line)[1:]
        else:
            steps.append(read_step(line))
    if not any(step is not None and not step.sends for step in steps):
        raise ValueError("a dialogue in which nothing is received shows nothing")
    return Dialogue(options, steps)


DIALOGUES = [block for block in blocks() if block.kind == "dialogue"]


def play(dialogue: Dialogue, process: ServerProcess) -> None:
    """Have the conversation.  Everybody gets what the lines say and nothing else."""
    with ExitStack() as stack:
        peers: dict[str, socket.socket] = {}
        open_ended: dict[str, socket.socket] = {}
        for step in dialogue.steps:
            if step is None:
                process.process.terminate()
                continue
            if step.who not in peers:
                address = ("127.0.0.1", process.port)
                peer = stack.enter_context(socket.create_connection(address, PATIENCE))
                peers[step.who] = open_ended[step.who] = peer
            peer = peers[step.who]
            if step.sends:
                peer.sendall(step.data)
                if step.ends:
                    peer.shutdown(socket.SHUT_WR)
                settle(process)
            else:
                assert receive(peer, len(step.data)) == step.data
                if step.ends:
                    assert to_the_end(peer) == b""
                    del open_ended[step.who]
        for peer in open_ended.values():
            peer.shutdown(socket.SHUT_WR)  # fails if the server has ended it unsaid
            assert to_the_end(peer) == b""


def receive(peer: socket.socket, count: int) -> bytes:
    """Return so many bytes, or fewer if the stream ends or nothing comes."""
    data = b""
    try:
        while len(data) < count and (piece := peer.recv(count - len(data))):
            data += piece
    except TimeoutError:
        pass  # the comparison shows what is missing
    return data


# -- the page ------------------------------------------------------------------------


def test_every_block_is_known_and_there_are_enough_dialogues() -> None:
    assert PAGE.count("\n```") == 2 * len(blocks())
    assert {block.kind for block in blocks()} == KNOWN_BLOCKS
    assert len(DIALOGUES) >= FEWEST_DIALOGUES


@pytest.mark.parametrize("block", DIALOGUES, ids=[f"line {block.line}" for block in DIALOGUES])
def test_a_dialogue(start: Callable[..., ServerProcess], block: Block) -> None:
    dialogue = read_dialogue(block.lines)
    play(dialogue, start(*dialogue.options))


NUMBERS = [
    ("width of a header", f"{limits.HEADER_SIZE} bytes"),
    ("narrowest and widest header", f"{limits.MIN_HEADER_SIZE} to {limits.MAX_HEADER_SIZE} bytes"),
    ("length", f"below {limits.LENGTH_BOUND:,}"),
    ("payload", f"{limits.MAX_PAYLOAD:,} bytes"),
    ("first frame", f"{connection.FIRST_FRAME_SECONDS:.0f} s"),
    ("header", f"{connection.HEADER_SECONDS:.0f} s"),
    (
        "payload, whole",
        f"{connection.PAYLOAD_SECONDS:.0f} s, and 1 s more for each {connection.PAYLOAD_RATE:,} "
        "bytes",
    ),
    ("flush", f"{connection.FLUSH_SECONDS:.0f} s"),
    ("linger", f"{connection.LINGER_SECONDS:.0f} s"),
    ("server's stop", f"{server.STOP_SECONDS:.0f} s"),
    ("stalled reader", f"{room.STALL_SECONDS:.0f} s"),
    ("room's memory", f"{room.TAIL_COST // 2**20} MiB"),
    ("relief", f"{room.RELIEF_COST // 2**20} MiB"),
    ("unread answers", f"{delivery.ANSWERS_LIMIT // 1024} KiB"),
    (
        "TCP keep-alive",
        f"{transports.KEEPALIVE_IDLE} s, then {transports.KEEPALIVE_COUNT} times "
        f"{transports.KEEPALIVE_INTERVAL} s",
    ),
]


@pytest.mark.parametrize(("name", "value"), NUMBERS, ids=[name for name, _ in NUMBERS])
def test_the_numbers_of_the_page_are_the_code_s(name: str, value: str) -> None:
    assert f"| {name} | {value} |" in PAGE


def test_the_codes_of_the_page_exist() -> None:
    named = set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE))
    assert named - {"missed"} <= {str(code) for code in ErrorCode}
    assert {
        "bad-header",
        "too-large",
        "timeout",
        "internal",
        "missed",
        "bad-verb",
        "bad-args",
    } == named


@pytest.mark.parametrize(
    "lines",
    [
        ["A> {4:12345}", "A< x"],
        ["A> {128:5", "A< x"],
        ["A> \\q", "A< x"],
        ["A> {end} more", "A< x"],
        ["A> {128:5\\n}", "A< x"],
        ["A: hello", "A< x"],
        ["A> trailing ", "A< x"],
        ["A> only sends"],
        ["A< x", "server --room late"],
        [],
    ],
)
def test_what_is_no_dialogue_is_refused(lines: list[str]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        read_dialogue(lines)


def test_a_false_dialogue_fails(start: Callable[..., ServerProcess]) -> None:
    """The checker sees: a wrong byte, a missing one, one too many, an end that was not told."""
    process = start()
    true = ["A> {128:0}", "B> {128:5}hello", "A< {128:5}hello"]
    play(read_dialogue(true), process)
    for false in (
        [*true[:2], "A< {128:5}hellO"],
        ["A> {128:0}", "B> {128:5}hello{128:2}ho", "A< {128:5}hello"],
        [*true, "B> {128:12}!DISCONNECT!", "B< x"],
        [*true, "B> {128:-1}", "A> {128:0}"],
    ):
        with pytest.raises((AssertionError, OSError)):
            play(read_dialogue(false), process)

"""The published specification, kept true: every dialogue of docs/protocol.md, byte for byte."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import PATIENCE, ROOT, ServerProcess, environment
from tests.integration.dialogues import Connect, over_tcp, play, read_dialogue
from tests.integration.page import DIALOGUES, PAGE, Block, blocks
from tests.integration.test_family import connect, exactly, settle
from tests.websockets import WebSocketPeer
from twisted_msg import connection, deadlines, delivery, server, service, transports
from twisted_msg.log import commits
from twisted_msg.rooms import memory, registry
from twisted_msg.session import clients, subscriptions
from twisted_msg.wire import ErrorCode, errors, limits, names
from twisted_msg.wire.requests import VERSION

FEWEST_DIALOGUES = 59
KNOWN_BLOCKS = {"dialogue", "abnf", "sh"}


class Driven:
    """A real server, as a dialogue sees it."""

    def __init__(self, process: ServerProcess) -> None:
        self._process = process

    @property
    def port(self) -> int:
        return self._process.port

    def settle(self) -> None:
        settle(self._process)

    def stops(self) -> None:
        self._process.process.terminate()

    def killed(self) -> None:
        self._process.kill()
        self._process.start()


# -- the page ------------------------------------------------------------------------


def test_every_block_is_known_and_there_are_enough_dialogues() -> None:
    assert PAGE.count("\n```") == 2 * len(blocks())
    assert {block.kind for block in blocks()} == KNOWN_BLOCKS
    assert len(DIALOGUES) >= FEWEST_DIALOGUES


def over_websocket(who: str, address: tuple[str, int]) -> WebSocketPeer:
    return WebSocketPeer(address, PATIENCE)


def across(who: str, address: tuple[str, int]) -> Any:
    """Some people over TCP, and some in forty fragments for each line, with pings in between."""
    if who in "BD":
        return over_tcp(who, address)
    return WebSocketPeer(address, PATIENCE, pieces=40)


BESIDE_FRAMES = ("--header-size", "--connections-per-address")
"""Options whose dialogues are about TCP: over WebSocket headers have 128 bytes always, and who
finds no place is told so over HTTP."""


def ways() -> Iterator[Any]:
    """Yield each dialogue with each way to have it."""
    for block in DIALOGUES:
        options = read_dialogue(block.lines).options
        tcp_only = any(option in BESIDE_FRAMES for option in options)
        for way in [over_tcp] if tcp_only else [over_tcp, over_websocket, across]:
            yield pytest.param(block, way, id=f"line {block.line} {way.__name__}")


@pytest.mark.parametrize(("block", "connect"), list(ways()))
def test_a_dialogue(start: Callable[..., ServerProcess], block: Block, connect: Connect) -> None:
    """One behaviour, whatever carries the frames."""
    dialogue = read_dialogue(block.lines)
    play(dialogue, Driven(start(*dialogue.options)), connect)


NUMBERS = [
    ("width of a header", f"{limits.HEADER_SIZE} bytes"),
    ("narrowest and widest header", f"{limits.MIN_HEADER_SIZE} to {limits.MAX_HEADER_SIZE} bytes"),
    ("length", f"below {limits.LENGTH_BOUND:,}"),
    ("payload", f"{limits.MAX_PAYLOAD:,} bytes"),
    ("first frame", f"{deadlines.FIRST_FRAME_SECONDS:.0f} s"),
    ("header", f"{deadlines.HEADER_SECONDS:.0f} s"),
    (
        "payload, whole",
        f"{deadlines.PAYLOAD_SECONDS:.0f} s, and 1 s more for each {deadlines.PAYLOAD_RATE:,} "
        "bytes",
    ),
    ("heartbeat", f"{deadlines.HEARTBEAT_SECONDS} s"),
    ("silence", f"{deadlines.SILENCE_SECONDS} s"),
    ("flush", f"{deadlines.FLUSH_SECONDS:.0f} s"),
    ("linger", f"{connection.LINGER_SECONDS:.0f} s"),
    ("server's stop", f"{server.STOP_SECONDS:.0f} s"),
    ("stalled reader", f"{memory.STALL_SECONDS:.0f} s"),
    ("stall limit", f"{server.STALL_LIMIT:,.0f} s"),
    (
        "TCP keep-alive",
        f"{transports.KEEPALIVE_IDLE} s, then {transports.KEEPALIVE_COUNT} times "
        f"{transports.KEEPALIVE_INTERVAL} s",
    ),
    ("unread answers", f"{delivery.ANSWERS_LIMIT // 1024} KiB"),
    ("not yet stored", f"{commits.UNCOMMITTED_COST // 2**20} MiB"),
    ("room's memory", f"{memory.TAIL_COST // 2**20} MiB"),
    ("relief", f"{memory.RELIEF_COST // 2**20} MiB"),
    ("room memory", f"{registry.MEMORY_COST // 2**20} MiB"),
    ("subscriptions", f"{subscriptions.SUBSCRIPTIONS_LIMIT:,}"),
    ("rooms", f"{registry.ROOMS_LIMIT:,}"),
    ("clients in memory", f"{clients.CLIENTS_LIMIT:,}"),
    ("repeated words", f"{errors.MAX_QUOTED_WORD} characters"),
    ("quoted bytes", f"{limits.EXCERPT} bytes"),
]


@pytest.mark.parametrize(("name", "value"), NUMBERS, ids=[name for name, _ in NUMBERS])
def test_the_numbers_of_the_page_are_the_code_s(name: str, value: str) -> None:
    assert f"| {name} | {value} |" in PAGE


@pytest.mark.parametrize(
    ("name", "rule", "longest"),
    [("name", names.NAME, 24), ("room", names.ROOM, 32), ("client", names.CLIENT, 64)],
)
def test_the_lengths_of_names_are_the_code_s(
    name: str, rule: re.Pattern[str], longest: int
) -> None:
    least = next(n for n in range(100) if rule.fullmatch("x" * n))
    assert rule.fullmatch("x" * longest)
    assert not rule.fullmatch("x" * (longest + 1))
    assert f"| {name} | {least} to {longest} characters |" in PAGE


def test_a_message_s_header_keeps_22_bytes_free() -> None:
    longest = f"{limits.LENGTH_BOUND - 1} MSG {'r' * 32} {names.MAX_ID} {'n' * 24} {10**13 - 1}"
    assert limits.HEADER_SIZE - len(longest) == 22


def test_the_codes_of_the_page_are_the_code_s() -> None:
    table = PAGE[PAGE.index("| code | when | ends |") :]
    rows = re.findall(r"^\| `([a-z-]+)` \|.* \| ([^|]+) \|$", table, re.MULTILINE)
    assert {code for code, _ in rows} == {*map(str, ErrorCode), "missed"}
    assert len(rows) == len(ErrorCode) + 1
    ending = {code for code, ends in rows if ends == "yes"}
    assert ending == {*map(str, errors.ENDING), "missed"}


def test_every_code_that_a_peer_can_bring_about_is_shown() -> None:
    shown = "\n".join("\n".join(block.lines) for block in DIALOGUES)
    unshown = {
        code for code in ErrorCode if f" ERR {code} " not in shown and f" ERR {code}}}" not in shown
    }
    assert unshown == {
        ErrorCode.BUSY,  # wants a full disk, or a peer that does not read
        ErrorCode.INTERNAL,
        ErrorCode.LIMIT,  # the test below
        ErrorCode.TIMEOUT,  # wants half a minute
        ErrorCode.UNAUTHORIZED,  # no accounts yet
    }


def test_every_verb_of_the_tables_is_shown() -> None:
    shown = "\n".join("\n".join(block.lines) for block in DIALOGUES)
    tables = PAGE[PAGE.index("### From the client") : PAGE.index("### Order of answers")]
    verbs = set(re.findall(r"`([A-Z]{2,})\b", tables))
    assert {"HELLO", "PUB", "MSG", "MISSED", "PART"} < verbs
    assert {verb for verb in verbs if not re.search(rf"[0-9>] {verb}[ }}]", shown)} == set()


def test_the_features_of_the_page_are_the_code_s() -> None:
    (row,) = re.findall(r"^\| `features` \|(.*)\|$", PAGE, re.MULTILINE)
    named = re.findall(r"`([a-z]+)`(?:: |,)", row.replace("`: ", "`: ", 1))
    assert set(service.FEATURES) <= set(named)
    assert f'"features":{list(service.FEATURES)}'.replace("'", '"').replace(", ", ",") in PAGE
    assert f"| `v` | the version that is spoken: {VERSION} |" in PAGE


# -- limits that a dialogue would be too long for ---------------------------------------


def test_a_thousand_rooms_and_one_more(server: ServerProcess) -> None:
    def typed_frame(text: str) -> bytes:
        return text.ljust(128).encode()

    most = subscriptions.SUBSCRIPTIONS_LIMIT
    with connect(server) as client:
        client.settimeout(PATIENCE)
        for number in range(most):
            client.sendall(typed_frame(f"0 SUB room-{number}"))
        answers = [exactly(client, 128).split()[1] for _ in range(2 * most)]
        assert answers.count(b"SUBBED") == answers.count(b"LIVE") == most

        client.sendall(typed_frame("0 SUB one-more") + typed_frame("0 SUB room-5"))
        refusal = exactly(client, 128)
        assert refusal.split()[1:] == b"ERR limit SUB one-more".split()
        assert b"1000 rooms at the most: leave one with UNSUB" in exactly(
            client, int(refusal.split()[0])
        )
        moved = b"0 SUBBED room-5 0 0 LIVE room-5 0".split()
        assert exactly(client, 256).split() == moved  # and not one more

        client.sendall(typed_frame("0 UNSUB room-5") + typed_frame("0 SUB one-more"))
        assert exactly(client, 384).split() == (
            b"0 UNSUBBED room-5 0 SUBBED one-more 0 0 LIVE one-more 0".split()
        )


# -- the lines for a shell -----------------------------------------------------------------

SHELL = {
    "exec 3<>/dev/tcp/": rb"0 ACK [0-9]{19} [0-9]+ *\Z",
    "printf '%-128s%-128s' \"0 SUB": rb"0 SUBBED lobby [0-9]+ .*0 LIVE lobby [0-9]+ *\Z",
    "# one message, from any shell": rb"\Z",
}


NC = f"""#!{sys.executable}
import shutil, socket, sys
*options, host, port = sys.argv[1:]
with socket.create_connection((host, int(port)), {PATIENCE}) as connection:
    connection.sendall(sys.stdin.buffer.read())
    if "-N" in options:
        connection.shutdown(socket.SHUT_WR)
    shutil.copyfileobj(connection.makefile("rb"), sys.stdout.buffer)
"""
"""What netcat does here, for machines without it, or with another one."""


@pytest.mark.parametrize("begins", SHELL)
def test_the_lines_for_a_shell_work(server: ServerProcess, tmp_path: Path, begins: str) -> None:
    (block,) = [each for each in blocks() if each.kind == "sh" and each.lines[0].startswith(begins)]
    netcat = tmp_path / "nc"
    netcat.write_text(NC)
    netcat.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", "\n".join(block.lines).replace("5050", str(server.port))],
        capture_output=True,
        timeout=PATIENCE,
        stdin=subprocess.DEVNULL,
        env=environment(PATH=f"{tmp_path}:{os.environ['PATH']}"),
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert re.search(SHELL[begins], done.stdout, re.DOTALL)


# -- the checker itself ------------------------------------------------------------------


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
        ["A> {welcome alice 0}", "A< x"],
        ["A> {version}", "A< x"],
        [],
    ],
)
def test_what_is_no_dialogue_is_refused(lines: list[str]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        read_dialogue(lines)


TRUE = ["A> {128:0}", "B> {128:5}hello", "A< {128:5}hello"]
ROOM = ["A> {128:0 SUB lobby}{128:1 PUB lobby}x", "A< {128:0 SUBBED lobby 0}{128:0 LIVE lobby 0}"]


@pytest.mark.parametrize(
    "false",
    [
        [*TRUE[:2], "A< {128:5}hellO"],
        ["A> {128:0}", "B> {128:5}hello{128:2}ho", "A< {128:5}hello"],
        [*TRUE, "B> {128:12}!DISCONNECT!", "B< x"],
        [*TRUE, "B> {128:-1}", "A> {128:0}"],
        [*ROOM, "A< {128:1 MSG lobby <n> guest-<n> <millis>}x", "A> {128:0 PING <n+1>}"],
        [*ROOM, "A< {128:1 MSG lobby 2 guest-<a> <millis>}x"],
        [*ROOM, "A< {128:1 MSG lobby 1 guest-<a> <millis> }x"],
        ["A> {128:0 HELLO name=al}", "A< {welcome bo 0}"],
        ["A> {128:0 HELLO name=al}", "A< {welcome al 1}"],
    ],
)
def test_a_false_dialogue_fails(start: Callable[..., ServerProcess], false: list[str]) -> None:
    """The checker sees: a wrong byte or number, a missing one, one too many, an untold end."""
    with pytest.raises((AssertionError, OSError)):
        play(read_dialogue(false), Driven(start()))


def test_the_page_names_no_file_that_is_not_there() -> None:
    for path in re.findall(r"\]\((\.\./[^)#]+)", PAGE):
        assert (ROOT / "docs" / path).exists(), path

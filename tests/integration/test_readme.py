"""What the README says is what happens: its session, its programs and its set-up lines."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.conftest import PATIENCE, ROOT, ServerProcess, environment
from tests.integration.sessions import BIN, blocks, done, matches, steps
from tests.integration.sockets import Peer
from tests.processes import ended_after

README = (ROOT / "README.md").read_text()
Program = Callable[[list[str]], "subprocess.Popen[str]"]


@pytest.fixture
def program() -> Iterator[Program]:
    """Start programs whose output is read; each is ended with the test."""
    with ExitStack() as processes:

        def begin(command: list[str]) -> subprocess.Popen[str]:
            pipe = subprocess.PIPE
            process = subprocess.Popen(
                command, stdout=pipe, stderr=pipe, text=True, env=environment()
            )
            return processes.enter_context(ended_after(process))

        yield begin


def test_the_session(start: Callable[..., ServerProcess]) -> None:
    servers: list[ServerProcess] = []
    for command, expected in steps("".join(blocks(README, "console"))):
        if command == "twistd -n tcpmsg":
            if servers:
                servers[0].start()
                continue
            server = start()
            servers.append(server)
            said = "".join(server.lines)
            for shown, written in (
                (f" --server {server.address}", ""),
                (str(server.port), "5050"),
                (str(BIN / "tcpmsg"), "tcpmsg"),
                (str(server.folder), "/home/you"),
            ):
                said = said.replace(shown, written)
            assert matches("".join(said.splitlines(keepends=True)[-len(expected) :]), expected)
        elif command.startswith("kill -9 "):
            servers[0].kill()
        else:
            done(command, expected, servers[0])


def test_the_protocol_in_a_minute(server: ServerProcess) -> None:
    text = next(block for block in blocks(README, "python") if "import socket" in block)
    with Peer(server) as alice, Peer(server) as bob:
        alice.join_with(bob)
        subprocess.run(
            [sys.executable, "-c", text.replace("5050", str(server.port))],
            check=True,
            timeout=PATIENCE,
        )
        assert alice.hear() == b"hello"


def test_the_librarys_client(server: ServerProcess, program: Program) -> None:
    text = next(block for block in blocks(README, "python") if "connect(" in block)
    client = program([sys.executable, "-u", "-c", text.replace("5050", str(server.port))])
    assert client.stdout is not None
    assert client.stdout.readline() == "1 alice hello\n"
    with Peer(server) as bob:
        bob.say(b"over")
        assert re.fullmatch(r"2 guest-\d+ over\n", client.stdout.readline())


def test_the_configuration_file(start: Callable[..., ServerProcess], tmp_path: Path) -> None:
    (content,) = blocks(README, "toml")
    content = content.replace("5050", "0").replace("/run/tcpmsg/socket", f"{tmp_path}/socket")
    (tmp_path / "tcpmsg.toml").write_text(content)
    server = start("--config", "tcpmsg.toml", listen=False)
    assert (tmp_path / "socket").exists()
    with Peer(server) as peer:
        peer.send(b"%-128d" % (64 * 1024 + 1))
        assert b"too-large" in peer.hear()


def test_every_option_is_told() -> None:
    from twisted_msg.settings import OPTIONS

    told = set(re.findall(r"^\| `--([a-z-]+)", README, re.MULTILINE))
    assert told == {"config", *(option.name for option in OPTIONS)}


PAGES = sorted(
    page
    for page in ROOT.glob("**/*.md")
    if not any(part == "node_modules" or part[0] == "." for part in page.relative_to(ROOT).parts)
)
"""Not those that others put there while tests run: every process of a run finds the same."""


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.name))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target

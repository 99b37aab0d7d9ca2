"""Console sessions of the documentation: commands, and what they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.integration.conftest import PATIENCE, ROOT, ServerProcess, environment

BIN = Path(sys.executable).parent


def blocks(page: str, language: str) -> list[str]:
    """Return a page's fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def shell(line: str, server: ServerProcess) -> subprocess.CompletedProcess[str]:
    """Run a line as a person would, at this server's port."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    variables = environment(PATH=path, TCPMSG_SERVER=server.address, HOME=str(server.folder))
    for written in ("127.0.0.1 ", "127.0.0.1:", "localhost:"):
        line = line.replace(f"{written}5050", f"{written}{server.port}")
    return subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=variables,
        timeout=PATIENCE,
        check=False,
    )


FOLLOWING = re.compile(r"(?<= )(-m|--max-time) 2 ")
"""What has curl follow for two seconds, which may be too few on a slow machine."""


def done(command: str, expected: list[str], server: ServerProcess) -> None:
    """Run a session's command, and see that it prints what it should.

    Who follows and is not in time follows once more, for longer.
    """
    result = shell(command, server)
    for seconds in (20, 80):
        if FOLLOWING.search(command) and not matches(result.stdout + result.stderr, expected):
            result = shell(FOLLOWING.sub(rf"\1 {seconds} ", command), server)
    printed = result.stdout + result.stderr
    assert matches(printed, expected), (command, printed)
    wrong = expected and expected[0].startswith("tcpmsg: ")
    if "curl: (" not in printed:
        assert result.returncode == (2 if wrong else 0), command


def steps(session: str) -> list[tuple[str, list[str]]]:
    """Return the commands of a session's blocks, each with the lines that it prints."""
    found: list[tuple[str, list[str]]] = []
    for line in session.splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        elif found[-1][0].endswith("\\"):
            command, printed = found[-1]
            found[-1] = (f"{command}\n{line}", printed)
        else:
            found[-1][1].append(line)
    return found


def matches(printed: str, expected: list[str]) -> bool:
    """Return whether lines are as expected, where `...` stands for anything."""
    pattern = "".join(re.escape(line).replace(r"\.\.\.", ".*") + "\n" for line in expected)
    return re.fullmatch(pattern, printed) is not None

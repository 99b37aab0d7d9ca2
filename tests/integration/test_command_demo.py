"""`tcpmsg demo` at a real server."""

from __future__ import annotations

import json

from tests.integration.commands import run
from tests.integration.conftest import ServerProcess
from twisted_msg.cli.scene import SCENE


def test_a_room_is_filled(server: ServerProcess) -> None:
    played = run(server, "demo", "hall", "--pace", "0")
    assert played.returncode == 0, played.stderr
    assert played.stdout == b""
    told = run(server, "recv", "hall", "--from", "1", "--until-end", "--json").stdout
    rows = [json.loads(line) for line in told.splitlines()]
    assert [row["from"] for row in rows] == [line.name for line in SCENE]
    texts = [line.message for line in SCENE if isinstance(line.message, str)]
    assert [row["text"] for row in rows if "text" in row] == texts
    assert run(server, "who", "hall").stdout == b""


def test_a_room_that_cannot_be(server: ServerProcess) -> None:
    played = run(server, "demo", "no room")
    assert played.returncode == 2
    assert b"a room's name is" in played.stderr
    assert run(server, "rooms").stdout == b""

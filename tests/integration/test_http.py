"""The HTTP interface of a real server: curl, terminals, sockets and browsers' streams."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

from tests.integration.commands import run, until
from tests.integration.conftest import PATIENCE, ROOT, ServerProcess
from tests.integration.events import EventSource, events
from tests.integration.sessions import BIN, blocks, done, steps
from tests.processes import end_process, ended_after

Begin = Callable[..., "subprocess.Popen[bytes]"]
KILLS = 5


def url(server: ServerProcess, path: str) -> str:
    return f"http://127.0.0.1:{server.port}{path}"


def curl(server: ServerProcess, path: str, *words: str, given: bytes = b"") -> bytes:
    """Run curl to its end, which must be a good one."""
    return subprocess.run(
        ["curl", "-sS", *words, url(server, path)],
        input=given,
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    ).stdout


class Follower:
    """`curl -N` on a room's events."""

    def __init__(self, server: ServerProcess, path: str) -> None:
        self.process = subprocess.Popen(["curl", "-sSN", url(server, path)], stdout=subprocess.PIPE)
        self._events = events(self.process.stdout)
        try:
            self.until("live")
        except BaseException:
            self.close()
            raise

    def until(self, kind: str) -> Any:
        """Return the next event of a kind."""
        return next(json.loads(event["data"]) for event in self._events if kind in event.values())

    def close(self) -> None:
        end_process(self.process)


def test_everybody_sees_what_curl_says(server: ServerProcess, begin: Begin) -> None:
    terminal = begin("recv", "lobby", "--json", "-v")
    until(terminal.stderr, b"listening to lobby")
    bash = subprocess.Popen(
        ["bash", str(ROOT / "examples" / "plain_client.sh"), "127.0.0.1", str(server.port)],
        stdout=subprocess.PIPE,
    )
    with (
        ended_after(bash),
        closing(Follower(server, "/v1/rooms/lobby/events")) as follower,
    ):
        while len(json.loads(curl(server, "/v1/rooms/lobby/members"))) < 3:
            pass  # until Bash is there as well
        stored = json.loads(
            curl(server, "/v1/rooms/lobby/messages?name=alice", "-d", "hello from curl")
        )
        assert stored == {"room": "lobby", "seq": 1, "dup": False, "from": "alice"}
        assert terminal.stdout is not None
        row = json.loads(terminal.stdout.readline())
        assert (row["from"], row["text"]) == ("alice", "hello from curl")
        assert bash.stdout is not None
        assert bash.stdout.readline() == b"hello from curl\n"
        assert follower.until("message") == row
        assert run(server, "send", "lobby", "and back", "--name", "bob").returncode == 0
        assert follower.until("message")["text"] == "and back"
        lines = curl(server, "/v1/rooms/lobby/messages").splitlines(keepends=True)
        printed = run(server, "recv", "lobby", "--json", "--until-end").stdout
        assert b"".join(lines) == printed


def test_a_large_message_byte_for_byte(server: ServerProcess) -> None:
    body = bytes(range(256)) * 4096
    curl(server, "/v1/rooms/lobby/messages", "--data-binary", "@-", given=body)
    received = run(server, "recv", "lobby", "--until-end").stdout
    assert received == body + b"\n"


def test_killed_and_killed_again(start: Callable[..., ServerProcess]) -> None:
    """A publisher with keys and a follower with ids: each message once, in order."""
    server = start()
    published: list[int] = []
    again: list[int] = []
    enough, serving = threading.Event(), threading.Event()
    serving.set()

    def publish() -> None:
        number = 0
        while not enough.is_set():
            number += 1
            published.append(_publish(server, number, serving))
            if number % 5 == 0:  # as one that did not get its answers would, later
                again.extend(
                    _publish(server, each, serving) for each in range(number - 4, number + 1)
                )

    publisher = threading.Thread(target=publish, daemon=True)
    with closing(EventSource(server, "/v1/rooms/lobby/events?from=0")) as source:
        publisher.start()
        source.answered.get(timeout=PATIENCE)
        rows = source.take(20)
        for _ in range(KILLS):
            server.kill()
            serving.clear()
            server.start()
            serving.set()
            source.answered.get(timeout=PATIENCE)  # the next 20 may have come before
            rows += source.take(20)
        enough.set()
        publisher.join(PATIENCE)
        assert not publisher.is_alive()
        rows += source.take(len(published) - len(rows))
    assert [int(row["text"]) for row in rows] == list(range(1, len(published) + 1))
    assert [row["seq"] for row in rows] == published
    assert again == published[: len(again)]
    assert source.missed == []
    kept = curl(server, "/v1/rooms/lobby/messages").splitlines()
    assert [json.loads(line) for line in kept] == rows


def _publish(server: ServerProcess, number: int, serving: threading.Event) -> int:
    """Publish a message under a key until it is known to be stored; return where it stands."""
    while True:
        serving.wait(PATIENCE)  # to ask one that is down again and again would take its processor
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        try:
            connection.request(
                "POST",
                "/v1/rooms/lobby/messages",
                str(number),
                {"Idempotency-Key": f"message {number}"},
            )
            answer = connection.getresponse()
            stored = json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            continue  # not known: again
        finally:
            connection.close()
        if answer.status == 503:
            continue
        assert answer.status in (200, 201), stored
        seq: int = stored["seq"]
        return seq


def test_a_stop_ends_streams_well(server: ServerProcess) -> None:
    with closing(Follower(server, "/v1/rooms/lobby/events")) as follower:
        curl(server, "/v1/rooms/lobby/messages", "-d", "one")
        assert server.stop() == -signal.SIGTERM
        assert follower.until("message")["text"] == "one"
        assert follower.process.wait(PATIENCE) == 0


def test_a_follower_that_does_not_read(server: ServerProcess) -> None:
    """It costs the server little, and gets everything in the end."""
    body = b"x" * 500_000
    source = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    source.request("GET", "/v1/rooms/lobby/events")
    answer = source.getresponse()
    before = server.resident()
    publisher = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    for _ in range(80):
        publisher.request("POST", "/v1/rooms/lobby/messages", body)
        assert publisher.getresponse().read().startswith(b'{"room":"lobby"')
    assert server.resident() - before < 24 * 1024 * 1024
    found = events(answer)
    seqs = [int(event["id"]) for event in (next(found) for _ in range(82)) if "id" in event]
    assert seqs == list(range(81))
    source.close()
    publisher.close()


def test_the_page(server: ServerProcess) -> None:
    """The sessions of docs/http.md."""
    page = (ROOT / "docs" / "http.md").read_text()
    for command, expected in steps("".join(blocks(page, "console"))):
        done(command, expected, server)


DESCRIBED = """\
request-timeout = 60
suppress-health-check = ["too_slow"]  # of the machine, not of the server

[generation]
deterministic = true
max-examples = 20

[[operations]]
include-operation-id = "followMessages"
enabled = false  # a stream has no end; tests/unit/test_web_reading.py has its answers

[[operations]]
include-operation-id = "readMessages"
# OpenAPI cannot say that at most one of from, last and since is to be given
checks.positive_data_acceptance.enabled = false
"""


def test_it_is_as_its_description_says(server: ServerProcess) -> None:
    """Requests made from openapi.json, right and wrong ones, and what must hold of the answers."""
    (server.folder / "schemathesis.toml").write_text(DESCRIBED)
    result = subprocess.run(
        [
            *(str(BIN / "schemathesis"), "--config-file", "schemathesis.toml", "--no-color"),
            *("run", url(server, "/v1/openapi.json")),
            *("--phases", "examples,coverage,fuzzing"),
        ],
        capture_output=True,
        text=True,
        cwd=server.folder,
        timeout=5 * PATIENCE,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert "Selected: 6/7" in result.stdout
    generated = re.search(r"(\d+) generated", result.stdout)
    assert generated is not None
    assert int(generated[1]) > 100

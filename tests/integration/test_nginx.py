"""The web part of a server behind nginx, with the file that stands in deploy/."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, Event, RejectConnection, Request

from tests.integration.conftest import PATIENCE, ROOT, ServerProcess
from tests.integration.sockets import Peer
from tests.processes import ended_after
from twisted_msg.wire import Frame, FrameDecoder, encode_frame

NAME = "chat.example.com"

AROUND = """\
daemon off;
error_log stderr warn;
pid {folder}/nginx.pid;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/tcpmsg.conf;
}}
"""


class Nginx:
    """nginx with the file of this repository, before a server; what it is told it says to stderr.

    It inherits a socket that listens already, so that there is no port to guess and nothing to
    wait for.
    """

    def __init__(self, folder: Path, server: ServerProcess) -> None:
        self.server = server
        self.visits = ExitStack()
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        text = (ROOT / "deploy" / "nginx" / "tcpmsg.conf").read_text()
        for ours, theirs in (
            ("    listen 80;\n", f"    listen 127.0.0.1:{self.port};\n"),
            ("    server 127.0.0.1:5050;\n", f"    server {server.address};\n"),
        ):
            assert text.count(ours) == 1
            text = text.replace(ours, theirs)
        (folder / "tcpmsg.conf").write_text(text)
        user = "user root;" if os.getuid() == 0 else ""
        (folder / "nginx.conf").write_text(AROUND.format(folder=folder, user=user))
        program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        assert program, "these tests need nginx: apt-get install nginx-light"
        with listener:
            self.process = subprocess.Popen(
                [program, "-c", str(folder / "nginx.conf"), "-p", str(folder)],
                stderr=subprocess.PIPE,
                pass_fds=[listener.fileno()],
                env={**os.environ, "NGINX": f"{listener.fileno()};"},
                text=True,
            )

    def browser(self, source: str = "127.0.0.1") -> Browser:
        """Return another browser, at this address."""
        return self.visits.enter_context(closing(Browser(self.port, source)))

    def websocket(
        self, origin: str = f"http://{NAME}", source: str = "127.0.0.1", claimed: str = ""
    ) -> WebSocket:
        """Return a WebSocket of a page of this origin, at this address, which claims another."""
        return self.visits.enter_context(closing(WebSocket(self.port, origin, source, claimed)))

    def stop(self) -> str:
        """End it; return what it said."""
        self.visits.close()
        self.process.terminate()
        return self.process.communicate(timeout=PATIENCE)[1]


@pytest.fixture
def limits() -> list[str]:
    """What the server is started with beside what the file in deploy/ says."""
    return []


@pytest.fixture
def nginx(
    tmp_path: Path, start: Callable[..., ServerProcess], limits: list[str]
) -> Iterator[Nginx]:
    server = start(
        *("--web-host", NAME, "--max-payload", "4MiB", "--trusted-proxy", "127.0.0.1"), *limits
    )
    folder = tmp_path / "nginx"
    folder.mkdir()
    nginx = Nginx(folder, server)
    with ended_after(nginx.process):
        yield nginx
        said = nginx.stop()
    assert "[error]" not in said, said
    assert "[emerg]" not in said, said


class Browser:
    """What asks nginx, by the server's name."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self.http = http.client.HTTPConnection(
            "127.0.0.1", port, timeout=PATIENCE, source_address=(source, 0)
        )
        self.answer: http.client.HTTPResponse | None = None

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> http.client.HTTPResponse:
        """Make a request, underscores in headers' names being dashes."""
        told = {"Host": NAME, **{name.replace("_", "-"): each for name, each in headers.items()}}
        self.http.request(method, path, body, told)
        self.answer = self.http.getresponse()
        return self.answer

    def close(self) -> None:
        if self.answer is not None:
            self.answer.close()
        self.http.close()

    def json(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Any:
        """Make a request; return its status and what its answer holds."""
        answer = self.ask(method, path, body, **headers)
        return answer.status, json.loads(answer.read())


class WebSocket:
    """A session of typed frames over WebSocket, as a browser has it."""

    def __init__(self, port: int, origin: str, source: str, claimed: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0))
        self.engine = WSConnection(ConnectionType.CLIENT)
        headers = [(b"Origin", origin.encode())]
        if claimed:
            headers.append((b"X-Forwarded-For", claimed.encode()))
        self.send(Request(host=NAME, target="/ws", extra_headers=headers))
        self.events = self.receive()
        self.opening = next(self.events)
        self.frames = self.take_apart()

    def send(self, event: Any) -> None:
        self.socket.sendall(self.engine.send(event))

    def close(self) -> None:
        self.socket.close()

    def receive(self) -> Iterator[Event]:
        """Return what comes, as it comes."""
        while data := self.socket.recv(65536):
            self.engine.receive_data(data)
            yield from self.engine.events()

    def say(self, payload: bytes, *words: str) -> None:
        self.send(BytesMessage(encode_frame(payload, words)))

    def take_apart(self) -> Iterator[Frame]:
        """Return the frames that come."""
        decoder = FrameDecoder()
        for event in self.events:
            assert isinstance(event, BytesMessage), event
            yield from decoder.feed(bytes(event.data))

    def hear(self, *verbs: str) -> dict[str, Frame]:
        """Return the next frame of each of these verbs, which come in whatever order."""
        heard: dict[str, Frame] = {}
        while heard.keys() != {*verbs}:
            frame = next(self.frames)
            if frame.words[0] in verbs:
                assert frame.words[0] not in heard, frame
                heard[frame.words[0]] = frame
        return heard


def next_message(events: http.client.HTTPResponse) -> tuple[int, str]:
    """Return id and text of the next message; fails, rather than hangs, when none comes."""
    fields: dict[str, str] = {}
    for line in iter(events.readline, b""):
        name, _, value = line.decode().rstrip("\n").partition(": ")
        fields[name] = value
        if name == "data" and fields["event"] == "message":
            return int(fields["id"]), json.loads(value)["text"]
    raise AssertionError(f"the events ended: {fields}")


def test_what_is_published_is_in_the_history_and_reaches_others(nginx: Nginx) -> None:
    browser = nginx.browser()
    with Peer(nginx.server) as plain, Peer(nginx.server) as other:
        plain.join_with(other)
        status, told = browser.json("POST", "/v1/rooms/lobby/messages?name=alice", b"hello")
        assert (status, told["room"], told["dup"]) == (201, "lobby", False)
        assert plain.hear() == b"hello"
    answer = browser.ask("GET", "/v1/rooms/lobby/messages?last=1")
    assert answer.getheader("Content-Type") == "application/x-ndjson"
    (row,) = [json.loads(line) for line in answer.read().splitlines()]
    assert (row["from"], row["text"], row["seq"]) == ("alice", "hello", told["seq"])


def test_a_large_body_passes_and_what_is_too_large_is_the_servers_to_say(nginx: Nginx) -> None:
    browser = nginx.browser()
    large = b"x" * (3 << 20)
    assert browser.json("POST", "/v1/rooms/lobby/messages", large)[0] == 201
    row = json.loads(browser.ask("GET", "/v1/rooms/lobby/messages?last=1").read())
    assert row["text"] == large.decode()
    status, told = browser.json("POST", "/v1/rooms/lobby/messages", b"x" * ((4 << 20) + 1))
    assert (status, told["error"]["code"]) == (413, "too-large")


def test_events_come_one_by_one_and_go_on_where_they_were(nginx: Nginx) -> None:
    following, talking = nginx.browser(), nginx.browser()
    events = following.ask("GET", "/v1/rooms/lobby/events?last=0")
    assert events.getheader("Content-Type", "").startswith("text/event-stream")
    seqs = []
    for text in (b"one", b"two"):
        seqs.append(talking.json("POST", "/v1/rooms/lobby/messages", text)[1]["seq"])
        assert next_message(events) == (seqs[-1], text.decode())
    following.close()
    again = nginx.browser().ask("GET", "/v1/rooms/lobby/events", Last_Event_ID=str(seqs[0]))
    assert next_message(again) == (seqs[1], "two")


def test_a_session_over_websocket(nginx: Nginx) -> None:
    session = nginx.websocket()
    assert isinstance(session.opening, AcceptConnection)
    session.say(b"", "HELLO", "name=bob")
    session.say(b"", "SUB", "lobby")
    session.say(b"x" * 500_000, "PUB", "lobby", "7")
    heard = session.hear("WELCOME", "ACK", "MSG")
    assert heard["WELCOME"].words[1] == "bob"
    assert heard["ACK"].words == ("ACK", "7", "1")
    assert heard["MSG"].payload == b"x" * 500_000
    nginx.browser().ask("POST", "/v1/rooms/lobby/messages?name=alice", b"hello").read()
    message = session.hear("MSG")["MSG"]
    assert (message.words[3], message.payload) == ("alice", b"hello")


def test_pages_of_others_are_refused(nginx: Nginx) -> None:
    browser = nginx.browser()
    other = "http://elsewhere.example.com"
    status, told = browser.json("POST", "/v1/rooms/a/messages", b"x", Origin=other)
    assert (status, told["error"]["code"]) == (403, "forbidden")
    refused = nginx.websocket(other)
    assert isinstance(refused.opening, RejectConnection)
    assert refused.opening.status_code == 403
    assert browser.json("POST", "/v1/rooms/a/messages", b"x", Origin=f"http://{NAME}")[0] == 201
    assert browser.json("GET", "/v1/rooms", Host="rebound.example.com")[0] == 403


def test_health_is_for_all_and_metrics_are_not(nginx: Nginx) -> None:
    browser = nginx.browser()
    assert browser.json("GET", "/healthz") == (200, {"status": "ok"})
    assert browser.json("GET", "/readyz") == (200, {"status": "ready"})
    refused = browser.ask("GET", "/metrics")
    assert refused.status == 404
    assert b"tcpmsg_" not in refused.read()
    with closing(Browser(nginx.server.port)) as prometheus:
        assert b"\ntcpmsg_connections " in prometheus.ask("GET", "/metrics").read()


# -- who is who behind it -----------------------------------------------------------------------

CLIENT, OTHER = "127.0.0.2", "127.0.0.3"
"""Addresses of this machine that nginx sees as two; what it passes on is never loopback's."""


@pytest.mark.parametrize("limits", [["--rate-messages", "100", "--rate-burst", "1"]])
def test_a_flood_over_websocket_is_slowed_and_others_are_not(nginx: Nginx) -> None:
    flood = nginx.websocket(source=CLIENT, claimed="127.0.0.9")
    flood.say(b"", "HELLO", "name=flood")
    flood.hear("WELCOME")
    before = time.monotonic()
    frames = [encode_frame(b"x", ("PUB", "lobby", str(n))) for n in range(1, 601)]
    flood.send(BytesMessage(b"".join(frames)))
    other = nginx.websocket(source=OTHER)
    other.say(b"", "PING", "a")
    assert other.hear("PONG")["PONG"].words == ("PONG", "a")
    last = 0
    while last < 600:
        last = int(flood.hear("ACK")["ACK"].words[1])
    assert time.monotonic() - before > 3.5
    assert f" {CLIENT} connected over WebSocket" in nginx.server.output
    assert "127.0.0.9" not in nginx.server.output


@pytest.mark.parametrize("limits", [["--rate-messages", "10", "--rate-burst", "1"]])
def test_a_flood_over_http_is_slowed_and_others_are_not(nginx: Nginx) -> None:
    """Whichever of nginx's connections its requests come by, which are others' as well."""
    floods = [nginx.browser(CLIENT) for _ in range(4)]
    before = time.monotonic()
    for number in range(40):
        floods[number % 4].ask("GET", "/healthz").read()
        if number % 4 == 3:
            assert nginx.browser(f"127.0.1.{number}").json("GET", "/healthz")[0] == 200
    assert time.monotonic() - before > 2


@pytest.mark.parametrize("limits", [["--connections-per-address", "2"]])
def test_each_address_has_its_places(nginx: Nginx) -> None:
    first = nginx.websocket(source=CLIENT)
    follower = nginx.browser(CLIENT)
    assert follower.ask("GET", "/v1/rooms/lobby/events").status == 200
    refused = nginx.websocket(source=CLIENT).opening
    assert isinstance(refused, RejectConnection)
    assert refused.status_code == 503
    status, told = nginx.browser(CLIENT).json("GET", "/healthz")
    assert (status, told["error"]["code"]) == (503, "busy")
    assert f"from {CLIENT} are taken" in told["error"]["text"]
    assert nginx.browser(OTHER).json("GET", "/healthz")[0] == 200
    assert isinstance(nginx.websocket(source=OTHER).opening, AcceptConnection)
    first.say(b"", "PING", "a")
    assert first.hear("PONG")["PONG"].words == ("PONG", "a")
    first.say(b"", "BYE")
    for _ in first.events:  # to the end
        pass
    again = nginx.websocket(source=CLIENT)
    assert isinstance(again.opening, AcceptConnection)

"""A real server with TLS: clients that send ALPN, clients that do not, and what both then speak."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.certificates import make_certificate
from tests.connecting import connected
from tests.integration.commands import command, variables
from tests.integration.conftest import PATIENCE, ServerProcess
from tests.integration.test_family import exactly
from tests.integration.test_web_process import GET, PING, exchange, web_socket

Start = Callable[..., ServerProcess]


@pytest.fixture
def server(start: Start, tmp_path: Path) -> ServerProcess:
    """A server whose only port speaks TLS; its certificate is in `tmp_path`."""
    return start("--listen", make_certificate(tmp_path))


def secure(server: ServerProcess, folder: Path, alpn: list[str] | None) -> ssl.SSLSocket:
    """Connect, with these protocols offered by ALPN, or without ALPN."""
    context = ssl.create_default_context(cafile=str(folder / "cert.pem"))
    if alpn is not None:
        context.set_alpn_protocols(alpn)
    socket = connected(("127.0.0.1", server.port), PATIENCE)
    return context.wrap_socket(socket, server_hostname="localhost")


@pytest.mark.parametrize("alpn", [None, ["http/1.1"], ["h2", "http/1.1"], ["mine", "http/1.1"]])
def test_everything_is_spoken_with_and_without_alpn(
    server: ServerProcess, tmp_path: Path, alpn: list[str] | None
) -> None:
    with secure(server, tmp_path, alpn) as peer:
        assert peer.selected_alpn_protocol() == (alpn and "http/1.1")
        assert b"200 OK" in exchange(peer, GET)
    with secure(server, tmp_path, alpn) as peer:
        web_socket(peer)
    with secure(server, tmp_path, alpn) as peer:
        peer.sendall(PING)
        assert exactly(peer, 128).split() == [b"0", b"PONG"]


def test_http_on_a_port_of_its_own(start: Start, tmp_path: Path) -> None:
    endpoint = make_certificate(tmp_path)
    server = start("--listen", "unix:" + str(tmp_path / "s"), "--web", endpoint)
    line = next(line for line in server.lines if "HTTP is spoken on" in line)
    server.port = int(line.rpartition(":")[2])
    for alpn in (None, ["h2", "http/1.1"]):
        with secure(server, tmp_path, alpn) as peer:
            assert b"200 OK" in exchange(peer, GET)


@pytest.mark.parametrize("alpn", [["h2"], ["mine"]])
def test_a_client_that_offers_other_protocols_alone_gets_an_alert(
    server: ServerProcess, tmp_path: Path, alpn: list[str]
) -> None:
    with pytest.raises(ssl.SSLError, match="ALERT"):
        secure(server, tmp_path, alpn)
    with secure(server, tmp_path, None) as peer:  # it serves others as before
        assert b"200 OK" in exchange(peer, GET)


@pytest.mark.parametrize("option", [(), ("--no-alpn",), ("--http1.1",)])
def test_curl(server: ServerProcess, tmp_path: Path, option: tuple[str, ...]) -> None:
    curl = shutil.which("curl")
    assert curl, "this test needs curl: apt-get install curl"
    done = subprocess.run(
        [curl, "--silent", "--show-error", "--cacert", tmp_path / "cert.pem", *option,
         f"https://localhost:{server.port}/healthz", "--resolve",
         f"localhost:{server.port}:127.0.0.1"],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
        env={**os.environ, "no_proxy": "*"},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, '{"status":"ok"}\n', "")


def test_the_command(server: ServerProcess, tmp_path: Path) -> None:
    """It sends no ALPN."""
    options = ["--server", f"tcpmsgs://localhost:{server.port}"]
    environment = variables(SSL_CERT_FILE=str(tmp_path / "cert.pem"))
    for words, given in ((["send", "lobby", "hello"], ""), (["recv", "lobby", "--from", "1",
                         "--count", "1"], "hello")):  # fmt: skip
        done = subprocess.run(
            command(*words, *options), env=environment, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert given in done.stdout


@pytest.mark.parametrize("verb", [["ping"], ["send", "lobby", "x", "--plain"]])
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("localhost", "certificate is not trusted; if you signed it yourself, set SSL_CERT_FILE"),
        ("127.1", "certificate is for another name"),
    ],
)
def test_the_command_says_why_it_does_not_trust_a_server(
    server: ServerProcess, tmp_path: Path, address: str, words: str, verb: list[str]
) -> None:
    trusted = {} if address == "localhost" else {"SSL_CERT_FILE": str(tmp_path / "cert.pem")}
    done = subprocess.run(
        command(*verb, "--server", f"tcpmsgs://{address}:{server.port}"),
        env=variables(**trusted), capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert words in done.stderr
    assert "again" not in done.stderr


def test_the_command_says_that_a_server_speaks_no_tls(start: Start) -> None:
    server = start()
    done = subprocess.run(
        command("ping", "--server", f"tcpmsgs://127.0.0.1:{server.port}"),
        env=variables(), capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert "write HOST:PORT without tcpmsgs://" in done.stderr

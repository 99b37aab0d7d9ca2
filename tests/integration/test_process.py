"""The server as a process: options and their mistakes, daemons, signals, sockets and logs."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.integration.conftest import PATIENCE, ServerProcess, environment
from tests.integration.sockets import Peer

BIN = Path(sys.executable).parent
Start = Callable[..., ServerProcess]


def run(*command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(HOME=str(cwd), **variables),
        timeout=PATIENCE,
        check=False,
    )


def talk(alice: Peer, bob: Peer) -> None:
    """Have two members of a room hear each other."""
    alice.join_with(bob)
    alice.say(b"over here")
    assert bob.hear() == b"over here"


# -- options and their mistakes ------------------------------------------------

MISTAKES = [
    (["--lisen", "1"], "unknown option --lisen; did you mean --listen?"),
    (["--listen", "nowhere"], "--listen: 'nowhere' is no address"),
    (["--listen", "tcp:what"], "--listen: 'tcp:what' is no endpoint"),
    (["--header-size", "3"], "--header-size: a header has 4 to 2048 bytes"),
    (["--max-payload", "many"], "--max-payload: a size is a whole number and a unit"),
    (["--room", "no spaces"], "--room: a room's name"),
    (["--disconnect-message", ""], "--disconnect-message: "),
    (["--log-format", "xml"], "--log-format: a log format is one of text, json"),
    (["--config", "missing.toml"], "--config missing.toml: No such file or directory"),
]


@pytest.mark.parametrize(("options", "expected"), MISTAKES)
@pytest.mark.parametrize("command", [["twistd", "-n", "tcpmsg"], ["tcpmsg", "serve"]])
def test_mistake_is_one_line(
    options: list[str], expected: str, command: list[str], tmp_path: Path
) -> None:
    result = run(*command, *options, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    if command[0] == "twistd" or "unknown" not in expected:
        assert result.stderr.startswith(f"tcpmsg: {expected}")
    assert list(tmp_path.iterdir()) == []  # no pid file stays behind


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("room = ", "not TOML"),
        ('rooms = "x"', "unknown option 'rooms'; did you mean room?"),
        ("header-size = 1.5", "header-size: a text or a whole number is wanted"),
        ('max-payload = "x"', "max-payload: a size is"),
    ],
)
def test_mistake_in_the_file(content: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(content)
    result = run("twistd", "-n", "--pidfile=", "tcpmsg", "--config", "my.toml", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "my.toml" in result.stderr
    assert expected in result.stderr


def test_flags_win_over_environment_over_file(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / ".config" / "tcpmsg"
    folder.mkdir(parents=True)
    (folder / "tcpmsg.toml").write_text('room = "filed"\nheader-size = 64\nmax-payload = "1k"\n')
    variables = {"TCPMSG_HEADER_SIZE": "32", "TCPMSG_MAX_PAYLOAD": "2k"}
    server = start("--max-payload", "3k", variables=variables)
    assert "go to the room filed;" in server.output
    with Peer(server, width=32) as peer:
        peer.send(b"%-32d" % 3073)
        assert b"3072" in peer.hear()


def test_help_of_the_plugin(tmp_path: Path) -> None:
    result = run("twistd", "tcpmsg", "--help", cwd=tmp_path)
    assert result.returncode == 0
    for option in ("listen", "header-size", "room", "disconnect-message", "plain-reply", "config"):
        assert f"--{option}=" in result.stdout


# -- a port in use ---------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [["twistd", "-n", "tcpmsg"], ["tcpmsg", "serve"], ["twist", "tcpmsg"]]
)
def test_port_in_use(command: list[str], server: ServerProcess, tmp_path: Path) -> None:
    result = run(*command, "--listen", server.address, cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert f"cannot listen on {server.address}: Address already in use" in result.stderr
    assert "--listen" in result.stderr  # the way out
    assert "Traceback" not in result.stdout + result.stderr
    assert list(tmp_path.glob("*.pid")) == []


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", ":0"])
@pytest.mark.parametrize("command", [["twistd", "-n", "tcpmsg"], ["tcpmsg", "serve"]])
def test_nobody_else_may_connect_unless_that_is_meant(
    command: list[str], address: str, tmp_path: Path
) -> None:
    result = run(*command, "--listen", address, cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "add --open if that is meant" in result.stderr


def test_port_in_use_as_a_daemon(server: ServerProcess, tmp_path: Path) -> None:
    result = run("twistd", "tcpmsg", "--listen", server.address, cwd=tmp_path)
    assert result.returncode == 1
    assert f"cannot listen on {server.address}: Address already in use" in result.stderr
    # the daemon tells its starter first, and its log when the machine lets it
    wait_for(lambda: "cannot listen on" in (tmp_path / "twistd.log").read_text())
    wait_for(lambda: list(tmp_path.glob("*.pid")) == [])


def test_second_of_two_ports_in_use_gives_back_the_first(
    server: ServerProcess, tmp_path: Path
) -> None:
    both = ["--listen", "127.0.0.1:0", "--listen", server.address]
    assert run("tcpmsg", "serve", *both, cwd=tmp_path).returncode == 1


# -- hosts: daemon, twist, the command ---------------------------------------------


def test_daemon_with_pid_and_log_file(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    log = tmp_path / "my.log"
    with (
        daemon(tmp_path, "--listen", f"unix:{path}") as pid,
        Peer(path) as alice,
        Peer(path) as bob,
    ):
        talk(alice, bob)
        os.kill(pid, signal.SIGTERM)
        assert alice.hear() == b"!DISCONNECT!"
    assert not (tmp_path / "my.pid").exists()
    assert "stopped cleanly" in log.read_text()
    assert f"listens on unix:{path}" in log.read_text()


@contextmanager
def daemon(folder: Path, *options: str) -> Iterator[int]:
    """Start a daemon and return its process id; after the block, wait until it has ended."""
    names = ["--pidfile", "my.pid", "--logfile", "my.log"]
    result = run("twistd", *names, "tcpmsg", *options, cwd=folder)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    pid = int((folder / "my.pid").read_text())
    process = os.pidfd_open(pid)
    try:
        yield pid
        assert select.select([process], [], [], PATIENCE)[0]
    finally:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGKILL)
        os.close(process)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait for another process to do what nothing tells of."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        os.sched_yield()


def test_under_twist(start: Start) -> None:
    server = start(command=[str(BIN / "twist"), "--log-format", "text", "tcpmsg"])
    with Peer(server) as alice, Peer(server) as bob:
        talk(alice, bob)
    assert server.stop() == -signal.SIGTERM


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_twistd_ends_by_its_signal_after_a_clean_stop(how: int, server: ServerProcess) -> None:
    with Peer(server) as alice, Peer(server) as bob:
        talk(alice, bob)
        server.process.send_signal(how)
        assert alice.hear() == bob.hear() == b"!DISCONNECT!"
        assert alice.at_end()
    assert server.stop(0) == -how
    assert "stopped cleanly" in server.output


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_serve_exits_0(how: int, start: Start) -> None:
    server = start(command=[str(BIN / "tcpmsg"), "serve"])
    with Peer(server) as alice, Peer(server) as bob:
        talk(alice, bob)
    assert server.stop(how) == 0
    assert "stopped cleanly" in server.output


def test_stop_with_a_member_that_does_not_read(server: ServerProcess) -> None:
    with Peer(server) as alice, Peer(server) as bob, Peer(server, window=4096) as deaf:
        talk(alice, bob)
        deaf.join_with(bob)
        for _ in range(60):
            alice.say(b"x" * 100_000)
            assert bob.hear() == b"x" * 100_000
        began = time.monotonic()
        assert server.stop() == -signal.SIGTERM
        assert time.monotonic() - began < 20  # five; thirty without the bound on a stop


# -- sockets -----------------------------------------------------------------------


def test_ipv6_unix_and_several_at_once(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "m.sock"
    server = start(
        *("--listen", "127.0.0.1:0"), *("--listen", "[::1]:0"),
        *("--listen", f"unix:{path}:mode=660"),
    )  # fmt: skip
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    six = next(line for line in server.lines if "listens on [::1]:" in line)
    with (
        Peer(server) as alice,
        Peer(path) as bob,
        Peer(("::1", int(six.rsplit(":", 1)[1]))) as carol,
    ):
        talk(alice, bob)
        talk(bob, carol)
    server.stop()
    assert not path.exists()


def test_stale_unix_socket_is_taken_over(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "m.sock"
    first = start("--listen", f"unix:{path}")
    first.kill()
    assert path.exists()
    start("--listen", f"unix:{path}")
    with Peer(path) as alice, Peer(path) as bob:
        talk(alice, bob)


def test_descriptor_limit_is_raised(start: Start) -> None:
    lowered = 'ulimit -S -n 256; exec "$0" -n --pidfile= tcpmsg "$@"'
    server = start(command=["bash", "-c", lowered, str(BIN / "twistd")])
    limits = Path(f"/proc/{server.pid}/limits").read_text()
    soft, hard = next(x for x in limits.splitlines() if "open files" in x).split()[3:5]
    assert soft == hard != "256"


def test_many_at_once_need_a_backlog(server: ServerProcess) -> None:
    os.kill(server.pid, signal.SIGSTOP)  # so that nobody is accepted meanwhile
    sockets = []
    for _ in range(200):
        each = socket.socket()
        each.setblocking(False)
        each.connect_ex(("127.0.0.1", server.port))
        sockets.append(each)
    os.kill(server.pid, signal.SIGCONT)
    for each in sockets:
        each.settimeout(PATIENCE)
        each.sendall(b"%-128d!DISCONNECT!" % 12)
        assert each.recv(1) == b""
        each.close()


# -- logs ----------------------------------------------------------------------------


def test_log_tells_who_came_and_why_they_left(server: ServerProcess) -> None:
    with Peer(server) as peer:
        peer.send(b"\x1b[31mred\n".ljust(128))
        assert b"bad-header" in peer.hear()
    with Peer(server) as peer:
        peer.say(b"!DISCONNECT!")
        assert peer.at_end()
    server.stop()
    assert "#1 127.0.0.1:" in server.output
    assert "connected" in server.output
    assert "left: refused, bad-header: " in server.output
    assert r"\x1b[31mred\n" in server.output
    assert "\x1b" not in server.output
    assert "left: said goodbye" in server.output


@pytest.mark.parametrize(
    "command",
    [["twistd", "-n", "--pidfile=", "tcpmsg"], ["tcpmsg", "serve"], ["twist", "tcpmsg"]],
)
def test_log_as_json_lines(command: list[str], start: Start) -> None:
    server = start("--log-format", "json", command=[str(BIN / command[0]), *command[1:]])
    with Peer(server) as peer:
        peer.say(b"!DISCONNECT!")
        assert peer.at_end()
    server.stop()
    events = [json.loads(line) for line in server.lines]
    left = next(event for event in events if event.get("reason") == "said goodbye")
    assert left["number"] == 1
    assert left["namespace"] == "tcpmsg"
    assert left["text"] == f"#1 {left['peer']} left: said goodbye"


def test_log_file_as_json_lines(tmp_path: Path, start: Start) -> None:
    path = tmp_path / "s.sock"
    with daemon(tmp_path, "--log-format", "json", "--listen", f"unix:{path}") as pid:
        with Peer(path) as alice, Peer(path) as bob:
            talk(alice, bob)  # before that, a signal would end it at once: no reactor may run yet
        os.kill(pid, signal.SIGTERM)
    lines = (tmp_path / "my.log").read_text().splitlines()
    assert any("listens on" in json.loads(line)["text"] for line in lines)


def test_one_peer_cannot_flood_the_log(server: ServerProcess) -> None:
    began = time.monotonic()
    for _ in range(500):
        with Peer(server) as peer:
            peer.send(b"?" * 128)
            peer.hear()
    server.stop()
    lasted = time.monotonic() - began
    assert len(server.lines) < 200 + 2 * lasted  # a hundred, and two a second
    assert any("more lines left out" in line for line in server.lines)


# -- what the start-up prints ----------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        ["--header-size", "64"],
        ["--disconnect-message", "good bye {}"],
        ["--listen", "unix:a b.sock"],
        ["--listen", r"unix:with\:colon.sock"],
        ["--listen", "[::]:0", "--open"],
    ],
)
def test_printed_line_works_as_printed(options: list[str], start: Start, tmp_path: Path) -> None:
    server = start(*options)
    line = server.output.partition("from a script: ")[2].splitlines()[0]
    result = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}"),
        timeout=PATIENCE,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_no_chat_is_suggested_where_none_can_be(start: Start) -> None:
    server = start("--plain-reply", "Msg received")
    assert "tcpmsg chat" not in server.output
    assert "from a script: send a header" in server.output


def test_serve_takes_time_from_the_monotonic_clock(tmp_path: Path) -> None:
    program = (
        "import time; from twisted.internet import reactor; from twisted_msg import service;"
        "from twisted_msg.cli import main; from twisted_msg.service import ServerService as S;"
        "start = S.startService;"
        "S.startService = lambda self: (print(self.server.clock.seconds is time.monotonic),"
        " reactor.callWhenRunning(reactor.stop), start(self));"
        "main.main(['serve', '--listen', '127.0.0.1:0'])"
    )
    result = run("python", "-c", program, cwd=tmp_path)
    assert result.stdout.startswith("True"), result.stderr


# -- wrapped transports ------------------------------------------------------------------


def test_haproxy_endpoint_ends_well(start: Start) -> None:
    server = start("--listen", "haproxy:tcp:0:interface=127.0.0.1")
    with Peer(server) as peer:
        peer.send(b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n" + b"?" * 128)
        assert b"bad-header" in peer.hear()
        assert peer.at_end()
    with Peer(server) as peer:
        peer.send(b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n" + b"0 PING".ljust(128))
        assert peer.read(128).split() == [b"0", b"PONG"]
        server.process.send_signal(signal.SIGTERM)
        header = peer.read(128).split()
        assert header[1] == b"BYE"
        peer.read(int(header[0]))
        assert peer.at_end()  # by itself: it would be a reset if the time to stop had been over
    server.stop(0)
    assert "192.0.2.7" in server.output

"""`send`, `recv`, `who`, `rooms` and `ping` against a real server, as scripts use them."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands import Terminal, command, run, until, variables
from tests.integration.conftest import PATIENCE, ServerProcess
from twisted_msg.cli.scene import picture

Begin = Callable[..., subprocess.Popen[bytes]]


def numbers(first: int, last: int) -> bytes:
    return b"".join(b"%d\n" % number for number in range(first, last + 1))


def feed(process: subprocess.Popen[bytes], data: bytes) -> None:
    """Write to a command's standard input."""
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.flush()


def history(server: ServerProcess, *words: str) -> bytes:
    """Return what `recv --from 1 --until-end` prints."""
    done = run(server, "recv", "lobby", "--from", "1", "--until-end", *words)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


@pytest.fixture
def receiver(begin: Begin) -> Callable[..., Any]:
    """Start `recv` and return it once it is in the room."""

    def start(*words: str) -> subprocess.Popen[bytes]:
        process = begin("recv", "lobby", "-v", *words)
        until(process.stderr, b"listening to lobby")
        return process

    return start


def test_a_text_arrives(server: ServerProcess, receiver: Callable[..., Any]) -> None:
    reader = receiver("--count", "3")
    for text in ("hello, world", "", "!DISCONNECT!"):
        done = run(server, "--name", "alice", "send", "lobby", text)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    out, _ = reader.communicate(timeout=PATIENCE)
    assert out == b"hello, world\n\n!DISCONNECT!\n"
    assert reader.returncode == 0


def test_direct_messages_to_a_receiver(server: ServerProcess, begin: Begin) -> None:
    """A direct message to a name that `recv` holds is printed, as data if it was asked for."""
    beside = begin("recv", "lobby", "-v", "--count", "1", "--name", "carol")
    until(beside.stderr, b"listening to lobby")
    asked = begin("recv", "@bob", "-v", "--count", "1")
    until(asked.stderr, b"listening to @bob")
    taken = run(server, "recv", "@bob")
    assert (taken.returncode, taken.stdout) == (3, b"")
    assert b"the name bob is taken" in taken.stderr
    for to in ("@bob", "@carol", "lobby"):
        assert run(server, "--name", "alice", "send", to, f"to {to}").returncode == 0
    out, _ = asked.communicate(timeout=PATIENCE)
    assert (asked.returncode, out) == (0, b"to @bob\n")
    out, err = beside.communicate(timeout=PATIENCE)
    assert (beside.returncode, out) == (0, b"to lobby\n")
    assert b"tcpmsg: direct message from alice: to @carol\n" in err


def test_a_pipe_of_100_000_lines_arrives_complete(server: ServerProcess) -> None:
    lines = numbers(1, 100_000)
    sent = run(server, "send", "lobby", given=lines)
    assert (sent.returncode, sent.stdout, sent.stderr) == (0, b"", b"")
    assert history(server) == lines


def test_whole_input_and_json(server: ServerProcess) -> None:
    before = int(time.time() * 1000)
    words = ("--name", "alice", "send", "lobby")
    assert run(server, *words, "--whole", given=b"a\n\x1b[2Jb\n").returncode == 0
    assert run(server, *words, "-", given=b"\ncaf\xe9").returncode == 0
    out = history(server, "--json")
    first, empty, last = map(json.loads, out.splitlines())
    assert {row["room"] for row in (first, empty, last)} == {"lobby"}
    assert {row["from"] for row in (first, empty, last)} == {"alice"}
    assert first["seq"] < empty["seq"] < last["seq"]
    assert before <= first["time"] <= time.time() * 1000
    assert (first["text"], empty["text"]) == ("a\n\x1b[2Jb\n", "")
    assert last["base64"] == "Y2Fm6Q=="
    assert b"\x1b" not in out


def test_where_to_begin(server: ServerProcess) -> None:
    assert run(server, "send", "lobby", given=numbers(1, 5)).returncode == 0
    rows = [json.loads(line) for line in history(server, "--json").splitlines()]
    for words, expected in (
        (("--last", "2"), numbers(4, 5)),
        (("--from", str(rows[2]["seq"])), numbers(3, 5)),
        (("--since", "1h"), numbers(1, 5)),
        (("--since", str(rows[-1]["time"] + 1)), b""),
        ((), numbers(1, 5)),
        (("--count", "2"), numbers(1, 2)),
    ):
        done = run(server, "recv", "lobby", "--until-end", *words)
        assert (done.returncode, done.stdout, done.stderr) == (0, expected, b""), words


def test_several_rooms(server: ServerProcess, begin: Begin) -> None:
    for room, text in (("builds", "one"), ("alarms", "two"), ("builds", "three")):
        assert run(server, "--name", "ci", "send", room, text).returncode == 0
    words = ("recv", "builds", "alarms", "nowhere", "--until-end")
    lines = sorted(run(server, *words).stdout.splitlines())
    assert lines == [b"#alarms two", b"#builds one", b"#builds three"]
    last = run(server, *words, "--last", "1", "--json").stdout
    rows = [json.loads(line) for line in last.splitlines()]
    assert sorted((row["room"], row["text"]) for row in rows) == [
        ("alarms", "two"),
        ("builds", "three"),
    ]
    reader = begin("recv", "builds", "alarms", "-v", "--count", "2")
    assert b"listening to builds, alarms at " in until(reader.stderr, b"listening")
    for room in ("alarms", "builds", "alarms"):
        assert run(server, "send", room, "now").returncode == 0
    assert reader.communicate(timeout=PATIENCE)[0] == b"#alarms now\n#builds now\n"
    assert reader.returncode == 0


def test_bytes_come_out_as_they_went_in(
    server: ServerProcess, terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    data = bytes(range(256)) * 300
    for each in (data, b"", b"end"):
        assert run(server, "send", "lobby", "--whole", given=each).returncode == 0
    assert history(server, "--raw") == data + b"end"
    line = shlex.join(command("recv", "lobby", "--from", "1", "--count", "1", "--raw"))
    file = tmp_path / "file"
    assert terminal(line=f"{line} > {shlex.quote(str(file))}").wait() == 0
    assert file.read_bytes() == data
    refused = terminal("recv", "lobby", "--from", "1", "--raw")
    assert refused.wait() == 2
    assert b"--raw > FILE" in refused.output
    assert data[:4] not in refused.output


def test_a_picture_is_one_line_whose_command_saves_it(
    server: ServerProcess, terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    assert run(server, "demo", "--pace", "0").returncode == 0
    reader = terminal("recv", "lobby", "--until-end", width=300)
    assert reader.wait() == 0
    (line,) = (each for each in reader.output.splitlines() if b"PNG" in each)
    found = re.fullmatch(
        rb"-- from linus: PNG image, [\d.]+ KiB; to save it: (.*) > FILE.png", line
    )
    assert found, line
    assert len(reader.output.splitlines()) < 70
    saved = subprocess.run(
        ["/bin/sh", "-c", found[1].decode()],
        capture_output=True,
        env=variables(server),
        timeout=PATIENCE,
        check=True,
    )
    assert saved.stdout == picture()


def test_a_template(server: ServerProcess) -> None:
    sent = run(server, "--name", "al", "send", "lobby", "--whole", given=b"two\nlines\x1b[2J{seq}")
    assert sent.returncode == 0
    (row,) = map(json.loads, history(server, "--json").splitlines())
    line = history(server, "--format", "{{{time}}} {room}/{seq} {from}: {text}").decode()
    moment, rest = line.removeprefix("{").split("} ", 1)
    assert datetime.fromisoformat(moment).timestamp() * 1000 == row["time"]
    assert rest == f"lobby/{row['seq']} al: two\\nlines\\x1b[2J{{seq}}\n"


def test_a_server_that_comes_late(server: ServerProcess, begin: Begin) -> None:
    server.stop()
    for words in ((), ("--plain",)):
        reader = begin("recv", "lobby", "-v", "--timeout", str(PATIENCE), "--count", "1", *words)
        assert b"connection refused" in until(reader.stderr, b"trying again")
        server.start()
        until(reader.stderr, b"listening to lobby")
        assert run(server, "send", "lobby", "hello").returncode == 0
        assert reader.communicate(timeout=PATIENCE)[0] == b"hello\n"
        assert reader.returncode == 0
        server.stop()
    late = run(server, "recv", "lobby", "--timeout", "0.2")
    assert late.returncode == 5
    assert b"connection refused" in late.stderr


def test_a_gap(start: Callable[..., ServerProcess]) -> None:
    server = start("--store", "memory")  # its numbers begin far above 1
    assert run(server, "send", "lobby", "hello").returncode == 0
    words = ("recv", "lobby", "--from", "1", "--until-end")
    done = run(server, *words)
    assert (done.returncode, done.stdout) == (0, b"hello\n")
    assert b"history has a gap: the messages 1 to " in done.stderr
    strict = run(server, *words, "--strict")
    assert (strict.returncode, strict.stdout) == (7, b"")
    assert b"no longer kept" in strict.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["sned"], 2, "did you mean send?"),
        (["send", "hall", "x", "--plain"], 2, "lobby"),
        (["send", "a b", "x"], 2, "a room's name is"),
        (["recv", "a b"], 2, "a room's name is"),
        (["who", "a b"], 2, "a room's name is"),
        (["send", "lobby", "", "--plain"], 2, "empty"),
        (["send", "@nobody", "x"], 3, "nobody called nobody"),
        (["recv", "lobby", "--from", "9999"], 3, "beyond what was said"),
        (["recv", "lobby", "--timeout", "0.2"], 6, "nothing came"),
        (["recv", "lobby", "lobby"], 2, "named twice"),
        (["recv", "lobby", "hall", "--plain"], 2, "lobby"),
        (["recv", "lobby", "--raw", "--json"], 2, "not allowed with"),
        (["recv", "lobby", "--raw", "--format", "{text}"], 2, "not allowed with"),
        (["recv", "lobby", "--format", "{text.x}"], 2, "{room} {seq} {from} {time} {text}"),
        (["recv", "lobby", "--format", "{"], 2, "{{ and }}"),
        (["recv", "lobby", "--server", "127.0.0.1:1"], 5, "start it with: tcpmsg serve"),
        (["send", "lobby", "x", "--server", "127.0.0.1:1"], 5, "connection refused"),
        (["send", "lobby", "x", "--plain", "--server", "127.0.0.1:1"], 5, "connection refused"),
        (["ping", "--server", "127.0.0.1:1"], 5, "connection refused"),
        (["send", "lobby", "x", "--server", "foo:bar=baz"], 2, "foo"),
        (["send", "lobby", "x", "--header-size", "64"], 3, "check the address and --header-size"),
        (["send", "lobby", "x", "--client", "/nonexistent/file"], 2, "No such file"),
    ],
)
def test_exit_codes(shared: ServerProcess, words: list[str], code: int, said: str) -> None:
    done = run(shared, *words)
    (line,) = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (code, b""), line
    assert line.startswith("tcpmsg: ")
    assert said in line


def test_a_server_of_another_width(start: Callable[..., ServerProcess]) -> None:
    server = start("--header-size", "64")
    done = run(server, "send", "lobby", "x")
    assert done.returncode == 3
    assert b"--header-size" in done.stderr
    assert run(server, "send", "lobby", "x", "--header-size", "64").returncode == 0


def test_a_message_above_the_limit(server: ServerProcess) -> None:
    done = run(server, "send", "lobby", given=b"one\n" + b"x" * (2 << 20) + b"\nthree\n")
    assert done.returncode == 3
    assert b"line 2 has 2097152 bytes" in done.stderr
    assert history(server) == b"one\n"


def test_a_name_that_is_taken(server: ServerProcess, receiver: Callable[..., Any]) -> None:
    receiver("--name", "alice")
    done = run(server, "--name", "alice", "send", "lobby", "x")
    assert done.returncode == 0
    assert b"the name alice is taken: here you are alice" in done.stderr
    quiet = run(server, "--name", "alice", "-q", "send", "lobby", "x")
    assert (quiet.returncode, quiet.stderr) == (0, b"")


def test_what_a_server_says(server: ServerProcess, receiver: Callable[..., Any]) -> None:
    receiver("--name", "alice")
    assert run(server, "send", "attic", "x").returncode == 0
    assert run(server, "who", "lobby").stdout == b"alice\n"
    assert run(server, "who", "nowhere").stdout == b""
    assert run(server, "rooms").stdout == b"attic\t0\t1\nlobby\t1\t0\n"
    rows = [json.loads(line) for line in run(server, "rooms", "--json").stdout.splitlines()]
    assert rows[0] == {"room": "attic", "members": 0, "seq": 1}
    ping = run(server, "ping", "--json")
    assert ping.returncode == 0
    assert 0 < json.loads(ping.stdout)["ms"] < PATIENCE * 1000
    assert b" answered in " in run(server, "ping").stdout


def test_a_server_that_does_not_answer(server: ServerProcess, begin: Begin) -> None:
    sender = begin("send", "lobby", "-", "--timeout", "10")  # so much the first one may take
    feed(sender, b"one\n")
    until(begin("recv", "lobby", "--from", "1", "--count", "1").stdout, b"one")
    assert run(server, "ping").returncode == 0  # by now the first one is acknowledged, too
    server.process.send_signal(signal.SIGSTOP)
    try:
        feed(sender, b"two\n")
        for words in (("ping", "--timeout", "0.2"), ("send", "lobby", "x", "--timeout", "0.2")):
            assert run(server, *words).returncode == 6
        assert sender.wait(PATIENCE) == 6
        assert sender.stderr is not None
        said = sender.stderr.read()
        assert b"no acknowledgement within 10 s: 1 message may be stored or not" in said
    finally:
        server.process.send_signal(signal.SIGCONT)


def test_a_killed_server_loses_and_doubles_nothing(server: ServerProcess, begin: Begin) -> None:
    sender = begin("send", "lobby")
    reader = begin("recv", "lobby", "--from", "1", "--count", "20000")
    feed(sender, numbers(1, 10_000))
    until(reader.stdout, b"5000")
    server.kill()
    feed(sender, numbers(10_001, 15_000))
    server.start()
    feed(sender, numbers(15_001, 20_000))
    assert sender.stdin is not None
    sender.stdin.close()
    assert sender.wait(PATIENCE) == 0
    assert reader.stdout is not None
    assert reader.stdout.read() == numbers(5001, 20_000)
    assert history(server) == numbers(1, 20_000)
    for process in (sender, reader):
        assert process.stderr is not None
        said = process.stderr.read()
        assert b"connection lost, trying again" in said
        assert b"connected again" in said


def test_a_killed_sender_can_run_again(server: ServerProcess, begin: Begin, tmp_path: Path) -> None:
    path = tmp_path / "client"
    words = ("send", "lobby", "--client", str(path), "--id", "1000000")
    sender = begin(*words)
    feed(sender, numbers(1, 10_000))
    until(begin("recv", "lobby", "--from", "1").stdout, b"5000")
    busy = run(server, *words, given=b"")
    assert busy.returncode == 75
    assert b"another run uses it now" in busy.stderr
    sender.kill()
    sender.wait(PATIENCE)
    assert path.stat().st_mode & 0o777 == 0o600
    done = run(server, *words, given=numbers(1, 20_000))
    assert done.returncode == 0
    assert b"stored by an earlier run" in done.stderr
    assert history(server) == numbers(1, 20_000)


def test_recv_over_a_restart_sees_each_message_once(
    server: ServerProcess, receiver: Callable[..., Any]
) -> None:
    reader, quiet = receiver("--count", "20"), receiver("--count", "20", "-q")
    assert run(server, "send", "lobby", given=numbers(1, 10)).returncode == 0
    until(reader.stdout, b"10")
    server.restart()
    # nobody waits for the readers: what is sent meanwhile is stored for them
    assert run(server, "send", "lobby", given=numbers(11, 20)).returncode == 0
    assert reader.stdout.read() == numbers(11, 20)
    assert quiet.stdout.read() == numbers(1, 20)
    said = reader.stderr.read()
    assert b"connection lost, trying again (the server stops" in said
    assert b"connected again" in said
    assert quiet.stderr.read() == b""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
@pytest.mark.parametrize("plain", [[], ["--plain"]], ids=["typed", "plain"])
def test_signals(
    server: ServerProcess, begin: Begin, plain: list[str], number: signal.Signals, code: int
) -> None:
    reader = begin("recv", "lobby", "-v", *plain)
    until(reader.stderr, b"listening")
    sender = begin("send", "lobby", "-", *plain)  # what it sends tells that it runs
    feed(sender, b"x\n")
    until(reader.stdout, b"x")
    for process in (sender, reader):
        process.send_signal(number)
        assert process.wait(PATIENCE) == code
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_a_reader_that_has_had_enough(receiver: Callable[..., Any]) -> None:
    reader = receiver()
    reader.stdout.close()
    assert reader.wait(PATIENCE) == 0
    assert reader.stderr.read() == b""


def test_a_pipe_whose_reader_takes_one_line(server: ServerProcess) -> None:
    assert run(server, "send", "lobby", given=numbers(1, 50_000)).returncode == 0
    words = shlex.join(command("recv", "lobby", "--until-end"))
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {words} | head -1"],
        capture_output=True,
        env=variables(server),
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"1\n", b"")


def test_output_that_cannot_be_written_is_told(server: ServerProcess) -> None:
    assert run(server, "send", "lobby", "hello").returncode == 0
    for words in (("recv", "lobby", "--until-end"), ("rooms",)):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                command(*words),
                stdout=full,
                stderr=subprocess.PIPE,
                env=variables(server),
                timeout=PATIENCE,
                check=False,
            )
        assert done.returncode == 1
        assert done.stderr == b"tcpmsg: cannot read or write: No space left on device\n"


@pytest.mark.parametrize("plain", ["", " --plain"], ids=["typed", "plain"])
def test_closed_standard_input_is_empty(server: ServerProcess, plain: str) -> None:
    line = f"{shlex.join(command('send', 'lobby'))}{plain} <&-"
    result = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        env=variables(server),
        timeout=PATIENCE,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("words", "code"),
    [(["chat", "<", "/dev/null", ">&-"], 0), (["who", "a/b", "2>&-"], 2)],
    ids=["stdout", "stderr"],
)
def test_closed_standard_output(server: ServerProcess, words: list[str], code: int) -> None:
    line = f"{shlex.join(command())} {' '.join(words)}"
    result = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        env=variables(server),
        timeout=PATIENCE,
        check=False,
    )
    assert (result.returncode, result.stdout) == (code, b"")


def test_input_that_cannot_be_read_is_told(server: ServerProcess) -> None:
    with open("/proc/self/mem", "rb") as unreadable:
        result = subprocess.run(
            command("send", "lobby"),
            stdin=unreadable,
            capture_output=True,
            env=variables(server),
            timeout=PATIENCE,
            check=False,
        )
    assert result.returncode == 1
    assert result.stderr == b"tcpmsg: cannot read or write: Input/output error\n"


@pytest.mark.parametrize("plain", [[], ["--plain"]], ids=["typed", "plain"])
def test_hostile_text_does_not_reach_the_terminal(
    server: ServerProcess, terminal: Callable[..., Terminal], plain: list[str]
) -> None:
    evil = b"\x1b]0;owned\x07\x1b[2J\x9b31m\xe2\x80\xaeend"
    line = terminal("recv", "lobby", "-v", *plain)
    line.wait_for(rb"listening to lobby")
    assert run(server, "--name", "mallory", "send", "lobby", *plain, given=evil).returncode == 0
    seen = line.wait_for(rb"end\r?\n")
    assert rb"mallory: \x1b]0;owned\x07\x1b[2J\x9b31m\u202eend" in seen
    for acting in (b"\x1b]0;owned", b"\x07", b"\x9b", b"\xe2\x80\xae"):
        assert acting not in seen
    line.type(b"\x03")
    assert line.wait() == 130


def test_progress_is_shown_on_a_terminal_and_nowhere_else(
    server: ServerProcess, terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    words = shlex.join(command("send", "lobby"))
    sender = terminal(line=f"exec {words} < {shlex.quote(str(pipe))}")
    with pipe.open("wb") as feeding:
        feeding.write(b"one\n")
        feeding.flush()
        sender.wait_for(rb"1 message stored")
    assert sender.wait() == 0
    assert history(server) == b"one\n"


def test_a_token_from_a_file(server: ServerProcess, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("s3cret\n")
    done = subprocess.run(
        command("ping"),
        capture_output=True,
        env=variables(server, TCPMSG_TOKEN_FILE=str(path)),
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr

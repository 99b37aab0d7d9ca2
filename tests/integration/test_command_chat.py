"""The chat against a real server, as people use it.

A terminal is not in raw mode while a line is printed above the one being typed, and Ctrl-D
is no key then: it is typed only when the prompt stands there again.
"""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.integration import commands
from tests.integration.commands import Terminal, run, until
from tests.integration.conftest import PATIENCE, ServerProcess

Begin = Callable[..., "subprocess.Popen[bytes]"]
Open = Callable[..., Terminal]


@pytest.fixture
def join(terminal: Open) -> Callable[..., Terminal]:
    """Open a chat under a name, without colours, and return it once it is in the room."""

    def start(name: str, *words: str, width: int = 80) -> Terminal:
        chat = terminal("chat", "--name", name, *words, width=width, NO_COLOR="1")
        chat.wait_for(rb"-- in #\w+: [^\n]*you \(%s\)\r\n" % name.encode())
        return chat

    return start


def enter(chat: subprocess.Popen[bytes], *lines: bytes) -> None:
    """Give lines to a chat in pipes."""
    assert chat.stdin is not None
    chat.stdin.write(b"".join(line + b"\n" for line in lines))
    chat.stdin.flush()


def close(chat: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """End a chat's input; return what is left of its output."""
    rest = chat.communicate(timeout=PATIENCE)
    assert chat.returncode == 0
    return rest


def stored(server: ServerProcess, room: str = "lobby") -> list[bytes]:
    """Return the texts that a room holds."""
    done = run(server, "recv", room, "--from", "0", "--until-end")
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.splitlines()


# -- at a terminal -----------------------------------------------------------


def test_two_people_talk(join: Callable[..., Terminal]) -> None:
    alice = join("alice")
    bob = join("bob")
    alice.wait_for(rb"-- bob is here\r\n")
    alice.type(b"hello\r")
    alice.wait_for(rb"\d\d:\d\d <alice> hello\r\n")
    bob.wait_for(rb"\d\d:\d\d <alice> hello\r\n")
    bob.type(b"/me waves\r")
    for each in (alice, bob):
        each.wait_for(rb"\d\d:\d\d \* bob waves\r\n")
    bob.type(b"/who\r")
    bob.wait_for(rb"-- in #lobby: alice and you \(bob\)\r\n")
    bob.type(b"/quit\r")
    assert bob.wait() == 0
    alice.wait_for(rb"-- bob has left\r\n.*#lobby>")
    alice.type(b"\x04")
    assert alice.wait() == 0


def test_history_on_joining(server: ServerProcess, join: Callable[..., Terminal]) -> None:
    lines = b"".join(b"line %d.\n" % n for n in range(30))
    assert run(server, "--name", "carol", "send", "lobby", given=lines).returncode == 0
    alice = join("alice")
    seen = alice.wait_for(rb"line 29\.\r\n")
    assert re.findall(rb"\d\d:\d\d <carol> line (\d+)\.\r\n", seen) == [
        b"%d" % n for n in range(10, 30)
    ]
    bob = join("bob", "--last", "1")
    seen = bob.wait_for(rb"line 29\.\r\n")
    assert seen.count(b"line") == 1


def test_the_name_that_the_server_gives(join: Callable[..., Terminal], terminal: Open) -> None:
    join("alice")
    second = terminal("chat", "--name", "alice", NO_COLOR="1")
    second.wait_for(rb"as alice-2;.*-- the name alice is taken: here you are alice-2\r\n")
    guest = terminal("chat", NO_COLOR="1")
    guest.wait_for(rb"connected to [\d.:]+ as guest-\d+;")


def test_direct_messages(join: Callable[..., Terminal]) -> None:
    alice, bob = join("alice"), join("bob")
    alice.type(b"/msg bob for you alone\r")
    bob.wait_for(rb"\d\d:\d\d \[alice\] for you alone\r\n")
    alice.wait_for(rb"\d\d:\d\d -> bob: for you alone\r\n")
    alice.type(b"/msg carol hello\r")
    alice.wait_for(rb"-- not sent: nobody called carol [^\n]*: hello\r\n")


def test_rooms(server: ServerProcess, join: Callable[..., Terminal]) -> None:
    alice, bob = join("alice", "#dev"), join("bob", "dev")
    alice.type(b"/join lobby\r")
    alice.wait_for(rb"-- in #lobby: you \(alice\)\r\n.*#lobby>")
    bob.type(b"to dev\r")
    alice.wait_for(rb"\d\d:\d\d #dev <bob> to dev\r\n")
    alice.type(b"to lobby\r")
    alice.wait_for(rb"\d\d:\d\d #lobby <alice> to lobby\r\n")
    alice.type(b"/join dev\rto dev, too\r")
    bob.wait_for(rb"\d\d:\d\d <alice> to dev, too\r\n")
    alice.type(b"/part\r")
    alice.wait_for(rb"-- you have left #dev; now in #lobby\r\n")
    bob.wait_for(rb"-- alice has left\r\n")
    assert (stored(server), stored(server, "dev")) == ([b"to lobby"], [b"to dev", b"to dev, too"])


def test_another_name_loses_and_doubles_nothing(
    server: ServerProcess, join: Callable[..., Terminal]
) -> None:
    alice, bob = join("alice"), join("bob")
    alice.type(b"one\r/nick zoe\rtwo\r")
    alice.wait_for(rb"-- you are zoe now\r\n.*\d\d:\d\d <zoe> two\r\n")
    seen = bob.wait_for(rb"<zoe> two\r\n")
    for line in (b"<alice> one\r\n", b"-- zoe is here\r\n", b"-- alice has left\r\n"):
        assert seen.count(line) == 1, line
    bob.type(b"hi zoe\r")
    alice.wait_for(rb"<bob> hi zoe\r\n")
    alice.type(b"/nick bob\r")
    alice.wait_for(rb"-- the name bob is taken: here you are bob-2\r\n.*-- you are bob-2 now\r\n")
    assert stored(server) == [b"one", b"two", b"hi zoe"]


def test_a_restart_loses_and_doubles_nothing(
    server: ServerProcess, join: Callable[..., Terminal]
) -> None:
    alice, bob = join("alice"), join("bob")
    alice.type(b"before\r")
    alice.wait_for(rb"<alice> before\r\n")
    bob.wait_for(rb"<alice> before\r\n")
    server.kill()
    for each in (alice, bob):
        each.wait_for(rb"-- connection lost, trying again [^\n]*\r\n")
    alice.type(b"one\rtwo\r")
    alice.wait_for(rb"line is kept and sent later: one\r\n.*later: two\r\n.*\(offline\)>")
    server.start()
    assert alice.wait_for(rb"<alice> two\r\n").count(b"<alice> one\r\n") == 1
    alice.type(b"three\r")
    seen = bob.wait_for(rb"<alice> three\r\n")
    said = re.findall(rb"<alice> (\w+)", seen)
    assert said == [b"one", b"two", b"three"]
    seen = alice.wait_for(rb"<alice> three\r\n")
    assert not re.findall(rb"<alice> (one|two|before)", seen)
    assert stored(server) == [b"before", b"one", b"two", b"three"]
    for each in (alice, bob):
        each.type(b"\x03")
        assert each.wait() == 130


def test_what_comes_in_does_not_disturb_the_line(
    server: ServerProcess, join: Callable[..., Terminal]
) -> None:
    chat = join("alice")
    chat.type(b"half a")
    chat.wait_for(rb"half a")
    assert run(server, "--name", "bob", "send", "lobby", "from bob").returncode == 0
    # the message stands on a line of its own, and the line being typed is drawn again
    chat.wait_for(rb"<bob> from bob\r\n.*#lobby> half a")
    chat.type(b" line\r")
    chat.wait_for(rb"<alice> half a line\r\n")
    assert stored(server) == [b"from bob", b"half a line"]


def test_hostile_text_does_not_reach_the_terminal(
    server: ServerProcess, join: Callable[..., Terminal]
) -> None:
    evil = b"\x1b]0;owned\x07\x1b[2J\x9b31m\xe2\x80\xae\n-- bob has left\n12:00 <bob> x\rend"
    chat = join("alice")
    sent = run(server, "--name", "mallory", "send", "lobby", "--whole", given=evil)
    assert sent.returncode == 0
    seen = chat.wait_for(rb"end\r\n")
    shown = rb"<mallory> \x1b]0;owned\x07\x1b[2J\x9b31m\u202e" b"\r\n"
    assert shown + b"    -- bob has left\r\n    12:00 <bob> x\\x0dend\r\n" in seen
    for acting in (b"\x1b]0;owned", b"\x07", b"\x9b", b"\xe2\x80\xae"):
        assert acting not in seen


def test_the_demo_s_picture_is_one_line(
    server: ServerProcess, join: Callable[..., Terminal]
) -> None:
    assert run(server, "demo", "--pace", "0").returncode == 0
    alice = join("alice", "--last", "50")
    seen = alice.wait_for(rb"everybody sees it\.\r\n")
    (line,) = (each for each in seen.splitlines() if b"PNG" in each)
    assert re.search(
        rb"\d\d:\d\d -- from linus: PNG image, [\d.]+ KiB; "
        rb"to save it: .* recv lobby --from \d+ --count 1 --raw > FILE\.png$",
        line,
    ), line


def test_lines_are_broken_between_words(
    server: ServerProcess, join: Callable[..., Terminal]
) -> None:
    words = b"one two three four five six seven eight nine ten"
    for width, shown in (
        (40, b"<bob> one two three four five six\r\n    seven eight nine ten\r\n"),
        (80, b"<bob> " + words + b"\r\n"),
        (120, b"<bob> " + words + b"\r\n"),
    ):
        chat = join(f"alice{width}", "--last", "0", width=width)
        assert run(server, "--name", "bob", "send", "lobby", words.decode()).returncode == 0
        chat.wait_for(re.escape(shown))
        chat.resize(30)
        wide = "中文" * 8
        assert run(server, "--name", "bob", "send", "lobby", wide).returncode == 0
        shown = f"<bob> {wide[:9]}\r\n    {wide[9:]}\r\n".encode()
        chat.wait_for(re.escape(shown))


def test_tab_completes(server: ServerProcess, join: Callable[..., Terminal]) -> None:
    assert run(server, "send", "development", "x").returncode == 0
    alice = join("alice")
    join("robert")
    alice.wait_for(rb"robert is here\r\n.*#lobby>")
    alice.type(b"rob\thi\r")
    alice.wait_for(rb"<alice> robert: hi\r\n")
    alice.type(b"/who devel\t\r")
    alice.wait_for(rb"-- in #development: nobody\r\n")
    alice.type(b"/m\t")
    alice.wait_for(rb"/me +/msg")


def test_a_dumb_terminal_gets_lines(server: ServerProcess, terminal: Open) -> None:
    chat = terminal("chat", "--name", "alice", width=40, TERM="dumb")
    chat.wait_for(rb"no line editor here.*TERM is dumb.*in #lobby: you \(alice\)\r\n")
    assert run(server, "--name", "bob", "send", "lobby", "one two " * 4).returncode == 0
    seen = chat.wait_for(rb"<bob> one two one two one two one\r\n    two\r\n")
    assert b"\x1b" not in seen
    chat.type(b"\x04")
    assert chat.wait() == 0


def test_colours_tell_notices_from_texts(server: ServerProcess, terminal: Open) -> None:
    chat = terminal("chat", "--name", "alice")
    chat.wait_for(rb"\x1b\[2m-- in #lobby: you \(alice\)\x1b\[0m\r\n")
    assert run(server, "--name", "bob", "send", "lobby", "hi").returncode == 0
    chat.wait_for(rb"\x1b\[2m\d\d:\d\d\x1b\[0m <\x1b\[\d+mbob\x1b\[0m> hi\r\n")


def test_ctrl_c_and_an_unknown_word(server: ServerProcess, join: Callable[..., Terminal]) -> None:
    chat = join("alice")
    chat.type(b"/quti\r/help\r")
    chat.wait_for(rb"no command /quti; nothing was sent; did you mean /quit\?.*/nick NAME")
    chat.type(b"\x03")
    assert chat.wait() == 130
    assert stored(server) == []


def test_keys_that_cannot_be_read_show_no_traceback(
    server: ServerProcess, join: Callable[..., Terminal]
) -> None:
    chat = join("alice")
    chat.wait_for(rb"#lobby>")
    chat.type(b"one\x1b[31m")  # prompt-toolkit takes that for a mouse
    chat.wait_for(rb"one")  # or it is dropped with them
    run(server, "send", "lobby", "between")
    assert b"Traceback" not in chat.wait_for(rb"between\r\n")
    chat.type(b"\r")
    assert b"Traceback" not in chat.wait_for(rb"<alice> one\r\n")
    chat.type(b"\x03")
    assert chat.wait() == 130


def test_a_chat_that_does_not_end_is_noticed(
    join: Callable[..., Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = join("alice")
    monkeypatch.setattr(commands, "PATIENCE", 0.1)
    with pytest.raises(AssertionError, match="still running"):
        chat.wait()


def test_ctrl_z_goes_to_the_shell_and_back(
    server: ServerProcess, terminal: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = shlex.join(commands.command("chat", "--name", "alice"))
    shell = ["import os, sys; os.execvp(sys.argv[1], sys.argv[1:])", "bash", "-m", "-c"]
    monkeypatch.setattr(commands, "command", lambda line: [sys.executable, "-c", *shell, line])
    bash = terminal(f"{chat}; echo stopped: $?; fg; echo left: $?", NO_COLOR="1")
    bash.wait_for(rb"in #lobby: you \(alice\)\r\n.*#lobby>")
    bash.type(b"\x1a")
    bash.wait_for(rb"stopped: 148\r\n.*#lobby>")
    bash.type(b"back\r")
    bash.wait_for(rb"<alice> back\r\n.*#lobby>")
    bash.type(b"\x04")
    bash.wait_for(rb"left: 0\r\n")


def test_leaving_without_a_connection_is_told(
    server: ServerProcess, join: Callable[..., Terminal]
) -> None:
    chat = join("alice")
    server.kill()
    chat.wait_for(rb"-- connection lost")
    chat.type(b"unsaid\r")
    chat.wait_for(rb"later: unsaid\r\n.*\(offline\)>")
    chat.type(b"\x04")
    chat.wait_for(rb"-- 1 line may not have been sent: there is no connection\r\n")
    assert chat.wait() == 5


# -- in pipes ----------------------------------------------------------------


def test_two_chats_in_pipes(server: ServerProcess, begin: Begin) -> None:
    alice, bob = begin("chat", "--name", "alice"), begin("chat", "--name", "bob")
    for each in (alice, bob):
        until(each.stderr, b"tcpmsg: in #lobby: ")
    enter(alice, b"hello", b"/nonsense", b"//slash", b"caf\xe9\x1b[2J")
    until(alice.stderr, b"no command /nonsense")
    for text in (b"hello", b"/slash", rb"caf\xe9\x1b[2J"):
        assert re.fullmatch(rb"\d\d:\d\d <alice> %s\n" % re.escape(text), until(bob.stdout, b":"))
    enter(bob, b"hello", b"/nick robert", b"bye")
    out, _ = close(bob)
    assert out == b""
    assert until(alice.stdout, b"bob").endswith(b" <bob> hello\n")
    assert until(alice.stdout, b"robert").endswith(b" <robert> bye\n")
    enter(alice, b"/quit", b"not sent")
    assert close(alice)[0] == b""
    assert stored(server)[-2:] == [b"hello", b"bye"]


def test_history_in_a_pipe_is_asked_for(server: ServerProcess, begin: Begin) -> None:
    assert run(server, "--name", "carol", "send", "lobby", "before").returncode == 0
    without, chat = begin("chat", "--name", "a"), begin("chat", "--name", "b", "--last", "5")
    until(without.stderr, b"tcpmsg: in #lobby")
    assert until(chat.stdout, b"carol").endswith(b" <carol> before\n")
    enter(chat, b"now")
    assert until(without.stdout, b":").endswith(b" <b> now\n")


def test_quiet_chats_say_only_what_is_urgent(server: ServerProcess, begin: Begin) -> None:
    other = begin("chat", "--name", "bob")
    until(other.stderr, b"in #lobby")
    quiet = begin("chat", "-q", "--name", "alice")
    enter(other, b"hello")
    enter(quiet, b"/msg nobody x")
    assert b"not sent: nobody called nobody" in until(quiet.stderr, b"tcpmsg")
    assert close(quiet)[1] == b""


def test_chats_in_plain_frames(server: ServerProcess, begin: Begin) -> None:
    typed = begin("chat", "--name", "carol")
    until(typed.stderr, b"in #lobby")
    alice, bob = (begin("chat", "--plain", "--name", name) for name in ("alice", "bob"))
    for each in (alice, bob):
        until(each.stderr, b"connected to")
        assert re.fullmatch(rb"tcpmsg: guest-\d+ is here\n", until(typed.stderr, b"guest"))
    enter(alice, b"hello", b"/me waves", b"/nick zoe", b"//slash")
    assert b"no command /nick" in until(alice.stderr, b"/nick")
    assert bob.stdout is not None
    assert [bob.stdout.readline() for _ in range(3)] == [
        b"alice: hello\n",
        b"* alice waves\n",
        b"alice: /slash\n",
    ]
    assert re.fullmatch(rb"..:.. <guest-\d+> alice: hello\n", until(typed.stdout, b"hello"))
    enter(typed, b"hi", b"/me waves, too")
    assert [bob.stdout.readline() for _ in range(2)] == [b"hi\n", b"* carol waves, too\n"]
    assert close(bob)[0] == b""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
@pytest.mark.parametrize("words", [[], ["--plain"]], ids=["typed", "plain"])
def test_signals(begin: Begin, words: list[str], number: signal.Signals, code: int) -> None:
    process = begin("chat", "--last", "0", *words)
    until(process.stderr, b"connected to" if words else b"in #lobby")
    process.send_signal(number)
    assert process.wait(PATIENCE) == code
    assert process.stderr is not None
    assert process.stderr.read() == b""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--server", "127.0.0.1:1"], 5, "connection refused"),
        (["--plain", "--server", "127.0.0.1:1"], 5, "connection refused"),
        (["--server", "foo:bar=baz"], 2, "foo"),
        (["no room"], 2, "a room's name is"),
        (["hall", "--plain"], 2, "lobby"),
        (["--plain", "--last", "3"], 2, "no history"),
        (["--last", "-3"], 2, "--last"),
    ],
)
def test_exit_codes(shared: ServerProcess, words: list[str], code: int, said: str) -> None:
    done = run(shared, "chat", *words)
    (line,) = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (code, b""), line
    assert line.startswith("tcpmsg: ")
    assert said in line

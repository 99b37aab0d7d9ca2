"""The command line: verbs, options before and behind them, and what is wrong with others."""

import argparse
import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.cli import main as command
from twisted_msg.cli.exits import Exit, UsageError
from twisted_msg.cli.options import TOKEN_LIMIT, count, place, read_common, seconds

HELP_WITHOUT_TWISTED = """
import sys
from twisted_msg.cli.main import main
VERBS = ("send", "recv", "chat", "who", "rooms", "ping", "demo", "bench", "serve")
for words in ("--help", "sned", *(f"{verb} -h" for verb in VERBS)):
    try:
        main(words.split())
    except SystemExit:
        pass
bad = [m for m in sys.modules if m.split(".")[0] in ("twisted", "prompt_toolkit", "asyncio")]
sys.exit(str(bad) if bad else 0)
"""


def parse(*words: str) -> argparse.Namespace:
    return command._parser().parse_args(words)


def refusal(*words: str) -> str:
    """Run a command line that is wrong, and return the one line it gives."""
    err = io.StringIO()
    with redirect_stderr(err):
        try:
            code: object = command.main(words)
        except SystemExit as ended:
            code = ended.code
    assert code == Exit.USAGE, (code, err.getvalue())
    (line,) = err.getvalue().splitlines()
    return line


class ParserTests(SynchronousTestCase):
    def test_common_options_stand_before_or_behind_the_verb(self) -> None:
        for words in (
            ("--server", "h:1", "--name", "a", "-q", "send", "lobby", "x"),
            ("send", "--server", "h:1", "lobby", "--name", "a", "x", "-q"),
            ("--server", "g:1", "send", "lobby", "x", "--server=h:1", "--name", "a", "-q"),
        ):
            with self.subTest(words):
                arguments = parse(*words)
                common = read_common(arguments, {})
                self.assertEqual((arguments.room, arguments.text), ("lobby", "x"))
                self.assertEqual((common.server, common.name, common.quiet), ("h:1", "a", True))

    def test_texts_that_look_like_options(self) -> None:
        self.assertEqual(parse("send", "lobby", "-").text, "-")
        self.assertEqual(parse("send", "lobby", "--", "-x").text, "-x")
        self.assertEqual(parse("send", "lobby", "- a list").text, "- a list")

    def test_help_shows_every_verb_with_an_example(self) -> None:
        out = io.StringIO()
        with redirect_stdout(out):
            self.assertRaises(SystemExit, command.main, ["--help"])
        for verb in command.VERBS:
            self.assertIn(verb.example, out.getvalue())

    def test_help_imports_no_twisted(self) -> None:
        done = subprocess.run(
            [sys.executable, "-c", HELP_WITHOUT_TWISTED], capture_output=True, text=True, timeout=60
        )
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_wrong_option_before_the_verb_is_what_is_told(self) -> None:
        said = refusal("--nme", "bob", "send", "lobby", "x")
        self.assertIn("no option --nme; did you mean --name?", said)
        self.assertIn("no verb 'bob'", refusal("--name", "al", "bob", "--nme"))

    def test_closed_standard_streams(self) -> None:
        with mock.patch.multiple(sys, stdin=None, stdout=None, stderr=None):
            command._open_standard_descriptors()
            for stream in (sys.stdin, sys.stdout, sys.stderr):
                self.assertFalse(stream.isatty())
                stream.close()

    def test_what_is_wrong_is_one_line(self) -> None:
        for words, hint in (
            ((), "serve, send, recv, chat"),
            (("sned",), "did you mean send?"),
            (("xyzzy",), "there are: serve"),
            (("send", "lobby", "x", "--nmae", "y"), "did you mean --name?"),
            (("send", "lobby", "two", "words"), "quotes"),
            (("send",), "ROOM"),
            (("send", "lobby", "x", "--timeout", "-1"), "--timeout"),
            (("send", "lobby", "x", "--timeout", "0"), "above 0"),
            (("recv", "lobby", "--count", "1_0"), "whole number"),
            (("recv", "hall", "--plain"), "lobby"),
            (("send", "hall", "x", "--plain"), "lobby"),
            (("send", "@bob", "x", "--plain"), "lobby"),
            (("send", "lobby", "", "--plain"), "keep-alive"),
            (("send", "lobby", "x", "--header-size", "64", "--client", "f"), "leave --plain out"),
            (("send", "lobby", "x", "--id", "1"), "--id needs --client FILE"),
            (("send", "lobby", "x", "--client", "f", "--id", "0"), "whole number from 1"),
            (("recv", "@b*b"), "a name is 1 to 24"),
            (("recv", "@bob", "--name", "al"), "leave --name out"),
            (("recv", "@bob", "--last", "3"), "--last: direct messages are live only"),
            (("recv", "@bob", "--plain"), "the plain protocol has one room"),
            (("recv", "lobby", "--from", "-1"), "--from"),
            (("recv", "lobby", "--from", "x"), "whole number from 0"),
            (("recv", "lobby", "--from", "1", "--last", "2"), "not allowed with"),
            (("recv", "lobby", "--since", "noon"), "10m"),
            *(
                (("recv", "lobby", "--plain", *flag.split()), "no history")
                for flag in ("--from 0", "--last 1", "--since 1m", "--until-end", "--strict")
            ),
            (("who", "lobby", "--plain"), "who needs typed frames"),
            (("rooms", "--disconnect-message", "x"), "rooms needs typed frames"),
            (("ping", "--header-size", "64"), "ping needs typed frames"),
            (("bench", "--plain"), "bench needs typed frames"),
            (("bench", "the builds"), "a room's name"),
            (("bench", "--size", "15"), "at least 16 bytes, not 15"),
            (("bench", "--size", "big"), "a size is"),
            (("bench", "--rate", "-1"), "--rate"),
            (("bench", "--rate", "fast"), "'fast' is no number of messages a second"),
            (("bench", "--size", "10000000000"), "no message has 10000000000 bytes"),
            (("bench", "--members", "x"), "whole number from 0"),
            (("bench", "--publishers", "0"), "whole number from 1"),
            (("bench", "--publishers", "90001"), "at most 90,000"),
            (("bench", "--members", "999999999"), "open files"),
            (("bench", "--count", "1", "--duration", "2"), "not allowed with"),
            (("bench", "--no-ids", "--in-flight", "2"), "not allowed with"),
            (("bench", "--server", "example.com"), "say --remote"),
            (("send", "lobby", "x", "--whole"), "--whole"),
            (("--server", "nonsense/", "send", "lobby", "x"), "HOST:PORT"),
            (("--name", "a b", "send", "lobby", "x"), "--name"),
            (("--header-size", "3", "send", "lobby", "x"), "4 to 2048"),
            (("--disconnect-message", "", "send", "lobby", "x"), "--disconnect-message"),
            (("--name", "a", "serve"), "behind the verb"),
        ):
            with self.subTest(words):
                self.assertIn(hint, refusal(*words))

    def test_no_text_on_a_terminal(self) -> None:
        with mock.patch("sys.stdin") as stdin:
            stdin.isatty.return_value = True
            self.assertIn("Ctrl-D", refusal("send", "lobby"))


class CommonTests(SynchronousTestCase):
    def test_defaults(self) -> None:
        common = read_common(argparse.Namespace(), {})
        self.assertEqual(
            (common.server, common.name, common.header_size, common.disconnect_word),
            ("127.0.0.1:5050", None, 128, b"!DISCONNECT!"),
        )

    def test_flags_win_over_the_environment(self) -> None:
        environment = {"TCPMSG_SERVER": "env:1", "TCPMSG_NAME": "env"}
        common = read_common(argparse.Namespace(), environment)
        self.assertEqual((common.server, common.name), ("env:1", "env"))
        common = read_common(argparse.Namespace(server="flag:1", name="flag"), environment)
        self.assertEqual((common.server, common.name), ("flag:1", "flag"))

    def test_a_bad_value_is_told_with_its_place(self) -> None:
        for variable in ("TCPMSG_SERVER", "TCPMSG_NAME"):
            with self.subTest(variable):
                error = self.assertRaises(
                    UsageError, read_common, argparse.Namespace(), {variable: "a b/"}
                )
                self.assertTrue(str(error).startswith(variable))

    def test_what_implies_the_original_protocol(self) -> None:
        for words, plain in (
            ((), False),
            (("--plain",), True),
            (("--header-size", "64"), True),
            (("--disconnect-message", "bye"), True),
        ):
            with self.subTest(words):
                self.assertEqual(read_common(parse("recv", "lobby", *words), {}).plain, plain)

    def test_the_token_s_file(self) -> None:
        path = Path(self.mktemp())
        environment = {"TCPMSG_TOKEN_FILE": str(path)}
        for content, wrong in (
            (None, "No such file"),
            (b" \n", "holds no token"),
            (b"x" * (TOKEN_LIMIT + 1), "holds no token"),
            (b"\xff", "holds no text"),
        ):
            if content is not None:
                path.write_bytes(content)
            error = self.assertRaises(UsageError, read_common, argparse.Namespace(), environment)
            self.assertIn(wrong, str(error))
        path.write_bytes(b"s3cret\n")
        common = read_common(argparse.Namespace(), environment)
        self.assertEqual(common.token, "s3cret")
        self.assertNotIn("s3cret", repr(common))

    def test_numbers(self) -> None:
        self.assertEqual((seconds("1.5"), count("7"), place("0")), (1.5, 7, 0))
        for wrong in ("", "nan", "inf", "-1", "1e3", "٣", str(2**63)):
            self.assertRaises(argparse.ArgumentTypeError, seconds, wrong)
            self.assertRaises(argparse.ArgumentTypeError, count, wrong)
            self.assertRaises(argparse.ArgumentTypeError, place, wrong)

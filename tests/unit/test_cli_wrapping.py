"""Lines that fit a terminal."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import termios

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from wcwidth import wcwidth

from twisted_msg.cli import wrapping
from twisted_msg.cli.text import visible
from twisted_msg.cli.wrapping import NARROWEST, cells, columns, wrapped


class WrappingTests(SynchronousTestCase):
    def test_examples(self) -> None:
        for text, lines in (
            ("", [""]),
            ("one two", ["one two"]),
            ("one two three four five", ["one two three four", "  five"]),
            ("    deep code that goes on", ["    deep code that", "  goes on"]),
            ("                deep", ["                deep"]),
            ("                deeper", ["  deeper"]),
            ("a                 deeper", ["a", "  deeper"]),
            ("a  b", ["a  b"]),
            ("one\ntwo", ["one", "two"]),
            ("see https://example.org/long now", ["see", "  https://example.org/long", "  now"]),
            ("这是一个很长的中文句子没有空格", ["这是一个很长的中文句", "  子没有空格"]),
            ("and 这是一个很长的中文", ["and 这是一个很长的中", "  文"]),
            ("e\u0301" * 21, ["e\u0301" * 20, "  e\u0301"]),
            ("\u00a0" * 25, ["\u00a0" * 20, "  " + "\u00a0" * 5]),
            ("\U0001f469\u200d\U0001f4bb" * 8 + " end", None),
            ("tab\tand a tab\tbed", ["tab\tand a tab", "  bed"]),
        ):
            with self.subTest(text):
                found = wrapped(text, 20, "  ")
                if lines is None:  # what it takes differs between versions of wcwidth
                    self.assertNotIn("\n  \u200d", found)
                    self.assertNotIn("\u200d\n", found)
                else:
                    self.assertEqual(found.split("\n"), lines)

    def test_nothing_that_is_joined_lets_a_terminal_break_a_line(self) -> None:
        """A terminal that draws each character by itself finds no line too wide."""
        for text in (
            "x" + " \u200d" * 16 + "  -- bob has left",
            "\u00a0\u200d" * 40 + "--\u00a0bob",
            "\u3000\u200d" * 40 + "--\u3000bob",
            "\u0915\u094d" * 17 + " -- bob has left",
            "\u2764\ufe0f" * 11,
        ):
            with self.subTest(text):
                shown = visible(text, continuation="    ")
                for line in wrapped(shown, 20, "    ").split("\n"):
                    separate = sum(max(0, wcwidth(each)) for each in line)
                    self.assertLessEqual(separate + line.count("\ufe0f"), 20)

    def test_the_first_line_may_begin_elsewhere(self) -> None:
        self.assertEqual(wrapped("one two", 20, "  ", "x" * 15), "one\n  two")
        self.assertEqual(wrapped("one two", 20, "  ", "你" * 9 + "x"), "\n  one two")
        self.assertEqual(wrapped("one two", None, "  ", "x" * 99), "one two")

    @given(
        st.one_of(st.text(), st.text(" -a你\n", max_size=200)),
        st.integers(NARROWEST, 60),
        st.integers(0, 70),
    )
    def test_nothing_is_lost_and_lines_fit(self, text: str, width: int, column: int) -> None:
        """All but single spaces stays, and only a long word of ASCII is wider than the line."""
        shown = visible(text, continuation="    ")
        found = wrapped(shown, width, "    ", "x" * column)
        self.assertEqual("".join(found.split()), "".join(shown.split()))
        for number, line in enumerate(found.split("\n")):
            self.assertTrue(number == 0 or line.startswith("    "))
            if line.strip() and (number or column + cells(line) <= width):
                longest = max(map(cells, line.split(" ")))
                self.assertLessEqual(cells(line), max(width, longest + 12))

    def test_a_large_text_takes_no_longer_than_its_length_asks_for(self) -> None:
        for text in ("x" * 200_000, "word " * 40_000, "你" * 60_000, "e\u0301" * 60_000):
            found = wrapped(text, 80, "    ")
            self.assertEqual("".join(found.split()), "".join(text.split()))


class ColumnsTests(SynchronousTestCase):
    def test_terminals_and_others(self) -> None:
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        terminal = open(theirs, "w")  # noqa: SIM115 - closed by the cleanup
        self.addCleanup(terminal.close)
        for width, found in ((80, 80), (NARROWEST, NARROWEST), (NARROWEST - 1, None), (0, None)):
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
            self.assertEqual(columns(terminal), found)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.patch(wrapping, "find_spec", lambda name: None)
        self.assertIsNone(columns(terminal))
        self.assertIsNone(columns(io.StringIO()))
        with open(os.devnull, "w") as file:
            self.assertIsNone(columns(file))

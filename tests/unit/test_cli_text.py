"""What reaches a terminal: nothing that acts."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.cli.text import visible


class VisibleTests(SynchronousTestCase):
    def test_examples(self) -> None:
        for given_text, shown in (
            ("plain", "plain"),
            ("", ""),
            ("grüße 你好 \u05e9\u05dc\u05d5\u05dd", "grüße 你好 \u05e9\u05dc\u05d5\u05dd"),
            ("\x1b[31mred", "\\x1b[31mred"),
            ("bell\x07 back\x08 del\x7f nul\0", "bell\\x07 back\\x08 del\\x7f nul\\x00"),
            ("\x9b31m", "\\x9b31m"),
            ("over\rwrite", "over\\x0dwrite"),
            ("right\u202eleft\u2066", "right\\u202eleft\\u2066"),
            ("para\u2029line\u2028", "para\\u2029line\\u2028"),
            ("\ufefftag\U000e0041", "\\ufefftag\\U000e0041"),
            ("half\ud800", "half\\ud800"),
            ("👩\u200d💻 \u200c", "👩\u200d💻 \u200c"),
            ("a\tb\u00a0c", "a\tb\u00a0c"),
            ("one\ntwo", "one\\ntwo"),
            (b"caf\xe9", "caf\\xe9"),
            (b"caf\xc3\xa9", "café"),
        ):
            with self.subTest(given_text):
                self.assertEqual(visible(given_text), shown)

    def test_further_lines_are_indented(self) -> None:
        self.assertEqual(visible("a\nb\r\nc\n\n", continuation="  "), "a\n  b\n  c")
        self.assertEqual(visible("a\rb\n", continuation="  "), "a\\x0db")

    @given(st.one_of(st.text(), st.binary()), st.sampled_from([None, "    "]))
    def test_nothing_that_acts_comes_out(self, text: "str | bytes", more: "str | None") -> None:
        """No input gives a control, format or separator character except tab and joiners, nor,
        with lines, one that begins anywhere but at its indentation."""
        out = visible(text, continuation=more)
        if more is not None:
            for line in out.split("\n")[1:]:
                self.assertTrue(line.startswith(more))
            out = out.replace("\n", "")
        for character in out:
            if character not in "\t\u200c\u200d":
                self.assertNotIn(unicodedata.category(character), {"Cc", "Cf", "Cs", "Zl", "Zp"})

"""What reaches a terminal: nothing that acts."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.cli.text import MARKS_LIMIT, visible


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

    def test_scripts_that_combine_marks_stay_readable(self) -> None:
        for text in (
            "Vie\u0323\u0302t Nam",  # two marks on one letter
            # Hebrew with cantillation
            "\u05d1\u05b0\u05bc\u05e8\u05b5\u05d0\u05e9\u05c1\u05b4\u0596\u05d9\u05ea",
            "\u05d9\u05b0\u05e8\u05d5\u05bc\u05e9\u05c1\u05b8\u05dc\u05b7\u05b4\u05bd\u0599\u05dd",
            "\u0e17\u0e35\u0e48\u0e19\u0e35\u0e48 \u0e19\u0e49\u0e33",  # Thai
            "\u0930\u094d\u0915\u094d\u0937\u094d\u092e\u094d\u092f\u093e\u0902",  # Devanagari
            "\u1000\u103b\u103d\u1014\u103a\u102f\u1015\u103a",  # Burmese
            "\u0f67\u0f90\u0fb5\u0fa8\u0fb3\u0fba\u0fbc\u0fbb\u0f82",  # the longest Tibetan stack
            "\u0628\u0650\u0633\u0652\u0645\u0650 \u0627\u0644\u0644\u0651\u064e\u0670\u0647",
            # a couple with a heart, and with colours of skin
            "\U0001f469\U0001f3fd\u200d\u2764\ufe0f\u200d\U0001f48b\u200d\U0001f468\U0001f3ff",
            "1\ufe0f\u20e3",
            "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466" * 20,
        ):
            with self.subTest(text):
                self.assertEqual(visible(text), text)

    def test_floods_of_marks_are_escaped(self) -> None:
        mark = "\u0301"
        kept, more = "Z" + mark * MARKS_LIMIT, "\\u0301"
        self.assertEqual(visible(kept + mark * 2 + "a" + mark), kept + more * 2 + "a" + mark)
        self.assertEqual(visible("Z" + "\u20dd" * 100).count("\u20dd"), MARKS_LIMIT)
        self.assertEqual(visible(mark * 50).count(mark), MARKS_LIMIT)  # with nothing before them

    def test_floods_of_hangul_vowels_and_finals_are_escaped(self) -> None:
        syllable = "\u1112\u1161\u11ab"  # one, in three parts
        self.assertEqual(visible(syllable * 20), syllable * 20)
        for part in ("\u1160", "\u1161", "\u11ff", "\ud7b0", "\ud7fb"):
            kept = visible("\u1112" + part * 100)
            self.assertEqual(kept.count(part), MARKS_LIMIT)
            self.assertIn(f"\\u{ord(part):04x}", kept)

    def test_joiners_between_marks_begin_no_new_run(self) -> None:
        flood = "Z" + "\u0301\u200d" * 50
        self.assertEqual(visible(flood).count("\u0301"), MARKS_LIMIT // 2)
        self.assertEqual(visible("a" + "\u200c" * 50).count("\u200c"), MARKS_LIMIT)

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

"""Text from others, made fit for a terminal.

Law of this file: whatever comes in, what goes out moves no cursor, changes no colour,
reverses no direction, covers no other line and hides nothing; letters of every script stay as
they are.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that act instead of showing: controls, format marks (bidi among
them), surrogates, line and paragraph separators."""

_JOINERS: Final = frozenset("\u200c\u200d")
"""Zero-width joiner and non-joiner: several scripts and most emoji cannot be written
without them, and they move nothing."""

MARKS_LIMIT: Final = 8
"""Combining marks, joiners included, that may follow one character.  Vietnamese needs 2, Thai and
Devanagari 3, Hebrew with cantillation 5, the highest stack of Tibetan 8.  Terminals draw more of
them over the lines above and below.  (The 30 of UAX #15 bound a buffer, not what is drawn.)"""


def visible(text: str | bytes, *, continuation: str | None = None) -> str:
    r"""Return text for one place on a terminal: what would act is written as an escape.

    Bytes are read as UTF-8, and those that are not are written as `\xNN`.  Tabs stay.  A
    line break is written as `\n`, or, with `continuation`, breaks the line and begins the
    next one with that string.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    if text.isascii() and text.isprintable():
        return text
    if continuation is None:
        return _escaped(text).replace("\n", "\\n")
    return _escaped(text.replace("\r\n", "\n").rstrip("\n")).replace("\n", "\n" + continuation)


def _escaped(text: str) -> str:
    """Return text with escapes for what would act, and for marks above `MARKS_LIMIT`.

    Vowels and finals of Hangul count as marks: a terminal draws each of them over the character
    before it (Unicode, section 18.6).  Line breaks are left for the caller.
    """
    shown = []
    marks = 0
    for character in text:
        if character.isascii():
            marks = 0
            printable = character.isprintable() or character in "\n\t"
        elif (
            character in _JOINERS
            or "\u1160" <= character <= "\u11ff"
            or "\ud7b0" <= character <= "\ud7ff"
            or (category := unicodedata.category(character))[0] == "M"
        ):
            marks += 1
            printable = marks <= MARKS_LIMIT
        else:
            marks = 0
            printable = category not in _HIDDEN
        shown.append(character if printable else _escape(character))
    return "".join(shown)


def _escape(character: str) -> str:
    """Return a character's escape, as Python writes it."""
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

"""Text from others, made fit for a terminal.

Law of this file: whatever comes in, what goes out moves no cursor, changes no colour,
reverses no direction and hides nothing; letters of every script stay as they are.
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


def visible(text: str | bytes, *, continuation: str | None = None) -> str:
    r"""Return text for one place on a terminal: what would act is written as an escape.

    Bytes are read as UTF-8, and those that are not are written as `\xNN`.  Tabs stay.  A
    line break is written as `\n`, or, with `continuation`, breaks the line and begins the
    next one with that string.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    if continuation is None:
        return "".join(map(_shown, text)).replace("\n", "\\n")
    text = text.replace("\r\n", "\n").rstrip("\n")
    return "".join(map(_shown, text)).replace("\n", "\n" + continuation)


def _shown(character: str) -> str:
    """Return a character, or its escape; a line break is left for the caller."""
    if character in "\n\t" or character in _JOINERS:
        return character
    if unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

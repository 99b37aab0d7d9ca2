"""Lines no wider than a terminal, broken between words.

Widths are those of a terminal's cells: two for East Asian characters and most emoji, none for
combining marks.  They are never too small: a terminal that had to break a line could begin the next
one with what looks like a notice.  Text that goes in is fit for a terminal already
(`text.visible`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from typing import IO, Final

INDENT: Final = "    "
"""What stands before the further lines of a message."""

NARROWEST: Final = 20
"""Cells of the narrowest terminal that lines are broken for: in less, words hardly fit."""

_WORD: Final = re.compile(r"([ \t]*)([^ \t]+)")
_TAB: Final = 8
_JOINER: Final = "\u200d"
_WIDENER: Final = "\ufe0f"
"""Draws the character before it as an emoji, which may be wider."""

JOINED_LIMIT: Final = 16
"""Cells of what joiners hold together: a family of four takes 8, and a line has room for it."""


def columns(stream: IO[str]) -> int | None:
    """Return the width of a terminal in columns, or None if lines are not to be broken."""
    try:
        found = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return None
    return found if found >= NARROWEST and find_spec("wcwidth") is not None else None


def cells(text: str) -> int:
    """Return how many cells text takes in a line at most; a tab counts as eight.

    Each character counts by itself, since terminals differ in what they draw in the same cells.
    """
    if text.isascii():
        return len(text) + text.count("\t") * (_TAB - 1)
    return sum(map(_cells_of, text))


@lru_cache(4096)
def _cells_of(character: str) -> int:
    """Return how many cells a character takes at most."""
    from wcwidth import wcwidth

    return {"\t": _TAB, _WIDENER: 1}.get(character) or max(0, wcwidth(character))


def wrapped(text: str, width: int | None, indent: str, before: str = "") -> str:
    """Return text with lines of at most `width` cells; None leaves them as they are.

    `before` is the prefix of the first line, `indent` that of each further one.
    A word of ASCII that is wider than a line, such as an address, stays whole for the terminal
    to break, so that it can be followed and copied.
    """
    if width is None:
        return text
    first, *others = text.split("\n")
    return "\n".join(
        [
            _broken(first, width, indent, cells(before)),
            *(_broken(line, width, indent, 0) for line in others),
        ]
    )


def _broken(line: str, width: int, indent: str, column: int) -> str:
    """Return one line, broken."""
    if column + cells(line) <= width:
        return line
    onward = "\n" + indent
    margin = cells(indent)
    parts = []
    for space, word in _WORD.findall(line):
        wide = cells(word)
        anywhere = wide > len(word)  # written without spaces, as Chinese is
        if column and column + cells(space) + (1 if anywhere else wide) > width:
            parts.append(onward)
            column = margin
        else:
            if not column and cells(space) > width // 2:
                space = indent  # as deep an indentation leaves no room for words
            parts.append(space)
            column += cells(space)
        if word.isascii() or column + wide <= width:
            parts.append(word)
            column += wide
            continue
        for cluster in _clusters(word):
            wide = cells(cluster)
            if column + wide > width:
                parts.append(onward)
                column = margin
            parts.append(cluster)
            column += wide
    return "".join(parts)


def _clusters(word: str) -> Iterator[str]:
    """Yield the characters of a word, each with what is drawn in the same cells."""
    cluster = ""
    for character in word:
        if cluster and character != _WIDENER and _cells_of(character):
            joined = cluster.endswith(_JOINER)
            if not joined or cells(cluster) + _cells_of(character) > JOINED_LIMIT:
                yield cluster
                cluster = ""
        cluster += character
    yield cluster

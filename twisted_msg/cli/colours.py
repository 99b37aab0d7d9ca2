"""Colours for people who see them.

Law of this file: colour stands round text that is visible already, and only where the
caller found a terminal and no `NO_COLOR`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Final

_SIGNED: Final = re.compile(r"([A-Za-z0-9._-]{1,24}): ")
_NAME_COLOURS: Final = (31, 32, 33, 34, 35, 36, 91, 92, 93, 94, 95, 96)
"""The terminal's own palette, without black, white and greys: readable on either ground."""
_DIM: Final = 2


def wanted(stream: IO[str], environment: Mapping[str, str]) -> bool:
    """Return whether to colour what goes to a stream (https://no-color.org)."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


@dataclass(frozen=True)
class Paint:
    """Colours, or none: what draws with it need not know which."""

    coloured: bool = False

    def dim(self, text: str) -> str:
        """Return what is less important than what people say: a notice, a time."""
        return self._in(_DIM, text)

    def name(self, name: str) -> str:
        """Return a name in its own colour, the same one wherever it stands."""
        return self._in(_NAME_COLOURS[zlib.crc32(name.encode()) % len(_NAME_COLOURS)], name)

    def signed(self, text: str) -> str:
        """Return a line with the name before it, if it has one, in that name's colour."""
        match = _SIGNED.match(text)
        return text if match is None else self.name(match[1]) + text[len(match[1]) :]

    def _in(self, colour: int, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.coloured else text

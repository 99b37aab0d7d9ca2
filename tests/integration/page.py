"""The blocks of docs/protocol.md.

Law of this file: it finds them, and knows nothing of what stands in them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.integration.conftest import ROOT

PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block: where it begins, what it is, its lines, and the heading above it."""

    line: int
    kind: str
    lines: list[str]
    heading: str


def blocks() -> list[Block]:
    """Return the page's fenced blocks."""
    found = []
    for match in FENCE.finditer(PAGE):
        before = PAGE[: match.start()]
        heading = re.findall(r"^#{2,3} (?:[0-9]+\. )?(.+)$", before, re.MULTILINE)[-1]
        found.append(Block(before.count("\n") + 1, match[1], match[2].splitlines(), heading))
    return found


DIALOGUES = [block for block in blocks() if block.kind == "dialogue"]

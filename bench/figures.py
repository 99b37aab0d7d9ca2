"""Figures: taken again where others disturbed them, kept in a file, and read from it.

Law of this file: it knows of a figure only whether it failed, and how much others took.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench.counting import Wrong

Row = dict[str, Any]

DISTURBED: Final = 0.1
"""The part of a core that others may take before a row is not to be trusted."""


def attempt(measure: Callable[[], Row]) -> Row:
    """Return what is measured; a failure is a figure too."""
    try:
        return measure()
    except (Wrong, OSError) as error:
        return {"failed": f"{type(error).__name__}: {error}"[:300]}


def least_disturbed(measure: Callable[[], Row], tries: int) -> Row:
    """Measure, again if others took much of a core, and return the least disturbed row.

    It is measured `tries` times at the most.  A row that failed is returned at once: a message
    that was lost is no disturbance.
    """
    rows: list[Row] = []
    while len(rows) < tries:
        rows.append(measure())
        if not disturbed(rows[-1]):
            break
    found = rows[-1] if "failed" in rows[-1] else min(rows, key=lambda row: row.get("others", 0.0))
    return found | {"tries": len(rows)}


def disturbed(row: Row) -> bool:
    """Return whether others took so much of a core that a row is not to be trusted."""
    return bool(row.get("others", 0.0) > DISTURBED)


def keep(found: Row, file: Path) -> None:
    """Write figures to a file, in a folder that is made if need be."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1) + "\n")


def kept(file: Path) -> Any:
    """Return the figures of a file, None if it is not there."""
    return json.loads(file.read_text()) if file.exists() else None

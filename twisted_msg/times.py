"""Times as people type and read them: how long ago, a date and hour, or milliseconds.

Law of this file: text and Unix milliseconds; the clock is an argument.  No Twisted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from time import time
from typing import Final

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}

_AGO: Final = re.compile(r"([0-9]{1,9})([smhdw])")

_MILLIS: Final = re.compile(r"[0-9]{12,15}")
"""Milliseconds since 1970, of the years 1973 to 33658: fewer digits would be seconds."""

SHOWN: Final = 40
"""Characters of a text that is no time which an error repeats."""


def utc(millis: int) -> str:
    """Return Unix milliseconds as ISO 8601 in UTC, or as the number if it is in no calendar."""
    try:
        moment = datetime.fromtimestamp(millis // 1000, UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        return str(millis)
    return f"{moment.isoformat()}.{millis % 1000:03}Z"


def read_since(text: str, now: Callable[[], float] = time) -> int:
    """Return a time as Unix milliseconds, never below 0: `10m` (ago), `2026-01-31T12:00`, or such.

    A time without a zone is local.  Raises `ValueError` with what would be right.
    """
    ago = _AGO.fullmatch(text)
    if ago:
        return max(0, int((now() - int(ago[1]) * _SECONDS[ago[2]]) * 1000))
    if _MILLIS.fullmatch(text):
        return int(text)
    try:
        if text.isdigit():
            raise ValueError
        return max(0, int(datetime.fromisoformat(text).timestamp() * 1000))
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"{text[:SHOWN]!r} is no time: write how long ago (30s, 10m, 2h, 3d), a date such as "
            "2026-01-31 or 2026-01-31T12:00, or Unix time in milliseconds"
        ) from None

"""Times as people type them: how long ago, a date and hour, or a number of milliseconds.

Law of this file: text in, Unix milliseconds out; the clock is an argument.  No Twisted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from time import time
from typing import Final

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}

_AGO: Final = re.compile(r"([0-9]{1,9})([smhdw])")

_MILLIS: Final = re.compile(r"[0-9]{12,15}")
"""Milliseconds since 1970, of the years 1973 to 33658: fewer digits would be seconds."""


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
            f"{text!r} is no time: write how long ago (30s, 10m, 2h, 3d), a date such as "
            "2026-01-31 or 2026-01-31T12:00, or Unix time in milliseconds"
        ) from None

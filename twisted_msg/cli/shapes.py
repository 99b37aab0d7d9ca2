"""How a received message is written: as it came, fit for a terminal, or as JSON.

Law of this file: bytes in, one line of bytes out; nothing that acts on a terminal gets
into any but the raw one.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

from twisted_msg.cli.options import LOBBY
from twisted_msg.cli.text import visible

Shape = Callable[[bytes], bytes]
"""Makes the line of output for a message, line feed included."""


def raw_line(message: bytes) -> bytes:
    """Return a message as it came."""
    return message + b"\n"


def visible_line(message: bytes) -> bytes:
    """Return a message fit for a terminal, its further lines indented."""
    return (visible(message, continuation="    ") + "\n").encode()


def json_line(message: bytes, now: Callable[[], float] = time.time) -> bytes:
    """Return a message as a JSON object: `time` is when it came, in Unix milliseconds.

    The plain protocol tells neither sequence nor sender: both are null.  The text is
    ASCII with escapes, so that it is harmless wherever it is shown.
    """
    row: dict[str, Any] = {"room": LOBBY, "seq": None, "from": None, "time": int(now() * 1000)}
    try:
        row["text"] = message.decode("utf-8")
    except UnicodeDecodeError:
        row["base64"] = base64.b64encode(message).decode("ascii")
    line = json.dumps(row, separators=(",", ":")).replace("\x7f", "\\u007f")
    return line.encode("ascii") + b"\n"

"""What the server and the command write about messages for programs: an object a line.

Law of this file: one shape, whoever writes it; ASCII with escapes, so that a line is
harmless wherever it is shown.
"""

from __future__ import annotations

import base64
import json
from typing import Any


def message_row(payload: bytes, room: str, seq: int | None, sender: str | None, time: int) -> bytes:
    """Return a message as one line.

    `time` is Unix time in milliseconds; `seq` and `sender` are None where nobody tells them.
    What is not UTF-8 stands under `base64` instead of `text`.
    """
    row: dict[str, Any] = {"room": room, "seq": seq, "from": sender, "time": time}
    try:
        row["text"] = payload.decode("utf-8")
    except UnicodeDecodeError:
        row["base64"] = base64.b64encode(payload).decode("ascii")
    return json_row(row)


def missed_row(room: str, first: int, last: int) -> bytes:
    """Return a line that stands for messages that are no longer kept, both numbers included."""
    return json_row({"room": room, "missed": {"first": first, "last": last}})


def json_row(row: Any) -> bytes:
    """Return a value as one line, line feed included."""
    line = json.dumps(row, separators=(",", ":")).replace("\x7f", "\\u007f")
    return line.encode("ascii") + b"\n"

"""How a received message is written: as it came, fit for a terminal, or as JSON.

Law of this file: bytes in, one line of bytes out; nothing that acts on a terminal gets
into any but the raw one.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any, Protocol

from twisted_msg.cli.options import LOBBY
from twisted_msg.cli.text import visible


class Shape(Protocol):
    """Makes the line of output for a message, line feed included.

    `sender` and `seq` are None where the protocol does not tell them, and so is `millis`
    (Unix time in milliseconds).
    """

    def __call__(
        self,
        payload: bytes,
        room: str = LOBBY,
        seq: int | None = None,
        sender: str | None = None,
        millis: int | None = None,
    ) -> bytes:
        """Return the line."""
        ...


def raw_line(
    payload: bytes,
    room: str = LOBBY,
    seq: int | None = None,
    sender: str | None = None,
    millis: int | None = None,
) -> bytes:
    """Return a message as it came."""
    return payload + b"\n"


def visible_line(
    payload: bytes,
    room: str = LOBBY,
    seq: int | None = None,
    sender: str | None = None,
    millis: int | None = None,
) -> bytes:
    """Return a message fit for a terminal behind its sender's name, its further lines indented."""
    signature = "" if sender is None else f"{visible(sender)}: "
    return (signature + visible(payload, continuation="    ") + "\n").encode()


def json_line(
    payload: bytes,
    room: str = LOBBY,
    seq: int | None = None,
    sender: str | None = None,
    millis: int | None = None,
    *,
    now: Callable[[], float] = time.time,
) -> bytes:
    """Return a message as a JSON object: without `millis`, its `time` is when it came.

    What is not UTF-8 stands under `base64` instead of `text`.
    """
    came = int(now() * 1000) if millis is None else millis
    row: dict[str, Any] = {"room": room, "seq": seq, "from": sender, "time": came}
    try:
        row["text"] = payload.decode("utf-8")
    except UnicodeDecodeError:
        row["base64"] = base64.b64encode(payload).decode("ascii")
    return json_row(row)


def json_row(row: dict[str, Any]) -> bytes:
    """Return an object as one line: ASCII with escapes, so that it is harmless wherever shown."""
    line = json.dumps(row, separators=(",", ":")).replace("\x7f", "\\u007f")
    return line.encode("ascii") + b"\n"

"""What the server and the command write about messages for programs: an object a line.

Law of this file: one shape, whoever writes it; ASCII with escapes, so that a line is
harmless wherever it is shown.
"""

from __future__ import annotations

import base64
import codecs
import json
from collections.abc import Iterator
from typing import Any, Final

SLICE_SIZE: Final = 12 * 1024
"""Bytes of a payload that are encoded at once.  JSON makes six times as many of control characters,
which is 72 KiB; base64 takes bytes by three, and so must this."""

_TAIL: Final = b'"}\n'


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


class LongRow:
    """A message as one line that is encoded in slices, so that many readers share its payload.

    `head`, the slices in order, and `tail` are together what `message_row` returns.
    """

    __slots__ = ("__weakref__", "_is_text", "_payload", "head")

    tail = _TAIL

    def __init__(
        self, payload: bytes, room: str, seq: int | None, sender: str | None, time: int
    ) -> None:
        """Take what `message_row` takes."""
        self._payload = payload
        self._is_text = is_utf8(payload)
        key = "text" if self._is_text else "base64"
        row = {"room": room, "seq": seq, "from": sender, "time": time, key: ""}
        self.head = json_row(row).removesuffix(_TAIL)

    def slices(self) -> Iterator[tuple[int, int]]:
        """Yield where each slice of the payload begins and ends, between characters of a text."""
        payload, start = self._payload, 0
        while start < len(payload):
            end = start + SLICE_SIZE
            while self._is_text and end < len(payload) and payload[end] & 0xC0 == 0x80:
                end -= 1
            yield start, min(end, len(payload))
            start = end

    def encode(self, start: int, end: int) -> bytes:
        """Return what stands in the line for a slice."""
        part = self._payload[start:end]
        if self._is_text:
            return json_row(part.decode("utf-8"))[1:-2]
        return base64.b64encode(part)


def is_utf8(payload: bytes) -> bool:
    """Return whether a payload is UTF-8, without making a text of all of it at once."""
    if payload.isascii():
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(payload), SLICE_SIZE):
            decoder.decode(payload[start : start + SLICE_SIZE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def missed_row(room: str, first: int, last: int) -> bytes:
    """Return a line that stands for messages that are no longer kept, both numbers included."""
    return json_row({"room": room, "missed": {"first": first, "last": last}})


def json_row(row: Any) -> bytes:
    """Return a value as one line, line feed included."""
    line = json.dumps(row, separators=(",", ":")).replace("\x7f", "\\u007f")
    return line.encode("ascii") + b"\n"

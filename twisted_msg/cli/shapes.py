"""How a received message is written: as it came, fit for a terminal, or as JSON.

Law of this file: a message in, one line of bytes out; nothing that acts on a terminal gets
into any but the raw one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from twisted_msg.cli.options import LOBBY
from twisted_msg.cli.text import visible
from twisted_msg.rows import message_row


class Received(NamedTuple):
    """A message that was received.

    `seq`, `sender` and `millis` (Unix time in milliseconds) are None where the protocol does
    not tell them.
    """

    payload: bytes
    room: str = LOBBY
    seq: int | None = None
    sender: str | None = None
    millis: int | None = None


Shape = Callable[[Received], bytes]
"""Makes the line of output for a message, line feed included."""


def raw_line(message: Received) -> bytes:
    """Return a message as it came."""
    return message.payload + b"\n"


def visible_line(message: Received) -> bytes:
    """Return a message fit for a terminal behind its sender's name, its further lines indented."""
    signature = "" if message.sender is None else f"{visible(message.sender)}: "
    return (signature + visible(message.payload, continuation="    ") + "\n").encode()


def json_line(message: Received, *, now: Callable[[], float] = time.time) -> bytes:
    """Return a message as a JSON object: without `millis`, its `time` is when it came.

    What is not UTF-8 stands under `base64` instead of `text`.
    """
    payload, room, seq, sender, millis = message
    came = int(now() * 1000) if millis is None else millis
    return message_row(payload, room, seq, sender, came)

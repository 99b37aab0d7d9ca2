"""How a received message is written: as it came, fit for a terminal, by a template, or as JSON.

A message goes in, bytes come out.  Nothing that acts on a terminal gets into any but the raw ones.
"""

from __future__ import annotations

import shlex
import string
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from twisted_msg.cli.binary import binary, described
from twisted_msg.cli.options import LOBBY
from twisted_msg.cli.text import visible
from twisted_msg.cli.wrapping import INDENT, wrapped
from twisted_msg.programs import tcpmsg_command
from twisted_msg.rows import message_row
from twisted_msg.times import utc
from twisted_msg.wire.names import DIRECT


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
"""Makes the output for a message, line feed included."""

Save = Callable[[str, int, str], str]
"""Makes the command that saves a message, of its room, sequence number and file extension."""

WORDS: Final = ("room", "seq", "from", "time", "text")
"""The words of a template."""


def raw_line(message: Received, *, several: bool = False) -> bytes:
    """Return a message as it came, and with `several` its room before it."""
    return (f"#{message.room} ".encode() if several else b"") + message.payload + b"\n"


def raw_bytes(message: Received) -> bytes:
    """Return a message as it came, and nothing else."""
    return message.payload


def visible_line(
    message: Received,
    *,
    several: bool = False,
    save: Save | None = None,
    columns: Callable[[], int | None] = lambda: None,
) -> bytes:
    """Return a message fit for a terminal behind its sender's name, its further lines indented.

    With `several` rooms, the room's name comes first.  A message that is not text is described,
    with the command that saves it.  No text can imitate such a description: lines have at most as
    many cells as `columns` returns, and no line of a text begins like a description.
    """
    room = f"#{visible(message.room)} " if several else ""
    sender = None if message.sender is None else visible(message.sender)
    data = binary(message.payload)
    if data is not None:
        origin = None if sender is None else f"from {sender}"
        command = ""
        if save is not None and message.seq is not None and not message.room.startswith(DIRECT):
            command = save(message.room, message.seq, data.extension)
        return f"{room}{described(data, origin, command)}\n".encode()
    signature = "" if sender is None else f"{sender}: "
    head = room + signature
    text = wrapped(visible(message.payload, continuation=INDENT), columns(), INDENT, head)
    return f"{head}{text}\n".encode()


def save_command(words: Sequence[str] = ()) -> Save:
    """Return what makes the command that saves a message; `words` name the server, if need be."""

    def save(room: str, seq: int, extension: str) -> str:
        options = [room, "--from", str(seq), "--count", "1", "--raw"]
        typed = " ".join(shlex.quote(word) for word in ("recv", *words, *options))
        return f"{tcpmsg_command()} {typed} > FILE.{extension}"

    return save


class Template:
    """A user's output format: text with names of fields in braces.

    Each message becomes one line, on a terminal and elsewhere.  Line breaks and control characters
    in it are escaped, and a message that is not text is shown as its kind and size.  A field for
    which the protocol gives no value is empty.
    """

    def __init__(self, text: str, *, now: Callable[[], float] = time.time) -> None:
        """Parse a template; `now` is Unix time in seconds.

        Raises `ValueError` for an unknown word in braces, a format (`{word:5}`) and a single brace.
        """
        try:
            self._parts = list(string.Formatter().parse(text))
        except ValueError as error:
            raise ValueError(f"{text!r}: {error}; write {{{{ and }}}} for braces") from None
        self._now = now
        for _, word, form, conversion in self._parts:
            if word is not None and (word not in WORDS or form or conversion):
                typed = (
                    word + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
                )
                known = " ".join(f"{{{each}}}" for each in WORDS)
                raise ValueError(f"no {{{typed}}}: there are {known}, and {{{{ }}}} for braces")

    def __call__(self, message: Received) -> bytes:
        """Return the line for a message."""
        payload, room, seq, sender, millis = message
        data = binary(payload)
        values = {
            "room": room,
            "seq": "" if seq is None else str(seq),
            "from": "" if sender is None else sender,
            "time": utc(int(self._now() * 1000) if millis is None else millis),
            "text": payload if data is None else f"({data})",
        }
        line = "".join(
            text + (visible(values[word]) if word else "") for text, word, _, _ in self._parts
        )
        return f"{line}\n".encode(errors="surrogateescape")


def json_line(message: Received, *, now: Callable[[], float] = time.time) -> bytes:
    """Return a message as a JSON object: without `millis`, its `time` is when it came.

    What is not UTF-8 stands under `base64` instead of `text`.
    """
    payload, room, seq, sender, millis = message
    came = int(now() * 1000) if millis is None else millis
    return message_row(payload, room, seq, sender, came)

"""What the programs of a run write down, and the messages that tell what they are.

Law of this file: a note is one line, handed to the system in one write, so that killing its
writer leaves all earlier ones whole; half a line is no note, and what is not noted is not claimed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.history import History, Reading, Said

MARK = re.compile(rb"<([a-z]+[0-9]*):([0-9]+)>")
"""What a message is full of: its publisher's name and its id."""

ALTERED = "altered"
"""The publisher of what nobody wrote: the judge calls it PHANTOM."""


def secret(client: str) -> str:
    """Return what a publisher says in `HELLO` to be known again."""
    return f"torture-{client}-0123456789"


def payload(said: Said, size: int = 0) -> bytes:
    """Return a message's bytes, at least `size`: its mark, again and again.

    So one whole mark stands in every page of a database that holds some of it.
    """
    mark = b"<%b:%d>" % (said.client.encode(), said.id)
    return mark * max(1, -(-size // len(mark)))


def said_in(data: bytes) -> Said:
    """Return which message these bytes are, `ALTERED` if they are not as it was written."""
    mark = MARK.match(data)
    if mark is not None:
        said = Said(mark[1].decode(), int(mark[2]))
        if data == payload(said, len(data)):
            return said
    return Said(ALTERED, 0)


class Notes:
    """A file of JSON lines that is only ever added to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        # a kill may have left half a line, the last one, of a writer before this one
        os.ftruncate(self._file, path.read_bytes().rfind(b"\n") + 1)

    def add(self, **note: Any) -> None:
        """Write one line."""
        os.write(self._file, json.dumps(note).encode() + b"\n")


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Return the notes of a program, none if it had no time to write one."""
    if path.exists():
        with path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    return  # it is being written: what the next read brings is its other half
                yield json.loads(line)


def add_publisher(history: History, name: str, path: Path) -> None:
    """Add what a publisher sent, and what it was told of it.

    `sent` is [room, id, ...], `ok` [[room, id, seq or null], ...], `stored` the highest id that
    `WELCOME` counted, `refused` [room, id].
    """
    rooms: dict[int, str] = {}
    stored = 0
    for note in read(path):
        for room, id_ in note.get("sent", ()):
            if id_ not in rooms:
                rooms[id_] = room
                history.said(room, Said(name, id_))
        for room, id_, seq in note.get("ok", ()):
            history.said(room, Said(name, id_), "ok")
            if seq is not None:
                history.numbers.setdefault(room, {})[Said(name, id_)] = seq
        for room, id_ in note.get("refused", ()):
            history.said(room, Said(name, id_), "refused")
        stored = max(stored, note.get("stored", 0))
    for id_, room in rooms.items():
        if id_ <= stored:
            history.said(room, Said(name, id_), "ok")


def readings_of(member: str, path: Path, rooms: tuple[str, ...]) -> list[Reading]:
    """Return what a member was handed in each room, from number 1 on.

    `got` is [room, [[seq, client, id], ...]], `missed` [room, first, last].
    """
    readings = {room: Reading(member, room, start=1) for room in rooms}
    for note in read(path):
        if "got" in note:
            room, got = note["got"]
            readings[room].got += [(seq, Said(client, id_)) for seq, client, id_ in got]
        if "missed" in note:
            room, first, last = note["missed"]
            readings[room].missed.append((first, last))
    return list(readings.values())

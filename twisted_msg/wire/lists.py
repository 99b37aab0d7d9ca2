"""Replies that are lists, cut where the payload limit is: `HERE` and `ROOMS`.

Law of this file: a list is cut at its end, says by how much, and costs time in
proportion to what is sent.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

from twisted_msg.wire.errors import ErrorCode, ProtocolError
from twisted_msg.wire.frames import encode_frame
from twisted_msg.wire.names import NAME, NAME_RULE
from twisted_msg.wire.payloads import decode_json, encode_json
from twisted_msg.wire.words import read_number, read_room


class Here(NamedTuple):
    """Who is in `room`; `cut` more names were left out."""

    room: str
    names: list[str]
    cut: int = 0

    @classmethod
    def fitting(cls, room: str, names: Sequence[str], limit: int) -> Self:
        """Return the reply whose payload is at most `limit` bytes (from 2), cut at the end."""
        kept = _fitting(names, limit)
        return cls(room, list(names[:kept]), len(names) - kept)

    def encode(self) -> bytes:
        """Return the whole frame."""
        return encode_frame(encode_json(self.names), ("HERE", self.room, *_cut_words(self.cut)))


def room_entry(room: str, head: int, members: int) -> bytes:
    """Return a room's JSON in a list of rooms; its name needs no escape."""
    return b'{"room":"%b","head":%d,"members":%d}' % (room.encode(), head, members)


def encode_room_list(parts: Sequence[bytes], cut: int) -> bytes:
    """Return the frame of a `RoomList` whose entries are JSON already, joined in some parts."""
    return encode_frame(b"[%b]" % b",".join(parts), ("ROOMS", *_cut_words(cut)))


class RoomList(NamedTuple):
    """The rooms to see, an object for each; `cut` more were left out.  Its verb is `ROOMS`."""

    rooms: list[dict[str, Any]]
    cut: int = 0

    def encode(self) -> bytes:
        """Return the whole frame.  Raises `TypeError` or `ValueError` for what is not JSON."""
        return encode_frame(encode_json(self.rooms), ("ROOMS", *_cut_words(self.cut)))


def read_here(args: tuple[str, ...], payload: bytes) -> Here:
    """Read a `HERE` from the words behind its verb, at least one, and its payload.

    Raises `ProtocolError` with `bad-args` or `bad-json`.
    """
    names: Any = decode_json(payload)
    if not isinstance(names, list) or not all(
        isinstance(name, str) and NAME.fullmatch(name) for name in names
    ):
        raise ProtocolError(
            ErrorCode.BAD_JSON, f"the JSON of HERE is a list of names, and {NAME_RULE}"
        )
    return Here(read_room(args[0]), names, _cut(args[1:]))


def read_room_list(args: tuple[str, ...], payload: bytes) -> RoomList:
    """Read a `ROOMS` from the words behind its verb and its payload.

    Raises `ProtocolError` with `bad-args` or `bad-json`.
    """
    rooms: Any = decode_json(payload)
    if not isinstance(rooms, list) or not all(isinstance(room, dict) for room in rooms):
        raise ProtocolError(
            ErrorCode.BAD_JSON, "the JSON of ROOMS is a list of objects, and not this"
        )
    return RoomList(rooms, _cut(args))


def _cut(extras: tuple[str, ...]) -> int:
    """Return how many entries a list was cut by, from the words behind the known ones."""
    found = (word.removeprefix("cut=") for word in extras if word.startswith("cut="))
    return read_number(next(found, "0"), "cut=")


def _cut_words(cut: int) -> tuple[str, ...]:
    """Return the words that tell of a cut: none if there is none."""
    return (f"cut={cut}",) if cut else ()


def _fitting(entries: Iterable[Any], limit: int) -> int:
    """Return how many entries, from the first on, make a JSON list of at most `limit` bytes.

    Each entry is encoded once, and none behind the first that does not fit.  Raises
    `ValueError` for a limit that the empty list is over.
    """
    size = len("[]")
    if limit < size:
        raise ValueError(f"no JSON list fits {limit} bytes: the limit is {size} or more")
    size -= len(",")  # the first entry has none before it
    kept = 0
    for entry in entries:
        size += len(",") + len(encode_json(entry))
        if size > limit:
            break
        kept += 1
    return kept

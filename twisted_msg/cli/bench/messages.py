"""The messages of a load: who made which is in their payload, and thousands are made at once.

Law of this file: a message is known by one number of 16 digits, its publisher and its place
in what that one publishes; the number begins the payload, and is the id of its `PUB`.  So all
frames of a publisher have one size, and differ in digits alone.  No Twisted.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from twisted_msg.wire import encode_frame

DIGITS: Final = 16
"""Digits of a message's number, which fits 63 bits: the least that a payload may have."""

PLACES: Final = 10**11
"""How many messages one publisher can number: a day's worth, at a million a second."""

FIRST: Final = 10_000
"""What the first publisher is called, so that all numbers have the same digits."""

PUBLISHERS: Final = 90_000
"""How many publishers have five digits."""

BLOCK: Final = 256 * 1024
"""Bytes of frames made at once, at most, unless one alone is larger."""

BLOCKS: Final = 64 * 1024 * 1024
"""Bytes that the blocks of all publishers may take together."""

_HOLE: Final = b"#"
"""Stands for the digits that are filled in; no frame has it elsewhere."""


class Message(NamedTuple):
    """Which message it is: its `publisher`, from 0, and its `place` in what that one says."""

    publisher: int
    place: int


def number(message: Message) -> int:
    """Return a message's number."""
    return (FIRST + message.publisher) * PLACES + message.place


def message(value: int) -> Message:
    """Return which message a number stands for; a publisher below 0 is none of a load's."""
    publisher, place = divmod(value, PLACES)
    return Message(publisher - FIRST, place)


def fill(size: int) -> bytes:
    """Return what stands behind the number in a payload of `size` bytes."""
    return b"x" * (size - DIGITS)


class Frames:
    """The `PUB` frames of one publisher."""

    def __init__(
        self, room: str, size: int, publisher: int, *, ids: bool, publishers: int = 1
    ) -> None:
        """Take the room, the payload's size in bytes, and which of how many publishers it is."""
        words = ("PUB", room, str(number(Message(publisher, 0)))) if ids else ("PUB", room)
        self.size = len(encode_frame(bytes(size), words))
        bound = min(BLOCK, BLOCKS // publishers)
        self._digits = next((n for n in (3, 2, 1) if 10**n * self.size <= bound), 0)
        self._count = 10**self._digits
        self._hole = _HOLE * (DIGITS - self._digits)
        frames = []
        for last in range(self._count):
            text = self._hole.decode() + (f"{last:0{self._digits}}" if self._digits else "")
            words = ("PUB", room, text) if ids else ("PUB", room)
            frames.append(encode_frame(text.encode() + fill(size), words))
        self._template = b"".join(frames)
        self._publisher = publisher
        self._made = -1
        self._block = b""

    def take(self, place: int, most: int) -> tuple[bytes, int]:
        """Return the frames from a place on, and how many they are: `most`, or a block's rest."""
        block, start = divmod(place, self._count)
        if block != self._made:
            value = number(Message(self._publisher, place)) // self._count
            self._block = self._template.replace(self._hole, b"%d" % value)
            self._made = block
        count = min(most, self._count - start)
        if count == self._count:
            return self._block, count
        return self._block[start * self.size : (start + count) * self.size], count

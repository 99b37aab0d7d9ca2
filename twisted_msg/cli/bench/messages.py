"""The messages of a load: who made which is in their payload, and thousands are made at once.

Law of this file: a message is known by one number of 16 digits, its publisher and its place
in what that one publishes; the number begins the payload, and is the id of its `PUB`.  So all
frames of a publisher have one size, and differ in digits alone.  No Twisted.
"""

from __future__ import annotations

from collections.abc import Callable
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

_HOLE: Final = "#"
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


class Blocks:
    """Texts of one size that hold numbers in a row, made by the block."""

    def __init__(self, make: Callable[[str], bytes], bound: int = BLOCK) -> None:
        """Take what makes the text of a number, as its digits, and the bytes of a block at most."""
        self.size = len(make(_HOLE * DIGITS))
        digits = next((n for n in (3, 2, 1) if 10**n * self.size <= bound), 0)
        self._count = 10**digits
        hole = _HOLE * (DIGITS - digits)
        ends = (f"{end:0{digits}}" if digits else "" for end in range(self._count))
        self._template = b"".join(make(hole + end) for end in ends)
        self._hole = hole.encode()
        self._made = -1
        self._block = b""

    def some(self, value: int, most: int) -> tuple[bytes, int]:
        """Return the texts of the numbers from one on, and how many: `most`, or a block's rest."""
        block, start = divmod(value, self._count)
        if block != self._made:
            self._block = self._template.replace(self._hole, b"%d" % block)
            self._made = block
        count = min(most, self._count - start)
        if count == self._count:
            return self._block, count
        return self._block[start * self.size : (start + count) * self.size], count

    def take(self, value: int, count: int) -> bytes:
        """Return the texts of so many numbers."""
        parts = []
        while count:
            part, length = self.some(value, count)
            parts.append(part)
            value, count = value + length, count - length
        return b"".join(parts)


class Frames(Blocks):
    """The `PUB` frames of one of so many publishers."""

    def __init__(self, room: str, size: int, *, ids: bool, publishers: int = 1) -> None:
        """Take the room, and the payload's size in bytes."""
        rest = fill(size)

        def frame(digits: str) -> bytes:
            words = ("PUB", room, digits) if ids else ("PUB", room)
            return encode_frame(digits.encode() + rest, words)

        super().__init__(frame, min(BLOCK, BLOCKS // publishers))


class Payloads(Blocks):
    """The payloads alone."""

    def __init__(self, size: int) -> None:
        """Take their size in bytes."""
        rest = fill(size)
        super().__init__(lambda digits: digits.encode() + rest)

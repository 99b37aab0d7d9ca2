"""Messages, and the pieces of a log that hold them encoded.

Law of this file: a piece never changes.  It is encoded once for each view, when
the first member needs it, and all members share those bytes.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple, Protocol

from twisted_msg.wire.limits import HEADER_SIZE

PIECE_SIZE: Final = 64 * 1024
"""Bytes of the wire that a piece holds at the most, unless it is one larger message.  It
is what a transport takes before it says stop, and what a stopped member keeps alive."""


PIECE_COST: Final = 1024
"""Bytes of memory that a piece takes beside its messages, measured on CPython 3.11 and
rounded up (tests/unit/test_log.py holds it against tracemalloc)."""

MESSAGE_COST: Final = 288
"""Bytes of memory that a message takes beside its payload and its encoding, likewise."""


class Message(NamedTuple):
    """One message of a room: its sequence number, the connection it came from, its payload."""

    seq: int
    origin: int
    payload: bytes


class View(Protocol):
    """How members of one kind see messages; also the key of what it has encoded."""

    def encode(self, message: Message) -> bytes:
        """Return the message's frame, or nothing if such members are not shown it."""
        ...


class _Run(NamedTuple):
    """Where a stretch of messages from one origin stands in a piece's encoding."""

    origin: int
    start: int
    end: int


class _Encoding:
    """A piece's messages as one view sends them."""

    __slots__ = ("data", "runs")

    def __init__(self, messages: Iterable[Message], view: View) -> None:
        frames: list[bytes] = []
        self.runs: list[_Run] = []
        end = 0
        for origin, run in groupby(messages, attrgetter("origin")):
            start = end
            for message in run:
                frame = view.encode(message)
                frames.append(frame)
                end += len(frame)
            self.runs.append(_Run(origin, start, end))
        self.data = b"".join(frames)


class Piece:
    """A stretch of a room's log: consecutive messages, cut to fit a transport.

    `cost` estimates the bytes of memory that it takes, one encoding included.
    """

    __slots__ = ("_encodings", "cost", "messages", "origins")

    def __init__(self, messages: list[Message], size: int) -> None:
        """Take the messages, at least one, and the bytes of the wire they make."""
        self.messages = messages
        self.cost = PIECE_COST + len(messages) * MESSAGE_COST + 2 * size
        self.origins = frozenset(message.origin for message in messages)
        self._encodings: dict[View, _Encoding] = {}

    @property
    def last(self) -> int:
        """Sequence number of the last message."""
        return self.messages[-1].seq

    def encoded(self, view: View, without: int | None = None) -> bytes:
        """Return the piece's bytes for a view, less what came from the origin `without`."""
        if len(self.origins) == 1 and without in self.origins:
            return b""
        encoding = self._encodings.get(view)
        if encoding is None:
            encoding = self._encodings[view] = _Encoding(self.messages, view)
        if without not in self.origins:
            return encoding.data
        return b"".join(
            encoding.data[start:end] for origin, start, end in encoding.runs if origin != without
        )

    def count(self, view: View, without: int | None = None) -> int:
        """Return the number of messages that a view shows, less those from the origin `without`."""
        return sum(
            message.origin != without and bool(view.encode(message)) for message in self.messages
        )


def cut(messages: Iterable[Message], header_size: int = HEADER_SIZE) -> Iterator[Piece]:
    """Cut a batch into pieces of at most `PIECE_SIZE`; a larger message is a piece of its own.

    `header_size` is the width in bytes of the widest header that they are sent with.
    """
    held: list[Message] = []
    size = 0
    for message in messages:
        width = header_size + len(message.payload)
        if held and size + width > PIECE_SIZE:
            yield Piece(held, size)
            held, size = [], 0
        held.append(message)
        size += width
    if held:
        yield Piece(held, size)

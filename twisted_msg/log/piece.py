"""Messages, and the pieces of a log that hold them encoded.

Law of this file: a piece never changes.  It is encoded once for each view, when
the first member needs it, and all members share those bytes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import accumulate, groupby
from typing import Final, NamedTuple, Protocol

from twisted_msg.wire.limits import HEADER_SIZE

PIECE_SIZE: Final = 64 * 1024
"""Bytes of the wire that a piece holds at the most, unless it is one larger message.  It
is what a transport takes before it says stop, and what a stopped member keeps alive."""

PIECE_COST: Final = 1024
"""Bytes of memory that a piece takes beside its messages, measured on CPython 3.11 and
rounded up (tests/unit/test_log.py holds it against tracemalloc)."""

MESSAGE_COST: Final = 128
"""Bytes of memory that a message takes beside its payload and its encoding, likewise."""


class Author(NamedTuple):
    """Who said something: the number of the connection, and its name then."""

    origin: int
    name: bytes


class View(Protocol):
    """How members of one kind see messages; also the key of what it has encoded."""

    def encode(self, piece: Piece) -> list[bytes]:
        """Return a frame for each message of a piece, empty for what they are not shown."""
        ...

    def sizes(self, piece: Piece) -> Iterator[int]:
        """Return the bytes of each of those frames, which costs less than making them."""
        ...

    def gap(self, room: str, first: int, last: int) -> bytes:
        """Return the frame that stands for messages no longer kept, or nothing if there is none."""
        ...


class _Run(NamedTuple):
    """Where a stretch of messages from one origin stands in a piece."""

    origin: int
    first: int
    last: int


class _Encoding:
    """A piece's messages as one view sends them: the bytes, and where each frame ends.

    The ends are found out for the first who is sent only a part; most pieces have none such.
    """

    __slots__ = ("data", "ends", "hidden")

    def __init__(self, frames: list[bytes]) -> None:
        self.data = b"".join(frames)
        self.hidden = frames.count(b"")
        self.ends: array[int] | None = None


class Piece:
    """A stretch of a room's log: messages with consecutive numbers, said in one batch.

    `first` and `last` are sequence numbers, `millis` is the batch's Unix time in
    milliseconds; `authors` and `payloads` have one entry for each message, at least one.
    `cost` estimates the bytes of memory that it takes, one encoding included.
    """

    __slots__ = (
        "_encodings", "_origins", "_runs", "authors", "cost", "first", "last", "millis", "payloads",
        "room",
    )  # fmt: skip

    def __init__(
        self, room: str, first: int, millis: int, authors: list[Author], payloads: list[bytes]
    ) -> None:
        self.room = room
        self.first = first
        self.last = first + len(payloads) - 1
        self.millis = millis
        self.authors = authors
        self.payloads = payloads
        wire = sum(map(len, payloads)) + HEADER_SIZE * len(payloads)
        self.cost = PIECE_COST + len(payloads) * MESSAGE_COST + 2 * wire
        self._encodings: dict[View, _Encoding] = {}
        self._origins: frozenset[int] | None = None
        self._runs: tuple[_Run, ...] | None = None

    @property
    def runs(self) -> tuple[_Run, ...]:
        """The stretches of messages from one origin each; `first` and `last` count from 0."""
        if self._runs is None:
            if self.authors.count(self.authors[0]) == len(self.authors):
                self._runs = (_Run(self.authors[0].origin, 0, len(self.authors) - 1),)
            else:
                self._runs = tuple(self._find_runs())
        return self._runs

    def encoded(self, view: View, start: int = 0, without: int | None = None) -> bytes:
        """Return the piece's bytes for a view.

        Those of the messages from the sequence number `start` on, less what came from the
        origin `without`.
        """
        encoding = self._encodings.get(view)
        if without is None or not self._holds(without):
            if start <= self.first and encoding is not None:
                return encoding.data  # for nearly all members
            without = None
        if self.first == self.last:  # the only message, or nothing of it
            left_out = start > self.last or without is not None
            return b"" if left_out else self._encode(view).data
        runs = self.runs
        if without is not None:
            runs = tuple([run for run in runs if run.origin != without])
            if not runs:
                return b""
        data = self._encode(view).data
        skipped = max(0, start - self.first)
        if len(runs) == len(self.runs):  # all of it, which members share
            return data[self._ends(view)[skipped - 1] :] if skipped else data
        ends = self._ends(view)
        return b"".join(
            [
                data[ends[begin - 1] if begin else 0 : ends[last]]
                for _, first, last in runs
                if (begin := max(first, skipped)) <= last
            ]
        )

    def hidden(self, view: View, start: int, without: int) -> int:
        """Return how many messages are left out of what `encoded` has returned."""
        encoding = self._encodings.get(view)
        if encoding is not None and encoding.hidden:
            if start <= self.first and not self._holds(without):
                return encoding.hidden
            return self.last + 1 - max(start, self.first) - self.count(view, start, without)
        if not self._holds(without):
            return 0
        skipped = max(0, start - self.first)
        return sum(
            last + 1 - max(first, skipped)
            for origin, first, last in self.runs
            if origin == without and last >= skipped
        )

    def count(
        self, view: View, start: int = 0, without: int | None = None, last: int | None = None
    ) -> int:
        """Return how many messages a view shows of those that `encoded` takes, up to `last`."""
        end = self.last if last is None else last
        return sum(
            bool(frame) and author.origin != without and start <= seq <= end
            for seq, (frame, author) in enumerate(
                zip(view.encode(self), self.authors, strict=True), self.first
            )
        )

    def _holds(self, origin: int) -> bool:
        """Return whether a message of this origin is among them."""
        runs = self.runs
        if len(runs) == 1:  # as of nearly all, for which a set would be large
            return runs[0].origin == origin
        if self._origins is None:
            self._origins = frozenset([run.origin for run in runs])
        return origin in self._origins

    def _encode(self, view: View) -> _Encoding:
        """Return the piece as a view sends it, which is made once."""
        encoding = self._encodings.get(view)
        if encoding is None:
            encoding = self._encodings[view] = _Encoding(view.encode(self))
        return encoding

    def _ends(self, view: View) -> array[int]:
        """Return where each frame of a view ends."""
        encoding = self._encode(view)
        if encoding.ends is None:
            encoding.ends = array("Q", accumulate(view.sizes(self)))
        return encoding.ends

    def _find_runs(self) -> Iterator[_Run]:
        first = 0
        for origin, run in groupby(author.origin for author in self.authors):
            last = first + sum(1 for _ in run) - 1
            yield _Run(origin, first, last)
            first = last + 1


def cut(
    room: str, first: int, millis: int, authors: list[Author], payloads: list[bytes]
) -> list[Piece]:
    """Cut a batch into pieces of at most `PIECE_SIZE`; a larger message is a piece of its own.

    The arguments are those of `Piece`.  The width of a header counts as that of typed
    frames: the usual one, which wider plain headers may exceed a little.
    """
    if sum(map(len, payloads)) + HEADER_SIZE * len(payloads) <= PIECE_SIZE:
        return [Piece(room, first, millis, authors, payloads)]
    ends = accumulate(len(payload) + HEADER_SIZE for payload in payloads)
    pieces: list[Piece] = []
    begin = base = before = 0
    for at, end in enumerate(ends):
        if end - base > PIECE_SIZE and at > begin:
            pieces.append(Piece(room, first + begin, millis, authors[begin:at], payloads[begin:at]))
            begin, base = at, before
        before = end
    pieces.append(Piece(room, first + begin, millis, authors[begin:], payloads[begin:]))
    return pieces

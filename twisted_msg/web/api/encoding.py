"""Messages on their way into responses: each is encoded once for all who read it together.

A long message is encoded in slices, as its readers ask for them, and they share its payload.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from twisted_msg.rows import SLICE_SIZE, LongRow, message_row
from twisted_msg.wire.replies import Msg

CACHE_SIZE: Final = 1024 * 1024
"""Bytes of the latest encoded parts that are kept for other readers of the same room: what is
published in one turn, and more."""

_WHOLE: Final = -1
"""Stands for the whole of a short message, where the slices of a long one are named."""


class Part(NamedTuple):
    """Encoded bytes, and how many bytes of the message's payload they stand for."""

    data: bytes
    size: int


Row = Part | Iterator[Part]
"""A short message whole, or a long one, whose parts are encoded when they are asked for."""


class RowCache:
    """The latest messages as rows.

    A room never gives a sequence number twice, so a message's row never changes.
    """

    def __init__(
        self, before: Callable[[int], bytes] = lambda seq: b"", after: bytes = b""
    ) -> None:
        """Take what stands before and after each row; `before` is given the sequence number."""
        self._before = before
        self._after = after
        self._encoded: OrderedDict[tuple[str, int, int], Part] = OrderedDict()
        self._size = 0
        self._long: WeakValueDictionary[tuple[str, int], LongRow] = WeakValueDictionary()

    def row(self, reply: Msg) -> Row:
        """Return a message's row."""
        key = reply.room, reply.seq, _WHOLE
        part = self._encoded.get(key)
        if part is not None:
            return part
        room, seq, sender, millis, payload = reply[:5]
        if len(payload) <= SLICE_SIZE:
            line = message_row(payload, room, seq, sender, millis)
            return self._keep(key, b"".join((self._before(seq), line, self._after)), len(payload))
        row = self._long.get((room, seq))
        if row is None:
            row = self._long[room, seq] = LongRow(payload, room, seq, sender, millis)
        return self._parts(row, room, seq)

    def _parts(self, row: LongRow, room: str, seq: int) -> Iterator[Part]:
        yield Part(self._before(seq) + row.head, 0)
        for start, end in row.slices():
            key = room, seq, start
            yield self._encoded.get(key) or self._keep(key, row.encode(start, end), end - start)
        yield Part(row.tail + self._after, 0)

    def _keep(self, key: tuple[str, int, int], data: bytes, size: int) -> Part:
        part = self._encoded[key] = Part(data, size)
        self._size += len(data)
        while self._size > CACHE_SIZE:
            self._size -= len(self._encoded.popitem(last=False)[1].data)
        return part

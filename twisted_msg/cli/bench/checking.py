"""Whether a member got every message once, and each publisher's in order.

Law of this file: every byte of every payload is looked at, many messages at once where they
follow each other as they should, and one by one where they do not.  No Twisted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import lt
from typing import Final, NamedTuple

from twisted_msg.cli.bench.messages import DIGITS, Payloads, fill, message
from twisted_msg.wire import parse_header
from twisted_msg.wire.limits import HEADER_SIZE

FEWEST: Final = 8
"""Frames that are looked at together at first, four times as many after each success."""

MOST: Final = 2048
"""Frames that are looked at together at the most."""


class Run(NamedTuple):
    """Messages of one publisher in a row: `length` frames of `stride` bytes from `at` on.

    `publisher` is -1 for a message that is none of the load's.
    """

    at: int
    stride: int
    length: int
    publisher: int = -1
    place: int = 0


class Reading:
    """Finds the messages of a room in a stream of frames."""

    def __init__(self, room: str, size: int) -> None:
        """Take the room, and the size of the load's payloads in bytes."""
        self._room = room
        self._size = size
        self._stride = HEADER_SIZE + size
        self._head = b"%d MSG %s " % (size, room.encode())
        self._fill = fill(size)
        self._payloads = Payloads(size)
        self._together = FEWEST
        self._seq = 0
        self.backward = 0
        """How many messages had a sequence number that was not above the one before."""

    def runs(self, data: bytes) -> Iterator[Run]:
        """Yield the messages that stand at the beginning, up to any other or unfinished frame.

        Raises `ProtocolError` for what is no frame.
        """
        start, end = 0, len(data)
        while end - start >= HEADER_SIZE:
            count = min(self._together, (end - start) // self._stride)
            if count >= FEWEST:
                found = self._alike(data, start, count)
                if found:
                    self._together = min(MOST, self._together * 4)
                    yield from found
                    start += count * self._stride
                    continue
                self._together = FEWEST
            for _ in range(min(FEWEST, max(count, 1))):
                run = self._one(data, start)
                if run is None:
                    return
                yield run
                start += run.stride

    def _alike(self, data: bytes, start: int, count: int) -> list[Run]:
        """Return the runs that so many frames are, if they are messages of the load; else none.

        Of their headers it is asked whether they rise, as texts; if they do, and the first and
        the last begin alike, all between begin so, too.
        """
        stride, head = self._stride, self._head
        end = start + count * stride
        first, last = (data[at : at + HEADER_SIZE] for at in (start, end - stride))
        one, other = (header[len(head) :].partition(b" ")[0] for header in (first, last))
        if not (first.startswith(head) and last.startswith(head) and len(one) == len(other)):
            return []
        if not (one.isdigit() and other.isdigit()) or int(one) <= self._seq:
            return []
        width = len(head) + len(one)
        heads = [data[at : at + width] for at in range(start, end, stride)]
        if not all(map(lt, heads, heads[1:])):
            return []
        size = self._size
        payloads = [data[at : at + size] for at in range(start + HEADER_SIZE, end, stride)]
        try:
            begun = int(payloads[0][:DIGITS])
            if b"".join(payloads) == self._payloads.take(begun, count):
                found = [Run(start, stride, count, *message(begun))]
            else:
                found = self._grouped([int(each[:DIGITS]) for each in payloads], start)
                if [each[DIGITS:] for each in payloads].count(self._fill) != count:
                    return []
        except ValueError:
            return []
        if any(run.publisher < 0 for run in found):
            return []
        self._seq = int(other)
        return found

    def _grouped(self, values: Sequence[int], start: int) -> list[Run]:
        """Return the runs that messages with these numbers are."""
        begun, stride, found = 0, self._stride, []
        for at in range(1, len(values) + 1):
            if at == len(values) or values[at] != values[at - 1] + 1:
                which = message(values[begun])
                found.append(Run(start + begun * stride, stride, at - begun, *which))
                begun = at
        return found

    def _one(self, data: bytes, start: int) -> Run | None:
        """Return the message at a place, or None if there is no whole one."""
        if len(data) - start < HEADER_SIZE:
            return None
        length, words = parse_header(data[start : start + HEADER_SIZE])
        stride = HEADER_SIZE + length
        if words[:2] != ("MSG", self._room) or len(words) < 5 or len(data) - start < stride:
            return None
        seq = int(words[2]) if words[2].isdigit() else 0
        if seq <= self._seq:
            self.backward += 1
        self._seq = seq
        payload = data[start + HEADER_SIZE : start + stride]
        text = payload[:DIGITS]
        if length == self._size and text.isdigit() and payload[DIGITS:] == self._fill:
            which = message(int(text))
            if which.publisher >= 0:
                return Run(start, stride, 1, *which)
        return Run(start, stride, 1)


class Count:
    """What one stream brought of each publisher's messages."""

    def __init__(self, publishers: int) -> None:
        """Take how many publishers there are."""
        self._next = [0] * publishers
        self._gaps: list[list[tuple[int, int]]] = [[] for _ in range(publishers)]
        self.received = 0
        """Messages of the load, each counted once."""
        self.others = 0
        self.doubled = 0
        self.disordered = 0

    def add(self, run: Run) -> None:
        """Take note of messages."""
        publisher, place, count = run.publisher, run.place, run.length
        if not 0 <= publisher < len(self._next):
            self.others += count
            return
        due = self._next[publisher]
        if place >= due:
            if place > due:
                self._gaps[publisher].append((due, place))
            self._next[publisher] = place + count
            self.received += count
            return
        for each in range(place, place + count):
            self._again(publisher, each)

    def lost(self, sent: Sequence[int]) -> int:
        """Return how many of the messages that each publisher sent did not come."""
        return max(0, sum(sent) - self.received)

    def copy(self) -> Count:
        """Return another one that has counted the same."""
        made = Count(0)
        made._next = list(self._next)
        made._gaps = [list(gaps) for gaps in self._gaps]
        made.received, made.others = self.received, self.others
        made.doubled, made.disordered = self.doubled, self.disordered
        return made

    def _again(self, publisher: int, place: int) -> None:
        """Take note of one message that is not behind all others of its publisher."""
        if place == self._next[publisher]:
            self._next[publisher] += 1
            self.received += 1
            return
        gaps = self._gaps[publisher]
        for at, (first, end) in enumerate(gaps):
            if first <= place < end:
                rest = [(first, place), (place + 1, end)]
                gaps[at : at + 1] = [gap for gap in rest if gap[0] < gap[1]]
                self.disordered += 1
                self.received += 1
                return
        self.doubled += 1

"""What the members of a room are sent is the same for all, so it is read once and compared.

The member that is ahead has its messages read one after the other, and what it was sent is
kept; of the others it is asked whether they were sent the very same bytes.  So a hundred
members cost little more than one, and every byte of every one of them is looked at.

Law of this file: the tape holds whole messages and nothing else, no more than those behind need.
No Twisted.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from typing import Final, Protocol

from twisted_msg.cli.bench.checking import Count, Reading, Run
from twisted_msg.cli.bench.measures import Times

CUT: Final = 1024 * 1024
"""Bytes that the tape grows until what everybody has passed is cut off."""

LONGEST: Final = 64 * 1024 * 1024
"""Bytes of the tape; who is further behind is read on its own."""


class Following(Protocol):
    """One who follows the tape: how far it has come, in bytes and in marks, and a way to leave."""

    at: int
    mark: int

    def leave(self) -> None:
        """Follow no more."""
        ...


class Tape:
    """What a room's members are sent, as far as somebody has read it, with what is in it."""

    def __init__(self, room: str, size: int, publishers: int) -> None:
        """Take the room, the payloads' size in bytes, and how many publishers there are."""
        self.room = room
        self.size = size
        self.data = bytearray()
        self.heard = 0
        """Bytes that came for all followers together."""
        self.start = 0
        """The stream's bytes that are cut off."""
        self.count = Count(publishers)
        self.reading = Reading(room, size)
        self.sent: list[deque[tuple[int, float]]] = [deque() for _ in range(publishers)]
        """Of each publisher the messages whose way is timed: place, and when it was to go."""
        self.marks: list[tuple[int, float]] = []
        """Where those end in the stream, and when they were to go."""
        self.marked = 0
        """How many marks are cut off."""
        self.times = Times()
        self.followers: list[Following] = []
        self._runs: list[Run] = []  # of what is kept, by their places in the stream
        self._before = Count(publishers)
        self._cut_at = CUT

    @property
    def end(self) -> int:
        """How long the stream is so far, in bytes."""
        return self.start + len(self.data)

    def add(self, data: bytes) -> int:
        """Take the messages that come next; return how many bytes those are."""
        end = taken = 0
        begun = self.end
        for run in self.reading.runs(data):
            taken = run.at + run.length * run.stride
            self.count.add(run)
            self._runs.append(run._replace(at=begun + run.at))
            if 0 <= run.publisher < len(self.sent):
                sent = self.sent[run.publisher]
                end = run.place + run.length
                while sent and sent[0][0] < end:
                    place, instant = sent.popleft()
                    if place >= run.place:
                        at = begun + run.at + (place - run.place + 1) * run.stride
                        self.marks.append((at, instant))
        self.data += data[:taken] if taken < len(data) else data
        if self.end >= self._cut_at:
            self._cut()
        return taken

    def frame(self, at: int) -> int:
        """Return where the frame begins that holds a byte of what is kept."""
        which = bisect_right(self._runs, at, key=lambda run: run.at) - 1
        run = self._runs[which]
        return run.at + min((at - run.at) // run.stride, run.length) * run.stride

    def count_to(self, at: int) -> Count:
        """Return what the stream brought before a frame."""
        count = self._before.copy()
        for run in self._runs:
            many = min(run.length, (at - run.at) // run.stride)
            if many <= 0:
                break
            count.add(run._replace(length=many))
        return count

    def _cut(self) -> None:
        """Cut off what all followers have passed, and leave those behind that are too far back."""
        self._cut_at = self.end + CUT
        for each in list(self.followers):
            if each.at < self.end - LONGEST:
                each.leave()
        low = min((each.at for each in self.followers), default=self.end)
        passed = 0
        for run in self._runs:
            if run.at + run.length * run.stride > low:
                low = min(low, run.at)
                break
            self._before.add(run)
            passed += 1
        del self._runs[:passed]
        del self.data[: low - self.start]
        self.start = low
        spent = min((each.mark for each in self.followers), default=self.marked) - self.marked
        del self.marks[:spent]
        self.marked += spent

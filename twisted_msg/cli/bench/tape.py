"""What the members of a room are sent is the same for all, so it is read once and compared.

The member that is ahead has its messages read one after the other, and what it was sent is
kept; of the others it is asked whether they were sent the very same bytes.  So a hundred
members cost little more than one, and every byte of every one of them is looked at.

Law of this file: who is sent anything else leaves the tape, and is read on its own from there
on.  Frames that are no messages stand on no tape.  No Twisted.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from typing import Final

from twisted_msg.cli.bench.checking import Count, Reading, Run
from twisted_msg.cli.bench.measures import Times
from twisted_msg.wire import parse_header
from twisted_msg.wire.limits import HEADER_SIZE

CUT: Final = 1024 * 1024
"""Bytes that the tape grows until what everybody has passed is cut off."""

LONGEST: Final = 64 * 1024 * 1024
"""Bytes of the tape; who is further behind is read on its own."""


class Tape:
    """What a room's members are sent, as far as somebody has read it, with what is in it."""

    def __init__(self, room: str, size: int, publishers: int) -> None:
        """Take the room, the payloads' size in bytes, and how many publishers there are."""
        self.room = room
        self.size = size
        self.data = bytearray()
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
        self.followers: list[Follower] = []
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


class Follower:
    """One member's place on the tape, and what it is sent beside it."""

    def __init__(self, tape: Tape) -> None:
        """Take the tape, at whose end the member begins."""
        self.at = tape.end
        self.missed = 0
        """How many numbers the server said were no longer kept for this member."""
        self.heard = 0
        """Bytes that came."""
        self._tape = tape
        self.mark = tape.marked + len(tape.marks)
        """How many marks were passed, those that are cut off included."""
        self._rest = bytearray()
        self._need = 0
        self._count: Count | None = None
        self._reading = tape.reading
        tape.followers.append(self)

    @property
    def alone(self) -> bool:
        """Whether this member was sent something else than the others."""
        return self._count is not None

    @property
    def up_to_date(self) -> bool:
        """Whether nobody has had more than this member, as far as the tape tells."""
        return self.alone or self.at == self._tape.end

    @property
    def count(self) -> Count:
        """What this member was sent."""
        if self._count is not None:
            return self._count
        tape = self._tape
        return tape.count if self.at == tape.end else tape.count_to(self.at)

    @property
    def backward(self) -> int:
        """How many messages' numbers were not above the one before."""
        return self._reading.backward

    def take(self, data: bytes | memoryview, now: float) -> bytes:
        """Take what came at a time; return the frames that are no messages.

        Raises `ProtocolError` for what is no frame.
        """
        tape = self._tape
        own, rest, size = b"", self._rest, len(data)
        self.heard += size
        if self._count is None and tape.data.startswith(data, self.at - tape.start + len(rest)):
            if rest and not tape.data.startswith(rest, self.at - tape.start):
                own = self._beside(data)
            else:
                self.at += size + len(rest)
                if rest:
                    self._rest, self._need = bytearray(), 0
        else:
            own = self._beside(data)
        if self._count is None:
            marks, at = tape.marks, self.mark - tape.marked
            while at < len(marks) and marks[at][0] <= self.at:
                tape.times.add(now - marks[at][1])
                at += 1
                self.mark += 1
        return own

    def leave(self) -> None:
        """Read this member on its own from now on."""
        tape = self._tape
        begun = tape.frame(self.at) if self.at < tape.end else self.at
        self._count = tape.count_to(begun)
        self._reading = Reading(tape.room, tape.size)
        self._rest = tape.data[begun - tape.start : self.at - tape.start] + self._rest
        self._need = 0
        tape.followers.remove(self)

    def _beside(self, data: bytes | memoryview) -> bytes:
        """Take what is not, as a whole, what the tape has next; return what is no message."""
        self._rest += data
        if len(self._rest) < self._need:
            return b""
        own = b""
        rest, self._rest, self._need = bytes(self._rest), bytearray(), 0
        while rest:
            count = self._count
            taken = self._compared(rest) if count is None else self._alone(rest, count)
            if taken < 0:  # it left the tape, which may have given it a beginning
                rest, self._rest = bytes(self._rest) + rest, bytearray()
                continue
            rest = rest[taken:]
            if taken or not rest:
                continue
            size = _whole(rest)
            if size > len(rest):
                self._rest, self._need = bytearray(rest), size
                break
            own, rest = own + rest[:size], rest[size:]
        return own

    def _compared(self, data: bytes) -> int:
        """Return how much of the data stands on the tape, or is put there; -1 for leaving it."""
        tape = self._tape
        if self.at == tape.end:
            taken = tape.add(data)
            self.at += taken
            return taken
        known = data[: tape.end - self.at]
        alike = len(known)
        if not tape.data.startswith(known, self.at - tape.start):
            alike = _alike(tape.data, self.at - tape.start, known)
            begun = tape.frame(self.at + alike)
            alike = begun - self.at
            if alike < 0 or (alike == 0 and _is_message(data, tape.room)):
                self.leave()
                return -1
        self.at += alike
        return alike

    def _alone(self, data: bytes, count: Count) -> int:
        """Count the messages at the beginning, and return how many bytes they are."""
        taken = 0
        for run in self._reading.runs(data):
            count.add(run)
            taken = run.at + run.length * run.stride
        return taken


def _alike(data: bytearray, at: int, other: bytes) -> int:
    """Return how many bytes of `other` stand in `data` from a place on."""
    low, high = 0, len(other)
    while low < high:
        middle = (low + high + 1) // 2
        if data.startswith(other[low:middle], at + low):
            low = middle
        else:
            high = middle - 1
    return low


def _whole(data: bytes) -> int:
    """Return how many bytes the frame has that begins here, as far as can be told."""
    if len(data) < HEADER_SIZE:
        return HEADER_SIZE
    return HEADER_SIZE + parse_header(data[:HEADER_SIZE]).length


def _is_message(data: bytes, room: str) -> bool:
    """Return whether a message of the room begins here; not if that cannot be told yet."""
    if len(data) < HEADER_SIZE:
        return False
    return parse_header(data[:HEADER_SIZE]).words[:2] == ("MSG", room)

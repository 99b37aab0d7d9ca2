"""One member's way along the tape.

Law of this file: who is sent anything else than the tape has leaves it, and is read on its own
from there on.  Frames that are no messages stand on no tape.  No Twisted.
"""

from __future__ import annotations

from twisted_msg.cli.bench.checking import Count, Reading
from twisted_msg.cli.bench.tape import Tape
from twisted_msg.wire import parse_header
from twisted_msg.wire.limits import HEADER_SIZE


class Follower:
    """One member's place on the tape, and what it is sent beside it."""

    def __init__(self, tape: Tape) -> None:
        """Take the tape, at whose end the member begins."""
        self.at = tape.end
        self.missed = 0
        """How many numbers the server said were no longer kept for this member."""
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
        tape.heard += size
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

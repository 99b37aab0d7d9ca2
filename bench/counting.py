"""What is counted: percentiles, acknowledgements, and whether deliveries are what was sent.

Law of this file: pure; bytes and numbers in, numbers and sentences out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

STAMP: Final = 16
"""Bytes of a payload that tell who sent it and as which one; shorter payloads tell less."""

CYCLE: Final = 4096
"""Different messages of one publisher at the most, which it repeats."""

CYCLE_BYTES: Final = 4 << 20
"""Bytes of their payloads, unless four are larger: so many are not too few to be told apart."""

HEADER: Final = 128
"""Bytes of this server's headers."""


class Wrong(Exception):
    """A run could not be made, or what came of it is not what was sent."""


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which a share (0 to 1) of ascending samples lies.

    Raises `ValueError` if there are none.
    """
    if not ordered:
        raise ValueError("there is no percentile of nothing")
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def latencies(seconds: Iterable[float]) -> dict[str, float]:
    """Return percentiles in microseconds of samples in seconds."""
    ordered = sorted(seconds)
    shares = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "worst": 1.0}
    return {name: percentile(ordered, share) * 1e6 for name, share in shares.items()}


def median(values: Iterable[float]) -> float:
    """Return the middle value, or the mean of the two in the middle."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("there is no median of nothing")
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def interval(values: Iterable[float]) -> tuple[float, float]:
    """Return bounds that hold the median of what the values are drawn from, 19 times in 20.

    By order statistics (the sign test): nothing is assumed of how the values spread.  With
    fewer than six values the bounds are the least and the greatest.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("there is no interval of nothing")
    count, below, probability, skipped = len(ordered), 0.0, 0.5 ** len(ordered), 0
    for rank in range(count // 2):
        below += probability
        if below > 0.025:
            break
        skipped = rank + 1
        probability *= (count - rank) / (rank + 1)
    at = max(0, skipped - 1)
    return ordered[at], ordered[-1 - at]


def cycle(size: int) -> int:
    """Return how many different messages of so many bytes a publisher repeats."""
    return max(4, min(CYCLE, CYCLE_BYTES // max(1, size)))


def payload(publisher: int, number: int, size: int) -> bytes:
    """Return `size` bytes that tell who sent them and which of its cycle they are."""
    return (b"%04d%012d" % (publisher, number % cycle(size))).ljust(size, b"x")[:size]


class Delivery(NamedTuple):
    """One delivery on the wire: its `length` in bytes, and where in it the payload begins.

    `noise` is what the server may put between deliveries.
    """

    length: int
    offset: int
    noise: bytes = b""


def check(stream: bytes, delivery: Delivery, size: int) -> int:
    """Check the beginning of what one member was sent; return how many deliveries were.

    Each publisher's messages must be there in order, none left out and none twice, unaltered
    to the last byte.  Raises `Wrong` at the first one that is not.
    """
    if delivery.noise:
        stream = stream.replace(delivery.noise, b"")
    last: dict[int, int] = {}
    count = len(stream) // delivery.length
    for index in range(count):
        at = index * delivery.length + delivery.offset
        found = stream[at : at + size]
        if size < STAMP:
            continue  # too short to tell; their number is counted all the same
        try:
            publisher, number = int(found[:4]), int(found[4:STAMP])
        except ValueError:
            raise Wrong(f"delivery {index} is no message of ours: {found[:40]!r}") from None
        expected = (last.get(publisher, -1) + 1) % cycle(size)
        if number != expected:
            raise Wrong(f"publisher {publisher}: message {number} came in place of {expected}")
        if found != payload(publisher, number, size):
            raise Wrong(f"publisher {publisher}: message {number} was altered")
        last[publisher] = number
    return count


class Counter(Protocol):
    """Counts answers in a stream, however it is cut."""

    def feed(self, data: bytes) -> int:
        """Return how many more are answered by the next piece.  Raises `Wrong` for a refusal."""
        ...


class Tokens:
    """One answer for each time that a word stands in the stream."""

    def __init__(self, token: bytes, refusals: Sequence[bytes] = ()) -> None:
        self._token = token
        self._refusals = refusals
        self._tail = b""

    def feed(self, data: bytes) -> int:
        """See `Counter`."""
        data = self._tail + data
        for refusal in self._refusals:
            if refusal in data:
                raise Wrong(f"the server refuses: {data[-200:]!r}")
        end = data.rfind(self._token)
        rest = data if end < 0 else data[end + len(self._token) :]
        self._tail = rest[-63:]
        return data.count(self._token)


class Acks:
    """Cumulative acknowledgements: `ACK <id> <seq>` stands for every id up to that one.

    Ids and the room's numbers rise together where one publishes alone: a message that is
    acknowledged and not kept, or kept twice, puts them out of step.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._last = 0
        self._ahead: int | None = None

    def feed(self, data: bytes) -> int:
        """See `Counter`."""
        data = self._rest + data
        before, at = self._last, 0
        while len(data) - at >= HEADER:
            words = data[at : at + HEADER].split()
            if words[1] != b"ACK":
                raise Wrong(f"the server says {data[at : at + 300]!r}")
            if int(words[2]) <= self._last:
                raise Wrong(f"{words[2]!r} was acknowledged behind {self._last}")
            self._last = int(words[2])
            ahead = int(words[3]) - self._last
            if self._ahead not in (None, ahead):
                raise Wrong(f"message {self._last} has number {words[3]!r}: some were not kept")
            self._ahead = ahead
            at += HEADER + int(words[0])
        self._rest = data[at:]
        return self._last - before

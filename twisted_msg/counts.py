"""What a server counts of itself: plain numbers that somebody else makes metrics of.

Law of this file: it knows neither who counts nor who reads.  Whoever counts adds once for a
read, a batch or a group and never for each message and member; what can be read off what is
there anyway is not counted at all.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from twisted_msg.wire.errors import ErrorCode

SECONDS: Final = (
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip
"""Bounds for times.  A commit takes a quarter of a millisecond on a quick disk; after five
seconds a stop no longer waits."""

MESSAGES: Final = (1, 4, 16, 64, 256, 1024, 4096, 16384)
"""Bounds for messages of one commit: alone, or with all that came while the disk was busy."""


class End(StrEnum):
    """Why a connection ended, in kinds; the journal has the words."""

    CLOSED = "closed"
    """The peer closed it, or its side of it."""

    LOST = "lost"
    """It was reset, or the peer did not answer the kernel's questions."""

    GOODBYE = "goodbye"
    """The peer said `BYE` or the disconnect word."""

    REFUSED = "refused"
    """The peer broke a rule, or what it published could not be taken."""

    TIMEOUT = "timeout"
    """The peer let a deadline pass."""

    BEHIND = "behind"
    """A plain member's unread messages were no longer kept."""

    SUPERSEDED = "superseded"
    """Another connection of the same client came."""

    TURNED_AWAY = "turned-away"
    """There was no place for it."""

    STOPPED = "stopped"
    """The server stops."""

    FAULT = "fault"
    """The server's own fault, or that of its store."""


def end_of(code: ErrorCode) -> End:
    """Return how a connection ends that is refused with this code."""
    return _ENDS.get(code, End.REFUSED)


_ENDS: Final = {
    ErrorCode.TIMEOUT: End.TIMEOUT,
    ErrorCode.INTERNAL: End.FAULT,
    ErrorCode.SUPERSEDED: End.SUPERSEDED,
}


class Distribution:
    """How many of some values were how large.

    `counts` has one number for each of `bounds` (values up to that one and above the one
    before) and a last one for what is above all of them; `total` is the sum of the values.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """Take the bounds, which rise."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Counts:
    """What one server has counted since it began.  Bytes are those of frames."""

    __slots__ = (
        "ack_seconds", "commit_messages", "commit_seconds", "delivered", "duplicates", "ended",
        "lag_seconds", "received", "received_bytes", "sent_bytes", "told",
    )  # fmt: skip

    def __init__(self) -> None:
        self.received = 0
        """Messages that rooms, or those they were addressed to, were given."""
        self.delivered = 0
        """Messages that members were sent who have left, less the numbers at which those who
        are there began to read: with the numbers that they read next, what all were sent.  So
        a message costs nothing here, however many members it is sent to."""
        self.duplicates = 0
        """Messages with an id that had been received before."""
        self.received_bytes = 0
        self.sent_bytes = 0
        """Bytes that were sent to those who are gone."""
        self.told = dict.fromkeys(ErrorCode, 0)
        """How often peers were told each code."""
        self.ended = dict.fromkeys(End, 0)
        """How many connections ended in each way."""
        self.ack_seconds = Distribution(SECONDS)
        """For each group that was stored: from when its first message was received until all of
        it was acknowledged, so the longest that a publisher waited."""
        self.commit_seconds = Distribution(SECONDS)
        """What each commit took in the store."""
        self.commit_messages = Distribution(MESSAGES)
        """How many messages each commit stored."""
        self.lag_seconds = Distribution(SECONDS)
        """How late a timer was, looked at once a second."""

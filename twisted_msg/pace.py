"""How fast one connection may speak: what it saved up by being quiet, in bytes and in messages.

Law of this file: who is too fast is not read from for a while, so nothing is ever refused for
its speed; what it may not yet send waits in its own system.  Time is in seconds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol, TypeVar

T = TypeVar("T")

MAX_ADDRESSES: Final = 4096
"""Addresses behind proxies whose buckets are remembered, the latest ones: a bound on memory."""

PAUSE_SECONDS: Final = 0.1
"""For how long reading stops at the least: a connection at its limit costs ten wakeups a
second, and not one for each message."""

ROOM_COST: Final = 10
"""Messages that beginning a room counts as: a room outlives its connection, and there may be
100,000 of them, which take one connection minutes, while a thousand at once are no flood."""

LIST_PART: Final = 1024
"""Bytes of a list of rooms or members that count as one message: making them costs as much."""

WATCHERS_PART: Final = 4
"""Members told of a coming or going that count as one message: each is told by itself."""


class Rates(NamedTuple):
    """What one connection may send: `bytes` and `messages` a second, None for no limit.

    `burst` is for how many seconds both may be saved up.
    """

    bytes: float | None
    messages: float | None
    burst: float


class Bucket:
    """One thing that is counted.  `level` is what is left of it: below zero, it is owed."""

    __slots__ = ("_burst", "_rate", "_since", "level")

    def __init__(self, rate: float, seconds: float, now: float) -> None:
        """Begin with everything that can be saved up: what `seconds` bring."""
        self._rate = rate
        self._burst = self.level = rate * seconds
        self._since = now

    def refill(self, now: float) -> None:
        """Add what time brought."""
        self.level = min(self._burst, self.level + (now - self._since) * self._rate)
        self._since = now

    @property
    def wait(self) -> float:
        """Seconds until nothing is owed."""
        return max(0.0, -self.level / self._rate)


Buckets = tuple[Bucket | None, Bucket | None]
"""Those of bytes and of messages, None for no limit."""


def new_buckets(rates: Rates, now: float) -> Buckets:
    """Return full buckets."""
    return (
        None if rates.bytes is None else Bucket(rates.bytes, rates.burst, now),
        None if rates.messages is None else Bucket(rates.messages, rates.burst, now),
    )


class AddressBuckets:
    """The buckets of clients whose requests come through proxies, shared by all connections."""

    def __init__(self, rates: Rates) -> None:
        self.rates = rates
        self._buckets: OrderedDict[str, Buckets] = OrderedDict()

    def of(self, address: str, now: float) -> Buckets:
        """Return the buckets of an address; they are new if it was not seen lately."""
        buckets = self._buckets.setdefault(address, new_buckets(self.rates, now))
        self._buckets.move_to_end(address)
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        return buckets


class Paced(Protocol):
    """Whose input is counted."""

    def hold(self) -> None:
        """Stop reading, until `release`."""
        ...

    def release(self) -> None:
        """Read again."""
        ...


class Pace:
    """Has a connection read no more than it may: it holds, and goes on by itself."""

    __slots__ = ("_bytes", "_clock", "_messages", "_paced", "_pause")

    def __init__(
        self, rates: Rates, clock: Any, paced: Paced, buckets: Buckets | None = None
    ) -> None:
        """Take the rates, a clock (`IReactorTime`), and whom to hold.

        `buckets` are those that are shared with others, new ones without them.
        """
        self._clock = clock
        self._paced: Paced | None = paced
        self._bytes, self._messages = buckets or new_buckets(rates, clock.seconds())
        self._pause: Any = None

    def read(self, size: int) -> None:
        """Count bytes that came; may hold."""
        self._refill()
        if self._bytes is not None:
            self._bytes.level -= size
            if self._bytes.level < 0:
                self._hold()

    def count(self, messages: int) -> None:
        """Count messages, or what costs as much; may hold."""
        if self._messages is not None:
            self._messages.level -= messages
            if self._messages.level < 0:
                self._hold()

    def counting(self, take: Callable[[T], None]) -> Callable[[T], None]:
        """Return what takes one message as `take` does, and counts it when it is taken."""

        def counted(message: T) -> None:
            take(message)
            self.count(1)

        return counted

    def allows(self, messages: int) -> bool:
        """Return whether so many messages may come at once."""
        return self._messages is None or self._messages.level >= messages

    @property
    def holding(self) -> bool:
        """Whether nothing may be read now."""
        return self._pause is not None

    def stop(self) -> None:
        """Stop limiting: the connection is closed, or its next request is of another client."""
        self._paced = None
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _refill(self) -> None:
        now = self._clock.seconds()
        for bucket in (self._bytes, self._messages):
            if bucket is not None:
                bucket.refill(now)

    def _hold(self) -> None:
        """Have nothing read until nothing is owed."""
        if self._pause is None and self._paced is not None:
            self._paced.hold()
            self._wait(PAUSE_SECONDS)

    def _wait(self, least: float) -> None:
        waits = (bucket.wait for bucket in (self._bytes, self._messages) if bucket is not None)
        self._pause = self._clock.callLater(max(least, *waits), self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._refill()
        if any(bucket is not None and bucket.level < 0 for bucket in (self._bytes, self._messages)):
            self._wait(0.0)  # more was counted meanwhile
        elif self._paced is not None:
            self._paced.release()

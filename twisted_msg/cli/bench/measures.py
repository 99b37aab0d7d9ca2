"""How long things took: percentiles out of a histogram that does not grow.

Law of this file: what is told of a percentile is at most half a per cent off, and never above
the longest that was seen.  No Twisted.
"""

from __future__ import annotations

import math
from typing import Final

STEPS: Final = 100
"""Buckets for each factor of e: a bucket is one per cent wide."""

LEAST: Final = 1e-9
"""Seconds that the shortest time counts as: clocks tell no less."""


class Times:
    """Times in seconds, counted in buckets that grow with them."""

    def __init__(self) -> None:
        self.count = 0
        self.longest = 0.0
        self._buckets: dict[int, int] = {}

    def add(self, seconds: float) -> None:
        """Count a time."""
        self.count += 1
        if seconds > self.longest:
            self.longest = seconds
        bucket = round(math.log(seconds if seconds > LEAST else LEAST) * STEPS)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1

    def percentile(self, percent: float) -> float:
        """Return the time within which so many per cent were over; 0 if there are none."""
        wanted = math.ceil(self.count * percent / 100)
        for bucket in sorted(self._buckets):
            wanted -= self._buckets[bucket]
            if wanted <= 0:
                return min(math.exp(bucket / STEPS), self.longest)
        return self.longest

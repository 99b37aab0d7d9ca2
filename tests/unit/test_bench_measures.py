"""Percentiles, what is timed, and when messages are to go."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.cli.bench.measures import Times
from twisted_msg.cli.bench.pace import AT_ONCE, EARLY, Pace
from twisted_msg.cli.bench.timing import Timing

settings.register_profile("unit", derandomize=True, deadline=None, database=None)
settings.load_profile("unit")


class TimesTests(SynchronousTestCase):
    @given(st.lists(st.floats(1e-7, 1e4), min_size=1), st.floats(0.1, 100))
    def test_a_percentile_is_within_half_a_per_cent(self, given_: list[float], q: float) -> None:
        times = Times()
        for each in given_:
            times.add(each)
        exact = sorted(given_)[math.ceil(len(given_) * q / 100) - 1]
        self.assertTrue(exact * 0.99499 <= times.percentile(q) <= exact * 1.00502)
        self.assertLessEqual(times.percentile(q), times.longest)
        self.assertEqual((times.count, times.longest), (len(given_), max(given_)))

    def test_none(self) -> None:
        self.assertEqual(Times().percentile(99), 0.0)

    def test_no_time_at_all(self) -> None:
        times = Times()
        times.add(0.0)
        self.assertEqual(times.percentile(50), 0.0)


class TimingTests(SynchronousTestCase):
    def test_the_last_of_a_write(self) -> None:
        acks = Times()
        timing = Timing(acks, ids=True)
        timing.going(0, 10, 1.0)
        timing.going(10, 1, 2.0)
        self.assertEqual(list(timing.delivery), [(9, 1.0), (10, 2.0)])
        timing.acknowledged(9, 3.0)
        self.assertEqual(acks.count, 0)
        timing.acknowledged(10, 3.0)
        self.assertEqual((acks.count, acks.longest), (1, 2.0))

    def test_not_more_often_than_asked_for(self) -> None:
        timing = Timing(Times(), ids=False, gap=0.5)
        for place, now in enumerate((1.0, 1.1, 1.5, 1.9, 2.5)):
            timing.going(place, 1, now)
        self.assertEqual(list(timing.delivery), [(0, 1.0), (2, 1.5), (4, 2.5)])

    def test_every_third_from_its_own_instant(self) -> None:
        timing = Timing(Times(), ids=False, due=lambda place: place / 10, every=3)
        timing.going(0, 2, 99.0)
        timing.going(2, 5, 99.0)
        self.assertEqual(list(timing.delivery), [(0, 0.0), (3, 0.3), (6, 0.6)])


class Allowed:
    """Stands for a publisher."""

    def __init__(self) -> None:
        self.count = 0

    def allow(self, count: int) -> None:
        assert count > self.count
        self.count = count


class PaceTests(SynchronousTestCase):
    def begin(self, rate: float, publishers: int) -> tuple[Clock, Pace, list[Any]]:
        clock = Clock()
        clock.advance(100)
        allowed: list[Any] = [Allowed() for _ in range(publishers)]
        pace = Pace(clock, rate, allowed)
        pace.begin()
        return clock, pace, allowed

    def test_taking_turns(self) -> None:
        clock, pace, allowed = self.begin(10, 3)
        self.assertEqual([each.count for each in allowed], [1, 0, 0])
        seen = []
        for _ in range(40):
            clock.advance(0.025)
            seen.append(tuple(each.count for each in allowed))
        self.assertEqual(seen[-1], (4, 4, 3))
        for one, other in pairwise(seen):
            self.assertLessEqual(sum(other) - sum(one), 1)
        pace.stop()
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_what_was_late_is_due_at_its_own_instant(self) -> None:
        clock, pace, allowed = self.begin(1000, 2)
        clock.advance(1.0)
        self.assertEqual([each.count for each in allowed], [501, 500])
        self.assertAlmostEqual(pace.late.longest, 1.0 - 0.001)
        for publisher, place, due in ((0, 0, 100.0), (1, 0, 100.001), (1, 499, 100.999)):
            self.assertAlmostEqual(pace.due(publisher, place), due)

    def test_it_looks_early_and_often(self) -> None:
        clock, _, _ = self.begin(1, 1)
        (call,) = clock.getDelayedCalls()
        self.assertEqual(call.getTime(), 101 - EARLY)
        clock.advance(1 - EARLY)
        (call,) = clock.getDelayedCalls()
        self.assertEqual(call.getTime(), clock.seconds() + AT_ONCE)

"""How late the reactor is, looked at once a second."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.counts import SECONDS, Distribution
from twisted_msg.lag import Lag


class LagTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.seen = Distribution(SECONDS)
        self.lag = Lag(self.clock, self.seen)
        self.lag.start()

    def test_in_time(self) -> None:
        self.clock.pump([0.5] * 10)
        self.assertEqual((self.seen.counts[0], sum(self.seen.counts)), (5, 5))
        self.assertEqual(self.seen.total, 0)

    def test_late(self) -> None:
        self.clock.advance(1.3)
        self.assertAlmostEqual(self.seen.total, 0.3)
        self.clock.advance(0.99)  # it is due a second after it was called, not before
        self.assertAlmostEqual(self.seen.total, 0.3)
        self.clock.advance(4.01)
        self.assertAlmostEqual(self.seen.total, 4.3)
        self.assertEqual(sum(self.seen.counts), 2)

    def test_stopped(self) -> None:
        self.clock.advance(1)
        self.lag.stop()
        self.lag.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class DistributionTests(SynchronousTestCase):
    def test_each_value_is_in_the_first_bucket_that_holds_it(self) -> None:
        values = Distribution((1, 4, 16))
        for value in (0, 1, 1.5, 4, 16, 17, 1000):
            values.add(value)
        self.assertEqual(values.counts, [2, 2, 1, 2])
        self.assertEqual(values.total, 1039.5)

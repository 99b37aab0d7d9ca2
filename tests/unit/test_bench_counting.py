"""What the benchmarks count, and that they see what is wrong."""

from __future__ import annotations

from typing import cast

from twisted.trial.unittest import SynchronousTestCase

from bench.counting import (
    CYCLE,
    HEADER,
    Acks,
    Delivery,
    Tokens,
    Wrong,
    check,
    cycle,
    interval,
    latencies,
    median,
    payload,
    percentile,
)  # fmt: skip
from bench.figures import least_disturbed
from bench.guard import Verdict, compared, judge
from bench.lag import waits
from bench.ours import frame
from bench.timing import Tree


class PercentileTests(SynchronousTestCase):
    def test_a_share_of_the_samples_lies_below(self) -> None:
        samples = list(range(1000))
        self.assertEqual([percentile(samples, s) for s in (0, 0.5, 0.99, 1)], [0, 500, 990, 999])

    def test_of_one_sample_all_are_that_one(self) -> None:
        self.assertEqual(set(latencies([0.5]).values()), {500_000})

    def test_there_is_none_of_nothing(self) -> None:
        for taken in (lambda: percentile([], 0.5), lambda: median([]), lambda: interval([])):
            self.assertRaises(ValueError, taken)

    def test_the_median_of_an_even_number_lies_between_two(self) -> None:
        self.assertEqual((median([3, 1, 2]), median([4, 1, 3, 2])), (2, 2.5))

    def test_the_interval_is_that_of_the_sign_test(self) -> None:
        """Known ranks: the 6th and the 15th of twenty, the extremes below six."""
        self.assertEqual(interval(range(1, 21)), (6, 15))
        self.assertEqual(interval(range(1, 7)), (1, 6))
        self.assertEqual(interval([5, 1, 3]), (1, 5))
        self.assertEqual(interval([7]), (7, 7))

    def test_who_would_have_come_meanwhile_waited_too(self) -> None:
        self.assertEqual(waits([1, 0], 5), [1, 0])
        self.assertEqual(waits([12], 5), [12, 7, 2])


class CheckTests(SynchronousTestCase):
    """Deliveries have two bytes before the payload and one behind it."""

    def stream(self, *messages: tuple[int, int], size: int = 20) -> bytes:
        return b"".join(b"<<" + payload(who, number, size) + b">" for who, number in messages)

    def checked(self, stream: bytes, size: int = 20) -> int:
        return check(stream, Delivery(size + 3, 2), size)

    def test_whole_deliveries_are_counted(self) -> None:
        stream = self.stream((1, 0), (2, 0), (1, 1), (2, 1))
        self.assertEqual(self.checked(stream), 4)
        self.assertEqual(self.checked(stream[:-1]), 3)

    def test_numbers_begin_again_behind_the_last(self) -> None:
        self.assertEqual(self.checked(self.stream(*((0, n) for n in range(CYCLE + 2)))), CYCLE + 2)

    def test_few_large_ones_are_told_apart(self) -> None:
        """There is less of them to be repeated."""
        size = 1 << 20
        self.assertEqual(([cycle(each) for each in (0, 16, 65536, size)]), [CYCLE, CYCLE, 64, 4])
        self.assertEqual(self.checked(self.stream(*((0, n) for n in range(6)), size=size), size), 6)
        with self.assertRaisesRegex(Wrong, "message 2 came in place of 1"):
            self.checked(self.stream((0, 0), (0, 2), size=size), size)

    def test_a_message_left_out_is_seen(self) -> None:
        with self.assertRaisesRegex(Wrong, "publisher 1: message 2 came in place of 1"):
            self.checked(self.stream((1, 0), (2, 0), (1, 2)))

    def test_a_message_given_twice_is_seen(self) -> None:
        with self.assertRaisesRegex(Wrong, "message 0 came in place of 1"):
            self.checked(self.stream((1, 0), (1, 0)))

    def test_the_beginning_must_be_there(self) -> None:
        with self.assertRaisesRegex(Wrong, "message 1 came in place of 0"):
            self.checked(self.stream((1, 1)))

    def test_an_altered_byte_is_seen(self) -> None:
        stream = bytearray(self.stream((1, 0), (1, 1)))
        stream[-2] ^= 1
        with self.assertRaisesRegex(Wrong, "message 1 was altered"):
            self.checked(bytes(stream))

    def test_what_is_no_message_is_seen(self) -> None:
        with self.assertRaisesRegex(Wrong, "delivery 1 is no message of ours"):
            self.checked(self.stream((1, 0)) + b"-ERR 'Maximum Payload'..")

    def test_payloads_too_short_to_tell_are_counted_only(self) -> None:
        self.assertEqual(self.checked(self.stream((1, 0), (1, 9), size=4), size=4), 2)

    def test_payloads_have_the_size_asked_for(self) -> None:
        self.assertEqual([len(payload(12, 34, size)) for size in (0, 5, 16, 99)], [0, 5, 16, 99])


class CounterTests(SynchronousTestCase):
    def test_acks_count_what_they_stand_for_however_cut(self) -> None:
        stream = frame("ACK 3 9") + frame("ACK 4 10") + frame("ACK 9 15")
        for size in (1, 100, HEADER, HEADER + 1, len(stream)):
            acks = Acks()
            pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
            self.assertEqual(sum(acks.feed(each) for each in pieces), 9)

    def test_an_ack_that_goes_back_is_wrong(self) -> None:
        acks = Acks()
        acks.feed(frame("ACK 3 9"))
        self.assertRaises(Wrong, acks.feed, frame("ACK 3 9"))

    def test_a_message_that_was_not_kept_is_seen(self) -> None:
        for seq in (14, 16):
            acks = Acks()
            acks.feed(frame("ACK 3 9"))
            with self.assertRaisesRegex(Wrong, "some were not kept"):
                acks.feed(frame(f"ACK 9 {seq}"))

    def test_anything_but_an_ack_is_wrong(self) -> None:
        with self.assertRaisesRegex(Wrong, "ERR busy PUB"):
            Acks().feed(frame("ERR busy PUB", b"the disk is full"))

    def test_tokens_are_counted_also_where_they_are_cut(self) -> None:
        stream = b'MSG a {"stream":"B","seq":1}\r\nMSG a {"stream":"B","seq":2}\r\n'
        for size in range(1, len(stream) + 1):
            tokens = Tokens(b'"seq":')
            pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
            self.assertEqual(sum(tokens.feed(each) for each in pieces), 2, size)

    def test_a_refusal_is_wrong_also_where_it_is_cut(self) -> None:
        tokens = Tokens(b'"seq":', (b'"error"',))
        tokens.feed(b'MSG a {"err')
        self.assertRaises(Wrong, tokens.feed, b'or":{}}')


class PathsOf:
    """Stands for a checkout's process, which answers so many times."""

    def __init__(self, *costs: float | None) -> None:
        self.costs = iter(costs)
        self.refusals: dict[str, str] = {}

    def sample(self, name: str) -> float | None:
        cost = next(self.costs)
        if cost is None:
            self.refusals[name] = "RuntimeError: nothing was acknowledged"
        return cost


class GuardTests(SynchronousTestCase):
    def compared(self, before: PathsOf, now: PathsOf) -> Verdict | None:
        return compared("a path", cast(Tree, before), cast(Tree, now), 2)

    def test_pairs_make_a_verdict(self) -> None:
        verdict = self.compared(PathsOf(9.0, 1.0, 1.0), PathsOf(9.0, 1.5, 2.0))
        assert verdict is not None
        self.assertEqual((verdict.ratio, verdict.slower()), (1.75, True))

    def test_what_the_other_revision_does_not_have_is_no_verdict(self) -> None:
        self.assertIsNone(self.compared(PathsOf(None), PathsOf(1.0)))

    def test_a_path_that_fails_is_no_path_that_is_fast(self) -> None:
        for before, now in (
            (PathsOf(1.0), PathsOf(None)),
            (PathsOf(1.0, 1.0), PathsOf(1.0, None)),
            (PathsOf(1.0, None), PathsOf(1.0, 1.0)),
        ):
            with self.assertRaisesRegex(Wrong, "nothing was acknowledged"):
                self.compared(before, now)


class DisturbedTests(SynchronousTestCase):
    """A cell is measured again while others take more than a tenth of a core."""

    def tried(self, *others: float | None) -> dict[str, object]:
        rows = [{"failed": "no"} if each is None else {"others": each} for each in others]
        return least_disturbed(iter(rows).__next__, 3)

    def test_a_quiet_one_counts_at_once(self) -> None:
        self.assertEqual(self.tried(0.1), {"others": 0.1, "tries": 1})

    def test_the_first_quiet_one_counts(self) -> None:
        self.assertEqual(self.tried(0.5, 0.02), {"others": 0.02, "tries": 2})

    def test_else_the_least_disturbed_of_three(self) -> None:
        self.assertEqual(self.tried(0.5, 0.2, 0.3), {"others": 0.2, "tries": 3})

    def test_a_failure_is_not_tried_again_until_it_passes(self) -> None:
        self.assertEqual(self.tried(None), {"failed": "no", "tries": 1})

    def test_a_failure_behind_a_disturbed_one_counts(self) -> None:
        self.assertEqual(self.tried(0.5, None), {"failed": "no", "tries": 2})


class VerdictTests(SynchronousTestCase):
    def test_a_path_that_costs_a_quarter_more_is_slower(self) -> None:
        verdict = judge("decode", [(100, 125), (200, 248), (50, 64)] * 4)
        self.assertTrue(verdict.slower(1.1))
        self.assertAlmostEqual(verdict.ratio, 1.25)

    def test_one_within_the_tolerance_is_not(self) -> None:
        self.assertFalse(judge("decode", [(100, 105)] * 12).slower(1.1))

    def test_nor_one_that_spreads_on_both_sides_of_what_it_was(self) -> None:
        pairs = [(100, 90), (100, 300), (100, 95), (100, 120), (100, 70), (100, 140), (100, 130)]
        verdict = judge("decode", pairs)
        self.assertEqual((verdict.ratio, verdict.low), (1.2, 0.7))
        self.assertFalse(verdict.slower(1.1))

    def test_a_faster_one_is_not(self) -> None:
        self.assertFalse(judge("decode", [(100, 50)] * 12).slower(1.1))

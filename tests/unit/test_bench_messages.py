"""The messages of a load, made by the block, and which message a number is."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.cli.bench.messages import (
    BLOCK,
    DIGITS,
    PLACES,
    PUBLISHERS,
    Frames,
    Message,
    Payloads,
    message,
    number,
)
from twisted_msg.wire import FrameDecoder
from twisted_msg.wire.requests import Pub, parse_request

settings.register_profile("unit", derandomize=True, deadline=None, database=None)
settings.load_profile("unit")

SIZES = st.sampled_from((DIGITS, DIGITS + 1, 100, 1024, 4000, 40_000, BLOCK))


class NumberTests(SynchronousTestCase):
    @given(st.integers(0, PUBLISHERS - 1), st.integers(0, PLACES - 1))
    def test_a_number_is_one_message(self, publisher: int, place: int) -> None:
        which = Message(publisher, place)
        self.assertEqual(message(number(which)), which)
        self.assertEqual(len(str(number(which))), DIGITS)
        self.assertLess(number(which), 2**63)

    def test_small_numbers_are_of_nobody(self) -> None:
        for text in ("0", "7", "0000000000000007", "0999999999999999"):
            self.assertLess(message(int(text)).publisher, 0)


class FramesTests(SynchronousTestCase):
    @given(SIZES, st.booleans(), st.integers(0, 3000), st.integers(1, 1500))
    def test_frames_are_those_of_the_wire(
        self, size: int, ids: bool, place: int, most: int
    ) -> None:
        most = min(most, 10_000_000 // size)
        frames = Frames("hall", size, ids=ids)
        first = number(Message(7, place))
        data, count = frames.some(first, most)
        self.assertTrue(1 <= count <= most)
        self.assertEqual(len(data), count * frames.size)
        said = [parse_request(frame) for frame in FrameDecoder(128, size).feed(data)]
        self.assertEqual(
            said,
            [
                Pub("hall", b"%d" % value + b"x" * (size - DIGITS), value if ids else None)
                for value in range(first, first + count)
            ],
        )

    def test_blocks_follow_each_other(self) -> None:
        frames = Frames("hall", 16, ids=True)
        at, data = number(Message(0, 0)), b""
        while at < number(Message(0, 2500)):
            some, count = frames.some(at, 700)
            data, at = data + some, at + count
        ids = [parse_request(frame).id for frame in FrameDecoder().feed(data)]  # type: ignore[union-attr]
        self.assertEqual(ids, list(range(number(Message(0, 0)), at)))

    def test_many_publishers_have_small_blocks(self) -> None:
        frames = Frames("hall", 16, ids=False, publishers=10_000)
        self.assertLess(len(frames.some(number(Message(0, 0)), 1000)[0]), 10_000)

    @given(st.integers(0, 3000), st.integers(0, 3000))
    def test_payloads_of_any_number(self, place: int, count: int) -> None:
        first = number(Message(3, place))
        expected = b"".join(b"%dxx" % value for value in range(first, first + count))
        self.assertEqual(Payloads(18).take(first, count), expected)

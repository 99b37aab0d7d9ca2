"""Whether a load sees what its members get: any loss, in any stream, however it is cut."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.cli.bench import tape as module
from twisted_msg.cli.bench.checking import MOST, Count, Reading, Run
from twisted_msg.cli.bench.follower import Follower
from twisted_msg.cli.bench.messages import DIGITS, Message, number
from twisted_msg.cli.bench.tape import Tape
from twisted_msg.wire import ProtocolError
from twisted_msg.wire.replies import Missed, Msg, Ping, Subbed

SIZE = DIGITS + 4
MILLIS = 1_700_000_000_000
PING = Ping().encode()

Said = tuple[int, int]
"""A publisher, and the place of a message in what it says."""


def text(said: Said, size: int = SIZE) -> bytes:
    return b"%d" % number(Message(*said)) + b"x" * (size - DIGITS)


def msg(seq: int, payload: bytes, room: str = "hall", sender: str = "guest-7") -> bytes:
    return Msg(room, seq, sender, MILLIS + seq, payload).encode()


def stream(said: list[Said], seq: int = 1, size: int = SIZE) -> list[bytes]:
    """Return the frames of messages, one for each."""
    return [msg(at, text(each, size)) for at, each in enumerate(said, seq)]


def turns(*lengths: int) -> list[Said]:
    """Return messages of publishers that take turns: 0, 1, 2, 0 and so on, so many each."""
    places = [0, 0, 0]
    said = []
    for turn, length in enumerate(lengths):
        for _ in range(length):
            said.append((turn % 3, places[turn % 3]))
            places[turn % 3] += 1
    return said


def counted(runs: list[Run]) -> list[Said]:
    return [(run.publisher, run.place + n) for run in runs for n in range(run.length)]


class ReadingTests(SynchronousTestCase):
    def test_every_message_is_found(self) -> None:
        for seed in range(100):
            with self.subTest(seed):
                self.check_found(Random(seed))

    def check_found(self, random: Random) -> None:
        said = turns(*(random.randrange(60) for _ in range(random.randrange(12))))
        frames = stream(said, random.randint(1, 120))
        end = msg(10**6, text((0, 0)))[: random.randint(0, 140)]
        runs = list(Reading("hall", SIZE).runs(b"".join(frames) + end))
        self.assertEqual(counted(runs), said)
        at = 0
        for run in runs:
            self.assertEqual((run.at, run.stride), (at, 128 + SIZE))
            at += run.length * run.stride

    def test_many_are_found_together(self) -> None:
        said = [(0, place) for place in range(3 * MOST)]
        runs = list(Reading("hall", SIZE).runs(b"".join(stream(said, 10**6))))
        self.assertEqual(counted(runs), said)
        self.assertLess(len(runs), 20)

    def test_anything_else_in_their_place_is_seen(self) -> None:
        frames = stream([(0, place) for place in range(200)], 1000)
        for wrong in (
            msg(1150, text((0, 150))[:-1] + b"y"),  # a byte of the payload
            msg(1150, b"0" * SIZE),
            msg(1150, b"+" + text((0, 150))[1:]),
            msg(1150, b"hello"),
            msg(1150, b"x" * SIZE),
        ):
            with self.subTest(wrong[128:]):
                runs = list(
                    Reading("hall", SIZE).runs(b"".join([*frames[:150], wrong, *frames[151:]]))
                )
                self.assertEqual([run.publisher for run in runs if run.publisher < 0], [-1])
                self.assertEqual(len(counted(runs)), 200)

    def test_numbers_that_do_not_rise(self) -> None:
        for at, seq in ((150, 1149), (150, 1100), (3, 1), (199, 1198)):
            frames = stream([(0, place) for place in range(200)], 1000)
            frames[at] = msg(seq, text((0, at)))
            reading = Reading("hall", SIZE)
            self.assertEqual(len(counted(list(reading.runs(b"".join(frames))))), 200)
            self.assertGreaterEqual(reading.backward, 1)

    def test_other_frames_end_it(self) -> None:
        for other in (PING, msg(5, text((0, 2)), room="attic"), Subbed("hall", 3).encode()):
            frames = [*stream([(0, 0), (0, 1)]), other, *stream([(0, 2)], 9)]
            self.assertEqual(
                counted(list(Reading("hall", SIZE).runs(b"".join(frames)))), [(0, 0), (0, 1)]
            )

    def test_no_frame(self) -> None:
        with self.assertRaises(ProtocolError):
            list(Reading("hall", SIZE).runs(b"x" * 128))


class CountTests(SynchronousTestCase):
    def count(self, *said: Said) -> Count:
        count = Count(2)
        for publisher, place in said:
            count.add(Run(0, 1, 1, publisher, place))
        return count

    def test_what_can_be_wrong(self) -> None:
        for places, lost, doubled, disordered in (
            ((0, 1, 2, 3), 0, 0, 0),
            ((0, 1, 3), 1, 0, 0),
            ((3,), 3, 0, 0),
            ((), 4, 0, 0),
            ((0, 1, 1, 2, 3), 0, 1, 0),
            ((0, 2, 1, 3), 0, 0, 1),
            ((3, 2, 1, 0), 0, 0, 3),
            ((1, 0, 0, 3, 2, 2), 0, 2, 2),
        ):
            with self.subTest(places):
                count = self.count(*((0, place) for place in places))
                self.assertEqual(
                    (count.lost([4, 0]), count.doubled, count.disordered),
                    (lost, doubled, disordered),
                )

    def test_a_run_that_was_there_in_part(self) -> None:
        count = self.count((0, 0), (0, 1))
        count.add(Run(0, 1, 4, 0, 0))
        self.assertEqual((count.received, count.doubled, count.lost([4])), (4, 2, 0))

    def test_publishers_have_no_order_between_them(self) -> None:
        count = self.count((1, 0), (0, 0), (1, 1), (0, 1))
        self.assertEqual((count.lost([2, 2]), count.disordered), (0, 0))

    def test_others(self) -> None:
        count = self.count((-1, 0), (2, 0), (0, 0))
        self.assertEqual((count.others, count.received), (2, 1))


class TapeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.tape = Tape("hall", SIZE, 3)

    def feed(self, follower: Follower, frames: list[bytes], now: float = 0.0) -> bytes:
        return follower.take(memoryview(b"".join(frames)), now)

    def test_members_that_get_the_same(self) -> None:
        """However streams are cut, and whoever is ahead, everybody's count is right."""
        for seed in range(150):
            with self.subTest(seed):
                self.check_members(Random(seed))

    def check_members(self, random: Random) -> None:
        said = turns(*(random.randrange(60) for _ in range(random.randrange(12))))
        tape = Tape("hall", SIZE, 3)
        followers = [Follower(tape) for _ in range(random.randint(1, 4))]
        streams, pings = [], []
        for _ in followers:
            frames = stream(said, 990)
            pings.append(random.randrange(4))
            for _ in range(pings[-1]):
                frames.insert(random.randint(0, len(frames)), PING)
            streams.append(b"".join(frames))
        beside = [b""] * len(followers)
        while any(streams):
            which = random.choice([n for n, rest in enumerate(streams) if rest])
            size = random.choice((1, 100, 128, 150, 1000, 5000, 10**6))
            piece, streams[which] = streams[which][:size], streams[which][size:]
            beside[which] += followers[which].take(piece, 0.0)
        for follower, pinged, own in zip(followers, pings, beside, strict=True):
            self.assertEqual(own, PING * pinged)
            self.assertFalse(follower.alone)
            self.assertTrue(follower.up_to_date)
            count = follower.count
            self.assertEqual((count.received, count.doubled, count.disordered), (len(said), 0, 0))

    def test_a_member_that_gets_something_else(self) -> None:
        """What is wrong with one member's stream is counted for that one, ahead or behind."""
        for how in ("lose", "double", "swap", "change"):
            for seed in range(30):
                with self.subTest(how=how, seed=seed):
                    self.check_wrong(how, Random(seed))

    def check_wrong(self, how: str, random: Random) -> None:
        at = random.randrange(99)
        tape = Tape("hall", SIZE, 3)
        good, bad = Follower(tape), Follower(tape)
        right = stream([(0, place) for place in range(100)], 950)
        wrong = list(right)
        if how == "lose":
            del wrong[at]
        elif how == "double":
            wrong.insert(at, wrong[at])
        elif how == "swap":
            wrong[at], wrong[at + 1] = wrong[at + 1], wrong[at]
        else:
            wrong[at] = wrong[at][:-1] + b"y"
        jobs = [(good, b"".join(right)), (bad, b"".join(wrong))]
        random.shuffle(jobs)
        size = random.choice((100, 999, 5000, 10**6))
        for follower, rest in jobs:
            for begin in range(0, len(rest), size):
                follower.take(rest[begin : begin + size], 0.0)
        count = good.count
        self.assertEqual((count.received, count.doubled, count.disordered), (100, 0, 0))
        self.assertEqual(good.backward if good.alone else 0, 0)
        count = bad.count
        self.assertEqual(
            (count.lost([100]), count.doubled, count.disordered, count.others),
            {"lose": (1, 0, 0, 0), "double": (0, 1, 0, 0), "swap": (0, 0, 1, 0),
             "change": (1, 0, 0, 1)}[how],
        )  # fmt: skip
        self.assertEqual([good.alone, bad.alone].count(True), 1)

    def test_what_was_missed(self) -> None:
        """After `MISSED` a member goes on further on, and is right from there."""
        ahead, behind = Follower(self.tape), Follower(self.tape)
        frames = stream([(0, place) for place in range(50)])
        self.feed(ahead, frames)
        missed = Missed("hall", 11, 20).encode()
        self.assertEqual(self.feed(behind, [*frames[:10], missed, *frames[20:]]), missed)
        self.assertTrue(behind.alone)
        self.assertEqual((behind.count.received, behind.count.lost([50])), (40, 10))

    def test_large_messages_in_small_pieces(self) -> None:
        tape = Tape("hall", 100_000, 1)
        one, other = Follower(tape), Follower(tape)
        data = b"".join(stream([(0, place) for place in range(3)], size=100_000))
        for at in range(0, len(data), 1000):
            one.take(data[at : at + 1000], 0.0)
            other.take(data[at : at + 1000], 0.0)
        self.assertEqual((one.count.received, other.count.received), (3, 3))

    def test_times(self) -> None:
        """Each member's time to the end of a timed message is taken, once."""
        one, other = Follower(self.tape), Follower(self.tape)
        self.tape.sent[0].extend([(1, 10.0), (2, 20.0)])
        frames = stream([(0, place) for place in range(4)])
        self.feed(one, frames[:2], 11.0)
        self.assertEqual((self.tape.times.count, self.tape.times.longest), (1, 1.0))
        other.take(b"".join(frames[:2])[:-1], 12.0)
        self.assertEqual(self.tape.times.count, 1)
        other.take(b"".join(frames[:2])[-1:], 13.0)
        self.assertEqual((self.tape.times.count, self.tape.times.longest), (2, 3.0))
        self.feed(other, frames[2:], 24.0)
        self.feed(one, frames[2:], 25.0)
        self.assertEqual((self.tape.times.count, self.tape.times.longest), (4, 5.0))

    def test_what_everybody_has_passed_is_forgotten(self) -> None:
        self.patch(module, "CUT", 10_000)
        tape = Tape("hall", SIZE, 3)
        followers = [Follower(tape) for _ in range(3)]
        said = [(0, place) for place in range(2000)]
        frames = stream(said, 10_000)
        for place in range(0, 2000, 100):
            tape.sent[0].append((place, 0.0))
            for follower in followers:
                self.feed(follower, frames[place : place + 100], 1.0)
        self.assertLess(len(tape.data), 60_000)
        self.assertLess(len(tape.marks), 5)
        self.assertEqual(tape.times.count, 60)
        self.assertEqual([each.count.received for each in followers], [2000] * 3)

    def test_who_is_too_far_behind_is_read_on_its_own(self) -> None:
        self.patch(module, "CUT", 10_000)
        self.patch(module, "LONGEST", 50_000)
        tape = Tape("hall", SIZE, 3)
        ahead, behind, never = (Follower(tape) for _ in range(3))
        frames = stream([(0, place) for place in range(2000)], 10_000)
        behind.take(b"".join(frames)[:1000], 0.0)
        for place in range(0, 2000, 100):
            self.feed(ahead, frames[place : place + 100])
        self.assertTrue(behind.alone)
        self.assertLess(len(tape.data), 70_000)
        behind.take(b"".join(frames)[1000:], 0.0)
        self.feed(never, frames)
        for each in (ahead, behind, never):
            self.assertEqual((each.count.received, each.count.doubled), (2000, 0))

    def test_no_frame(self) -> None:
        with self.assertRaises(ProtocolError):
            Follower(self.tape).take(b"x" * 200, 0.0)

"""The outlet: answers between frames, never inside one, and an end behind all that is owed."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.world import Pipe
from twisted_msg.delivery import ANSWERS_LIMIT, Outlet
from twisted_msg.log.views import PlainView
from twisted_msg.rooms.room import Room
from twisted_msg.wire import encode_frame

ANSWER = encode_frame(b"", ("PONG",))


class Member:
    """A reader and a publisher of a room, with an outlet."""

    number = 1

    def __init__(self, room: Room) -> None:
        self.pipe = Pipe(1, stuck=True)
        self.backlog: list[bool] = []
        self.outlet = Outlet(self.pipe, self.backlog.append)
        self.outlet.follow(room.join(self, PlainView(), self.number))

    def wake(self) -> None:
        self.outlet.wake()

    def taken(self) -> int:
        return self.outlet.taken()

    def fallen(self, missed: int) -> None:
        raise AssertionError(missed)

    def hold(self) -> None:
        raise AssertionError

    def release(self) -> None:
        raise AssertionError


class OutletTests(SynchronousTestCase):
    def setUp(self) -> None:
        clock = Clock()
        self.room = Room("a", start=0, seconds=clock.seconds, soon=lambda call: None)
        self.member = Member(self.room)
        self.other = Member(self.room)
        self.other.number = 2
        self.pipe, self.outlet = self.member.pipe, self.member.outlet

    def publish(self, payload: bytes) -> bytes:
        self.room.publish(self.other, payload)
        self.room.commit()
        return encode_frame(payload)

    def test_answer_waits_for_the_end_of_a_frame(self) -> None:
        large = self.publish(b"x" * 300_000)
        self.outlet.answer(ANSWER)
        small = self.publish(b"y")
        self.pipe.read_on()
        self.assertEqual(self.pipe.received, large + ANSWER + small)

    def test_answers_overtake_the_room_between_frames(self) -> None:
        first = self.publish(b"x" * 65_000) + self.publish(b"x" * 65_000)
        last = self.publish(b"z" * 65_000)
        self.outlet.answer(ANSWER)
        self.outlet.answer(ANSWER)
        self.pipe.read_on()
        self.assertEqual(self.pipe.received, first + ANSWER * 2 + last)

    def test_unread_answers_are_told_of_once_each_way(self) -> None:
        self.publish(b"x" * 200_000)
        while not self.member.backlog:
            self.outlet.answer(ANSWER)
        self.outlet.answer(ANSWER)
        self.assertEqual(self.member.backlog, [True])
        self.pipe.read_on()
        self.assertEqual(self.member.backlog, [True, False])
        self.assertGreater(len(self.pipe.received), 200_000 + ANSWERS_LIMIT)

    def test_end_comes_behind_what_is_owed_and_once(self) -> None:
        owed = self.publish(b"x" * 100_000)
        ends: list[str] = []
        self.outlet.end(lambda: ends.append("first"), b"last")
        self.outlet.end(lambda: ends.append("second"), b"never")
        self.outlet.answer(b"never")
        self.publish(b"too late")
        self.assertEqual(ends, [])
        self.assertIsNotNone(self.pipe.producer)
        self.pipe.read_on()
        self.assertEqual(self.pipe.received, owed + b"last")
        self.assertEqual(ends, ["first"])
        self.assertIsNone(self.pipe.producer)

    def test_last_frame_may_be_exchanged_until_it_is_sent(self) -> None:
        self.outlet.end_with(b"not ending yet")
        owed = self.publish(b"x" * 100_000)
        self.outlet.end(lambda: None, b"last")
        self.outlet.end_with(b"other")
        self.pipe.read_on()
        self.outlet.end_with(b"too late")
        self.assertEqual(self.pipe.received, owed + b"other")

    def test_nothing_is_sent_to_a_lost_connection(self) -> None:
        self.publish(b"x" * 100_000)
        self.outlet.stopProducing()
        self.outlet.answer(ANSWER)
        self.outlet.end(lambda: self.fail("ended"))
        self.publish(b"y")
        self.assertEqual(self.room.members, 1)

    def test_taken_counts_what_the_peer_read(self) -> None:
        frame = self.publish(b"x" * 1000)
        self.assertEqual(self.outlet.taken(), 0)
        self.pipe.take(100)
        self.assertEqual(self.outlet.taken(), 100)
        self.pipe.take()
        self.assertEqual(self.outlet.taken(), len(frame))

    def test_without_a_room(self) -> None:
        pipe = Pipe(3)
        outlet = Outlet(pipe, self.fail)
        outlet.cut_short()
        outlet.answer(ANSWER)
        outlet.stopProducing()
        self.assertEqual(pipe.received, ANSWER)

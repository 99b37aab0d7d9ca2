"""The outlet: answers between frames, never inside one, and an end behind all that is owed."""

from __future__ import annotations

import sys
from itertools import chain

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.world import EPOCH, Pipe
from twisted_msg import transports
from twisted_msg.counts import Counts
from twisted_msg.delivery import ANSWERS_LIMIT, JOINED, Outlet
from twisted_msg.log.piece import Author
from twisted_msg.log.views import PlainView
from twisted_msg.rooms.cursor import Cursor
from twisted_msg.rooms.memory import MemoryRoom
from twisted_msg.wire import encode_frame

ANSWER = encode_frame(b"", ("PONG",))
ACK = encode_frame(b"", ("ACK", "1", "1"))
BOB = Author(2, b"bob")


def room(name: str, clock: Clock) -> MemoryRoom:
    """Make a room whose batches are committed by the test."""
    return MemoryRoom(
        name,
        start=0,
        now=lambda: EPOCH // 1000,
        seconds=clock.seconds,
        soon=lambda call: None,
        counts=Counts(),
    )


class Member:
    """A reader of rooms and a publisher, with an outlet."""

    number = 1
    name = "alice"

    def __init__(self, *rooms: MemoryRoom) -> None:
        self.pipe = Pipe(1, stuck=True)
        self.backlog: list[bool] = []
        self.faults = 0
        self.outlet = Outlet(self.pipe, self.backlog.append, self.fault)
        self.cursors = [self.join(each) for each in rooms]

    def join(self, room: MemoryRoom) -> Cursor:
        cursor = room.join(self, self.outlet, PlainView(), without=self.number)
        self.outlet.follow(cursor)
        return cursor

    def fault(self) -> None:
        self.faults += 1

    def fallen(self, cursor: Cursor, missed: int) -> None:
        raise AssertionError(missed)

    def presence(self, cursor: Cursor, name: str, *, here: bool) -> bool:
        return True

    def unreadable(self, cursor: Cursor, reason: str) -> None:
        raise AssertionError(reason)

    def refresh(self, cursor: Cursor) -> None:
        raise AssertionError

    def hold(self) -> None:
        raise AssertionError

    def release(self) -> None:
        raise AssertionError


class OutletCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.room = room("a", self.clock)
        self.member = Member(self.room)
        self.pipe, self.outlet = self.member.pipe, self.member.outlet

    def publish(self, payload: bytes, where: MemoryRoom | None = None) -> bytes:
        where = where or self.room
        where.publish(self.member, BOB, payload)
        where.commit()
        return encode_frame(payload)


class Answers(OutletCase):
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

    def test_unread_acknowledgements_are_one_and_the_last(self) -> None:
        owed = self.publish(b"x" * 200_000)
        for number in range(2000):
            self.outlet.acknowledge(b"an old one %d" % number)
        self.outlet.acknowledge(ACK)
        self.assertEqual(self.member.backlog, [])
        self.pipe.read_on()
        self.assertEqual(self.pipe.received, owed + ACK)

    def test_notices_are_refused_when_too_many_are_unread(self) -> None:
        self.publish(b"x" * 200_000)
        sent = 0
        while self.outlet.notify(ANSWER):
            sent += 1
        self.assertEqual(self.member.backlog, [])  # the peer did not ask for them
        self.assertEqual(sent, ANSWERS_LIMIT // len(ANSWER) + 1)
        self.pipe.read_on()
        self.assertTrue(self.outlet.notify(ANSWER))
        self.assertEqual(self.pipe.received.count(ANSWER), sent + 1)

    def test_nothing_is_noticed_by_who_is_leaving_or_gone(self) -> None:
        self.publish(b"x" * 200_000)
        self.outlet.end(lambda: None)
        self.assertFalse(self.outlet.notify(ANSWER))
        self.outlet.stopProducing()
        self.assertFalse(self.outlet.notify(ANSWER))

    def test_answers_of_a_lost_connection_are_not_kept(self) -> None:
        self.publish(b"x" * 200_000)
        self.outlet.stopProducing()
        answer = bytes(2 * ANSWERS_LIMIT)
        held = sys.getrefcount(answer)
        self.outlet.answer(answer)
        self.assertEqual(sys.getrefcount(answer), held)
        self.assertEqual(self.member.backlog, [])
        self.pipe.paused = False
        self.outlet.resumeProducing()
        self.assertEqual(self.pipe.received, b"")

    def test_what_a_lost_connection_was_to_be_sent_is_not_kept(self) -> None:
        self.publish(b"x" * 200_000)
        ack, last = bytes(1000), bytes(1001)
        held = sys.getrefcount(ack), sys.getrefcount(last)
        self.outlet.acknowledge(ack)
        self.outlet.end(lambda: None, last)
        self.assertNotEqual((sys.getrefcount(ack), sys.getrefcount(last)), held)
        self.outlet.stopProducing()
        self.assertEqual((sys.getrefcount(ack), sys.getrefcount(last)), held)

    def test_without_a_room(self) -> None:
        member = Member()
        member.outlet.cut_short()
        member.outlet.answer(ANSWER)
        member.outlet.stopProducing()
        member.pipe.take()
        self.assertEqual(member.pipe.received, ANSWER)


class Ends(OutletCase):
    def test_end_comes_behind_what_is_owed_and_once(self) -> None:
        owed = self.publish(b"x" * 100_000)
        ends: list[str] = []
        self.outlet.end(lambda: ends.append("first"), b"last")
        self.outlet.end(lambda: ends.append("second"), b"never")
        self.publish(b"too late")
        self.assertEqual(ends, [])
        self.assertIsNotNone(self.pipe.producer)
        self.pipe.read_on()
        self.outlet.answer(b"never")
        self.assertEqual(self.pipe.received, owed + b"last")
        self.assertEqual(ends, ["first"])
        self.assertIsNone(self.pipe.producer)

    def test_what_was_said_but_not_committed_is_owed(self) -> None:
        self.room.publish(self.member, BOB, b"said")
        ends: list[str] = []
        self.outlet.end(lambda: ends.append("end"), b"last")
        self.pipe.read_on()
        self.assertEqual(ends, [])
        self.room.commit()
        self.assertEqual(self.pipe.received, encode_frame(b"said") + b"last")
        self.assertEqual(ends, ["end"])

    def test_end_waits_for_what_every_room_owes(self) -> None:
        other = room("b", self.clock)
        self.member.join(other)
        self.pipe.read_on()
        self.room.publish(self.member, BOB, b"first")
        other.publish(self.member, BOB, b"second")
        ends: list[str] = []
        self.outlet.end(lambda: ends.append("end"), b"last")
        other.commit()
        self.assertEqual((self.pipe.received, ends), (encode_frame(b"second"), []))
        self.room.commit()
        self.assertTrue(self.pipe.received.endswith(encode_frame(b"first") + b"last"))
        self.assertEqual(ends, ["end"])

    def test_end_waits_for_answers_that_are_still_to_come(self) -> None:
        self.pipe.read_on()
        ends: list[str] = []
        self.outlet.owing = True
        self.outlet.end(lambda: ends.append("end"), b"last")
        self.assertEqual(self.pipe.received, b"")
        self.outlet.owing = False
        self.outlet.acknowledge(ACK)
        self.assertEqual(self.pipe.received, ACK + b"last")
        self.assertEqual(ends, ["end"])

    def test_last_frame_may_be_exchanged_until_it_is_sent(self) -> None:
        self.outlet.end_with(b"not ending yet")
        owed = self.publish(b"x" * 100_000)
        self.outlet.end(lambda: None, b"last")
        self.outlet.end_with(b"other")
        self.pipe.read_on()
        self.outlet.end_with(b"too late")
        self.assertEqual(self.pipe.received, owed + b"other")

    def test_cut_short_leaves_the_rest_of_a_frame(self) -> None:
        begun = self.publish(b"x" * 300_000)
        self.publish(b"y" * 300_000)
        ends: list[str] = []
        self.outlet.cut_short()
        self.outlet.end(lambda: ends.append("end"), b"last")
        self.pipe.read_on()
        self.assertEqual(self.pipe.received, begun + b"last")
        self.assertEqual(ends, ["end"])

    def test_cursor_that_comes_too_late_leaves(self) -> None:
        self.publish(b"x" * 100_000)
        self.outlet.end(lambda: None)
        self.assertTrue(self.member.join(room("b", self.clock)).ended)
        self.outlet.stopProducing()
        self.assertTrue(self.member.join(room("c", self.clock)).ended)

    def test_nothing_is_sent_to_a_lost_connection(self) -> None:
        self.publish(b"x" * 100_000)
        self.outlet.stopProducing()
        self.outlet.answer(ANSWER)
        self.outlet.acknowledge(ACK)
        self.outlet.end(lambda: self.fail("ended"))
        self.publish(b"y")
        self.assertEqual(len(self.room.members), 0)

    def test_fault_on_the_way_out_is_told_and_nothing_follows(self) -> None:
        self.patch(self.pipe, "write", lambda data: 1 // 0)
        self.publish(b"x")
        self.outlet.answer(ANSWER)
        self.assertEqual(self.member.faults, 1)


class Progress(OutletCase):
    def test_taken_counts_what_the_peer_read(self) -> None:
        frame = self.publish(b"x" * 1000)
        self.assertEqual(self.outlet.taken(), 0)
        self.pipe.take(100)
        self.assertEqual(self.outlet.taken(), 100)
        self.pipe.take()
        self.assertEqual(self.outlet.taken(), len(frame))

    def test_waiting_until_the_last_byte_is_taken(self) -> None:
        self.assertFalse(self.outlet.waiting)
        frame = self.publish(b"x" * 1000)
        self.assertTrue(self.outlet.waiting)
        self.pipe.take(len(frame) - 1)
        self.assertTrue(self.outlet.waiting)
        self.pipe.take()
        self.assertFalse(self.outlet.waiting)

    def test_waiting_while_the_transport_has_enough(self) -> None:
        self.publish(b"x" * 200_000)
        self.assertTrue(self.outlet.waiting)


class Portions(OutletCase):
    """A transport that takes a little at a time, and asks for more."""

    def setUp(self) -> None:
        super().setUp()
        self.pipe.read_on()
        self.patch(transports.Way, "send", self.send)

    def send(self, data: bytes, start: int = 0) -> int:
        self.pipe.write(data[start : start + 1000])
        return len(data[start : start + 1000])

    def test_nothing_stands_inside_a_frame_that_is_sent_in_portions(self) -> None:
        large = self.publish(b"x" * 5000)
        self.outlet.answer(ANSWER)
        self.assertEqual(self.pipe.received, large[:1000])
        self.assertEqual((self.outlet.taken(), self.outlet.unsent()), (1000, len(large) - 1000))
        self.assertTrue(self.outlet.waiting)
        for _ in range(9):
            self.outlet.resumeProducing()
        self.assertEqual(self.pipe.received, large + ANSWER)
        self.assertEqual(self.outlet.unsent(), 0)
        self.assertFalse(self.outlet.waiting)

    def test_end_comes_behind_the_last_portion(self) -> None:
        large = self.publish(b"x" * 1500)
        ends: list[str] = []
        self.outlet.cut_short()
        self.outlet.end(lambda: ends.append("end"), b"last")
        self.assertEqual(ends, [])
        self.outlet.resumeProducing()
        self.assertEqual(self.pipe.received, large + b"last")
        self.assertEqual(ends, ["end"])

    def test_portions_of_a_lost_connection_are_forgotten(self) -> None:
        self.publish(b"x" * 1500)
        self.outlet.stopProducing()
        self.outlet.resumeProducing()
        self.assertEqual(len(self.pipe.received), 1000)


class Turns(OutletCase):
    """Rooms take turns, at a cost of those that have something."""

    def test_rooms_take_turns_piece_by_piece(self) -> None:
        other = room("b", self.clock)
        self.member.join(other)
        self.publish(b"-" * 100_000)  # the transport has enough
        for _ in range(3):
            self.publish(b"a" * 60_000)
        for _ in range(3):
            self.publish(b"b" * 60_000, other)
        self.pipe.read_on()
        text = self.pipe.received.replace(b" ", b"")[100_000:]
        self.assertEqual(
            [chr(run[-1]) for run in text.split(b"60000")[1:]], ["a", "b", "a", "b", "a", "b"]
        )

    def test_small_pieces_that_wait_go_in_one_call_in_turns(self) -> None:
        other = room("b", self.clock)
        self.member.join(other)
        before = self.publish(b"-" * 100_000)  # the transport has enough
        ours = [self.publish(b"%d" % number) for number in range(50)]
        theirs = [self.publish(b"%d" % number, other) for number in range(50)]
        sent = self.sent()
        self.pipe.read_on()
        turns = b"".join(chain.from_iterable(zip(ours, theirs, strict=True)))
        self.assertEqual(self.pipe.received, before + turns)
        self.assertEqual(sent[-1], len(turns))

    def test_what_is_joined_is_little(self) -> None:
        size = JOINED // 3
        owed = b"".join([self.publish(b"x" * size) for _ in range(30)])
        sent = self.sent()
        self.pipe.read_on()
        self.assertEqual(self.pipe.received, owed)
        self.assertGreater(max(sent), 2 * size)
        self.assertLess(max(sent), JOINED + size + 128)

    def sent(self) -> list[int]:
        """Return a list of the sizes of what is sent from now on."""
        sizes: list[int] = []
        send = transports.Way.send

        def note(way: transports.Way, data: bytes, start: int = 0) -> int:
            sizes.append(len(data) - start)
            return send(way, data, start)

        self.patch(transports.Way, "send", note)
        return sizes

    def test_large_frame_of_a_room_that_was_left_is_finished(self) -> None:
        other = room("b", self.clock)
        large = self.publish(b"a" * 300_000)
        self.member.cursors[0].leave()
        self.member.join(other)  # cursors that have ended are forgotten here
        small = self.publish(b"b", other)
        self.pipe.read_on()
        self.assertEqual(self.pipe.received, large + small)

"""Memory rooms under readers that are slow, stalled or gone: nothing dropped, memory bounded."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.crowd import EPOCH, PLAIN, TYPED, Home, Peer, Speaker
from twisted_msg.log.piece import View
from twisted_msg.rooms.holds import Holds
from twisted_msg.rooms.memory import (
    PROGRESS_SIZE,
    RELIEF_COST,
    STALL_SECONDS,
    TAIL_COST,
    MemoryRoom,
)
from twisted_msg.rooms.room import Room

LUMP = b"x" * 60_000


class MemoryRoomCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = Home()
        room: Room = self.house.rooms.open("lobby")
        assert isinstance(room, MemoryRoom)
        self.room = room
        self.alice = Speaker(1)
        self.bob = Peer(2, view=PLAIN)
        self.bob.join(room)
        self.sent = 0

    def flood(self, speaker: Speaker | None = None, limit: int = 1000) -> int:
        """Publish numbered lumps, each in a turn, until told to hold; return how many."""
        speaker, before = speaker or self.alice, self.sent
        while not speaker.held and self.sent - before < limit:
            speaker.say(self.room, b"%d " % self.sent + LUMP)
            self.sent += 1
            self.house.turn()
        return self.sent - before

    def slow(self, number: int = 3, view: View = PLAIN) -> Peer:
        """A member that reads when it is told to; the beginning it has read."""
        peer = Peer(number, view=view, reads=False)
        peer.join(self.room)
        peer.read()
        return peer

    def numbers(self, peer: Peer) -> list[int]:
        return [int(payload.split()[0]) for payload in peer.payloads]


class CongestionTests(MemoryRoomCase):
    """Publishers wait for members that make progress."""

    def test_a_publisher_waits_for_a_slow_reader_and_nothing_is_lost(self) -> None:
        slow = self.slow()
        self.flood()
        self.assertLess(self.sent, 100)
        self.assertTrue(self.room.congested)
        for _ in range(400):
            self.flood(limit=min(10, 300 - self.sent))
            slow.read(1)
            self.house.wait(1)
        self.assertEqual(self.sent, 300)
        self.assertEqual(self.numbers(slow), list(range(300)))
        self.assertEqual(self.numbers(self.bob), list(range(300)))
        self.assertEqual(self.alice.held, 0)

    def test_publishers_go_on_when_little_is_unread(self) -> None:
        slow = self.slow()
        self.flood()
        while self.alice.held:
            self.assertGreater(
                sum(p.cost for p in self.room.tail.pieces if p.last >= slow.cursor.seq),
                RELIEF_COST,
            )
            slow.read(1)
        self.assertGreater(self.flood(), 10)

    def test_four_kilobytes_a_second_are_progress(self) -> None:
        slow = self.slow()
        self.flood()
        for _ in range(int(STALL_SECONDS) * 3):
            slow.data += bytes(4096)  # which its connection took
            self.house.wait(1)
        self.assertEqual(self.alice.held, 1)
        self.assertIsNone(slow.missed)

    def test_a_trickle_is_none(self) -> None:
        """It made those who publish wait for ever."""
        slow = self.slow()
        self.flood()
        for _ in range(int(STALL_SECONDS) + 1):
            slow.data += bytes(PROGRESS_SIZE // 11)
            self.house.wait(1)
        self.assertEqual(self.alice.held, 0)
        self.assertEqual(slow.missed, self.sent)

    def test_progress_since_the_last_sweep_counts(self) -> None:
        slow = self.slow()
        self.flood(limit=20)
        self.house.clock.advance(STALL_SECONDS * 2)
        slow.read(1)
        self.flood()
        self.assertEqual(self.alice.held, 1)
        slow.read()
        self.assertEqual(self.numbers(slow), list(range(self.sent)))

    def test_every_publisher_is_held_and_no_listener(self) -> None:
        carol, dave = Speaker(4), Speaker(5)
        self.slow()
        while not self.alice.held:
            self.alice.say(self.room, LUMP)
            carol.say(self.room, LUMP)
            self.house.turn()
        self.assertEqual((carol.held, dave.held), (1, 0))
        dave.say(self.room, b"one message is taken")
        self.assertEqual(dave.held, 1)

    def test_newcomers_wait_and_are_forgotten_when_they_are_gone(self) -> None:
        slow = self.slow()
        early, newcomer, gone = Speaker(4), Speaker(5), Speaker(6)
        self.room.admit(early)
        self.flood()
        for speaker in (newcomer, gone):
            self.room.admit(speaker)
        self.house.rooms.dismiss(gone)
        self.assertEqual((early.held, newcomer.held, gone.held), (0, 1, 1))
        slow.read()
        self.assertEqual((newcomer.held, gone.held, self.alice.held), (0, 1, 0))
        self.room.admit(early)
        self.assertEqual(early.held, 0)

    def test_nothing_is_dropped_before_all_were_asked_to_read_it(self) -> None:
        """Whoever is woken first may make more be said, and even the rest must get all of it."""

        class Chatterer(Peer):
            def wake(peer, cursor: object) -> None:
                Peer.wake(peer, cursor)  # type: ignore[arg-type]
                if peer.data and not self.sent:
                    self.sent = 1
                    for number in range(1, 100):
                        self.alice.say(self.room, b"%d " % number + LUMP)
                    self.room.commit()

        house = Home()
        room = house.rooms.open("lobby")
        assert isinstance(room, MemoryRoom)
        self.room = room
        first, second = Chatterer(3), Peer(4)
        first.join(room)
        second.join(room)
        self.alice.say(room, b"0 ")
        house.turn()
        self.assertEqual(self.numbers(second), list(range(100)))
        self.assertEqual(self.numbers(first), list(range(100)))
        self.assertLessEqual(room.tail.cost, TAIL_COST)

    def test_nothing_is_dropped_from_who_is_woken_after_the_room_was_freed(self) -> None:
        """Whoever is woken first may free the room of the one it waits for: nobody loses by it."""
        slow = self.slow()
        self.flood()
        self.assertTrue(self.room.congested)

        class Freeing(Peer):
            def wake(peer, cursor: object) -> None:
                if peer.data:
                    slow.cursor.leave()
                Peer.wake(peer, cursor)  # type: ignore[arg-type]

        first, second = Freeing(5), Peer(6)
        first.join(self.room)
        second.join(self.room)
        slow_speaker = Speaker(7)
        slow_speaker.say(self.room, b"0 begin")
        self.house.turn()
        self.room._blockers = {slow.cursor: None}
        self.room.congested = True
        for number in range(1, 4):
            slow_speaker.say(self.room, b"%d " % number + b"x" * 1_000_000)
        self.house.turn()
        self.assertEqual(self.numbers(second), [0, 1, 2, 3])
        self.assertIsNone(second.missed)

    def test_one_turn_does_not_overfill_a_room(self) -> None:
        """Whoever says very much in one turn waits for its end, members or not."""
        said = 0
        while not self.alice.held:
            self.alice.say(self.room, LUMP)
            said += 1
        self.assertLess(2 * said * len(LUMP), TAIL_COST + 3 * len(LUMP))
        self.assertFalse(self.room.congested)
        self.house.turn()
        self.assertEqual(self.alice.held, 0)
        self.assertEqual(len(self.bob.payloads), said)

    def test_a_publisher_that_leaves_while_held_is_not_released(self) -> None:
        slow = self.slow()
        self.flood()
        self.house.rooms.dismiss(self.alice)
        slow.read()
        self.assertEqual(self.alice.held, 1)
        self.assertFalse(self.room.congested)

    def test_a_publisher_that_is_gone_at_the_end_of_its_turn_is_not_held(self) -> None:
        self.slow()
        carol = Speaker(4)
        while not self.room.congested:
            self.alice.say(self.room, LUMP)
            self.house.turn()
        self.room.dismiss(carol)
        self.assertEqual(carol.held, 0)

    def test_a_slow_member_that_leaves_releases_the_publishers(self) -> None:
        slow = self.slow()
        self.flood()
        slow.cursor.leave()
        self.assertEqual(self.alice.held, 0)
        self.assertLessEqual(self.room.tail.cost, TAIL_COST)

    def test_publishers_wait_for_the_slowest_of_several(self) -> None:
        slow, slower = self.slow(3), self.slow(4)
        self.flood()
        slow.read()
        self.assertEqual(self.alice.held, 1)
        slower.read()
        self.assertEqual(self.alice.held, 0)

    def test_a_leaving_member_that_reads_on_loses_nothing(self) -> None:
        slow = self.slow()
        self.flood(limit=30)
        slow.cursor.stop()
        for _ in range(100):
            self.flood(limit=20)
            slow.read(1)
            self.house.wait(1)
        self.assertEqual(self.numbers(slow), list(range(30)))
        self.assertTrue(slow.cursor.done)
        self.assertEqual(self.alice.held, 0)

    def test_the_log_is_trimmed_when_the_slow_are_gone(self) -> None:
        slow = self.slow()
        self.flood()
        for number in range(10, 15):  # each may say one thing more
            Speaker(number).say(self.room, b"1 " + b"x" * 900_000)
            self.house.turn()
        self.assertGreater(self.room.tail.cost, 2 * TAIL_COST)
        slow.cursor.leave()
        self.assertLessEqual(self.room.tail.cost, TAIL_COST)

    def test_one_message_larger_than_the_log(self) -> None:
        slow = self.slow()
        huge = b"h" * (12 * 1024 * 1024)
        for _ in range(2):
            self.alice.say(self.room, huge)
            self.house.turn()
        self.assertEqual(self.alice.held, 1)
        slow.read()
        self.assertEqual([len(payload) for payload in slow.payloads], [len(huge)] * 2)
        self.assertEqual(self.alice.held, 0)
        self.assertEqual(self.room.first, self.room.head + 1)

    def test_a_replay_from_what_is_gone_is_waited_for(self) -> None:
        self.flood(limit=100)
        self.assertGreater(self.room.first, EPOCH + 1)
        late = Peer(7, reads=False)
        late.join(self.room, EPOCH + 1)
        self.flood()
        self.assertEqual(self.alice.held, 1)
        late.read()
        self.assertEqual(self.alice.held, 0)
        ((first, last),) = late.gaps
        self.assertEqual([first, last + 1, *late.seqs[1:]], [EPOCH + 1, *late.seqs])
        self.assertEqual(late.seqs[-1], self.room.head)

    def test_who_joins_again_while_others_wait_for_it_loses_nothing(self) -> None:
        slow = self.slow(view=TYPED)
        self.flood()
        slow.join(self.room, EPOCH + 2, instead=slow.cursor)
        slow.read()
        self.assertEqual(slow.seqs, list(range(EPOCH + 2, EPOCH + 1 + self.sent)))
        self.assertEqual(self.alice.held, 0)

    def test_what_a_released_publisher_says_may_fill_the_room_again(self) -> None:
        slow = self.slow()
        self.flood()
        carol = Speaker(4)
        carol.say(self.room, LUMP)
        self.alice.released.append(lambda: self.alice.say(self.room, *[LUMP] * 40))
        slow.read()
        self.assertEqual((self.alice.held, carol.held), (1, 1))
        self.alice.released.clear()
        self.house.turn()
        slow.read()
        self.house.turn()
        self.assertEqual((self.alice.held, carol.held), (0, 0))


class StallTests(MemoryRoomCase):
    """The room goes on without members that take nothing, and tells them what they missed."""

    def test_a_plain_member_that_stalls_is_told_how_much_it_missed_and_let_go(self) -> None:
        stalled = self.slow()
        self.flood(limit=3)
        stalled.read()
        self.flood()
        self.house.wait(int(STALL_SECONDS) - 1)
        self.assertEqual((self.alice.held, stalled.missed), (1, None))
        self.house.wait(2)
        self.assertEqual(self.alice.held, 0)
        self.assertEqual(stalled.missed, self.sent - 3)
        self.assertTrue(stalled.cursor.ended)
        self.flood(limit=50)
        self.assertEqual(self.numbers(self.bob), list(range(self.sent)))

    def test_a_typed_member_that_stalls_reads_on_behind_a_gap(self) -> None:
        stalled = self.slow(view=TYPED)
        self.flood(limit=3)
        stalled.read(2)
        self.flood()
        self.house.wait(int(STALL_SECONDS) + 1)
        self.assertEqual(self.alice.held, 0)
        self.flood(limit=100)
        self.assertFalse(stalled.cursor.ended)
        stalled.reads = True
        stalled.read()
        ((first, last),) = stalled.gaps
        self.assertEqual(first, EPOCH + 3)
        self.assertEqual(stalled.seqs, [EPOCH + 1, EPOCH + 2, *range(last + 1, self.room.head + 1)])
        self.flood(limit=100)
        self.assertEqual(len(stalled.gaps), 1)
        self.assertEqual(stalled.seqs[-1], self.room.head)

    def test_a_typed_member_that_reads_on_is_waited_for_again(self) -> None:
        stalled = self.slow(view=TYPED)
        self.flood()
        self.house.wait(int(STALL_SECONDS) + 1)
        self.flood(limit=100)
        stalled.read(2)
        self.flood()
        self.assertEqual(self.alice.held, 1)
        stalled.read()
        self.assertEqual(self.alice.held, 0)
        self.assertEqual(len(stalled.gaps), 1)

    def test_a_member_that_stalls_after_a_little_progress(self) -> None:
        stalled = self.slow()
        self.flood()
        stalled.read(3)  # enough to bring the log below its bound, not to relieve it
        self.assertEqual(self.alice.held, 1)
        self.house.wait(int(STALL_SECONDS) + 2)
        self.assertEqual(self.alice.held, 0)

    def test_who_falls_behind_after_a_long_quiet_is_waited_for(self) -> None:
        slow = self.slow()
        self.alice.say(self.room, b"0 a little")
        self.house.turn()
        self.house.wait(1)
        slow.read()
        self.house.clock.advance(3600)
        self.flood()
        self.room.sweep()
        self.assertEqual((self.alice.held, slow.missed), (1, None))

    def test_ten_seconds_without_progress_are_a_stall(self) -> None:
        """What docs/protocol.md says of slow readers."""
        stalled = self.slow()
        self.flood()
        self.house.wait(9)
        self.assertEqual((self.alice.held, stalled.missed), (1, None))
        self.house.wait(1)
        self.assertEqual((self.alice.held, stalled.missed), (0, self.sent))

    def test_a_trickle_is_no_progress_after_a_fall_either(self) -> None:
        slow = self.slow(view=TYPED)
        self.flood()
        self.house.wait(int(STALL_SECONDS) + 1)
        self.flood(limit=100)
        for _ in range(20):
            self.alice.say(self.room, b"0 small")
            self.house.turn()
        while not slow.seqs or slow.seqs[-1] < self.room.head - 18:
            slow.read(1)
        self.flood()
        self.assertEqual(self.alice.held, 1)
        for _ in range(int(STALL_SECONDS) + 2):
            slow.read(1)
            self.house.wait(1)
        self.assertEqual(self.alice.held, 0)

    def test_the_missed_ones_are_counted_without_what_it_is_not_shown(self) -> None:
        stalled = self.slow(3)
        self.flood(limit=2)
        Speaker(3).say(self.room, b"its own")
        self.alice.say(self.room, b"!DISCONNECT!")
        self.flood()
        self.house.wait(int(STALL_SECONDS) + 2)
        self.assertEqual(stalled.missed, self.sent)

    def test_the_missed_ones_of_a_leaving_member_end_where_it_left(self) -> None:
        stalled = self.slow()
        self.flood(limit=10)
        stalled.cursor.stop()
        stalled.read(4)
        self.flood()
        self.house.wait(int(STALL_SECONDS) + 2)
        self.assertEqual(stalled.missed, 6)

    def test_the_missed_ones_of_a_leaving_member_end_within_a_piece(self) -> None:
        stalled = self.slow()
        self.flood(limit=10)
        self.alice.say(self.room, b"before it leaves")
        stalled.cursor.stop()
        self.alice.say(self.room, b"after that, in the same turn")
        self.house.turn()
        self.flood()
        self.house.wait(int(STALL_SECONDS) + 2)
        self.assertEqual(stalled.missed, 11)

    def test_who_misses_nothing_does_not_fall(self) -> None:
        talker = self.slow(3)
        voice = Speaker(3)
        self.flood(voice)
        self.house.wait(int(STALL_SECONDS) + 2)
        self.assertEqual(voice.held, 0)
        self.flood(voice, 100)
        self.assertFalse(talker.cursor.ended)
        talker.reads = True
        talker.read()
        self.flood(limit=2)
        self.assertEqual(self.numbers(talker), [self.sent - 2, self.sent - 1])
        self.assertEqual(self.house.rooms.delivered, self.sent + 2)

    def test_who_stalled_long_ago_delays_nobody(self) -> None:
        self.slow()
        self.slow(4, TYPED)
        self.flood(limit=20)
        self.house.wait(int(STALL_SECONDS) + 2)
        self.assertEqual(self.flood(limit=60), 60)

    def test_memory_is_bounded_with_many_that_stall(self) -> None:
        for number in range(10, 30):
            self.slow(number, PLAIN if number % 2 else TYPED)
        for _ in range(40):
            self.flood(limit=100)
            self.assertLess(self.room.tail.cost, TAIL_COST + 10 * len(LUMP))
            self.house.wait(1)
        self.assertEqual(self.numbers(self.bob), list(range(self.sent)))

    def test_when_one_that_falls_takes_others_with_it_all_is_well(self) -> None:
        first, second = self.slow(3), self.slow(4)
        self.patch(first, "fallen", lambda cursor, missed: second.cursor.leave())
        self.flood()
        self.house.wait(int(STALL_SECONDS) + 2)
        self.assertEqual((self.alice.held, second.missed), (0, None))

    def test_the_healthy_are_waited_for_when_the_stalled_have_fallen(self) -> None:
        stalled, slow = self.slow(3), self.slow(4)
        self.flood(limit=20)
        self.house.wait(int(STALL_SECONDS) + 1)
        slow.data += bytes(PROGRESS_SIZE)
        self.flood()
        self.assertEqual(self.alice.held, 1)
        self.assertEqual((stalled.missed, slow.missed), (self.sent, None))
        slow.data.clear()
        slow.read()
        self.assertEqual(self.numbers(slow), list(range(self.sent)))


class AcceptanceTests(MemoryRoomCase):
    def test_what_was_said_is_accepted_at_the_end_of_the_turn(self) -> None:
        self.alice.say(self.room, b"1", b"2")
        self.assertEqual(self.alice.acks, [])
        self.house.turn()
        self.assertEqual(self.alice.acks, [(2, EPOCH + 2)])

    def test_all_rooms_accept_at_once_when_they_are_told_to(self) -> None:
        den = self.house.rooms.open("den")
        self.alice.say(self.room, b"1")
        self.alice.say(den, b"2")
        for room in list(self.house.rooms._rooms.values()):
            room.settle(lambda: None)
        self.assertTrue(self.room.quiet and den.quiet)
        self.assertEqual(self.bob.payloads, [b"1"])
        self.house.turn()

    def test_a_room_that_shrinks_keeps_what_the_slowest_has_not_read(self) -> None:
        slow = self.slow(view=TYPED)
        self.flood(limit=5)
        slow.read(2)
        self.room.shrink()
        self.assertEqual(self.room.first, slow.cursor.seq)
        slow.read()
        self.assertEqual(self.numbers(slow), list(range(5)))

    def test_old_messages_are_forgotten_but_not_those_that_somebody_reads(self) -> None:
        for _ in range(3):
            self.flood(limit=1)
            self.house.clock.advance(1)
        slow = self.slow(view=TYPED)
        for _ in range(2):
            self.flood(limit=1)
            self.house.clock.advance(1)
        now = self.house.now() // 1000
        self.room.expire(now - 4000, now)
        self.assertEqual(self.room.first, EPOCH + 2)
        self.room.expire(now, now)
        self.assertEqual(self.room.first, EPOCH + 4)
        slow.read()
        self.assertEqual(slow.seqs, [EPOCH + 4, EPOCH + 5])
        self.room.expire(now, now)
        self.assertEqual(self.room.first, EPOCH + 6)
        self.room.expire(now, now)

    def test_what_is_not_old_keeps_what_follows_it(self) -> None:
        """Later messages have earlier times if the clock was set back."""
        then = self.house.now() // 1000
        for millis in (then, then + 200_000, then + 1):
            self.room._now = lambda millis=millis: millis  # type: ignore[method-assign,misc]
            self.flood(limit=1)
        self.room.expire(then + 100_000, then + 300_000)
        self.assertEqual(self.room.first, EPOCH + 2)

    def test_a_clock_that_was_ahead_keeps_no_old_messages(self) -> None:
        """What it said goes with what was said later and is old."""
        ahead, then = 51 * 86_400_000, self.house.now() // 1000
        for millis in (then, then + ahead, then + ahead + 1, then + 1, then + 2000):
            self.room._now = lambda millis=millis: millis  # type: ignore[method-assign,misc]
            self.flood(limit=1)
        expected = (
            (1, then + 2000, 1), (then + 1, then + 2000, 2), (then + 1, 0, 2), (-1, 0, 2),
            (then + 2, then + 2000, 5), (then + 2001, then + 4000, 6),
        )  # fmt: skip
        for millis, now, first in expected:
            self.room.expire(millis, now)
            self.assertEqual(self.room.first, EPOCH + first, (millis, now))


class HoldsTests(SynchronousTestCase):
    def test_very_many_are_released_though_each_leads_there_again(self) -> None:
        holds, order = Holds(lambda: False), []
        for number in range(5000):
            speaker = Speaker(number)
            holds.hold(speaker)
            speaker.released += [lambda number=number: order.append(number), holds.release]
        holds.release()
        self.assertEqual(order, list(range(5000)))

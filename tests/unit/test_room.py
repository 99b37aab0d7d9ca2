"""Rooms under readers that are slow, stalled or gone: nothing dropped, memory bounded."""

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.world import Pipe, World
from twisted_msg.rooms.room import STALL_SECONDS, TAIL_COST

LUMP = b"x" * 60_000


class Congestion(SynchronousTestCase):
    """Publishers wait for members that make progress, and not for those that make none."""

    def setUp(self) -> None:
        self.world = World()
        self.alice = self.world.member()
        self.bob = self.world.member()
        self.sent = 0

    def flood(self, publisher: Pipe, limit: int = 1000) -> int:
        """Publish numbered lumps until the server stops reading; return how many."""
        before = self.sent
        while publisher.reading and self.sent - before < limit:
            self.world.say(publisher, b"%d " % self.sent + LUMP)
            self.sent += 1
        return self.sent - before

    def numbers(self, pipe: Pipe) -> list[int]:
        return [int(payload.split()[0]) for payload in pipe.payloads()]

    def test_publisher_waits_for_a_slow_reader_and_nothing_is_lost(self) -> None:
        slow = self.world.member(stuck=True)
        self.flood(self.alice)
        self.assertLess(self.sent, 100)
        for _ in range(400):
            if self.alice.reading and self.sent < 300:
                self.flood(self.alice, min(10, 300 - self.sent))
            slow.take()
            self.world.wait(1)
        self.assertEqual(self.sent, 300)
        self.assertEqual(self.numbers(slow), list(range(300)))
        self.assertEqual(self.numbers(self.bob), list(range(300)))

    def test_a_trickle_is_progress(self) -> None:
        slow = self.world.member(stuck=True)
        self.flood(self.alice)
        for _ in range(int(STALL_SECONDS) * 5):
            slow.take(1)
            self.world.wait(1)
        self.assertFalse(self.alice.reading)
        self.assertFalse(slow.closed or slow.half_closed)

    def test_stalled_member_falls_off_and_is_told_what_it_missed(self) -> None:
        stalled = self.world.member(stuck=True)
        self.flood(self.alice)
        self.world.wait(STALL_SECONDS - 1)
        self.assertFalse(self.alice.reading)
        self.world.wait(3)
        self.assertTrue(self.alice.reading)
        self.flood(self.alice, 50)
        self.assertEqual(self.numbers(self.bob), list(range(self.sent)))
        stalled.read_on()
        *read, error = stalled.payloads()
        self.assertEqual([int(p.split()[0]) for p in read], list(range(len(read))))
        fell_at = self.sent - 50
        self.assertEqual(error, b"!ERROR! missed %d" % (fell_at - len(read)))
        self.assertTrue(stalled.half_closed)

    def test_member_that_stalls_after_a_little_progress(self) -> None:
        stalled = self.world.member(stuck=True)
        self.flood(self.alice)
        for _ in range(3):
            stalled.take()  # enough to bring the log below its bound, not to relieve it
        self.assertFalse(self.alice.reading)
        self.world.wait(STALL_SECONDS + 2)
        self.assertTrue(self.alice.reading)

    def test_progress_since_the_last_sweep_counts(self) -> None:
        slow = self.world.member(stuck=True)
        self.flood(self.alice, 20)
        self.world.wait(STALL_SECONDS * 2)
        slow.take()
        self.flood(self.alice)
        self.assertFalse(self.alice.reading)
        slow.read_on()
        self.assertEqual(self.numbers(slow), list(range(self.sent)))

    def test_leaving_member_is_told_what_it_misses(self) -> None:
        slow = self.world.member(stuck=True)
        self.flood(self.alice, 10)
        self.world.say(slow, b"!DISCONNECT!")
        self.flood(self.alice)
        self.world.wait(STALL_SECONDS + 2)
        self.assertTrue(self.alice.reading)
        slow.read_on()
        *read, error = slow.payloads()
        self.assertEqual(error, b"!ERROR! missed %d" % (10 - len(read)))

    def test_missed_does_not_count_ones_own(self) -> None:
        stalled = self.world.member(stuck=True)
        self.flood(self.alice, 5)
        self.world.say(stalled, b"mine " + LUMP)
        self.flood(self.alice)
        self.world.wait(STALL_SECONDS + 2)
        stalled.read_on()
        *read, error = stalled.payloads()
        self.assertEqual(error, b"!ERROR! missed %d" % (self.sent - len(read)))

    def test_who_has_stalled_long_ago_delays_nobody(self) -> None:
        stalled = self.world.member(stuck=True)
        self.flood(self.alice, 20)
        self.world.wait(STALL_SECONDS + 2)
        self.assertEqual(self.flood(self.alice, 200), 200)
        stalled.read_on()
        self.assertTrue(stalled.payloads()[-1].startswith(b"!ERROR! missed "))

    def test_stalled_member_that_never_reads_is_freed(self) -> None:
        stalled = self.world.member(stuck=True)
        self.flood(self.alice)
        self.world.wait(60)
        self.assertTrue(stalled.aborted)
        self.assertEqual(self.world.server.connections, 2)

    def test_memory_is_bounded_with_many_stalled(self) -> None:
        for _ in range(20):
            self.world.member(stuck=True)
        for _ in range(40):
            self.flood(self.alice, 100)
            self.assertLess(self.world.server.room.cost, TAIL_COST + 10 * len(LUMP))
            self.world.wait(1)
        self.assertEqual(self.numbers(self.bob), list(range(self.sent)))

    def test_publisher_that_leaves_while_held(self) -> None:
        slow = self.world.member(stuck=True)
        self.flood(self.alice)
        self.alice.vanish()
        slow.read_on()
        self.flood(self.bob, 10)
        self.assertEqual(self.numbers(slow), list(range(self.sent)))

    def test_slow_member_that_leaves_releases_the_publishers(self) -> None:
        slow = self.world.member(stuck=True)
        self.flood(self.alice)
        self.assertFalse(self.alice.reading)
        slow.vanish()
        self.assertTrue(self.alice.reading)

    def test_leaving_member_that_reads_on_loses_nothing(self) -> None:
        slow = self.world.member(stuck=True)
        self.flood(self.alice, 30)
        self.world.say(slow, b"!DISCONNECT!")
        for _ in range(100):
            self.flood(self.alice, 20)
            slow.take(30_000)
            self.world.wait(1)
        self.assertEqual(self.numbers(slow), list(range(30)))
        self.assertTrue(slow.half_closed)

    def test_slow_member_that_says_goodbye_releases_the_publishers(self) -> None:
        slow = self.world.member(stuck=True)
        self.flood(self.alice)
        self.world.say(slow, b"!DISCONNECT!")
        before = self.sent
        slow.read_on()
        self.assertTrue(self.alice.reading)
        self.flood(self.alice, 100)
        self.assertEqual(self.numbers(slow), list(range(before)))

    def test_every_publisher_is_held(self) -> None:
        carol = self.world.member()
        self.world.member(stuck=True)
        while self.alice.reading and carol.reading:
            self.alice.say(self.world.frame(LUMP))
            carol.say(self.world.frame(LUMP))
            self.world.turn()
        self.assertFalse(self.alice.reading)
        self.assertFalse(carol.reading)
        self.assertTrue(self.bob.reading)  # who says nothing is not held
        self.world.say(self.bob, b"one message is taken")
        self.assertFalse(self.bob.reading)

    def test_newcomers_are_not_read_while_the_room_is_full(self) -> None:
        slow = self.world.member(stuck=True)
        self.flood(self.alice)
        newcomers = [self.world.peer() for _ in range(100)]
        self.assertFalse(any(peer.reading for peer in newcomers))
        self.world.wait(STALL_SECONDS // 2)
        newcomers.pop().vanish()
        slow.read_on()
        self.assertTrue(all(peer.reading for peer in newcomers))
        self.world.say(newcomers[0], b"9999 hello")
        self.assertIn(9999, self.numbers(self.bob))

    def test_one_read_does_not_overfill_a_room(self) -> None:
        world = World(header_size="4")
        alice, slow = world.member(), world.member(stuck=True)
        piece = b"1   x" * 13_000
        for _ in range(30):
            if alice.reading:
                alice.say(piece)
                world.turn()
        self.assertFalse(alice.reading)
        self.assertLess(world.server.room.cost, 2 * TAIL_COST + 100_000)
        sent = 0
        while not sent:
            slow.take()
            world.turn()
            sent = 0 if slow.dataBuffer else 1
        alice.say(world.frame(b"the end"))
        world.turn()
        slow.read_on()
        world.turn()
        self.assertEqual(slow.payloads()[-1], b"the end")
        self.assertEqual(len(slow.payloads()) % 13_000, 1)

    def test_half_close_behind_held_frames(self) -> None:
        slow = self.world.member(stuck=True)
        carol = self.world.member()
        self.flood(self.alice)
        carol.say(b"".join(self.world.frame(b"%d" % n) for n in (7001, 7002, 7003)))
        self.assertFalse(carol.reading)
        carol.close_input()
        self.assertFalse(carol.closed)
        slow.read_on()
        self.assertTrue(carol.closed)
        self.world.turn()
        self.assertEqual(self.numbers(self.bob)[-3:], [7001, 7002, 7003])

    def test_many_held_leavers_are_released_without_recursion(self) -> None:
        for half_close in (False, True):
            with self.subTest(half_close=half_close):
                self.setUp()
                slow = self.world.member(stuck=True)
                leavers = [self.world.member() for _ in range(300)]
                self.flood(self.alice)
                for leaver in leavers:
                    words = (
                        [b"7001", b"7002"] if half_close else [b"7001", b"7002", b"!DISCONNECT!"]
                    )
                    leaver.say(b"".join(self.world.frame(word) for word in words))
                    if half_close:
                        leaver.close_input()
                slow.read_on()
                self.world.turn()
                self.assertEqual(self.numbers(self.bob).count(7002), 300)
                self.assertTrue(all(peer.closed or peer.half_closed for peer in leavers))
                self.assertTrue(self.alice.reading)

    def test_fault_in_a_released_frame_ends_its_own_connection_only(self) -> None:
        slow = self.world.member(stuck=True)
        unlucky, carol = self.world.member(), self.world.member()
        self.flood(self.alice)
        for peer in (unlucky, carol):
            peer.say(self.world.frame(b"7001") + self.world.frame(b"7002"))
        self.patch(unlucky.protocol, "frame_received", lambda frame: 1 // 0)
        slow.read_on()
        self.world.turn()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertTrue(unlucky.payloads()[-1].startswith(b"!ERROR! internal "))
        self.assertFalse(slow.half_closed)
        self.assertTrue(carol.reading and self.alice.reading)
        self.assertEqual(self.numbers(self.bob).count(7002), 1)

    def test_who_misses_nothing_does_not_fall(self) -> None:
        talker = self.world.member(stuck=True)
        self.flood(self.alice, 2)  # as much as the transport takes
        self.flood(talker)
        self.world.wait(STALL_SECONDS + 2)
        self.flood(talker, 100)
        talker.read_on()
        self.assertFalse(talker.half_closed)
        self.assertEqual(self.numbers(talker)[:2], [0, 1])
        self.assertEqual(self.numbers(self.bob), list(range(self.sent)))

    def test_the_log_is_trimmed_when_the_slow_are_gone(self) -> None:
        slow = self.world.member(stuck=True)
        others = [self.world.member() for _ in range(5)]
        self.flood(self.alice)
        for peer in others:
            self.world.say(peer, b"1 " + b"x" * 900_000)
        self.assertGreater(self.world.server.room.cost, 2 * TAIL_COST)
        slow.vanish()
        self.world.turn()
        self.assertLessEqual(self.world.server.room.cost, TAIL_COST)

    def test_one_message_larger_than_the_tail(self) -> None:
        world = World(max_payload="16MiB")
        alice, slow = world.member(), world.member(stuck=True)
        huge = b"h" * (12 * 1024 * 1024)
        world.say(alice, huge)
        world.say(alice, huge)
        slow.read_on()
        self.assertEqual([len(payload) for payload in slow.payloads()], [len(huge)] * 2)
        self.assertTrue(alice.reading)

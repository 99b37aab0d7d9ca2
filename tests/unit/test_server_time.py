"""The passing of time, and its end: deadlines of plain connections, and a server that stops."""

from functools import partial

from twisted.internet.defer import ensureDeferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.world import World
from twisted_msg.deadlines import (
    FIRST_FRAME_SECONDS,
    HEADER_SECONDS,
    LINGER_SECONDS,
    PAYLOAD_RATE,
    PAYLOAD_SECONDS,
)
from twisted_msg.server import STOP_SECONDS
from twisted_msg.sweeping import SLICE, SLICE_SECONDS


class Deadlines(SynchronousTestCase):
    """Who says nothing, or half of something, does not stay for ever."""

    def setUp(self) -> None:
        self.world = World()
        self.peer = self.world.peer()

    def assert_timeout(self) -> None:
        (payload,) = self.peer.payloads()
        self.assertRegex(payload, rb"^!ERROR! timeout ")
        self.assertTrue(self.peer.half_closed)

    def test_no_first_frame(self) -> None:
        self.world.wait(FIRST_FRAME_SECONDS - 1)
        self.assertEqual(self.peer.received, b"")
        self.world.wait(3)
        self.assert_timeout()

    def test_unfinished_header_however_it_trickles(self) -> None:
        for _ in range(int(HEADER_SECONDS) + 1):
            self.peer.say(b" ")
            self.assertEqual(self.peer.received, b"")
            self.world.wait(1)
        self.world.wait(2)
        self.assert_timeout()

    def test_unfinished_payload_has_time_by_its_length(self) -> None:
        length = 10 * PAYLOAD_RATE
        self.peer.say(b"%-128d" % length)
        self.world.wait(PAYLOAD_SECONDS + 9)
        self.peer.say(b"x")
        self.assertEqual(self.peer.received, b"")
        self.world.wait(3)
        self.assert_timeout()

    def test_however_many_trickle_each_is_freed_and_others_are_served(self) -> None:
        """`python -m tests.load.half_open` is the same with real time."""
        alice, bob = self.world.member(), self.world.member()
        hello = b"%-128s" % b"200 HELLO"
        trickling = {self.world.peer(host=f"192.0.2.{at}"): b" " * 127 for at in range(100)}
        for at in range(100, 200):
            peer = self.world.peer(host=f"192.0.2.{at}")
            peer.say(hello)
            trickling[peer] = b" " * 199
        for second in range(int(HEADER_SECONDS) + 2):
            for peer, said in trickling.items():
                if peer.reading and not peer.half_closed:
                    peer.say(said[second : second + 1])
            self.world.say(alice, b"%d" % second)
            self.assertEqual(bob.payloads()[-1], b"%d" % second)
            if second < HEADER_SECONDS - 1:
                self.assertFalse(any(peer.received for peer in trickling))
            self.world.wait(1)
        self.assertTrue(all(peer.half_closed for peer in trickling))
        self.world.wait(LINGER_SECONDS + 1)
        self.assertEqual(self.world.server.connections, 3)

    def test_every_frame_has_its_own_time(self) -> None:
        for _ in range(4):
            self.peer.say(self.world.frame(b"x")[:100])
            self.world.wait(HEADER_SECONDS - 5)
            self.peer.say(self.world.frame(b"x")[100:])
        self.assertFalse(self.peer.half_closed)

    def test_listener_has_no_deadline(self) -> None:
        self.peer.say(self.world.frame(b""))
        self.world.wait(FIRST_FRAME_SECONDS * 3)
        self.assertFalse(self.peer.half_closed)

    def test_it_stands_still_while_the_server_does_not_read(self) -> None:
        slow = self.world.member(stuck=True)
        self.peer.say(self.world.frame(b""))
        while self.peer.reading:
            self.world.say(self.peer, b"x" * 60_000)
            slow.take(1)
        for _ in range(int(HEADER_SECONDS * 2)):
            slow.take(6000)
            self.world.wait(1)
        self.assertFalse(self.peer.reading)
        self.assertFalse(self.peer.half_closed)


class Sweeps(SynchronousTestCase):
    """Time is seen to for some connections at once, so that others have their turn between."""

    def setUp(self) -> None:
        self.world = World(connections_per_address="none")
        self.peers = [self.world.member() for _ in range(2 * SLICE + 50)]
        self.swept: list[int] = []
        for peer in self.peers:
            self.patch(peer.protocol, "sweep", partial(self.sweep, peer.protocol.number))

    def sweep(self, number: int, now: float) -> None:
        self.swept.append(number)

    def test_all_of_them_a_slice_at_a_time(self) -> None:
        seen = []
        self.world.clock.advance(1)
        for _ in range(3):
            seen.append(len(self.swept))
            self.world.clock.advance(SLICE_SECONDS)
        self.assertEqual(seen, [SLICE, 2 * SLICE, 2 * SLICE + 50])
        self.assertEqual(sorted(self.swept), list(range(1, 2 * SLICE + 51)))

    def test_who_is_gone_meanwhile_is_not_asked(self) -> None:
        self.world.server._sweeper.sweep()
        self.assertEqual(len(self.swept), SLICE)
        gone = [peer for peer in self.peers if peer.protocol.number not in self.swept][:5]
        for peer in gone:
            peer.vanish()
        for _ in range(3):
            self.world.clock.advance(SLICE_SECONDS)
        self.assertEqual(len(self.swept), len(self.peers) - 5)

    def test_one_whose_sweep_and_end_fail_stops_no_other(self) -> None:
        """It is swept first: those of its own slice come behind it, and so do all the slices."""
        for call in ("sweep", "abort"):
            self.patch(self.peers[0].protocol, call, lambda *_: 1 // 0)
        first, *others = (peer.protocol for peer in self.peers)
        self.world.server._sweeper.sweep_these([*others[SLICE - 1 :], first, *others[: SLICE - 1]])
        for _ in range(3):
            self.world.clock.advance(SLICE_SECONDS)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)
        self.assertEqual(sorted(self.swept), [protocol.number for protocol in others])

    def test_one_whose_end_fails_is_ended_by_the_next_sweep(self) -> None:
        protocol = self.peers[0].protocol
        for call in ("sweep", "abort"):
            self.patch(protocol, call, lambda *_: 1 // 0)
        self.world.wait(2)
        self.assertFalse(self.peers[0].aborted)
        del protocol.abort
        self.world.wait(2)
        self.assertTrue(self.peers[0].aborted)
        self.flushLoggedErrors(ZeroDivisionError)

    def test_nothing_is_left_to_do_behind_a_stop(self) -> None:
        self.world.server._sweeper.sweep()
        self.assertTrue(self.world.clock.getDelayedCalls())
        stopped = ensureDeferred(self.world.server.drain())
        for peer in self.peers:
            peer.close_input()
        self.successResultOf(stopped)
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_a_time_that_is_not_over_is_not_begun_again(self) -> None:
        self.world.server._sweeper.sweep()
        self.world.server._sweeper.sweep()
        self.assertEqual(len(self.swept), SLICE)
        for _ in range(3):
            self.world.clock.advance(SLICE_SECONDS)
        self.assertEqual(sorted(self.swept), list(range(1, 2 * SLICE + 51)))


class Stopping(SynchronousTestCase):
    """What `stopService` does to connections."""

    def setUp(self) -> None:
        self.world = World()

    def test_plain_members_are_told_behind_what_they_are_owed(self) -> None:
        alice, bob = self.world.member(), self.world.member()
        alice.say(self.world.frame(b"just in time"))
        stopped = ensureDeferred(self.world.server.drain())
        self.world.turn()
        self.assertEqual(bob.payloads(), [b"just in time", b"!DISCONNECT!"])
        self.assertEqual(alice.payloads(), [b"!DISCONNECT!"])
        self.assertNoResult(stopped)
        alice.close_input()
        bob.close_input()
        self.successResultOf(stopped)

    def test_nothing_to_do(self) -> None:
        self.successResultOf(ensureDeferred(self.world.server.drain()))

    def test_silent_connection_is_closed_without_a_word(self) -> None:
        peer = self.world.peer()
        stopped = ensureDeferred(self.world.server.drain())
        self.world.wait(LINGER_SECONDS + 1)
        self.assertEqual(peer.received, b"")
        self.successResultOf(stopped)

    def test_fault_in_one_end_does_not_keep_the_others_from_theirs(self) -> None:
        alice, bob = self.world.member(), self.world.member()
        self.patch(alice.protocol, "stop", lambda: 1 // 0)
        ensureDeferred(self.world.server.drain())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertRegex(alice.payloads()[0], b"^!ERROR! internal ")
        self.assertEqual(bob.payloads(), [b"!DISCONNECT!"])

    def test_stuck_member_holds_nobody_beyond_five_seconds(self) -> None:
        alice, slow = self.world.member(), self.world.member(stuck=True)
        self.world.say(alice, *[b"x" * 60_000] * 3)
        stopped = ensureDeferred(self.world.server.drain())
        self.world.wait(STOP_SECONDS - 1)
        self.assertNoResult(stopped)
        self.world.wait(1)
        self.successResultOf(stopped)
        self.assertTrue(slow.aborted)
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_who_comes_late_is_closed(self) -> None:
        self.world.member()
        ensureDeferred(self.world.server.drain())
        late = self.world.peer()
        self.assertTrue(late.half_closed)

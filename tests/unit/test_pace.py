"""How fast a connection may speak: bursts, pauses, and what counts as more than one message."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.conversing import TypedCase, frame
from tests.unit.world import Pipe, World
from twisted_msg.pace import LIST_PART, PAUSE_SECONDS, ROOM_COST, WATCHERS_PART, Pace, Rates


class PaceTests(SynchronousTestCase):
    """The buckets alone."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.calls: list[str] = []

    def pace(self, size: float | None, messages: float | None, burst: float = 2) -> Pace:
        return Pace(Rates(size, messages, burst), self.clock, self)

    def hold(self) -> None:
        self.calls.append("hold")

    def release(self) -> None:
        self.calls.append("release")

    def test_a_burst_is_free_and_what_is_beyond_is_waited_for(self) -> None:
        pace = self.pace(1000, None)
        pace.read(2000)
        self.assertEqual(self.calls, [])
        pace.read(500)
        self.assertEqual(self.calls, ["hold"])
        self.clock.advance(0.4375)
        self.assertEqual(self.calls, ["hold"])
        self.clock.advance(0.0625)  # 500 bytes at 1000 a second
        self.assertEqual(self.calls, ["hold", "release"])

    def test_messages_count_as_well(self) -> None:
        pace = self.pace(None, 10)
        pace.read(10**9)
        pace.count(20)
        self.assertEqual(self.calls, [])
        pace.count(10)
        self.clock.advance(0.9375)
        self.assertEqual(self.calls, ["hold"])
        self.clock.advance(0.0625)
        self.assertEqual(self.calls, ["hold", "release"])

    def test_the_longer_wait_counts(self) -> None:
        pace = self.pace(1000, 10)
        pace.count(30)
        pace.read(5000)
        self.clock.advance(2.5)
        self.assertEqual(self.calls, ["hold"])
        self.clock.advance(0.5)
        self.assertEqual(self.calls, ["hold", "release"])

    def test_a_pause_is_never_too_short_to_be_worth_it(self) -> None:
        pace = self.pace(None, 1000)
        pace.count(2001)
        self.clock.advance(PAUSE_SECONDS - 0.01)
        self.assertEqual(self.calls, ["hold"])
        self.clock.advance(0.01)
        self.assertEqual(self.calls, ["hold", "release"])

    def test_what_is_counted_in_a_pause_prolongs_it(self) -> None:
        pace = self.pace(None, 10)
        pace.count(30)
        pace.count(10)
        self.clock.advance(1)
        self.assertEqual(self.calls, ["hold"])
        self.clock.advance(1)
        self.assertEqual(self.calls, ["hold", "release"])

    def test_no_more_is_saved_up_than_a_burst(self) -> None:
        pace = self.pace(1000, None)
        self.clock.advance(3600)
        pace.read(2000)
        self.assertEqual(self.calls, [])
        pace.read(1)
        self.assertEqual(self.calls, ["hold"])

    def test_what_was_saved_up_lasts(self) -> None:
        """Half of the rate for an hour, then a burst again."""
        pace = self.pace(1000, None)
        for _ in range(3600):
            self.clock.advance(1)
            pace.read(500)
        pace.read(1500)
        self.assertEqual(self.calls, [])
        pace.read(1)
        self.assertEqual(self.calls, ["hold"])

    def test_the_rate_holds_over_time(self) -> None:
        pace = self.pace(None, 100, burst=1)
        taken = 0
        for _ in range(6000):  # a minute of somebody who always has more
            self.clock.advance(0.01)
            if self.calls.count("hold") == self.calls.count("release"):
                pace.read(1)
                while self.calls.count("hold") == self.calls.count("release"):
                    pace.count(1)
                    taken += 1
        self.assertGreaterEqual(taken, 60 * 100)
        self.assertLessEqual(taken, 61 * 100 + 1)

    def test_no_limits(self) -> None:
        pace = self.pace(None, None)
        pace.read(10**12)
        pace.count(10**12)
        self.assertEqual((self.calls, self.clock.getDelayedCalls()), ([], []))

    def test_a_connection_that_is_gone_leaves_no_timer(self) -> None:
        pace = self.pace(1000, None)
        pace.stop()
        pace.read(2001)
        pace.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SpeedCase(TypedCase):
    """A server that reads 10 messages and 10,240 bytes a second, and 20 of each at once."""

    def begin(self, *arguments: Any, **options: Any) -> World:
        if self.stored and hasattr(self, "world"):
            self.close_store()
        slow = {"rate_messages": "10", "rate_bytes": "10k", "rate_burst": "2"}
        return super().begin(*arguments, **{**slow, **options})

    def head(self, room: str = "lobby") -> int:
        """How many messages a room has had."""
        return self.world.rooms.open(room).head - self.start

    def setUp(self) -> None:
        super().setUp()
        self.peer("SUB lobby")  # so that the room stays
        self.start = 0
        self.start = self.head()


class SpeedTests(SpeedCase):
    """Connections that send faster than they may."""

    def flood(self, pipe: Pipe, count: int) -> None:
        """Send so many messages of one byte in one go."""
        pipe.say(frame("PUB lobby: x") * count)
        self.world.turn()

    def test_a_burst_is_taken_at_once_and_the_rest_at_the_rate(self) -> None:
        alice = self.peer("HELLO", "SUB lobby")
        self.flood(alice, 48)
        self.assertEqual(self.head(), 19)  # the last one was one too many
        self.assertFalse(alice.reading)
        self.world.clock.advance(1)
        self.world.turn()
        self.assertLess(self.head(), 31)
        for _ in range(20):
            self.world.clock.advance(PAUSE_SECONDS * 2)
            self.world.turn()
        self.assertEqual(self.head(), 48)
        self.world.clock.advance(PAUSE_SECONDS)
        self.assertTrue(alice.reading)
        said = [each for each in self.heard(alice) if each.startswith("MSG")]
        self.assertEqual(len(said), 48)

    def test_nothing_is_read_meanwhile_and_others_are_served(self) -> None:
        alice, bob = self.peer(), self.peer()
        self.flood(alice, 30)
        before = self.head()
        self.flood(bob, 5)
        self.assertEqual(self.head(), before + 5)
        self.assertEqual((alice.reading, bob.reading), (False, True))

    def test_large_messages_count_by_their_bytes(self) -> None:
        alice = self.peer()
        alice.say(frame("PUB lobby: " + "x" * 50_000))
        self.world.turn()
        self.assertFalse(alice.reading)
        self.assertEqual(self.head(), 0)  # counted when it came, read when it is made up for
        self.world.clock.advance((50_128 - 20_480) / 10_240 - 0.01)
        self.world.turn()
        self.assertEqual(self.head(), 0)
        self.world.clock.advance(0.02)
        self.world.turn()
        self.assertEqual((self.head(), alice.reading), (1, True))

    def test_plain_messages_count_alike(self) -> None:
        alice = self.world.peer()
        self.world.say(alice, *[b"x"] * 40)
        self.assertEqual((self.head(), alice.reading), (21, False))

    def test_empty_frames_count(self) -> None:
        alice = self.world.peer()
        alice.say(self.world.frame(b"") * 21)
        self.assertFalse(alice.reading)

    def test_end_of_the_input_waits_for_what_stands_before_it(self) -> None:
        alice = self.peer()
        self.flood(alice, 40)
        alice.close_input()
        self.assertFalse(alice.closed)
        self.world.wait(5)
        self.assertEqual((self.head(), alice.closed), (40, True))

    def test_a_goodbye_of_the_server_waits_for_nothing(self) -> None:
        alice = self.peer("HELLO")
        self.flood(alice, 40)
        alice.protocol.stop()
        self.assertEqual(self.heard(alice)[-1], "BYE")
        self.assertTrue(alice.half_closed)

    def test_a_peer_that_vanishes_in_a_pause_leaves_no_timer(self) -> None:
        timers = len(self.world.clock.getDelayedCalls())
        alice = self.peer()
        self.flood(alice, 40)
        alice.vanish()
        self.world.turn()
        self.assertEqual(len(self.world.clock.getDelayedCalls()), timers)

    def test_a_pause_is_no_silence(self) -> None:
        """Who may not speak is not given up for saying nothing."""
        alice = self.peer("HELLO")
        self.flood(alice, 480)
        for _ in range(40):
            self.world.clock.advance(1)
            self.world.turn()
        self.assertFalse(alice.half_closed)
        self.assertNotIn("PING", self.heard(alice))

    def test_this_machine_has_no_limit(self) -> None:
        for host in ("127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"):
            local = self.world.peer(host=host)
            local.say(frame("PUB lobby: x") * 1000)
            self.assertTrue(local.reading)
            self.assertNotIn("dataReceived", vars(local.protocol))  # and pays nothing for it

    def test_unless_it_is_wanted(self) -> None:
        self.world = self.begin(limit_loopback="yes")
        local = self.world.peer(host="127.0.0.1")
        local.say(frame("PUB lobby: x") * 30)
        self.assertFalse(local.reading)

    def test_no_limits(self) -> None:
        self.world = self.begin(rate_messages="none", rate_bytes="none")
        alice = self.world.peer()
        alice.say(frame("PUB lobby: x") * 1000)
        self.assertTrue(alice.reading)


class StoredSpeedTests(SpeedTests):
    """The same in stored rooms, where what was said is seen when it is on disk."""

    stored = True

    def flood(self, pipe: Pipe, count: int) -> None:
        super().flood(pipe, count)
        self.world.work()

    def head(self, room: str = "lobby") -> int:
        self.world.work()
        return super().head(room)


class CostTests(SpeedCase):
    """Requests that cost the server more than a message does."""

    def spent(self, pipe: Pipe) -> float:
        """How many messages a connection has used up."""
        return 20.0 - pipe.protocol._pace._messages.level

    def test_a_room_that_begins(self) -> None:
        alice = self.peer("PUB new: x")
        self.assertEqual(self.spent(alice), ROOM_COST + 1)
        self.say(alice, "PUB new: x", "SUB new")
        self.assertEqual(self.spent(alice), ROOM_COST + 3)

    def test_room_names_are_not_used_up_quickly(self) -> None:
        alice = self.peer()
        alice.say(b"".join(frame(f"PUB room-{each}: x") for each in range(200)))
        begun = len(self.world.rooms)
        self.assertLess(begun, 5)
        for _ in range(100):
            self.world.clock.advance(1)
        self.assertLess(len(self.world.rooms), begun + 100 * 10 / ROOM_COST + 1)

    def test_a_list_counts_by_its_size(self) -> None:
        self.world = self.begin(rate_messages="2000")
        for each in range(100):
            self.peer(f"SUB {'r' * 28}-{each}")
        alice = self.peer("ROOMS")
        size = len(alice.frames()[-1].payload) + 128
        self.assertGreater(size, 2 * LIST_PART)
        level = alice.protocol._pace._messages.level
        self.assertEqual(4000 - level, 1 + 1 + size // LIST_PART)

    def test_who_comes_and_goes_counts_by_who_is_told(self) -> None:
        for _ in range(3 * WATCHERS_PART):
            self.peer("SUB lobby presence=1")
        alice = self.peer("SUB lobby")
        self.assertEqual(self.spent(alice), 1 + 3)
        self.say(alice, "SUB lobby last=1")  # neither comes nor goes
        self.assertEqual(self.spent(alice), 2 + 3)
        self.say(alice, "UNSUB lobby")
        self.assertEqual(self.spent(alice), 3 + 6)

    def test_others_have_their_turn_between_comings_and_goings(self) -> None:
        """Each of them is told to every watcher: hundreds in one read held everybody up."""
        self.world = self.begin(rate_messages="none")
        watchers = [self.peer("SUB lobby presence=1") for _ in range(WATCHERS_PART)]
        self.heard(watchers[0])
        alice = self.world.peer()
        alice.say((frame("SUB lobby") + frame("UNSUB lobby")) * 10)
        self.assertLessEqual(len(self.heard(watchers[0])), 1)
        for _ in range(25):
            self.world.turn()
        self.assertEqual(len(self.heard(watchers[0])), 19)

"""No reading of a wrong clock deletes history; what is old goes when the clock is confirmed."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.test_store import StoreCase, said
from tests.unit.world import EPOCH, World
from twisted_msg.log.sqlite import SqliteStore
from twisted_msg.log.store import Retention
from twisted_msg.rooms.retention_clock import CONFIRM_SECONDS, RetentionClock

DAY = 24 * 3600
MONTH = 30 * DAY
JUMP = 51 * DAY


class ClockTests(SynchronousTestCase):
    def begin(self, age: float | None = MONTH) -> RetentionClock:
        self.time = Clock()
        self.ahead = 0.0
        self.said: list[str] = []
        return RetentionClock(
            now=self.now, seconds=self.time.seconds, age=age, report=self.said.append
        )

    def now(self) -> int:
        return EPOCH + int((self.time.seconds() + self.ahead) * 1e6)

    def after(self, clock: RetentionClock, seconds: float) -> int:
        """Let time pass, with a reading each half minute; return the last one."""
        reading = clock.read()
        until = self.time.seconds() + seconds
        while self.time.seconds() < until:
            self.time.advance(min(30.0, until - self.time.seconds()))
            reading = clock.read()
        return reading

    def test_an_hour_confirms_a_clock(self) -> None:
        clock = self.begin()
        self.assertEqual(self.after(clock, CONFIRM_SECONDS - 1), 0)
        self.assertEqual(self.after(clock, 1), self.now() // 1000)
        self.assertEqual(self.said, [])

    def test_what_is_kept_for_less_waits_for_less(self) -> None:
        clock = self.begin(90.0)
        self.assertEqual(self.after(clock, 89), 0)
        self.assertEqual(self.after(clock, 1), self.now() // 1000)

    def test_a_jump_begins_the_hour_anew(self) -> None:
        for by, word in ((JUMP, "jumped ahead by 51 days"), (-JUMP, "jumped back by 51 days")):
            clock = self.begin(None)
            self.after(clock, CONFIRM_SECONDS)
            self.ahead += by
            self.assertEqual(self.after(clock, CONFIRM_SECONDS - 1), 0)
            self.assertEqual(self.after(clock, 1), self.now() // 1000)
            (line,) = self.said
            self.assertIn(word, line)
            self.assertIn("nothing is deleted by age until it has run steadily for 60 min", line)

    def test_a_jump_is_reported_in_the_largest_unit_that_it_has_two_of(self) -> None:
        for by, shown in (
            (2 * DAY, "2 days"),
            (2 * DAY - 1, "48 hours"),
            (7200, "2 hours"),
            (7199, "120 minutes"),
            (120, "2 minutes"),
            (119, "119 seconds"),
        ):
            clock = self.begin()
            self.ahead += by
            clock.read()
            self.assertIn(f"ahead by {shown}:", self.said[0])

    def test_time_between_two_readings_is_no_jump(self) -> None:
        """As when the server stood still, or a long step of retention came between."""
        clock = self.begin()
        for pause in (50, 600, CONFIRM_SECONDS):
            self.time.advance(pause)
            clock.read()
        self.assertEqual(self.said, [])
        self.assertEqual(clock.read(), self.now() // 1000)

    def test_a_jump_that_is_taken_back_counts_as_another(self) -> None:
        clock = self.begin()
        self.after(clock, CONFIRM_SECONDS)
        self.ahead = JUMP
        self.assertEqual(self.after(clock, 60), 0)
        self.ahead = 0
        self.assertEqual(self.after(clock, CONFIRM_SECONDS - 1), 0)
        self.assertEqual(self.after(clock, 1), self.now() // 1000)
        self.assertEqual(len(self.said), 2)

    def test_small_corrections_are_no_jumps(self) -> None:
        clock = self.begin()
        for _ in range(int(CONFIRM_SECONDS)):
            self.time.advance(1)
            self.ahead += 0.5
            reading = clock.read()
        self.assertEqual((reading, self.said), (self.now() // 1000, []))

    def test_the_newest_message_is_compared(self) -> None:
        for newest, words in (
            (0, ""),
            (EPOCH // 1000, ""),
            (EPOCH // 1000 - 29 * DAY * 1000, ""),
            (EPOCH // 1000 + 59_000, ""),
            (EPOCH // 1000 + 61_000, "is 61 seconds behind the newest stored message"),
            (EPOCH // 1000 + 7_200_000, "is 2 hours behind the newest stored message"),
            (EPOCH // 1000 - 40 * DAY * 1000, "is 40 days ahead of the newest stored message"),
        ):
            clock = self.begin()
            clock.compare(newest)
            self.assertEqual(len(self.said), bool(words), newest)
            self.assertIn(words, "".join(self.said))
        clock = self.begin(None)
        clock.compare(1)
        self.assertEqual(self.said, [])


class JumpTests(SynchronousTestCase):
    """A whole server whose clock jumps."""

    def begin(self, folder: str, **options: Any) -> World:
        store = SqliteStore(folder, Retention(age=MONTH))
        self.addCleanup(store.close)
        self.store = store
        return World(store=store, retain=["30d"], **options)

    def wait(self, world: World, seconds: int) -> None:
        for _ in range(seconds // 30):
            world.clock.advance(30)
            world.server.house._sweeps = 59  # the next sweep asks the store
            world.server.house.sweep()
            world.work()

    def first(self, room: str = "lobby") -> int | None:
        piece = self.store.piece(room, 0)
        return None if piece is None else piece.first

    def test_a_clock_that_is_ahead_for_a_minute_deletes_nothing(self) -> None:
        for memory in ([], ["lobby"]):
            world = self.begin(self.mktemp(), memory_room=memory)
            peer = world.typed(world.frame(b"old", "PUB", "lobby", "1"))
            world.work()
            self.wait(world, 3600)
            world.ahead = JUMP
            self.wait(world, 60)
            world.ahead = 0
            self.wait(world, 3 * 3600)
            peer.say(world.frame(b"", "SUB", "lobby", "from=0"))
            world.work()
            self.assertIn(b"old", peer.payloads())
            self.store.close()

    def test_a_clock_that_stays_ahead_for_an_hour_is_believed(self) -> None:
        world = self.begin(self.mktemp())
        world.typed(world.frame(b"old", "PUB", "lobby", "1"))
        world.work()
        self.wait(world, 3600)
        world.ahead = JUMP
        self.wait(world, 3540)
        self.assertEqual(self.first(), 1)
        self.wait(world, 120)
        self.assertIsNone(self.first())

    def test_a_server_that_was_off_for_forty_days(self) -> None:
        folder = self.mktemp()
        world = self.begin(folder)
        world.typed(world.frame(b"old", "PUB", "lobby", "1"))
        world.work()
        self.store.close()
        world = self.begin(folder)
        world.ahead = 40 * DAY
        self.wait(world, 3540)
        self.assertEqual(self.first(), 1)
        self.wait(world, 3720)  # the first hour began before the clock was set in this test
        self.assertIsNone(self.first())

    def test_messages_have_the_right_time_again_when_a_clock_is_set_back(self) -> None:
        world = self.begin(self.mktemp())
        peer = world.typed(world.frame(b"", "SUB", "lobby"))
        world.work()

        def millis() -> int:
            peer.say(world.frame(b"now", "PUB", "lobby"))
            world.work()
            return int(peer.frames()[-1].words[4]) - EPOCH // 1000

        self.assertEqual(millis(), 0)
        world.ahead = JUMP
        self.assertEqual(millis(), JUMP * 1000)
        world.ahead = JUMP - 59  # within a minute, time does not go back
        self.assertEqual(millis(), JUMP * 1000)
        world.ahead = 5
        self.assertEqual(millis(), 5000)


class AheadTests(StoreCase):
    """Messages that were stored while the clock was ahead."""

    def seqs(self, store: SqliteStore, room: str = "lobby") -> list[int]:
        found = []
        piece = store.piece(room, 0)
        while piece is not None:
            found.append(piece.first)
            piece = store.piece(room, piece.last + 1)
        return found

    def filled(self, *times: int) -> SqliteStore:
        """Return a store that keeps messages for 100 ms, with messages of these times."""
        store = self.opened(Retention(age=0.1))
        for seq, millis in enumerate(times, 1):
            store.commit([said("lobby", seq, millis=millis)], [])
        return store

    def prune(self, store: SqliteStore, now: int) -> list[int]:
        steps = 0
        while store.prune(now):
            steps += 1
            self.assertLess(steps, 20, "retention does not come to an end")
        return self.seqs(store)

    def test_they_go_with_what_was_said_behind_them(self) -> None:
        store = self.filled(1000, 9000, 9001, 1010, 1050)
        self.assertEqual(self.prune(store, 1100), [1, 2, 3, 4, 5])
        self.assertEqual(self.prune(store, 1105), [2, 3, 4, 5])
        self.assertEqual(self.prune(store, 1111), [5])
        self.assertEqual(self.prune(store, 1151), [])

    def test_as_the_oldest_of_their_room(self) -> None:
        store = self.filled(9000, 1010, 1050)
        self.assertEqual(self.prune(store, 1110), [1, 2, 3])
        self.assertEqual(self.prune(store, 1111), [3])

    def test_they_stay_while_nothing_shows_that_they_are_old(self) -> None:
        store = self.filled(1000, 9000)
        self.assertEqual(self.prune(store, 1200), [2])
        self.assertEqual(self.prune(store, 2000), [2])
        store.commit([said("lobby", 3, millis=2001)], [])
        self.assertEqual(self.prune(store, 2102), [])

    def test_what_a_clock_that_was_behind_has_said_takes_nothing_with_it(self) -> None:
        store = self.filled(1000, 5, 1010)
        self.assertEqual(self.prune(store, 1050), [1, 2, 3])
        self.assertEqual(self.prune(store, 1101), [3])

    def test_other_rooms_have_their_turn(self) -> None:
        store = self.opened(Retention(age=0.1))
        for room in range(40):
            store.commit([said(f"r{room}", seq, millis=t) for seq, t in ((1, 9000), (2, 5))], [])
        store.commit([said("lobby", 1, millis=900)], [])
        self.assertEqual(self.prune(store, 1100), [])

    def test_they_guard_their_marks(self) -> None:
        store = self.opened(Retention(age=0.1))
        store.commit([said("lobby", 1, millis=9000)], [(b"a", 1, 1)])
        store.commit([said("den", 1, millis=1000)], [(b"b", 1, 1)])
        self.prune(store, 1200)
        self.assertIsNotNone(store.mark(b"a"))
        self.assertIsNotNone(store.mark(b"b"))

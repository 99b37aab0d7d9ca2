"""The rooms of a server: when one begins and ends, and that no number is given twice."""

from __future__ import annotations

import gc
import weakref
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.crowd import EPOCH, PLAIN, FakeStore, Home, Peer, Speaker, listed
from twisted_msg.log.sqlite import SqliteStore
from twisted_msg.log.store import Kept, Retention
from twisted_msg.rooms import registry
from twisted_msg.rooms.memory import MemoryRoom
from twisted_msg.rooms.registry import Rooms
from twisted_msg.rooms.stored import StoredRoom
from twisted_msg.wire import ErrorCode, ProtocolError


class MemoryTests(SynchronousTestCase):
    """A server without a store."""

    def setUp(self) -> None:
        self.house = Home(age=10)
        self.rooms = self.house.rooms
        self.alice = Speaker(1)

    def say(self, name: str, payload: bytes = b"x") -> int:
        seq = self.alice.say(self.rooms.open(name), payload)
        self.house.turn()
        return seq

    def test_a_room_begins_when_it_is_opened(self) -> None:
        self.assertIsNone(self.rooms.get("lobby"))
        room = self.rooms.open("lobby")
        self.assertIsInstance(room, MemoryRoom)
        self.assertIs(self.rooms.get("lobby"), room)
        self.assertIs(self.rooms.open("lobby"), room)
        self.assertFalse(self.rooms.stored("lobby"))
        self.assertEqual((room.name, room.head, len(self.rooms)), ("lobby", EPOCH, 1))

    def test_what_is_no_name_is_refused(self) -> None:
        for name in ("", "a b", "x" * 33, "@alice", "ä", "a/b", "lobby\n"):
            error = self.assertRaises(ProtocolError, self.rooms.open, name)
            self.assertEqual(error.code, ErrorCode.BAD_ROOM)
        self.assertEqual(len(self.rooms), 0)

    def test_there_are_only_so_many(self) -> None:
        with patch.object(registry, "ROOMS_LIMIT", 3):
            for name in ("a", "b", "c"):
                self.rooms.open(name)
            error = self.assertRaises(ProtocolError, self.rooms.open, "d")
            self.assertEqual(error.code, ErrorCode.LIMIT)
            self.rooms.open("b")
            self.rooms.sweep()
            self.rooms.open("d")

    def test_rooms_are_listed_with_head_and_members(self) -> None:
        self.say("a")
        Peer(1).join(self.rooms.open("b"))
        self.assertEqual(listed(self.rooms), [("a", EPOCH + 1, 0), ("b", EPOCH, 1)])

    def test_a_room_ends_when_nothing_of_it_is_kept_and_nobody_is_in_it(self) -> None:
        self.say("said")
        peer = Peer(1)
        joined = self.rooms.open("joined")
        peer.join(joined)
        unused = self.rooms.open("unused")
        self.rooms.sweep()
        self.assertTrue(unused.ended)
        self.assertEqual([name for name, *_ in listed(self.rooms)], ["said", "joined"])
        self.assertIsNone(self.rooms.describe("gone"))
        peer.cursor.leave()
        self.house.wait(5)
        self.assertTrue(joined.ended)
        self.house.wait(6)
        self.assertEqual(len(self.rooms), 0)

    def test_a_room_does_not_end_while_something_is_on_its_way(self) -> None:
        room = self.rooms.open("lobby")
        self.alice.say(room, b"x")
        self.rooms.sweep()
        self.assertFalse(room.ended)
        self.house.turn()
        self.assertEqual(self.alice.acks, [(1, EPOCH + 1)])

    def test_messages_are_kept_for_ever_without_an_age(self) -> None:
        self.house = Home()
        self.rooms = self.house.rooms
        self.say("lobby")
        self.house.wait(1000)
        self.assertEqual(listed(self.rooms), [("lobby", EPOCH + 1, 0)])

    def test_numbers_are_not_given_twice_when_a_room_comes_back(self) -> None:
        given: list[int] = []
        for back in (0, 3600_000_000, 0):
            self.house.back = back
            given.extend(self.say("lobby") for _ in range(10))
            self.rooms.open("lobby").tail.pieces.clear()
            self.rooms.sweep()
            self.assertIsNone(self.rooms.get("lobby"))
        self.assertEqual(given, sorted(set(given)))

    def test_numbers_are_not_given_twice_within_a_microsecond(self) -> None:
        first = [self.say("lobby") for _ in range(5)][-1]
        self.rooms.open("lobby").tail.pieces.clear()
        self.rooms.sweep()
        self.assertGreater(self.say("lobby"), first)

    def test_quiet_rooms_forget_first(self) -> None:
        lump = bytes(100_000)
        cost = 0
        for name in ("a", "b", "c", "d"):
            self.say(name, lump)
            self.house.clock.advance(1)
        self.say("a", lump)
        Peer(1, reads=False).join(self.rooms.open("b"), 0)
        cost = self.rooms.open("c").tail.cost
        with patch.object(registry, "MEMORY_COST", 4 * cost):
            self.rooms.sweep()
        kept = {name: room.tail.cost for name, room in self.rooms._rooms.items()}
        self.assertEqual(kept, {"a": 2 * cost, "b": cost, "c": 0, "d": cost})
        with patch.object(registry, "MEMORY_COST", 0):
            self.rooms.sweep()
        self.assertEqual(
            [(name, room.tail.cost) for name, room in self.rooms._rooms.items()],
            [("a", 0), ("b", cost), ("d", 0)],
        )

    def test_rooms_with_members_hold_only_what_is_read(self) -> None:
        """A thousand rooms of one member would hold gigabytes else."""
        peers = [Peer(at, reads=at % 2 == 0) for at in range(10)]
        for at, peer in enumerate(peers):
            peer.join(self.rooms.open(f"r{at}"))
            self.say(f"r{at}", bytes(1000))
        rooms = list(self.rooms._rooms.values())
        with patch.object(registry, "MEMORY_COST", 0):
            self.rooms.sweep()
            self.assertEqual([bool(room.tail.pieces) for room in rooms], [False, True] * 5)
            for peer in peers[:4]:
                peer.read(1)
            self.house.wait(11)
        self.assertFalse(any(room.tail.pieces for room in rooms))  # nobody else made progress
        for peer in peers:
            peer.read()
        self.assertEqual([len(peer.seqs) for peer in peers], [1, 1, 1, 1, 1, 0, 1, 0, 1, 0])
        self.assertEqual([len(peer.gaps) for peer in peers], [0, 0, 0, 0, 0, 1, 0, 1, 0, 1])

    def test_who_keeps_the_most_falls_off_first(self) -> None:
        """One that reads a little everywhere pinned megabytes in each of a thousand rooms."""
        hoarder, other = Peer(1, reads=False), Peer(2, reads=False)
        plain = Peer(3, view=PLAIN, reads=False)
        cursors = []
        for at in range(20):
            cursors.append(hoarder.join(self.rooms.open(f"r{at}"), 0))
        mine, its = other.join(self.rooms.open("own"), 0), plain.join(self.rooms.open("r19"), 0)
        for name in (*(f"r{at}" for at in range(20)), "own"):
            self.say(name, bytes(60_000))
        cost = self.rooms.open("own").tail.cost
        with (
            patch.object(registry, "MEMORY_COST", 0),
            patch.object(registry, "READ_COST", 6 * cost),
        ):
            for _ in range(30):
                self.house.clock.advance(1)
                hoarder.data += bytes(50_000)  # of which it takes some all the time
                other.data += bytes(50_000)
                plain.data += bytes(50_000)
                self.rooms.sweep()
        self.assertLessEqual(sum(room.tail.cost for room in self.rooms._rooms.values()), 6 * cost)
        self.assertEqual([each.fell for each in cursors], [True] * 15 + [False] * 5)
        self.assertEqual((mine.fell, its.ended), (False, False))
        with patch.object(registry, "MEMORY_COST", 0), patch.object(registry, "READ_COST", 0):
            self.rooms.sweep()
        self.assertEqual((mine.fell, plain.missed), (True, 1))
        self.assertEqual(sum(room.tail.cost for room in self.rooms._rooms.values()), 0)

    def test_a_room_that_was_congested_is_let_go_when_it_has_ended(self) -> None:
        room = weakref.ref(self.rooms.open("lobby"))
        slow = Peer(1, reads=False)
        slow.join(self.rooms.open("lobby"))
        while not self.alice.held:
            self.say("lobby", bytes(60_000))
        slow.read()
        self.assertEqual(self.alice.held, 0)
        slow.cursor.leave()
        self.house.wait(20)
        self.assertIsNone(self.rooms.get("lobby"))
        gc.collect()
        self.assertIsNone(room())

    def test_a_store_that_is_not_there_is_not_asked(self) -> None:
        self.rooms.kept(Kept("lobby", 1, 0, 0))
        self.rooms.relieved()
        for room in list(self.rooms._rooms.values()):
            room.settle(lambda: None)
        self.assertEqual(len(self.rooms), 0)


class StoredTests(SynchronousTestCase):
    """A server with a store, some of whose rooms are not stored."""

    def setUp(self) -> None:
        self.store = FakeStore()
        self.house = Home(self.store, memory=("tmp-*", "?"))
        self.rooms = self.house.rooms
        self.alice = Speaker(1)

    def say(self, name: str, payload: bytes = b"x") -> int:
        seq = self.alice.say(self.rooms.open(name), payload)
        self.house.work()
        return seq

    def prune(self, name: str, pieces: int) -> None:
        assert self.house.commits is not None
        self.store.drops.append((name, pieces))
        self.house.commits.archive.prune(0)
        self.house.work()

    def restart(self, *, memory: tuple[str, ...] = ()) -> Rooms:
        self.house = Home(self.store, memory=memory)
        self.rooms = self.house.rooms
        return self.rooms

    def test_patterns_say_which_rooms_are_not_stored(self) -> None:
        for name, stored in (
            ("lobby", True), ("tmp-x", False), ("tmp", True), ("x", False), ("TMP-x", True),
        ):  # fmt: skip
            self.assertEqual(self.rooms.stored(name), stored, name)
            kind = StoredRoom if stored else MemoryRoom
            self.assertIsInstance(self.rooms.open(name), kind, name)

    def test_rooms_commit_apart(self) -> None:
        lobby, tmp = self.rooms.open("lobby"), self.rooms.open("tmp-x")
        self.alice.say(lobby, b"x")
        self.alice.say(tmp, b"x")
        for room in list(self.rooms._rooms.values()):
            room.settle(lambda: None)
        self.assertEqual((lobby.quiet, tmp.quiet), (False, True))

    def test_a_room_leaves_memory_when_nobody_is_in_it(self) -> None:
        self.say("lobby")
        peer = Peer(1)
        room = self.rooms.open("lobby")
        peer.join(room)
        self.rooms.sweep()
        self.assertIs(self.rooms.get("lobby"), room)
        peer.cursor.leave()
        self.rooms.sweep()
        self.house.work()
        self.assertTrue(room.ended)
        self.assertEqual(self.store.forgotten, [])
        self.assertEqual(listed(self.rooms), [("lobby", 1, 0)])
        self.assertEqual(len(self.rooms), 1)
        again = self.rooms.get("lobby")
        self.assertIsNotNone(again)
        self.assertIsNot(again, room)
        self.assertEqual(listed(self.rooms), [("lobby", 1, 0)])
        self.assertEqual((len(self.rooms), self.say("lobby")), (1, 2))

    def test_a_room_stays_while_the_store_has_something_of_it_to_do(self) -> None:
        room = self.rooms.open("lobby")
        self.alice.say(room, b"x")
        self.house.turn()
        self.rooms.sweep()
        self.assertFalse(room.ended)
        self.house.work()
        self.rooms.sweep()
        self.assertTrue(room.ended)

    def test_rooms_with_members_hold_only_so_much_in_memory(self) -> None:
        """One client may be in very many rooms; what is stored can be read from there."""
        peers = [Peer(number, reads=False) for number in range(10)]
        for peer in peers:
            peer.join(self.rooms.open(f"room{peer.number}"))
            for _ in range(3):
                self.say(f"room{peer.number}", bytes(50_000))
            self.house.clock.advance(1)
        rooms = [self.rooms.open(f"room{peer.number}") for peer in peers]
        with patch.object(registry, "MEMORY_COST", 4 * rooms[0].tail.cost):
            self.rooms.sweep()
        self.assertEqual([bool(room.tail.pieces) for room in rooms], [False] * 6 + [True] * 4)
        for peer in peers:
            peer.reads = True
            peer.read()
        self.house.work()
        self.assertEqual([peer.seqs for peer in peers], [[1, 2, 3]] * 10)

    def test_nobody_falls_off_in_a_stored_room(self) -> None:
        stored, first, second = (Peer(at, view=PLAIN, reads=False) for at in (1, 2, 3))
        stored.join(self.rooms.open("lobby"))
        ends = [peer.join(self.rooms.open("tmp-a")) for peer in (first, second)]
        self.say("lobby")
        self.say("tmp-a")
        self.house.work()
        with (
            patch.object(first, "fallen", lambda cursor, missed: ends[1].leave()),
            patch.object(registry, "MEMORY_COST", -1),
            patch.object(registry, "READ_COST", -1),  # more than can be let go of
        ):
            self.rooms.sweep()
        self.assertEqual([each.ended for each in ends], [True, True])
        self.assertIsNone(second.missed)  # it had left by then
        self.assertFalse(stored.cursor.ended)

    def test_an_unused_room_is_forgotten(self) -> None:
        self.rooms.open("lobby")
        self.rooms.sweep()
        self.house.work()
        self.assertEqual(self.store.forgotten, ["lobby"])
        self.assertEqual(len(self.rooms), 0)

    def test_unused_rooms_are_forgotten_together(self) -> None:
        """Whoever goes through rooms faster than they are forgotten would keep the store busy."""
        names = [f"r{at}" for at in range(100)]
        for name in names:
            self.rooms.open(name)
        self.rooms.sweep()
        self.house.turn()
        self.house.worker.pump()
        self.assertEqual(self.store.forgotten, names)
        self.rooms.sweep()
        self.house.turn()
        self.assertFalse(self.house.worker.waiting)

    def test_a_room_is_forgotten_when_the_last_of_it_is_gone(self) -> None:
        self.say("lobby")
        self.say("lobby")
        self.rooms.sweep()
        self.prune("lobby", 1)
        self.assertEqual((self.store.forgotten, len(self.rooms)), ([], 1))
        room = self.rooms.get("lobby")
        assert room is not None
        self.assertEqual((room.first, room.head), (2, 2))
        self.rooms.sweep()
        self.prune("lobby", 1)
        self.assertEqual((self.store.forgotten, len(self.rooms)), (["lobby"], 0))
        self.assertIsNone(self.rooms.get("lobby"))
        self.assertEqual(self.say("lobby"), 3)

    def test_rooms_of_the_store_are_there_after_a_restart(self) -> None:
        self.say("lobby")
        self.say("den")
        self.prune("den", 1)
        rooms = self.restart()
        self.assertEqual(listed(rooms), [("lobby", 1, 0)])
        self.assertIsNone(rooms.get("den"))
        self.assertIsInstance(rooms.get("lobby"), StoredRoom)
        self.assertEqual((self.say("lobby"), self.say("den")), (2, 2))

    def test_rooms_that_are_stored_no_longer_are_not_seen(self) -> None:
        self.say("lobby")
        self.say("lobby")
        rooms = self.restart(memory=("lobby",))
        self.assertIsNone(rooms.get("lobby"))
        self.assertEqual(len(rooms), 0)
        self.assertIsInstance(rooms.open("lobby"), MemoryRoom)
        self.prune("lobby", 1)
        self.assertEqual(len(rooms), 1)
        rooms.sweep()
        self.prune("lobby", 1)
        self.assertEqual((len(rooms), self.store.forgotten), (0, ["lobby"]))

    def test_there_are_only_so_many_in_memory_and_store_together(self) -> None:
        self.say("lobby")
        self.rooms.sweep()
        with patch.object(registry, "ROOMS_LIMIT", 2):
            self.rooms.open("den")
            error = self.assertRaises(ProtocolError, self.rooms.open, "third")
            self.assertEqual(error.code, ErrorCode.LIMIT)
            self.assertEqual(self.rooms.open("lobby").head, 1)

    def test_publishers_of_both_kinds_are_forgotten(self) -> None:
        tmp = self.rooms.open("tmp-x")
        slow, gone = Peer(1, reads=False), Speaker(7)
        slow.join(tmp)
        while not self.alice.held:
            self.alice.say(tmp, bytes(500_000))
            self.house.turn()
        tmp.admit(gone)
        self.rooms.dismiss(gone)
        slow.cursor.leave()
        self.assertEqual((self.alice.held, gone.held), (0, 1))


class SqliteTests(SynchronousTestCase):
    """Numbers are never given twice, with the store that servers have."""

    def home(self, folder: str, retention: Retention) -> Home:
        self.store = SqliteStore(folder, retention)
        self.addCleanup(self.store.close)
        return Home(self.store)

    def test_numbers_go_on_whatever_happens_to_a_room(self) -> None:
        folder, given = self.mktemp(), list[int]()
        for turn in range(12):
            house = self.home(folder, Retention(age=0.001))
            assert house.commits is not None
            house.clock.advance(turn)
            speaker = Speaker(turn)
            for _ in range(3):
                given.append(speaker.say(house.rooms.open("lobby"), b"x"))
                house.work()
                house.rooms.sweep()
                house.work()
            if turn % 3:
                house.clock.advance(10)
                house.commits.archive.prune(house.now() // 1000)
                house.work()
                self.assertIsNone(house.rooms.get("lobby"))
            if turn % 4 == 3:
                given.append(speaker.say(house.rooms.open("lobby"), b"x"))
                house.work()
            self.store.close()
        self.assertEqual(given, sorted(set(given)))
        self.assertEqual(given[0], 1)

"""Stored rooms: who falls behind reads on from the store, and nobody is ever waited for."""

from __future__ import annotations

import gc
import tracemalloc
from collections import deque
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.crowd import PLAIN, TYPED, FakeStore, Home, Peer, Speaker
from twisted_msg.log.sqlite import SqliteStore
from twisted_msg.log.store import Damaged, Kept, Retention
from twisted_msg.rooms import room as rooms
from twisted_msg.rooms import stored
from twisted_msg.rooms.room import Room
from twisted_msg.rooms.stored import RECENT_COST, StoredRoom

LUMP = b"x" * 60_000


class StoredRoomCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.store = FakeStore()
        self.house = Home(self.store)
        self.room = self.open()
        self.alice = Speaker(100)

    def open(self) -> StoredRoom:
        room: Room = self.house.rooms.open("lobby")
        assert isinstance(room, StoredRoom)
        return room

    def say(self, count: int = 1, payload: bytes = LUMP) -> None:
        """Say so many messages, each in a batch of its own."""
        for _ in range(count):
            self.alice.say(self.room, payload)
            self.house.work()

    def prune(self, pieces: int) -> None:
        assert self.house.commits is not None
        self.store.drops.append(("lobby", pieces))
        self.house.commits.archive.prune(0)

    def pages(self) -> list[str]:
        return [job for job in self.store.jobs if job.startswith("piece")]


class BehindTests(StoredRoomCase):
    def test_memory_holds_the_newest_pieces_and_the_store_all(self) -> None:
        self.say(60)
        self.assertLessEqual(self.room.tail.cost, RECENT_COST)
        self.assertGreater(self.room.tail.first, 1)
        self.assertEqual((self.room.first, self.room.head), (1, 60))
        self.assertEqual(self.room.size, self.store.kept("lobby").size)

    def test_one_piece_is_held_however_large_it_is(self) -> None:
        self.say(1, bytes(2 * RECENT_COST))
        self.assertEqual(len(self.room.tail.pieces), 1)

    def test_who_falls_behind_reads_on_from_the_store(self) -> None:
        slow = Peer(1, reads=False)
        slow.join(self.room)
        slow.read()
        self.say(60)
        self.assertEqual(self.alice.held, 0)
        slow.reads = True
        slow.read()
        self.house.work()
        self.assertEqual(slow.seqs, list(range(1, 61)))
        self.assertEqual(len(self.pages()), 60 - len(self.room.tail.pieces))
        self.store.jobs.clear()
        self.say(2)
        self.assertEqual(slow.seqs, list(range(1, 63)))
        self.assertEqual(self.pages(), [])

    def test_what_waits_for_its_turn_is_not_read_from_the_store(self) -> None:
        """Members that keep pace are many, and one turn has no time for all of them."""
        self.patch(rooms, "TURN_BYTES", len(LUMP))
        later: deque[Callable[[], None]] = deque()
        self.room._soon = later.append
        peers = [Peer(number) for number in range(7)]
        for peer in peers:
            peer.join(self.room)
        self.say(20)
        self.assertEqual(peers[-1].seqs, [])
        while later:
            later.popleft()()
            self.house.work()
        self.assertEqual([peer.seqs for peer in peers], [list(range(1, 21))] * 7)
        self.assertEqual(self.pages(), [])

    def test_a_run_weighs_what_its_messages_weigh(self) -> None:
        commits = self.house.commits
        assert commits is not None
        for _ in range(3):
            self.room.publish(self.alice, self.alice.author, LUMP)
        one_by_one = commits.weight
        self.room.publish_run(self.alice, self.alice.author, [LUMP] * 3)
        self.assertEqual(commits.weight, 2 * one_by_one)

    def test_plain_members_read_on_too_and_not_their_own(self) -> None:
        slow = Peer(7, view=PLAIN, reads=False)
        slow.join(self.room)
        self.say(10, b"a")
        Speaker(7).say(self.room, b"mine")
        self.house.work()
        self.say(60)
        slow.reads = True
        slow.read()
        self.house.work()
        self.assertEqual(slow.payloads, [b"a"] * 10 + [LUMP] * 60)

    def test_members_that_read_the_same_share_what_is_read(self) -> None:
        self.say(60)
        peers = [Peer(number) for number in range(5)]
        for peer in peers:
            peer.join(self.room, 1)
        self.house.work()
        for peer in peers:
            self.assertEqual(peer.seqs, list(range(1, 61)))
        self.assertEqual(len(self.pages()), 60 - len(self.room.tail.pieces))

    def test_who_leaves_while_a_page_is_fetched_hears_nothing_of_it(self) -> None:
        self.say(60)
        peer = Peer(1)
        cursor = peer.join(self.room, 1)
        self.house.turn()
        cursor.leave()
        self.house.work()
        self.assertEqual((peer.data, peer.damage, cursor.take()), (b"", None, b""))
        self.assertTrue(cursor.done)

    def test_who_is_woken_while_a_page_is_fetched_asks_once(self) -> None:
        self.say(60)
        peer = Peer(1)
        cursor = peer.join(self.room, 1)
        peer.wake(cursor)
        self.say(1)
        self.house.work()
        self.assertEqual(peer.seqs, list(range(1, 62)))
        self.assertEqual(len(self.pages()), len(set(self.pages())))

    def test_a_room_that_ends_while_a_page_is_fetched(self) -> None:
        self.say(60)
        peer = Peer(1)
        peer.join(self.room, 1)
        self.house.turn()
        peer.cursor.leave()
        self.house.rooms.sweep()
        self.assertTrue(self.room.ended)
        self.house.work()
        self.assertIsNot(self.open(), self.room)
        again = Peer(1)
        again.join(self.open(), 1)
        self.house.work()
        self.assertEqual(again.seqs, list(range(1, 61)))

    def test_two_hundred_members_of_whom_one_stops_cost_little_memory(self) -> None:
        peers = [Peer(number, view=PLAIN, reads=False) for number in range(1000, 1200)]
        for peer in peers:
            peer.join(self.room)
            peer.read()
        stopped, *others = peers
        payload = bytes(range(256)) * 4
        self.say(1, payload)
        for peer in others:
            peer.read()
            peer.data.clear()
        gc.collect()
        tracemalloc.start()
        try:
            for _ in range(200):
                self.alice.say(self.room, *[payload] * 50)
                self.house.work()
                for peer in others:
                    peer.read()
                    self.assertEqual(len(peer.data), 50 * (len(payload) + 128))
                    peer.data.clear()
                # what stands for a disk here is not counted
                self.store.history.clear()
                self.store.pieces["lobby"] = self.store.pieces["lobby"][-3:]
            gc.collect()
            taken = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        self.assertLess(taken, RECENT_COST + 1024 * 1024)
        self.assertEqual((self.alice.held, stopped.missed), (0, None))
        self.assertFalse(stopped.cursor.ended)

    def test_a_stopped_member_holds_on_to_one_piece(self) -> None:
        self.say(60)
        peer = Peer(1, reads=False)
        cursor = peer.join(self.room, 1)
        peer.read()
        self.house.work()
        self.assertEqual(len(self.pages()), 1)
        self.house.work()
        self.assertEqual(len(self.pages()), 1)
        cursor.leave()
        self.assertIsNone(cursor._piece)  # nor on to that when it has left


class RetentionTests(StoredRoomCase):
    def test_retention_under_a_reader_is_exactly_one_gap(self) -> None:
        self.say(60)
        peer = Peer(1, reads=False)
        peer.join(self.room, 1)
        for _ in range(4):
            peer.read(1)
            self.house.work()
        self.assertEqual(peer.seqs[-1], len(peer.seqs))
        read = len(peer.seqs)
        self.prune(10)
        self.prune(10)
        self.house.work()
        peer.reads = True
        peer.read()
        self.house.work()
        self.assertEqual(peer.gaps, [(read + 1, 20)])
        self.assertEqual(peer.seqs, [*range(1, read + 1), *range(21, 61)])

    def test_what_goes_while_it_is_fetched_is_a_gap(self) -> None:
        """The page that is found then stands behind what was wanted."""
        self.say(60)
        self.prune(5)
        self.house.turn()
        peer = Peer(1)
        peer.join(self.room, 3)
        self.house.work()
        self.assertEqual(peer.gaps, [(3, 5)])
        self.assertEqual(peer.seqs, list(range(6, 61)))

    def test_a_page_that_is_kept_for_others_is_not_shown_when_it_is_gone(self) -> None:
        self.say(60)
        first, second = Peer(1), Peer(2)
        first.join(self.room, 59)
        first.cursor.leave()
        first.join(self.room, 1)
        self.house.turn()
        self.house.worker.pump()
        self.prune(2)
        self.house.work()
        second.join(self.room, 1)
        self.house.work()
        self.assertEqual(second.gaps, [(1, 2)])

    def test_what_is_gone_from_the_store_is_gone_from_memory(self) -> None:
        self.say(5)
        self.prune(3)
        self.house.work()
        self.assertEqual((self.room.first, self.room.tail.first), (4, 4))
        self.prune(2)
        self.house.work()
        self.assertEqual((self.room.first, self.room.head), (6, 5))
        self.assertFalse(self.room.tail.pieces)
        self.say()
        self.assertEqual((self.room.first, self.room.head), (6, 6))

    def test_a_plain_reader_is_let_go(self) -> None:
        peer = Peer(1, view=PLAIN, reads=False)
        peer.join(self.room)
        self.say(60)
        peer.read()
        self.prune(10)
        self.house.work()
        peer.reads = True
        peer.read()
        self.assertEqual(peer.missed, 10)

    def test_numbers_that_skip_are_no_gap(self) -> None:
        self.say(2, b"x")
        self.room.received += 1000  # as after a backup was restored
        self.say(60)
        peer = Peer(1)
        peer.join(self.room, 1)
        self.house.work()
        self.assertEqual(peer.seqs, [1, 2, *range(1003, 1063)])
        self.assertEqual(peer.gaps, [])
        self.assertEqual(self.house.rooms.delivered, 62)

    def test_a_store_that_has_less_than_it_said_is_a_gap_and_no_endless_search(self) -> None:
        self.say(60)
        self.store.pieces["lobby"].clear()
        peer = Peer(1)
        peer.join(self.room, 1)
        self.house.work()
        self.assertEqual(peer.gaps, [(1, self.room.tail.first - 1)])
        self.assertEqual(peer.seqs[-1], 60)

    def test_a_room_remembers_its_numbers_when_all_of_it_is_gone(self) -> None:
        self.say(5)
        self.prune(5)
        self.house.work()
        self.house.rooms.sweep()
        self.house.work()
        self.assertEqual(self.store.forgotten, ["lobby"])
        self.room = self.open()
        self.assertEqual((self.room.first, self.room.head), (6, 5))
        self.say()
        self.assertEqual(self.alice.acks[-1], (6, 6))
        peer = Peer(1)
        peer.join(self.room, 3)
        self.assertEqual((peer.gaps, peer.seqs), ([(3, 5)], [6]))

    def test_a_limit_of_the_store_is_kept_by_what_is_said(self) -> None:
        """With the store that servers have: the room is trimmed in the commit itself."""
        store = SqliteStore(self.mktemp(), Retention(size=400_000))
        self.addCleanup(store.close)
        self.house = Home(store)
        self.room = self.open()
        quick, slow = Peer(1), Peer(2, reads=False)
        quick.join(self.room)
        slow.join(self.room)
        slow.read()
        self.say(30)
        self.assertEqual(quick.seqs, list(range(1, 31)))
        self.assertGreater(self.room.first, 20)
        slow.read()
        self.house.work()
        slow.read()
        self.assertEqual(slow.gaps, [(1, self.room.first - 1)])
        self.assertEqual(slow.seqs, list(range(self.room.first, 31)))
        self.assertLessEqual(self.room.size, 400_000)


class DamageTests(StoredRoomCase):
    def setUp(self) -> None:
        super().setUp()
        self.patch(stored, "RECENT_COST", 1)

    def test_damage_ends_the_reader_and_nobody_else(self) -> None:
        self.say(3)
        live, reader = Peer(1), Peer(2)
        live.join(self.room)
        cursor = reader.join(self.room, 1)
        self.store.fault = Damaged("message 1 was altered")
        self.house.work()
        self.assertEqual(reader.damage, "message 1 was altered")
        self.assertTrue(cursor.ended and cursor.done)
        self.assertEqual(list(self.room.names()), [live.name])
        self.say()
        self.assertEqual(live.seqs, [4])
        self.assertEqual(self.house.broken, [])

    def test_who_has_left_meanwhile_is_not_told_of_damage(self) -> None:
        self.say(3)
        reader = Peer(2)
        before = reader.join(self.room, 1)
        self.house.turn()
        self.store.fault = Damaged("message 1 was altered")
        reader.join(self.room, 3, instead=before)
        self.house.work()
        self.assertIsNone(reader.damage)
        self.assertEqual(reader.seqs, [3])


class KeptTests(StoredRoomCase):
    def test_a_room_begins_where_the_store_has_it(self) -> None:
        room = StoredRoom(
            Kept("den", 5, 9, 100),
            self.house.commits,  # type: ignore[arg-type]
            self.house.rooms._holds,
            lambda: 0,
            self.house.turns,
            self.house.counts,
        )
        self.assertEqual((room.first, room.head, room.received, room.size), (5, 9, 9, 100))
        self.assertEqual(room.tail.first, 10)

    def test_a_settled_room_settles_at_once(self) -> None:
        told: list[int] = []
        self.room.settle(lambda: told.append(self.room.head))
        self.alice.say(self.room, b"x")
        self.room.settle(lambda: told.append(self.room.head))
        self.assertEqual(told, [0])
        self.house.work()
        self.assertEqual(told, [0, 1])

    def test_typed_members_share_one_view(self) -> None:
        peers = [Peer(number) for number in range(3)]
        for peer in peers:
            peer.join(self.room)
        self.say(1, b"x")
        piece = self.room.tail.pieces[0]
        self.assertIs(piece.encoded(TYPED), piece.encoded(TYPED, 1))

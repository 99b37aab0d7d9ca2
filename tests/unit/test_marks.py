"""Clients' marks under a limit of the store: messages stay, and the oldest marks go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.test_store import StoreCase, said
from tests.unit.world import Pipe, World
from twisted_msg.log import marks
from twisted_msg.log.database import Database
from twisted_msg.log.marks import MARK_AGE, MARK_SIZE, STORE_PART
from twisted_msg.log.sqlite import SqliteStore
from twisted_msg.log.store import Mark, Retention
from twisted_msg.session import clients
from twisted_msg.session.clients import key_of


def limited(count: int) -> Retention:
    """Return a limit of the store that leaves room for so many marks."""
    return Retention(store=count * MARK_SIZE * STORE_PART)


class MarksTests(StoreCase):
    def keys(self, count: int) -> list[bytes]:
        return [key_of(f"client {number}") for number in range(count)]

    def known(self, store: SqliteStore, keys: list[bytes]) -> list[int]:
        """Return which of these clients have a mark."""
        return [number for number, key in enumerate(keys) if store.mark(key) is not None]

    def counted(self, store: SqliteStore) -> int:
        """Return how many marks there are, which the store must know."""
        ((count,),) = store._database.read("SELECT count(*) FROM marks")
        self.assertEqual(store._pruning.marks._count, count)
        return int(count)

    def test_many_clients_leave_the_messages(self) -> None:
        """As it was found: 24,000 clients under a limit of 1 MiB, and no message was left."""
        limit = 1024 * 1024
        store = self.opened(Retention(store=limit))
        store.commit([said("lobby", 1, bytes(200_000))], [])
        empty = store._database.used
        keys = self.keys(24_000)
        for at in range(0, len(keys), 400):
            group = keys[at : at + 400]
            store.commit([], [(key, 1_700_000_000_000_000_000, at) for key in group])
            while store.prune(0):
                pass
        self.assertIsNotNone(store.piece("lobby", 1))
        self.assertLessEqual(store._database.used - empty, limit // STORE_PART)
        self.assertLessEqual(self.counted(store), limit // STORE_PART // MARK_SIZE)
        self.assertGreater(self.counted(store), limit // STORE_PART // MARK_SIZE * 7 // 8)
        self.assertEqual(self.known(store, keys)[-1], 23_999)

    def test_the_oldest_go_first(self) -> None:
        store = self.opened(limited(64))
        keys = self.keys(100)
        for number, key in enumerate(keys, 1):
            store.commit([said("lobby", number, millis=number)], [(key, 1, number)])
            self.assertLessEqual(self.counted(store), 64)
        known = self.known(store, keys)
        self.assertEqual(known, list(range(known[0], 100)))
        self.assertGreater(len(known), 58)

    def test_clients_that_publish_again_count_once(self) -> None:
        store = self.opened(limited(10))
        keys = self.keys(10)
        for seq in range(1, 40):
            store.commit([said("lobby", seq)], [(key, seq, seq) for key in keys])
        self.assertEqual(self.known(store, keys), list(range(10)))
        with patch.object(marks, "RECENT", 5):
            for seq in range(40, 50):
                store.commit([said("lobby", seq)], [(keys[seq % 10], seq, seq)] * 2)
        self.assertEqual(self.counted(store), 10)

    def test_one_that_went_comes_back_with_its_next_message(self) -> None:
        store = self.opened(limited(4))
        keys = self.keys(6)
        for seq, key in enumerate([*keys, keys[0]], 1):
            store.commit([said("lobby", seq, millis=seq)], [(key, seq, seq)])
            self.counted(store)
        self.assertEqual(store.mark(keys[0]), Mark(7, 7))

    def test_a_group_of_new_and_old_ones_that_is_too_large(self) -> None:
        store = self.opened(limited(4))
        keys = self.keys(9)
        store.commit([said("lobby", 1, millis=1)], [(key, 1, 1) for key in keys[:4]])
        store.commit([said("lobby", 2, millis=2)], [(key, 2, 2) for key in keys])
        self.assertEqual(self.known(store, keys), list(range(9)))  # none of a group's own goes
        self.counted(store)
        store.commit([said("lobby", 3, millis=3)], [(keys[0], 3, 3)])
        self.assertLessEqual(self.counted(store), 4 + 1)
        self.assertEqual(store.mark(keys[0]), Mark(3, 3))

    def test_a_group_of_nearly_as_many_new_ones_as_there_may_be(self) -> None:
        store = self.opened(limited(64))
        keys = self.keys(124)
        store.commit([], [(key, 1, 1) for key in keys[:64]])
        store.commit([], [(key, 1, 2) for key in keys[64:]])
        self.assertEqual(self.counted(store), 64)
        self.assertEqual(self.known(store, keys)[-60:], list(range(64, 124)))

    def test_messages_go_as_far_as_the_limit_asks_beside_marks(self) -> None:
        store = self.opened()
        for seq in range(1, 101):
            store.commit([said("lobby", seq, bytes(20_000))], [])
        store.close()
        limit = 1_200_000
        store = self.opened(Retention(store=limit))
        store.commit([], [(key, 1, 1) for key in self.keys(100)])
        while store.prune(0):
            pass
        self.assertLessEqual(store._database.used, limit)

    def test_a_limit_that_was_lowered(self) -> None:
        store = self.opened()
        keys = self.keys(500)
        store.commit([said("lobby", 1, bytes(50_000))], [])
        for number, key in enumerate(keys):
            store.commit([], [(key, 1, number)])
        store.close()
        store = self.opened(limited(64))
        with patch.object(marks, "MARK_ROWS", 50), patch.object(marks, "WINDOWS", 3):
            for _ in range(20):
                store.prune(0)
                self.counted(store)
        self.assertLessEqual(self.counted(store), 64)

    def test_marks_that_are_too_many_take_no_message_with_them(self) -> None:
        store = self.opened()
        store.commit([said("lobby", 1, bytes(400_000))], [])
        store.commit([], [(key, 1, 1) for key in self.keys(30_000)])
        store.close()
        store = self.opened(Retention(store=1024 * 1024))
        with patch.object(marks, "WINDOWS", 1):
            while store.prune(0):
                pass
        self.assertIsNotNone(store.piece("lobby", 1))

    def test_sweeping_by_age_is_counted(self) -> None:
        store = self.opened(limited(10))
        store.commit([], [(key, 1, 1) for key in self.keys(6)])
        store.prune(MARK_AGE * 2000)
        self.assertEqual(self.counted(store), 0)

    def test_a_commit_that_fails_counts_nothing(self) -> None:
        store = self.opened(limited(4))
        keys = self.keys(8)
        for seq, key in enumerate(keys[:4], 1):
            store.commit([said("lobby", seq, millis=seq)], [(key, seq, seq)])
        with patch.object(store._database, "write_all", side_effect=OSError):
            self.assertRaises(OSError, store.commit, [], [(key, 1, 1) for key in keys[4:]])
        self.assertEqual(self.counted(store), 4)
        self.assertEqual(self.known(store, keys), [0, 1, 2, 3])

    def test_a_client_that_is_known_is_not_looked_for_again(self) -> None:
        store = self.opened(limited(10))
        (key,) = self.keys(1)
        store.commit([said("lobby", 1)], [(key, 1, 1)])
        read, looked = Database.read, []

        def reading(database: Database, statement: str, *values: object) -> list[Any]:
            looked.append(key in values)
            return read(database, statement, *values)

        with patch.object(Database, "read", reading):
            store.commit([said("lobby", 2)], [(key, 2, 2)])
        self.assertNotIn(True, looked)

    def test_one_address_has_an_eighth_of_an_eighth(self) -> None:
        store = self.opened(Retention(store=1024 * 1024))
        self.assertEqual(store.marks_per_address, 1024 * 1024 // 8 // MARK_SIZE // 8)

    def test_a_limit_without_marks(self) -> None:
        store = self.opened(limited(2))
        store.commit([], [(key, 1, 1) for key in self.keys(5)])
        self.assertEqual(self.counted(store), 5)

    def test_some_are_dropped(self) -> None:
        store = self.opened(limited(9))
        keys = self.keys(5)
        store.commit([], [(key, 1, 1) for key in keys])
        store._pruning.marks.drop([keys[1], keys[3], b"unheard of"])
        self.assertEqual(self.known(store, keys), [0, 2, 4])
        self.assertEqual(self.counted(store), 3)


class AddressTests(SynchronousTestCase):
    """New clients of one address, under a limit of the store."""

    def begin(self, most: int, **options: Any) -> World:
        self.store = SqliteStore(self.mktemp(), limited(most * 8))
        self.addCleanup(self.store.close)
        world = World(store=self.store, **options)
        self.assertEqual(self.store.marks_per_address, most)
        return world

    def publish(self, world: World, client: str, host: str) -> Pipe:
        """Have a client of an address publish once, and stay."""
        pipe = world.peer(host=host)
        pipe.say(world.frame(b"", "HELLO", f"client={client:.<16}"))
        world.work()
        pipe.say(world.frame(b"text", "PUB", "lobby", "1"))
        world.work()
        return pipe

    def known(self, clients: Iterable[str]) -> list[str]:
        return [each for each in clients if self.store.mark(key_of(f"{each:.<16}")) is not None]

    def test_the_oldest_of_an_address_go_and_no_others(self) -> None:
        world = self.begin(3)
        self.publish(world, "other", "192.0.2.9").vanish()
        names = [f"c{number}" for number in range(8)]
        for name in names:
            self.publish(world, name, "192.0.2.1").vanish()
        self.assertEqual(self.known(["other", *names]), ["other", *names[5:]])

    def test_a_network_of_ipv6_is_one_address(self) -> None:
        world = self.begin(2)
        names = [f"c{number}" for number in range(5)]
        for number, name in enumerate(names):
            self.publish(world, name, f"2001:db8::{number + 1}").vanish()
        self.assertEqual(self.known(names), names[3:])

    def test_this_machine_has_no_limit_of_its_own(self) -> None:
        for limit, left in (("no", 5), ("yes", 2)):
            world = self.begin(2, limit_loopback=limit)
            names = [f"c{number}" for number in range(5)]
            for name in names:
                self.publish(world, name, "127.0.0.1").vanish()
            self.assertEqual(self.known(names), names[-left:])
            self.store.close()

    def test_clients_with_a_connection_are_remembered(self) -> None:
        world = self.begin(2)
        self.publish(world, "stays", "192.0.2.1")
        names = [f"c{number}" for number in range(4)]
        for name in names:
            self.publish(world, name, "192.0.2.1").vanish()
        self.assertEqual(self.known(["stays", *names]), ["stays", names[3]])
        world = self.begin(1)
        for name in names:
            self.publish(world, name, "192.0.2.1")
        self.assertEqual(self.known(names), names)

    def test_one_that_comes_back_is_not_new(self) -> None:
        world = self.begin(2)
        for _ in range(5):
            self.publish(world, "again", "192.0.2.1").vanish()
        self.publish(world, "second", "192.0.2.1").vanish()
        self.assertEqual(self.known(["again", "second"]), ["again", "second"])

    def test_what_is_counted_is_bounded(self) -> None:
        world = self.begin(5)
        with patch.object(clients, "CLIENTS_LIMIT", 4):
            for number in range(7):
                self.publish(world, f"c{number}", f"192.0.2.{number}").vanish()
        self.assertEqual(len(world.server.house.clients._new), 4)

    def test_one_that_was_forgotten_is_counted_once(self) -> None:
        """It published nothing, so that the store does not know it when it comes back."""
        world = self.begin(5)
        with patch.object(clients, "CLIENTS_LIMIT", 2):
            for _ in range(3):
                for number in range(3):
                    pipe = world.peer(host=f"192.0.2.{number % 2}")
                    pipe.say(world.frame(b"", "HELLO", f"client={number:.<16}"))
                    world.work()
                    self.assertIn(b"WELCOME", pipe.received)
                    pipe.vanish()
        counted = world.server.house.clients
        self.assertEqual(counted._news, sum(map(len, counted._new.values())))

    def test_without_a_limit_nobody_is_counted(self) -> None:
        store = SqliteStore(self.mktemp())
        self.addCleanup(store.close)
        world = World(store=store)
        self.publish(world, "c", "192.0.2.1")
        self.assertFalse(world.server.house.clients._new)

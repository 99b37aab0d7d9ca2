"""Group commit: what shares a transaction, who hears of it when, and what a failure undoes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.crowd import FakeStore, Home, Peer, Speaker, listed
from twisted_msg.log import archive
from twisted_msg.log.commits import UNCOMMITTED_COST, UNCOMMITTED_RELIEF, Commits
from twisted_msg.log.sqlite import SqliteStore
from twisted_msg.log.store import Mark, StoreBroken, StoreFull


class CommitsCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.store = FakeStore()
        self.house = Home(self.store)
        assert self.house.commits is not None
        self.commits: Commits = self.house.commits
        self.room = self.house.rooms.open("lobby")
        self.den = self.house.rooms.open("den")
        self.alice, self.bob = Speaker(1, b"alice"), Speaker(2)
        self.peer = Peer(9)
        self.peer.join(self.room)

    def begin(self, *payloads: bytes) -> None:
        """Have the store work on something that Alice said; it has not reported."""
        self.alice.say(self.room, *payloads)
        self.house.turn()
        self.house.worker.work()

    def report(self) -> None:
        self.house.worker.report()
        self.house.turn()


class GroupTests(CommitsCase):
    def test_an_idle_store_takes_what_was_said_in_one_turn(self) -> None:
        self.alice.say(self.room, b"1", b"2")
        self.bob.say(self.den, b"3")
        self.alice.say(self.room, b"4")
        self.assertFalse(self.house.worker.waiting)
        self.house.work()
        self.assertEqual(self.store.groups, [[("lobby", 1, 3), ("den", 1, 1)]])

    def test_what_is_said_while_the_store_is_busy_is_one_group(self) -> None:
        self.begin(b"1")
        for text in (b"2", b"3", b"4"):
            self.alice.say(self.room, text)
            self.bob.say(self.den, text)
            self.house.turn()
        self.assertEqual(len(self.store.groups), 1)
        self.house.work()
        self.report()
        self.house.work()
        self.assertEqual(self.store.groups[1:], [[("lobby", 2, 4), ("den", 1, 3)]])
        self.assertEqual(self.peer.seqs, [1, 2, 3, 4])

    def test_nothing_is_told_before_the_store_has_reported(self) -> None:
        self.begin(b"1")
        self.assertEqual(len(self.store.groups), 1)
        self.assertEqual((self.alice.acks, self.peer.data), ([], b""))
        self.report()
        self.assertEqual((self.alice.acks, self.peer.seqs), ([(1, 1)], [1]))

    def test_an_acknowledgement_covers_all_before_it(self) -> None:
        self.alice.say(self.room, b"1", b"2")
        self.alice.say(self.den, b"3")
        self.assertTrue(self.commits.owes(self.alice))
        self.house.work()
        self.assertFalse(self.commits.owes(self.alice))
        self.assertEqual(self.alice.acks, [(3, 1)])

    def test_what_is_under_way_is_owed(self) -> None:
        self.begin(b"1")
        self.assertTrue(self.commits.owes(self.alice))
        self.assertFalse(self.commits.owes(self.bob))
        self.report()
        self.assertFalse(self.commits.owes(self.alice))

    def test_marks_are_stored_with_the_messages_for_clients_that_are_known(self) -> None:
        self.alice.say(self.room, b"1", b"2")
        self.bob.say(self.room, b"3")
        self.house.work()
        self.assertEqual(self.store.marks, {b"alice": Mark(2, 2)})
        told: list[object] = []
        self.commits.archive.mark(b"alice", told.append)
        self.commits.archive.mark(b"nobody", told.append)
        self.house.work()
        self.assertEqual(told, [Mark(2, 2), None])

    def test_what_is_owed_for_no_message_of_a_stored_room_goes_behind_the_others(self) -> None:
        """A client's memory messages wait for its stored ones; then only a mark is written."""
        self.begin(b"1")
        self.commits.owe(self.alice, 2, 0)
        self.commits.owe(self.bob, 1, 0)
        self.report()
        self.assertEqual((self.alice.acks, self.bob.acks), ([(1, 1)], []))
        self.house.work()
        self.assertEqual((self.alice.acks, self.bob.acks), ([(1, 1), (2, 0)], [(1, 0)]))
        self.assertEqual(self.store.groups[1:], [[]])
        self.assertEqual(self.store.marks, {b"alice": Mark(2, 0)})

    def test_nothing_is_written_where_there_is_nothing_to_write(self) -> None:
        self.commits.owe(self.bob, 1, 0)
        asked: list[object] = []
        self.commits.archive.mark(b"x", asked.append)
        self.commits.settle(lambda: asked.append("settled"))
        self.house.work()
        self.assertEqual(self.store.jobs, ["mark"])
        self.assertEqual((self.bob.acks, asked), ([(1, 0)], ["settled", None]))

    def test_a_turn_without_anything_asks_nothing(self) -> None:
        self.commits._schedule()
        self.house.turn()
        self.assertFalse(self.house.worker.waiting)


class SettleTests(CommitsCase):
    def test_it_waits_for_everything_said_so_far_and_nothing_later(self) -> None:
        told: list[str] = []
        self.commits.settle(lambda: told.append("nothing"))
        self.assertEqual(told, ["nothing"])
        self.begin(b"1")
        self.commits.settle(lambda: told.append("first"))
        self.alice.say(self.room, b"2")
        self.commits.settle(lambda: told.append("second"))
        self.assertEqual(told, ["nothing"])
        self.report()
        self.assertEqual(told, ["nothing", "first"])
        self.house.work()
        self.assertEqual(told, ["nothing", "first", "second"])

    def test_it_waits_for_what_is_only_owed(self) -> None:
        told: list[str] = []
        self.begin(b"1")
        self.commits.owe(self.bob, 1, 0)
        self.commits.settle(lambda: told.append(str(self.bob.acks)))
        self.report()
        self.house.work()
        self.assertEqual(told, ["[(1, 0)]"])

    def test_it_may_be_asked_for_again_where_it_is_told(self) -> None:
        told: list[str] = []
        self.alice.say(self.room, b"1")
        self.commits.settle(lambda: self.commits.settle(lambda: told.append("at once")))
        self.house.work()
        self.assertEqual(told, ["at once"])

    def test_rooms_settle_apart(self) -> None:
        told: list[str] = []
        self.begin(b"1")
        self.den.settle(lambda: told.append("den"))
        self.room.settle(lambda: told.append("lobby"))
        self.assertEqual(told, ["den"])
        self.report()
        self.assertEqual(told, ["den", "lobby"])


class FullTests(CommitsCase):
    """A full store takes back what was said since, and nobody ever sees it."""

    def test_the_group_and_what_was_said_behind_it_are_turned_away(self) -> None:
        self.begin(b"stored")
        self.report()
        self.store.fault = StoreFull("no room")
        self.begin(b"2", b"3")
        self.alice.say(self.room, b"4")
        self.bob.say(self.den, b"5")
        late = Peer(10)
        late.join(self.room)
        self.assertEqual(self.room.received, 4)
        told: list[int] = []
        self.commits.settle(lambda: told.append(self.room.head))
        self.report()
        self.assertEqual((self.alice.acks, self.alice.refusals), ([(1, 1)], 1))
        self.assertEqual((self.bob.acks, self.bob.refusals), ([], 1))
        self.assertEqual((self.room.received, self.den.received), (1, 0))
        self.assertTrue(self.room.quiet and self.den.quiet)
        self.assertEqual((self.commits.weight, told, self.house.broken), (0, [1], []))
        self.house.work()
        self.assertEqual(len(self.store.groups), 1)
        self.assertFalse(self.commits.owes(self.alice))

        again = Speaker(3)
        self.assertEqual(again.say(self.room, b"again"), 2)
        self.house.work()
        self.assertEqual(again.acks, [(1, 2)])
        self.assertEqual(self.peer.payloads, [b"stored", b"again"])
        # Who came in between waits for numbers that are given to others now.
        self.assertEqual(late.payloads, [b"again"])

    def test_whoever_waits_for_the_last_messages_ends_without_them(self) -> None:
        self.store.fault = StoreFull("no room")
        self.begin(b"1")
        cursor = self.peer.cursor
        cursor.stop()
        self.assertFalse(cursor.done)
        self.report()
        self.assertTrue(cursor.done)
        self.assertEqual(cursor.limit, 0)

    def test_who_is_woken_then_may_leave(self) -> None:
        self.store.fault = StoreFull("no room")
        self.begin(b"1")
        other = Peer(11)
        other.join(self.room)
        self.peer.cursor.stop()
        self.patch(self.peer, "wake", lambda cursor: other.cursor.leave())
        self.report()
        self.assertTrue(other.cursor.ended)

    def test_publishers_that_were_held_go_on(self) -> None:
        self.store.fault = StoreFull("no room")
        self.begin(bytes(UNCOMMITTED_COST))
        self.assertEqual(self.alice.held, 1)
        self.report()
        self.assertEqual(self.alice.held, 0)


class BrokenTests(CommitsCase):
    """When nobody knows what is on disk, nothing is said any more."""

    def broken_by(self, begin: Callable[[], None]) -> None:
        error = StoreBroken("the sync failed")
        self.store.fault = error
        begin()
        self.bob.say(self.room, b"behind")
        self.commits.settle(lambda: self.fail("it is not settled"))
        self.house.turn()
        self.house.worker.report()
        self.assertEqual(self.house.broken, [error])
        self.commits.archive.mark(b"x", lambda mark: self.fail("it is not answered"))
        self.commits.archive.prune(0)
        self.bob.say(self.den, b"more")
        self.house.work()
        self.assertEqual(len(self.store.jobs), 1)
        self.assertEqual((self.alice.acks, self.bob.acks, self.peer.data), ([], [], b""))
        self.assertEqual((self.alice.refusals, self.bob.refusals), (0, 0))

    def test_a_commit_that_failed(self) -> None:
        self.broken_by(lambda: self.begin(b"1"))

    def ask(self, question: Callable[..., Any], *what: object) -> None:
        question(*what)
        self.house.turn()
        self.house.worker.work()

    def test_a_step_of_retention_that_failed(self) -> None:
        self.broken_by(lambda: self.ask(self.commits.archive.prune, 0))

    def test_forgetting_that_failed(self) -> None:
        self.broken_by(lambda: self.ask(self.commits.archive.forget, ["lobby"]))

    def test_what_a_worker_reports_after_that_is_not_told(self) -> None:
        self.begin(b"1")
        self.commits._fail(StoreBroken("elsewhere"))
        self.house.worker.report()
        self.assertEqual((self.alice.acks, self.peer.data), ([], b""))

    def test_nothing_is_begun_for_a_worker_that_stops(self) -> None:
        self.begin(b"1")
        self.report()
        self.bob.say(self.room, b"2")
        self.commits.end()
        self.commits.archive.mark(b"x", lambda mark: self.fail("it is not answered"))
        self.house.work()
        self.assertEqual((self.store.jobs, self.house.broken), (["commit"], []))
        self.assertEqual(self.bob.acks, [])

    def test_nothing_begins_that_was_due_when_it_broke(self) -> None:
        self.alice.say(self.room, b"1")
        self.commits._fail(StoreBroken("elsewhere"))
        self.house.work()
        self.assertEqual(self.store.jobs, [])


class WeightTests(CommitsCase):
    """Publishers feel what the store does not have yet."""

    def test_publishers_are_held_above_the_bound_and_released_below_the_relief(self) -> None:
        lump = bytes(UNCOMMITTED_COST // 8)  # each weighs twice that, and a little
        self.alice.say(self.room, lump, lump, lump)
        self.assertEqual((self.alice.held, self.commits.full), (0, False))
        self.house.turn()
        self.house.worker.work()
        self.bob.say(self.den, lump)
        self.assertEqual((self.bob.held, self.commits.full), (1, True))
        self.bob.say(self.den, lump)
        self.assertEqual(self.bob.held, 1)
        weight = self.commits.weight
        self.report()
        self.assertLess(self.commits.weight, weight)
        self.assertGreater(self.commits.weight, UNCOMMITTED_RELIEF)
        self.assertEqual(self.bob.held, 1)
        self.house.work()
        self.assertEqual((self.commits.weight, self.bob.held), (0, 0))

    def test_publishers_go_on_before_everything_is_stored(self) -> None:
        lump = bytes(UNCOMMITTED_COST // 8)
        self.alice.say(self.room, *[lump] * 5)
        self.house.turn()
        self.house.worker.work()
        self.bob.say(self.room, lump)
        self.assertEqual((self.alice.held, self.bob.held), (1, 1))
        self.house.worker.report()
        self.assertGreater(self.commits.weight, 0)
        self.assertEqual((self.alice.held, self.bob.held), (0, 0))

    def test_newcomers_wait_too(self) -> None:
        self.alice.say(self.room, bytes(UNCOMMITTED_COST))
        newcomer, gone = Speaker(5), Speaker(6)
        for speaker in (newcomer, gone):
            self.house.rooms.admit(speaker)
        self.house.rooms.dismiss(gone)
        self.assertEqual((newcomer.held, gone.held), (1, 1))
        self.house.work()
        self.assertEqual((newcomer.held, gone.held), (0, 1))

    def test_what_a_released_publisher_says_may_hold_the_next(self) -> None:
        self.alice.say(self.room, bytes(UNCOMMITTED_COST))
        self.bob.say(self.room, b"x")
        self.alice.released.append(lambda: self.once(self.alice))
        self.house.turn()
        self.house.worker.pump()
        self.assertEqual((self.alice.held, self.bob.held), (1, 1))
        self.house.work()
        self.assertEqual((self.alice.held, self.bob.held, self.commits.weight), (0, 0, 0))

    def once(self, speaker: Speaker) -> None:
        speaker.released.clear()
        speaker.say(self.room, bytes(UNCOMMITTED_COST))
        self.house.rooms.relieved()  # a release within a release changes nothing


class SqliteTests(SynchronousTestCase):
    """The same with the store that servers have."""

    def test_what_is_said_is_stored_and_there_after_a_restart(self) -> None:
        folder = self.mktemp()
        store = SqliteStore(folder)
        self.addCleanup(store.close)
        house = Home(store)
        speaker, peer = Speaker(1, b"client"), Peer(9)
        room = house.rooms.open("lobby")
        peer.join(room)
        for at in range(20):
            speaker.say(room, b"%d" % at)
            if at % 3 == 0:
                house.turn()
            if at % 5 == 0:
                house.worker.pump()
        house.work()
        self.assertEqual(speaker.acks[-1], (20, 20))
        self.assertEqual(peer.seqs, list(range(1, 21)))
        store.close()

        store = SqliteStore(folder)
        self.addCleanup(store.close)
        house = Home(store)
        assert house.commits is not None
        self.assertEqual(listed(house.rooms), [("lobby", 20, 0)])
        told: list[object] = []
        house.commits.archive.mark(b"client", told.append)
        peer = Peer(9)
        with patch.object(archive, "PAGES_COST", 1):
            peer.join(house.rooms.open("lobby"), 4)
            house.work()
        self.assertEqual(peer.seqs, list(range(4, 21)))
        self.assertEqual(told, [Mark(20, 20)])

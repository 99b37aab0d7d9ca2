"""What is asked of the store between two groups: in turn, once for all, and only while wanted."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from tests.unit.test_commits import CommitsCase
from twisted_msg.log import archive
from twisted_msg.log.store import Damaged, StoreFull


class QuestionTests(CommitsCase):
    def test_one_question_is_asked_between_two_groups(self) -> None:
        for at in range(3):
            self.commits.archive.mark(b"%d" % at, lambda mark: None)
        for _ in range(3):
            self.alice.say(self.room, b"x")
            self.house.turn()
            self.house.worker.pump()
            self.alice.say(self.room, b"y")
            self.house.worker.pump()
        self.house.work()
        self.assertEqual(
            self.store.jobs, ["commit", "mark", "commit", "mark", "commit", "mark", "commit"]
        )

    def test_questions_are_answered_one_after_another_when_nothing_is_written(self) -> None:
        told: list[object] = []
        self.commits.archive.mark(b"a", told.append)
        self.commits.archive.since("lobby", 0, told.append)
        self.assertEqual(self.commits.archive.head("lobby"), 0)
        self.house.turn()
        self.assertEqual(len(self.house.worker.waiting), 1)
        self.house.work()
        self.assertEqual(told, [None, 1])

    def test_a_question_that_fails_is_answered_with_the_failure(self) -> None:
        told: list[object] = []
        self.store.fault = Damaged("altered")
        self.commits.archive.page("lobby", 1, told.append)
        self.house.work()
        self.commits.archive.page("lobby", 1, told.append)
        self.house.work()
        self.assertIsInstance(told[0], Damaged)
        self.assertEqual(told[1:], [None])
        self.assertEqual(self.house.broken, [])


class PageTests(CommitsCase):
    def setUp(self) -> None:
        super().setUp()
        for at in range(5):
            self.alice.say(self.room, b"%d" % at)
            self.house.work()
        self.cost = self.room.tail.pieces[0].cost
        self.store.jobs.clear()
        self.told: list[Any] = []

    def page(self, seq: int) -> None:
        self.commits.archive.page("lobby", seq, self.told.append)

    def test_a_page_is_read_once_for_all_who_ask_meanwhile(self) -> None:
        self.page(1)
        self.house.turn()
        self.page(1)
        self.page(2)
        self.assertEqual(self.told, [])
        self.house.work()
        self.assertEqual(self.store.jobs, ["piece 1", "piece 2"])
        self.assertIs(self.told[0], self.told[1])

    def test_a_page_is_kept_for_a_while_and_never_handed_over_at_once(self) -> None:
        self.page(1)
        self.house.work()
        self.page(1)
        self.assertEqual(len(self.told), 1)
        self.house.work()
        self.assertEqual(self.store.jobs, ["piece 1"])
        self.assertIs(self.told[0], self.told[1])

    def test_only_some_pages_are_kept(self) -> None:
        with patch.object(archive, "PAGES_COST", 3 * self.cost):
            for seq in range(1, 5):
                self.page(seq)
                self.house.work()
            self.store.jobs.clear()
            self.page(2)
            self.page(1)
            self.house.work()
            self.assertEqual(self.store.jobs, ["piece 1"])

    def test_a_page_that_is_too_large_is_not_kept(self) -> None:
        with patch.object(archive, "PAGES_COST", self.cost - 1):
            for _ in range(2):
                self.page(1)
                self.house.work()
        self.assertEqual(self.store.jobs, ["piece 1"] * 2)
        self.assertEqual([page and page.first for page in self.told], [1, 1])

    def test_a_page_that_is_not_there_is_asked_for_again(self) -> None:
        self.page(1000)
        self.house.work()
        self.page(1000)
        self.house.work()
        self.assertEqual(self.told, [None, None])
        self.assertEqual(self.store.jobs, ["piece 1000"] * 2)

    def test_what_nobody_wants_any_more_is_not_read(self) -> None:
        """Else who moves a cursor faster than the disk reads makes all others wait for ever."""
        wanted = dict.fromkeys(range(1, 6), True)
        for seq in wanted:
            for _ in range(2):
                self.commits.archive.page("lobby", seq, self.told.append, lambda at=seq: wanted[at])
        self.house.turn()  # the first one is with the worker
        wanted.update({1: False, 2: False, 3: False, 5: False})
        self.house.work()
        self.assertEqual(self.store.jobs, ["piece 1", "piece 4"])
        self.assertEqual([page.first for page in self.told], [1, 1, 4, 4])
        self.page(2)
        self.house.work()
        self.assertEqual(self.told[-1].first, 2)

    def test_a_group_does_not_wait_for_a_page_that_nobody_wants(self) -> None:
        self.begin(b"1")
        self.commits.archive.page("lobby", 1, self.told.append, lambda: False)
        self.alice.say(self.room, b"2")
        self.house.work()
        self.report()
        self.house.work()
        self.assertEqual(self.store.jobs, ["commit", "commit"])
        self.assertEqual(self.alice.acks[-1], (7, 7))


class PruneTests(CommitsCase):
    def test_retention_goes_on_in_steps_until_nothing_changes(self) -> None:
        for _ in range(5):
            self.alice.say(self.room, b"x")
            self.house.work()
        self.store.jobs.clear()
        self.store.drops.extend([("lobby", 1), ("lobby", 2)])
        self.commits.archive.prune(0)
        self.commits.archive.prune(0)
        self.house.work()
        self.assertEqual(self.store.jobs, ["prune"] * 3)
        self.assertEqual(self.room.first, 4)
        self.commits.archive.prune(0)
        self.house.work()
        self.assertEqual(self.store.jobs, ["prune"] * 4)

    def test_a_step_is_between_two_groups(self) -> None:
        self.alice.say(self.room, b"1")
        self.house.work()
        self.store.jobs.clear()
        self.store.drops.append(("lobby", 1))
        self.commits.archive.prune(0)
        for _ in range(2):
            self.alice.say(self.room, b"x")
            self.house.turn()
            self.house.worker.pump()
        self.house.work()
        self.assertEqual(self.store.jobs[:3], ["prune", "commit", "prune"])

    def test_retention_tries_again_another_time(self) -> None:
        self.begin(b"1")
        self.report()
        self.store.drops.append(("lobby", 1))
        self.store.fault = StoreFull("no room to delete")
        self.commits.archive.prune(0)
        self.house.work()
        self.assertEqual((self.house.broken, self.room.first), ([], 1))
        self.commits.archive.prune(0)
        self.house.work()
        self.assertEqual(self.room.first, 2)

    def test_a_room_is_forgotten_another_time(self) -> None:
        self.store.fault = StoreFull("no room")
        self.commits.archive.forget(["lobby"])
        self.house.work()
        self.assertEqual(self.house.broken, [])

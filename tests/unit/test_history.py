"""The judge of all runs: each of its five words is found, and what is nobody's fault is not."""

from __future__ import annotations

import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.history import KINDS, History, Outcome, Reading, Said, judge, tally


def a(number: int) -> Said:
    return Said("a", number)


def b(number: int) -> Said:
    return Said("b", number)


class Case(SynchronousTestCase):
    """A room in which `a` and `b` said five messages, all of them acknowledged and kept."""

    def setUp(self) -> None:
        self.history = History()
        self.kept = [(1, a(1)), (2, b(1)), (3, a(2)), (4, b(2)), (6, a(3))]
        self.history.kept["r"] = self.kept
        self.history.numbers["r"] = {}
        for seq, said in self.kept:
            self.say(said, "ok", seq)

    def say(self, said: Said, outcome: Outcome, seq: int | None = None) -> None:
        self.history.said("r", said, outcome)
        if seq is not None:
            self.history.numbers["r"][said] = seq

    def read(self, *seqs: int, **how: object) -> Reading:
        """Add a member that got what is kept under these numbers."""
        known = dict(self.kept)
        reading = Reading("m", "r", **how)  # type: ignore[arg-type]
        reading.got = [(seq, known[seq]) for seq in seqs]
        self.history.readings.append(reading)
        return reading

    def found(self, *kinds: str) -> list[str]:
        """Return what the judge says, having checked of which kinds it is."""
        faults = judge(self.history)
        self.assertEqual([fault.kind for fault in faults], list(kinds), faults)
        return [str(fault) for fault in faults]


class GoodTests(Case):
    def test_nothing_at_all(self) -> None:
        self.assertEqual(judge(History()), [])

    def test_everything_came_to_everybody(self) -> None:
        self.read(1, 2, 3, 4, 6, start=1, end=6)
        self.read(3, 4, 6, start=3, end=6)
        self.found()

    def test_what_is_unknown_may_be_kept_or_not(self) -> None:
        self.say(a(4), "unknown")
        self.say(a(3), "unknown", 6)
        self.found()

    def test_what_is_acknowledged_without_a_number(self) -> None:
        self.say(a(4), "ok")
        self.kept.append((7, a(4)))
        self.found()

    def test_who_took_what_came_is_due_nothing_before_and_nothing_behind(self) -> None:
        self.read(2, 3, 4)
        self.read()
        self.found()

    def test_whose_run_ended_early_is_due_nothing_behind(self) -> None:
        self.read(1, 2, start=1)
        self.read(start=1)
        self.found()

    def test_ones_own_messages_may_be_left_out(self) -> None:
        self.read(2, 4, start=1, end=6, skips=frozenset({"a"}))
        self.found()

    def test_what_has_expired_is_not_lost(self) -> None:
        del self.kept[:2]
        self.history.first["r"] = 3
        self.read(3, 4, 6, start=1, end=6, missed=[(1, 2)])
        self.found()

    def test_what_came_before_it_expired_was_no_phantom(self) -> None:
        self.read(1, 2, 3, 4, 6, start=1, end=6)
        del self.kept[:2]
        self.history.first["r"] = 3
        self.found()

    def test_a_number_may_be_passed_over(self) -> None:
        self.read(4, 6, start=4, end=6)
        self.found()


class FaultTests(Case):
    def test_lost(self) -> None:
        self.kept.pop()
        self.assertIn("Said(client='a', id=3) was acknowledged as 6", self.found("LOST")[0])

    def test_lost_under_the_number_that_was_named(self) -> None:
        self.kept[-1] = (7, a(3))
        self.assertIn("acknowledged as 6, kept as 7", self.found("LOST")[0])

    def test_lost_although_others_have_expired(self) -> None:
        del self.kept[:3]
        self.history.first["r"] = 3
        self.found("LOST")

    def test_lost_with_a_number_that_nobody_knows(self) -> None:
        self.history.first["r"] = 3
        self.say(a(9), "ok")
        self.found("LOST")

    def test_lost_with_the_whole_room(self) -> None:
        del self.history.kept["r"]
        self.found(*["LOST"] * 5)

    def test_stored_twice(self) -> None:
        self.kept.append((7, a(3)))
        self.assertIn("as 6 and again as 7", self.found("LOST", "DUP")[1])

    def test_handed_twice(self) -> None:
        self.read(1, 2, 2, start=1)
        self.found("DUP", "ORD")

    def test_numbers_that_do_not_rise(self) -> None:
        self.read(1, 3, 2)
        self.assertIn("number 2 came behind 3", self.found("ORD")[0])

    def test_messages_of_one_sender_swapped(self) -> None:
        self.kept[0], self.kept[2] = (1, a(2)), (3, a(1))
        self.history.numbers["r"] |= {a(1): 3, a(2): 1}
        self.assertIn("came behind id 2", self.found("ORD")[0])

    def test_gap(self) -> None:
        self.read(1, 2, 4, 6)
        self.assertIn("m in r: never got 3", self.found("GAP")[0])

    def test_gap_at_the_beginning_and_at_the_end(self) -> None:
        self.read(2, 3, 4, start=1, end=6)
        self.found("GAP", "GAP")

    def test_gap_beside_what_was_told(self) -> None:
        del self.kept[:2]
        self.history.first["r"] = 3
        self.read(4, 6, start=1, end=6, missed=[(1, 2)])
        self.found("GAP")

    def test_a_range_that_covers_too_little_is_a_gap(self) -> None:
        self.history.first["r"] = 3  # what has expired is known here, so all of it is judged
        self.read(3, 4, 6, start=1, end=6, missed=[(2, 2)])
        self.assertIn("never got 1", self.found("GAP")[0])

    def test_told_of_as_missed_and_kept(self) -> None:
        self.history.first["r"] = 3
        self.read(4, 6, start=1, end=6, missed=[(1, 3)])
        self.assertIn("was told that 3 is missed, and it is kept", self.found("GAP")[0])

    def test_told_of_as_missed_where_nothing_ever_expired(self) -> None:
        self.read(3, 4, 6, start=1, end=6, missed=[(1, 2)])
        self.found("GAP", "GAP")

    def test_told_of_as_missed_and_got(self) -> None:
        self.history.first["r"] = 3
        self.read(1, 2, 3, 4, 6, start=1, end=6, missed=[(2, 2)])
        self.assertIn("2 is missed, which it got", self.found("GAP")[0])

    def test_phantom_that_nobody_sent(self) -> None:
        reading = self.read(1)
        reading.got.append((2, a(99)))
        self.assertIn("never sent", self.found("PHANTOM", "PHANTOM")[0])
        self.kept.append((7, b(98)))
        self.found("PHANTOM", "PHANTOM", "PHANTOM")

    def test_phantom_that_was_refused(self) -> None:
        self.say(a(3), "refused")
        self.assertIn("was refused", self.found("PHANTOM")[0])

    def test_phantom_that_is_not_kept(self) -> None:
        self.say(a(4), "unknown")
        self.read(6).got.append((7, a(4)))
        self.assertIn("is not kept", self.found("PHANTOM")[0])

    def test_phantom_that_is_kept_under_another_number(self) -> None:
        self.read(1).got.append((3, b(1)))
        self.assertIn("kept as 2", self.found("GAP", "PHANTOM")[-1])

    def test_all_of_them_in_the_order_of_the_words(self) -> None:
        self.say(a(9), "ok", 9)
        self.say(b(9), "unknown")
        self.read(1, 1, 6, start=1).got.append((5, b(9)))
        kinds = [fault.kind for fault in judge(self.history)]
        self.assertEqual(list(dict.fromkeys(kinds)), list(KINDS))
        self.assertEqual(kinds, sorted(kinds, key=KINDS.index))
        self.assertEqual(tally(judge(self.history)), {kind: kinds.count(kind) for kind in KINDS})


class SavingTests(Case):
    def test_a_run_as_lines(self) -> None:
        self.read(1, start=1, missed=[(2, 3)])
        path = Path(self.mktemp())
        self.history.save(path)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        self.assertIn({"said": ["a", 3], "room": "r", "outcome": "ok"}, lines)
        self.assertIn({"got": ["a", 1], "seq": 1, "member": "m", "room": "r"}, lines)
        self.assertIn({"missed": [2, 3], "member": "m", "room": "r"}, lines)
        self.assertIn({"kept": ["a", 3], "seq": 6, "room": "r"}, lines)
        self.assertEqual(len(lines), 12)

"""What bounds what: unread answers stop a peer's input, unread messages never do."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import patch

from tests.unit.conversing import StoredCase, TypedCase, frame
from twisted_msg.connection import Connection
from twisted_msg.delivery import ANSWERS_LIMIT
from twisted_msg.session import lists
from twisted_msg.session.subscriptions import SUBSCRIPTIONS_LIMIT

LARGE = "x" * 60_000


class Bounds:
    """In rooms of either kind."""

    def test_unread_answers_stop_the_reading(self) -> None:
        alice = self.peer("HELLO", stuck=True)
        said = 0
        while alice.reading:
            alice.say(frame("PING"))
            said += 1
            self.assertLess(said, 20_000)
        self.assertLess(len(alice.dataBuffer), 3 * ANSWERS_LIMIT)
        self.settle()
        self.assertFalse(alice.reading)
        alice.read_on()
        self.assertTrue(alice.reading)
        self.assertEqual(len(alice.frames()), said + 1)

    def test_answers_that_stopped_the_reading_in_the_middle_of_a_piece(self) -> None:
        alice = self.world.peer(stuck=True)
        alice.say(frame("PING") * 3000)
        self.assertFalse(alice.reading)
        alice.read_on()
        self.assertEqual(len(alice.frames()), 3000)
        self.assertTrue(alice.reading)

    def test_unread_messages_and_acknowledgements_never_do(self) -> None:
        alice = self.peer("SUB lobby", stuck=True)
        for number in range(1, 21):
            self.say(alice, f"PUB lobby {number}: {LARGE}")
            self.assertTrue(alice.reading)
        alice.read_on()
        self.settle()
        heard = self.heard(alice)
        self.assertIn("ACK 20 20", heard)
        self.assertEqual(len([each for each in heard if each.startswith("MSG")]), 20)

    def test_subscriptions_are_bounded(self) -> None:
        lines = [f"SUB room-{number}" for number in range(SUBSCRIPTIONS_LIMIT)]
        alice = self.peer(*lines)
        self.assertEqual(len(self.heard(alice)), 2 * SUBSCRIPTIONS_LIMIT)
        self.assertEqual(self.answers(alice, "SUB more"), ["ERR limit SUB more"])
        self.assertEqual(len(self.answers(alice, "SUB room-7")), 2)
        self.assertEqual(
            self.answers(alice, "UNSUB room-7", "SUB more")[0:2],
            ["UNSUBBED room-7", "SUBBED more 0"],
        )
        alice.vanish()
        self.assertEqual(sum(len(room.members) for room in self.world.rooms._rooms.values()), 0)

    def test_fault_in_a_request_ends_one_connection(self) -> None:
        alice, bob = self.peer("SUB lobby"), self.peer("SUB lobby")
        with patch.object(Connection, "keep_beating", lambda self: 1 // 0):
            carl = self.peer("HELLO client=0123456789abcdef", "PING")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assert_ended(carl, by="ERR internal")
        self.say(alice, "PUB lobby: on")
        self.assertEqual(self.heard(bob)[-1], "MSG lobby 1 guest-1: on")

    def test_fault_in_a_verb_ends_one_connection(self) -> None:
        with patch.object(lists, "here", lambda house, name: 1 // 0):
            alice = self.peer("PUB lobby 1: x", "WHO lobby", "PUB lobby 2: never")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.heard(alice), ["ACK 1 1", "ERR internal"])
        self.assert_ended(alice)

    def test_fault_on_one_way_out_keeps_nothing_from_the_others(self) -> None:
        alice, bob, carl = (self.peer("SUB lobby") for _ in range(3))
        self.patch(alice, "write", lambda data: 1 // 0)
        self.say(carl, "PUB lobby 1: x")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertTrue(alice.aborted)
        self.assertEqual(self.heard(bob)[2:], ["MSG lobby 1 guest-3: x"])
        self.assertEqual(sorted(self.heard(carl)[2:]), ["ACK 1 1", "MSG lobby 1 guest-3: x"])

    def test_unknown_verb_leaves_the_connection_open(self) -> None:
        alice = self.peer("NONSENSE: text", "SUB", "SUB a b", "SUB a last=1 from=0", "PING")
        self.assertEqual(
            self.heard(alice),
            ["ERR bad-verb NONSENSE", "ERR bad-args SUB", *["ERR bad-args SUB a"] * 2, "PONG"],
        )

    def test_unknown_words_and_names_leave_the_connection_open(self) -> None:
        alice = self.peer("SUB a colour=red", "SUB a/b", "WHO a/b", "UNSUB a/b", "ROOMS a", "PING")
        self.assertEqual(
            self.heard(alice),
            [
                "ERR bad-args SUB a",
                "ERR bad-room SUB a/b",
                "ERR bad-room WHO a/b",
                "ERR bad-room UNSUB a/b",
                "ERR bad-args ROOMS",
                "PONG",
            ],
        )


class MemoryBounds(Bounds, TypedCase):
    def test_member_that_stalls_is_told_what_it_missed(self) -> None:
        slow = self.peer("SUB lobby", stuck=True)
        alice = self.peer()
        said = 0
        while said < 100:
            if not alice.reading:
                self.world.wait(12)
            self.say(alice, f"PUB lobby: {LARGE}")
            said += 1
        slow.read_on()
        self.settle()
        heard = self.heard(slow)[2:]
        (missed,) = (at for at, each in enumerate(heard) if each.startswith("MISSED"))
        _, _, first, last = heard[missed].split()
        seqs = [int(each.split()[2]) for each in heard if each.startswith("MSG")]
        self.assertEqual(
            seqs[:missed] + list(range(int(first), int(last) + 1)) + seqs[missed:],
            list(range(1, said + 1)),
        )

    def test_full_room_keeps_nobody_out_who_does_not_speak_in_it(self) -> None:
        slow = self.peer("SUB lobby", stuck=True)
        alice = self.peer()
        while alice.reading:
            self.say(alice, f"PUB lobby: {LARGE}")
        bob = self.peer("PING", "PUB other 1: x")
        self.assertEqual(self.heard(bob), ["PONG", "ACK 1 1"])
        carol = self.world.peer()
        carol.say(frame("PUB lobby 1: a") + frame("PING behind"))
        plain = self.world.peer()
        plain.say(self.world.frame(b"plain"))
        self.settle()
        self.assertFalse(carol.reading or plain.reading)
        self.assertEqual(self.heard(carol), [])
        slow.read_on()
        self.settle()
        self.assertEqual([each.split()[0] for each in self.heard(carol)], ["PONG", "ACK"])
        self.assertTrue(carol.reading and plain.reading)
        heard = [each.partition(": ")[2] for each in self.heard(slow)[-2:]]
        self.assertEqual(heard, ["a", "plain"])

    def test_lists_are_one_a_turn(self) -> None:
        turns: list[Callable[[], None]] = []
        self.patch(self.world.server.house, "soon", turns.append)
        alice = self.world.peer()
        alice.say(frame("WHO lobby") * 2 + frame("ROOMS") + frame("PING"))
        for count in (1, 2, 3):
            self.assertEqual(len(alice.frames()), count)
            self.assertFalse(alice.reading)
            turns.pop()()
        self.assertEqual(len(alice.frames()), 4)
        self.assertTrue(alice.reading)


class StoredBounds(Bounds, StoredCase):
    def test_slow_member_is_served_from_the_store(self) -> None:
        slow = self.peer("SUB lobby", stuck=True)
        alice = self.peer()
        for number in range(1, 101):
            self.say(alice, f"PUB lobby {number}: {LARGE}")
            self.assertTrue(alice.reading)
        self.assertLess(len(slow.dataBuffer), 3 * ANSWERS_LIMIT)
        slow.read_on()
        self.settle()
        seqs = [int(each.split()[2]) for each in self.heard(slow)[2:]]
        self.assertEqual(seqs, list(range(1, 101)))

    def test_publishers_wait_while_the_store_is_behind(self) -> None:
        alice = self.world.peer()
        number = 0
        while alice.reading:
            number += 1
            self.assertLess(number, 100)
            alice.say(frame(f"PUB lobby {number}: {LARGE}"))
            self.world.turn()
        newcomer = self.world.peer()
        self.assertFalse(newcomer.reading)
        self.settle()
        self.assertTrue(alice.reading)
        self.assertTrue(newcomer.reading)
        self.assertEqual(self.heard(alice)[-1], f"ACK {number} {number}")

"""Who comes and goes, and what is said to one alone, in memory rooms and in stored ones."""

from __future__ import annotations

from tests.unit.conversing import SECRET, StoredCase, TypedCase, frame
from twisted_msg.delivery import ANSWERS_LIMIT

LARGE = "x" * 60_000


class Presence:
    """`JOIN` and `PART` for those who asked."""

    def setUp(self) -> None:
        super().setUp()
        self.watcher = self.peer("HELLO name=watcher", "SUB lobby presence=1")
        self.heard(self.watcher)

    def test_coming_and_going_is_told(self) -> None:
        bob = self.peer("HELLO name=bob", "SUB lobby")
        self.assertEqual(self.heard(self.watcher), ["JOIN lobby bob"])
        self.say(bob, "UNSUB lobby")
        self.assertEqual(self.heard(self.watcher), ["PART lobby bob"])
        self.say(bob, "SUB lobby")
        bob.vanish()
        self.assertEqual(self.heard(self.watcher), ["JOIN lobby bob", "PART lobby bob"])

    def test_own_coming_and_that_of_others_elsewhere_is_not(self) -> None:
        self.peer("HELLO name=bob", "SUB other", "PING")
        self.say(self.watcher, "SUB lobby presence=1")
        self.assertEqual(self.heard(self.watcher), ["SUBBED lobby 0", "LIVE lobby 0"])

    def test_plain_members_come_and_go_too(self) -> None:
        self.world.member().vanish()
        self.assertEqual(self.heard(self.watcher), ["JOIN lobby guest-2", "PART lobby guest-2"])

    def test_not_told_any_longer_after_sub_without_presence(self) -> None:
        self.say(self.watcher, "SUB lobby presence=0")
        self.heard(self.watcher)
        self.peer("HELLO name=bob", "SUB lobby")
        self.assertEqual(self.heard(self.watcher), [])

    def test_who_is_behind_gets_one_list_when_it_has_caught_up(self) -> None:
        slow = self.peer("HELLO name=slow", "SUB lobby presence=1", stuck=True)
        bob = self.peer("HELLO name=bob", "SUB lobby")
        self.say(bob, *[f"PUB lobby: {LARGE}"] * 3)
        for name in ("carl", "dora"):
            self.peer(f"HELLO name={name}", "SUB lobby")
        bob.vanish()
        slow.read_on()
        self.settle()
        heard = [each.split(":")[0] for each in self.heard(slow)]
        self.assertEqual(heard[3], "JOIN lobby bob")
        self.assertEqual(heard[4:], [f"MSG lobby {n} bob" for n in (1, 2, 3)] + ["HERE lobby"])
        self.assertEqual(slow.payloads()[-1], b'["watcher","slow","carl","dora"]')
        self.peer("HELLO name=emil", "SUB lobby")
        self.assertEqual(self.heard(slow), ["JOIN lobby emil"])

    def test_unread_notices_are_bounded_and_become_one_list(self) -> None:
        slow = self.peer("HELLO name=slow", "SUB lobby presence=1", stuck=True)
        bob = self.peer("HELLO name=bob")
        for _ in range(1200):
            self.say(bob, "SUB lobby", "UNSUB lobby")
        self.assertLess(len(slow.dataBuffer), 2 * ANSWERS_LIMIT)
        slow.read_on()
        self.settle()
        self.assertEqual(self.heard(slow)[-1], 'HERE lobby: ["watcher","slow"]')


class Direct:
    """Messages to a name."""

    def setUp(self) -> None:
        super().setUp()
        self.bob = self.peer("HELLO name=bob")
        self.alice = self.peer("HELLO name=alice")
        self.heard(self.alice)
        self.heard(self.bob)

    def test_it_reaches_the_connection_of_that_name_and_nobody_else(self) -> None:
        other = self.peer("HELLO name=other", "SUB lobby")
        self.heard(other)
        self.say(self.alice, "PUB @bob: one", "PUB @bob: two")
        self.assertEqual(self.heard(self.bob), ["MSG @bob 1 alice: one", "MSG @bob 2 alice: two"])
        self.assertEqual(self.heard(self.alice) + self.heard(other), [])

    def test_it_is_acknowledged_at_once(self) -> None:
        self.begin_to_say(self.alice, "PUB @bob 5: hi")
        self.assertEqual(self.heard(self.alice), ["ACK 5 1"])
        self.assertEqual(self.heard(self.bob), ["MSG @bob 1 alice: hi"])

    def test_twice_the_same_id_is_sent_once(self) -> None:
        heard = self.answers(self.alice, "PUB @bob 5: hi", "PUB @bob 5: hi")
        self.assertEqual(heard, ["ACK 5 1", "ERR unknown PUB 5", "ACK 5 0 dup"])
        self.assertEqual(self.heard(self.bob), ["MSG @bob 1 alice: hi"])

    def test_one_may_write_to_oneself(self) -> None:
        self.assertEqual(self.answers(self.alice, "PUB @alice: me"), ["MSG @alice 1 alice: me"])

    def test_nobody_there(self) -> None:
        self.assertEqual(self.answers(self.alice, "PUB @carl: hi"), ["ERR absent PUB @carl"])
        self.assertEqual(
            self.answers(self.alice, "PUB @carl 7: hi", "PING"),
            ["ERR absent PUB 7", "ACK 7 2", "PONG"],
        )

    def test_a_notice_that_was_lost_leaves_the_outcome_unknown(self) -> None:
        said = ("PUB lobby 1: x", "PUB @carl 2: hi", "PUB lobby 3: y")
        before = self.peer(f"HELLO {SECRET}", *said)
        self.assertIn("ERR absent PUB 2", self.heard(before))
        before.vanish()
        again = self.peer(f"HELLO {SECRET}")
        self.assertRegex(self.heard(again)[0], "^WELCOME guest-[0-9]+ 3")
        heard = self.answers(again, *said, "PUB lobby 4: z")
        repeated = ["ACK 3 2 dup", "ERR unknown PUB 2", "ACK 2 0 dup", "ACK 3 2 dup"]
        self.assertEqual(heard, [*repeated, "ACK 4 3"])
        self.assertFalse(again.half_closed)
        self.assertEqual(self.world.server.counts.told["unknown"], 1)

    def test_a_notice_is_sent_before_the_acknowledgement(self) -> None:
        slow = self.peer("HELLO name=slow", "SUB lobby", stuck=True)
        self.say(self.bob, *[f"PUB lobby: {LARGE}"] * 5)
        self.say(slow, "PUB @carl 1: hi", "PUB lobby 2: there")
        slow.read_on()
        self.settle()
        heard = self.heard(slow)
        self.assertLess(heard.index("ERR absent PUB 1"), heard.index("ACK 2 6"))

    def test_who_has_gone_is_nobody(self) -> None:
        self.bob.vanish()
        self.assertEqual(self.answers(self.alice, "PUB @bob: hi"), ["ERR absent PUB @bob"])

    def test_plain_peers_have_none(self) -> None:
        plain = self.world.member()
        self.assertEqual(self.answers(self.alice, "PUB @guest-3: x"), ["ERR absent PUB @guest-3"])
        self.assertEqual(plain.received, b"")

    def test_who_does_not_read_is_busy(self) -> None:
        slow = self.peer("HELLO name=slow", stuck=True)
        said = [f"PUB @slow {number}: {LARGE}" for number in range(1, 6)]
        heard = self.answers(self.alice, *said)
        self.assertIn("ERR busy PUB 5", heard)
        self.assertEqual(heard[-1], "ACK 5 5")
        self.assertFalse(self.alice.half_closed)
        slow.read_on()
        self.assertEqual(self.answers(self.alice, "PUB @slow: now"), [])
        self.assertEqual(self.heard(slow)[-1], "MSG @slow 6 alice: now")

    def test_nobody_may_listen_to_a_name(self) -> None:
        self.assertEqual(self.answers(self.alice, "SUB @alice"), ["ERR forbidden SUB @alice"])


class MemoryPresence(Presence, TypedCase):
    pass


class StoredPresence(Presence, StoredCase):
    pass


class MemoryDirect(Direct, TypedCase):
    pass


class StoredDirect(Direct, StoredCase):
    def test_direct_message_waits_for_what_is_to_be_stored_before_it(self) -> None:
        self.begin_to_say(self.alice, "PUB lobby 1: stored", "PUB @bob 2: live")
        self.world.turn()
        self.assertEqual(self.heard(self.bob), [])
        self.assertEqual(self.heard(self.alice), [])
        self.settle()
        self.assertEqual(self.heard(self.bob), ["MSG @bob 1 alice: live"])
        self.assertEqual(self.heard(self.alice), ["ACK 1 1", "ACK 2 1"])

    def test_the_acknowledgement_that_is_to_come_covers_a_repeated_one(self) -> None:
        self.begin_to_say(self.alice, "PUB lobby 5: stored", "PUB @bob 3: again")
        self.assertEqual(self.heard(self.alice), ["ERR unknown PUB 3"])
        self.settle()
        self.assertEqual(self.heard(self.alice), ["ACK 5 1"])
        self.assertEqual(self.heard(self.bob), [])

    def test_so_does_that_of_a_memory_room(self) -> None:
        self.close_store()
        self.world = self.begin(memory_room=["quick"])
        alice = self.world.typed(frame("PUB lobby 1: x"), frame("PUB quick 2: x"))
        self.assertEqual(self.heard(alice), [])
        self.settle()
        self.assertEqual(self.heard(alice), ["ACK 1 1", "ACK 2 1"])

    def test_memory_room_beside_the_store_acknowledges_at_the_end_of_the_turn(self) -> None:
        self.close_store()
        self.world = self.begin(memory_room=["quick"])
        alice = self.world.typed(frame("PUB quick 2: x"), frame("PUB lobby 3: x"))
        self.assertEqual(self.heard(alice), ["ACK 2 1"])
        self.settle()
        self.assertEqual(self.heard(alice), ["ACK 3 1"])

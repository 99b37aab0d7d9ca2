"""Plain peers of a server that stores: accepted is what is on disk, and every end waits for it."""

from __future__ import annotations

from twisted.internet.defer import ensureDeferred

from tests.unit.conversing import StoredCase
from twisted_msg.log.store import StoreFull


class PlainPeers(StoredCase):
    def setUp(self) -> None:
        super().setUp()
        self.alice, self.bob = self.world.member(), self.world.member()

    def test_message_is_delivered_when_it_is_stored(self) -> None:
        self.world.say(self.alice, b"one", b"two")
        self.world.worker.work()
        self.assertEqual(self.bob.payloads(), [])
        self.world.worker.report()
        self.assertEqual(self.bob.payloads(), [b"one", b"two"])
        self.assertEqual(self.alice.payloads(), [])

    def test_newcomer_gets_nothing_from_before(self) -> None:
        self.world.say(self.alice, b"earlier")
        carol = self.world.member()
        self.world.say(self.alice, b"later")
        self.settle()
        self.assertEqual(carol.payloads(), [b"later"])

    def test_goodbye_waits_for_what_was_said(self) -> None:
        self.world.say(self.bob, b"for you")
        self.world.say(self.alice, b"last", b"!DISCONNECT!")
        self.assertFalse(self.alice.half_closed)
        self.settle()
        self.assertEqual(self.alice.payloads(), [b"for you"])
        self.assertTrue(self.alice.half_closed)
        self.assertEqual(self.bob.payloads(), [b"last"])

    def test_half_close_waits_for_what_was_said(self) -> None:
        self.world.say(self.alice, b"last")
        self.alice.close_input()
        self.assertFalse(self.alice.closed)
        self.settle()
        self.assertTrue(self.alice.closed)
        self.assertEqual(self.bob.payloads(), [b"last"])

    def test_what_a_vanished_peer_said_is_stored(self) -> None:
        self.alice.say(self.world.frame(b"last"))
        self.alice.vanish()
        self.settle()
        self.assertEqual(self.bob.payloads(), [b"last"])

    def test_server_that_stops_says_so_behind_what_is_stored(self) -> None:
        self.world.say(self.alice, b"just in time")
        stopped = ensureDeferred(self.world.server.drain())
        self.assertEqual(self.bob.payloads(), [])
        self.settle()
        self.assertEqual(self.bob.payloads(), [b"just in time", b"!DISCONNECT!"])
        self.alice.close_input()
        self.bob.close_input()
        self.successResultOf(stopped)

    def test_damaged_message_ends_who_reads_it(self) -> None:
        slow = self.world.member(stuck=True)
        for number in range(100):
            self.world.say(self.alice, b"%d " % number + b"x" * 60_000)
            self.settle()
        self.patch(self.world.server.house.commits._store, "piece", lambda *_: 1 // 0)
        slow.read_on()
        self.settle()
        self.assertRegex(slow.payloads()[-1], b"^!ERROR! internal ")
        self.assertTrue(slow.half_closed)
        self.assertFalse(self.bob.half_closed)

    def test_slow_member_is_served_from_the_store(self) -> None:
        slow = self.world.member(stuck=True)
        lumps = [b"%d " % number + b"x" * 60_000 for number in range(100)]
        for lump in lumps:
            self.world.say(self.alice, lump)
            self.settle()
        slow.read_on()
        self.settle()
        self.assertEqual(slow.payloads(), lumps)

    def test_nothing_is_read_between_a_full_disk_and_the_refusal(self) -> None:
        self.break_store(lambda: StoreFull("full"))
        self.world.say(self.alice, b"refused")
        self.world.worker.pump()  # she is told at the end of this turn
        self.mended.restore()
        self.assertFalse(self.alice.reading)
        self.alice.protocol.dataReceived(self.world.frame(b"behind") * 2)  # was read already
        self.settle()
        self.assertEqual(self.bob.payloads(), [])
        self.assertRegex(self.alice.payloads()[-1], b"^!ERROR! busy ")
        self.assertTrue(self.alice.half_closed)


class Replies(StoredCase):
    """`--plain-reply` in a stored room."""

    def setUp(self) -> None:
        super().setUp()
        self.close_store()
        self.world = self.begin(plain_reply="ok")
        self.peer_ = self.world.peer()

    def test_reply_comes_when_the_message_is_stored(self) -> None:
        self.world.say(self.peer_, b"one", b"")
        self.assertEqual(self.peer_.received, b"")
        self.settle()
        self.assertEqual(self.peer_.received, b"okok")
        self.world.say(self.peer_, b"")
        self.assertEqual(self.peer_.received, b"okokok")

    def test_goodbye_has_its_reply_behind_the_others(self) -> None:
        self.world.say(self.peer_, b"one", b"!DISCONNECT!")
        self.assertEqual(self.peer_.received, b"")
        self.settle()
        self.assertEqual(self.peer_.received, b"okok")
        self.assertTrue(self.peer_.half_closed)

    def test_messages_of_two_groups(self) -> None:
        self.world.say(self.peer_, b"one")
        self.world.say(self.peer_, b"two", b"three")
        self.step()
        self.assertEqual(self.peer_.received, b"ok")
        self.settle()
        self.assertEqual(self.peer_.received, b"okokok")

    def test_room_that_was_put_away_meanwhile(self) -> None:
        self.world.say(self.peer_, b"one")
        self.settle()
        self.world.wait(3)
        self.settle()
        self.world.say(self.peer_, b"two")
        self.settle()
        self.assertEqual(self.peer_.received, b"okok")

    def test_flood_into_a_room_that_was_put_away(self) -> None:
        self.world.say(self.peer_, *[b"one"] * 10)
        self.settle()
        self.world.wait(3)
        self.settle()
        reader = self.peer("SUB lobby")
        self.world.say(self.peer_, *[b"one"] * 100)
        self.settle()
        heard = [each.split()[2] for each in self.heard(reader) if each.startswith("MSG")]
        self.assertEqual(heard, [str(seq) for seq in range(11, 111)])

    def test_full_disk(self) -> None:
        self.break_store(lambda: StoreFull("full"))
        self.world.say(self.peer_, b"one")
        self.settle()
        self.assertRegex(self.peer_.received, b"^!ERROR! busy ")
        self.assertTrue(self.peer_.half_closed)

"""One room's reading: every phase, every event, and what is said to the server."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.client.errors import Gap, Refused
from twisted_msg.client.postbox import Postbox
from twisted_msg.client.subscription import (
    TRANSITIONS,
    UNREAD_COST,
    Event,
    Message,
    Phase,
    Subscription,
)
from twisted_msg.wire.replies import Msg
from twisted_msg.wire.requests import Sub, Unsub, Who


def msg(seq: int, payload: bytes = b"x") -> Msg:
    return Msg("lobby", seq, "bob", 1700000000000, payload)


class SubscriptionTests(SynchronousTestCase):
    def begin(self, *args: Any, **options: Any) -> Subscription:
        self.said: list[Sub | Unsub | Who] = []
        return Subscription(Sub("lobby", *args), self.said.append, **options)

    def joined(self, head: int = 10, *args: Any, **options: Any) -> Subscription:
        core = self.begin(*args, **options)
        core.connected()
        core.subbed(head)
        return core

    def again(self, core: Subscription) -> Sub | Unsub | Who:
        """Lose the connection; return what is said first on the next."""
        core.lost()
        self.said.clear()
        core.connected()
        return self.said[0]

    def seqs(self, core: Subscription) -> list[Any]:
        found: list[Any] = []
        while (item := core.take()) is not None:
            found.append(item.seq if isinstance(item, Message) else (item.first, item.last))
        return found

    def test_it_asks_as_it_was_told_to(self) -> None:
        core = self.begin(None, 5)
        self.assertEqual((self.said, core.room, core.ended), ([], "lobby", False))
        core.connected()
        self.assertEqual(self.said, [Sub("lobby", last=5)])

    def test_messages_are_kept_in_order_and_once(self) -> None:
        core = self.joined()
        for seq in (11, 12, 12, 11, 14):
            core.message(msg(seq, b"\xff"))
        first = core.take()
        self.assertEqual(first, Message("lobby", 11, "bob", 1700000000000, b"\xff"))
        assert isinstance(first, Message)
        self.assertEqual(first.text, r"\xff")
        self.assertEqual(self.seqs(core), [12, 14])
        self.assertIsNone(core.take())

    def test_where_it_goes_on_before_the_first_message(self) -> None:
        for args, start in (((), 11), ((None, 3), 8), ((None, 30), 1), ((4,), 4)):
            with self.subTest(args):
                self.assertEqual(self.again(self.joined(10, *args)), Sub("lobby", start=start))
        since = (None, None, 1234)
        self.assertEqual(self.again(self.joined(10, *since)), Sub("lobby", since=1234))
        core = self.joined(10, *since)
        core.live(10)
        self.assertEqual(self.again(core), Sub("lobby", start=11))

    def test_where_it_goes_on_afterwards(self) -> None:
        core = self.joined(10, None, 3)
        core.message(msg(4))  # sequences may skip, so the last three may begin anywhere
        self.assertEqual(self.again(core), Sub("lobby", start=5))
        core.subbed(12)
        core.missed(5, 7)
        self.assertEqual(self.again(core), Sub("lobby", start=8))
        core.subbed(12)
        core.live(12)
        self.assertEqual(self.again(core), Sub("lobby", start=13))
        self.assertEqual(self.seqs(core), [4, (5, 7)])

    def test_presence_is_asked_for_again_also_before_it_was_let_in(self) -> None:
        core = self.begin(None, None, None, True)
        core.connected()
        self.assertEqual(self.said, [Sub("lobby", presence=True)])
        self.again(core)  # who asked WHO besides may have been answered before the loss
        self.assertEqual(self.said, [Sub("lobby", presence=True), Who("lobby")])

    def test_presence_is_asked_for_again(self) -> None:
        core = self.joined(1, None, None, None, True)
        self.assertEqual(self.said, [Sub("lobby", presence=True)])
        self.assertEqual(self.again(core), Sub("lobby", start=2, presence=True))
        self.assertEqual(self.said[1:], [Who("lobby")])  # who has come and gone meanwhile
        core.refused(Refused("bad-args", "another history"))
        self.assertEqual(self.said[2:], [Sub("lobby", presence=True), Who("lobby")])

    def test_what_is_not_for_it_changes_nothing(self) -> None:
        core = self.begin()
        core.message(msg(1))
        core.missed(1, 2)
        core.live(3)
        core.subbed(3)
        core.unsubbed()
        core.refused(Refused("forbidden", ""))
        self.assertEqual((core.phase, core.take(), self.said), (Phase.APART, None, []))

    def test_until_the_end(self) -> None:
        for end in (lambda c: c.message(msg(10)), lambda c: c.message(msg(11)),
                    lambda c: c.live(10)):  # fmt: skip
            core = self.joined(10, 0, until_end=True)
            core.message(msg(9))
            end(core)
            self.assertTrue(core.ended)
            self.assertLessEqual(set(self.seqs(core)), {9, 10})
            self.assertEqual(self.said[1:], [Unsub("lobby")])
            core.message(msg(12))
            self.assertEqual(self.seqs(core), [])

    def test_until_the_end_that_it_had_at_first(self) -> None:
        core = self.joined(10, 0, until_end=True)
        core.message(msg(9))
        self.again(core)
        core.subbed(500)
        core.message(msg(10))
        self.assertTrue(core.ended)

    def test_too_much_unread_leaves_drains_and_comes_back(self) -> None:
        core = self.joined(unread_bytes=4 * UNREAD_COST)
        for seq in range(11, 30):
            core.message(msg(seq, b""))
        self.assertEqual(self.said[1:], [Unsub("lobby")])
        self.assertEqual((len(core.unread), core.phase), (5, Phase.LEAVING))
        core.unsubbed()
        self.assertEqual(core.phase, Phase.DRAINING)
        self.assertEqual(self.seqs(core), [11, 12, 13, 14, 15])
        self.assertEqual(self.said[2:], [Sub("lobby", start=16)])
        core.subbed(29)
        core.message(msg(16))
        self.assertEqual(self.seqs(core), [16])

    def test_what_is_read_before_the_server_has_let_go(self) -> None:
        core = self.joined(unread_bytes=0)
        core.message(msg(11))
        self.assertEqual(core.phase, Phase.READING)  # one may always wait
        core.message(msg(12))
        self.assertEqual(self.seqs(core), [11, 12])
        self.assertEqual(core.phase, Phase.LEAVING)
        core.unsubbed()
        self.assertEqual(self.said[2:], [Sub("lobby", start=13)])

    def test_a_new_connection_waits_for_the_reader(self) -> None:
        core = self.joined(unread_bytes=100)
        core.message(msg(11))
        core.lost()
        core.connected()
        self.assertEqual((core.phase, len(self.said)), (Phase.DRAINING, 1))
        core.take()
        self.assertEqual(self.said[1:], [Sub("lobby", start=12)])

    def test_a_refusal_ends_it(self) -> None:
        no = Refused("forbidden", "not you")
        core = self.begin()
        core.connected()
        core.refused(no)
        self.assertEqual((core.ended, core.error, len(self.said)), (True, no, 1))
        core.end()
        self.assertIs(core.error, no)

    def test_a_beginning_beyond_the_end_is_refused(self) -> None:
        core = self.begin(99)
        core.connected()
        core.refused(Refused("bad-args", "above the head"))
        self.assertTrue(core.ended)

    def test_another_history_is_begun_at_its_end_and_told(self) -> None:
        core = self.joined(10)
        core.message(msg(11))
        no = Refused("bad-args", "above the head")
        self.again(core)
        core.refused(no)
        self.assertEqual(self.said[1:], [Sub("lobby")])
        core.lost()  # and once more
        core.connected()
        core.refused(no)
        core.subbed(3)
        core.message(msg(4))
        self.assertEqual(self.seqs(core), [11, (12, 3), 4])
        self.again(core)
        core.refused(no)
        core.refused(no)
        self.assertTrue(core.ended)

    def test_the_reader_ends_it(self) -> None:
        core = self.joined()
        core.end()
        self.assertEqual(self.said[1:], [Unsub("lobby")])
        self.assertFalse(core.unanswered)
        core = self.begin()
        core.connected()
        core.end()
        self.assertEqual(self.said[1:], [Unsub("lobby")])
        self.assertTrue(core.unanswered)
        core.lost()
        core.connected()
        self.assertEqual(len(self.said), 2)

    def test_every_pair_is_decided(self) -> None:
        """From everywhere it can be lost and ended; from the end nowhere."""
        for phase in Phase:
            self.assertIs(TRANSITIONS[phase, Event.END], Phase.ENDED)
            for event in Event:
                if phase is Phase.ENDED and event is not Event.END:
                    self.assertNotIn((phase, event), TRANSITIONS)

    def test_gaps_tell_what_is_missing(self) -> None:
        self.assertIn("3 to 5 of lobby", str(Gap("lobby", 3, 5)))
        self.assertEqual((Gap("lobby", 3, 5).count, Gap("lobby", 9, 2).count), (3, 1))
        self.assertIn("replaced", str(Gap("lobby", 9, 2)))


class Server:
    """A room whose log only grows, and a wire that loses everything when it is cut."""

    def __init__(self) -> None:
        self.head = 0
        self.cursor: int | None = None
        self.answers: list[tuple[str, int]] = []

    def say(self, request: Sub | Unsub) -> None:
        if isinstance(request, Unsub):
            self.cursor = None
            self.answers.append(("unsubbed", 0))
        else:
            self.cursor = self.head + 1 if request.start is None else request.start
            self.answers.append(("subbed", self.head))

    def pump(self, core: Subscription, count: int) -> None:
        """Hand on answers, and messages behind them."""
        for _ in range(count):
            if not self.answers and self.cursor is not None and self.cursor <= self.head:
                self.answers.append(("message", self.cursor))
                self.cursor += 1
            if self.answers:
                verb, number = self.answers.pop(0)
                if verb == "unsubbed":
                    core.unsubbed()
                elif verb == "subbed":
                    core.subbed(number)
                else:
                    core.message(msg(number, b"x" * 40))


class EachOnceTests(SynchronousTestCase):
    """Whatever is lost and however slowly it is read, each message comes once, in order."""

    @given(st.lists(st.tuples(st.sampled_from(["publish", "pump", "read", "lose"]),
                              st.integers(0, 9)), max_size=60))  # fmt: skip
    def test_each_comes_once(self, steps: list[tuple[str, int]]) -> None:
        server = Server()
        core = Subscription(Sub("lobby", start=1), server.say, unread_bytes=1000)
        core.connected()
        read: list[int] = []

        def take(count: int) -> None:
            for _ in range(count):
                item = core.take()
                if isinstance(item, Message):
                    read.append(item.seq)

        for what, count in steps:
            if what == "publish":
                server.head += count
            elif what == "pump":
                server.pump(core, count)
            elif what == "read":
                take(count)
            else:
                server.answers.clear()
                server.cursor = None
                core.lost()
                core.connected()
            self.assertLessEqual(len(core.unread), 1 + 1000 // UNREAD_COST)
        for _ in range(500):
            server.pump(core, 5)
            take(5)
        self.assertEqual(read, list(range(1, server.head + 1)))


class PostboxTests(SynchronousTestCase):
    def test_the_oldest_give_way(self) -> None:
        box = Postbox(unread_bytes=3 * UNREAD_COST)
        for seq in range(1, 6):
            box.put(Message("@me", seq, "bob", 0, b""))
        self.assertEqual(box.dropped, 2)
        taken = box.take()
        assert isinstance(taken, Message)
        self.assertEqual(taken.seq, 3)
        box.put(Message("@me", 6, "bob", 0, b"x" * 9999))  # one always stays
        self.assertEqual((len(box.unread), box.dropped), (1, 4))
        self.assertEqual([bool(box.take()), box.take()], [True, None])

    def test_the_end(self) -> None:
        box = Postbox()
        no = ValueError()
        box.end(no)
        box.end()
        box.put(Message("@me", 1, "bob", 0, b""))
        self.assertEqual((box.ended, box.error, box.take()), (True, no, None))

"""A client and a server that means it no good: what it can make the program keep."""

from __future__ import annotations

from tests.unit.test_client_typed import Case
from twisted_msg.client import Disconnected, NotUnderstood
from twisted_msg.client.typed import UNREAD_ANSWERS
from twisted_msg.wire import encode_frame
from twisted_msg.wire.names import MAX_ID
from twisted_msg.wire.payloads import MAX_JSON, encode_json
from twisted_msg.wire.replies import Ack, Err, Ping
from twisted_msg.wire.requests import Pong, Pub


class UnreadingServerTests(Case):
    """The server speaks and does not read.  Found by tests/fuzz, target `client`."""

    def setUp(self) -> None:
        super().setUp()
        self.start()
        self.transport.producer.pauseProducing()

    def test_answers_to_its_questions_are_bounded(self) -> None:
        heard = self.say(*[Ping("x")] * 5000)
        self.assertEqual(heard, [Pong("x")] * UNREAD_ANSWERS)

    def test_it_is_answered_again_when_it_reads_on(self) -> None:
        self.say(*[Ping()] * 5000)
        self.transport.producer.resumeProducing()
        self.assertEqual(self.say(*[Ping("y")] * 5000), [Pong("y")] * 5000)

    def test_what_it_acknowledges_unread_makes_no_room_for_more(self) -> None:
        self.transport.producer.resumeProducing()
        first = self.client.send("lobby", "one")
        self.assertEqual(self.hear(), [Pub("lobby", b"one", 1)])
        self.transport.producer.pauseProducing()
        second = self.client.send("lobby", "two")
        self.assertEqual(self.say(Ack(1, 1)), [])
        self.successResultOf(first)
        self.assertEqual(self.say(Ack(2, 2)), [])  # it was not sent
        self.assertNoResult(second)
        self.transport.producer.resumeProducing()
        self.assertEqual(self.hear(), [Pub("lobby", b"two", 2)])
        self.say(Ack(2, 2))
        self.assertEqual(self.successResultOf(second).seq, 2)

    def test_a_connection_that_is_full_is_closed_all_the_same(self) -> None:
        """Twisted keeps one open while a producer is registered that it has paused."""
        self.say(Err("superseded", "go"))
        self.assertTrue(self.transport.disconnecting)
        self.assertIsNone(self.transport.producer)

    def test_one_that_has_ended_sends_nothing_more(self) -> None:
        producer = self.transport.producer
        self.client.send("lobby", "one").addErrback(lambda _: None)
        self.say(Err("superseded", "go"))
        producer.resumeProducing()
        self.assertEqual(self.hear(), [])
        self.reactor.advance(5)
        self.lose()
        self.reactor.advance(0)


class EndlessListTests(Case):
    """The server answers with JSON that would take gigabytes of memory once it is read."""

    def test_json_over_its_limit_is_not_read(self) -> None:
        self.start()
        asked = self.run_to(self.client.rooms())
        self.hear()
        payload = b"[" + b"{}," * (MAX_JSON // 3) + b"{}]"
        self.protocol.dataReceived(encode_frame(payload, ("ROOMS",)))
        self.lose()
        self.reactor.advance(0)
        error = self.failureResultOf(asked, NotUnderstood).value
        self.assertIn("16777216 are the most", str(error))

    def test_the_longest_list_of_rooms_is_shorter(self) -> None:
        longest = {"room": "r" * 32, "head": MAX_ID, "members": 100_000}
        self.assertLess(100_000 * len(encode_json(longest) + b","), MAX_JSON)


class UnwelcomingServerTests(Case):
    """The server asks before it makes this client welcome."""

    def test_nothing_but_hello_is_said_before_welcome(self) -> None:
        connected = self.connect()
        self.accept()
        self.assertEqual(self.say(*[Ping("x")] * 5000), [])
        closing = self.run_to(self.client.abort())
        self.reactor.advance(0)
        self.assertTrue(self.transport.disconnecting)
        self.lose()
        self.reactor.advance(0)
        self.successResultOf(closing)
        self.failureResultOf(connected, Disconnected)

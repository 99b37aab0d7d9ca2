"""The typed client against a server that says what the test tells it to."""

from __future__ import annotations

import gc
from typing import Any

from twisted.internet import error
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.client import (
    CannotConnect,
    Client,
    ClientError,
    Disconnected,
    Gap,
    Joined,
    Message,
    Messages,
    NotUnderstood,
    Parted,
    Present,
    Receipt,
    Refused,
    Superseded,
    TimedOut,
    connect,
)
from twisted_msg.client.outbox import FLIGHT_BYTES, ROOM_BYTES
from twisted_msg.client.subscription import UNREAD_BYTES
from twisted_msg.client.typed import FAREWELL_SECONDS, HEARTBEAT_SECONDS, WELCOME_SECONDS
from twisted_msg.wire import FrameDecoder, encode_frame
from twisted_msg.wire.names import MAX_ID
from twisted_msg.wire.replies import (
    Ack,
    Bye,
    Err,
    Here,
    Join,
    Live,
    Missed,
    Msg,
    Part,
    Ping,
    Pong,
    RoomList,
    Subbed,
    Unsubbed,
    Welcome,
)
from twisted_msg.wire.requests import Bye as Goodbye
from twisted_msg.wire.requests import Hello, Pub, Request, Rooms, Sub, Unsub, Who, parse_request

ID = "c" * 32


class Case(SynchronousTestCase):
    """A client, and the test in the place of its server."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.told: list[str] = []
        self.client = self.make()

    def make(self, **options: Any) -> Client:
        return Client(
            self.reactor,
            TCP4ClientEndpoint(self.reactor, "server", 1),
            "alice",
            on_connected=lambda: self.told.append("connected"),
            on_lost=lambda reason: self.told.append(str(reason)),
            jitter=lambda: 0.5,
            entropy=lambda size: ID[: 2 * size],
            **options,
        )

    def connect(self, attempts: int | None = 1) -> Deferred[None]:
        return Deferred.fromCoroutine(self.client.connect(attempts))

    def accept(self) -> list[Request]:
        """Accept the newest attempt; return what the client says at once."""
        self.protocol: Any = self.reactor.tcpClients[-1][2].buildProtocol(None)
        self.transport = StringTransport()
        self.heard = FrameDecoder()
        self.protocol.makeConnection(self.transport)
        return self.hear()

    def hear(self) -> list[Request]:
        """Return what the client has said since."""
        data = self.transport.value()
        self.transport.clear()
        return [parse_request(frame) for frame in self.heard.feed(data)]

    def say(self, *replies: Any) -> list[Request]:
        """Say something; return what the client answers."""
        self.protocol.dataReceived(b"".join(reply.encode() for reply in replies))
        return self.hear()

    def lose(self, reason: Exception | None = None) -> None:
        self.protocol.connectionLost(Failure(reason or ConnectionLost()))

    def refuse(self) -> None:
        self.reactor.tcpClients[-1][2].clientConnectionFailed(
            self.reactor.connectors[-1], Failure(error.ConnectionRefusedError())
        )

    def start(self, last_id: int = 0, **details: Any) -> list[Request]:
        """Connect and be welcomed; return what the client says then."""
        connected = self.connect()
        self.accept()
        said = self.say(Welcome("alice", last_id, details))
        self.successResultOf(connected)
        return said

    def again(self, last_id: int = 0) -> list[Request]:
        """Lose the connection and be welcomed once more; return what the client says then."""
        self.lose()
        self.reactor.advance(1)
        self.accept()
        return self.say(Welcome("alice", last_id, {}))

    def attempts(self) -> int:
        return len(self.reactor.tcpClients)

    def next(self, messages: Messages) -> Deferred[Message]:
        return Deferred.fromCoroutine(messages.__anext__())

    def run_to(self, coroutine: Any) -> Deferred[Any]:
        return Deferred.fromCoroutine(coroutine)


def msg(seq: int, payload: bytes = b"x", room: str = "lobby") -> Msg:
    return Msg(room, seq, "bob", 1700000000000, payload)


class ConnectingTests(Case):
    def test_nothing_is_said_before_welcome_but_hello(self) -> None:
        sent = self.client.send("lobby", "early")
        messages = self.client.messages("lobby")
        self.assertEqual(self.client.name, "alice")
        connected = self.connect()
        self.assertEqual(self.accept(), [Hello("alice", ID)])
        self.assertNoResult(connected)
        self.assertEqual(self.say(msg(1)), [])  # passed over
        self.assertFalse(self.client.connected)
        said = self.say(Welcome("alice2", 0, {"server": "x"}))
        self.assertEqual(said, [Sub("lobby"), Pub("lobby", b"early", 1)])
        self.successResultOf(connected)
        self.assertEqual((self.client.name, self.client.server), ("alice2", {"server": "x"}))
        self.say(Welcome("again", 0, {}))  # passed over
        self.assertEqual((self.client.name, self.told), ("alice2", ["connected"]))
        self.assertNoResult(sent)
        self.assertEqual(messages.room, "lobby")

    def test_connect_returns_a_client(self) -> None:
        connected = self.run_to(connect(self.reactor, "127.0.0.1:5050", "alice", client_id=ID))
        self.accept()
        self.say(Welcome("alice", 0, {}))
        self.assertTrue(self.successResultOf(connected).connected)

    def test_no_server(self) -> None:
        connected = self.connect()
        self.refuse()
        self.reactor.advance(0)
        self.assertIn("tcpmsg serve", str(self.failureResultOf(connected, CannotConnect).value))
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.failureResultOf(self.client.send("lobby", "x"), CannotConnect)
        self.failureResultOf(self.client.room(), CannotConnect)
        self.failureResultOf(self.run_to(self.client.ping()), CannotConnect)
        self.failureResultOf(self.next(self.client.messages("lobby")), CannotConnect)
        self.failureResultOf(self.run_to(self.client.connect()), CannotConnect)

    def test_turned_away_before_the_first_frame_it_comes_back(self) -> None:
        connected = self.connect(None)
        self.accept()
        text = b"!ERROR! timeout a header was not finished within 30 s"
        self.protocol.dataReceived(b"%-128d%b" % (len(text), text))
        self.assertTrue(self.transport.disconnecting)
        self.lose(ConnectionDone())
        self.assertNoResult(connected)
        self.assertIn("timeout: a header was not finished", self.told[0])
        self.reactor.advance(1)
        self.accept()
        self.say(Welcome("alice", 0, {}))
        self.successResultOf(connected)

    def test_attempts_are_counted_whatever_ends_them(self) -> None:
        connected = self.connect(3)
        self.refuse()
        self.reactor.advance(1)
        self.accept()
        self.lose()
        self.assertEqual(self.told, ["the connection was lost"])
        self.reactor.advance(1)
        self.accept()
        self.assertNoResult(connected)
        self.lose()
        self.reactor.advance(0)
        failure = self.failureResultOf(connected, CannotConnect)
        self.assertIn("before the server made this client welcome", str(failure.value))
        self.assertEqual(self.attempts(), 3)

    def test_it_may_try_for_ever(self) -> None:
        connected = self.connect(None)
        for _ in range(20):
            self.refuse()
            self.reactor.advance(30)
        self.accept()
        self.say(Welcome("alice", 0, {}))
        self.successResultOf(connected)

    def test_a_server_that_goes_before_welcome(self) -> None:
        connected = self.connect(2)
        for said in ("maintenance", "soon back"):
            self.accept()
            self.assertEqual(self.say(Bye(said), Welcome("alice", 0, {})), [Goodbye()])
            self.assertFalse(self.client.connected)
            self.lose(ConnectionDone())
            self.reactor.advance(1)
        error = self.failureResultOf(connected, CannotConnect).value
        self.assertTrue(error.server_goes)
        self.assertIn("soon back; try again later", str(error))
        self.assertEqual(self.told, ["maintenance"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_servers_without_typed_frames_are_told_of_plain_ones(self) -> None:
        for end, kind in (
            (lambda: None, CannotConnect),
            (lambda: self.protocol.readConnectionLost(), CannotConnect),
            (lambda: self.protocol.dataReceived(b"9".ljust(64) + b"!ERROR! x" * 9), NotUnderstood),
            (lambda: self.reactor.advance(WELCOME_SECONDS), TimedOut),
        ):
            with self.subTest(kind):
                self.setUp()
                connected = self.connect()
                self.accept()
                end()
                self.lose(ConnectionDone())
                self.reactor.advance(0)
                error = self.failureResultOf(connected, kind).value
                self.assertIn("use --plain, or PlainClient in a program", str(error))
                self.assertFalse(error.server_goes)

    def test_a_refused_hello_is_final(self) -> None:
        for code in ("bad-name", "version", "unauthorized", "bad-verb"):
            with self.subTest(code):
                self.setUp()
                connected = self.connect(None)
                self.accept()
                self.say(Err(code, "no", "HELLO"))
                self.lose(ConnectionDone())
                self.reactor.advance(60)
                self.assertEqual(self.failureResultOf(connected, Refused).value.code, code)
                self.assertEqual(self.attempts(), 1)

    def test_a_busy_server_is_tried_again(self) -> None:
        connected = self.connect(None)
        self.accept()
        self.say(Err("limit", "too many", "HELLO"))
        self.lose(ConnectionDone())
        self.reactor.advance(1)
        self.assertEqual(self.attempts(), 2)
        self.assertNoResult(connected)

    def test_what_is_no_server(self) -> None:
        connected = self.connect()
        self.accept()
        self.protocol.dataReceived(b"HTTP/1.1 400 Bad Request\r\n" * 9)
        self.lose(ConnectionDone())
        self.reactor.advance(0)
        self.failureResultOf(connected, NotUnderstood)

    def test_refused_before_it_is_known_to_be_typed(self) -> None:
        """Too many connections, say: told in a plain frame, and taken for another protocol's."""
        connected = self.connect(2)
        for _ in range(2):
            self.accept()
            self.protocol.dataReceived(encode_frame(b"!ERROR! busy too many: try again later", ()))
            self.lose(ConnectionDone())
            self.reactor.advance(1)
        failure = self.failureResultOf(connected, Refused)
        self.assertIn("busy: too many: try again later", str(failure.value))
        self.assertEqual(self.attempts(), 2)

    def test_a_server_that_does_not_answer_hello(self) -> None:
        connected = self.connect()
        self.accept()
        self.reactor.advance(WELCOME_SECONDS)
        self.assertTrue(self.transport.disconnecting or self.transport.aborting)
        self.lose()
        self.reactor.advance(0)
        self.assertIn("HELLO", str(self.failureResultOf(connected, TimedOut).value))

    def test_a_cancelled_connect_tries_no_more(self) -> None:
        connected = self.connect()
        connected.cancel()
        self.reactor.advance(0)
        self.failureResultOf(connected, CancelledError)
        self.assertTrue(self.client.closed)

    def test_what_cannot_be(self) -> None:
        self.assertRaises(ValueError, Client, self.reactor, "127.0.0.1:1", "no name")
        self.assertRaises(ValueError, Client, self.reactor, "127.0.0.1:1", client_id="short")
        self.assertRaises(ValueError, Client, self.reactor, "nonsense/")
        for room in ("", "no room", "@", "@no name"):
            self.assertRaises(ValueError, self.client.send, room, "x")
        self.assertRaises(ValueError, self.client.send_all, "lobby", [])
        self.assertRaises(ValueError, self.client.messages, "@alice")
        self.assertRaises(ValueError, self.client.messages, "lobby", start=1, last=2)
        self.failureResultOf(self.run_to(self.client.who("no room")), ValueError)

    def test_it_is_a_context(self) -> None:
        entered = self.run_to(self.client.__aenter__())
        self.accept()
        self.say(Welcome("alice", 0, {}))
        self.assertIs(self.successResultOf(entered), self.client)
        self.assertIs(self.successResultOf(self.run_to(self.client.__aenter__())), self.client)
        left = self.run_to(self.client.__aexit__(ValueError, ValueError(), None))
        self.lose()
        self.reactor.advance(0)
        self.successResultOf(left)
        self.assertTrue(self.client.closed)


class SendingTests(Case):
    def test_a_receipt_says_where_it_is(self) -> None:
        self.start()
        one, two = self.client.send("lobby", "é"), self.client.send("@bob", b"\0")
        self.assertEqual(self.hear(), [Pub("lobby", "é".encode(), 1), Pub("@bob", b"\0", 2)])
        self.assertEqual(self.client.unacknowledged, 2)
        self.say(Ack(1, 77))
        self.assertEqual(self.successResultOf(one), Receipt("lobby", 1, 77))
        self.assertNoResult(two)
        self.say(Ack(2, 5))
        self.assertEqual(self.successResultOf(two), Receipt("@bob", 2, 5))

    def test_the_same_ids_go_again(self) -> None:
        self.start()
        sent = [self.client.send("lobby", text) for text in "abc"]
        self.hear()
        said = self.again(1)
        self.assertEqual(said, [Pub("lobby", b"b", 2), Pub("lobby", b"c", 3)])
        self.assertEqual(self.successResultOf(sent[0]), Receipt("lobby", 1, None))
        self.say(Ack(3, 9))
        self.assertEqual(self.successResultOf(sent[2]).seq, 9)
        self.assertEqual(self.told, ["connected", "the connection was lost", "connected"])

    def test_a_refused_one_is_given_up_and_the_others_go_again(self) -> None:
        self.start()
        sent = [self.client.send("lobby", text) for text in "abc"]
        self.hear()
        self.say(Ack(1, 1), Err("forbidden", "not b", "PUB", "2"), Ack(3, 3))
        self.assertEqual(self.failureResultOf(sent[1], Refused).value.code, "forbidden")
        self.assertNoResult(sent[2])
        self.assertEqual(self.again(1), [Pub("lobby", b"c", 3)])
        self.assertEqual(self.told, ["connected", "connected"])  # the refusal was told to `send`

    def test_a_loss_beside_a_refusal_is_told(self) -> None:
        self.start()
        sent = self.client.send("lobby", "a")
        self.say(Bye("maintenance"), Err("forbidden", "not a", "PUB", "1"))
        self.failureResultOf(sent, Refused)
        self.again()
        self.assertEqual(self.told, ["connected", "maintenance", "connected"])

    def test_ids_that_are_used_up(self) -> None:
        self.client.send("lobby", "queued before it is known").addErrback(lambda _: None)
        connected = self.connect()
        self.accept()
        self.say(Welcome("alice", MAX_ID, {}))
        self.lose()
        self.reactor.advance(0)
        error = self.failureResultOf(connected, NotUnderstood).value
        self.assertIn("no ids left", str(error))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_callbacks_that_fail_cost_nothing(self) -> None:
        def fails(*_: object) -> None:
            raise KeyError("the program's own fault")

        self.client = Client(
            self.reactor,
            TCP4ClientEndpoint(self.reactor, "server", 1),
            on_connected=fails,
            on_lost=fails,
            jitter=lambda: 0.5,
        )
        self.start()
        sent = self.client.send("lobby", "a")
        self.again(1)
        self.assertIsNone(self.successResultOf(sent).seq)
        self.assertTrue(self.client.connected)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 3)

    def test_many_refusals_do_not_slow_it_down(self) -> None:
        self.start()
        sent = [self.client.send("lobby", "x") for _ in range(8)]
        for n in range(1, 9):
            self.say(Err("busy", "the store is full", "PUB", str(n)))
            self.failureResultOf(sent[n - 1], Refused)
            self.again()

    def test_a_server_that_takes_nothing_for_now(self) -> None:
        reasons: list[ClientError] = []
        self.client = Client(
            self.reactor,
            TCP4ClientEndpoint(self.reactor, "server", 1),
            on_lost=reasons.append,
            jitter=lambda: 0.5,
        )
        self.start()
        sent = [self.client.send("lobby", text) for text in "abc"]
        self.hear()
        self.say(Ack(1, 1), Err("busy", "the disk is full", "PUB"))
        self.successResultOf(sent[0])
        self.assertTrue(self.transport.disconnecting)
        said = self.again(1)
        self.assertEqual(said, [Pub("lobby", b"b", 2), Pub("lobby", b"c", 3)])
        (reason,) = reasons
        assert isinstance(reason, Refused)
        self.assertEqual((reason.code, reason.reason), ("busy", "the disk is full"))
        self.assertIs(self.client.refusal, reason)
        self.assertNoResult(sent[1])
        self.say(Ack(2, 2))
        self.assertIsNone(self.client.refusal)
        self.say(Err("busy", "the disk is full", "PUB"))
        self.reactor.advance(1)
        self.assertIsNotNone(self.client.refusal)
        self.again(3)
        self.successResultOf(sent[2])
        self.assertIsNone(self.client.refusal)

    def test_ids_begin_where_a_program_wants(self) -> None:
        self.assertIn("connect first", str(self.assertRaises(ValueError, self.client.begin_ids, 9)))
        self.start(last_id=7)
        for wrong, said in ((7, "would go back"), (0, "whole number"), (2**63, "whole number")):
            error = self.assertRaises(ValueError, self.client.begin_ids, wrong)
            self.assertIn(said, str(error))
        self.client.send("lobby", "a")
        self.client.begin_ids(100)
        self.client.send_all("lobby", ["b", "c"])
        self.client.begin_ids(2**63 - 1)
        last = self.client.send("lobby", "d")
        given = [8, 100, 101, 2**63 - 1]
        self.assertEqual([pub.id for pub in self.hear() if isinstance(pub, Pub)], given)
        self.assertRaises(ValueError, self.client.begin_ids, 2**63 - 1)
        self.say(Ack(100, 1))
        self.assertEqual(self.client.unacknowledged, 2)
        said_again = self.again(100)
        self.assertEqual([pub.id for pub in said_again if isinstance(pub, Pub)], given[2:])
        self.say(Ack(2**63 - 1, 5))
        self.assertEqual(self.successResultOf(last).id, 2**63 - 1)

    def test_one_that_is_too_large_for_the_decoder_has_no_id(self) -> None:
        self.start()
        sent = [self.client.send("lobby", text) for text in "ab"]
        self.say(Ack(1, 1), Err("too-large", "no", "PUB"))
        self.failureResultOf(sent[1], Refused)

    def test_what_is_too_large_for_the_server_is_not_sent(self) -> None:
        self.start(max_payload=10)
        failed = self.client.send_all("lobby", ["x" * 11, "x"])
        self.assertEqual(self.failureResultOf(failed, Refused).value.code, "too-large")
        self.assertEqual(self.hear(), [])

    def test_a_direct_message_to_nobody(self) -> None:
        self.start()
        sent = self.client.send("@bob", "hi")
        self.say(Err("absent", "nobody", "PUB", "1"), Ack(1, 1))
        self.failureResultOf(sent, Refused)
        self.assertTrue(self.client.connected)
        self.assertFalse(self.transport.disconnecting)

    def test_a_notice_behind_the_acknowledgement_ends_nothing(self) -> None:
        self.start()
        sent = self.client.send("@bob", "hi")
        self.say(Ack(1, 1), Err("absent", "nobody", "PUB", "1"))
        self.successResultOf(sent)
        self.assertTrue(self.client.connected)
        self.assertFalse(self.transport.disconnecting)

    def unknown(self, sent: Deferred[Receipt]) -> None:
        """Expect that it is not known what became of a message."""
        error = self.failureResultOf(sent, Refused).value
        self.assertEqual(error.code, "unknown")
        self.assertNotIn("refused", str(error))
        self.assertTrue(self.client.connected)
        self.assertFalse(self.transport.disconnecting)

    def test_a_direct_message_whose_outcome_was_lost_is_not_reported_as_received(self) -> None:
        self.start()
        direct, stored = self.client.send("@bob", "hi"), self.client.send("lobby", "hi")
        some = self.client.send_all("@bob", ["a", "b", "c"])
        self.say(Ack(3, 9))
        self.successResultOf(direct)
        self.assertEqual(self.again(4), [Pub("@bob", b"c", 5)])
        self.successResultOf(stored)
        self.assertNoResult(some)
        self.say(Ack(5, 10))
        self.unknown(some)

    def test_nor_is_one_whose_notice_had_come(self) -> None:
        self.start()
        sent = self.client.send("@bob", "hi"), self.client.send_all("@carl", ["a", "b"])
        self.say(Err("absent", "nobody", "PUB", "1"), Err("absent", "nobody", "PUB", "2"))
        self.again(3)
        for each, code in zip(sent, ("absent", "absent"), strict=True):
            self.assertEqual(self.failureResultOf(each, Refused).value.code, code)

    def test_nor_is_one_that_the_server_had_received_before(self) -> None:
        for replies in (
            [Ack(1, 7, dup=True)],
            [Err("unknown", "?", "PUB", "1"), Ack(1, 0, dup=True)],
        ):
            self.setUp()
            self.start()
            sent = self.client.send("@bob", "hi")
            self.say(*replies)
            self.unknown(sent)

    def test_errors_that_name_nothing_that_is_owed(self) -> None:
        self.start()
        self.say(Err("bad-args", "?", "PUB"), Err("bad-args", "?", "UNSUB", "x"), Err("new", "?"))
        self.assertTrue(self.client.connected)

    def test_many_in_one_go(self) -> None:
        self.start()
        sent = self.client.send_all("lobby", [b"a", "b"])
        self.assertEqual(self.hear(), [Pub("lobby", b"a", 1), Pub("lobby", b"b", 2)])
        self.say(Ack(2, 8))
        self.assertEqual(self.successResultOf(sent).seq, 8)

    def test_there_is_room_or_not(self) -> None:
        self.start()
        self.successResultOf(self.client.room())
        count = ROOM_BYTES // 100_000 + 1
        for _ in range(count):
            self.client.send("lobby", b"x" * 100_000)
        self.assertLess(len(self.hear()), FLIGHT_BYTES // 100_000 + 1)
        room = self.client.room()
        self.say(Ack(10, 10))
        self.assertNoResult(room)
        for n in range(11, count + 1):
            self.say(Ack(n, n))
        self.successResultOf(room)
        self.assertEqual(self.client.unacknowledged, 0)

    def test_somebody_else_uses_the_id(self) -> None:
        self.start()
        sent = self.client.send("lobby", "x")
        self.again(5)
        self.lose(ConnectionDone())
        self.reactor.advance(0)
        self.failureResultOf(sent, NotUnderstood)
        self.assertTrue(self.client.closed)

    def test_final_errors_end_it(self) -> None:
        for code, kind in (("superseded", Superseded), ("unauthorized", Refused),
                           ("bad-header", Refused)):  # fmt: skip
            with self.subTest(code):
                self.setUp()
                self.start()
                sent = self.client.send("lobby", "x")
                reading = self.next(self.client.messages("lobby"))
                asked = self.run_to(self.client.who("lobby"))
                self.say(Err(code, "no"))
                self.assertTrue(self.transport.disconnecting)
                self.lose(ConnectionDone())
                for waiting in (sent, reading, asked):
                    self.failureResultOf(waiting, kind)
                self.reactor.advance(60)
                self.assertEqual((self.attempts(), self.reactor.getDelayedCalls()), (1, []))
                self.failureResultOf(self.client.send("lobby", "y"), kind)
                self.assertEqual(self.told, ["connected"])

    def test_other_endings_are_tried_again(self) -> None:
        self.start()
        self.say(Err("internal", "a fault"))
        self.assertEqual(self.again(), [])
        self.assertIn("internal", self.told[1])


class ReadingTests(Case):
    def test_messages_come_and_go_on(self) -> None:
        self.start()
        messages = self.client.messages("lobby", last=2)
        self.assertEqual(self.hear(), [Sub("lobby", last=2)])
        first = self.next(messages)
        self.say(Subbed("lobby", 5), msg(4), msg(5), Live("lobby", 5))
        self.assertEqual(self.successResultOf(first).seq, 4)
        self.assertEqual(messages.waiting, 1)
        self.assertEqual(self.successResultOf(self.next(messages)).text, "x")
        waiting = self.next(messages)
        self.assertEqual(self.again(), [Sub("lobby", start=6)])
        self.say(Subbed("lobby", 6), msg(6), msg(7))
        self.assertEqual(self.successResultOf(waiting).seq, 6)
        self.assertEqual(self.successResultOf(self.next(messages)).seq, 7)
        self.assertIs(messages.__aiter__(), messages)

    def test_until_the_end(self) -> None:
        self.start()
        messages = self.client.messages("lobby", start=0, until_end=True)
        self.say(Subbed("lobby", 1), msg(1))
        self.assertEqual(self.successResultOf(self.next(messages)).seq, 1)
        self.failureResultOf(self.next(messages), StopAsyncIteration)

    def test_gaps(self) -> None:
        self.start()
        gaps: list[Gap] = []
        messages = self.client.messages("lobby", start=1, on_missed=gaps.append)
        strict = self.client.messages("other", start=1, strict=True)
        for room in ("lobby", "other"):
            self.say(Subbed(room, 9), Missed(room, 1, 8), msg(9, room=room))
        self.assertEqual(self.successResultOf(self.next(messages)).seq, 9)
        self.assertEqual((messages.missed, str(gaps[0])), (8, str(Gap("lobby", 1, 8))))
        self.failureResultOf(self.next(strict), Gap)
        self.assertEqual(self.successResultOf(self.next(strict)).seq, 9)

    def test_a_refusal(self) -> None:
        self.start()
        messages = self.client.messages("lobby")
        self.say(Err("forbidden", "no", "SUB", "lobby"))
        self.failureResultOf(self.next(messages), Refused)
        messages = self.client.messages("lobby")  # it may be tried again
        self.assertEqual(self.hear()[-1], Sub("lobby"))

    def test_one_iterator_for_a_room(self) -> None:
        self.start()
        messages = self.client.messages("lobby")
        failure = self.assertRaises(ValueError, self.client.messages, "lobby")
        self.assertIn("reads lobby already", str(failure))
        self.successResultOf(self.run_to(messages.aclose()))
        self.failureResultOf(self.next(messages), StopAsyncIteration)
        self.client.messages("lobby")

    def test_an_iterator_that_is_let_go_leaves(self) -> None:
        self.start()
        self.client.messages("lobby")
        gc.collect()
        self.assertEqual(self.hear(), [Sub("lobby"), Unsub("lobby")])

        async def first() -> Message:
            async with self.client.messages("other") as messages:
                async for message in messages:
                    return message
            raise AssertionError

        found = self.run_to(first())
        self.hear()
        said = self.say(Subbed("other", 0), msg(1, room="other"))
        self.assertEqual(self.successResultOf(found).seq, 1)
        self.assertEqual(said, [Unsub("other")])

    def test_answers_to_an_older_iterator_are_not_taken(self) -> None:
        self.start()
        old = self.client.messages("lobby", start=0)
        self.successResultOf(self.run_to(old.aclose()))
        new = self.client.messages("lobby")
        self.say(Subbed("lobby", 3), msg(1), Unsubbed("lobby"))
        self.say(Subbed("lobby", 3), msg(4))
        self.assertEqual(self.successResultOf(self.next(new)).seq, 4)
        self.successResultOf(self.run_to(new.aclose()))
        third = self.client.messages("lobby", start=99)
        self.successResultOf(self.run_to(third.aclose()))
        fourth = self.client.messages("lobby")
        self.say(Unsubbed("lobby"), Err("bad-args", "no", "SUB", "lobby"), Unsubbed("lobby"))
        self.say(Subbed("lobby", 4), msg(5))
        self.assertEqual(self.successResultOf(self.next(fourth)).seq, 5)

    def test_messages_for_nobody(self) -> None:
        self.start()
        self.say(msg(1), msg(1, room="@alice"), Unsubbed("lobby"), Join("lobby", "bob"))
        self.assertTrue(self.client.connected)

    def test_a_flood_is_left_drained_and_joined_again(self) -> None:
        self.start()
        messages = self.client.messages("lobby")
        self.say(Subbed("lobby", 0))
        payload = b"x" * 100_000
        said: list[Request] = []
        for seq in range(1, 100):
            said += self.say(msg(seq, payload))
        self.assertEqual(said, [Sub("lobby"), Unsub("lobby")][1:])
        self.assertLess(messages.waiting, UNREAD_BYTES // 100_000 + 2)
        self.say(Unsubbed("lobby"))
        read = 0
        while messages.waiting:
            read = self.successResultOf(self.next(messages)).seq
        self.assertEqual(self.hear(), [Sub("lobby", start=read + 1)])
        self.assertEqual(messages.overflows, 1)

    def test_presence(self) -> None:
        self.start()
        seen: list[object] = []
        messages = self.client.messages("lobby", presence=seen.append)
        self.assertEqual(self.hear(), [Sub("lobby", presence=True)])
        self.say(Join("lobby", "early"), Subbed("lobby", 0), Join("lobby", "bob"))
        self.say(Part("lobby", "bob"), Here("lobby", ["carol"], 3), Join("other", "dave"))
        self.assertEqual(
            [(type(event), event) for event in seen],
            [
                (Joined, Joined("lobby", "bob")),
                (Parted, Parted("lobby", "bob")),
                (Present, Present("lobby", ["carol"], 3)),
            ],
        )
        self.assertEqual(messages.dropped, 0)

    def test_a_presence_callback_that_fails(self) -> None:
        self.start()
        messages = self.client.messages("lobby", presence=lambda event: {}[event])
        self.say(Subbed("lobby", 0), Join("lobby", "bob"), msg(1))
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assertEqual(self.successResultOf(self.next(messages)).seq, 1)

    def test_direct_messages(self) -> None:
        self.start()
        directs = self.client.directs()
        self.assertRaises(ValueError, self.client.directs)
        self.say(msg(1, room="@alice"), Subbed("@", 1), Unsubbed("@"))
        self.assertEqual(self.successResultOf(self.next(directs)).room, "@alice")
        waiting = self.next(directs)
        self.assertEqual(self.again(), [])
        self.say(msg(2, room="@alice"))
        self.assertEqual(self.successResultOf(waiting).seq, 2)
        self.assertEqual((directs.dropped, directs.room), (0, "@"))


class AskingTests(Case):
    def test_questions(self) -> None:
        self.start()
        asked = [self.run_to(self.client.who(room)) for room in ("a", "b")]
        rooms = self.run_to(self.client.rooms())
        ping = self.run_to(self.client.ping())
        self.assertEqual([type(r) for r in self.hear()], [Who, Who, Rooms, Ping])
        self.reactor.advance(2)
        self.say(Here("b", ["x"], 0), RoomList([{"room": "a"}], 0), Pong("1"), Pong(None))
        self.assertEqual(self.successResultOf(asked[1]), ["x"])
        self.assertEqual(self.successResultOf(rooms), [{"room": "a"}])
        self.assertEqual(self.successResultOf(ping), 2)
        self.assertEqual(self.again(), [Who("a")])
        self.say(Err("bad-room", "no", "WHO", "a"))
        self.failureResultOf(asked[0], Refused)

    def test_lists_that_were_cut(self) -> None:
        self.start()
        who, rooms = self.run_to(self.client.who("a")), self.run_to(self.client.rooms())
        self.say(Here("a", ["x", "y"], 3), RoomList([], 0))
        names = self.successResultOf(who)
        self.assertEqual((names, names.cut), (["x", "y"], 3))
        self.assertEqual(self.successResultOf(rooms).cut, 0)

    def test_a_cancelled_question(self) -> None:
        self.start()
        asked = self.run_to(self.client.who("a"))
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.say(Here("a", [], 0))
        self.assertEqual(self.again(), [])

    def test_the_servers_questions_are_answered(self) -> None:
        self.start()
        self.assertEqual(self.say(Ping("t"), Ping()), [Pong("t"), Pong()])

    def test_a_silent_server_is_given_up(self) -> None:
        self.start()
        said: list[Request] = []
        for _ in range(3):
            self.reactor.advance(HEARTBEAT_SECONDS)
            said += self.hear()
        self.assertEqual(said, [Ping(), Ping()])
        self.say(Pong())
        for _ in range(3):
            self.assertTrue(self.client.connected)
            self.reactor.advance(HEARTBEAT_SECONDS)
        self.assertFalse(self.transport.disconnecting)
        self.reactor.advance(HEARTBEAT_SECONDS)
        self.assertTrue(self.transport.disconnecting)
        self.lose()
        self.assertIn("silent", self.told[-1])

    def upload(self, size: int = 1_000_000) -> bytearray:
        """Send a message over a slow line; return what of it waits."""
        waiting = bytearray(size)
        self.transport.dataBuffer, self.transport.offset = waiting, 0
        self.transport._tempDataLen = 0
        self.client.send("lobby", bytes(size))
        self.hear()
        return waiting

    def test_an_upload_that_goes_on_is_life(self) -> None:
        """A question would stand behind it: a line of 4 KB a second is busy for four minutes."""
        self.start()
        waiting = self.upload()
        for _ in range(8):
            self.assertEqual(self.hear(), [])
            del waiting[:122_880]
            self.reactor.advance(HEARTBEAT_SECONDS)
        self.assertTrue(self.client.connected)
        waiting.clear()  # the system has it all, and the server gets the rest of it
        self.reactor.advance(HEARTBEAT_SECONDS)
        self.reactor.advance(HEARTBEAT_SECONDS)
        self.assertEqual(self.hear(), [Ping(), Ping()])
        self.say(Ack(1, 1))
        self.assertTrue(self.client.connected)

    def test_an_upload_that_stands_still_is_given_up(self) -> None:
        self.start()
        waiting = self.upload()
        for _ in range(10):
            del waiting[:1]
            self.reactor.advance(HEARTBEAT_SECONDS)
        for _ in range(2):
            self.reactor.advance(HEARTBEAT_SECONDS)
            waiting.extend(bytes(128))  # the question stands behind it
            self.assertFalse(self.transport.disconnecting)
        self.reactor.advance(HEARTBEAT_SECONDS)
        self.assertTrue(self.transport.disconnecting)
        self.lose()
        self.assertEqual(
            self.told[-1],
            "the server took nothing of what was sent to it for 90 s, and 999990 bytes wait: see "
            "to the network, and to the server's machine",
        )

    def test_a_server_that_takes_only_questions_is_silent(self) -> None:
        """Its system takes them, and it is a process that hangs."""
        self.start()
        waiting = self.upload(0)
        for _ in range(3):
            self.reactor.advance(HEARTBEAT_SECONDS)
            self.assertEqual(len(waiting), 0)
        self.reactor.advance(HEARTBEAT_SECONDS)
        self.lose()
        self.assertIn("silent for 90 s", self.told[-1])

    def test_a_server_that_goes_is_listened_to(self) -> None:
        self.start()
        sent = self.client.send("lobby", "x")
        later = self.say(Bye("maintenance"))
        self.assertEqual([type(r) for r in later], [Pub, Goodbye])
        held = self.client.send("lobby", "y")
        self.assertEqual(self.say(Bye(), Ack(1, 1)), [])
        self.successResultOf(sent)
        self.assertNoResult(held)
        self.assertEqual(self.again(1), [Pub("lobby", b"y", 2)])
        self.assertIn("maintenance", self.told[1])
        self.say(Bye())
        self.reactor.advance(FAREWELL_SECONDS)
        self.assertTrue(self.transport.disconnecting)

    def test_what_is_not_understood(self) -> None:
        self.start()
        self.protocol.dataReceived(b"0 NEWS of tomorrow".ljust(128) + b"0".ljust(128))
        self.assertTrue(self.client.connected)
        self.protocol.dataReceived(b"0 ACK".ljust(128))
        self.lose(ConnectionDone())
        self.reactor.advance(0)
        self.assertTrue(self.client.closed)


class EndingTests(Case):
    def test_close_flushes_says_bye_and_waits(self) -> None:
        self.start()
        sent = self.client.send("lobby", "x")
        messages = self.client.messages("lobby")
        reading = self.next(messages)
        closing = self.run_to(self.client.close())
        self.failureResultOf(reading, StopAsyncIteration)
        self.failureResultOf(self.client.send("lobby", "late"), Disconnected)
        self.failureResultOf(self.next(self.client.messages("new")), StopAsyncIteration)
        self.assertEqual(self.hear(), [Pub("lobby", b"x", 1), Sub("lobby"), Unsub("lobby")])
        self.assertEqual(self.again(), [Pub("lobby", b"x", 1)])
        self.assertEqual(self.say(Ack(1, 1)), [Goodbye()])
        self.successResultOf(sent)
        self.assertNoResult(closing)
        self.lose(ConnectionDone())
        self.reactor.advance(0)
        self.successResultOf(closing)
        self.reactor.advance(60)
        self.assertEqual((self.attempts(), self.reactor.getDelayedCalls()), (2, []))
        self.assertTrue(self.client.closed)

    def test_close_gives_up_in_the_end(self) -> None:
        self.start()
        sent = self.client.send("lobby", "x")
        closing = self.run_to(self.client.close(5))
        self.reactor.advance(5)
        self.lose()
        self.reactor.advance(0)
        self.assertIn("1 messages", str(self.failureResultOf(closing, TimedOut).value))
        self.failureResultOf(sent, Disconnected)

    def test_close_when_the_goodbye_is_lost(self) -> None:
        self.start()
        closing = self.run_to(self.client.close())
        self.lose()
        self.reactor.advance(0)
        self.successResultOf(closing)
        self.assertEqual(self.attempts(), 1)

    def test_close_with_an_error_on_the_way(self) -> None:
        self.start()
        sent = self.client.send("lobby", "x")
        closing = self.run_to(self.client.close())
        self.say(Err("superseded", "no"))
        self.lose(ConnectionDone())
        self.reactor.advance(0)
        self.failureResultOf(sent, Superseded)
        self.failureResultOf(closing, Superseded)

    def test_close_of_what_was_never_connected(self) -> None:
        sent = self.client.send("lobby", "x")
        closing = self.run_to(self.client.close())
        self.reactor.advance(0)
        self.successResultOf(closing)
        self.failureResultOf(sent, ClientError)

    def test_leaving_the_context_closes(self) -> None:
        self.start()
        left = self.run_to(self.client.__aexit__(None, None, None))
        self.assertEqual(self.hear(), [Goodbye()])
        self.protocol.readConnectionLost()
        self.assertTrue(self.transport.disconnecting)
        self.lose(ConnectionDone())
        self.reactor.advance(0)
        self.successResultOf(left)

    def test_a_program_that_is_dropped_midway(self) -> None:
        """It ends at once: what awaits anything then, Python calls an error."""

        async def talk() -> None:
            async with self.client:
                await self.client.ping()

        async def close() -> None:
            await self.client.close()

        async def close_with_something_unsaid() -> None:
            self.client.send("lobby", "x").addErrback(lambda failure: failure.trap(Disconnected))
            await self.client.close()

        for program in (talk, close, close_with_something_unsaid):
            with self.subTest(program.__name__):
                self.setUp()
                self.start()
                running = program()
                running.send(None).addErrback(lambda _: None)
                running.close()
                self.assertTrue(self.client.closed)
                self.assertTrue(self.transport.disconnecting)
                self.lose()
                self.reactor.advance(0)
                self.assertEqual((self.attempts(), self.reactor.getDelayedCalls()), (1, []))

    def test_the_server_closes_without_a_word(self) -> None:
        self.start()
        self.protocol.readConnectionLost()
        self.assertTrue(self.transport.disconnecting)
        self.lose(ConnectionDone())
        self.assertIn("the server closed", self.told[-1])

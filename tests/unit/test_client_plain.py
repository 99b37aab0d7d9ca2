"""One plain connection, from its first frame to every kind of end."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from twisted_msg.client import (
    Disconnected,
    NotUnderstood,
    PlainConnection,
    PlainFactory,
    Refused,
    TimedOut,
    sendable,
)
from twisted_msg.client.connection import CLOSE_SECONDS
from twisted_msg.client.errors import TLSFailed
from twisted_msg.client.factory import HANDSHAKE_SECONDS
from twisted_msg.client.waiting import UNREAD_LIMIT
from twisted_msg.wire import encode_frame


class SendableTests(SynchronousTestCase):
    def test_what_nobody_would_be_shown_is_refused(self) -> None:
        for message in ("", b"", "!DISCONNECT!", "!ERROR! x"):
            with self.subTest(message):
                self.assertRaises(ValueError, sendable, message)

    def test_the_configured_word_counts(self) -> None:
        self.assertRaises(ValueError, sendable, "bye", b"bye")
        self.assertEqual(sendable("!DISCONNECT!", b"bye"), b"!DISCONNECT!")

    def test_text_is_utf_8(self) -> None:
        self.assertEqual(sendable("é"), b"\xc3\xa9")

    def test_what_the_header_cannot_announce_is_refused(self) -> None:
        self.assertEqual(len(sendable(b"x" * 9999, header_size=4)), 9999)
        self.assertRaises(ValueError, sendable, b"x" * 10000, header_size=4)


class PlainConnectionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.made: list[PlainConnection] = []
        self.lost: list[PlainConnection] = []
        self.connection, self.transport = self.connect()

    def connect(self, **options: object) -> tuple[PlainConnection, StringTransport]:
        factory = PlainFactory(
            self.clock,
            made=self.made.append,
            lost=self.lost.append,
            **options,  # type: ignore[arg-type]
        )
        connection = factory.buildProtocol(None)
        transport = StringTransport()
        connection.makeConnection(transport)
        return connection, transport

    def close(self, error: type[Exception] = ConnectionDone) -> None:
        self.connection.connectionLost(Failure(error()))

    def receive(self) -> Deferred[bytes]:
        return Deferred.fromCoroutine(self.connection.receive())

    def come(self, *payloads: bytes) -> None:
        self.connection.dataReceived(b"".join(map(encode_frame, payloads)))

    def test_it_joins_with_an_empty_frame(self) -> None:
        self.assertEqual(self.transport.value(), encode_frame(b""))
        self.assertEqual(self.made, [self.connection])

    def test_messages_go_out_as_frames_in_one_piece(self) -> None:
        self.transport.clear()
        self.successResultOf(self.connection.send_all([b"a", "é"]))
        self.assertEqual(self.transport.value(), encode_frame(b"a") + encode_frame(b"\xc3\xa9"))

    def test_nothing_is_sent_if_one_message_cannot_be(self) -> None:
        self.transport.clear()
        self.assertRaises(ValueError, self.connection.send_all, [b"a", b""])
        self.assertEqual(self.transport.value(), b"")

    def test_send_waits_while_the_transport_is_backed_up(self) -> None:
        self.connection.pauseProducing()
        sent = self.connection.send("x")
        self.assertNoResult(sent)
        self.connection.resumeProducing()
        self.successResultOf(sent)

    def test_a_lost_connection_ends_every_wait(self) -> None:
        self.connection.pauseProducing()
        sent, received = self.connection.send("x"), self.receive()
        self.close(ConnectionLost)
        self.failureResultOf(sent, Disconnected)
        self.failureResultOf(received, Disconnected)
        self.failureResultOf(self.connection.send("y"), Disconnected)
        self.assertEqual(self.lost, [self.connection])

    def test_keep_alives_are_no_messages(self) -> None:
        self.come(b"", b"one", b"")
        self.assertEqual(self.successResultOf(self.receive()), b"one")
        self.assertNoResult(self.receive())

    def test_too_much_unread_pauses_the_transport(self) -> None:
        half = b"x" * (UNREAD_LIMIT // 2)
        self.come(half, half)
        self.assertEqual(self.transport.producerState, "paused")
        self.successResultOf(self.receive()), self.successResultOf(self.receive())
        self.assertEqual(self.transport.producerState, "producing")

    def test_who_does_not_listen_keeps_nothing(self) -> None:
        self.connection, self.transport = self.connect(listen=False)
        self.come(b"x" * (UNREAD_LIMIT + 1))
        self.assertEqual(self.transport.producerState, "producing")
        self.assertNoResult(self.receive())

    def test_the_server_says_goodbye(self) -> None:
        self.come(b"last", b"!DISCONNECT!", b"never")
        self.assertTrue(self.transport.disconnecting)
        self.assertIsNone(self.transport.producer)
        self.close()
        self.assertEqual(self.successResultOf(self.receive()), b"last")
        self.assertTrue(self.failureResultOf(self.receive(), Disconnected).value.server_goes)

    def test_the_server_refuses(self) -> None:
        self.come(b"!ERROR! too-large send less")
        error = self.failureResultOf(self.receive(), Refused).value
        self.assertEqual((error.code, error.reason, error.final), ("too-large", "send less", False))

    def test_an_unframed_reply_is_not_understood_at_once(self) -> None:
        self.connection.dataReceived(b"Msg received")
        error = self.failureResultOf(self.receive(), NotUnderstood).value
        self.assertIn("--plain-reply", str(error))

    def test_missed_messages_are_not_final(self) -> None:
        self.come(b"!ERROR! missed 7")
        error = self.failureResultOf(self.receive(), Refused).value
        self.assertEqual((error.missed, error.reason, error.final), (True, "7", False))

    def test_an_error_without_words_is_one_all_the_same(self) -> None:
        self.come(b"!ERROR! ")
        self.assertEqual(self.failureResultOf(self.receive(), Refused).value.code, "internal")

    def test_what_is_no_frame_ends_it_without_an_answer(self) -> None:
        self.transport.clear()
        self.connection.dataReceived(b"Msg received" * 11)
        self.assertTrue(self.failureResultOf(self.receive(), NotUnderstood).value.final)
        self.assertEqual(self.transport.value(), b"")
        self.assertTrue(self.transport.disconnecting)

    def test_a_typed_frame_is_not_understood(self) -> None:
        self.connection.dataReceived(encode_frame(b"", ("BYE",)))
        self.failureResultOf(self.receive(), NotUnderstood)

    def test_a_message_above_the_limit_is_not_taken(self) -> None:
        self.connection, self.transport = self.connect(max_payload=10)
        self.come(b"x" * 11)
        self.assertIn("10 bytes", str(self.failureResultOf(self.receive(), NotUnderstood).value))

    def test_goodbye_is_over_when_the_server_has_closed(self) -> None:
        self.transport.clear()
        left = Deferred.fromCoroutine(self.connection.disconnect())
        self.assertEqual(self.transport.value(), encode_frame(b"!DISCONNECT!"))
        self.come(b"somebody else's")
        self.failureResultOf(self.connection.send("more"), Disconnected)
        self.connection.readConnectionLost()
        self.assertTrue(self.transport.disconnecting)
        self.assertNoResult(left)
        self.close()
        self.successResultOf(left)
        self.successResultOf(Deferred.fromCoroutine(self.connection.disconnect()))
        self.failureResultOf(self.receive(), Disconnected)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_goodbye_reads_on_though_much_is_unread(self) -> None:
        self.come(b"x" * (UNREAD_LIMIT + 1))
        Deferred.fromCoroutine(self.connection.disconnect())
        self.assertEqual(self.transport.producerState, "producing")
        self.close()

    def test_goodbye_has_a_deadline(self) -> None:
        left = Deferred.fromCoroutine(self.connection.disconnect(3.0))
        self.clock.advance(2.9)
        self.assertNoResult(left)
        self.clock.advance(0.2)
        self.failureResultOf(left, TimedOut)
        self.assertTrue(self.transport.disconnected)

    def test_a_cancelled_goodbye_cuts_the_connection(self) -> None:
        left = Deferred.fromCoroutine(self.connection.disconnect())
        left.cancel()
        self.failureResultOf(left)
        self.assertTrue(self.transport.disconnected)

    def test_goodbye_does_not_hide_a_refusal(self) -> None:
        left = Deferred.fromCoroutine(self.connection.disconnect())
        self.come(b"!ERROR! bad-header no")
        self.close()
        self.failureResultOf(left, Refused)

    def test_goodbye_that_was_perhaps_not_sent_is_no_confirmation(self) -> None:
        self.connection.pauseProducing()
        left = Deferred.fromCoroutine(self.connection.disconnect())
        self.connection.readConnectionLost()
        self.close()
        self.failureResultOf(left, Disconnected)

    def test_a_reset_is_no_confirmation(self) -> None:
        left = Deferred.fromCoroutine(self.connection.disconnect())
        self.close(ConnectionLost)
        self.failureResultOf(left, Disconnected)

    def test_a_transport_that_does_not_close_is_cut_off(self) -> None:
        self.come(b"!DISCONNECT!")
        self.clock.advance(CLOSE_SECONDS)
        self.assertTrue(self.transport.disconnected)

    def test_a_closed_transport_leaves_no_timer(self) -> None:
        self.come(b"!DISCONNECT!")
        self.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_abort_cuts_it(self) -> None:
        self.connection.abort()
        self.assertTrue(self.transport.disconnected)
        self.failureResultOf(self.receive(), Disconnected)


@implementer(ISSLTransport)
class TLSTransport(StringTransport):
    """A transport whose protocol hears when the TLS handshake is complete."""


class HandshakeTests(SynchronousTestCase):
    def begin(self) -> Any:
        self.clock = Clock()
        self.made: list[PlainConnection] = []
        self.lost: list[PlainConnection] = []
        factory = PlainFactory(self.clock, made=self.made.append, lost=self.lost.append)
        connection: Any = factory.buildProtocol(None)
        connection.makeConnection(TLSTransport())
        return connection

    def test_a_connection_is_made_when_the_handshake_is_complete(self) -> None:
        connection = self.begin()
        self.assertEqual(self.made, [])
        connection.handshakeCompleted()
        self.assertEqual(self.made, [connection])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_handshake_that_is_never_complete_ends_the_connection(self) -> None:
        connection = self.begin()
        self.clock.advance(HANDSHAKE_SECONDS)
        self.assertTrue(connection.transport.disconnected)
        connection.connectionLost(Failure(ConnectionAborted()))
        self.assertEqual((self.made, self.lost), ([], [connection]))
        self.assertIsInstance(connection.error, TLSFailed)
        self.assertIn("did not complete TLS within 30 s", str(connection.error))

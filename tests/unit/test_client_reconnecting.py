"""A client that comes back, and when it does not."""

from twisted.internet import error
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.client import CannotConnect, ClientError, Disconnected, PlainClient, Refused
from twisted_msg.client.reconnecting import LONGEST_RETRY, STEADY_SECONDS
from twisted_msg.wire import encode_frame


class PlainClientTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.told: list[str] = []
        self.client = PlainClient(
            self.reactor,
            TCP4ClientEndpoint(self.reactor, "server", 1),
            on_connected=lambda: self.told.append("connected"),
            on_lost=lambda reason: self.told.append(str(reason)),
            jitter=lambda: 0.5,
        )

    def start(self) -> "Deferred[None]":
        return Deferred.fromCoroutine(self.client.connect())

    def accept(self) -> StringTransport:
        """Accept the newest attempt."""
        self.protocol = self.reactor.tcpClients[-1][2].buildProtocol(None)
        transport = StringTransport()
        self.protocol.makeConnection(transport)
        return transport

    def lose(self, error: Exception | None = None) -> None:
        self.protocol.connectionLost(Failure(error or ConnectionLost()))

    def come(self, *payloads: bytes) -> None:
        self.protocol.dataReceived(b"".join(map(encode_frame, payloads)))

    def attempts(self) -> int:
        return len(self.reactor.tcpClients)

    def receive(self) -> "Deferred[bytes]":
        return Deferred.fromCoroutine(self.client.receive())

    def test_the_first_attempt_fails(self) -> None:
        started = self.start()
        self.reactor.tcpClients[0][2].clientConnectionFailed(
            self.reactor.connectors[0], Failure(error.ConnectionRefusedError())
        )
        self.reactor.advance(0)
        self.assertIn("tcpmsg serve", str(self.failureResultOf(started, CannotConnect).value))
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.failureResultOf(self.client.send("x"), CannotConnect)

    def test_the_first_attempt_fails_with_its_cause_explained(self) -> None:
        for cause, told in (
            (error.DNSLookupError(), "no such host"),
            (error.TimeoutError(), "no answer"),
            (error.NoRouteError(), "no route"),
            (error.ConnectError(osError=13), "Permission denied"),
            (OSError("of some kind"), "of some kind"),
        ):
            with self.subTest(told):
                self.setUp()
                started = self.start()
                self.reactor.tcpClients[0][2].clientConnectionFailed(
                    self.reactor.connectors[0], Failure(cause)
                )
                self.reactor.advance(0)
                failure = self.failureResultOf(started, CannotConnect)
                self.assertIn(told, str(failure.value))
                self.assertIs(failure.value.__cause__, cause)

    def test_several_attempts_fail(self) -> None:
        started = Deferred.fromCoroutine(self.client.connect(attempts=3))
        for attempt in range(3):
            self.assertNoResult(started)
            self.reactor.tcpClients[attempt][2].clientConnectionFailed(
                self.reactor.connectors[attempt], Failure(error.ConnectionRefusedError())
            )
            self.reactor.advance(10)
        self.failureResultOf(started, CannotConnect)
        self.assertEqual(self.attempts(), 3)

    def test_a_start_cancelled_late_tries_no_more(self) -> None:
        started = self.start()
        self.accept()
        started.cancel()
        self.assertTrue(self.client.closed)
        self.lose()
        self.reactor.pump([0, 0])
        self.failureResultOf(started, CancelledError)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_it_is_a_context(self) -> None:
        entered = Deferred.fromCoroutine(self.client.__aenter__())
        transport = self.accept()
        self.reactor.pump([0, 0])
        self.assertIs(self.successResultOf(entered), self.client)
        self.assertIs(self.client.__aiter__(), self.client)
        left = Deferred.fromCoroutine(self.client.__aexit__(ValueError, ValueError(), None))
        self.assertTrue(transport.disconnecting)
        self.lose()
        self.reactor.advance(0)
        self.successResultOf(left)

    def test_a_cancelled_start_tries_no_more(self) -> None:
        started = self.start()
        started.cancel()
        self.reactor.advance(0)
        self.failureResultOf(started, CancelledError)
        self.assertTrue(self.client.closed)

    def test_sends_wait_for_a_connection_and_keep_their_order(self) -> None:
        sent = [self.client.send("one"), self.client.send("two")]
        started = self.start()
        transport = self.accept()
        self.reactor.pump([0, 0])
        self.successResultOf(started)
        self.assertEqual(transport.value(), b"".join(map(encode_frame, (b"", b"one", b"two"))))
        for each in sent:
            self.successResultOf(each)

    def test_who_waited_goes_before_what_is_sent_on_the_way(self) -> None:
        self.client.send("one").addCallback(lambda _: self.client.send("three"))
        self.client.send("two")
        self.start()
        sent = self.accept().value()
        self.assertEqual(sent, b"".join(map(encode_frame, (b"", b"one", b"two", b"three"))))

    def test_it_comes_back_and_iteration_goes_on(self) -> None:
        self.start()
        self.accept()
        self.come(b"one", b"two")
        self.lose()
        self.assertEqual(self.successResultOf(self.receive()), b"one")
        waiting = [self.receive(), self.receive()]
        self.assertFalse(self.client.connected)
        self.reactor.advance(1)
        self.accept()
        self.come(b"three")
        self.assertEqual([self.successResultOf(each) for each in waiting], [b"two", b"three"])
        self.assertEqual(self.told, ["connected", "the connection was lost", "connected"])

    def test_what_was_handed_over_is_not_sent_twice(self) -> None:
        self.start()
        transport = self.accept()
        transport.producer.pauseProducing()
        sent = self.client.send("once")
        self.lose()
        self.failureResultOf(sent, Disconnected)
        self.reactor.advance(1)
        self.assertEqual(self.accept().value(), encode_frame(b""))

    def test_waits_grow_up_to_a_bound_and_begin_anew_after_a_steady_connection(self) -> None:
        self.start()
        waits = []
        for _ in range(12):
            self.accept()
            self.reactor.pump([0, 0])
            self.lose()
            (retry,) = self.reactor.getDelayedCalls()
            waits.append(retry.getTime() - self.reactor.seconds())
            self.reactor.advance(waits[-1])
        self.assertEqual(waits[:3], [0.5, 1.0, 2.0])
        self.assertEqual(waits[-1], LONGEST_RETRY)
        self.accept()
        self.reactor.advance(STEADY_SECONDS)
        self.lose()
        (retry,) = self.reactor.getDelayedCalls()
        self.assertEqual(retry.getTime() - self.reactor.seconds(), 0.5)

    def test_missed_is_told_and_tried_again(self) -> None:
        self.start()
        self.accept()
        self.come(b"!ERROR! missed 3")
        self.lose(ConnectionDone())
        self.assertIn("missed: 3", self.told[-1])
        self.reactor.advance(1)
        self.assertEqual(self.attempts(), 2)

    def test_some_refusals_are_final(self) -> None:
        for code in (b"bad-header", b"unauthorized", b"version"):
            with self.subTest(code):
                self.setUp()
                self.start()
                self.accept()
                waiting = self.receive()
                self.come(b"!ERROR! " + code + b" no")
                self.lose(ConnectionDone())
                self.failureResultOf(waiting, Refused)
                self.reactor.advance(60)
                self.assertEqual(self.attempts(), 1)
                self.failureResultOf(self.client.send("x"), Refused)
                self.assertEqual(self.told, ["connected"])

    def test_close_says_goodbye_and_tries_no_more(self) -> None:
        self.start()
        transport = self.accept()
        transport.clear()
        closed = Deferred.fromCoroutine(self.client.close())
        self.assertEqual(transport.value(), encode_frame(b"!DISCONNECT!"))
        self.lose(ConnectionDone())
        self.reactor.advance(0)
        self.successResultOf(closed)
        self.reactor.advance(60)
        self.assertEqual(self.attempts(), 1)
        self.failureResultOf(Deferred.fromCoroutine(self.client.__anext__()), StopAsyncIteration)

    def test_a_program_that_is_dropped_while_it_closes(self) -> None:
        self.start()
        transport = self.accept()
        closing = self.client.close()
        closing.send(None).addErrback(lambda _: None)
        closing.close()
        self.assertTrue(self.client.closed)
        self.assertTrue(transport.disconnecting)
        self.lose()
        self.reactor.pump([0, 0])
        self.assertEqual((self.attempts(), self.reactor.getDelayedCalls()), (1, []))

    def test_close_between_connections(self) -> None:
        self.start()
        self.accept()
        self.lose()
        waiting = self.client.send("never")
        closed = Deferred.fromCoroutine(self.client.close())
        self.reactor.advance(0)
        self.successResultOf(closed)
        self.failureResultOf(waiting, ClientError)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_a_bad_address_is_refused_at_once(self) -> None:
        for address in ("nonsense/", "foo:bar=baz"):
            with self.subTest(address):
                self.assertRaises(ValueError, PlainClient, self.reactor, address)

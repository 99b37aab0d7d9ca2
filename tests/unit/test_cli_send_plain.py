"""`send --plain` in memory: the original protocol, its goodbye and what can go wrong."""

import io
from collections.abc import AsyncIterator
from contextlib import redirect_stderr

from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.cli.exits import Exit, UsageError
from twisted_msg.cli.options import Common
from twisted_msg.cli.sending_plain import send_plain
from twisted_msg.client import CannotConnect, Refused, TimedOut
from twisted_msg.client.waiting import Gate
from twisted_msg.wire import encode_frame

COMMON = Common("unix:/server", None, 128, b"!DISCONNECT!", quiet=False, verbose=False)


class SendPlainTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.stderr = io.StringIO()
        redirected = redirect_stderr(self.stderr)
        redirected.__enter__()
        self.addCleanup(redirected.__exit__, None, None, None)

    def send(self, *pieces: list[bytes], name: str | None = None) -> Deferred[int]:
        async def source() -> AsyncIterator[list[bytes]]:
            for piece in pieces:
                yield piece

        common = Common("unix:/server", name, 128, b"!DISCONNECT!", quiet=False, verbose=False)
        return Deferred.fromCoroutine(send_plain(self.reactor, common, 5.0, source()))

    def accept(self) -> StringTransport:
        self.protocol = self.reactor.unixClients[0][1].buildProtocol(None)
        transport = StringTransport()
        self.protocol.makeConnection(transport)
        return transport

    def test_messages_then_goodbye_then_done(self) -> None:
        done = self.send([b"a", b"", b"b"], [b"c"], name="al")
        sent = self.accept().value()
        frames = (b"", b"al: a", b"al: b", b"al: c", b"!DISCONNECT!")
        self.assertEqual(sent, b"".join(map(encode_frame, frames)))
        self.assertNoResult(done)
        self.protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.successResultOf(done), Exit.DONE)
        self.assertIn("1 empty line was not sent", self.stderr.getvalue())

    def test_a_line_that_cannot_be_sent_ends_it_behind_the_good_ones(self) -> None:
        done = self.send([b"a", b"!ERROR! b", b"c"])
        frames = (b"", b"a", b"!DISCONNECT!")
        self.assertEqual(self.accept().value(), b"".join(map(encode_frame, frames)))
        self.protocol.connectionLost(Failure(ConnectionDone()))
        said = str(self.failureResultOf(done, UsageError).value)
        self.assertTrue(said.startswith("line 2: "), said)

    def test_cannot_connect(self) -> None:
        done = self.send([b"a"])
        self.reactor.unixClients[0][1].clientConnectionFailed(
            None, Failure(error.ConnectionRefusedError())
        )
        self.failureResultOf(done, CannotConnect)

    def test_no_answer_to_connecting(self) -> None:
        done = self.send([b"a"])
        self.reactor.advance(5)
        self.failureResultOf(done, TimedOut)

    def test_a_server_that_takes_nothing(self) -> None:
        gate = Gate()

        async def source() -> AsyncIterator[list[bytes]]:
            await gate.wait()
            yield [b"a"]

        done = Deferred.fromCoroutine(send_plain(self.reactor, COMMON, 5.0, source()))
        transport = self.accept()
        transport.producer.pauseProducing()
        gate.open()
        self.reactor.advance(5)
        self.failureResultOf(done, TimedOut)
        self.assertTrue(transport.disconnected)

    def test_no_confirmation(self) -> None:
        done = self.send([b"a"])
        transport = self.accept()
        self.reactor.advance(5)
        self.failureResultOf(done, TimedOut)
        self.assertTrue(transport.disconnected)

    def test_refused_while_the_input_stands_still(self) -> None:
        async def source() -> AsyncIterator[list[bytes]]:
            await Deferred()
            yield []

        done = Deferred.fromCoroutine(send_plain(self.reactor, COMMON, 5.0, source()))
        self.accept()
        self.protocol.dataReceived(encode_frame(b"!ERROR! busy later"))
        self.protocol.connectionLost(Failure(ConnectionDone()))
        self.failureResultOf(done, Refused)

"""What verbs do, in memory: sending, the shapes of recv, a conversation, exit codes."""

import io
import json
from collections.abc import AsyncIterator
from contextlib import redirect_stderr
from unittest import mock

from twisted.internet import error
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.cli import sending
from twisted_msg.cli.conversation import UNSENT_LIMIT, After, Conversation
from twisted_msg.cli.exits import Exit, UsageError
from twisted_msg.cli.options import Common
from twisted_msg.cli.running import Interrupted, OutputClosed, outcome, whichever
from twisted_msg.cli.shapes import json_line, raw_line, visible_line
from twisted_msg.client import (
    CannotConnect,
    ClientError,
    Disconnected,
    NotUnderstood,
    Refused,
    TimedOut,
)
from twisted_msg.client.waiting import Gate
from twisted_msg.wire import encode_frame

COMMON = Common("unix:/server", None, 128, b"!DISCONNECT!", quiet=False, verbose=False)


class SendTests(SynchronousTestCase):
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
        return Deferred.fromCoroutine(sending.send(self.reactor, common, 5.0, source()))

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

        done = Deferred.fromCoroutine(sending.send(self.reactor, COMMON, 5.0, source()))
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

        done = Deferred.fromCoroutine(sending.send(self.reactor, COMMON, 5.0, source()))
        self.accept()
        self.protocol.dataReceived(encode_frame(b"!ERROR! busy later"))
        self.protocol.connectionLost(Failure(ConnectionDone()))
        self.failureResultOf(done, Refused)

    def test_an_empty_text_is_refused(self) -> None:
        done = Deferred.fromCoroutine(sending.send(self.reactor, COMMON, 5.0, sending.single(b"")))
        self.accept()
        self.protocol.connectionLost(Failure(ConnectionDone()))
        self.failureResultOf(done, UsageError)


class ShapeTests(SynchronousTestCase):
    def test_raw(self) -> None:
        self.assertEqual(raw_line(b"\xff\x1b"), b"\xff\x1b\n")

    def test_for_terminals(self) -> None:
        self.assertEqual(visible_line(b"\xff\x1b\nb"), b"\\xff\\x1b\n    b\n")

    def test_json(self) -> None:
        row = json.loads(json_line("é\x7f\x1b".encode(), lambda: 1.5))
        self.assertEqual(
            row, {"room": "lobby", "seq": None, "from": None, "time": 1500, "text": "é\x7f\x1b"}
        )
        self.assertTrue(json_line("é\x7f\x1b\u202e".encode()).rstrip().decode().isprintable())
        self.assertEqual(json.loads(json_line(b"\xff"))["base64"], "/w==")


class FakeClient:
    """The part of `PlainClient` that a conversation uses."""

    def __init__(self) -> None:
        self.connected = True
        self.closed = False
        self.sent: list[bytes] = []
        self.gate = Gate(opened=True)
        self.incoming: list[bytes] = []

    def send(self, message: bytes) -> Deferred[None]:
        return self.gate.wait().addCallback(lambda _: self.sent.append(message))

    async def receive(self) -> bytes:
        if self.incoming:
            return self.incoming.pop(0)
        raise Disconnected("over")


class FakeScreen:
    def __init__(self) -> None:
        self.shown: list[bytes] = []
        self.said: list[str] = []

    def show(self, message: bytes) -> None:
        self.shown.append(message)

    def say(self, notice: str) -> None:
        self.said.append(notice)


class ConversationTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.client, self.screen = FakeClient(), FakeScreen()
        self.talk = Conversation(self.client, self.screen, name="al")  # type: ignore[arg-type]
        self.pump = Deferred.fromCoroutine(self.talk.send())

    def offline(self) -> None:
        self.client.connected = False
        self.client.gate.shut()

    def online(self) -> None:
        self.client.connected = True
        self.client.gate.open()

    def test_lines_are_sent_with_the_name(self) -> None:
        for line in (b"one", b"", b"   ", b"//me"):
            self.assertIs(self.talk.enter(line), After.GO_ON)
        self.assertEqual(self.client.sent, [b"al: one", b"al: /me"])

    def test_commands(self) -> None:
        self.assertIs(self.talk.enter(b"/quit"), After.LEAVE)
        self.talk.enter(b"/help")
        self.assertIn("/quit", "".join(self.screen.said))
        self.talk.enter(b"/quti now")
        self.assertIn("no command /quti; nothing was sent", self.screen.said[-1])
        self.assertEqual(self.client.sent, [])

    def test_what_cannot_be_sent_is_told(self) -> None:
        talk = Conversation(self.client, self.screen)  # type: ignore[arg-type]
        talk.enter(b"!DISCONNECT!")
        self.assertIn("not sent", self.screen.said[-1])
        self.assertEqual(talk.unsent, 0)

    def test_lines_typed_offline_are_kept_in_order_and_bounded(self) -> None:
        self.offline()
        for number in range(UNSENT_LIMIT + 1):
            self.talk.enter(b"%d" % number)
        self.assertIn("kept", self.screen.said[0])
        self.assertIn("wait already", self.screen.said[-1])
        waiting = Deferred.fromCoroutine(self.talk.room())
        self.assertNoResult(waiting)
        self.assertFalse(self.talk.complete())
        self.online()
        self.successResultOf(waiting)
        self.assertEqual(self.client.sent, [b"al: %d" % n for n in range(UNSENT_LIMIT)])
        self.assertTrue(self.talk.complete())

    def test_leaving_waits_for_what_is_typed_if_connected(self) -> None:
        self.offline()
        self.talk.enter(b"x")
        self.successResultOf(Deferred.fromCoroutine(self.talk.settle()))
        self.client.connected = True
        settled = Deferred.fromCoroutine(self.talk.settle())
        self.assertNoResult(settled)
        self.online()
        self.successResultOf(settled)

    def test_a_line_lost_with_its_connection_is_told_and_not_repeated(self) -> None:
        self.offline()
        self.talk.enter(b"x")
        self.client.gate, broken = Gate(opened=True), self.client.gate
        broken.fail(Disconnected("the connection was lost"))
        self.assertIn("may not have arrived", self.screen.said[-1])
        self.talk.enter(b"y")
        self.assertEqual(self.client.sent, [b"al: y"])

    def test_the_client_s_end_ends_it(self) -> None:
        self.offline()
        self.talk.enter(b"x")
        self.client.closed = True
        self.client.gate.fail(Disconnected("over"))
        self.failureResultOf(self.pump, Disconnected)

    def test_what_comes_is_shown(self) -> None:
        self.client.incoming = [b"1", b"2"]
        self.failureResultOf(Deferred.fromCoroutine(self.talk.listen()), Disconnected)
        self.assertEqual(self.screen.shown, [b"1", b"2"])


class OutcomeTests(SynchronousTestCase):
    def test_exit_codes(self) -> None:
        for problem, code, said in (
            (Interrupted(), 130, ""),
            (OutputClosed(), 0, ""),
            (BrokenPipeError(), 0, ""),
            (UsageError("u"), 2, "tcpmsg: u\n"),
            (CannotConnect("c"), 5, "tcpmsg: c\n"),
            (TimedOut("t"), 6, "tcpmsg: t\n"),
            (Refused("limit", "\x1b[2J"), 3, "limit: \\x1b[2J\n"),
            (Refused("unauthorized", "r"), 4, "unauthorized: r\n"),
            (Refused("busy", "r"), 75, "busy: r\n"),
            (NotUnderstood("n"), 3, "tcpmsg: n\n"),
            (Disconnected("d"), 5, "d; what was sent last"),
            (Disconnected("d", server_goes=True), 75, "d; what"),
            (ClientError("e"), 3, "e\n"),
            (KeyError("k"), 1, "unexpected error: KeyError: 'k' (-v says more)\n"),
        ):
            with self.subTest(repr(problem)):
                out = io.StringIO()
                with redirect_stderr(out):
                    self.assertEqual(outcome(problem), code)
                self.assertIn(said, out.getvalue())
                self.assertLessEqual(out.getvalue().count("\n"), 1)

    def test_verbose_shows_the_traceback(self) -> None:
        out = io.StringIO()
        with redirect_stderr(out):
            outcome(KeyError("k"), verbose=True)
        self.assertIn("KeyError: 'k'", out.getvalue().splitlines()[-1])

    def test_stderr_that_nobody_reads(self) -> None:
        with mock.patch("sys.stderr") as stderr:
            stderr.write.side_effect = BrokenPipeError()
            self.assertEqual(outcome(TimedOut("t")), 6)


class WhicheverTests(SynchronousTestCase):
    def test_the_first_end_cancels_the_others(self) -> None:
        gate, cancelled = Gate(), []

        async def first() -> None:
            await gate.wait()

        async def other() -> None:
            try:
                await Deferred()
            except CancelledError:
                cancelled.append(True)
                raise

        done = Deferred.fromCoroutine(whichever(first(), other()))
        self.assertNoResult(done)
        gate.open()
        self.successResultOf(done)
        self.assertEqual(cancelled, [True])

    def test_an_error_is_raised_as_it_is(self) -> None:
        async def fails() -> None:
            raise TimedOut("t")

        async def waits() -> None:
            await Deferred()

        done = Deferred.fromCoroutine(whichever(waits(), fails()))
        self.failureResultOf(done, TimedOut)

    def test_cancelling_it_cancels_all(self) -> None:
        async def waits() -> None:
            await Deferred()

        done = Deferred.fromCoroutine(whichever(waits(), waits()))
        done.cancel()
        self.failureResultOf(done, CancelledError)

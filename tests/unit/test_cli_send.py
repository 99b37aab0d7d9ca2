"""`send` in memory, with the test in the place of the server: acks, refusals, time, retries."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any
from unittest import mock

from twisted.internet import error
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.cli.exits import Exit, InUse, UsageError
from twisted_msg.cli.identity import Identity
from twisted_msg.cli.options import Common
from twisted_msg.cli.running import outcome
from twisted_msg.cli.sending import Order, send
from twisted_msg.client import CannotConnect, NotUnderstood, Refused, TimedOut
from twisted_msg.client.outbox import ROOM_BYTES
from twisted_msg.client.waiting import Gate
from twisted_msg.wire import FrameDecoder
from twisted_msg.wire.names import MAX_ID
from twisted_msg.wire.replies import Ack, Err, Msg, Welcome
from twisted_msg.wire.replies import Bye as ServerBye
from twisted_msg.wire.requests import Bye, Hello, Pub, Request, parse_request

COMMON = Common("unix:/server", "al", 128, b"", quiet=False, verbose=False, token="t0ken")


class SendTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.stderr = io.StringIO()
        redirected = redirect_stderr(self.stderr)
        redirected.__enter__()
        self.addCleanup(redirected.__exit__, None, None, None)
        self.more = Gate(opened=True)
        self.read = 0

    def send(self, *pieces: list[bytes], room: str = "hall", **order: Any) -> Deferred[int]:
        async def source() -> AsyncIterator[list[bytes]]:
            for piece in pieces:
                await self.more.wait()
                self.read += 1
                yield piece

        self.done = Deferred.fromCoroutine(
            send(self.reactor, COMMON, Order(room, 5.0, **order), source())
        )
        return self.done

    def accept(self, last_id: int = 0, name: str = "al", **details: Any) -> None:
        """Connect, and make the client welcome."""
        self.protocol = self.reactor.unixClients[-1][1].buildProtocol(None)
        self.transport = StringTransport()
        self.transport.abortConnection = self.gone  # type: ignore[method-assign]
        self.transport.loseConnection = self.gone  # type: ignore[method-assign]
        self.protocol.makeConnection(self.transport)
        self.decoder = FrameDecoder(128, 2**30)
        (self.hello,) = self.said()
        self.say(Welcome(name, last_id, {"last_id": last_id, **details}))

    def said(self) -> list[Request]:
        """What the client has said since the last call."""
        data = self.transport.value()
        self.transport.clear()
        return [parse_request(frame) for frame in self.decoder.feed(data)]

    def say(self, *replies: Any) -> None:
        self.protocol.dataReceived(b"".join(reply.encode() for reply in replies))

    def gone(self) -> None:
        """The connection is gone."""
        if not self.transport.disconnected:
            self.transport.disconnected = True
            self.protocol.connectionLost(Failure(ConnectionDone()))
            self.reactor.advance(0)

    def finish(self) -> None:
        """Take the goodbye, and see that all went well."""
        self.assertEqual([type(each) for each in self.said()], [Bye])
        self.gone()
        self.assertEqual(self.successResultOf(self.done), Exit.DONE)

    def failure(self, kind: type[Exception]) -> str:
        """Return what the run has failed with, as a text."""
        self.reactor.advance(0)
        return str(self.failureResultOf(self.done, kind).value)

    def test_done_is_stored(self) -> None:
        self.send([b"a", b""], [b"b"])
        self.accept()
        assert isinstance(self.hello, Hello)
        self.assertEqual((self.hello.name, self.hello.token), ("al", "t0ken"))
        pubs = [Pub("hall", b"a", 1), Pub("hall", b"", 2), Pub("hall", b"b", 3)]
        self.assertEqual(self.said(), pubs)
        self.say(Ack(2, 2))
        self.assertNoResult(self.done)
        self.say(Ack(3, 3))
        self.finish()
        self.assertEqual(self.stderr.getvalue(), "")

    def test_no_messages_at_all(self) -> None:
        self.send([])
        self.accept()
        self.finish()

    def test_the_input_is_read_as_acknowledgements_come(self) -> None:
        self.send(*[[b"x" * 100_000]] * 1000)
        self.accept()
        read = self.read
        self.assertLess(read * 100_000, ROOM_BYTES + 300_000)
        self.reactor.advance(1)
        self.assertEqual(self.read, read)
        self.say(Ack(read // 2, read // 2))
        self.say(Ack(read - 10, read - 10))
        self.assertGreater(self.read, read)
        self.gone()
        self.done.cancel()
        self.reactor.advance(0)
        self.failureResultOf(self.done, CancelledError)

    def test_a_taken_name_is_told(self) -> None:
        self.send([b"a"])
        self.accept(name="al2")
        self.say(Ack(1, 1))
        self.said()
        self.gone()
        self.assertEqual(self.stderr.getvalue(), "tcpmsg: the name al is taken: here you are al2\n")

    def test_a_lost_connection_is_made_again_and_nothing_is_new(self) -> None:
        self.send([b"a", b"b"])
        self.accept()
        first, second = self.said()
        self.gone()
        self.reactor.advance(1)
        self.accept(last_id=1)
        self.assertEqual(self.said(), [second])
        self.say(Ack(2, 2))
        self.finish()
        lost, again = self.stderr.getvalue().splitlines()
        self.assertIn("connection lost, trying again", lost)
        self.assertIn("connected again", again)
        self.assertEqual(first, Pub("hall", b"a", 1))

    def test_no_acknowledgement_in_time(self) -> None:
        self.send([b"a", b"b"])
        self.accept()
        self.reactor.advance(4.9)
        self.assertNoResult(self.done)
        self.reactor.advance(0.2)
        said = self.failure(TimedOut)
        self.assertIn("no acknowledgement within 5 s: 2 messages may be stored or not", said)
        self.assertIn("--client FILE", said)

    def test_a_full_disk(self) -> None:
        self.send([b"a", b"b"])
        self.accept()
        for _ in range(3):
            self.say(Ack(1, 1), Err("busy", "the disk is full", "PUB"))
            self.reactor.advance(1.5)
            if self.reactor.seconds() < 4:
                self.accept(last_id=1)
        self.reactor.advance(1)
        while not self.done.called:
            self.reactor.advance(5)
        error = self.failureResultOf(self.done, Refused).value
        with redirect_stderr(io.StringIO()):
            self.assertEqual(outcome(error), Exit.TRY_AGAIN)
        self.assertIn(
            "busy: the disk is full (no acknowledgement within 5 s for 1 mess", str(error)
        )
        self.assertIn("--client FILE", str(error))
        self.assertIn("trying again (the server refused it: busy: the disk", self.stderr.getvalue())

    def test_a_disk_that_was_full_for_a_while(self) -> None:
        self.send([b"a"])
        self.accept()
        self.say(Err("busy", "the disk is full", "PUB"))
        self.reactor.advance(1.5)
        self.accept()
        self.assertEqual(self.said(), [Pub("hall", b"a", 1)])
        self.say(Ack(1, 1))
        self.finish()

    def test_a_server_that_goes_before_welcome(self) -> None:
        self.send([b"a"])
        self.protocol = self.reactor.unixClients[-1][1].buildProtocol(None)
        self.transport = StringTransport()
        self.protocol.makeConnection(self.transport)
        self.say(ServerBye("the server stops: reconnect"))
        self.gone()
        self.reactor.advance(0)
        error = self.failureResultOf(self.done, CannotConnect).value
        with redirect_stderr(io.StringIO()):
            self.assertEqual(outcome(error), Exit.TRY_AGAIN)

    def test_time_counts_from_the_last_acknowledgement(self) -> None:
        self.send([b"a", b"b"])
        self.accept()
        self.reactor.advance(4)
        self.say(Ack(1, 1))
        self.reactor.advance(4)
        self.assertNoResult(self.done)
        self.reactor.advance(5)
        self.assertIn("1 message may be stored or not", self.failure(TimedOut))

    def test_input_that_stands_still_is_no_fault_of_the_server_s(self) -> None:
        self.more.shut()
        self.send([b"a"])
        self.accept()
        self.reactor.advance(100)
        self.more.open()
        self.reactor.advance(4)
        self.say(Ack(1, 1))
        self.reactor.advance(4)
        (_, bye) = [each for each in self.said() if isinstance(each, Pub | Bye)]
        self.assertIsInstance(bye, Bye)
        self.gone()
        self.assertEqual(self.successResultOf(self.done), Exit.DONE)

    def test_cannot_connect(self) -> None:
        self.send([b"a"])
        self.reactor.unixClients[0][1].clientConnectionFailed(
            None, Failure(error.ConnectionRefusedError())
        )
        self.assertIn("connection refused", self.failure(CannotConnect))

    def test_no_connection_in_time(self) -> None:
        self.send([b"a"])
        self.reactor.advance(5)
        self.assertIn("no connection to unix:/server within 5 s", self.failure(TimedOut))

    def test_a_server_of_another_width(self) -> None:
        self.send([b"a"])
        self.protocol = self.reactor.unixClients[-1][1].buildProtocol(None)
        self.transport = StringTransport()
        self.transport.loseConnection = self.gone  # type: ignore[method-assign]
        self.protocol.makeConnection(self.transport)
        self.protocol.dataReceived(b"3".ljust(64) + b"abc" + b"4".ljust(64) + b"abcd")
        self.assertIn("--header-size", self.failure(NotUnderstood))

    def test_a_message_above_the_limit(self) -> None:
        self.send([b"a", b"xx", b"b"])
        self.accept(max_payload=1)
        self.assertEqual(self.said(), [Pub("hall", b"a", 1)])
        self.say(Ack(1, 1))
        said = self.failure(Refused)
        self.assertIn("too-large: line 2 has 2 bytes, and this server takes 1", said)
        self.assertIn("the rest were not", said)

    def test_the_first_message_above_the_limit(self) -> None:
        self.send([b"xx"])
        self.accept(max_payload=1)
        self.assertEqual(self.said(), [])
        self.assertIn("nothing was sent", self.failure(Refused))

    def test_input_that_cannot_be_read_on(self) -> None:
        async def source() -> AsyncIterator[list[bytes]]:
            yield [b"a"]
            raise UsageError("a line is longer than that")

        self.done = Deferred.fromCoroutine(send(self.reactor, COMMON, Order("hall", 5.0), source()))
        self.accept()
        self.assertEqual(self.said(), [Pub("hall", b"a", 1)])
        self.assertNoResult(self.done)
        self.say(Ack(1, 1))
        self.assertIn("longer than that", self.failure(UsageError))

    def test_input_that_breaks_off(self) -> None:
        async def source() -> AsyncIterator[list[bytes]]:
            yield [b"one"]
            raise OSError(5, "Input/output error")

        done = Deferred.fromCoroutine(send(self.reactor, COMMON, Order("hall", 5.0), source()))
        self.accept()
        self.assertEqual(self.said(), [Pub("hall", b"one", 1)])
        self.reactor.advance(0)
        self.assertNoResult(done)  # what came before it is still waited for
        self.assertFalse(self.transport.disconnected)
        self.say(Ack(1, 7))
        self.reactor.advance(0)
        self.failureResultOf(done, OSError)

    def test_ids_that_are_used_up(self) -> None:
        done = self.send([b"one"])
        self.accept(MAX_ID)
        self.gone()
        self.reactor.advance(0)
        self.assertIn("no ids left", str(self.failureResultOf(done, UsageError).value))

    def test_a_direct_message_to_nobody(self) -> None:
        self.send([b"a"], [b"b"], room="@bob")
        self.accept()
        self.say(Err("absent", "nobody called bob", "PUB", "1"), Ack(1, 1))
        self.assertNoResult(self.done)  # what was sent behind it is settled first
        self.say(Ack(2, 2))
        self.assertIn("absent: nobody called bob", self.failure(Refused))

    def test_direct_messages_to_the_sender_are_said(self) -> None:
        self.send([b"a"])
        self.accept()
        self.said()
        self.say(Msg("@al", 1, "bob", 1, b"psst"), Ack(1, 1))
        self.said()
        self.say(Msg("@al", 2, "bob", 1, b"while it leaves"))
        self.gone()
        self.assertEqual(self.successResultOf(self.done), Exit.DONE)
        said = [f"direct message from bob: {text}" for text in ("psst", "while it leaves")]
        self.assertEqual(self.stderr.getvalue(), "".join(f"tcpmsg: {each}\n" for each in said))

    def test_a_direct_message_whose_outcome_is_unknown(self) -> None:
        self.send([b"a"], room="@bob")
        self.accept()
        self.gone()
        self.reactor.advance(1)
        self.accept(last_id=1)
        self.reactor.advance(0)
        self.assertIn("may have it or not", self.failure(Refused))

    def test_one_that_an_earlier_run_has_sent(self) -> None:
        self.send([b"a"], room="@bob", first_id=7)
        self.accept(last_id=7)
        self.reactor.advance(0)
        self.assertIn("it is not known whether bob has received", self.failure(Refused))

    def test_progress_on_a_terminal(self) -> None:
        terminal = io.StringIO()
        self.send([b"a"] * 2000, terminal=terminal)
        self.accept()
        self.say(Ack(1500, 1))
        self.assertEqual(terminal.getvalue(), "")
        self.reactor.advance(1)
        self.assertEqual(terminal.getvalue(), "\r\x1b[K1,500 messages stored")
        self.gone()
        self.assertTrue(terminal.getvalue().endswith("\r\x1b[K"))  # for the notice
        self.reactor.advance(1)
        self.accept(last_id=2000)
        self.said()
        self.gone()
        self.assertEqual(self.successResultOf(self.done), Exit.DONE)
        self.assertTrue(terminal.getvalue().endswith("\r\x1b[K"))

    def test_a_terminal_that_is_gone(self) -> None:
        terminal = io.StringIO()
        self.patch(terminal, "flush", mock.Mock(side_effect=BrokenPipeError()))
        self.send([b"a"], terminal=terminal)
        self.accept()
        self.reactor.advance(1)
        self.reactor.advance(1)
        self.assertEqual(terminal.getvalue().count("stored"), 1)
        self.said()
        self.say(Ack(1, 1))
        self.finish()

    def test_what_cannot_be_a_room(self) -> None:
        self.send([b"a"], room="a b")
        self.assertIn("a room's name is", self.failure(UsageError))
        self.send([b"a"], room="@")
        self.failure(UsageError)

    def test_a_retry_with_the_same_client_and_ids(self) -> None:
        path = self.mktemp()
        self.send([b"a", b"b"], client_file=path, first_id=41)
        self.accept()
        assert isinstance(self.hello, Hello)
        client = self.hello.client
        self.assertEqual(self.said(), [Pub("hall", b"a", 41), Pub("hall", b"b", 42)])
        self.reactor.advance(5)
        self.assertIn(f"the same command with --client {path} --id 41", self.failure(TimedOut))
        self.send([b"a", b"b"], [b"c"], client_file=path, first_id=41)
        self.accept(last_id=42)
        self.assertEqual(self.hello.client, client)
        self.assertEqual(self.said(), [Pub("hall", b"c", 43)])
        self.say(Ack(43, 3))
        self.finish()
        self.assertIn("2 messages were stored by an earlier run", self.stderr.getvalue())

    def test_a_message_that_is_stored_already(self) -> None:
        self.send([b"a"], client_file=self.mktemp(), first_id=41)
        self.accept(last_id=41)
        self.finish()
        self.assertIn("1 message was stored by an earlier run", self.stderr.getvalue())

    def test_an_id_below_the_last_one_may_be_a_new_message(self) -> None:
        self.send([b"a"], client_file=self.mktemp(), first_id=41)
        self.accept(last_id=42)
        self.assertIn("--id 41 is below 42", self.failure(UsageError))
        self.assertEqual(self.said(), [])

    def test_ids_go_on_where_the_client_stands(self) -> None:
        self.send([b"a"], client_file=self.mktemp())
        self.accept(last_id=7)
        self.assertEqual(self.said(), [Pub("hall", b"a", 8)])
        self.say(Ack(8, 1))
        self.finish()


class IdentityTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = self.mktemp()

    def test_a_new_one_is_kept_and_is_its_owner_s_alone(self) -> None:
        with Identity(self.path) as first:
            secret = first.secret
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)
        with Identity(self.path) as second:
            self.assertEqual(second.secret, secret)
        self.assertEqual(len(secret), 32)

    def test_one_run_at_a_time(self) -> None:
        with Identity(self.path):
            self.assertRaises(InUse, Identity, self.path)
        Identity(self.path).close()

    def test_a_file_that_others_may_open(self) -> None:
        Identity(self.path).close()
        os.chmod(self.path, 0o640)
        self.assertIn("chmod 600", str(self.assertRaises(UsageError, Identity, self.path)))

    def test_what_is_no_secret(self) -> None:
        for content in (b"short", b"\xff" * 32, b"with spaces in it, and long"):
            Path(self.path).write_bytes(content)
            os.chmod(self.path, 0o600)
            said = str(self.assertRaises(UsageError, Identity, self.path))
            self.assertIn("no secret", said)
            self.assertNotIn("short", said.replace(self.path, ""))

    def test_what_cannot_be_opened(self) -> None:
        for path in ("/dev/null", "/nonexistent/file", "/tmp"):
            with self.subTest(path):
                self.assertRaises(UsageError, Identity, path)

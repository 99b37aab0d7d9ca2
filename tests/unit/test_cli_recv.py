"""`recv` in memory, with the test in the place of the server, and a pipe for its output."""

from __future__ import annotations

import io
import json
import os
from contextlib import redirect_stderr
from dataclasses import replace
from functools import partial
from typing import Any

from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.cli import clients, receiving
from twisted_msg.cli.exits import Exit, UsageError
from twisted_msg.cli.options import Common
from twisted_msg.cli.receiving import RETRY_SECONDS, Order, receive
from twisted_msg.cli.running import OutputClosed
from twisted_msg.cli.shapes import Shape, json_line, raw_line
from twisted_msg.client import CannotConnect, ClientError, Gap, Refused, TimedOut
from twisted_msg.client.waiting import Gate
from twisted_msg.wire import FrameDecoder
from twisted_msg.wire.replies import Err, Live, Missed, Msg, Pong, Subbed, Welcome
from twisted_msg.wire.requests import Bye, Ping, Request, Sub, Unsub, parse_request

COMMON = Common("unix:/server", "al", 128, b"", quiet=False, verbose=False)


class FakeOutput:
    """Takes what is written, and fails when the test says that nobody reads."""

    def __init__(self) -> None:
        self.data = b""
        self.closed = Gate()
        self.finished = False

    def put(self, data: bytes) -> Deferred[None]:
        self.data += data
        return Gate(opened=True).wait()

    async def finish(self) -> None:
        self.finished = True


class RecvTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.output = FakeOutput()
        self.patch(receiving, "Output", lambda _: self.output)
        self.stderr = io.StringIO()
        redirected = redirect_stderr(self.stderr)
        redirected.__enter__()
        self.addCleanup(redirected.__exit__, None, None, None)

    def recv(
        self, shape: Shape = raw_line, common: Common = COMMON, *rooms: str, **order: Any
    ) -> None:
        self.done = Deferred.fromCoroutine(
            receive(self.reactor, common, shape, Order(rooms or ("hall",), **order))
        )

    def accept(self, name: str = "al") -> None:
        self.protocol = self.reactor.unixClients[-1][1].buildProtocol(None)
        self.transport = StringTransport()
        self.transport.abortConnection = self.gone  # type: ignore[method-assign]
        self.transport.loseConnection = self.gone  # type: ignore[method-assign]
        self.protocol.makeConnection(self.transport)
        self.decoder = FrameDecoder(128, 2**20)
        self.said()
        self.say(Welcome(name, 0, {}))

    def said(self) -> list[Request]:
        data = self.transport.value()
        self.transport.clear()
        return [parse_request(frame) for frame in self.decoder.feed(data)]

    def say(self, *replies: Any) -> None:
        self.protocol.dataReceived(b"".join(reply.encode() for reply in replies))

    def gone(self) -> None:
        if not self.transport.disconnected:
            self.transport.disconnected = True
            self.protocol.connectionLost(Failure(ConnectionDone()))
            self.reactor.advance(0)

    def test_a_number_of_messages(self) -> None:
        self.recv(number=2)
        self.accept()
        self.assertEqual(self.said(), [Sub("hall")])
        self.say(Subbed("hall", 6), Live("hall", 6), Msg("hall", 7, "bob", 1, b"a"))
        self.assertEqual(self.output.data, b"a\n")
        self.say(Msg("hall", 8, "bob", 2, b"b"), Msg("hall", 9, "bob", 3, b"c"))
        self.assertEqual(self.said(), [Unsub("hall"), Bye()])
        self.gone()
        self.assertEqual(self.successResultOf(self.done), Exit.DONE)
        self.assertEqual(self.output.data, b"a\nb\n")
        self.assertTrue(self.output.finished)

    def test_direct_messages_are_said_beside_the_room(self) -> None:
        self.recv(number=1)
        self.accept()
        self.say(Msg("@al", 1, "bob", 1, b"psst\x1b"), Subbed("hall", 6), Live("hall", 6))
        self.assertEqual(self.output.data, b"")
        self.say(Msg("hall", 7, "bob", 1, b"a"), Msg("@al", 2, "bob", 1, b"two"))
        self.say(Msg("@al", 3, "bob", 1, b"while it leaves"))
        self.gone()
        self.assertEqual(self.successResultOf(self.done), Exit.DONE)
        self.assertEqual(self.output.data, b"a\n")
        said = [f"tcpmsg: direct message from bob: {text}" for text in ("psst\\x1b", "two")]
        last = "tcpmsg: direct message from bob: while it leaves"
        self.assertEqual(self.stderr.getvalue().splitlines(), [*said, last])

    def test_direct_messages_are_said_by_a_quiet_reader_too(self) -> None:
        self.recv(common=replace(COMMON, quiet=True))
        self.accept()
        self.say(Msg("@al", 1, "bob", 1, b"psst"), Msg("@al", 2, "bob", 1, b"\x7fELF" + bytes(99)))
        said = ["psst", "ELF program, 103 bytes"]
        self.assertEqual(
            self.stderr.getvalue().splitlines(),
            [f"tcpmsg: direct message from bob: {each}" for each in said],
        )
        self.done.cancel()
        self.gone()
        self.failureResultOf(self.done)

    def test_direct_messages_begin_no_row_of_a_terminal(self) -> None:
        self.patch(clients, "columns", lambda stream: 60)
        self.recv()
        self.accept()
        self.say(Msg("@al", 1, "bob", 1, b"x" + b" " * 25 + b"tcpmsg: the server stops"))
        told = ["tcpmsg: direct message from bob: x", " " * 8 + "tcpmsg: the server stops"]
        self.assertEqual(self.stderr.getvalue().splitlines(), told)
        self.done.cancel()
        self.gone()
        self.failureResultOf(self.done)

    def test_direct_messages_are_what_was_asked_for(self) -> None:
        self.recv(raw_line, COMMON, "@al", number=2)
        self.accept()
        self.assertEqual(self.said(), [])
        self.say(Msg("@al", 5, "bob", 1, b"a"), Msg("@al", 6, "bob", 1, b"b"))
        self.assertEqual(self.said(), [Bye()])
        self.gone()
        self.assertEqual(self.successResultOf(self.done), Exit.DONE)
        self.assertEqual((self.output.data, self.stderr.getvalue()), (b"a\nb\n", ""))

    def test_direct_messages_to_a_name_that_is_taken(self) -> None:
        self.recv(raw_line, replace(COMMON, name="bob"), "@bob")
        self.accept()  # as al
        self.gone()
        error = self.failureResultOf(self.done, ClientError).value
        self.assertIn("the name bob is taken: direct messages to it go to another", str(error))

    def test_direct_messages_to_a_name_that_is_taken_during_a_reconnect(self) -> None:
        self.recv(raw_line, replace(COMMON, quiet=True), "@al")
        self.accept()
        self.gone()
        self.reactor.advance(1)
        self.accept("al-2")
        self.gone()
        error = self.failureResultOf(self.done, ClientError).value
        self.assertIn("the name al is taken: direct messages to it go to another", str(error))

    def test_json(self) -> None:
        self.recv(json_line)
        self.accept()
        self.say(Subbed("hall", 6), Live("hall", 6), Msg("hall", 7, "bob", 1, b"a"))
        self.assertEqual(
            json.loads(self.output.data),
            {"room": "hall", "seq": 7, "from": "bob", "time": 1, "text": "a"},
        )
        self.done.cancel()
        self.gone()
        self.failureResultOf(self.done)

    def test_where_to_begin(self) -> None:
        for order, asked in (
            ({"start": 0}, Sub("hall", 0)),
            ({"last": 3}, Sub("hall", last=3)),
            ({"since": 99}, Sub("hall", since=99)),
        ):
            with self.subTest(order):
                self.recv(until_end=True, **order)
                self.accept()
                self.assertEqual(self.said(), [asked])
                self.say(Subbed("hall", 1), Msg("hall", 1, "bob", 1, b"a"), Live("hall", 1))
                self.gone()
                self.assertEqual(self.successResultOf(self.done), Exit.DONE)

    def test_an_empty_history_has_an_end(self) -> None:
        self.recv(until_end=True, start=0, timeout=5.0)
        self.accept()
        self.say(Subbed("hall", 0), Live("hall", 0))
        self.gone()
        self.assertEqual(self.successResultOf(self.done), Exit.DONE)
        self.assertEqual(self.output.data, b"")

    def test_a_gap_is_told(self) -> None:
        self.recv(start=1)
        self.accept()
        self.say(Subbed("hall", 9), Missed("hall", 1, 8), Msg("hall", 9, "bob", 1, b"a"))
        self.assertEqual(self.output.data, b"a\n")
        self.assertIn("history has a gap: the messages 1 to 8 of hall", self.stderr.getvalue())
        self.done.cancel()
        self.gone()
        self.failureResultOf(self.done)

    def test_a_gap_ends_it_if_that_is_wanted(self) -> None:
        self.recv(start=1, strict=True)
        self.accept()
        self.say(Subbed("hall", 9), Msg("hall", 1, "bob", 1, b"a"), Missed("hall", 2, 9))
        self.gone()
        self.failureResultOf(self.done, Gap)
        self.assertEqual(self.output.data, b"a\n")
        self.assertTrue(self.output.finished)
        self.assertEqual(self.stderr.getvalue(), "")

    def test_it_goes_on_where_it_was(self) -> None:
        self.recv()
        self.accept()
        self.say(Subbed("hall", 6), Live("hall", 6), Msg("hall", 7, "bob", 1, b"a"))
        self.gone()
        self.reactor.advance(1)
        self.accept()
        self.assertEqual(self.said(), [Sub("hall", 8)])
        lost, again = self.stderr.getvalue().splitlines()
        self.assertIn("connection lost, trying again", lost)
        self.assertEqual(again, "tcpmsg: connected again")
        self.done.cancel()
        self.gone()
        self.failureResultOf(self.done)

    def test_quiet(self) -> None:
        self.recv(common=replace(COMMON, quiet=True))
        self.accept()
        self.gone()
        self.reactor.advance(1)
        self.accept()
        self.assertEqual(self.stderr.getvalue(), "")
        self.done.cancel()
        self.gone()
        self.failureResultOf(self.done)

    def test_verbose_tells_when_it_listens(self) -> None:
        self.recv(common=replace(COMMON, verbose=True))
        self.accept()
        (sub, ping) = self.said()
        assert isinstance(ping, Ping)
        self.assertEqual(sub, Sub("hall"))
        self.assertEqual(self.stderr.getvalue(), "")
        self.say(Subbed("hall", 0), Live("hall", 0), Pong(ping.token))
        self.assertIn("listening to hall", self.stderr.getvalue())
        self.done.cancel()
        self.gone()
        self.failureResultOf(self.done)

    def test_time_over(self) -> None:
        message = Msg("hall", 1, "bob", 1, b"a")
        for order, came, late in (
            ({}, (), "nothing came within 5 s"),
            ({"number": 2}, (message,), "only 1 of 2 messages came within 5 s"),
            ({"until_end": True, "start": 0}, (message,), "the end of the history was not"),
            ({}, (message,), ""),
        ):
            with self.subTest(order):
                self.recv(timeout=5.0, **order)
                self.accept()
                self.say(Subbed("hall", 9), *came)
                self.reactor.advance(5)
                self.gone()
                if late:
                    error = self.failureResultOf(self.done, TimedOut).value
                    self.assertIn(late, str(error))
                else:
                    self.assertEqual(self.successResultOf(self.done), Exit.DONE)

    def test_several_rooms(self) -> None:
        self.recv(partial(raw_line, several=True), COMMON, "hall", "attic", number=3, last=5)
        self.accept()
        self.assertEqual(self.said(), [Sub("hall", last=5), Sub("attic", last=5)])
        self.say(Subbed("hall", 6), Subbed("attic", 2))
        for seq, room in enumerate(("attic", "hall", "attic", "attic", "hall"), 7):
            self.say(Msg(room, seq, "bob", 1, b"%d" % seq))
        self.assertEqual(self.output.data, b"#attic 7\n#hall 8\n#attic 9\n")
        self.gone()
        self.assertEqual(self.successResultOf(self.done), Exit.DONE)

    def test_the_ends_of_several_rooms(self) -> None:
        self.recv(raw_line, COMMON, "hall", "attic", start=0, until_end=True)
        self.accept()
        self.say(Subbed("hall", 1), Msg("hall", 1, "bob", 1, b"a"), Live("hall", 1))
        self.assertNoResult(self.done)
        self.say(Subbed("attic", 1), Msg("attic", 1, "bob", 1, b"b"), Live("attic", 1))
        self.gone()
        self.assertEqual(self.successResultOf(self.done), Exit.DONE)
        self.assertEqual(self.output.data, b"a\nb\n")

    def test_one_of_several_rooms_is_refused(self) -> None:
        self.recv(raw_line, COMMON, "hall", "attic")
        self.accept()
        self.say(Subbed("hall", 1), Err("forbidden", "not yours", "SUB", "attic"))
        self.gone()
        self.failureResultOf(self.done, Refused)

    def refuse(self) -> None:
        """Refuse the newest attempt to connect."""
        self.reactor.unixClients[-1][1].clientConnectionFailed(
            None, Failure(error.ConnectionRefusedError())
        )
        self.reactor.pump([0, 0, 0])  # the turns in which the client ends

    def test_a_server_that_is_not_there(self) -> None:
        self.recv()
        self.refuse()
        self.failureResultOf(self.done, CannotConnect)

    def test_a_timeout_is_for_the_first_connection_too(self) -> None:
        for plain in (False, True):
            with self.subTest(plain=plain):
                self.stderr.truncate(0)
                common = replace(COMMON, plain=plain, disconnect_word=b"!DISCONNECT!")
                self.recv(common=common, timeout=3.0)
                for _ in range(2):
                    self.refuse()
                    attempts = len(self.reactor.unixClients)
                    self.reactor.advance(RETRY_SECONDS)
                    self.assertEqual(len(self.reactor.unixClients), attempts + 1)
                self.assertEqual(self.stderr.getvalue().count("trying again"), 1)
                self.reactor.advance(3)
                self.refuse()
                self.failureResultOf(self.done, CannotConnect)

    def test_a_server_that_does_not_answer_in_time(self) -> None:
        for plain in (False, True):
            with self.subTest(plain=plain):
                common = replace(COMMON, plain=plain, disconnect_word=b"!DISCONNECT!")
                self.recv(common=common, timeout=3.0)
                self.reactor.advance(3)
                self.refuse()
                error = self.failureResultOf(self.done, CannotConnect).value
                self.assertIn("no answer within 3 s", str(error))

    def test_a_server_that_comes_late(self) -> None:
        self.recv(timeout=3.0)
        self.refuse()
        self.reactor.advance(RETRY_SECONDS)
        self.accept()
        self.say(Subbed("hall", 9))
        self.reactor.advance(3)
        self.gone()
        self.failureResultOf(self.done, TimedOut)

    def test_refused(self) -> None:
        self.recv(start=99)
        self.accept()
        self.say(Err("bad-args", "the next message is 7", "SUB", "hall"))
        self.gone()
        self.assertIn("the next message is 7", str(self.failureResultOf(self.done, Refused).value))

    def test_what_cannot_be_a_room(self) -> None:
        done = Deferred.fromCoroutine(receive(self.reactor, COMMON, raw_line, Order(("a b",))))
        self.reactor.advance(0)
        self.failureResultOf(done, UsageError)

    def test_nobody_reads_any_more(self) -> None:
        self.recv()
        self.accept()
        self.say(Subbed("hall", 9))
        self.output.closed.fail(OutputClosed("over"))
        self.gone()
        self.failureResultOf(self.done, OutputClosed)


class PipeTests(SynchronousTestCase):
    def test_output_to_a_pipe(self) -> None:
        """A real descriptor: what is written is flushed before the end."""
        from twisted_msg.cli.streams import Output

        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.addCleanup(os.close, writing)
        reactor = MemoryReactorClock()
        output = Output(reactor, writing)
        output.put(b"a\n")
        finished = Deferred.fromCoroutine(output.finish())
        self.assertNoResult(finished)
        output.doWrite()
        output.connectionLost(Failure(ConnectionDone()))
        self.successResultOf(finished)
        self.assertEqual(os.read(reading, 10), b"a\n")

"""`who`, `rooms` and `ping` in memory: what they print, and a server that does not answer."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Coroutine
from contextlib import redirect_stderr
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.test_cli_recv import FakeOutput
from twisted_msg.cli import asking
from twisted_msg.cli import main as command
from twisted_msg.cli.exits import Exit, UsageError
from twisted_msg.client import Refused, TimedOut
from twisted_msg.wire import FrameDecoder
from twisted_msg.wire.replies import Err, Here, Msg, Pong, RoomList, Welcome
from twisted_msg.wire.requests import Ping, Request, Rooms, Who, parse_request


class AskingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.output = FakeOutput()
        self.patch(asking, "Output", lambda _: self.output)

        def run(work: Callable[[Any], Coroutine[Any, Any, int]], *, verbose: bool = False) -> int:
            self.done = Deferred.fromCoroutine(work(self.reactor))
            return 0

        self.patch(asking, "run", run)

    def ask(self, *words: str) -> Request:
        """Run a verb, make it welcome, and return what it asks."""
        command.main(["--server", "unix:/server", *words])
        self.protocol = self.reactor.unixClients[-1][1].buildProtocol(None)
        self.transport = StringTransport()
        self.transport.abortConnection = self.gone  # type: ignore[method-assign]
        self.transport.loseConnection = self.gone  # type: ignore[method-assign]
        self.protocol.makeConnection(self.transport)
        self.transport.clear()
        self.say(Welcome("guest-1", 0, {}))
        (request,) = (
            parse_request(frame) for frame in FrameDecoder(128, 99).feed(self.transport.value())
        )
        return request

    def say(self, *replies: Any) -> None:
        self.protocol.dataReceived(b"".join(reply.encode() for reply in replies))

    def gone(self) -> None:
        if not self.transport.disconnected:
            self.transport.disconnected = True
            self.protocol.connectionLost(Failure(ConnectionDone()))
            self.reactor.advance(0)

    def printed(self) -> str:
        """Say goodbye, and return what was printed."""
        self.gone()
        self.assertEqual(self.successResultOf(self.done), Exit.DONE)
        data, self.output.data = self.output.data, b""
        return data.decode()

    def test_who(self) -> None:
        self.assertEqual(self.ask("who", "hall"), Who("hall"))
        self.say(Here("hall", ["carol", "Bob"]))
        self.assertEqual(self.printed(), "Bob\ncarol\n")
        self.ask("who", "hall", "--json")
        self.say(Here("hall", ["bob"]))
        self.assertEqual(json.loads(self.printed()), {"room": "hall", "name": "bob"})

    def test_a_direct_message_that_comes_meanwhile_is_said(self) -> None:
        with redirect_stderr(io.StringIO()) as stderr:
            self.ask("who", "hall")
            self.say(Msg("@guest-1", 1, "bob", 1, b"psst"), Here("hall", []))
            self.assertEqual(self.printed(), "")
        self.assertEqual(stderr.getvalue(), "tcpmsg: direct message from bob: psst\n")

    def test_rooms(self) -> None:
        hall = {"room": "hall", "head": 1234, "members": 2, "later": "x"}
        evil = {"room": "\x1b[2J", "head": 1}
        self.assertEqual(self.ask("rooms"), Rooms())
        self.say(RoomList([hall, {"room": "Attic", "head": 7, "members": 10}, evil]))
        self.assertEqual(self.printed(), "\\x1b[2J\tNone\t1\nAttic\t10\t7\nhall\t2\t1234\n")
        self.ask("rooms", "--json")
        self.say(RoomList([hall]))
        self.assertEqual(json.loads(self.printed()), {"room": "hall", "members": 2, "seq": 1234})

    def test_a_room_that_is_no_text_is_not_shown(self) -> None:
        """A server may send any JSON where the name of a room should stand."""
        for flags in ((), ("--json",)):
            self.ask("rooms", *flags)
            self.say(RoomList([{"room": [[["hall"]]], "head": {"a": "\x1b"}, "members": 1.5}]))
            shown = self.printed()
            wanted = '{"room":null,"members":null,"seq":null}\n' if flags else "None\tNone\tNone\n"
            self.assertEqual(shown, wanted)

    def test_lists_that_were_cut(self) -> None:
        for flags, said in (((), "tcpmsg: and 1234 more, left out"), (("--quiet",), "")):
            for verb, reply in (
                (("who", "hall"), Here("hall", ["bob"], 1234)),
                (("rooms",), RoomList([], 1234)),
            ):
                with redirect_stderr(io.StringIO()) as stderr:
                    self.ask(*flags, *verb)
                    self.say(reply)
                    self.assertNotIn("1234", self.printed())
                self.assertEqual(stderr.getvalue()[: len(said) or None], said)

    def test_rooms_on_a_terminal(self) -> None:
        with mock.patch.object(sys.stdout, "isatty", return_value=True):
            self.ask("rooms")
            self.say(RoomList([{"room": "hall", "head": 1234, "members": 2}]))
            self.assertEqual(self.printed(), "room  members  newest\nhall        2    1234\n")
            self.ask("rooms")
            self.say(RoomList([]))
            self.assertEqual(self.printed(), "no rooms yet\n")

    def test_ping(self) -> None:
        for flags, expected in (
            ((), "unix:/server answered in 250.000 ms\n"),
            (("--json",), '{"server":"unix:/server","ms":250.0}\n'),
        ):
            ping = self.ask("ping", *flags)
            assert isinstance(ping, Ping)
            self.reactor.advance(0.25)
            self.say(Pong(ping.token))
            self.assertEqual(self.printed(), expected)

    def test_no_answer(self) -> None:
        self.ask("ping", "--timeout", "2")
        self.reactor.advance(2)
        error = self.failureResultOf(self.done, TimedOut).value
        self.assertIn("no answer from unix:/server within 2 s", str(error))

    def test_refused(self) -> None:
        self.ask("who", "hall")
        self.say(Err("forbidden", "not for you", "WHO", "hall"))
        self.reactor.advance(0)
        self.failureResultOf(self.done, Refused)

    def test_what_cannot_be_a_room(self) -> None:
        with self.assertRaises(ValueError):
            self.ask("who", "a b")
        self.reactor.advance(0)
        self.failureResultOf(self.done, UsageError)

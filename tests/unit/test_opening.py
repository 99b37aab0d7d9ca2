"""One port for frames and HTTP: the first byte decides, and frames lose nothing to it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.browsing import Answer, WebPipe, visitor
from tests.unit.world import World
from twisted_msg import server
from twisted_msg.connection import Connection
from twisted_msg.counts import End
from twisted_msg.deadlines import LINGER_SECONDS
from twisted_msg.door import TOLD_LIMIT
from twisted_msg.latecomer import WORD_SECONDS
from twisted_msg.opening import Speech, opening
from twisted_msg.server import STOP_SECONDS
from twisted_msg.web.channel import Channel
from twisted_msg.web.site import make_site

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class WebWorld(World):
    """A world whose port speaks HTTP as well, and which notes what the log says."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.site = make_site(self.server, ["box"])
        self.server.web = self.site

    def visitor(self, *, stuck: bool = False, host: str = "127.0.0.1") -> WebPipe:
        """Connect a peer that has said nothing yet."""
        return visitor(self, stuck=stuck, host=host)


class Lines:
    """What the log says while a test runs."""

    def __init__(self, test: SynchronousTestCase) -> None:
        self.lines: list[str] = []
        globalLogPublisher.addObserver(self._observe)
        test.addCleanup(globalLogPublisher.removeObserver, self._observe)

    def _observe(self, event: Any) -> None:
        if event.get("log_namespace") == "tcpmsg":
            self.lines.append(formatEvent(event))


class FirstByteTests(SynchronousTestCase):
    def test_methods(self) -> None:
        for method in (
            b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT",
        ):  # fmt: skip
            self.assertIs(opening(method + b" / HTTP/1.1\r\n"), Speech.HTTP)

    def test_tls(self) -> None:
        self.assertIs(opening(b"\x16\x03\x01\x02\x00"), Speech.TLS)

    def test_everything_else_is_frames(self) -> None:
        others = {bytes([byte]) for byte in range(256)} - {bytes([byte]) for byte in b"GHPDOTC\x16"}
        for first in (b"", *others):
            self.assertIs(opening(first), Speech.FRAMES)


class OnePortTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.log = Lines(self)
        self.world = WebWorld()

    def test_http_and_frames(self) -> None:
        visitor, peer = self.world.visitor(), self.world.visitor()
        visitor.say(GET)
        peer.say(self.world.frame(b"", "PING"))
        self.assertEqual(Answer(visitor.received).status, 200)
        self.assertEqual(peer.frames()[0].words, ("PONG",))
        self.assertIsInstance(visitor.protocol, Channel)
        self.assertIsInstance(peer.protocol, Connection)

    def test_a_byte_at_a_time(self) -> None:
        visitor = self.world.visitor()
        for at in range(len(GET)):
            visitor.say(GET[at : at + 1])
        self.assertEqual(Answer(visitor.received).status, 200)

    def test_only_the_first_byte_counts(self) -> None:
        peer = self.world.visitor()
        peer.say(b"0")
        peer.say(b" PING".ljust(127) + b"GET / HTTP/1.1\r\n\r\n".ljust(128))
        self.assertEqual([frame.words[0] for frame in peer.frames()], ["PONG", "ERR"])

    def test_a_visit_takes_over_the_place(self) -> None:
        visitor = self.world.visitor()
        self.assertEqual(self.world.server.connections, 1)
        visitor.say(GET)
        self.assertEqual(self.world.server.connections, 1)
        visitor.vanish()
        self.assertEqual(self.world.server.connections, 0)

    def test_who_asks_over_http_is_no_line_in_the_log(self) -> None:
        visitor = self.world.visitor()
        visitor.say(GET)
        visitor.vanish()
        self.assertEqual(self.log.lines, [])

    def test_who_errs_over_http_is_one(self) -> None:
        visitor = self.world.visitor()
        visitor.say(b"GET\r\n\r\n")
        visitor.vanish()
        (line,) = self.log.lines
        self.assertTrue(
            line.startswith("#1 127.0.0.1:1000 left: refused over HTTP, 400 this is no HTTP/1.1 "),
            line,
        )

    def test_tls_where_none_is_spoken(self) -> None:
        peer = self.world.visitor()
        peer.say(b"\x16\x03\x01\x02\x00\x01\x00")
        self.assertTrue(peer.half_closed)
        self.world.wait(LINGER_SECONDS + 1)
        self.assertTrue(peer.closed)
        (line,) = self.log.lines
        self.assertTrue(
            line.startswith("#1 127.0.0.1:1000 left: refused, bad-header: began TLS where "), line
        )

    def test_without_http(self) -> None:
        self.world.server.web = None
        peer = self.world.visitor()
        peer.say(GET.ljust(128))
        self.assertTrue(peer.payloads()[0].startswith(b"!ERROR! bad-header "))

    def test_through_a_wrapper_that_keeps_its_protocol_elsewhere(self) -> None:
        """As TLS and haproxy: do."""
        pipe: Any = WebPipe(1)
        pipe.wrappedProtocol = self.world.server.buildProtocol(pipe.address)
        pipe.wrappedProtocol.makeConnection(pipe)
        pipe.wrappedProtocol.dataReceived(GET)
        self.assertIsInstance(pipe.wrappedProtocol, Channel)
        self.assertEqual(Answer(pipe.received).status, 200)

    def test_a_transport_that_lets_nobody_take_over_speaks_frames(self) -> None:
        self.patch(server, "hand_over", lambda *_: False)
        peer = self.world.visitor()
        peer.say(GET.ljust(128))
        self.assertTrue(peer.payloads()[0].startswith(b"!ERROR! bad-header "))

    def test_a_visitor_that_came_while_publishers_must_wait_is_read_from(self) -> None:
        visitor = self.world.visitor()
        visitor.protocol.hold()
        self.assertFalse(visitor.reading)
        visitor.protocol.dataReceived(GET)
        self.assertTrue(visitor.reading)
        self.assertEqual(Answer(visitor.received).status, 200)

    def test_headers_of_another_width(self) -> None:
        world = WebWorld(header_size="64")
        visitor, peer = world.visitor(), world.visitor()
        visitor.say(GET)
        peer.say(b"5".ljust(64) + b"hello")
        self.assertEqual(Answer(visitor.received).status, 200)
        self.assertFalse(peer.closed)


class LatecomerTests(SynchronousTestCase):
    """Who finds no place is told so in the language that it speaks."""

    REASON = "all 1 places for connections are taken: try again later"

    def setUp(self) -> None:
        self.log = Lines(self)
        self.world = WebWorld(connections="1")
        self.inside = self.world.visitor()
        self.late = self.world.visitor()

    def assert_told_in_a_frame(self, pipe: WebPipe) -> None:
        self.assertEqual(pipe.payloads(), [f"!ERROR! busy {self.REASON}".encode()])
        self.assertTrue(pipe.half_closed or pipe.closed)

    def assert_forgotten(self) -> None:
        """Nothing is left of it, and its place among those who are told is free."""
        self.world.wait(LINGER_SECONDS + 1)
        self.assertTrue(self.late.closed)
        self.assertFalse(self.late.aborted)
        self.assertEqual(self.world.server.connections, 1)
        self.assertEqual(self.world.server.door._told, set())
        self.assertEqual(self.world.server.counts.ended[End.TURNED_AWAY], 1)
        self.assertEqual(len(self.log.lines), 1)
        self.assertIn("was turned away: " + self.REASON, self.log.lines[0])

    def test_over_http(self) -> None:
        for request in (
            GET,
            b"POST /v1/rooms/a/messages HTTP/1.1\r\nExpect: 100-continue\r\n",
            b"G",
        ):
            with self.subTest(request=request):
                self.setUp()
                self.late.say(request)
                answer = Answer(self.late.received)
                self.assertEqual(answer.error, (503, "busy", self.REASON))
                self.assertEqual(answer.headers["Connection"], "close")
                self.assertEqual(answer.headers["Retry-After"], "1")
                self.assertTrue(answer.whole)
                self.assertTrue(self.late.half_closed)
                for _ in range(3):
                    self.late.say(GET * 100)  # a body that is under way: nobody keeps it
                self.assertEqual(self.late.received.count(b"HTTP/"), 1)
                self.assert_forgotten()

    def test_in_frames(self) -> None:
        self.late.say(self.world.frame(b"", "HELLO"))
        self.assert_told_in_a_frame(self.late)
        self.assertEqual(self.late.received.count(b"!ERROR!"), 1)
        self.assert_forgotten()

    def test_tls_where_none_is_spoken(self) -> None:
        self.late.say(b"\x16\x03\x01")
        self.assert_told_in_a_frame(self.late)

    def test_one_that_says_nothing(self) -> None:
        self.assertEqual(self.late.received, b"")
        self.world.wait(WORD_SECONDS)
        self.assert_told_in_a_frame(self.late)
        self.assert_forgotten()

    def test_one_that_closes_its_side(self) -> None:
        self.late.close_input()
        self.assert_told_in_a_frame(self.late)
        self.assertTrue(self.late.closed)
        self.assert_forgotten()

    def test_one_that_vanishes(self) -> None:
        self.late.vanish()
        self.assertEqual(self.world.server.connections, 1)
        self.assertEqual(self.world.server.counts.ended[End.TURNED_AWAY], 1)

    def test_the_server_stops(self) -> None:
        stopped = ensureDeferred(self.world.server.drain())
        self.assert_told_in_a_frame(self.late)
        self.inside.vanish()
        self.late.close_input()
        self.successResultOf(stopped)

    def test_the_server_stops_and_it_reads_nothing(self) -> None:
        deaf = self.world.visitor(stuck=True)
        stopped = ensureDeferred(self.world.server.drain())
        self.world.wait(STOP_SECONDS)
        self.assertTrue(deaf.aborted)
        self.successResultOf(stopped)

    def test_it_is_cut_off_before_it_said_anything(self) -> None:
        self.late.protocol.abort()
        self.assertTrue(self.late.aborted)
        self.assertEqual(self.world.server.connections, 1)

    def test_too_many_of_them(self) -> None:
        self.patch(server, "drop", lambda transport: transport.abortConnection())
        others = [self.world.visitor() for _ in range(TOLD_LIMIT + 9)]
        self.assertEqual([each.aborted for each in others].count(True), 10)
        others[0].say(GET)
        self.assertEqual(Answer(others[0].received).status, 503)

    def test_where_no_http_is_spoken_it_is_told_at_once(self) -> None:
        self.world.server.web = None
        late = self.world.visitor()
        self.assert_told_in_a_frame(late)

    def test_a_transport_that_lets_nobody_take_over(self) -> None:
        self.patch(server, "hand_over", lambda *_: False)
        self.assert_told_in_a_frame(self.world.visitor())

    def test_through_a_wrapper_that_keeps_its_protocol_elsewhere(self) -> None:
        pipe: Any = WebPipe(7, stuck=True)
        pipe.wrappedProtocol = self.world.server.buildProtocol(pipe.address)
        pipe.wrappedProtocol.makeConnection(pipe)
        pipe.wrappedProtocol.dataReceived(GET)
        self.assertEqual(Answer(bytes(pipe.dataBuffer)).status, 503)
        self.assertEqual(pipe.closing, "both")

    def test_a_fault(self) -> None:
        self.patch(self.world.site, "receive", lambda number: 1 // 0)
        self.late.say(GET)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.world.wait(STOP_SECONDS)
        self.assertTrue(self.late.closed)

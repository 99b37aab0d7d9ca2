"""One port for frames and HTTP: the first byte decides, and frames lose nothing to it."""

from __future__ import annotations

from typing import Any

from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.browsing import Answer, WebPipe
from tests.unit.world import World
from twisted_msg import server
from twisted_msg.connection import Connection
from twisted_msg.deadlines import LINGER_SECONDS
from twisted_msg.opening import Speech, opening
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
        pipe = WebPipe(len(self.peers), stuck=stuck, host=host)
        pipe.protocol = self.server.buildProtocol(pipe.address)
        pipe.protocol.makeConnection(pipe)
        self.peers.append(pipe)
        return pipe


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

    def test_who_was_told_to_go_is_not_listened_to(self) -> None:
        world = WebWorld(connections="1")
        world.visitor()
        late = world.visitor()
        late.say(GET)
        self.assertEqual(late.payloads()[0][:13], b"!ERROR! busy ")

    def test_headers_of_another_width(self) -> None:
        world = WebWorld(header_size="64")
        visitor, peer = world.visitor(), world.visitor()
        visitor.say(GET)
        peer.say(b"5".ljust(64) + b"hello")
        self.assertEqual(Answer(visitor.received).status, 200)
        self.assertFalse(peer.closed)

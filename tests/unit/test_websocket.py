"""WebSocket: the same conversations, in messages; and what breaks the rules of RFC 6455."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.browsing import Answer, WebPipe
from tests.unit.test_opening import Lines, WebWorld
from tests.websockets import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    accepted,
    close,
    handshake,
    masked,
    parsed,
)
from twisted_msg.deadlines import FLUSH_SECONDS, HEARTBEAT_SECONDS, LINGER_SECONDS, SILENCE_SECONDS
from twisted_msg.web.websocket import EMPTY_LIMIT, WebConnection, WebSocket, head_of
from twisted_msg.wire import FrameDecoder, encode_frame


def typed(payload: bytes = b"", *words: str) -> bytes:
    return encode_frame(payload, words)


class Browser:
    """One WebSocket, as its client sees it."""

    def __init__(self, world: WebWorld, pipe: WebPipe) -> None:
        self.world = world
        self.pipe = pipe

    @property
    def frames(self) -> list[Frame]:
        """What came in WebSocket's frames."""
        frames, rest = parsed(self.pipe.received.partition(b"\r\n\r\n")[2])
        assert not rest, rest
        return frames

    @property
    def stream(self) -> bytes:
        return b"".join(each.payload for each in self.frames if each.code in (BINARY, CONTINUATION))

    @property
    def words(self) -> list[tuple[str, ...]]:
        return [frame.words for frame in FrameDecoder(128, 1 << 20).feed(self.stream)]

    @property
    def closed(self) -> tuple[int, bytes] | None:
        """The code and the reason of the server's Close."""
        for each in self.frames:
            if each.code == CLOSE:
                return int.from_bytes(each.payload[:2], "big"), each.payload[2:]
        return None

    def raw(self, data: bytes) -> None:
        """Send bytes, and end the turn."""
        self.pipe.say(data)
        self.world.turn()

    def say(self, *frames: bytes) -> None:
        self.raw(masked(b"".join(frames)))


class WebSocketCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.log = Lines(self)
        self.world = WebWorld()

    def browser(self, *, stuck: bool = False, host: str = "127.0.0.1") -> Browser:
        pipe = self.world.visitor(host=host)
        pipe.say(handshake())
        assert accepted(pipe.received), pipe.received
        pipe.stuck = stuck
        return Browser(self.world, pipe)

    def assert_failed(self, browser: Browser, code: int, reason: bytes = b"") -> None:
        """Check how a WebSocket was ended, and that the connection ends with it."""
        self.assertIsNotNone(browser.closed)
        assert browser.closed is not None
        self.assertEqual(browser.closed[0], code, browser.closed)
        self.assertIn(reason, browser.closed[1])
        self.world.wait(LINGER_SECONDS + 2)
        self.assertTrue(browser.pipe.closed)
        self.assertFalse(browser.pipe.aborted)


class HandshakeTests(WebSocketCase):
    def test_right(self) -> None:
        browser = self.browser()
        self.assertIsInstance(browser.pipe.protocol, WebSocket)
        self.assertEqual(self.log.lines, ["#1 127.0.0.1:1000 connected over WebSocket"])
        self.assertEqual(self.world.server.connections, 1)
        head = browser.pipe.received
        self.assertNotIn(b"Extensions", head)
        self.assertNotIn(b"Sec-WebSocket-Protocol", head)

    def test_headers_as_clients_write_them(self) -> None:
        for headers in (
            {"Connection": "keep-alive, Upgrade", "Upgrade": "WebSocket"},
            {"Connection": "upgrade"},
            {"Sec_WebSocket_Extensions": "permessage-deflate; client_max_window_bits"},
            {"Origin": "http://localhost"},
            {"Host": "box:8080", "Origin": "http://box:8080"},
            {"Host": "192.0.2.7:5050", "Origin": "http://192.0.2.7:5050"},
        ):
            pipe = self.world.visitor()
            pipe.say(handshake(**headers))
            self.assertTrue(accepted(pipe.received), (headers, pipe.received))
            self.assertNotIn(b"Extensions", pipe.received)

    def test_a_name_for_the_stream(self) -> None:
        for offered, told in (("tcpmsg", True), ("chat, tcpmsg", True), ("chat", False)):
            pipe = self.world.visitor()
            pipe.say(handshake(Sec_WebSocket_Protocol=offered))
            self.assertTrue(accepted(pipe.received))
            self.assertIs(b"\r\nSec-WebSocket-Protocol: tcpmsg\r\n" in pipe.received, told)

    def test_wrong(self) -> None:
        for status, reason, headers in (
            (426, "here a WebSocket begins", {"Upgrade": ""}),
            (426, "here a WebSocket begins", {"Connection": "close"}),
            (426, "13 is known", {"Sec_WebSocket_Version": "8"}),
            (426, "13 is known", {"Sec_WebSocket_Version": ""}),
            (426, "Sec-WebSocket-Key", {"Sec_WebSocket_Key": ""}),
            (426, "Sec-WebSocket-Key", {"Sec_WebSocket_Key": "c2hvcnQ="}),
            (426, "Sec-WebSocket-Key", {"Sec_WebSocket_Key": "!" * 24}),
            (403, "another origin", {"Origin": "http://evil.example"}),
            (403, "another origin", {"Origin": "http://localhost:81"}),
            (403, "another origin", {"Origin": "null"}),
            (403, "--web-host evil.example", {"Host": "evil.example"}),
            (400, "Host header is missing", {"Host": ""}),
        ):
            pipe = self.world.visitor()
            pipe.say(handshake(**headers))
            answer = Answer(pipe.received)
            self.assertEqual(answer.status, status, headers)
            self.assertIn(reason, answer.error[2])
            self.assertIsInstance(self.world.server.guests.all()[-1], type(pipe.protocol))

    def test_wrong_methods_and_versions(self) -> None:
        for old, new in ((b"GET", b"HEAD"), (b"GET", b"POST"), (b"HTTP/1.1", b"HTTP/1.0")):
            pipe = self.world.visitor()
            pipe.say(handshake().replace(old, new, 1))
            self.assertNotIn(b" 101 ", pipe.received[:20])

    def test_another_path(self) -> None:
        pipe = self.world.visitor()
        pipe.say(handshake("/ws/x"))
        self.assertEqual(Answer(pipe.received).status, 404)

    def test_what_comes_behind_it_at_once_is_taken(self) -> None:
        for cut in range(len(handshake()), len(handshake()) + 20):
            pipe = self.world.visitor()
            data = handshake() + masked(typed(b"", "PING", "a")) + masked(typed(b"", "PING", "b"))
            pipe.say(data[:cut])
            pipe.say(data[cut:])
            self.world.turn()
            self.assertEqual(Browser(self.world, pipe).words, [("PONG", "a"), ("PONG", "b")])

    def test_a_transport_that_cannot_be_taken_over(self) -> None:
        pipe: Any = self.world.visitor()
        pipe.say(b"GET ")
        pipe.elsewhere, pipe.protocol = pipe.protocol, None
        pipe.elsewhere.dataReceived(handshake()[4:])
        self.assertEqual(Answer(pipe.received).status, 426)

    def test_as_the_server_stops(self) -> None:
        pipe = self.world.visitor()
        pipe.say(handshake()[:10])
        self.world.server.stopping = True
        pipe.say(handshake()[10:])
        self.assertEqual(Browser(self.world, pipe).closed, (1000, b""))


class ConversationTests(WebSocketCase):
    def test_with_peers_of_all_kinds(self) -> None:
        browser, other, peer = self.browser(), self.browser(), self.world.member()
        browser.say(typed(b"", "SUB", "lobby"))
        other.say(encode_frame(b""))
        browser.say(typed(b"typed", "PUB", "lobby", "1"))
        other.say(encode_frame(b"plain"))
        self.world.say(peer, b"tcp")
        self.assertEqual([w[0] for w in browser.words][2:], ["ACK", "MSG", "MSG", "MSG"])
        self.assertEqual(peer.payloads(), [b"typed", b"plain"])
        self.assertEqual(other.stream, encode_frame(b"typed") + encode_frame(b"tcp"))
        names = {words[3] for words in browser.words if words[0] == "MSG"}
        self.assertEqual(names, {"guest-1", "guest-2", "guest-3"})

    def test_every_cut_of_the_stream(self) -> None:
        stream = typed(b"", "PING", "a") + typed(b"xy", "PUB", "lobby", "7")
        for size in (1, 2, 5, 127, 128, 129, 200):
            browser = self.browser()
            for at in range(0, len(stream), size):
                browser.raw(masked(stream[at : at + size]))
            self.assertEqual([words[0] for words in browser.words], ["PONG", "ACK"], size)

    def test_every_cut_of_what_carries_it(self) -> None:
        stream = (
            masked(typed(b"", "PING", "a")[:50], fin=False)
            + masked(b"?", PING)
            + masked(typed(b"", "PING", "a")[50:], CONTINUATION)
            + masked(b"")
            + masked(typed(b"x" * 300, "PUB", "lobby", "7"))
        )
        for cut in range(len(stream)):
            browser = self.browser()
            browser.raw(stream[:cut])
            browser.raw(stream[cut:])
            self.assertEqual([words[0] for words in browser.words], ["PONG", "ACK"], cut)
            self.assertIn(Frame(True, PONG, b"?"), browser.frames)

    def test_an_endless_message_is_taken_as_it_comes(self) -> None:
        browser = self.browser()
        browser.raw(masked(size=b"\x7f" + (1 << 62).to_bytes(8, "big"), mask=bytes(4)))
        for number in range(1, 4):
            browser.raw(typed(b"x" * 100_000, "PUB", "lobby", str(number)))
            self.assertEqual(browser.words[-1][:2], ("ACK", str(number)))
        engine = browser.pipe.protocol._engine._frame_decoder
        self.assertEqual(len(engine.buffer), 0)

    def test_headers_have_128_bytes_whatever_the_port_s_have(self) -> None:
        world = WebWorld(header_size="64", plain_reply="ok")
        pipe = world.visitor()
        pipe.say(handshake())
        browser = Browser(world, pipe)
        browser.say(encode_frame(b"hello"))
        self.assertEqual(browser.stream, b"ok")
        world = WebWorld(header_size="64")
        browsers = []
        for _ in range(2):
            pipe = world.visitor()
            pipe.say(handshake())
            browsers.append(Browser(world, pipe))
            browsers[-1].say(encode_frame(b""))
        peer = world.member()
        browsers[0].say(encode_frame(b"hello"))
        self.assertEqual(browsers[1].stream, encode_frame(b"hello"))
        self.assertEqual(peer.received, b"5".ljust(64) + b"hello")

    def test_large_messages(self) -> None:
        self.assertEqual(head_of(125), b"\x82\x7d")
        self.assertEqual(head_of(126), b"\x82\x7e\x00\x7e")
        self.assertEqual(head_of(65535), b"\x82\x7e\xff\xff")
        self.assertEqual(head_of(65536), b"\x82\x7f" + (65536).to_bytes(8, "big"))
        browser, peer = self.browser(), self.world.member()
        browser.say(encode_frame(b""))
        payload = bytes(range(256)) * 4096
        self.world.say(peer, payload, b"behind")
        self.assertEqual(browser.stream, encode_frame(payload) + encode_frame(b"behind"))

    def test_rates_hold_it_as_they_hold_tcp(self) -> None:
        self.world = WebWorld(rate_messages="10", rate_burst="1", limit_loopback="yes")
        browser = self.browser()
        browser.say(*[typed(b"", "PING")] * 50)
        self.assertFalse(browser.pipe.reading)
        self.assertLess(len(browser.words), 50)
        self.world.wait(6)
        self.assertEqual(len(browser.words), 50)
        browser.raw(masked(b"", PING) * 50)
        self.assertFalse(browser.pipe.reading)


class BackPressureTests(WebSocketCase):
    def test_who_does_not_read(self) -> None:
        slow, peer = self.browser(stuck=True), self.world.member()
        slow.say(encode_frame(b""))
        for number in range(100):
            self.world.say(peer, b"%d" % number * 10_000)
        self.assertLess(len(slow.pipe.dataBuffer), 200_000)
        self.assertTrue(slow.pipe.paused)
        slow.pipe.read_on()
        self.assertEqual(
            slow.stream, b"".join(encode_frame(b"%d" % n * 10_000) for n in range(100))
        )

    def test_a_ping_to_who_does_not_read_is_answered_once_it_does(self) -> None:
        slow, peer = self.browser(stuck=True), self.world.member()
        slow.say(encode_frame(b""))
        self.world.say(peer, *[b"x" * 50_000] * 4)
        held = len(slow.pipe.dataBuffer)
        for number in range(1000):
            slow.raw(masked(b"%d" % number, PING))
        self.assertEqual(len(slow.pipe.dataBuffer), held)
        slow.pipe.read_on()
        self.world.wait(1)
        pongs = [each.payload for each in slow.frames if each.code == PONG]
        self.assertEqual(pongs, [b"999"])
        slow.raw(masked(b"now", PING))
        self.assertEqual(slow.frames[-1], Frame(True, PONG, b"now"))

    def test_a_pong_that_waits_goes_before_the_next_message(self) -> None:
        slow, peer = self.browser(stuck=True), self.world.member()
        slow.say(encode_frame(b""))
        self.world.say(peer, *[b"x" * 50_000] * 3)
        slow.raw(masked(b"late", PING))
        slow.pipe.read_on()
        self.world.say(peer, b"next")
        self.assertIn(Frame(True, PONG, b"late"), slow.frames)
        self.assertTrue(slow.stream.endswith(encode_frame(b"next")))

    def test_answers_that_nobody_reads_stop_its_input(self) -> None:
        browser = self.browser(stuck=True)
        for _ in range(3000):
            if browser.pipe.reading:
                browser.raw(masked(typed(b"", "PING", "x" * 50)))
        self.assertFalse(browser.pipe.reading)
        self.assertLess(len(browser.pipe.dataBuffer), 300_000)
        browser.pipe.read_on()
        self.assertTrue(browser.pipe.reading)


class EndTests(WebSocketCase):
    def test_close_is_the_end_of_the_input(self) -> None:
        browser, peer = self.browser(), self.world.member()
        browser.raw(masked(encode_frame(b"last words")) + close(1001, b"going"))
        self.assertEqual(peer.payloads(), [b"last words"])
        self.assertEqual(browser.closed, (1001, b""))
        self.assertTrue(browser.pipe.closed)
        self.assertIn("#1 127.0.0.1:1000 left: closed its side", self.log.lines)

    def test_close_without_a_code(self) -> None:
        browser = self.browser()
        browser.raw(masked(b"", CLOSE))
        self.assertEqual(browser.frames, [Frame(True, CLOSE, b"")])
        self.assertTrue(browser.pipe.closed)

    def test_what_is_owed_comes_before_it(self) -> None:
        browser = self.browser()
        browser.raw(masked(typed(b"", "SUB", "lobby") + typed(b"x", "PUB", "lobby", "1")) + close())
        self.assertEqual([words[0] for words in browser.words], ["SUBBED", "LIVE", "ACK", "MSG"])
        self.assertEqual(browser.closed, (1000, b""))

    def test_goodbye(self) -> None:
        browser = self.browser()
        browser.say(typed(b"", "PING"), typed(b"", "BYE"), typed(b"", "PING"))
        self.assertEqual(browser.words, [("PONG",)])
        self.assertEqual(browser.closed, (1000, b""))
        self.assertFalse(browser.pipe.closed)
        browser.raw(close())
        self.assertTrue(browser.pipe.closed)

    def test_a_close_that_nobody_answers(self) -> None:
        browser = self.browser()
        browser.say(typed(b"", "BYE"))
        browser.raw(masked(b"still talking"))
        self.world.wait(LINGER_SECONDS + 2)
        self.assertTrue(browser.pipe.closed)
        self.assertFalse(browser.pipe.aborted)

    def test_a_close_that_nobody_reads(self) -> None:
        browser, peer = self.browser(stuck=True), self.world.member()
        browser.say(encode_frame(b""))
        self.world.say(peer, *[b"x" * 50_000] * 3)
        browser.say(encode_frame(b"!DISCONNECT!"))
        self.world.wait(FLUSH_SECONDS - 3)
        self.assertFalse(browser.pipe.closed)
        self.world.wait(5)
        self.assertTrue(browser.pipe.aborted)

    def test_a_half_close_without_close(self) -> None:
        browser, peer = self.browser(), self.world.member()
        browser.raw(masked(encode_frame(b"last words")))
        browser.pipe.close_input()
        self.world.turn()
        self.assertEqual(peer.payloads(), [b"last words"])
        self.assertEqual(browser.closed, (1000, b""))
        self.assertTrue(browser.pipe.closed)

    def test_a_half_close_behind_close(self) -> None:
        browser = self.browser()
        browser.raw(close())
        browser.pipe.protocol.readConnectionLost()
        browser.pipe.protocol.writeConnectionLost()
        self.assertEqual(len(browser.frames), 1)

    def test_it_vanishes(self) -> None:
        browser = self.browser()
        browser.say(typed(b"", "SUB", "lobby"))
        browser.pipe.vanish()
        self.assertEqual(self.world.server.connections, 0)
        self.assertIn("#1 127.0.0.1:1000 left: the connection was lost", self.log.lines)

    def test_an_error_ends_it_with_its_code_and_sentence(self) -> None:
        browser = self.browser()
        browser.say(b"?" * 128)
        self.assertTrue(browser.stream[128:].startswith(b"!ERROR! bad-header "))
        self.assert_failed(browser, 1008, b"bad-header a header is 128 ASCII bytes")
        self.assertLessEqual(len(browser.closed[1]), 123)  # type: ignore[index]

    def test_the_server_stops(self) -> None:
        browser, silent, slow = self.browser(), self.browser(), self.browser(stuck=True)
        browser.say(typed(b"", "HELLO"))
        slow.say(encode_frame(b""))
        self.world.say(self.world.member(), *[b"x" * 50_000] * 3)
        stopped = ensureDeferred(self.world.server.drain())
        self.world.turn()
        self.assertEqual(browser.words[-1], ("BYE",))
        for each in (browser, silent):
            self.assertEqual(each.closed, (1001, b"the server stops: reconnect"))
            each.raw(close(1001))
            self.assertTrue(each.pipe.closed)
        self.world.wait(6)
        self.successResultOf(stopped)
        self.assertTrue(slow.pipe.aborted)

    def test_the_end_comes_in_the_middle_of_a_message(self) -> None:
        """Whoever has it so does not care for the rest; a Close would be taken for a part of it."""
        browser = self.browser()
        browser.pipe.protocol._left = 5
        browser.pipe.protocol.loseConnection()
        browser.pipe.protocol.loseConnection()
        self.assertTrue(browser.pipe.aborted)

    def test_a_peer_s_close_after_a_stop_has_been_said(self) -> None:
        browser = self.browser()
        browser.say(typed(b"", "HELLO"))
        connection = browser.pipe.protocol.connection
        connection.transport.reason = "the server stops"
        browser.raw(masked(b"", CLOSE))
        self.assertEqual(browser.frames[-1], Frame(True, CLOSE, b""))


class ViolationTests(WebSocketCase):
    """Frames that break RFC 6455, most of them from the Autobahn TestSuite's cases 2 to 7."""

    def assert_violation(self, data: bytes, code: int = 1002, reason: bytes = b"") -> None:
        for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
            browser, peer = self.browser(), self.world.member()
            browser.raw(masked(encode_frame(b"before")))
            for piece in pieces:
                browser.raw(piece)
            browser.raw(masked(encode_frame(b"behind")))
            self.assertEqual(peer.payloads(), [b"before"])
            self.assert_failed(browser, code, reason)
            peer.vanish()

    def test_text(self) -> None:
        self.assert_violation(masked(b"hello", TEXT), 1003, b"messages are binary here")
        self.assert_violation(masked(b"", TEXT), 1003)
        self.assert_violation(masked(b"hel", TEXT, fin=False), 1003)
        self.assert_violation(masked(b"\xff\xfe", TEXT), 1007)

    def test_reserved_bits(self) -> None:
        for rsv in range(1, 8):
            self.assert_violation(masked(b"x", rsv=rsv))
            self.assert_violation(masked(b"x", PING, rsv=rsv))

    def test_reserved_kinds(self) -> None:
        for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
            self.assert_violation(masked(b"", code))

    def test_bare_frames(self) -> None:
        for code in (BINARY, PING, CLOSE):
            self.assert_violation(masked(b"", code, mask=b""))

    def test_control_frames_that_are_too_long_or_cut(self) -> None:
        self.assert_violation(masked(b"x" * 126, PING))
        self.assert_violation(masked(b"x" * 126, PONG))
        self.assert_violation(masked(b"\x03\xe8" + b"x" * 124, CLOSE))
        self.assert_violation(masked(b"x", PING, fin=False))
        self.assert_violation(masked(b"x", CLOSE, fin=False))

    def test_sizes_told_in_more_bytes_than_they_need(self) -> None:
        self.assert_violation(masked(b"x", size=b"\x7e\x00\x01"))
        self.assert_violation(masked(b"x", size=b"\x7f" + (1).to_bytes(8, "big")))
        self.assert_violation(masked(b"x", size=b"\x7f" + (1 << 63).to_bytes(8, "big")))

    def test_fragments_out_of_order(self) -> None:
        self.assert_violation(masked(b"x", CONTINUATION))
        self.assert_violation(masked(b"", CONTINUATION, fin=False))
        self.assert_violation(masked(b"", fin=False) + masked(b"y"))
        self.assert_violation(masked(b"", fin=False) + masked(b"y", TEXT))

    def test_fragments_in_order(self) -> None:
        browser, peer = self.browser(), self.world.member()
        hello = encode_frame(b"hello")
        browser.raw(
            masked(b"", fin=False)
            + masked(hello[:100], CONTINUATION, fin=False)
            + masked(b"1", PING)
            + masked(b"", CONTINUATION, fin=False)
            + masked(b"unasked", PONG)
            + masked(hello[100:], CONTINUATION)
        )
        self.assertEqual(peer.payloads(), [b"hello"])
        self.assertEqual(browser.frames, [Frame(True, PONG, b"1")])

    def test_closes(self) -> None:
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
            self.assert_violation(close(code))
        self.assert_violation(masked(b"\x03", CLOSE))
        self.assert_violation(close(1000, b"\xff\xfe"), 1007)
        self.assert_violation(
            close(1000, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"), 1007
        )
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
            browser = self.browser()
            browser.raw(close(code, "☃".encode()))
            self.assertEqual(browser.closed, (code, b""))
            self.assertTrue(browser.pipe.closed)

    def test_pings(self) -> None:
        for payload in (b"", b"x" * 125, bytes(range(125)), b"\xff\xfe"):
            browser = self.browser()
            browser.raw(masked(payload, PING))
            self.assertEqual(browser.frames, [Frame(True, PONG, payload)])

    def test_floods_of_frames_without_content(self) -> None:
        for flood in (masked(b"", PING), masked(b"", PONG), masked(b"", mask=bytes(4))):
            browser = self.browser()
            browser.raw(flood * EMPTY_LIMIT)
            self.assertIsNone(browser.closed)
            browser.raw(flood * (EMPTY_LIMIT + 1))
            self.assert_failed(browser, 1008, b"too many empty frames")

    def test_one_line_in_the_log(self) -> None:
        browser = self.browser()
        browser.raw(masked(b"hello", TEXT))
        self.world.wait(LINGER_SECONDS + 2)
        self.assertEqual(
            self.log.lines[1:],
            ["#1 127.0.0.1:1000 left: refused, WebSocket: messages are binary here"],
        )


class SilenceTests(WebSocketCase):
    def test_a_silent_peer_is_asked_by_a_ping_and_its_pong_counts(self) -> None:
        browser = self.browser()
        browser.say(encode_frame(b""))
        for number in range(1, 10):
            self.world.wait(HEARTBEAT_SECONDS + 1)
            self.assertEqual(browser.frames, [Frame(True, PING, b"")] * number)
            browser.raw(masked(b"", PONG))
        self.assertFalse(browser.pipe.closed)

    def test_who_said_hello_is_asked_by_frames(self) -> None:
        browser = self.browser()
        browser.say(typed(b"", "HELLO"))
        self.world.wait(HEARTBEAT_SECONDS + 2)
        self.assertEqual(browser.words[1:], [("PING",)])
        self.assertNotIn(PING, [each.code for each in browser.frames])

    def test_one_that_does_not_answer_is_given_up(self) -> None:
        browser = self.browser()
        browser.say(encode_frame(b""))
        self.world.wait(SILENCE_SECONDS + 2)
        self.assertTrue(browser.stream[128:].startswith(b"!ERROR! timeout "))
        self.assert_failed(browser, 1008, b"timeout ")

    def test_one_that_never_said_anything_too(self) -> None:
        browser = self.browser()
        self.world.wait(SILENCE_SECONDS + 2)
        self.assert_failed(browser, 1008, b"timeout ")

    def test_one_that_is_sent_something_need_not_be_asked(self) -> None:
        browser, peer = self.browser(stuck=True), self.world.member()
        browser.say(encode_frame(b""))
        self.world.say(peer, *[b"x" * 50_000] * 3)
        held = len(browser.pipe.dataBuffer)
        connection: WebConnection = browser.pipe.protocol.connection
        connection.transport.ping()
        self.assertEqual(len(browser.pipe.dataBuffer), held)


class CarriedTests(WebSocketCase):
    """What a connection may ask of its transport."""

    def test_addresses(self) -> None:
        socket = self.browser().pipe.protocol
        self.assertEqual(socket.getPeer().port, 1000)
        self.assertEqual(socket.getHost().port, 5050)

    def test_writing_without_an_outlet(self) -> None:
        browser = self.browser()
        browser.pipe.protocol.write(b"hello")
        self.assertEqual(browser.frames, [Frame(True, BINARY, b"hello")])

"""Visits over HTTP: what bounds them, how they end, and what is refused whatever is asked."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from tests.unit.browsing import Answer, WebPipe
from tests.unit.test_opening import GET, Lines, WebWorld
from twisted_msg import server
from twisted_msg.deadlines import FLUSH_SECONDS, LINGER_SECONDS, PAYLOAD_RATE
from twisted_msg.server import STOP_SECONDS
from twisted_msg.web.api.exchange import Exchange
from twisted_msg.web.channel import (
    BARE_LF,
    HEAD_SIZE,
    HEADER_LINES,
    IDLE_SECONDS,
    NO_CHUNK,
    REQUEST_SECONDS,
)
from twisted_msg.web.site import WebFactory

LIMIT = 1024 * 1024


class Slow(Resource):
    """Answers when the test says so."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Any] = []

    def render_GET(self, request: Any) -> int:
        self.requests.append(request)
        request.notifyFinish().addErrback(lambda _: self.requests.remove(request))
        return NOT_DONE_YET

    def render_POST(self, request: Any) -> bytes:
        return b"%d" % len(request.content.read())

    def answer(self, data: bytes = b"done") -> None:
        request = self.requests.pop(0)
        request.write(data)
        request.finish()


class Faulty(Resource):
    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        if request.query:
            request.write(b"part")
        raise ZeroDivisionError


class SiteCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.log = Lines(self)
        self.world = self.begin()

    def begin(self, **options: Any) -> WebWorld:
        self.world = WebWorld(**options)
        self.slow = Slow()
        self.world.site.resource.putChild(b"slow", self.slow)
        self.world.site.resource.putChild(b"faulty", Faulty())
        return self.world

    def visit(self, *data: bytes, stuck: bool = False) -> WebPipe:
        pipe = self.world.visitor(stuck=stuck)
        for piece in data:
            pipe.say(piece)
            self.turns()
        return pipe

    def turns(self) -> None:
        """Let the server do what it has put off to its next turns."""
        clock = self.world.clock
        while any(call.getTime() <= clock.seconds() for call in clock.calls):
            clock.advance(0)

    def answer(self, *data: bytes) -> Answer:
        return Answer(self.visit(*data).received)

    def assert_over(self, pipe: WebPipe) -> None:
        """Check that a visit ends, and so that its last answer can be read."""
        self.assertTrue(pipe.half_closed or pipe.closed)
        self.world.wait(LINGER_SECONDS + 1)
        self.assertTrue(pipe.closed)
        self.assertFalse(pipe.aborted)


def request(path: str = "/slow", method: str = "GET", *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class AskingTests(SiteCase):
    def test_the_page(self) -> None:
        answer = self.answer(GET)
        self.assertEqual(answer.status, 200)
        self.assertIn(b"<title>tcpmsg</title>", answer.body)
        for name in ("Content-Security-Policy", "X-Content-Type-Options", "Date"):
            self.assertIn(name, answer.headers)
        self.assertTrue(answer.headers["Server"].startswith("tcpmsg/"))

    def test_its_head(self) -> None:
        pipe = self.visit(GET.replace(b"GET", b"HEAD"))
        answer = Answer(pipe.received, "HEAD")
        self.assertGreater(int(answer.headers["Content-Length"]), 100)
        self.assertTrue(pipe.received.endswith(b"\r\n\r\n"))

    def test_what_is_not_there(self) -> None:
        for path in ("/x", "/x/y", "//", "/%2e%2e/etc/passwd", "/../x", "/?", "/v1", "/metrics/x"):
            answer = self.answer(request(path))
            self.assertEqual(answer.status, 200 if path == "/?" else 404, path)
        self.assertEqual(
            self.answer(request("/x")).error,
            (404, "absent", "there is nothing here; / shows what there is"),
        )

    def test_methods(self) -> None:
        for method in ("POST", "DELETE", "OPTIONS"):
            answer = self.answer(request("/", method))
            self.assertEqual(answer.status, 405)
            self.assertEqual(answer.headers["Allow"], "GET, HEAD")
        for method in ("TRACE", "CONNECT", "PROPFIND", "GETS", "PRI"):
            answer = self.answer(request("/", method))
            self.assertEqual(answer.status, 405)
            self.assertEqual(answer.error[1], "bad-verb")
            self.assertIn("no other methods than GET", answer.error[2])

    def test_for_a_proxy(self) -> None:
        for target in ("http://localhost/", "localhost:80", "*", "x", "http://evil.example/"):
            answer = self.answer(request(target))
            self.assertEqual(answer.error[:2], (400, "bad-args"))
            self.assertIn("ask for a path", answer.error[2])

    def test_hosts_and_origins(self) -> None:
        for head, status in (
            ("GET / HTTP/1.1\r\n", 400),
            ("GET / HTTP/1.0\r\n", 200),
            ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: box\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: box\r\nOrigin: http://box\r\nOrigin: http://box\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: box\r\nOrigin: http://box\r\n", 200),
            ("GET / HTTP/1.1\r\nHost: box\r\nOrigin: http://evil\r\n", 403),
            ("GET / HTTP/1.1\r\nHost: evil\r\nOrigin: http://evil\r\n", 403),
            ("GET /v1/rooms HTTP/1.1\r\nHost: evil\r\n", 403),
            ("GET /metrics HTTP/1.1\r\nHost: evil\r\n", 403),
            ("GET /v1/rooms HTTP/1.1\r\nHost: \xff\r\n", 403),
        ):
            self.assertEqual(self.answer(f"{head}\r\n".encode("latin-1")).status, status, head)

    def test_many_in_a_row_and_at_once(self) -> None:
        pipe = self.visit(GET * 3)
        for _ in range(2):
            pipe.say(GET)
        self.assertEqual(pipe.received.count(b"HTTP/1.1 200 OK"), 5)
        pipe.say(request("/", "GET", "Connection: close") + GET)
        self.assertEqual(pipe.received.count(b"HTTP/1.1 200 OK"), 6)
        self.assert_over(pipe)

    def test_one_behind_another_waits(self) -> None:
        pipe = self.visit(request() + GET + request())
        self.assertEqual(pipe.received, b"")
        self.slow.answer()
        self.turns()
        self.assertEqual(pipe.received.count(b"HTTP/1.1 200 OK"), 2)
        self.assertEqual(len(self.slow.requests), 1)

    def test_one_that_began_behind_another_is_late_as_any(self) -> None:
        """In one read with what came before it, whether that ends with a line or within one."""
        for rest in (b"GET / HTTP", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: lo", b"\n"):
            for before in (GET, request("/", "POST", body=b"x"), GET * 2):
                with self.subTest(rest=rest, before=before):
                    late, cut = self.visit(before + rest), self.visit(before + rest)
                    cut.close_input()
                    self.assertIn(b"the input ended inside a request", cut.received)
                    self.world.wait(REQUEST_SECONDS + 1)
                    self.assertIn(b"HTTP/1.1 408 ", late.received)

    def test_an_empty_line_behind_a_request_begins_none(self) -> None:
        for data in ((GET + b"\r\n",), (GET, b"\r\n")):
            pipe = self.visit(*data)
            self.world.wait(REQUEST_SECONDS + 1)
            self.assertFalse(pipe.closed or pipe.half_closed)
            pipe.close_input()
            self.assertTrue(pipe.closed)
            self.assertEqual(pipe.received.count(b"HTTP/1.1 "), 1)

    def test_a_form_is_a_body(self) -> None:
        kind = "Content-Type: multipart/form-data; boundary=x"
        self.assertEqual(self.answer(request("/slow", "POST", kind, body=b"no form")).body, b"7")
        kind = "Content-Type: application/x-www-form-urlencoded"
        self.assertEqual(self.answer(request("/slow", "POST", kind, body=b"a=1")).body, b"3")

    def test_a_fault(self) -> None:
        pipe = self.visit(request("/faulty"))
        self.assertEqual(Answer(pipe.received).error[:2], (500, "internal"))
        pipe.say(GET)
        self.assertIn(b"200 OK", pipe.received)
        half = self.visit(request("/faulty?x=1"))
        self.assertTrue(half.aborted)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_a_fault_of_the_parser_s(self) -> None:
        self.patch(self.world.site, "getContentFile", lambda length: 1 // 0)
        other = self.visit()
        pipe = self.visit(GET)
        self.assertTrue(pipe.aborted)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertFalse(other.closed)


class BoundTests(SiteCase):
    def assert_refused(self, status: int, code: str, *data: bytes) -> None:
        pipe = self.visit(*data)
        answer = Answer(pipe.received)
        self.assertEqual(answer.error[:2], (status, code))
        self.assertEqual(answer.headers["Connection"], "close")
        pipe.say(GET)  # which was on its way
        self.assertNotIn(b" 200 OK", pipe.received)
        self.assert_over(pipe)

    def test_heads(self) -> None:
        line = b"GET / HTTP/1.1\r\n"
        for status, text, data in (
            (414, "request line is over 16384 bytes", b"GET /" + b"x" * HEAD_SIZE),
            (
                414,
                "request line is over 16384 bytes",
                b"GET /" + b"x" * (HEAD_SIZE - 14) + line[5:],
            ),
            (431, "head is over 16384 bytes", line + b"X: " + b"x" * HEAD_SIZE),
            (431, "head is over 16384 bytes", line + b"X: " + b"x" * (HEAD_SIZE - 20) + b"\r\n"),
            (431, "head is over 16384 bytes", line + (b"X: " + b"y" * 1000 + b"\r\n") * 20),
            (431, "more than 64 header lines", line + b"X: y\r\n" * (HEADER_LINES + 1)),
        ):
            with self.subTest(text, head=data[:30]):
                self.assertIn(text, self.answer(data + b"\r\n\r\n").error[2])
                self.assert_refused(status, "too-large", data + b"\r\n\r\n")

    def test_the_largest_heads(self) -> None:
        host = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
        for head in (
            host + b"X: " + b"x" * (HEAD_SIZE - len(host) - 5) + b"\r\n",
            host + b"X: y\r\n" * (HEADER_LINES - 1),
            host.replace(b"/", b"/?" + b"&".join(b"a%d=" % n for n in range(64)), 1),
        ):
            pipe = self.visit(*[head + b"\r\n"] * 3)
            self.assertEqual(pipe.received.count(b"HTTP/1.1 200 OK"), 3)

    def test_parameters(self) -> None:
        for path in ("/", "/healthz", "/v1/rooms", "/nowhere"):
            answer = self.answer(request(path + "?" + "&" * 64))
            self.assertEqual(answer.error[:2], (400, "bad-args"))
            self.assertIn("more than 64 parameters", answer.error[2])

    def test_a_path_of_slashes(self) -> None:
        for path in ("/" * 9000, "/v1" + "/" * 9000, "/healthz/" + "a/" * 4000):
            self.assertEqual(self.answer(request(path)).status, 404)

    def test_folded_headers(self) -> None:
        upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        for fold in (b" ", b"\t", b" X: y", b"\tchunked", b" \t "):
            for path, lines in ((b"/", b""), (b"/ws", upgrade)):
                host = b"Host: localhost\r\n"
                for head in (
                    fold + b"\r\n" + host + lines,
                    host + fold + b"\r\n" + lines,
                    host + lines + fold + b"\r\n",
                    host + b"Transfer-Encoding:\r\n" + fold + b"\r\n" + lines,
                ):
                    data = b"GET " + path + b" HTTP/1.1\r\n" + head + b"\r\n"
                    with self.subTest(data):
                        self.assertIn("white space", self.answer(data).error[2])
                        self.assert_refused(400, "bad-header", data)
                        pieces = [data[at : at + 1] for at in range(len(data))]
                        self.assert_refused(400, "bad-header", *pieces)
                        behind = self.visit(GET + data)
                        self.assertIn(b"HTTP/1.1 400 ", behind.received)

    def test_what_is_no_http(self) -> None:
        for data in (
            b"GET\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/2.0\r\n\r\n", b"GET  / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"GET / HTTP/1.1\r\nbad name: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nX : y\r\n\r\n", b"GET / HTTP/1.1\r\nX: a\0b\r\n\r\n",
            b"GET / HTTP/1.1\r\nX: a\nY: b\r\n\r\n", b"GET / HTTP/1.1\r\nX: a\rY: b\r\n\r\n",
            b"GET / HTTP/1.1 x\r\n\r\n", b"HELLO name=alice\r\n", b"PUB lobby\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ):  # fmt: skip
            self.assert_refused(400, "bad-header", data)

    def test_which_part_cannot_be_read(self) -> None:
        body = request("/slow", "POST", "Transfer-Encoding: chunked")
        for data, words in (
            (b"GET /caf\xc3\xa9 HTTP/1.1\r\n\r\n", "this is no HTTP/1.1 request"),
            (GET + b"GET /\r\n\r\n", "this is no HTTP/1.1 request"),
            (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", "a header line"),
            (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "a header line"),
            (body + b"x\r\n", "a chunk of the body"),
            (body + b"3\r\nabc\r\n0\r\n\r\nGET\r\n\r\n", "this is no HTTP/1.1 request"),
        ):
            with self.subTest(data):
                self.assertIn(f'"text":"{words}'.encode(), self.visit(data).received)

    def test_smuggling(self) -> None:
        head = b"POST /slow HTTP/1.1\r\nHost: localhost\r\n"
        for lines in (
            b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
            b"Content-Length: 3\r\nContent-Length: 4\r\n",
            b"Content-Length: 3\r\nContent-Length: 3\r\n",
            b"Content-Length: +3\r\n",
            b"Content-Length: -3\r\n",
            b"Content-Length: 3, 3\r\n",
            b"Content-Length: 0x3\r\n",
            b"Content-Length: \r\n",
            b"Content-Length: " + b"9" * 5000 + b"\r\n",
            b"Content-Length: " + b"0" * 5000 + b"3\r\n",
            b"Content-Length : 3\r\n",
            b"Transfer-Encoding: gzip, chunked\r\n",
            b"Transfer-Encoding: xchunked\r\n",
            b"Transfer-Encoding: identity\r\n",
            b"transfer-encoding: Identity\r\nContent-Length: 3\r\n",
            b"Transfer-Encoding: chunked, chunked\r\n",
            b"Transfer-Encoding\r\n : chunked\r\n",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        ):
            self.assert_refused(
                400, "bad-header", head + lines + b"\r\n3\r\nabc\r\n0\r\n\r\n" + GET
            )

    def test_chunks_before_there_were_any(self) -> None:
        head = request("/slow", "POST", "Transfer-Encoding: chunked").replace(b"/1.1", b"/1.0", 1)
        self.assert_refused(400, "bad-header", head + b"3\r\nabc\r\n0\r\n\r\n")

    def test_chunks(self) -> None:
        head = request("/slow", "POST", "Transfer-Encoding: chunked")
        self.assertEqual(self.answer(head + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n").body, b"5")
        for chunks in (b"x\r\n", b"-1\r\n", b"3\r\nabcd\r\n", b"0x3\r\nabc\r\n", b" 3\r\nabc\r\n",
                       b"3" * 2000):  # fmt: skip
            self.assert_refused(400, "bad-header", head + chunks)

    def test_a_line_that_ends_with_lf_alone_is_answered_at_once(self) -> None:
        post = request("/slow", "POST", "Transfer-Encoding: chunked")
        line = GET.partition(b"\r\n")[0]
        for data, text in (
            (line + b"\n", BARE_LF),
            (GET.replace(b"\r\n", b"\n"), BARE_LF),
            (line + b"\r\nHost: localhost\n", BARE_LF),
            (GET[:-2] + b"\n", BARE_LF),
            (GET[:-2] + b" x\ny: z\r\n", BARE_LF),
            (b"GET /\n" + b"x" * HEAD_SIZE + b"\r\n", BARE_LF),
            (line + b"\r\nHost: local\nhost\r\n", BARE_LF),
            (post + b"3\n", NO_CHUNK),
            (post + b"3;x=y\nabc", NO_CHUNK),
            (post + b"3\r\nabc\n", NO_CHUNK),
            (post + b"0\n", NO_CHUNK),
        ):
            for size in (1, len(data)):
                with self.subTest(data=data, size=size):
                    pipe = self.visit()
                    for start in range(0, len(data), size):
                        pipe.say(data[start : start + size])
                    self.assertEqual(Answer(pipe.received).error, (400, "bad-header", text))
                    self.assert_over(pipe)

    def test_lines_may_be_cut_within_their_end(self) -> None:
        post = request("/slow", "POST", "Transfer-Encoding: chunked")
        pipe = self.visit()
        for byte in GET + post + b"3\r\na\nb\r\n0\r\nX: y\r\n\r\n":
            pipe.say(bytes((byte,)))
        self.assertEqual(pipe.received.count(b"HTTP/1.1 200 OK"), 2)
        self.assertTrue(pipe.received.endswith(b"\r\n\r\n3"))

    def test_small_chunks_leave_turns_to_others(self) -> None:
        head = request("/slow", "POST", "Transfer-Encoding: chunked")
        pipe = self.world.visitor()
        pipe.say(head + b"1\r\na\r\n" * 10_000 + b"0\r\n\r\n" + GET)
        self.assertEqual(pipe.received, b"")
        for _ in range(20):
            self.world.wait(0)
        self.assertIn(b"\r\n\r\n10000HTTP/1.1 200 OK", pipe.received)

    def test_bodies(self) -> None:
        body = b"x" * LIMIT
        self.assertEqual(self.answer(request("/slow", "POST", body=body)).body, b"%d" % LIMIT)
        head = request("/slow", "POST", f"Content-Length: {LIMIT + 1}")
        self.assert_refused(413, "too-large", head)
        self.assert_refused(413, "too-large", head, body)
        self.assert_refused(413, "too-large", head + body)
        self.assert_refused(413, "too-large", request("/slow", "POST", f"Content-Length: {10**40}"))
        chunked = request("/slow", "POST", "Transfer-Encoding: chunked")
        chunk = b"%x\r\n" % 100_000 + b"x" * 100_000 + b"\r\n"
        self.assert_refused(413, "too-large", chunked, *[chunk] * 11)

    def test_expectations(self) -> None:
        pipe = self.visit(request("/slow", "POST", "Expect: 100-continue", "Content-Length: 3"))
        self.assertEqual(pipe.received, b"HTTP/1.1 100 Continue\r\n\r\n")
        pipe.say(b"abc")
        self.assertTrue(pipe.received.endswith(b"\r\n\r\n3"))
        self.assert_refused(
            413, "too-large",
            request("/slow", "POST", "Expect: 100-continue", f"Content-Length: {LIMIT + 1}"),
        )  # fmt: skip

    def test_what_waits_behind_a_request_is_bounded(self) -> None:
        pipe = self.visit(request())
        for _ in range(100):
            if pipe.reading:
                pipe.say(GET * 100)
        self.assertFalse(pipe.reading)
        self.assertLess(sum(map(len, pipe.protocol._dataBuffer)), 100_000)
        self.slow.answer()
        self.turns()
        self.assertTrue(pipe.reading)


class TimeTests(SiteCase):
    def test_nothing_is_asked(self) -> None:
        pipe = self.visit(GET)
        self.world.wait(IDLE_SECONDS - 2)
        pipe.say(GET)
        self.world.wait(IDLE_SECONDS - 2)
        self.assertFalse(pipe.half_closed)
        self.world.wait(3)
        self.assertEqual(pipe.received.count(b"HTTP/1.1 "), 2)
        self.assert_over(pipe)

    def test_a_head_that_drips(self) -> None:
        pipe = self.visit(b"GET / HTTP/1.1\r\n")
        for _ in range(int(REQUEST_SECONDS) + 1):
            if not pipe.half_closed:
                pipe.say(b"X: y\r\n")
            self.world.wait(1)
        self.assertEqual(Answer(pipe.received).error[:2], (408, "timeout"))
        self.assert_over(pipe)

    def test_a_body_that_drips(self) -> None:
        size = PAYLOAD_RATE * 20
        pipe = self.visit(request("/slow", "POST", f"Content-Length: {size}"))
        self.world.wait(REQUEST_SECONDS + 18)
        self.assertEqual(pipe.received, b"")
        self.world.wait(3)
        self.assertEqual(Answer(pipe.received).error[:2], (408, "timeout"))
        self.assert_over(pipe)

    def test_a_body_that_comes_slowly_enough(self) -> None:
        size = PAYLOAD_RATE * 60
        pipe = self.visit(request("/slow", "POST", f"Content-Length: {size}"))
        for _ in range(60):
            self.world.wait(1)
            pipe.say(b"x" * PAYLOAD_RATE)
        self.assertEqual(Answer(pipe.received).body, b"%d" % size)

    def test_a_body_that_comes_slowly_enough_behind_another_request(self) -> None:
        size = 60 * PAYLOAD_RATE
        pipe = self.visit(request() + request("/slow", "POST", f"Content-Length: {size}"))
        self.slow.answer()
        self.turns()
        for _ in range(60):
            pipe.say(b"x" * PAYLOAD_RATE)
            self.world.wait(1)
        self.assertTrue(pipe.received.endswith(b"%d" % size))

    def test_an_answer_may_take_its_time(self) -> None:
        pipe = self.visit(request())
        self.world.wait(2000)
        self.slow.answer()
        self.assertEqual(Answer(pipe.received).body, b"done")

    def test_an_answer_that_nobody_reads(self) -> None:
        self.begin(stall_limit="100")
        pipe = self.visit(request(), stuck=True)
        self.slow.requests[0].write(b"x" * 100_000)
        self.world.wait(90)
        pipe.take(10)
        self.world.wait(90)
        self.assertFalse(pipe.closed)
        self.world.wait(15)
        self.assertTrue(pipe.aborted)
        self.assertEqual(self.slow.requests, [])

    def test_a_last_answer_that_nobody_reads(self) -> None:
        pipe = self.visit(request("/", "GET", "Connection: close"), stuck=True)
        self.world.wait(FLUSH_SECONDS - 2)
        self.assertFalse(pipe.closed)
        self.world.wait(4)
        self.assertTrue(pipe.aborted)


class UntakenTests(SiteCase):
    """What the conversation behind an answer asks, for as long as there is one."""

    def test_how_much_waits(self) -> None:
        pipe = self.visit(request(), stuck=True)
        exchange = Exchange(self.slow.requests[0], "")
        self.assertEqual(exchange.asker.untaken(), 0)
        exchange.write(b"x" * 1000)
        self.assertGreater(exchange.asker.untaken(), 1000)
        self.slow.answer()
        self.assertEqual(exchange.asker.untaken(), 0)
        pipe.read_on()

        pipe = self.visit(request())
        exchange = Exchange(self.slow.requests[0], "")
        pipe.vanish()
        self.assertEqual(exchange.asker.untaken(), 0)


class EndTests(SiteCase):
    def test_a_half_closed_visit_is_answered(self) -> None:
        pipe = self.visit(GET)
        pipe.close_input()
        self.assertTrue(pipe.closed)
        self.assertFalse(pipe.aborted)

        slow = self.visit(request() + GET)
        slow.close_input()
        self.assertFalse(slow.closed)
        self.slow.answer()
        self.turns()
        self.assertEqual(slow.received.count(b"200 OK"), 2)
        self.assertTrue(slow.closed)

    def test_one_that_ends_inside_a_request_is_told_so(self) -> None:
        for data in (GET[:-1], b"G", request("/", "POST", "Content-Length: 3") + b"ab"):
            part = self.visit(data)
            part.close_input()
            self.assertEqual(Answer(part.received).error[:2], (400, "bad-header"))
            self.assertIn("end with CR LF", Answer(part.received).error[2])
            self.assertEqual((part.closed, part.aborted), (True, False))

    def test_one_that_asks_nothing_is_told_nothing(self) -> None:
        pipe = self.visit(GET)
        pipe.close_input()
        self.assertEqual(pipe.received.count(b"HTTP/1.1"), 1)

    def test_both_sides_close(self) -> None:
        pipe = self.visit(request("/", "GET", "Connection: close"))
        self.assertTrue(pipe.half_closed)
        pipe.close_input()
        self.assertTrue(pipe.closed)

    def test_it_vanishes(self) -> None:
        pipe = self.visit(request())
        pipe.vanish()
        self.assertEqual((self.slow.requests, self.world.server.connections), ([], 0))

    def test_the_server_stops(self) -> None:
        idle, busy, late = self.visit(GET), self.visit(request()), self.visit(GET[:-5])
        stream = self.visit(request())
        self.slow.requests[1].write(b"begun")
        stopped = ensureDeferred(self.world.server.drain())
        self.assertTrue(idle.half_closed)
        self.slow.answer()
        late.say(GET[-5:])
        for pipe in (busy, late):
            self.assertEqual(Answer(pipe.received).status, 200)
            self.assertTrue(pipe.half_closed)
        self.world.wait(STOP_SECONDS + 1)
        self.assertTrue(stream.aborted)
        self.successResultOf(stopped)

    def test_the_server_stops_and_nobody_visits(self) -> None:
        pipe = self.visit(GET)
        pipe.close_input()
        self.successResultOf(ensureDeferred(self.world.server.drain()))


class RateTests(SiteCase):
    def test_requests_wait(self) -> None:
        self.begin(rate_messages="10", rate_burst="1", limit_loopback="yes")
        pipe = self.visit(GET * 51)
        self.assertFalse(pipe.reading)
        self.assertEqual(pipe.received.count(b"200 OK"), 11)  # of the piece that had been read
        self.world.wait(5)
        self.turns()
        self.assertEqual(pipe.received.count(b"200 OK"), 51)
        self.assertTrue(pipe.reading)

    def test_a_request_counts_by_its_head(self) -> None:
        """By its bytes and, for they take time however short they are, by its lines."""
        lines = "\r\n".join(f"X: {n}" for n in range(48))
        for header, count in (("X: y", 11), (f"X: {'y' * 4096}", 2), (lines, 3)):
            with self.subTest(header):
                self.begin(rate_messages="10", rate_burst="1", limit_loopback="yes")
                pipe = self.visit(request("/", "GET", header) * 12)
                self.assertEqual(pipe.received.count(b"200 OK"), count)

    def test_small_chunks_count(self) -> None:
        for size, held in ((127, True), (128, False)):
            self.begin(rate_messages="10", rate_burst="1", limit_loopback="yes")
            chunk = b"%x\r\n" % size + b"x" * size + b"\r\n"
            pipe = self.visit(request("/slow", "POST", "Transfer-Encoding: chunked") + chunk * 11)
            self.assertEqual(pipe.reading, not held)
            self.world.wait(2)
            pipe.say(b"0\r\n\r\n")
            self.assertEqual(Answer(pipe.received).body, b"%d" % (11 * size))

    def test_trailers_count_as_headers_do(self) -> None:
        for lines, count in ((0, 11), (14, 11), (15, 6), (1000, 1)):
            with self.subTest(lines):
                self.begin(rate_messages="10", rate_burst="1", limit_loopback="yes")
                head = request("/slow", "POST", "Transfer-Encoding: chunked")
                pipe = self.visit((head + b"0\r\n" + b"a\r\n" * lines + b"\r\n") * 12)
                self.assertEqual(pipe.received.count(b"200 OK"), count)
        self.assertFalse(pipe.reading)
        self.world.wait(2)
        self.assertFalse(pipe.reading)

    def test_what_waits_stays_bounded_as_requests_are_answered(self) -> None:
        pipe = self.visit()
        for _ in range(300):
            while pipe.reading:
                pipe.say(request() * 100)
                self.turns()
            self.slow.answer()
            self.turns()
            waiting = [*pipe.protocol._dataBuffer, *(pipe.protocol.kept or ())]
            self.assertLess(sum(map(len, waiting)), 32 * 1024)

    def test_each_request_has_a_turn(self) -> None:
        """One read holds thousands, during which others would wait."""
        pipe, other = self.world.visitor(), self.world.visitor()
        pipe.say(GET * 3)
        counts = [pipe.received.count(b"200 OK")]
        while counts[-1] < 3:
            self.assertFalse(pipe.reading)
            other.say(GET)
            (call,) = (each for each in self.world.clock.calls if each.getTime() <= 0)
            self.world.clock.calls.remove(call)
            call.called = 1
            call.func()
            counts.append(pipe.received.count(b"200 OK"))
        self.assertEqual(counts, [1, 2, 3])
        self.assertEqual(other.received.count(b"200 OK"), 2)
        self.assertTrue(pipe.reading)
        pipe.say(GET * 3)
        pipe.vanish()
        self.turns()
        self.assertEqual(pipe.received.count(b"200 OK"), 4)

    def test_a_stream_is_read_from_after_both_sides_waited(self) -> None:
        """Its request was one too many, and its peer reads on when the rate allows more again."""
        self.begin(rate_messages="10", rate_burst="1", limit_loopback="yes")
        pipe = self.visit(request("/slow", "GET", f"X: {'y' * 15_000}"), stuck=True)
        self.slow.requests[0].write(b"x" * 100_000)
        self.assertFalse(pipe.reading)
        self.world.wait(5)
        self.assertFalse(pipe.reading)
        pipe.read_on()
        self.assertTrue(pipe.reading)
        pipe.close_input()
        self.slow.answer()
        self.assertTrue(pipe.closed)

    def test_bytes_are_counted_once(self) -> None:
        self.begin(rate_bytes="1k", rate_burst="1", limit_loopback="yes")
        pipe = self.visit(GET * (1024 // len(GET)))
        self.assertEqual(pipe.received.count(b"200 OK"), 1024 // len(GET))
        self.assertTrue(pipe.reading)

    def test_bytes_wait(self) -> None:
        self.begin(rate_bytes="1k", rate_burst="1", limit_loopback="yes")
        pipe = self.visit(GET * 100)
        self.assertFalse(pipe.reading)
        pipe.vanish()
        self.assertEqual(self.world.server.connections, 0)

    def test_who_does_not_read_is_not_read_from(self) -> None:
        pipe, count = self.visit(stuck=True), 0
        while pipe.reading:
            pipe.say(GET * 100)
            count += 100
            self.turns()
        self.assertLess(len(pipe.dataBuffer), 70_000)
        pipe.read_on()
        self.turns()
        self.assertTrue(pipe.reading)
        self.assertEqual(pipe.received.count(b"200 OK"), count)


class OwnPortTests(SiteCase):
    """`--web`: HTTP on a port of its own."""

    def visitor(self) -> WebPipe:
        pipe = WebPipe(len(self.world.peers), host="127.0.0.1")
        pipe.protocol = WebFactory(self.world.site).buildProtocol(pipe.address)
        pipe.protocol.makeConnection(pipe)
        self.world.peers.append(pipe)
        return pipe

    def test_visits_take_places(self) -> None:
        pipe = self.visitor()
        self.assertEqual(self.world.server.connections, 1)
        pipe.say(GET)
        self.assertEqual(Answer(pipe.received).status, 200)
        pipe.vanish()
        self.assertEqual(self.world.server.connections, 0)

    def test_without_a_place(self) -> None:
        self.begin(connections="1")
        dropped: list[Any] = []
        self.patch(server, "drop", dropped.append)
        self.visitor()
        pipe = self.visitor()
        self.assertEqual(Answer(pipe.received).error[:2], (503, "busy"))
        self.assert_over(pipe)
        self.assertEqual(len(self.log.lines), 1)

    def test_far_too_many(self) -> None:
        self.begin(connections="1")
        pipes = [self.visitor() for _ in range(100)]
        self.assertEqual(
            [bool(pipe.received) for pipe in pipes], [False] + [True] * 64 + [False] * 35
        )
        self.assertTrue(pipes[-1].aborted)

    def test_frames_are_no_http(self) -> None:
        pipe = self.visitor()
        pipe.say(b"5".ljust(128) + b"hello\r\n")
        self.assertEqual(Answer(pipe.received).error[:2], (400, "bad-header"))

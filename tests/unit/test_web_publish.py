"""POST /v1/rooms/{room}/messages."""

from __future__ import annotations

from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from tests.unit.browsing import Answer, StoredWebCase, WebCase
from twisted_msg.log.store import StoreFull
from twisted_msg.web.api.keys import MAX_KEY, client_of

LOBBY = "/v1/rooms/lobby/messages"


class PublishTests(StoredWebCase):
    def test_stored(self) -> None:
        member = self.peer("SUB lobby")
        answer = self.ask(LOBBY + "?name=alice", b"hello")
        self.assertEqual(answer.status, 201)
        self.assertEqual(answer.json, {"room": "lobby", "seq": 1, "dup": False, "from": "alice"})
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        self.assertEqual(self.heard(member)[-1], "MSG lobby 1 alice: hello")
        self.assertEqual(self.inside(), 0)

    def test_answered_only_when_it_is_stored(self) -> None:
        pipe = self.request(LOBBY, b"hello")
        self.world.turn()
        self.assertEqual(pipe.received, b"")
        self.settle()
        self.assertEqual(Answer(pipe.received).status, 201)

    def test_the_body_is_the_message(self) -> None:
        for body, content in (
            (b"", "text/plain"),
            (bytes(range(256)), "application/octet-stream"),
            (b"name=bob&x=1", "application/x-www-form-urlencoded"),
            (b"!DISCONNECT!", "application/json"),
        ):
            with self.subTest(content):
                member = self.peer("SUB lobby")
                self.assertEqual(self.ask(LOBBY, body, Content_Type=content).status, 201)
                self.assertEqual(member.frames()[-1].payload, body)

    def test_a_body_of_several_parts_is_refused(self) -> None:
        for content in (
            "multipart/form-data; boundary=x", "Multipart/Form-Data", "multipart/mixed",
            "multipart/related;x", "multipart/" + "x" * 99,
        ):  # fmt: skip
            answer = self.ask(LOBBY, b"--x\r\n", Content_Type=content)
            status, code, text = answer.error
            self.assertEqual((status, code), (415, "bad-args"))
            self.assertIn(content.partition(";")[0].lower()[:40], text)
            self.assertIn("use curl -d TEXT or --data-binary @FILE", text)
            self.assertLess(len(text), 200)
        self.assertEqual(self.ask("/v1/rooms").json, [])
        self.assertEqual(self.ask(LOBBY, b"x", Content_Type="text/multipart").status, 201)

    def test_a_compressed_body_is_refused(self) -> None:
        for coding in ("gzip", "GZIP", "x-gzip", "deflate, identity", "identity,br", "\xe9"):
            answer = self.ask(LOBBY, b"\x1f\x8b", Content_Encoding=coding)
            status, code, text = answer.error
            self.assertEqual((status, code), (415, "bad-args"), coding)
            self.assertIn("send the message uncompressed and without this header", text)
            self.assertEqual(answer.headers["Accept-Encoding"], "identity")
        twice = self.ask(LOBBY, b"x", Content_Encoding="identity\r\nContent-Encoding: gzip")
        self.assertEqual(twice.status, 415)
        self.assertEqual(self.ask("/v1/rooms").json, [])
        for coding in ("identity", "Identity", "", "identity, identity"):
            self.assertEqual(self.ask(LOBBY, b"x", Content_Encoding=coding).status, 201)

    def test_headers_that_would_say_something_of_the_message(self) -> None:
        for header in (
            "Title",
            "x-title",
            "TAGS",
            "X-Tags",
            "Delay",
            "Click",
            "E-Mail",
            "X-E-Mail",
        ):
            status, code, text = self.ask(LOBBY, b"x", **{header: "x"}).error
            self.assertEqual((status, code), (400, "bad-args"))
            self.assertIn(f"the header {header.title()} has no meaning here: leave it out", text)
        for value in ("5", "high", "urgent", "", "u=8", "u=1; x"):
            self.assertEqual(self.ask(LOBBY, b"x", Priority=value).status, 400)
        self.assertEqual(self.ask(LOBBY, b"x", X_Priority="u=1").status, 400)
        self.assertEqual(self.ask("/v1/rooms").json, [])

    def test_headers_that_browsers_and_proxies_add(self) -> None:
        for value in ("u=1", "u=0, i", "i", "i,u=3"):
            self.assertEqual(self.ask(LOBBY, b"x", Priority=value).status, 201)
        for header in ("X-Forwarded-For", "X-Request-Id", "Cache-Control", "X-Whatever", "From"):
            self.assertEqual(self.ask(LOBBY, b"x", **{header: "x"}).status, 201)

    def test_names_as_for_any_peer(self) -> None:
        self.peer("HELLO name=alice")
        self.assertEqual(self.ask(LOBBY + "?name=alice", b"x").json["from"], "alice-2")
        self.assertEqual(self.ask(LOBBY + "?name=alice", b"x").json["from"], "alice-2")
        self.assertRegex(self.ask(LOBBY, b"x").json["from"], r"guest-\d+")

    def test_refusals(self) -> None:
        rule = "a name is 1 to 24 of A-Z a-z 0-9 . _ -"
        for path, status, code, text in (
            ("/v1/rooms/a%20b/messages", 400, "bad-room", "not 'a b'"),
            ("/v1/rooms/%ff/messages", 400, "bad-room", r"not '\\xff'"),
            ("/v1/rooms//messages", 400, "bad-room", "not ''"),
            ("/v1/rooms/@/messages", 400, "bad-name", rule),
            (LOBBY + "?name=a+b", 400, "bad-name", rule),
            (LOBBY + "?name=", 400, "bad-name", rule),
            (LOBBY + "?name=a&name=b", 400, "bad-args", "name= stands twice in the query"),
            (LOBBY + "?from=a", 400, "bad-args", "no parameter 'from' here: use name"),
        ):
            with self.subTest(path):
                answer = self.ask(path, b"hello")
                self.assertEqual(answer.error[:2], (status, code))
                self.assertIn(text, answer.error[2])
        self.assertEqual(self.ask("/v1/rooms").json, [])

    def test_too_large(self) -> None:
        self.close_store()
        self.world = self.begin(max_payload="12")
        self.assertEqual(self.ask(LOBBY, b"hello, world").status, 201)
        status, code, text = self.ask(LOBBY, b"hello, world!").error
        self.assertEqual((status, code), (413, "too-large"))
        self.assertIn("over 12 bytes", text)

    def test_the_disk_is_full(self) -> None:
        self.break_store(lambda: StoreFull("full"))
        answer = self.ask(LOBBY, b"hello")
        self.assertEqual(answer.error[:2], (503, "busy"))
        self.assertEqual(answer.headers["Retry-After"], "1")
        self.mended.restore()
        self.assertEqual(self.ask(LOBBY, b"hello").status, 201)

    def test_a_full_disk_is_in_the_log(self) -> None:
        lines: list[str] = []

        def observe(event: LogEvent) -> None:
            lines.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        self.break_store(lambda: StoreFull("full"))
        for _ in range(3):
            self.ask(LOBBY, b"hello")
        self.mended.restore()
        self.ask(LOBBY, b"hello")
        told = [line for line in lines if "stored" in line]
        self.assertEqual(len(told), 2)
        self.assertIn("no message can be stored: full", told[0])

    def test_the_server_stops(self) -> None:
        status, code, text = self.ask_late(LOBBY, b"hello").error
        self.assertEqual((status, code), (503, "busy"))
        self.assertIn("Idempotency-Key", text)

    def test_who_does_not_wait_for_the_answer(self) -> None:
        pipe = self.request(LOBBY, b"hello")
        pipe.vanish()
        self.settle()
        self.assertEqual(self.ask(LOBBY).rows[0]["text"], "hello")
        self.assertEqual(self.inside(), 0)


class KeyTests(StoredWebCase):
    def test_stored_once(self) -> None:
        first = self.ask(LOBBY + "?name=alice", b"one", Idempotency_Key="k")
        self.assertEqual(first.status, 201)
        self.ask(LOBBY, b"two")
        again = self.ask(LOBBY + "?name=bob", b"one", Idempotency_Key="k")
        self.assertEqual(
            (again.status, again.json), (200, {"room": "lobby", "seq": 1, "dup": True})
        )
        self.assertEqual([row["text"] for row in self.ask(LOBBY).rows], ["one", "two"])

    def test_over_a_restart(self) -> None:
        self.ask(LOBBY, b"one", Idempotency_Key="k")
        self.close_store()
        self.world = self.begin()
        again = self.ask(LOBBY, b"one", Idempotency_Key="k")
        self.assertEqual(
            (again.status, again.json), (200, {"room": "lobby", "seq": 1, "dup": True})
        )

    def test_at_the_same_time(self) -> None:
        pipes = [self.request(LOBBY, b"one", Idempotency_Key="k") for _ in range(3)]
        other = self.request(LOBBY, b"other", Idempotency_Key="l")
        for _ in range(3):
            self.settle()
        answers = [Answer(pipe.received) for pipe in pipes]
        self.assertEqual([answer.status for answer in answers], [201, 200, 200])
        self.assertEqual({answer.json["seq"] for answer in answers}, {answers[0].json["seq"]})
        self.assertEqual(Answer(other.received).status, 201)
        self.assertEqual(len(self.ask(LOBBY).rows), 2)

    def test_one_that_goes_away_holds_up_nobody(self) -> None:
        first = self.request(LOBBY, b"one", Idempotency_Key="k")
        waiting = self.request(LOBBY, b"one", Idempotency_Key="k")
        third = self.request(LOBBY, b"one", Idempotency_Key="k")
        first.vanish()
        waiting.vanish()
        for _ in range(3):
            self.settle()
        self.assertEqual(Answer(third.received).json, {"room": "lobby", "seq": 1, "dup": True})

    def test_a_refusal_spends_no_key(self) -> None:
        self.break_store(lambda: StoreFull("full"))
        self.assertEqual(self.ask(LOBBY, b"one", Idempotency_Key="k").status, 503)
        self.mended.restore()
        self.assertEqual(self.ask(LOBBY, b"one", Idempotency_Key="k").status, 201)

    def test_each_room_has_its_own(self) -> None:
        self.assertEqual(self.ask(LOBBY, b"one", Idempotency_Key="k").status, 201)
        answer = self.ask("/v1/rooms/hall/messages", b"one", Idempotency_Key="k")
        self.assertEqual((answer.status, answer.json["room"]), (201, "hall"))

    def test_any_string(self) -> None:
        for key in ('"8e03978e"', "é ß", "x" * MAX_KEY, "a b\tc"):
            with self.subTest(key):
                self.assertEqual(self.ask(LOBBY, b"x", Idempotency_Key=key).status, 201)
                self.assertEqual(self.ask(LOBBY, b"x", Idempotency_Key=key).status, 200)
        for key in ("", "x" * (MAX_KEY + 1)):
            answer = self.ask(LOBBY, b"x", Idempotency_Key=key)
            self.assertEqual(answer.error[:2], (400, "bad-args"))
            self.assertIn("1 to 255 bytes", answer.error[2])
        pipe = self.open()
        pipe.say(
            b"POST %s HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\n"
            b"Content-Length: 0\r\n\r\n" % LOBBY.encode()
        )
        self.settle()
        self.assertIn("stands twice", Answer(pipe.received).error[2])

    def test_a_key_cannot_be_taken_for_another(self) -> None:
        made = {client_of("a", b"b"), client_of("ab", b""[:0] + b"x"), client_of("a", b"bx")}
        self.assertEqual(len(made), 3)
        self.assertEqual({len(client) for client in made}, {48})


class MemoryTests(WebCase):
    def test_accepted_and_known_while_the_server_runs(self) -> None:
        self.assertEqual(self.ask(LOBBY, b"one", Idempotency_Key="k").status, 201)
        self.assertEqual(self.ask(LOBBY, b"one", Idempotency_Key="k").status, 200)
        self.world = self.begin()
        self.assertEqual(self.ask(LOBBY, b"one", Idempotency_Key="k").status, 201)


class DirectTests(StoredWebCase):
    def test_handed_on(self) -> None:
        bob = self.peer("HELLO name=bob")
        answer = self.ask("/v1/rooms/@bob/messages?name=alice", b"psst")
        self.assertEqual((answer.status, answer.json["room"]), (202, "@bob"))
        self.assertRegex(self.heard(bob)[-1], r"MSG @bob \d+ alice: psst")
        self.assertEqual(self.ask("/v1/rooms/%40bob/messages", b"psst").status, 202)

    def test_nobody_is_there(self) -> None:
        self.assertEqual(
            self.ask("/v1/rooms/@bob/messages", b"psst").error,
            (404, "absent", "nobody called bob can take direct messages now"),
        )

    def test_who_does_not_read(self) -> None:
        bob = self.peer("HELLO name=bob", stuck=True)
        for _ in range(5):
            self.peer("PUB @bob: " + "x" * 60_000)
        answer = self.ask("/v1/rooms/@bob/messages", b"psst")
        self.assertEqual(answer.error[:2], (503, "busy"))
        self.assertEqual(answer.headers["Retry-After"], "1")
        bob.read_on()

    def test_no_key(self) -> None:
        answer = self.ask("/v1/rooms/@bob/messages", b"psst", Idempotency_Key="k")
        self.assertEqual(answer.error[:2], (400, "bad-args"))
        self.assertIn("send it without Idempotency-Key", answer.error[2])

"""GET /v1/rooms/{room}/messages and /events."""

from __future__ import annotations

import base64
import json
import tracemalloc
from typing import Any

from tests.unit.browsing import Answer, StoredWebCase, WebCase, WebPipe
from twisted_msg.log.store import KEEP_ALL, Retention
from twisted_msg.rooms.stored import StoredRoom
from twisted_msg.rows import json_row, message_row
from twisted_msg.web.api.following import BEAT_SECONDS
from twisted_msg.web.inside import InnerConnection

LOBBY = "/v1/rooms/lobby/messages"
EVENTS = "/v1/rooms/lobby/events"


class HistoryTests(StoredWebCase):
    def publish(self, *texts: str) -> None:
        for text in texts:
            self.ask(LOBBY + "?name=alice", text.encode())

    def texts(self, query: str) -> list[str]:
        answer = self.ask(LOBBY + query)
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.whole)
        return [row["text"] for row in answer.rows]

    def test_as_the_command_prints_it(self) -> None:
        self.publish("one")
        self.ask(LOBBY, b"\xff")
        answer = self.ask(LOBBY)
        self.assertEqual(answer.headers["Content-Type"], "application/x-ndjson")
        one, two = answer.body.splitlines(keepends=True)
        time = json.loads(one)["time"]
        self.assertEqual(one, message_row(b"one", "lobby", 1, "alice", time))
        self.assertEqual(json.loads(two)["base64"], "/w==")

    def test_where_it_begins_and_ends(self) -> None:
        self.publish("one", "two", "three")
        for query, texts in (
            ("", "one two three"),
            ("?from=0", "one two three"),
            ("?from=2", "two three"),
            ("?from=4", ""),
            ("?last=1", "three"),
            ("?last=9", "one two three"),
            ("?last=0", ""),
            ("?limit=2", "one two"),
            ("?limit=9", "one two three"),
            ("?from=2&limit=1", "two"),
            ("?last=2&limit=1", "two"),
            ("?since=1970-01-02", "one two three"),
            ("?since=1699999999000", "one two three"),
            ("?since=1700000100000", ""),
        ):
            with self.subTest(query):
                self.assertEqual(self.texts(query), texts.split())

    def test_it_ends_at_what_was_there(self) -> None:
        self.publish("one")
        pipe = self.request(LOBBY)
        self.settle()
        self.publish("two")
        self.assertEqual([row["text"] for row in Answer(pipe.received).rows], ["one"])
        self.assertEqual(self.inside(), 0)

    def test_an_empty_room(self) -> None:
        self.assertEqual(self.texts(""), [])

    def test_what_is_no_longer_kept(self) -> None:
        self.close_store()
        self.world = self.begin(Retention(size=4096))
        for letter in "abc":
            self.publish(letter * 1500)
        rows = self.ask(LOBBY + "?from=1").rows
        self.assertEqual(rows[0], {"room": "lobby", "missed": {"first": 1, "last": 1}})
        self.assertEqual([row["seq"] for row in rows[1:]], [2, 3])
        self.assertEqual([row["seq"] for row in self.ask(LOBBY).rows], [2, 3])

    def test_refusals(self) -> None:
        self.publish("one")
        for query, text in (
            ("from=1&last=1", "from= and last= together do not say where to begin"),
            ("from=3", "from=3 is beyond what was said in lobby"),
            ("from=-1", "from= is a whole number"),
            ("from=", "from= is a whole number"),
            ("from=1&from=2", "from= stands twice"),
            ("last=1.5", "last= is a whole number"),
            ("since=10", "10m"),
            ("since=noon", "10m"),
            ("limit=0", "limit= is at least 1"),
            ("limit=x", "limit= is a whole number"),
            ("form=1", "no parameter 'form' here: use from, last, since, limit"),
        ):
            with self.subTest(query):
                status, code, said = self.ask(f"{LOBBY}?{query}").error
                self.assertEqual((status, code), (400, "bad-args"))
                self.assertIn(text, said)
        self.assertEqual(self.ask("/v1/rooms/a%20b/messages").error[:2], (400, "bad-room"))
        self.assertEqual(self.ask("/v1/rooms/@bob/messages").error[:2], (403, "forbidden"))
        self.assertEqual(self.inside(), 0)

    def test_only_the_head(self) -> None:
        self.publish("one")
        for path, content in ((LOBBY, "application/x-ndjson"), (EVENTS, "text/event-stream")):
            answer = self.ask(path, method="HEAD")
            self.assertEqual((answer.status, answer.body), (200, b""))
            self.assertEqual(answer.headers["Content-Type"], content)
        self.assertEqual(self.inside(), 0)

    def test_the_head_is_that_of_the_whole_answer(self) -> None:
        self.publish("one")
        for path in (LOBBY, EVENTS):
            for query in ("?from=x", "?from=3", "?from=99&last=1", "?last=1&limit=0"):
                with self.subTest(path=path, query=query):
                    whole, head = (self.ask(path + query, method=each) for each in ("GET", "HEAD"))
                    self.assertEqual((head.status, head.body), (400, b""))
                    for name in ("Content-Type", "Content-Length", "Cache-Control"):
                        self.assertEqual(head.headers[name], whole.headers[name])
        for room in ("a%20b", "@bob"):
            path = f"/v1/rooms/{room}/messages"
            whole, head = (self.ask(path, method=each) for each in ("GET", "HEAD"))
            self.assertEqual(head.status, whole.status)
        self.assertEqual(self.inside(), 0)

    def test_one_connection_asks_again(self) -> None:
        self.publish("one")
        pipe = self.request(LOBBY)
        self.request(LOBBY, pipe=pipe)
        self.settle()
        self.assertEqual(pipe.received.count(b'"one"'), 2)

    def test_who_does_not_read_costs_a_cursor(self) -> None:
        for _ in range(40):
            self.publish("x" * 50_000)
        pipe = self.open(stuck=True)
        self.request(LOBBY, pipe=pipe)
        self.settle()
        self.assertLess(len(pipe.dataBuffer), 200_000)
        self.assertEqual(self.inside(), 1)
        pipe.read_on()
        self.settle()
        pipe.read_on()
        self.assertEqual(len(Answer(pipe.received).rows), 40)

    def test_who_goes_away(self) -> None:
        for _ in range(10):
            self.publish("x" * 50_000)
        pipe = self.open(stuck=True)
        self.request(LOBBY, pipe=pipe)
        self.settle()
        pipe.vanish()
        self.settle()
        self.assertEqual(self.inside(), 0)

    def forget(self) -> None:
        """Have the room be read from the store."""
        room = self.world.rooms.get("lobby")
        assert isinstance(room, StoredRoom)
        room.shrink()

    def damage(self) -> None:
        """Have the second of two messages be unreadable."""
        self.publish("one", "two")
        self.forget()
        store = self.world.server.house.commits._store  # type: ignore[union-attr]
        piece = store.piece

        def damaged(room: str, seq: int) -> object:
            if seq == 2:
                raise OSError("message 2 was altered")
            return piece(room, seq)

        self.patch(store, "piece", damaged)

    def test_what_is_damaged_breaks_off(self) -> None:
        self.damage()
        error = {"code": "internal", "text": "message 2 was altered"}
        answer = self.ask(LOBBY)
        self.assertEqual((answer.status, answer.whole), (200, False))
        one, last = answer.rows
        self.assertEqual((one["text"], last), ("one", {"error": error}))
        answer = self.ask(EVENTS + "?from=1")
        self.assertFalse(answer.whole)
        self.assertIn(
            b"event: refused\ndata: %s\n\n" % json_row({"error": error})[:-1], answer.body
        )
        self.assertEqual(self.inside(), 0)

    def test_what_broke_off_is_closed_and_has_no_end(self) -> None:
        self.damage()
        for path in (LOBBY, EVENTS + "?from=1"):
            for stuck in (False, True):
                pipe = self.request(path, pipe=self.open(stuck=stuck))
                self.settle()
                pipe.read_on()
                self.settle()
                self.assertTrue(pipe.half_closed)
                self.assertFalse(pipe.received.endswith(b"0\r\n\r\n"))

    def test_what_is_behind_the_limit_is_not_read(self) -> None:
        for _ in range(20):
            self.publish("x" * 50_000)
        self.forget()
        store = self.world.server.house.commits._store  # type: ignore[union-attr]
        piece, read = store.piece, []
        self.patch(store, "piece", lambda *where: read.append(where) or piece(*where))
        self.assertEqual(len(self.ask(LOBBY + "?limit=1").rows), 1)
        self.assertLess(len(read), 5)
        self.assertEqual(self.inside(), 0)

    def test_the_server_stops_before_it_is_answered(self) -> None:
        for path in (LOBBY, EVENTS):
            answer = self.ask_late(path)
            self.assertEqual(answer.error, (503, "busy", "the server stops: ask again"))
            self.assertEqual(answer.headers["Retry-After"], "1")


class FollowTests(StoredWebCase):
    def follow(self, query: str = "", *, stuck: bool = False, **headers: str) -> WebPipe:
        pipe = self.request(EVENTS + query, pipe=self.open(stuck=stuck), **headers)
        self.settle()
        return pipe

    def message(self, seq: int, text: str) -> tuple[str, str, object]:
        row = {"room": "lobby", "seq": seq, "from": "alice", "text": text}
        return "message", str(seq), row

    def live(self, head: int) -> tuple[str, str, object]:
        return "live", str(head), {"room": "lobby", "live": head}

    def say(self, *texts: str) -> None:  # type: ignore[override]
        for text in texts:
            self.ask(LOBBY + "?name=alice", text.encode())

    def test_what_comes(self) -> None:
        pipe = self.follow()
        answer = Answer(pipe.received)
        self.assertEqual(answer.headers["Content-Type"], "text/event-stream")
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        self.assertTrue(answer.body.startswith(b"retry: 1000\n\n"))
        self.assertEqual(answer.events, [self.live(0)])
        self.say("one", "two\n\nevent: forged\rid: 9")
        answer = Answer(pipe.received)
        self.assertEqual(
            answer.events,
            [self.live(0), self.message(1, "one"), self.message(2, "two\n\nevent: forged\rid: 9")],
        )
        self.assertFalse(answer.whole)

    def test_from_where(self) -> None:
        self.say("one", "two")
        for query, seqs in (
            ("", []),
            ("?from=1", [1, 2]),
            ("?last=1", [2]),
            ("?since=1699999999000", [1, 2]),
        ):
            with self.subTest(query):
                events = Answer(self.follow(query).received).events
                texts = {1: "one", 2: "two"}
                self.assertEqual(
                    events, [*(self.message(seq, texts[seq]) for seq in seqs), self.live(2)]
                )

    def test_coming_back(self) -> None:
        self.say("one", "two")
        events = Answer(self.follow("?last=9", Last_Event_ID="1").received).events
        self.assertEqual(events, [self.message(2, "two"), self.live(2)])
        events = Answer(self.follow("?from=1", Last_Event_ID="").received).events
        self.assertEqual(len(events), 3)
        for seen in ("x", "-1", "1.5", "é"):
            answer = self.ask(EVENTS, Last_Event_ID=seen)
            self.assertEqual(answer.error[:2], (400, "bad-args"))
            self.assertIn("Last-Event-ID", answer.error[2])

    def reset(self, seen: int, head: int) -> tuple[str, str, object]:
        return "reset", str(head), {"room": "lobby", "reset": {"seen": seen, "head": head}}

    def test_coming_back_from_beyond_the_head(self) -> None:
        """An EventSource that is answered 400 gives up for good."""
        pipe = self.follow(Last_Event_ID="7")
        self.assertEqual(Answer(pipe.received).events, [self.reset(7, 0), self.live(0)])
        self.say("one", "two")
        rest = [self.message(1, "one"), self.message(2, "two")]
        self.assertEqual(Answer(pipe.received).events[2:], rest)
        pipe = self.follow("?from=1", Last_Event_ID="3")
        self.assertEqual(Answer(pipe.received).events, [self.reset(3, 2), self.live(2)])
        self.assertEqual(Answer(self.follow(Last_Event_ID="2").received).events, [self.live(2)])
        for seen in (str(2**63 - 1), str(2**63), "9" * 5000):
            events = Answer(self.follow(Last_Event_ID=seen).received).events
            self.assertEqual(events, [self.reset(2**63 - 2, 2), self.live(2)])
        answer = self.ask(EVENTS, method="HEAD", Last_Event_ID="7")
        self.assertEqual(answer.status, 200)
        self.assertIn("from=4 is beyond", self.ask(EVENTS + "?from=4").error[2])
        answer = self.ask("/v1/rooms/@bob/events", Last_Event_ID="7")
        self.assertEqual(answer.error[:2], (403, "forbidden"))

    def test_a_stop_ends_it_and_nothing_is_missed(self) -> None:
        pipe = self.follow()
        self.say("one")
        stop = self.world.server.drain()
        stop.send(None)
        self.settle()
        answer = Answer(pipe.received)
        self.assertTrue(answer.whole)
        self.assertEqual(answer.events[-1], self.message(1, "one"))
        stop.close()
        self.close_store()
        self.world = self.begin()
        self.say("two")
        events = Answer(self.follow(Last_Event_ID=answer.events[-1][1]).received).events
        self.assertEqual(events, [self.message(2, "two"), self.live(2)])

    def test_one_that_heard_nothing_misses_nothing(self) -> None:
        self.say("one")
        (live,) = Answer(self.follow().received).events
        self.say("two")
        events = Answer(self.follow(Last_Event_ID=live[1]).received).events
        self.assertEqual(events, [self.message(2, "two"), self.live(2)])

    def test_missed(self) -> None:
        self.close_store()
        self.world = self.begin(Retention(size=4096))
        self.say(*(letter * 1500 for letter in "abc"))
        first, *rest = Answer(self.follow("?from=1").received).events
        self.assertEqual(
            first, ("missed", "1", {"room": "lobby", "missed": {"first": 1, "last": 1}})
        )
        self.assertEqual([event[1] for event in rest], ["2", "3", "3"])

    def test_a_quiet_stream_is_kept_open(self) -> None:
        pipe, other = self.follow(), self.follow()
        self.world.wait(2 * BEAT_SECONDS + 1)
        for each in (pipe, other):
            self.assertEqual(Answer(each.received).body.count(b"\n\n:\n\n:\n\n"), 1)
        pipe.vanish()
        other.vanish()
        self.settle()
        delayed = [call for call in self.world.clock.calls if call.getTime() > 50]
        self.assertEqual(delayed, [])
        again = self.follow()
        self.world.wait(BEAT_SECONDS)
        self.assertIn(b"\n\n:\n\n", Answer(again.received).body)

    def test_who_closes_its_side_is_sent_what_it_is_owed(self) -> None:
        self.say("one", "two")
        pipe = self.request(EVENTS + "?from=1")
        pipe.close_input()
        self.settle()
        answer = Answer(pipe.received)
        self.assertTrue(answer.whole)
        self.assertEqual(answer.events[-1], self.live(2))
        self.assertEqual(self.inside(), 0)
        pipe = self.follow()
        pipe.close_input()
        self.settle()
        self.assertTrue(Answer(pipe.received).whole)
        self.assertEqual(self.inside(), 0)

    def test_who_closed_its_side_before_it_began(self) -> None:
        pipe = self.request("/readyz")
        self.request(EVENTS, pipe=pipe)
        pipe.close_input()
        self.settle()
        self.assertTrue(pipe.received.endswith(b"0\r\n\r\n"))
        self.assertEqual(self.inside(), 0)
        self.assertTrue(pipe.closed)

    def test_who_asks_much_more_behind_it_is_answered(self) -> None:
        pipe = self.follow()
        for _ in range(2):
            self.request("/healthz", pipe=pipe, X="x" * 9000)
        self.settle()
        self.assertEqual(pipe.received.count(b'{"status":"ok"}'), 2)
        self.assertEqual(self.inside(), 0)

    def test_a_conversation_may_outlive_its_request(self) -> None:
        self.say("one")
        pipe = self.request(LOBBY)
        while not pipe.received.endswith(b"0\r\n\r\n"):
            (call, *_) = self.world.clock.calls
            self.world.clock.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)
        self.assertEqual(self.inside(), 1)  # its goodbye is still to be said
        for guest in self.world.server.guests.all():
            guest.sweep(self.world.clock.seconds())
        self.settle()
        self.assertEqual(self.inside(), 0)

    def test_a_history_is_read_to_its_end_all_the_same(self) -> None:
        self.say("one")
        pipe = self.request(LOBBY)
        pipe.close_input()
        self.settle()
        self.assertTrue(Answer(pipe.received).whole)

    def test_who_does_not_read_costs_a_cursor(self) -> None:
        pipe = self.follow(stuck=True)
        other = self.follow()
        for count in range(40):
            self.say(str(count) + "x" * 50_000)
        size = len(pipe.dataBuffer)
        self.assertLess(size, 200_000)
        self.world.wait(BEAT_SECONDS)
        self.assertEqual(len(pipe.dataBuffer), size)  # no heartbeat on top
        self.assertEqual(len(Answer(other.received).events), 41)
        pipe.read_on()
        self.settle()
        pipe.read_on()
        self.settle()
        self.assertEqual(
            [event[1] for event in Answer(pipe.received).events], [str(n) for n in range(41)]
        )

    def test_a_slow_one_is_not_given_up_while_it_reads(self) -> None:
        self.close_store()
        self.world = self.begin(stall_limit="60s")
        pipe = self.follow(stuck=True)
        for _ in range(10):
            self.say("x" * 50_000)
        for _ in range(10):
            self.world.wait(30)
            pipe.take(100)
        self.assertEqual(self.inside(), 1)
        self.world.wait(62)
        self.assertEqual(self.inside(), 0)

    def test_one_that_takes_nothing_is_given_up_whatever_it_is_sent(self) -> None:
        """Comments on a quiet stream are written, and nobody takes them: that is no progress."""
        self.close_store()
        self.world = self.begin(stall_limit="60s")
        deaf, reader = self.follow(stuck=True), self.follow()
        self.world.wait(59)
        self.assertGreater(len(deaf.dataBuffer), 100)
        self.assertFalse(deaf.closed)
        self.world.wait(3)
        self.assertTrue(deaf.aborted)
        self.world.wait(200)
        self.assertFalse(reader.closed)
        self.assertGreater(reader.received.count(b"\n:\n"), 10)

    def test_refusals(self) -> None:
        self.assertEqual(self.ask("/v1/rooms/@bob/events").error[:2], (403, "forbidden"))
        self.assertEqual(self.ask(EVENTS + "?limit=1").error[:2], (400, "bad-args"))


class LongMessageTests(StoredWebCase):
    """What an unread response holds of a long message, and that all responses share the rest."""

    SIZE = 16 * 2**20
    HELD = 256 * 1024

    def begin(self, retention: Retention = KEEP_ALL, **options: Any) -> Any:
        return super().begin(retention, max_payload="16MiB", **options)

    def read(self, path: str, count: int) -> list[WebPipe]:
        """Return connections that ask and do not read."""
        pipes = [self.request(path, pipe=self.open(stuck=True)) for _ in range(count)]
        self.settle()
        return pipes

    def test_it_is_shared_and_encoded_in_slices(self) -> None:
        for byte in (b"\x01", b"\xff"):
            self.ask(LOBBY, byte * self.SIZE)
            for path in (EVENTS + "?last=1", LOBBY + "?last=1"):
                with self.subTest(path, byte=byte):
                    first, *_ = self.read(path, 1)
                    tracemalloc.start()
                    others = self.read(path, 8)
                    held, _ = tracemalloc.get_traced_memory()
                    tracemalloc.stop()
                    self.assertLess(held, 8 * self.HELD)
                    for pipe in (first, *others):
                        self.assertTrue(0 < len(pipe.dataBuffer) < self.HELD)
                    for pipe in others:
                        pipe.vanish()
                    self.settle()
                    self.assertEqual(self.inside(), 1)
                    first.vanish()
                    self.settle()

    def test_followers_that_wait_for_it(self) -> None:
        pipes = self.read(EVENTS, 8)
        first = self.read(EVENTS, 1)
        self.ask(LOBBY, b"\x01" * self.SIZE)
        tracemalloc.start()
        self.ask(LOBBY, b"\x02" * self.SIZE)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        self.assertLess(held, 3 * self.SIZE)  # the room's own, and none of the followers'
        for pipe in pipes + first:
            self.assertTrue(0 < len(pipe.dataBuffer) < self.HELD)

    def test_it_comes_whole_at_the_readers_pace(self) -> None:
        text = '\x00é€\U0001f600"' * 9000
        for payload in (text.encode(), text.encode() + b"\xf0\x9f", b"x" * 100_000):
            self.ask(LOBBY + "?name=alice", payload)
        self.ask(LOBBY + "?name=alice", b"short")
        expected = self.ask(LOBBY).body
        rows = [json.loads(line) for line in expected.splitlines()]
        self.assertEqual(rows[0]["text"], text)
        self.assertEqual(base64.b64decode(rows[1]["base64"]), text.encode() + b"\xf0\x9f")
        self.assertEqual(rows[2]["text"], "x" * 100_000)
        self.assertEqual(rows[3]["text"], "short")
        pipes = [*self.read(LOBBY, 2), *self.read(EVENTS + "?from=1", 2)]
        while any(pipe.dataBuffer for pipe in pipes):
            for pipe in pipes:
                pipe.take(30_000)
                self.settle()
        for pipe in pipes[:2]:
            answer = Answer(pipe.received)
            self.assertTrue(answer.whole)
            self.assertEqual(answer.body, expected)
        for pipe in pipes[2:]:
            events = Answer(pipe.received).events
            self.assertEqual(
                [event[2].get("text") for event in events[:4]], [row.get("text") for row in rows]
            )
            self.assertEqual(events[-1][0], "live")

    def test_no_heartbeat_within_it(self) -> None:
        (pipe,) = self.read(EVENTS, 1)
        self.ask(LOBBY, b"\x01" * 400_000)
        while pipe.dataBuffer:
            self.world.wait(BEAT_SECONDS)
            pipe.take()
        self.assertEqual(Answer(pipe.received).events[-1][2]["text"], "\x01" * 400_000)

    def test_it_counts_as_unread(self) -> None:
        """A member that reads a long message slowly makes progress all the while."""
        self.close_store()
        self.world = self.begin(stall_limit="60s")
        (pipe,) = self.read(EVENTS, 1)
        self.ask(LOBBY, bytes(200_000))
        connection = self.world.server.guests.all()[1]
        assert isinstance(connection, InnerConnection)
        before = connection.outlet.taken()
        while pipe.dataBuffer:
            unread = connection.outlet.unsent()
            self.assertGreater(unread, 0)
            pipe.take()
            self.settle()
        self.assertEqual(connection.outlet.unsent(), 0)
        self.assertGreater(connection.outlet.taken() - before, 200_000)
        self.assertEqual(self.inside(), 1)

    def test_a_limit_ends_it(self) -> None:
        for _ in range(3):
            self.ask(LOBBY, b"\x01" * 100_000)
        (pipe,) = self.read(LOBBY + "?limit=2", 1)
        pipe.read_on()
        self.settle()
        answer = Answer(pipe.received)
        self.assertTrue(answer.whole)
        self.assertEqual(len(answer.rows), 2)
        self.assertEqual(self.inside(), 0)

    def test_a_stop_ends_it(self) -> None:
        (pipe,) = self.read(EVENTS, 1)
        self.ask(LOBBY, b"\x01" * 100_000)
        stop = self.world.server.drain()
        stop.send(None)
        self.settle()
        pipe.read_on()
        self.settle()
        answer = Answer(pipe.received)
        self.assertTrue(answer.whole)
        self.assertEqual(answer.events[-1][2]["text"], "\x01" * 100_000)
        stop.close()


class MemoryTests(WebCase):
    def test_numbers_far_above(self) -> None:
        self.ask(LOBBY, b"one")
        (row,) = self.ask(LOBBY).rows
        self.assertEqual(row["text"], "one")
        first = self.ask(LOBBY + "?from=1").rows[0]
        self.assertEqual(first["missed"], {"first": 1, "last": row["seq"] - 1})

"""Paths, methods, lists, health, and the description of all of it."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.browsing import Answer, StoredWebCase, WebCase, WebPipe
from tests.unit.world import EPOCH
from twisted_msg.log.store import StoreError, StoreFull
from twisted_msg.readiness import BESIDE, LARGEST, PATIENCE
from twisted_msg.web.api.tree import DESCRIPTION, TOP, api_resource
from twisted_msg.web.channel import HEAD_SIZE
from twisted_msg.web.request import QUERY_PARAMETERS

LOBBY = "/v1/rooms/lobby/messages"
PATHS = (
    ("/v1/rooms", "GET, HEAD, OPTIONS"),
    ("/v1/rooms/lobby/members", "GET, HEAD, OPTIONS"),
    (LOBBY, "GET, HEAD, OPTIONS, POST"),
    ("/v1/rooms/lobby/events", "GET, HEAD, OPTIONS"),
    ("/v1/openapi.json", "GET, HEAD, OPTIONS"),
    ("/healthz", "GET, HEAD, OPTIONS"),
    ("/readyz", "GET, HEAD, OPTIONS"),
)


class RouteTests(WebCase):
    def test_nothing_there(self) -> None:
        for path in (
            "/v1",
            "/v1/",
            "/v1/rooms/",
            "/v1/rooms/lobby",
            "/v1/rooms/lobby/",
            "/v1/rooms/lobby/messages/",
            "/v1/rooms/lobby/messages/1",
            "/v1/rooms/a/b/messages",
            "/healthz/",
            "/v1/%72ooms/x",
        ):
            with self.subTest(path):
                status, code, text = self.ask(path).error
                self.assertEqual((status, code), (404, "absent"))
                self.assertIn("/v1/openapi.json lists what there is", text)
        for path in ("/V1/rooms", "/v2/rooms", "/rooms"):
            self.assertEqual(self.ask(path).error[:2], (404, "absent"))

    def test_what_is_quoted_is_escaped_and_bounded(self) -> None:
        text = self.ask("/v1/%1b%ff" + "x" * 1000).error[2]
        self.assertLess(len(text), 200)
        self.assertTrue(text.isprintable())

    def test_methods(self) -> None:
        for path, allowed in PATHS:
            for method in ("PUT", "DELETE", "PATCH"):
                with self.subTest(path, method=method):
                    answer = self.ask(path, method=method)
                    self.assertEqual(answer.error[:2], (405, "bad-verb"))
                    self.assertEqual(answer.headers["Allow"], allowed)
                    self.assertIn(allowed, answer.error[2])
            answer = self.ask(path, method="OPTIONS")
            self.assertEqual((answer.status, answer.body), (204, b""))
            self.assertEqual(answer.headers["Allow"], allowed)
        self.assertEqual(self.ask("/v1/rooms", b"").status, 405)
        answer = self.ask("/v1/rooms", method="TRACE")
        self.assertEqual(answer.status, 405)
        self.assertIn("GET", answer.headers["Allow"])

    def test_only_the_head(self) -> None:
        for path, _ in PATHS[:2] + PATHS[4:]:
            with self.subTest(path):
                whole, head = self.ask(path), self.ask(path, method="HEAD")
                self.assertEqual((head.status, head.body), (200, b""))
                self.assertEqual(head.headers["Content-Length"], str(len(whole.body)))
                self.assertEqual(head.headers["Content-Type"], "application/json")

    def test_no_page_of_another_origin_may_read(self) -> None:
        for path, _ in PATHS:
            with self.subTest(path):
                answer = self.ask(path, Origin="http://localhost")
                self.assertEqual(answer.status, 200)
                names = [name.lower() for name in answer.headers]
                self.assertEqual([name for name in names if name.startswith("access-")], [])

    def test_who_may_not_ask(self) -> None:
        for path, _ in (*PATHS, ("/nowhere", "")):
            for method in ("GET", "OPTIONS", "DELETE"):
                with self.subTest(path, method=method):
                    answer = self.ask(path, method=method, Origin="http://elsewhere.example")
                    self.assertEqual(answer.error[:2], (403, "forbidden"))
        answer = self.ask(LOBBY, b"hello", Origin="null")
        self.assertEqual(answer.status, 403)
        self.assertEqual(self.world.server.house.rooms.get("lobby"), None)

    def test_a_fault_of_the_servers_own(self) -> None:
        def fail(request: Any) -> None:
            raise ZeroDivisionError

        self.patch(self.world.server.house.names, "claim", fail)
        status, code, _ = self.ask("/v1/rooms/lobby/members").error
        self.assertEqual((status, code), (500, "internal"))
        self.assertEqual(len(self.flushLoggedErrors(TypeError, ZeroDivisionError)), 1)

    def test_one_of_the_interface_itself(self) -> None:
        def fail(*_: object, **__: object) -> None:
            raise ZeroDivisionError

        self.patch(self.world.server, "carry", fail)
        status, code, text = self.ask("/v1/rooms/lobby/members").error
        self.assertEqual((status, code), (500, "internal"))
        self.assertIn("in its log", text)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class ListTests(WebCase):
    def test_rooms(self) -> None:
        self.assertEqual(self.ask("/v1/rooms").json, [])
        self.peer("SUB hall")
        self.ask(LOBBY, b"one")
        self.ask("/v1/rooms/Lab/messages", b"one")
        rooms = self.ask("/v1/rooms").json
        self.assertEqual(
            [(room["room"], room["members"]) for room in rooms],
            [("hall", 1), ("Lab", 0), ("lobby", 0)],
        )
        self.assertEqual(rooms[2]["seq"], EPOCH + 1)

    def test_rooms_that_are_too_many(self) -> None:
        self.world = self.begin(max_payload="80")
        for name in ("c", "B", "a"):
            self.peer(f"SUB {name}")
        answer = self.ask("/v1/rooms")
        self.assertEqual([room["room"] for room in answer.json], ["a", "B"][: len(answer.json)])
        self.assertEqual(int(answer.headers["Left-Out"]), 3 - len(answer.json))
        self.assertLessEqual(len(answer.body.strip()), 80)

    def test_members(self) -> None:
        self.peer("HELLO name=carl", "SUB lobby")
        self.peer("HELLO name=Bob", "SUB lobby")
        answer = self.ask("/v1/rooms/lobby/members")
        self.assertEqual(answer.json, ["Bob", "carl"])
        self.assertNotIn("Left-Out", answer.headers)
        self.assertEqual(self.ask("/v1/rooms/nowhere/members").json, [])
        self.assertEqual(len(self.ask("/v1/rooms").json), 1)
        self.assertEqual(self.ask("/v1/rooms/@bob/members").error[:2], (400, "bad-room"))

    def test_a_follower_is_a_member(self) -> None:
        self.request("/v1/rooms/lobby/events")
        self.settle()
        self.assertEqual(len(self.ask("/v1/rooms/lobby/members").json), 1)

    def test_cut(self) -> None:
        self.world = self.begin(max_payload="20")
        for name in ("alice", "bob", "carl", "dora"):
            self.peer(f"HELLO name={name}", "SUB lobby")
        answer = self.ask("/v1/rooms/lobby/members")
        self.assertEqual((answer.json, answer.headers["Left-Out"]), (["alice", "bob"], "2"))

    def test_parameters(self) -> None:
        for path in ("/v1/rooms", "/v1/rooms/lobby/members", "/v1/openapi.json"):
            status, code, text = self.ask(path + "?x=1").error
            self.assertEqual((status, code), (400, "bad-args"))
            self.assertIn("leave the query out", text)


class PaceTests(WebCase):
    """What a request costs beyond itself is counted on the connection that it came by."""

    def held(self, pipe: WebPipe) -> bool:
        """Return whether what a connection asks next waits."""
        held: bool = pipe.protocol.kept is not None
        return held

    def test_new_rooms(self) -> None:
        self.world = self.begin(rate_messages="10", rate_burst="1")
        pipe = self.open()
        for room in ("a", "b"):
            self.ask(f"/v1/rooms/{room}/messages", b"x", pipe=pipe)
            self.assertTrue(self.held(pipe))
            self.world.wait(2)
            self.assertFalse(self.held(pipe))
        for room in ("a", "b", "a"):
            self.ask(f"/v1/rooms/{room}/messages", b"x", pipe=pipe)
        self.assertFalse(self.held(pipe))

    def test_long_lists(self) -> None:
        self.world = self.begin(rate_messages="100", rate_burst="1")
        for number in range(1000):
            self.world.rooms.open(f"a-room-with-a-long-name-{number}")
        pipe = self.open()
        self.ask("/v1/rooms", pipe=pipe)
        self.assertFalse(self.held(pipe))
        self.ask("/v1/rooms", pipe=pipe)
        self.assertTrue(self.held(pipe))
        self.world.wait(2)
        self.assertFalse(self.held(pipe))

    def test_programs_on_this_machine_are_not_bounded(self) -> None:
        self.world = self.begin(rate_messages="10", rate_burst="1")
        pipe = self.open(host="127.0.0.1")
        for number in range(20):
            self.ask(f"/v1/rooms/{number}/messages", b"x", pipe=pipe)
        self.assertFalse(self.held(pipe))


class HealthTests(StoredWebCase):
    def test_well(self) -> None:
        self.assertEqual(self.ask("/healthz").json, {"status": "ok"})
        self.assertEqual(self.ask("/readyz").json, {"status": "ready"})
        self.assertEqual(self.ask("/readyz").json, {"status": "ready"})

    def test_probes_may_carry_a_query(self) -> None:
        self.assertEqual(self.ask("/healthz?t=1").status, 200)
        self.assertEqual(self.ask("/readyz?t=1").status, 200)

    def test_the_disk_is_full_and_has_room_again(self) -> None:
        self.break_store(lambda: StoreFull("full"))
        answer = self.ask("/readyz")
        self.assertEqual(answer.error[:2], (503, "busy"))
        self.assertIn("disk is full", answer.error[2])
        self.assertEqual(answer.headers["Retry-After"], "1")
        self.assertEqual(self.ask("/healthz").status, 200)
        self.mended.restore()
        self.assertEqual(self.ask("/readyz").status, 200)

    def test_only_small_things_fit_on_the_disk(self) -> None:
        """A mark is stored, and a message would not be."""
        store = self.world.server.house.commits._store
        asked: list[int] = []

        def set_aside(size: int) -> None:
            asked.append(size)
            raise StoreFull("full")

        mended = self.patch(store, "set_aside", set_aside)
        answer = self.ask("/readyz")
        self.assertEqual(answer.error[:2], (503, "busy"))
        self.assertIn("disk is too full for a message of 1048576 bytes: make room", answer.error[2])
        self.assertEqual(asked, [LARGEST + BESIDE])
        mended.restore()
        self.assertEqual(self.ask("/readyz").status, 200)

    def test_room_for_what_may_be_said_here(self) -> None:
        for limit, size in (("1000", 1000), ("64MiB", LARGEST)):
            self.close_store()
            self.world = self.begin(max_payload=limit)
            asked: list[int] = []
            self.patch(self.world.server.house.commits._store, "set_aside", asked.append)
            self.assertEqual(self.ask("/readyz").status, 200)
            self.assertEqual(asked, [size + BESIDE])

    def test_nothing_can_be_written_beside_the_store(self) -> None:
        def set_aside(size: int) -> None:
            raise StoreError("nothing can be written to x: see that its disk is sound")

        self.patch(self.world.server.house.commits._store, "set_aside", set_aside)
        self.assertEqual(
            self.ask("/readyz").error,
            (503, "busy", "nothing can be written to x: see that its disk is sound"),
        )

    def test_the_room_is_late(self) -> None:
        pipe = self.request("/readyz")
        self.world.turn()
        self.world.worker.pump()  # the mark
        self.world.turn()
        self.assertEqual(pipe.received, b"")
        self.world.wait(PATIENCE + 1)
        self.assertIn("has not answered for 5 s", Answer(pipe.received).error[2])
        self.settle()
        self.assertEqual(self.ask("/readyz").status, 200)

    def test_the_store_does_not_answer(self) -> None:
        first, second = self.request("/readyz"), self.request("/readyz")
        self.world.turn()
        self.assertEqual(len(self.world.worker.waiting), 1)
        self.world.wait(PATIENCE + 1)
        for pipe in (first, second):
            status, code, text = Answer(pipe.received).error
            self.assertEqual((status, code), (503, "busy"))
            self.assertIn("has not answered for 5 s", text)
        self.settle()  # the answer comes late
        self.assertEqual(self.ask("/readyz").status, 200)

    def test_however_many_ask_the_store_is_asked_by_one(self) -> None:
        pipes = [self.request("/readyz") for _ in range(50)]
        self.world.turn()
        self.assertEqual(len(self.world.worker.waiting), 1)
        self.settle()
        self.assertEqual({Answer(pipe.received).status for pipe in pipes}, {200})

    def test_the_server_stops(self) -> None:
        self.assertEqual(self.ask_late("/readyz").error, (503, "busy", "the server stops"))
        self.assertEqual(self.ask_late("/healthz").status, 200)

    def test_nothing_of_it_is_a_client(self) -> None:
        self.ask("/readyz")
        self.assertEqual(self.ask("/v1/rooms").json, [])


class MemoryHealthTests(WebCase):
    def test_nothing_to_write(self) -> None:
        self.assertEqual(self.ask("/readyz").status, 200)


class DescriptionTests(StoredWebCase):
    description = json.loads(DESCRIPTION)

    def test_served(self) -> None:
        answer = self.ask("/v1/openapi.json")
        self.assertEqual(answer.json, self.description)

    def test_it_lists_what_there_is(self) -> None:
        table = {
            "/" + "/".join(path): sorted(row)
            for path, row in api_resource(self.world.server).table.items()
        }
        described = {
            path: sorted(method.upper() for method in methods)
            for path, methods in self.description["paths"].items()
        }
        self.assertEqual(table, described)
        self.assertEqual({path.split("/")[1].encode() for path in table}, set(TOP))

    def test_every_status_comes(self) -> None:
        answers = self.provoked()
        documented = {
            (path, method, int(status))
            for path, methods in self.description["paths"].items()
            for method, operation in methods.items()
            for status in operation["responses"]
        }
        self.assertEqual(set(answers), documented)
        for (path, method, status), answer in answers.items():
            with self.subTest(path, method=method, status=status):
                self.assertEqual(answer.status, status)
                content = self.responses(path, method)[str(status)]["content"]
                self.assertEqual([answer.headers["Content-Type"]], list(content))

    def responses(self, path: str, method: str) -> dict[str, Any]:
        """Return what is said of the responses, references resolved."""
        found = {}
        for status, response in self.description["paths"][path][method]["responses"].items():
            if "$ref" in response:
                name = response["$ref"].rpartition("/")[2]
                response = self.description["components"]["responses"][name]
            found[status] = response
        return found

    def provoked(self) -> dict[tuple[str, str, int], Answer]:
        """Return an answer for each status that a request can be answered with."""
        room = "/v1/rooms/{room}"
        messages, events, members = (
            room + "/messages", room + "/events", room + "/members",
        )  # fmt: skip
        answers: dict[tuple[str, str, int], Answer] = {}

        def ask(path: str, status: int, query: str = "", **headers: str) -> None:
            answers[path, "get", status] = self.ask(path.format(room="lobby") + query, **headers)

        def publish(status: int, body: bytes = b"x", to: str = "lobby", **headers: str) -> None:
            answers[messages, "post", status] = self.ask(messages.format(room=to), body, **headers)

        every = ("/v1/rooms", members, messages, events, "/v1/openapi.json")
        for path in (*every, "/healthz", "/readyz"):
            ask(path, 200)
        for path in every:
            ask(path, 400, "?x=1")
        for path in ("/healthz", "/readyz"):
            ask(path, 400, "?" + "&" * QUERY_PARAMETERS)
        for path in (*every, "/healthz", "/readyz"):
            ask(path, 414, "?" + "x" * HEAD_SIZE)
            ask(path, 431, X="x" * HEAD_SIZE)
        self.peer("HELLO name=bob")
        publish(201, Idempotency_Key="k")
        publish(200, Idempotency_Key="k")
        publish(202, to="@bob")
        publish(400, to="a%20b")
        publish(404, to="@nobody")
        publish(413, bytes((1 << 20) + 1))
        publish(414, to="x" * HEAD_SIZE)
        publish(415, Content_Type="multipart/form-data; boundary=x")
        publish(415, Content_Encoding="gzip")
        publish(431, X="x" * HEAD_SIZE)
        for path in (*every, "/healthz", "/readyz"):
            ask(path, 403, Host="elsewhere.example")
        publish(403, Origin="http://elsewhere.example")
        for path in ("/v1/rooms", members, messages, events, "/readyz"):
            answers[path, "get", 503] = self.ask_late(path.format(room="lobby"))
        answers[messages, "post", 503] = self.ask_late(messages.format(room="lobby"), b"x")
        return answers

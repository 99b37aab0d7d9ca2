"""The HTTP interface, over a whole server in memory."""

from __future__ import annotations

from tests.unit.browsing import StoredWebCase


class PublishTests(StoredWebCase):
    def test_stored(self) -> None:
        answer = self.ask("/v1/rooms/lobby/messages?name=alice", b"hello")
        self.assertEqual(answer.status, 201)
        self.assertEqual(
            answer.json, {"room": "lobby", "seq": 1, "dup": False, "from": "alice"}
        )
        answer = self.ask("/v1/rooms/lobby/messages")
        self.assertEqual(answer.rows, [{"room": "lobby", "seq": 1, "from": "alice", "text": "hello"}])

"""Messages as rows that many responses share."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.rows import SLICE_SIZE, message_row
from twisted_msg.web.api.encoding import CACHE_SIZE, Part, RowCache
from twisted_msg.wire.replies import Msg


class RowCacheTests(SynchronousTestCase):
    def joined(self, cache: RowCache, reply: Msg) -> bytes:
        """Return a whole row; its parts stand for the whole payload."""
        row = cache.row(reply)
        parts = [row] if isinstance(row, Part) else list(row)
        self.assertEqual(sum(part.size for part in parts), len(reply.payload))
        return b"".join(part.data for part in parts)

    def first(self, cache: RowCache, seq: int, room: str = "lobby") -> bytes:
        """Return the row of a short message."""
        part = cache.row(Msg(room, seq, "al", 5, b"x"))
        assert isinstance(part, Part)
        return part.data

    def test_a_short_message_is_encoded_once(self) -> None:
        cache = RowCache(lambda seq: b"id: %d\n" % seq, b"\n")
        row = message_row(b"x", "lobby", 1, "al", 5)
        self.assertEqual(self.first(cache, 1), b"id: 1\n" + row + b"\n")
        self.assertIs(self.first(cache, 1), self.first(cache, 1))
        self.assertIsNot(self.first(cache, 1, "hall"), self.first(cache, 1))

    def test_a_long_message_is_the_same_row(self) -> None:
        for payload in (b"\x01" * (SLICE_SIZE + 1), b"\xff" * (3 * SLICE_SIZE), b"x" * SLICE_SIZE):
            reply = Msg("lobby", 1, "al", 5, payload)
            row = message_row(payload, "lobby", 1, "al", 5)
            self.assertEqual(self.joined(RowCache(), reply), row)
            cache = RowCache(lambda seq: b"id: %d\n" % seq, b"\n")
            self.assertEqual(self.joined(cache, reply), b"id: 1\n" + row + b"\n")

    def test_readers_share_a_long_message(self) -> None:
        cache = RowCache()
        one, other = (cache.row(Msg("lobby", 1, "al", 5, bytes(10**6))) for _ in range(2))
        assert not isinstance(one, Part)
        assert not isinstance(other, Part)
        self.assertEqual(next(one), next(other))  # what stands before the payload
        self.assertEqual(len(cache._long), 1)
        self.assertIs(next(one), next(other))
        del one, other
        self.assertEqual(len(cache._long), 0)

    def test_what_is_kept_has_a_bound(self) -> None:
        cache = RowCache()
        first = self.first(cache, 1)
        self.joined(cache, Msg("lobby", 2, "al", 5, bytes(CACHE_SIZE)))
        self.assertLessEqual(cache._size, CACHE_SIZE)
        self.assertEqual(cache._size, sum(len(part.data) for part in cache._encoded.values()))
        self.assertIsNot(self.first(cache, 1), first)
        self.assertEqual(self.first(cache, 1), first)

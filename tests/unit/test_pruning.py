"""What retention deletes, and what it keeps: exactly what a simple model says."""

from __future__ import annotations

import shutil

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.test_store import BODY, StoreCase, said
from twisted_msg.log.pruning import SLACK
from twisted_msg.log.sqlite import SqliteStore
from twisted_msg.log.store import KEEP_ALL, Retention

SIZES = st.lists(st.integers(BODY + 4, BODY + 40), min_size=1, max_size=12)
"""Bytes of a room's bodies, the oldest first."""

NEARLY = st.integers(-1, 1)
"""How far a limit is from what some of the newest pieces take together."""


def payload(size: int) -> bytes:
    """Return what makes a body of so many bytes."""
    return bytes(size - BODY - 4)


class SizeTests(StoreCase):
    def seqs(self, store: SqliteStore) -> list[int]:
        """Return the numbers that are kept, found one after the other."""
        found = []
        piece = store.piece("lobby", 0)
        while piece is not None:
            found.append(piece.first)
            piece = store.piece("lobby", piece.last + 1)
        return found

    def begun(self, retention: Retention) -> SqliteStore:
        self.folder = self.mktemp()
        store = self.opened(retention)
        self.addCleanup(shutil.rmtree, self.folder)
        return store

    def test_an_excess_that_is_met_exactly(self) -> None:
        """Ten messages of one size, and a limit that eight of them fill to the last byte."""
        size = BODY + 4 + 100
        for limit, kept in ((8 * size, 8), (8 * size - 1, 7), (8 * size + 1, 8), (size, 1)):
            store = self.begun(KEEP_ALL)
            store.commit([said("lobby", seq, bytes(100)) for seq in range(1, 11)], [])
            store.close()
            store = self.opened(Retention(size=limit))
            while store.prune(0):
                pass
            self.assertEqual(self.seqs(store), list(range(11 - kept, 11)), limit)
            store.close()

    @settings(max_examples=25, deadline=None)
    @given(SIZES, st.integers(0, 11), NEARLY)
    @example([BODY + 4] * 10, 2, 0)
    def test_a_limit_that_was_lowered(self, sizes: list[int], fit: int, more: int) -> None:
        """The oldest go, one by one, until the rest fits; the newest one stays."""
        store = self.begun(KEEP_ALL)
        store.commit([said("lobby", seq, payload(s)) for seq, s in enumerate(sizes, 1)], [])
        store.close()
        limit = max(1, sum(sizes[fit:]) + more)
        store = self.opened(Retention(size=limit))
        while store.prune(0):
            pass
        wanted = list(range(1, len(sizes) + 1))
        while len(wanted) > 1 and sum(sizes[seq - 1] for seq in wanted) > limit:
            del wanted[0]
        self.assertEqual(self.seqs(store), wanted)
        store.close()

    @settings(max_examples=25, deadline=None)
    @given(SIZES, st.integers(0, 11), NEARLY)
    @example([BODY + 4] * 20, 4, 0)  # a limit of 16 messages, and so a slack of exactly one
    def test_a_room_at_its_limit(self, sizes: list[int], fit: int, more: int) -> None:
        """Each commit that overfills a room takes it below its limit by the slack."""
        limit = max(1, sum(sizes[fit:]) + more)
        store = self.begun(Retention(size=limit))
        slack = min(SLACK, limit // 16)
        wanted: list[int] = []
        for seq, size in enumerate(sizes, 1):
            (kept,) = store.commit([said("lobby", seq, payload(size))], [])
            wanted.append(seq)
            if sum(sizes[each - 1] for each in wanted) > limit:
                while len(wanted) > 1 and sum(sizes[e - 1] for e in wanted) > limit - slack:
                    del wanted[0]
            self.assertEqual(kept.size, sum(sizes[each - 1] for each in wanted))
            self.assertEqual(self.seqs(store), wanted)
        store.close()

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.integers(0, 20), min_size=1, max_size=12), st.integers(1, 25))
    @example([0, 5, 10], 10)
    def test_an_age(self, times: list[int], age: int) -> None:
        """What is older than the age goes; what is exactly so old stays."""
        times.sort()
        store = self.begun(Retention(age=age / 1000))
        store.commit(
            [said("lobby", seq, millis=100 + time) for seq, time in enumerate(times, 1)], []
        )
        now = 100 + 20
        while store.prune(now):
            pass
        young = [seq for seq, time in enumerate(times, 1) if 100 + time >= now - age]
        self.assertEqual(self.seqs(store), young)
        store.close()

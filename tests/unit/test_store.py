"""The durable store: what is committed is found again, and what is altered is refused."""

from __future__ import annotations

import errno
import gzip
import itertools
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.log import database, ledger, marks, pruning
from twisted_msg.log.ledger import Ledger
from twisted_msg.log.marks import MARK_AGE
from twisted_msg.log.piece import Author, Piece
from twisted_msg.log.sqlite import SqliteStore
from twisted_msg.log.store import (
    KEEP_ALL,
    Kept,
    Mark,
    Retention,
    StoreBroken,
    StoreError,
)

ALICE = Author(1, b"alice")
BODY = 8 + 8 + 1 + 5
"""Bytes of a body beside its messages, when all are Alice's."""


def said(room: str, first: int, *payloads: bytes, millis: int = 1000) -> Piece:
    held = list(payloads) or [b"text"]
    return Piece(room, first, millis, [ALICE] * len(held), held)


def fields(piece: Piece | None) -> tuple[object, ...] | None:
    if piece is None:
        return None
    return piece.room, piece.first, piece.last, piece.millis, piece.authors, piece.payloads


class Died(Exception):
    """The server was killed."""


class Mortal:
    """A connection to a store's file whose server is killed before one of its statements."""

    def __init__(self, real: sqlite3.Connection, statements: int) -> None:
        self._real = real
        self._left = statements

    def execute(self, statement: str, *values: object) -> object:
        self._live()
        self._left -= 1
        return self._real.execute(statement, *values)

    @property
    def in_transaction(self) -> bool:
        return self._left > 0 and self._real.in_transaction

    def _live(self) -> None:
        if not self._left:
            raise Died


class StoreCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = self.mktemp()

    def store(
        self, retention: Retention = KEEP_ALL, folder: str = "", schema: Path | None = None
    ) -> SqliteStore:
        """Make a store that is closed at the end of the test; the caller opens it."""
        store = SqliteStore(folder or self.folder, retention, schema)
        self.addCleanup(store.close)
        return store

    def opened(self, retention: Retention = KEEP_ALL) -> SqliteStore:
        store = self.store(retention)
        store.open()
        return store

    def crashed(
        self, prepare: Callable[[], SqliteStore], act: Callable[[SqliteStore], object]
    ) -> Iterator[tuple[list[Kept], SqliteStore]]:
        """Kill a server before each statement of an act in turn, and at last behind it.

        Yields what opening the files finds that each has left, and the store.
        """
        for statements in itertools.count():
            self.folder = self.mktemp()
            store = prepare()
            held, died = store._database, False
            assert held._connection is not None
            with patch.object(held, "_connection", Mortal(held._connection, statements)):
                try:
                    act(store)
                except Died:
                    died = True
            copied = self.mktemp()
            shutil.copytree(self.folder, copied)
            store.close()
            again = self.store(folder=copied)
            yield again.open(), again
            again.close()
            if not died:
                break

    def edit(self, *statements: str) -> None:
        with closing(sqlite3.connect(os.path.join(self.folder, "log.sqlite3"))) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    def refused(self, store: SqliteStore, kind: type[StoreError] = StoreError) -> str:
        error = self.assertRaises(kind, store.open)
        self.assertIs(type(error), kind)
        self.assertNotIn("\n", str(error))
        self.assertIn(self.folder, str(error))
        return str(error)


class KeepingTests(StoreCase):
    def test_new(self) -> None:
        store = self.store()
        self.assertEqual(store.open(), [])
        self.assertEqual(os.stat(self.folder).st_mode & 0o777, 0o700)
        self.assertEqual((store.floor, store.head("lobby")), (0, 0))
        self.assertIsNone(store.piece("lobby", 1))
        self.assertIsNone(store.mark(b"client"))
        self.assertEqual(store.since("lobby", 0), 1)
        self.assertEqual(store.prune(0), [])

    def test_only_the_owner_reads_the_files_in_an_open_folder(self) -> None:
        os.mkdir(self.folder, 0o755)
        self.addCleanup(os.umask, os.umask(0o022))
        store = self.opened()
        store.commit([said("lobby", 1)], [])
        names = sorted(os.listdir(self.folder))
        self.assertEqual(names, ["lock", "log.sqlite3", "log.sqlite3-wal"])
        for name in names:
            path = os.path.join(self.folder, name)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600, name)

    def test_files_that_an_older_version_left_open_are_narrowed(self) -> None:
        store = self.opened()
        store.commit([said("lobby", 1)], [])
        self.folder = shutil.copytree(self.folder, self.mktemp())  # as a crash leaves it
        names = ["log.sqlite3", "log.sqlite3-wal", "log.sqlite3-shm", "log.sqlite3.v0.backup"]
        for name in names:
            Path(self.folder, name).touch()
            Path(self.folder, name).chmod(0o644)
        again = self.opened()
        self.assertIsNotNone(again.piece("lobby", 1))
        for name in os.listdir(self.folder):
            path = os.path.join(self.folder, name)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600, name)

    def test_files_of_another_user_stay_as_they_are(self) -> None:
        self.opened().close()
        path = Path(self.folder, "log.sqlite3")
        path.chmod(0o660)
        with patch("os.fchmod", side_effect=PermissionError):
            self.opened()
        self.assertEqual(path.stat().st_mode & 0o777, 0o660)

    def test_what_else_lies_beside_the_file_stops_no_start(self) -> None:
        """A folder, a link to nothing, and a file whose mode another user set."""
        self.opened().close()
        path = os.path.join(self.folder, "log.sqlite3")
        os.mkdir(f"{path}.old", 0o755)
        os.symlink("nowhere", f"{path}.link")
        Path(f"{path}.copy").touch(0o644)
        with patch("os.chmod", side_effect=PermissionError):
            self.opened()
        self.assertEqual(os.stat(f"{path}.old").st_mode & 0o777, 0o755)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "nowhere")))

    def test_a_file_that_cannot_be_read_stops_no_start(self) -> None:
        self.opened().close()
        path = os.path.join(self.folder, "log.sqlite3.copy")
        Path(path).touch(0o600)
        opening = os.open

        def refusing(name: Any, *args: Any, **more: Any) -> int:
            if name == path:
                raise PermissionError(errno.EACCES, "Permission denied")
            return opening(name, *args, **more)

        with patch("os.open", refusing):
            self.opened()

    def test_a_store_of_the_first_version_opens(self) -> None:
        """A store that 0.1.0 made: its rooms, messages and marks are there, and it takes more."""
        os.mkdir(self.folder)
        data = Path(__file__).parents[1] / "data" / "store-version-1.sqlite3.gz"
        Path(self.folder, "log.sqlite3").write_bytes(gzip.decompress(data.read_bytes()))
        store = self.store()
        kept = {each.room: each[1:3] for each in store.open()}
        self.assertEqual(kept, {"lobby": (1, 3), "builds": (1, 1)})
        first, second = store.piece("lobby", 1), store.piece("lobby", 3)
        assert first is not None
        assert second is not None
        self.assertEqual([author.name for author in first.authors], [b"alice", b"bob"])
        self.assertEqual(first.payloads + second.payloads, [b"one", b"two", b"\x00\xffthree"])
        self.assertEqual(first.millis, 1_700_000_000_000)
        self.assertEqual((store.mark(b"k" * 16), store.mark(b"j" * 16)), (Mark(7, 2), Mark(1, 3)))
        (grown,) = store.commit([said("lobby", 4)], [(b"k" * 16, 8, 4)])
        self.assertEqual((grown.first, grown.head), (1, 4))
        self.assertEqual(store.mark(b"k" * 16), Mark(8, 4))

    def test_a_commit_is_found_again(self) -> None:
        store = self.opened()
        pieces = [said("lobby", 1, b"one", b"two"), said("den", 7, b"x"), said("lobby", 3, b"3")]
        size = 2 * BODY + 3 * 4 + 7
        kept = [Kept("lobby", 1, 3, size), Kept("den", 7, 7, BODY + 5)]
        self.assertEqual(store.commit(pieces, [(b"client", 9, 3)]), kept)
        self.assertEqual(store.head("lobby"), 3)
        store.close()
        store = self.store()
        self.assertEqual(store.open(), kept)
        self.assertEqual(fields(store.piece("lobby", 2)), fields(pieces[0]))
        self.assertEqual(fields(store.piece("den", 0)), fields(pieces[1]))
        self.assertEqual(fields(store.piece("lobby", 3)), fields(pieces[2]))
        self.assertEqual(store.mark(b"client"), Mark(9, 3))

    def test_a_crash_takes_nothing(self) -> None:
        store = self.opened()
        for seq in range(1, 50):
            store.commit([said("lobby", seq)], [(b"c", seq, seq)])
        copied = self.mktemp()
        shutil.copytree(self.folder, copied)
        again = self.store(folder=copied)
        self.assertEqual([(each.first, each.head) for each in again.open()], [(1, 49)])
        self.assertEqual(again.mark(b"c"), Mark(49, 49))
        # Before anything was read, the log was brought home and synced.
        self.assertEqual(os.path.getsize(os.path.join(copied, "log.sqlite3-wal")), 0)
        for seq in range(1, 50):
            self.assertIsNotNone(again.piece("lobby", seq))

    def test_numbers_are_not_given_twice(self) -> None:
        store = self.opened()
        store.commit([said("lobby", 5)], [])
        for first in (4, 5):
            self.assertRaises(
                ValueError, store.commit, [said("den", 1), said("lobby", first)], [(b"c", 1, 1)]
            )
        self.assertIsNone(store.piece("den", 1))
        self.assertIsNone(store.mark(b"c"))
        self.assertEqual(store.head("lobby"), 5)

    def test_a_group_of_very_many_rows(self) -> None:
        store = self.opened()
        count = 2 * database.WRITES
        store.commit(
            [said(f"room{each}", 1) for each in range(count)],
            [(b"%d" % each, 1, 1) for each in range(count)],
        )
        store.close()
        self.assertEqual(len(store.open()), count)
        self.assertEqual(store.mark(b"%d" % (count - 1)), Mark(1, 1))

    def test_a_group_is_stored_whole_or_not_at_all(self) -> None:
        """However many statements it takes: one, several, or those that make room for it."""
        for pieces, retention in (
            (2, KEEP_ALL),
            (database.WRITES, KEEP_ALL),
            (2, Retention(size=3 * BODY)),
        ):

            def prepare(retention: Retention = retention) -> SqliteStore:
                store = self.opened(retention)
                store.commit([said("lobby", 1), said("lobby", 2)], [(b"c", 2, 2)])
                return store

            def commit(store: SqliteStore, pieces: int = pieces) -> None:
                group = [said("lobby", seq) for seq in range(3, 3 + pieces)]
                store.commit([*group, said("den", 1)], [(b"c", 99, 2 + pieces), (b"d", 1, 1)])

            found = [
                ({room: head for room, _, head, _ in kept}, store.mark(b"c"), store.mark(b"d"))
                for kept, store in self.crashed(prepare, commit)
            ]
            nothing = {"lobby": 2}, Mark(2, 2), None
            whole = {"lobby": 2 + pieces, "den": 1}, Mark(99, 2 + pieces), Mark(1, 1)
            self.assertEqual(found[0], nothing)
            self.assertEqual(found[-1], whole)
            for each in found:
                self.assertIn(each, (nothing, whole))

    def test_not_open(self) -> None:
        store = self.store()
        self.assertRaises(StoreError, store.commit, [said("lobby", 1)], [])
        self.assertRaises(StoreError, store.mark, b"c")

    def test_marks_never_go_down(self) -> None:
        store = self.opened()
        store.commit([], [(b"c", 5, 50), (b"c", 4, 40)])
        store.commit([], [(b"c", 3, 30)])
        self.assertEqual(store.mark(b"c"), Mark(5, 50))
        store.commit([], [(b"c", 2**63 - 1, 60)])
        self.assertEqual(store.mark(b"c"), Mark(2**63 - 1, 60))


class LookingTests(StoreCase):
    def setUp(self) -> None:
        super().setUp()
        self.held = self.opened()
        # Gaps before 10, between 12 and 20, and between 21 and 10**15; times step back.
        self.held.commit([said("other", 1, millis=1)], [])
        for first, millis, count in (
            (10, 100, 3), (20, 100, 1), (21, 200, 1), (10**15, 150, 2), (10**15 + 2, 300, 1),
        ):  # fmt: skip
            self.held.commit([said("lobby", first, *[b"x"] * count, millis=millis)], [])

    def test_by_number(self) -> None:
        for seq, first in (
            (0, 10), (10, 10), (11, 10), (12, 10), (13, 20), (20, 20), (21, 21), (22, 10**15),
            (10**15 + 1, 10**15), (10**15 + 2, 10**15 + 2),
        ):  # fmt: skip
            found = self.held.piece("lobby", seq)
            assert found is not None
            self.assertEqual(found.first, first, seq)
        self.assertIsNone(self.held.piece("lobby", 10**15 + 3))

    def test_by_time(self) -> None:
        for millis, seq in (
            (0, 10), (100, 10), (101, 21), (150, 21), (200, 21), (201, 10**15 + 2),
            (300, 10**15 + 2), (301, 10**15 + 3),
        ):  # fmt: skip
            self.assertEqual(self.held.since("lobby", millis), seq, millis)

    def test_by_time_among_many(self) -> None:
        self.held.commit([said("long", seq, millis=seq // 3 * 3) for seq in range(1, 400)], [])
        for millis in range(400):
            wanted = next((s for s in range(1, 400) if s // 3 * 3 >= millis), 400)
            self.assertEqual(self.held.since("long", millis), wanted)


class RetentionTests(StoreCase):
    def fill(self, store: SqliteStore, room: str, count: int, size: int = 1000) -> None:
        for seq in range(1, count + 1):
            store.commit([said(room, seq, bytes(size), millis=seq)], [])

    def prune_all(self, store: SqliteStore, now: int) -> dict[str, Kept]:
        changed: dict[str, Kept] = {}
        while step := store.prune(now):
            changed.update((kept.room, kept) for kept in step)
        return changed

    def first(self, store: SqliteStore, room: str) -> int | None:
        piece = store.piece(room, 0)
        return None if piece is None else piece.first

    def test_age(self) -> None:
        store = self.opened(Retention(age=1))
        self.fill(store, "lobby", 600, 1)
        self.fill(store, "den", 3, 1)
        self.assertEqual(store.prune(1001), [])
        changed = self.prune_all(store, 1500)
        self.assertEqual(changed["lobby"][:3], ("lobby", 500, 600))
        self.assertEqual(changed["den"], Kept("den", 4, 3, 0))
        self.assertEqual(self.first(store, "lobby"), 500)
        self.assertIsNone(self.first(store, "den"))
        self.assertEqual(self.prune_all(store, 10**6)["lobby"], Kept("lobby", 601, 600, 0))
        self.assertEqual(store.since("lobby", 0), 601)
        # What is empty keeps its numbers, and takes more.
        store.close()
        self.assertEqual(store.open(), [Kept("lobby", 601, 600, 0), Kept("den", 4, 3, 0)])
        store.commit([said("lobby", 700, millis=2)], [])
        self.assertEqual(store.since("lobby", 2), 700)
        self.assertRaises(ValueError, store.commit, [said("den", 3)], [])

    def test_one_step_is_small(self) -> None:
        store = self.opened(Retention(age=1))
        self.fill(store, "lobby", 600, 1)
        self.assertEqual(store.prune(10**6)[0].first, 257)
        store.close()
        with patch.object(pruning, "_STEP", pruning._Bound(256, 2000)):
            store.open()
            self.assertEqual(store.prune(10**6)[0].first, 257 + -(-2000 // (BODY + 5)))

    def test_a_step_is_small_with_several_old_rooms_too(self) -> None:
        store = self.opened(Retention(age=1))
        for room in ("lobby", "den"):
            store.commit([said(room, seq) for seq in range(1, 601)], [])
        changed = store.prune(10**6)
        self.assertEqual({kept.room for kept in changed}, {"lobby", "den"})
        deleted = sum(kept.first - 1 for kept in changed)
        self.assertTrue(0 < deleted <= pruning.PRUNE_ROWS, deleted)

    def test_a_piece_is_not_old_in_the_millisecond_of_its_age(self) -> None:
        store = self.opened(Retention(age=1))
        self.fill(store, "lobby", 3)
        self.assertEqual(store.prune(1001), [])
        self.assertEqual(store.prune(1001), [])
        self.assertEqual([kept.first for kept in store.prune(1002)], [2])

    def test_a_room_flooded_with_large_messages_stays_within_its_size(self) -> None:
        limit = 4 * pruning.SLACK
        store = self.opened(Retention(size=limit))
        for seq in range(1, 20):
            (kept,) = store.commit([said("lobby", seq, bytes(pruning.SLACK))], [])
            self.assertLessEqual(kept.size, limit)
        self.assertGreater(kept.size, limit // 2)

    def test_a_flooded_room_stays_within_its_size(self) -> None:
        store = self.opened(Retention(size=50_000))
        for seq in range(1, 300):
            (kept,) = store.commit([said("lobby", seq, bytes(1000))], [])
            self.assertLessEqual(kept.size, 50_000)
            self.assertEqual(kept.head, seq)
            piece = store.piece("lobby", 0)
            assert piece is not None
            self.assertEqual(piece.first, kept.first)
        self.assertGreater(kept.size, 40_000)
        self.assertEqual(store.prune(10**9), [])

    def test_what_was_just_written_stays(self) -> None:
        store = self.opened(Retention(size=1000))
        self.fill(store, "lobby", 3, 10)
        (kept,) = store.commit([said("lobby", 4, bytes(5000)), said("lobby", 5, bytes(9))], [])
        self.assertEqual(kept.first, 4)
        (kept,) = store.commit([said("lobby", 6, b"x")], [])
        self.assertEqual(kept.first, 5)
        (kept,) = store.commit([said("den", 1, bytes(5000))], [])
        self.assertEqual(kept.first, 1)

    def test_a_limit_that_was_lowered(self) -> None:
        store = self.opened()
        self.fill(store, "lobby", 100)
        self.fill(store, "den", 1, 9000)
        self.fill(store, "cave", 2)
        store.close()
        store = self.opened(Retention(size=5000))
        changed = self.prune_all(store, 10**9)
        self.assertEqual(list(changed), ["lobby"])
        self.assertEqual(changed["lobby"].first, 97)
        # The newest piece of a room stays, however large.
        self.assertEqual(self.first(store, "den"), 1)

    def test_a_crowded_room_that_a_commit_has_mended(self) -> None:
        store = self.opened()
        self.fill(store, "lobby", 10)
        store.close()
        store = self.opened(Retention(size=5000))
        store.commit([said("lobby", 11)], [])
        self.assertEqual(store.prune(10**9), [])

    def test_the_whole_store(self) -> None:
        store = self.opened()
        self.fill(store, "lobby", 300, 4000)
        self.fill(store, "den", 10, 4000)
        store.close()
        limit = 400_000
        store = self.opened(Retention(store=limit))
        changed = self.prune_all(store, 10**9)
        self.assertEqual(list(changed), ["lobby"])
        self.assertLessEqual(store._database.used, limit)
        self.assertGreater(store._database.used, limit // 2)

    def test_a_store_that_cannot_get_smaller(self) -> None:
        store = self.opened(Retention(store=1))
        self.fill(store, "lobby", 3)
        self.assertEqual(self.prune_all(store, 0)["lobby"], Kept("lobby", 4, 3, 0))
        self.assertEqual(store.prune(0), [])

    def test_a_full_disk_in_a_step_changes_nothing(self) -> None:
        store = self.opened(Retention(age=1))
        self.fill(store, "lobby", 3)
        store._database.read("PRAGMA query_only = ON")
        self.assertRaises(StoreBroken, store.prune, 10**6)
        store._database.read("PRAGMA query_only = OFF")
        self.assertEqual(store.prune(10**6), [Kept("lobby", 4, 3, 0)])

    def test_a_crash_in_a_step_leaves_rooms_that_are_what_their_pieces_say(self) -> None:
        """What is deleted and what is known of it go together, of all rooms of a step."""

        def prepare() -> SqliteStore:
            store = self.opened(Retention(age=1))
            self.fill(store, "lobby", 3)
            self.fill(store, "den", 2)
            return store

        found = []
        for kept, store in self.crashed(prepare, lambda store: store.prune(1002)):
            found.append([(room, first, self.first(store, room)) for room, first, *_ in kept])
        before = [("lobby", 1, 1), ("den", 1, 1)]
        after = [("lobby", 2, 2), ("den", 2, 2)]
        self.assertEqual(found[0], before)
        self.assertEqual(found[-1], after)
        for each in found:
            self.assertIn(each, (before, after))

    def test_marks_outlive_what_they_guard(self) -> None:
        week = MARK_AGE * 1000
        store = self.opened()
        store.commit([said("lobby", 1, millis=5000)], [(b"a", 1, 1)])
        # A clock that was set back makes no mark look older than the room's oldest piece.
        store.commit([said("lobby", 2, millis=10)], [(b"b", 1, 2)])
        store.commit([said("den", 1, millis=6000)], [(b"c", 1, 1)])
        for _ in range(3):
            store.prune(10 * week)
        self.assertEqual(store.mark(b"b"), Mark(1, 2))
        store.close()
        store = self.opened(Retention(age=1))
        self.prune_all(store, 9 * week)
        for key in (b"a", b"b", b"c"):
            self.assertIsNone(store.mark(key))

    def test_marks_of_late_are_kept_without_messages(self) -> None:
        store = self.opened(Retention(age=1))
        store.commit([said("lobby", 1, millis=5000)], [(b"a", 1, 1)])
        self.prune_all(store, 5000 + MARK_AGE * 1000)
        self.assertIsNone(store.piece("lobby", 1))
        self.assertEqual(store.mark(b"a"), Mark(1, 1))

    def test_marks_are_swept_in_turns(self) -> None:
        store = self.opened()
        with patch.object(marks, "MARK_ROWS", 2):
            store.commit([], [(b"%d" % each, 1, 1) for each in range(5)])
            left = []
            for _ in range(4):
                store.prune(MARK_AGE * 2000)
                left.append(sum(store.mark(b"%d" % each) is not None for each in range(5)))
        self.assertEqual(left, [3, 1, 0, 0])

    def test_the_sweep_of_marks_goes_past_those_that_stay(self) -> None:
        store = self.opened()
        with patch.object(marks, "MARK_ROWS", 2):
            store.commit([], [(b"%d" % each, 1, 1) for each in (2, 3, 4)])
            late = MARK_AGE * 3000
            store.commit([said("lobby", 1, millis=late)], [(b"0", 1, 1), (b"1", 1, 1)])
            for _ in range(4):
                store.prune(late)
        left = [each for each in range(5) if store.mark(b"%d" % each) is not None]
        self.assertEqual(left, [0, 1])


class ForgettingTests(StoreCase):
    def emptied(self, heads: list[int]) -> SqliteStore:
        store = self.opened(Retention(age=1))
        store.commit([said(f"r{head}", head) for head in heads], [])
        while store.prune(10**6):
            pass
        return store

    def test_a_forgotten_room_goes_on_with_its_numbers(self) -> None:
        store = self.emptied([7])
        store.forget("r7")
        store.forget("unheard-of")
        self.assertEqual((store.head("r7"), store.floor), (7, 0))
        store.close()
        self.assertEqual(store.open(), [Kept("r7", 8, 7, 0)])

    def test_a_room_with_content_is_not_forgotten(self) -> None:
        store = self.opened()
        store.commit([said("lobby", 9)], [])
        with patch.object(ledger, "EMPTY_ROOMS", 0):
            store.forget("lobby")
        self.assertEqual((store.head("lobby"), store.floor), (9, 0))

    def test_too_many_are_folded(self) -> None:
        store = self.emptied([5, 30, 20, 4])
        with patch.object(ledger, "EMPTY_ROOMS", 2), patch.object(ledger, "FOLD_ROOMS", 2):
            for head in (30, 5):
                store.forget(f"r{head}")
            self.assertEqual(store.floor, 0)
            store.commit([said("r5", 6)], [])
            store.forget("r20")
            store.forget("r4")
        self.assertEqual(store.floor, 30)
        self.assertEqual([store.head(f"r{each}") for each in (30, 5, 20, 4)], [30, 6, 30, 4])
        # Who still holds its number may go on with it: it was never given.
        store.commit([said("r20", 21)], [])
        store.close()
        self.assertEqual(
            [(kept.room, kept.head) for kept in store.open()],
            [("r5", 6), ("r4", 4), ("r20", 21)],
        )
        self.assertEqual(store.floor, 30)

    def test_a_crash_folds_rooms_and_raises_the_floor_or_neither(self) -> None:
        def prepare() -> SqliteStore:
            store = self.emptied([5, 30, 20])
            store.forget("r30")
            store.forget("r5")
            return store

        with patch.object(ledger, "EMPTY_ROOMS", 2), patch.object(ledger, "FOLD_ROOMS", 2):
            found = [
                (store.floor, [each.room for each in kept])
                for kept, store in self.crashed(prepare, lambda store: store.forget("r20"))
            ]
        before, after = (0, ["r5", "r30", "r20"]), (30, ["r20"])
        self.assertEqual(found[0], before)
        self.assertEqual(found[-1], after)
        for each in found:
            self.assertIn(each, (before, after))

    def test_empty_rooms_are_folded_after_a_restart_too(self) -> None:
        store = self.emptied([5, 30, 20, 4])
        store.close()
        store.open()
        with patch.object(ledger, "EMPTY_ROOMS", 2), patch.object(ledger, "FOLD_ROOMS", 2):
            store.forget("r4")
        self.assertEqual(store.floor, 30)

    def test_a_room_is_overdue_from_the_next_millisecond_on(self) -> None:
        book = Ledger()
        book.put(book.append({}, said("lobby", 1, millis=1000), 1))
        self.assertEqual(book.overdue(1000, 9), [])
        self.assertEqual([room.name for room in book.overdue(1001, 9)], ["lobby"])

    def test_the_heap_of_ages_stays_small(self) -> None:
        book = Ledger()
        changed: dict[str, ledger.Room] = {}
        for room in (book.append(changed, said(name, 1), 1) for name in ("lobby", "den")):
            book.put(room)
        for oldest in range(2000, 3000):
            book.put(book.rooms["lobby"]._replace(oldest=oldest))
        self.assertLess(len(book._ages), 100)
        self.assertEqual([room.name for room in book.overdue(9999, 9)], ["den", "lobby"])
        self.assertEqual([room.name for room in book.overdue(9999, 1)], ["den"])
        self.assertEqual(book.oldest(), 1000)

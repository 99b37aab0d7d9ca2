"""A start after a failed sync, on a simulated disk that forgets what the sync should have kept."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from tests.simulation.files import Change, Files
from tests.simulation.system import simulated
from tests.simulation.vfs import vfs
from twisted_msg.log.piece import Author, Piece
from twisted_msg.log.sqlite import SqliteStore
from twisted_msg.log.store import StoreBroken


class ForgetfulFiles(Files):
    """Nothing that was not synced outlives a failed sync or a power cut."""

    def _some(self, changes: list[Change]) -> list[Change]:
        return []


def piece(seq: int) -> Piece:
    return Piece("lobby", seq, 1000, [Author(1, b"ada")], [b"hello %d" % seq])


class AfterAFailedSync(SynchronousTestCase):
    def test_what_a_start_has_shown_outlives_a_power_cut(self) -> None:
        files = ForgetfulFiles(Random(1))
        with vfs().over(files), simulated(files):
            store = self.started(files)
            store.commit([piece(1)], [])
            files.fail_sync = 1
            self.assertRaises(StoreBroken, store.commit, [piece(2)], [])
            self.ended(store, files)  # by its own hand, and what it wrote can still be read
            store = self.started(files)
            self.assertEqual(store.head("lobby"), 2)
            files.cut_power()
            self.ended(store, files)
            store = self.started(files)
            self.assertEqual(store.head("lobby"), 2)
            store.close()

    def test_a_log_that_is_absent_is_not_made(self) -> None:
        files = Files(Random(1))
        with vfs().over(files), simulated(files):
            store = self.started(files)
            store.close()
            self.assertNotIn("/store/log.sqlite3-wal", files.names)
            self.started(files).close()

    def started(self, files: Files) -> SqliteStore:
        files.begin_process()
        store = SqliteStore("/store")
        store.open()
        return store

    def ended(self, store: SqliteStore, files: Files) -> None:
        files.end_process()
        connection = store._database._connection
        assert connection is not None
        connection.close()

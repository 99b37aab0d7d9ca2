"""What a store refuses, and how it is brought to a newer version."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from unittest.mock import patch

from tests.unit.test_store import BODY, StoreCase, said
from twisted_msg.log import database
from twisted_msg.log.folder import sync, write_again
from twisted_msg.log.sqlite import SqliteStore
from twisted_msg.log.store import (
    Damaged,
    Mark,
    StoreBroken,
    StoreError,
    StoreFull,
)

SCHEMA = Path(database.__file__).parent / "schema"


class RefusalTests(StoreCase):
    def test_another_server(self) -> None:
        self.opened()
        self.assertIn("another server", self.refused(self.store()))

    def test_another_program(self) -> None:
        self.opened().close()
        path = os.path.join(self.folder, "log.sqlite3")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            self.assertIn("another program", self.refused(self.store()))
        self.opened()

    def test_a_program_that_comes_later_is_kept_out(self) -> None:
        self.opened()
        self.assertRaises(sqlite3.OperationalError, self.edit, "DELETE FROM rooms")

    def test_a_foreign_file(self) -> None:
        os.mkdir(self.folder)
        self.edit("CREATE TABLE theirs (x)")
        self.assertIn("not a store", self.refused(self.store()))

    def test_no_database_at_all(self) -> None:
        os.mkdir(self.folder)
        Path(self.folder, "log.sqlite3").write_bytes(b"dear diary, " * 1000)
        self.refused(self.store(), Damaged)

    def test_a_newer_version(self) -> None:
        self.opened().close()
        self.edit("PRAGMA user_version = 99")
        self.assertIn("version 99", self.refused(self.store()))

    def test_room_is_set_aside_and_given_back(self) -> None:
        store = self.opened()
        store.commit([said("lobby", 1)], [])
        before = sorted(os.listdir(self.folder))
        store.set_aside(1 << 20)
        self.assertEqual(sorted(os.listdir(self.folder)), before)

    def test_room_is_found_where_the_system_sets_nothing_aside(self) -> None:
        store = self.opened()
        before = sorted(os.listdir(self.folder))
        for number in (errno.EOPNOTSUPP, errno.ENOSYS):
            with patch("os.posix_fallocate", side_effect=OSError(number, os.strerror(number))):
                store.set_aside(1 << 20)
            self.assertEqual(sorted(os.listdir(self.folder)), before)

    def test_a_file_of_others_is_left_alone(self) -> None:
        store = self.opened()
        other = Path(self.folder, "room")
        other.write_bytes(b"a file of its owner's")
        store.set_aside(1 << 20)
        self.assertEqual(other.read_bytes(), b"a file of its owner's")

    def test_there_is_no_room_to_set_aside(self) -> None:
        store = self.opened()
        before = sorted(os.listdir(self.folder))
        for number, error, text in (
            (errno.ENOSPC, StoreFull, "no space is left"),
            (errno.EDQUOT, StoreFull, "no space is left"),
            (errno.EIO, StoreError, "nothing can be written to "),
        ):
            with patch("os.posix_fallocate", side_effect=OSError(number, os.strerror(number))):
                with self.assertRaises(error) as caught:
                    store.set_aside(1 << 20)
                self.assertIs(type(caught.exception), error)
                self.assertIn(text, str(caught.exception))
            self.assertEqual(sorted(os.listdir(self.folder)), before)
        store.commit([said("lobby", 1)], [])  # as if nothing had been asked

    def test_files_that_are_there_pass_the_check(self) -> None:
        store = self.store()
        store.check()  # of a store that is not open nothing can be lost
        store.open()
        store.check()
        for seq in range(1, 300):  # beyond a checkpoint
            store.commit([said("lobby", seq, bytes(20_000))], [])
        os.link(os.path.join(self.folder, "log.sqlite3"), self.folder + "-linked")
        store.check()
        store.close()
        shutil.rmtree(self.folder)
        store.check()

    def test_a_sync_leaves_no_file_open(self) -> None:
        os.mkdir(self.folder)
        file = Path(self.folder, "file")
        file.write_bytes(b"text")
        before = os.listdir("/proc/self/fd")
        for _ in range(3):
            sync(self.folder)
            write_again(str(file))
        self.assertEqual(len(os.listdir("/proc/self/fd")), len(before))

    def test_a_file_that_was_removed(self) -> None:
        for name in ("log.sqlite3", "log.sqlite3-wal", "lock"):
            self.folder = self.mktemp()
            store = self.opened()
            os.unlink(os.path.join(self.folder, name))
            error = self.assertRaises(StoreBroken, store.check)
            self.assertIn(f"{os.path.join(self.folder, name)} was removed (No such", str(error))

    def test_a_file_that_was_replaced(self) -> None:
        for name in ("log.sqlite3", "log.sqlite3-wal", "lock"):
            self.folder = self.mktemp()
            store = self.opened()
            path = os.path.join(self.folder, name)
            shutil.copy(path, path + ".copy")
            os.rename(path + ".copy", path)
            error = self.assertRaises(StoreBroken, store.check)
            self.assertIn(f"{path} was replaced", str(error))

    def test_a_folder_that_was_removed_or_moved(self) -> None:
        store = self.opened()
        os.rename(self.folder, self.folder + "-moved")
        self.assertIn("was removed", str(self.assertRaises(StoreBroken, store.check)))
        self.opened()  # another server's
        self.assertIn("was replaced", str(self.assertRaises(StoreBroken, store.check)))

    def test_no_folder_can_be_made(self) -> None:
        Path(self.folder).write_bytes(b"")
        self.assertIn("may write", self.refused(self.store(folder=self.folder + "/store")))

    def test_no_file_can_be_made(self) -> None:
        os.makedirs(os.path.join(self.folder, "log.sqlite3"))
        self.assertIn("Is a directory", self.refused(self.store()))

    def test_a_truncated_file(self) -> None:
        store = self.opened()
        store.commit([said("lobby", seq, bytes(3000)) for seq in range(1, 99)], [])
        store.close()
        path = os.path.join(self.folder, "log.sqlite3")
        os.truncate(path, os.path.getsize(path) // 2)
        self.refused(self.store(), Damaged)

    def test_an_index_that_misses_a_row(self) -> None:
        store = self.opened()
        store.commit([said("lobby", 1)], [])
        store.close()
        self.edit(
            "PRAGMA writable_schema = ON",
            "UPDATE sqlite_master SET sql = replace(sql, 'size    INTEGER NOT NULL', "
            "'size INTEGER NOT NULL CHECK (size = 0)') WHERE name = 'rooms'",
        )
        self.refused(self.store(), Damaged)

    def test_rooms_that_are_not_what_their_pieces_say(self) -> None:
        store = self.opened()
        store.commit([said("lobby", 1), said("lobby", 2)], [])
        store.close()
        for column, bad, good in (("head", 1, 2), ("first", 2, 1), ("size", 0, 2 * BODY + 16)):
            self.edit(f"UPDATE rooms SET {column} = {bad}")
            self.assertIn("lobby", self.refused(self.store(), Damaged))
            self.edit(f"UPDATE rooms SET {column} = {good}")
        self.opened().close()
        self.edit("DELETE FROM pieces")
        with patch.object(database, "CHECKED_SIZE", 0):
            self.refused(self.store(), Damaged)

    def test_altered_messages(self) -> None:
        store = self.opened()
        store.commit([said("lobby", seq, b"some text") for seq in (1, 2, 3, 4)], [])
        store.close()
        self.edit(
            "UPDATE pieces SET body = CAST(replace(body, 'some', 'same') AS BLOB) WHERE first = 1",
            "UPDATE pieces SET millis = 7 WHERE first = 2",
            "UPDATE pieces SET body = 'some text' WHERE first = 3",
        )
        store = self.opened()
        for seq in (1, 2, 3):
            error = self.assertRaises(Damaged, store.piece, "lobby", seq)
            self.assertIn(f"message {seq} of room lobby", str(error))
        self.assertIsNotNone(store.piece("lobby", 4))

    def test_a_full_disk(self) -> None:
        store = self.opened()
        store.commit([said("lobby", 1)], [(b"c", 1, 1)])
        store._database.read("PRAGMA max_page_count = 20")
        large = [said("lobby", 2, bytes(500_000)), said("den", 1)]
        self.assertRaises(StoreFull, store.commit, large, [(b"c", 2, 2)])
        many = [said(f"r{each}", 1, bytes(1000)) for each in range(database.WRITES)]
        self.assertRaises(StoreFull, store.commit, many, [(b"c", 3, 3)])
        self.assertEqual((store.head("lobby"), store.head("den"), store.head("r0")), (1, 0, 0))
        self.assertEqual(store.mark(b"c"), Mark(1, 1))
        self.assertEqual(store.commit([said("lobby", 2)], [(b"c", 2, 2)])[0].head, 2)
        store._database.read("PRAGMA max_page_count = 2000")
        store.commit([said("lobby", 3, bytes(500_000)), said("den", 1)], [])
        store.close()
        self.assertEqual([kept.head for kept in store.open()], [3, 1])

    def left_by_a_crash(self) -> None:
        """Have a folder whose messages stand in SQLite's log alone."""
        store = self.opened()
        store.commit([said("lobby", 1, bytes(50_000))], [(b"c", 1, 1)])
        self.folder = shutil.copytree(self.folder, self.mktemp())
        store.close()

    def opened_where(self, code: int) -> SqliteStore:
        """Open a store on a disk where the checkpoint of the start fails."""

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, /, *values: object) -> sqlite3.Cursor:
                if "TRUNCATE" in sql:
                    error = sqlite3.OperationalError("it fails")
                    error.sqlite_errorcode = code  # type: ignore[misc]
                    raise error
                return super().execute(sql, *values)  # type: ignore[arg-type]

        with patch("sqlite3.connect", partial(sqlite3.connect, factory=Connection)):
            return self.opened()

    def test_a_start_on_a_full_disk_serves_what_it_has_synced(self) -> None:
        self.left_by_a_crash()
        synced: list[str] = []
        with patch.object(database, "write_again", synced.append):
            store = self.opened_where(sqlite3.SQLITE_FULL)
        self.assertEqual(synced, [os.path.join(self.folder, "log.sqlite3-wal")])
        piece = store.piece("lobby", 1)
        assert piece is not None
        self.assertEqual(piece.payloads, [bytes(50_000)])
        self.assertEqual(store.mark(b"c"), Mark(1, 1))
        # When there is room, the first commit brings all of it to the file.
        path = Path(self.folder, "log.sqlite3")
        before = path.stat().st_size
        store.commit([said("lobby", 2)], [])
        self.assertGreater(path.stat().st_size, before + 50_000)

    def test_a_start_on_a_full_disk_that_cannot_sync_is_refused(self) -> None:
        self.left_by_a_crash()
        with patch.object(database, "write_again", side_effect=OSError(errno.EIO, "it fails")):
            error = self.assertRaises(StoreError, self.opened_where, sqlite3.SQLITE_FULL)
        self.assertIn("it fails", str(error))
        self.opened()

    def test_a_start_on_a_disk_that_fails_is_refused(self) -> None:
        self.left_by_a_crash()
        error = self.assertRaises(StoreError, self.opened_where, sqlite3.SQLITE_IOERR)
        self.assertIn("it fails", str(error))
        self.opened()

    def test_a_failed_write_is_final(self) -> None:
        store = self.opened()
        store._database.read("PRAGMA query_only = ON")
        error = self.assertRaises(StoreBroken, store.commit, [said("lobby", 1)], [])
        self.assertNotIn("\n", str(error))
        self.assertEqual(store.head("lobby"), 0)

    def test_a_failed_checkpoint_is_a_failed_write(self) -> None:
        store = self.opened()
        self.fail_checkpoints(store, sqlite3.SQLITE_IOERR)
        large = bytes(database.CHECKPOINT_PAGES * database.PAGE)
        self.assertRaises(StoreBroken, store.commit, [said("lobby", 1, large)], [])

    def test_a_checkpoint_that_finds_no_room_is_left_for_later(self) -> None:
        store = self.opened()
        self.fail_checkpoints(store, sqlite3.SQLITE_FULL)
        large = bytes(database.CHECKPOINT_PAGES * database.PAGE)
        self.assertEqual(store.commit([said("lobby", 1, large)], [])[0].head, 1)

    def test_the_log_is_copied_to_the_file_from_time_to_time(self) -> None:
        store = self.opened()
        path = Path(self.folder, "log.sqlite3")
        before = path.stat().st_size
        for seq in range(1, 6):
            store.commit([said("lobby", seq, bytes(1_000_000))], [])
        self.assertGreater(path.stat().st_size, before + 3_000_000)
        self.assertLess(Path(f"{path}-wal").stat().st_size, 8_000_000)

    def test_small_commits_fill_the_log_too(self) -> None:
        store = self.opened()
        with patch.object(database, "CHECKPOINT_PAGES", 60):
            for seq in range(1, 200):
                store.commit([said("lobby", seq)], [])
        log = Path(self.folder, "log.sqlite3-wal").stat().st_size
        self.assertLess(log, 3 * 60 * database.PAGE)

    def test_the_log_is_small_again_after_a_large_group(self) -> None:
        with patch.object(database, "LOG_SIZE", 64 * 1024):
            store = self.opened()
        large = bytes(database.CHECKPOINT_PAGES * database.PAGE)
        for seq in range(1, 3):  # the second begins the log again, where SQLite cuts it
            store.commit([said("lobby", 2 * seq, large)], [])
            store.commit([said("lobby", 2 * seq + 1)], [])
        log = Path(self.folder, "log.sqlite3-wal").stat().st_size
        self.assertLessEqual(log, 64 * 1024)

    def test_the_log_is_copied_at_no_other_time(self) -> None:
        """SQLite would do it in the commit itself, and tell nobody when that fails."""
        store = self.opened()
        path = Path(self.folder, "log.sqlite3")
        before = path.stat().st_size
        large = bytes(2 * database.CHECKPOINT_PAGES * database.PAGE)
        with patch.object(database, "CHECKPOINT_PAGES", 10**9):
            for seq in range(1, 3):
                store.commit([said("lobby", seq, large)], [])
        self.assertEqual(path.stat().st_size, before)

    def fail_checkpoints(self, store: SqliteStore, code: int) -> None:
        real = store._database._connection

        class Connection:
            def execute(self, statement: str, *values: object) -> object:
                if "wal_checkpoint" in statement:
                    error = sqlite3.OperationalError("disk I/O error")
                    error.sqlite_errorcode = code
                    raise error
                return real.execute(statement, *values)  # type: ignore[union-attr]

            def __getattr__(self, name: str) -> object:
                return getattr(real, name)

        self.patch(store._database, "_connection", Connection())

    def test_a_file_that_was_emptied_or_removed(self) -> None:
        self.opened().close()
        path = Path(self.folder, "log.sqlite3")
        path.write_bytes(b"")
        self.assertIn("empty or gone", self.refused(self.store(), Damaged))
        path.unlink()
        self.refused(self.store(), Damaged)

    def test_a_log_that_cannot_be_kept(self) -> None:
        # Found by failing each sync of a first start in turn: SQLite kept the journal that it
        # had, said so only to who asked, and the server served.
        class Failing(sqlite3.Connection):
            def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
                return super().execute(statement.replace("= WAL", "= DELETE"), *values)

        connect = sqlite3.connect
        with patch.object(sqlite3, "connect", partial(connect, factory=Failing)):
            self.assertIn("cannot keep a log", self.refused(self.store()))
        self.opened()

    def test_a_failed_read(self) -> None:
        store = self.opened()
        store._database.read("DROP TABLE marks")
        self.assertIn("no such table", str(self.assertRaises(StoreError, store.mark, b"c")))

    def test_a_transaction_that_sqlite_ended_itself(self) -> None:
        held = self.opened()._database

        def interrupted() -> None:
            with held.transaction():
                held.write("ROLLBACK")

        self.assertRaises(StoreBroken, interrupted)

    def test_a_failed_close(self) -> None:
        class Connection:
            def close(self) -> None:
                raise sqlite3.OperationalError("disk I/O error")

        store = self.opened()
        real, store._database._connection = store._database._connection, Connection()
        self.assertRaises(StoreError, store.close)
        real.close()
        self.opened()


class MigrationTests(StoreCase):
    def schema(self, text: str) -> Path:
        folder = Path(self.mktemp())
        shutil.copytree(SCHEMA, folder)
        (folder / "0002.sql").write_text(text)
        (folder / "notes.txt").write_text("not a step")
        return folder

    def test_an_upgrade_keeps_a_copy(self) -> None:
        store = self.opened()
        store.commit([said("lobby", 1)], [])
        store.close()
        newer = self.schema("CREATE TABLE more (x); INSERT INTO more VALUES (1);")
        store = self.store(schema=newer)
        self.assertEqual(store.open()[0].head, 1)
        self.assertEqual(store._database.read("SELECT x FROM more"), [(1,)])
        store.close()
        self.assertIn("version 2", self.refused(self.store()))
        path = os.path.join(self.folder, "log.sqlite3")
        os.replace(path + ".v1.backup", path)
        self.assertEqual(self.opened().head("lobby"), 1)

    def test_the_copy_is_on_disk_before_the_upgrade_begins(self) -> None:
        self.opened().close()
        store = self.store(schema=self.schema("CREATE TABLE more (x);"))
        synced = []

        def sync(descriptor: int) -> None:
            (version,) = store._database.read("PRAGMA user_version")[0]
            synced.append((os.readlink(f"/proc/self/fd/{descriptor}"), version))

        with patch.object(os, "fsync", sync):
            store.open()
        folder = os.path.realpath(self.folder)
        copy = os.path.join(folder, "log.sqlite3.v1.backup")
        self.assertEqual(synced, [(copy, 1), (folder, 1), (folder, 2)])

    def test_only_the_owner_reads_the_copy(self) -> None:
        self.addCleanup(os.umask, os.umask(0o022))
        self.opened().close()
        self.store(schema=self.schema("CREATE TABLE more (x);")).open()
        copy = Path(self.folder, "log.sqlite3.v1.backup")
        self.assertEqual(copy.stat().st_mode & 0o777, 0o600)

    def test_a_failed_upgrade_changes_nothing(self) -> None:
        self.opened().close()
        newer = self.schema("CREATE TABLE more (x); CREATE TABLE more (x);")
        self.assertIn("more already exists", self.refused(self.store(schema=newer)))
        self.opened()

    def test_a_new_store_is_made_by_all_steps(self) -> None:
        store = self.store(schema=self.schema("CREATE TABLE more (x);"))
        store.open()
        self.assertEqual(store._database.read("SELECT x FROM more"), [])
        self.assertEqual(sorted(os.listdir(self.folder))[:2], ["lock", "log.sqlite3"])


class FolderTests(StoreCase):
    def synced(self, folder: str) -> list[str]:
        """Open a store in a folder and close it; return what folders were synced for that."""
        found = []

        def sync(descriptor: int) -> None:
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))

        with patch.object(os, "fsync", sync):
            store = self.store(folder=folder)
            store.open()
            store.close()
        return [path for path in found if os.path.isdir(path)]

    def test_a_power_cut_takes_back_no_folder_that_was_made_for_a_store(self) -> None:
        # Found by `python -m tests.torture power-loss`: with two new folders, one inside the
        # other, only the inner one's name was synced.
        inner = os.path.join(os.path.realpath(self.folder), "new", "store")
        synced = self.synced(inner)
        for each in (inner, os.path.dirname(inner), os.path.realpath(self.folder)):
            self.assertIn(os.path.dirname(each), synced)

    def test_the_note_that_a_store_was_begun_is_on_disk_before_it_serves(self) -> None:
        lock = os.path.join(os.path.realpath(self.folder), "lock")
        synced = []

        def sync(descriptor: int) -> None:
            size = os.path.getsize(lock)
            synced.append((os.readlink(f"/proc/self/fd/{descriptor}"), size > 0))

        with patch.object(os, "fsync", sync):
            self.opened()
        # The names above are there before the note: it would make a lost file a fault.
        self.assertIn((os.path.dirname(os.path.dirname(lock)), False), synced)
        self.assertEqual(synced[-2:], [(lock, True), (os.path.dirname(lock), True)])

    def test_a_store_that_was_begun_syncs_only_its_own_folder(self) -> None:
        self.opened().close()
        self.assertEqual(self.synced(self.folder), [os.path.realpath(self.folder)])

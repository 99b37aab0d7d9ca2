"""One SQLite file that only this process uses.

Law of this file: `sqlite3` is imported here only, and migrations stand here.  What the
tables mean, it does not know; every error leaves as a `StoreError`.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from glob import escape, glob
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

from twisted_msg.log.folder import Folder, make_private, narrow, sync, write_again
from twisted_msg.log.store import Damaged, StoreBroken, StoreError, StoreFull

APPLICATION_ID: Final = 0x74636D73
"""What marks a file as ours: "tcms" in ASCII."""

CHECKED_SIZE: Final = 64 * 1024 * 1024
"""Bytes of the largest file that is checked whole at start.  A server must serve within two
seconds, and 280 MiB took 1.9 s when they were not in memory; behind this size, only the
rooms' edges and what is read are checked."""

CHECKPOINT_PAGES: Final = 1000
"""Pages of 4 KiB in the log before they are copied to the file.  Measured: 250 made every
large commit pay (2.5 ms instead of 1.0), 4,000 held one up for 25 ms, 1,000 for 9 ms."""

PAGE: Final = 4096
"""Bytes of SQLite's pages."""

PAGES_BESIDE: Final = 6
"""Pages that a commit writes beside its bodies, about: those of rooms, marks and inner nodes."""

CACHE_SIZE: Final = 512 * 1024
"""Bytes of pages that SQLite keeps in memory: rooms are looked up in the ledger, and the
newest pieces stand in memory anyway.  Its own 2 MB were no faster."""

LOG_SIZE: Final = 16 * 1024 * 1024
"""Bytes of SQLite's log that stay allotted after a group larger than usual."""

WRITES: Final = 512
"""Rows of one statement; its 4,096 values are far below SQLite's limit of 32,766."""

FIELDS: Final = 8
"""Values of a row for `write_all`."""

_SCHEMA: Final = files("twisted_msg.log") / "schema"


class Database:
    """A file `log.sqlite3` in a folder of its own, with the lock that keeps others out.

    `folder` is made when it is not there; `schema` holds the files NNNN.sql that bring a
    file from one version to the next.
    """

    def __init__(self, folder: str, schema: Traversable = _SCHEMA) -> None:
        self.folder = folder
        self.path = os.path.join(folder, "log.sqlite3")
        self._schema = schema
        self._logged = 0
        self._place = Folder(folder)
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Lock, check and migrate the file; close again when that fails.

        Before anything is read it is checkpointed: what a crash left readable in the log
        was perhaps never synced, and this syncs it.  A full disk has no room for that: then the
        log itself is synced, and the store can be read.
        """
        try:
            self._place.take()
            self._take_file()
        except OSError as error:
            self.close()
            raise StoreError(
                f"cannot keep messages in {self.folder}: {error.strerror}; "
                "give the server a folder that it may write to, with --data-dir"
            ) from error
        except sqlite3.Error as error:
            self.close()
            raise self._refusal(error, StoreError) from error
        except StoreError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file, then let go of the lock."""
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                connection.close()
        except sqlite3.Error as error:
            raise self._refusal(error, StoreError) from error
        finally:
            self._place.leave()

    def read(self, statement: str, *values: object) -> list[Any]:
        """Return the rows that a statement finds."""
        try:
            return self._open.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._refusal(error, StoreError) from error

    def write(self, statement: str, *values: object) -> None:
        """Run one statement that changes something."""
        self._logged += PAGES_BESIDE
        try:
            self._open.execute(statement, values)
        except sqlite3.Error as error:
            raise self._refusal(error, StoreBroken) from error

    def write_all(self, rows: Sequence[tuple[object, ...]], size: int = 0) -> None:
        """Insert rows of `FIELDS` values into the view `writes`, `WRITES` in a statement.

        More than those need a `transaction` round them.  `size` is what the bodies among
        them take, in bytes.
        """
        self._logged += size // PAGE
        for begin in range(0, len(rows), WRITES):
            part = rows[begin : begin + WRITES]
            count = 1 << (len(part) - 1).bit_length()
            values = [value for row in part for value in row]
            values += (None,) * (FIELDS * (count - len(part)))
            self.write(_insert(count), *values)

    def checkpoint(self) -> None:
        """Copy SQLite's log to the file if that is due; to be called behind a commit.

        When the disk is full it is left for later: what was committed is in the log.
        """
        if self._logged < CHECKPOINT_PAGES:
            return
        self._logged = 0
        try:
            self._open.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            refusal = self._refusal(error, StoreBroken)
            if not isinstance(refusal, StoreFull):
                raise refusal from error

    def set_aside(self, size: int) -> None:
        """See whether there is room for so many bytes more; raises `StoreFull` if not."""
        try:
            self._place.set_aside(size)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise self._full() from error
            reason = f"nothing can be written to {self.folder}: {error.strerror}; see to its disk"
            raise StoreError(reason) from error

    def check(self) -> None:
        """Raise `StoreBroken` if the files were removed or replaced since they were opened."""
        self._place.check()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all or nothing of what is written inside; the end is the one sync."""
        self.write("BEGIN IMMEDIATE")
        try:
            yield
            self.write("COMMIT")
        except BaseException:
            if self._open.in_transaction:
                self.write("ROLLBACK")
            raise

    @property
    def used(self) -> int:
        """Bytes of the file's pages that hold something.

        Freed pages are used again before the file grows.  SQLite's log comes on top: up
        to `LOG_SIZE`, or the largest group.
        """
        (row,) = self.read(
            "SELECT (page_count - freelist_count) * page_size"
            " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
        )
        return int(row[0])

    @property
    def size(self) -> int:
        """Bytes of the file and of SQLite's log beside it, as the system knows them."""
        size = 0
        for path in (self.path, f"{self.path}-wal"):
            try:
                size += os.stat(path).st_size
            except OSError:
                pass  # there is none, before the store is open and after
        return size

    @property
    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"the store in {self.folder} is not open")
        return self._connection

    def _take_file(self) -> None:
        # SQLite would make the file readable to others, and its log like the file.
        make_private(self.path)
        for path in glob(escape(self.path) + "?*"):  # also what an administrator put beside it
            narrow(path)
        self._connection = connection = sqlite3.connect(
            self.path, timeout=0, isolation_level=None, check_same_thread=False
        )
        # One connection for everything: SQLite up to 3.51.2 can lose rows when two write
        # and checkpoint at once, and this keeps any second one out.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute(f"PRAGMA cache_size = -{CACHE_SIZE // 1024}")
        # Builds differ: Debian's would write zeros over all that is deleted, at half the rate.
        connection.execute("PRAGMA secure_delete = FAST")
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # its failures would be told to nobody
        connection.execute(f"PRAGMA journal_size_limit = {LOG_SIZE}")
        if self._pragma("application_id") != APPLICATION_ID:
            if self._place.begun:
                raise self.damaged(f"{self.path} is empty or gone")
            if self.read("SELECT 1 FROM sqlite_master LIMIT 1"):
                raise StoreError(
                    f"{self.path} is not a store of this server; give it a folder of its own"
                )
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        # Where that fails SQLite says so in its answer only, and goes on with a journal whose
        # end it does not sync: a power cut would take back the last commit.
        ((mode,),) = self.read("PRAGMA journal_mode = WAL")
        if mode != "wal":
            raise StoreError(
                f"the store in {self.folder} cannot keep a log there; see that its disk is sound"
            )
        self._bring_home(connection)
        if os.path.getsize(self.path) < CHECKED_SIZE:
            found = self.read("PRAGMA quick_check(1)")[0][0]
            if found != "ok":
                raise self.damaged(found)
        self._migrate()
        self._place.begin()
        self._place.watch(self.path, f"{self.path}-wal")

    def _bring_home(self, connection: sqlite3.Connection) -> None:
        """Sync SQLite's log, and copy its pages into the database if the disk has room for them."""
        # A process that ended because a sync had failed leaves a log that can be read and is not
        # on disk, although the checkpoint's own sync of it succeeds.
        write_again(f"{self.path}-wal")
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            if not isinstance(self._refusal(error, StoreError), StoreFull):
                raise
            self._logged = CHECKPOINT_PAGES  # the next commit tries again

    def _migrate(self) -> None:
        steps = sorted(
            (int(each.name[:4]), each)
            for each in self._schema.iterdir()
            if each.name[:4].isdigit() and each.name.endswith(".sql")
        )
        version, known = self._pragma("user_version"), steps[-1][0]
        if version > known:
            raise StoreError(
                f"the store in {self.folder} has version {version} and this server knows "
                f"{known}; run the newer server, or restore the backup made when it upgraded"
            )
        if version == known:
            return
        if version:
            self._back_up(f"{self.path}.v{version}.backup")
        script = [each.read_text("utf-8") for number, each in steps if number > version]
        # `open` closes the connection of a step that fails, and SQLite then takes back all of it.
        self._open.executescript(
            "\n".join(["BEGIN IMMEDIATE;", *script, f"PRAGMA user_version = {known}; COMMIT;"])
        )

    def _back_up(self, path: str) -> None:
        """Copy the file beside itself; a copy that an earlier try left is written anew."""
        make_private(path)
        with closing(sqlite3.connect(path)) as copy:
            self._open.backup(copy)
        sync(path)
        sync(self.folder)

    def _pragma(self, name: str) -> int:
        return int(self.read(f"PRAGMA {name}")[0][0])

    def damaged(self, cause: object) -> Damaged:
        """Return the error for content that is not what was stored."""
        return Damaged(
            f"the store in {self.folder} is damaged ({cause}); restore a backup, "
            "or move the folder away to begin with an empty one"
        )

    def _full(self) -> StoreFull:
        return StoreFull(f"no space is left for the store in {self.folder}; make some")

    def _refusal(self, error: sqlite3.Error, otherwise: type[StoreError]) -> StoreError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            return self._full()
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return self.damaged(error)
        if code == sqlite3.SQLITE_BUSY:
            return StoreError(f"another program has {self.path} open; end that one first")
        return otherwise(
            f"the store in {self.folder} failed: {error}; "
            "see that its disk is sound and its files are writable"
        )


@cache
def _insert(rows: int) -> str:
    """Return the statement for so many rows; they are powers of two, so it is made ten times."""
    row = "(" + ",".join("?" * FIELDS) + ")"
    return "INSERT INTO writes VALUES " + ",".join([row] * rows)  # noqa: S608 (marks only)

"""The folder that a store is kept in: whose it is, and that its name outlives a power cut.

Law of this file: locks and syncs of names stand here; what is in the store's file it does
not know.  Errors of the system leave as they are.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from stat import S_ISREG
from tempfile import TemporaryFile
from typing import Final

from twisted_msg.log.store import StoreBroken, StoreError

BEGUN = b"A store was begun here; without its file it is not the same.\n"
"""What stands in the lock's file from the first start on."""

CANNOT: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS})
"""What is said where a file system sets nothing aside (NFS up to 4.1, many of FUSE) and the C
library does not write in its place: glibc does, musl does not."""

AT_ONCE: Final = 1024 * 1024
"""Bytes that `write_again` holds in memory."""

PRIVATE: Final = 0o600
"""The mode of every file: other users read no messages, whatever the folder lets them do."""


class Folder:
    """A folder that one process holds while it lives.

    `begun` tells whether a store was begun in it, so that the loss of its file is not taken
    for a beginning.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock: int | None = None
        self._identities: dict[str, tuple[int, int]] = {}

    def take(self) -> None:
        """Make the folder if need be, and lock it.

        Raises `StoreError` if another process holds it, `OSError` if it cannot be had.
        """
        os.makedirs(self.path, 0o700, exist_ok=True)
        self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, PRIVATE)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"another server keeps its messages in {self.path}; "
                "stop that one, or give this one a folder of its own with --data-dir"
            ) from None

    def leave(self) -> None:
        """Let go of the lock; to leave again changes nothing."""
        lock, self._lock = self._lock, None
        self._identities = {}
        if lock is not None:
            os.close(lock)

    def set_aside(self, size: int) -> None:
        """Have the system set so many bytes aside, and give them back.

        Nothing is written where the file system can do it without.  Raises `OSError` if there
        is no room, or if nothing can be written.
        """
        with TemporaryFile(dir=self.path) as file:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                if error.errno not in CANNOT:
                    raise
                file.write(bytes(size))
                file.flush()

    def watch(self, *paths: str) -> None:
        """Record which files have these names now, and which file is the lock; see `check`.

        Raises `OSError`.
        """
        self._identities = {path: _identity(path) for path in (self._lock_path, *paths)}

    def check(self) -> None:
        """Raise `StoreBroken` if a watched name no longer belongs to the same file.

        The open file then was removed or replaced.  What is written to it is lost when this process
        ends.
        """
        for path, identity in self._identities.items():
            try:
                same = _identity(path) == identity
                reason = f"{path} was replaced by another file"
            except OSError as error:
                same, reason = False, f"{path} was removed ({error.strerror})"
            if not same:
                raise StoreBroken(
                    f"{reason} while the server used it; put the store back, or restore a backup, "
                    "before the next start"
                )

    @property
    def _lock_path(self) -> str:
        return os.path.join(self.path, "lock")

    @property
    def begun(self) -> bool:
        """Whether a store was begun here before."""
        return self._lock is not None and os.fstat(self._lock).st_size > 0

    def begin(self) -> None:
        """Note that there is a store now, when its names are on disk."""
        if self._lock is not None and not self.begun:
            _sync_way(self.path)
            os.write(self._lock, BEGUN)
            os.fsync(self._lock)
        sync(self.path)


def make_private(path: str) -> None:
    """Make a file that only its owner may read; narrow the mode of one that is there.

    The mode of another user's file stays as it is, since only its owner may change it.
    Raises `OSError`, also for a file that this process may not read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, PRIVATE)
    try:
        if os.fstat(descriptor).st_mode & 0o077:
            with suppress(PermissionError):
                os.fchmod(descriptor, PRIVATE)
    finally:
        os.close(descriptor)


def narrow(path: str) -> None:
    """Take a file that is there from other users; leave what is no file, or not ours to change."""
    with suppress(OSError):
        mode = os.lstat(path).st_mode
        if S_ISREG(mode) and mode & 0o077:
            os.chmod(path, PRIVATE)


def sync(path: str) -> None:
    """Wait until what a file holds, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_again(path: str) -> None:
    """Write what a file holds once more in its place, and sync it; a file that is absent is left.

    After a failed sync Linux treats the unwritten pages as written: they can be read, no later
    sync writes them, and a power cut loses them.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        at = 0
        while data := os.pread(descriptor, AT_ONCE, at):
            at += os.pwrite(descriptor, data, at)
        if at:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _identity(path: str) -> tuple[int, int]:
    """Return device and inode of the file that has this name now."""
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _sync_way(folder: str) -> None:
    """Sync the names of a folder and of those above it: they may be as new as what is in it.

    It ends at what another file system holds or others keep to themselves: that was there.
    """
    folder = os.path.abspath(folder)
    device = os.stat(folder).st_dev
    above = os.path.dirname(folder)
    while above != folder and os.access(above, os.R_OK) and os.stat(above).st_dev == device:
        sync(above)
        folder, above = above, os.path.dirname(above)

"""What the store's folder asks of the operating system, answered by the simulated disk.

Only what `twisted_msg/log/database.py` and `folder.py` use is here.  A function that is missing
raises `AttributeError`, so a new use in the product is seen at once.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

from tests.simulation.files import FailedError, File, Files, FullError
from twisted_msg.log import database, folder


class _Path:
    """`os.path`, whose look at files is simulated."""

    def __init__(self, system: System) -> None:
        self._system = system

    def __getattr__(self, name: str) -> Any:
        if name in ("join", "abspath", "dirname", "basename", "isabs"):
            return getattr(posixpath, name)
        raise AttributeError(f"the simulated system has no os.path.{name}")

    def exists(self, path: str) -> bool:
        return self._system.is_there(path)

    def getsize(self, path: str) -> int:
        return int(self._system.stat(path).st_size)


class System:
    """Stands for `os`, `fcntl` and `TemporaryFile`; a descriptor is of one process."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.path = _Path(self)
        self._descriptors: dict[int, tuple[str, File | None]] = {}
        self._last = 100
        self._locked: dict[int, int] = {}
        """Which process holds the lock on a file, by the file's number."""

    def __getattr__(self, name: str) -> Any:
        value = getattr(os, name)
        if isinstance(value, int):  # O_RDWR and its like
            return value
        raise AttributeError(f"the simulated system has no os.{name}")

    def is_there(self, path: str) -> bool:
        return path in self.files.names or path in self.files.folders

    # -- os ------------------------------------------------------------------

    def makedirs(self, path: str, mode: int = 0o777, exist_ok: bool = False) -> None:
        self.files.folders.add(path)

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        file = None
        if path not in self.files.folders:
            try:
                file = self.files.open(path, create=bool(flags & os.O_CREAT))
            except FailedError:
                raise OSError(errno.EROFS, os.strerror(errno.EROFS)) from None
            if file is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            if self.files.read_only and flags & (os.O_RDWR | os.O_WRONLY):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        self._last += 1
        self._descriptors[self._last] = path, file
        return self._last

    def close(self, descriptor: int) -> None:
        _, file = self._descriptors.pop(descriptor)
        if file is not None:
            self._locked.pop(file.number, None)

    def stat(self, path: str) -> Any:
        file = self.files.names.get(path)
        if file is None and path not in self.files.folders:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return _status(file)

    def fstat(self, descriptor: int) -> Any:
        return _status(self._descriptors[descriptor][1])

    def access(self, path: str, mode: int) -> bool:
        return self.is_there(path)

    def chmod(self, path: str, mode: int) -> None:
        self.stat(path)

    def fchmod(self, descriptor: int, mode: int) -> None:
        self.fstat(descriptor)

    def write(self, descriptor: int, data: bytes) -> int:
        path, file = self._descriptors[descriptor]
        assert file is not None
        with _errors():
            self.files.write(path, file, len(file.data), data)
        return len(data)

    def pread(self, descriptor: int, size: int, at: int) -> bytes:
        file = self._descriptors[descriptor][1]
        assert file is not None
        return bytes(file.data[at : at + size])

    def pwrite(self, descriptor: int, data: bytes, at: int) -> int:
        path, file = self._descriptors[descriptor]
        assert file is not None
        with _errors():
            self.files.write(path, file, at, data)
        return len(data)

    def fsync(self, descriptor: int) -> None:
        path, file = self._descriptors[descriptor]
        with _errors():
            if file is None:
                self.files.sync_folder()
            else:
                self.files.sync(path, file)

    def posix_fallocate(self, descriptor: int, at: int, size: int) -> None:
        free = self.files.free
        if self.files.read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        if free is not None and size > free:
            self.files.counts["disk full"] += 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    # -- fcntl and tempfile --------------------------------------------------

    def flock(self, descriptor: int, how: int) -> None:
        file = self._descriptors[descriptor][1]
        assert file is not None
        holder = self._locked.get(file.number)
        if holder is not None and self.files.alive(holder):
            raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK))
        self._locked[file.number] = self.files.process

    @contextmanager
    def temporary_file(self, dir: str) -> Iterator[Any]:  # noqa: A002 (the name that callers use)
        yield SimpleNamespace(fileno=lambda: -1)


def _status(file: File | None) -> Any:
    kind = stat.S_IFDIR | 0o700 if file is None else stat.S_IFREG | 0o600
    return SimpleNamespace(
        st_mode=kind,
        st_ino=1 if file is None else file.number + 1,
        st_dev=1,
        st_nlink=1,
        st_size=0 if file is None else len(file.data),
        st_uid=0,
    )


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except FullError:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
    except FailedError:
        raise OSError(errno.EIO, os.strerror(errno.EIO)) from None


@contextmanager
def simulated(files: Files) -> Iterator[None]:
    """Have the store's modules ask the simulated disk in place of the operating system."""
    system = System(files)
    with ExitStack() as patches:
        for module in (database, folder):
            patches.enter_context(mock.patch.object(module, "os", system))
        locks = SimpleNamespace(flock=system.flock, LOCK_EX=2, LOCK_NB=4)
        patches.enter_context(mock.patch.object(folder, "fcntl", locks))
        patches.enter_context(mock.patch.object(folder, "TemporaryFile", system.temporary_file))
        yield

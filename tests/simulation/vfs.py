"""SQLite over the simulated disk: a VFS of Python functions, in the library of `sqlite3`.

The VFS is SQLite's default while `over` holds, so the product opens its file as it always does.
One file is open at a time for each handle; locks and shared memory are not simulated, because the
store opens its database in exclusive mode.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from tests.simulation.files import FailedError, File, Files, FullError

OK, IOERR, FULL, CANTOPEN, NOTFOUND = 0, 10, 13, 14, 12
SHORT_READ, READ, WRITE, FSYNC = 522, 266, 778, 1034
OPEN_DELETE, OPEN_CREATE, OPEN_READ_WRITE, OPEN_READ_ONLY = 0x8, 0x4, 0x2, 0x1
POWERSAFE_OVERWRITE = 0x1000

_P, _I, _L = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_S = ctypes.c_char_p


class _Methods(ctypes.Structure):
    """`sqlite3_io_methods`, version 1."""

    _fields_ = [
        ("iVersion", _I),
        ("xClose", ctypes.CFUNCTYPE(_I, _P)),
        ("xRead", ctypes.CFUNCTYPE(_I, _P, _P, _I, _L)),
        ("xWrite", ctypes.CFUNCTYPE(_I, _P, _P, _I, _L)),
        ("xTruncate", ctypes.CFUNCTYPE(_I, _P, _L)),
        ("xSync", ctypes.CFUNCTYPE(_I, _P, _I)),
        ("xFileSize", ctypes.CFUNCTYPE(_I, _P, _P)),
        ("xLock", ctypes.CFUNCTYPE(_I, _P, _I)),
        ("xUnlock", ctypes.CFUNCTYPE(_I, _P, _I)),
        ("xCheckReservedLock", ctypes.CFUNCTYPE(_I, _P, _P)),
        ("xFileControl", ctypes.CFUNCTYPE(_I, _P, _I, _P)),
        ("xSectorSize", ctypes.CFUNCTYPE(_I, _P)),
        ("xDeviceCharacteristics", ctypes.CFUNCTYPE(_I, _P)),
    ]


class _Handle(ctypes.Structure):
    """Our `sqlite3_file`: the methods, then the number by which the file is known here."""

    _fields_ = [("methods", _P), ("number", _L)]


class _Vfs(ctypes.Structure):
    """`sqlite3_vfs`, version 1."""

    _fields_ = [
        ("iVersion", _I),
        ("szOsFile", _I),
        ("mxPathname", _I),
        ("pNext", _P),
        ("zName", _S),
        ("pAppData", _P),
        ("xOpen", ctypes.CFUNCTYPE(_I, _P, _P, _P, _I, _P)),
        ("xDelete", ctypes.CFUNCTYPE(_I, _P, _S, _I)),
        ("xAccess", ctypes.CFUNCTYPE(_I, _P, _S, _I, _P)),
        ("xFullPathname", ctypes.CFUNCTYPE(_I, _P, _S, _I, _P)),
        ("xDlOpen", _P),
        ("xDlError", _P),
        ("xDlSym", _P),
        ("xDlClose", _P),
        ("xRandomness", ctypes.CFUNCTYPE(_I, _P, _I, _P)),
        ("xSleep", ctypes.CFUNCTYPE(_I, _P, _I)),
        ("xCurrentTime", ctypes.CFUNCTYPE(_I, _P, _P)),
        ("xGetLastError", ctypes.CFUNCTYPE(_I, _P, _I, _P)),
    ]


class _Open:
    """An open file of one process."""

    __slots__ = ("file", "files", "path", "process")

    def __init__(self, files: Files, path: str, file: File) -> None:
        self.files = files
        self.path = path
        self.file = file
        self.process = files.process


class Vfs:
    """The VFS; `files` is the disk that it opens files on."""

    def __init__(self) -> None:
        self.library: Any = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
        for name in ("sqlite3_vfs_find", "sqlite3_vfs_register", "sqlite3_randomness"):
            if not hasattr(self.library, name):
                raise RuntimeError(
                    f"Python's sqlite3 hides {name}: run the simulation with a Python whose "
                    "_sqlite3 is linked to the system's libsqlite3, as Debian's is"
                )
        self.library.sqlite3_vfs_find.restype = _P
        self.library.sqlite3_vfs_register.argtypes = (_P, _I)
        self.library.sqlite3_randomness.argtypes = (_I, _P)
        self.files: Files | None = None
        self.errors: list[str] = []
        """Tracebacks of failures of this file's own, which SQLite must not swallow."""
        self._open: dict[int, _Open] = {}
        self._number = 0
        self._usual = self.library.sqlite3_vfs_find(None)
        guarded = self._guarded
        self._methods = _Methods(
            1,
            *(
                dict(_Methods._fields_)[name](guarded(function))
                for name, function in (
                    ("xClose", self._close),
                    ("xRead", self._read),
                    ("xWrite", self._write),
                    ("xTruncate", self._truncate),
                    ("xSync", self._sync),
                    ("xFileSize", self._size),
                    ("xLock", lambda handle, kind: OK),
                    ("xUnlock", lambda handle, kind: OK),
                    ("xCheckReservedLock", lambda handle, out: _int(out, 0)),
                    ("xFileControl", lambda handle, what, argument: NOTFOUND),
                    ("xSectorSize", lambda handle: 4096),
                    ("xDeviceCharacteristics", lambda handle: POWERSAFE_OVERWRITE),
                )
            ),
        )
        fields = dict(_Vfs._fields_)
        self._vfs = _Vfs(
            iVersion=1,
            szOsFile=ctypes.sizeof(_Handle),
            mxPathname=512,
            zName=b"simulated",
            xOpen=fields["xOpen"](guarded(self._open_file)),
            xDelete=fields["xDelete"](guarded(self._delete)),
            xAccess=fields["xAccess"](guarded(self._access)),
            xFullPathname=fields["xFullPathname"](guarded(self._full_path)),
            xRandomness=fields["xRandomness"](guarded(self._randomness)),
            xSleep=fields["xSleep"](guarded(lambda vfs, micros: micros)),
            xCurrentTime=fields["xCurrentTime"](guarded(self._time)),
            xGetLastError=fields["xGetLastError"](guarded(lambda vfs, size, out: OK)),
        )

    @contextmanager
    def over(self, files: Files) -> Iterator[None]:
        """Have SQLite use a simulated disk, and no other."""
        register = self.library.sqlite3_vfs_register
        self.files = files
        self.library.sqlite3_randomness(
            0, None
        )  # its generator begins again, from this disk's seed
        register(ctypes.byref(self._vfs), 1)
        try:
            yield
        finally:
            register(self._usual, 1)
            self.library.sqlite3_vfs_unregister(ctypes.byref(self._vfs))
            self.library.sqlite3_randomness(0, None)
            self.files = None
        if self.errors:
            raise AssertionError("the simulated disk failed:\n" + self.errors.pop())

    def _guarded(self, act: Callable[..., int]) -> Callable[..., int]:
        def call(*arguments: Any) -> int:
            try:
                return act(*arguments)
            except FullError:
                return FULL
            except FailedError:
                return IOERR
            except BaseException:
                self.errors.append(traceback.format_exc())
                return IOERR

        return call

    # -- the file system -----------------------------------------------------

    def _open_file(self, vfs: int, name: int, handle: int, flags: int, out: int) -> int:
        target = _Handle.from_address(handle)
        target.methods = None  # so that SQLite does not close what was not opened
        files = self.files
        if files is None or files.dead:
            return CANTOPEN
        path = ctypes.string_at(name).decode() if name else ""
        file = files.open(path, create=bool(flags & OPEN_CREATE)) if path else File(0)
        if file is None or (files.read_only and flags & OPEN_READ_WRITE and not path):
            return CANTOPEN
        self._number += 1
        self._open[self._number] = _Open(files, path, file)
        target.number = self._number
        target.methods = ctypes.addressof(self._methods)
        if out:
            flags = flags & ~OPEN_READ_WRITE | OPEN_READ_ONLY if files.read_only else flags
            _int(out, flags)
        return OK

    def _delete(self, vfs: int, name: bytes, sync: int) -> int:
        files = self._alive()
        files.remove(name.decode())
        if sync:
            files.sync_folder()
        return OK

    def _access(self, vfs: int, name: bytes, kind: int, out: int) -> int:
        return _int(out, int(name.decode() in self._alive().names))

    def _full_path(self, vfs: int, name: bytes, size: int, out: int) -> int:
        ctypes.memmove(out, name + b"\0", len(name) + 1)
        return OK

    def _randomness(self, vfs: int, size: int, out: int) -> int:
        files = self.files
        ctypes.memmove(out, files.random.randbytes(size) if files else bytes(size), size)
        return size

    def _time(self, vfs: int, out: int) -> int:
        ctypes.c_double.from_address(out).value = 2460000.5
        return OK

    def _alive(self) -> Files:
        files = self.files
        if files is None or files.dead:
            raise FailedError("dead")
        return files

    # -- one file ------------------------------------------------------------

    def _of(self, handle: int) -> _Open:
        return self._open[_L.from_address(handle + 8).value]

    def _living(self, handle: int) -> _Open:
        found = self._of(handle)
        if not found.files.alive(found.process):
            raise FailedError("dead")
        return found

    def _close(self, handle: int) -> int:
        self._open.pop(_L.from_address(handle + 8).value)
        return OK

    def _read(self, handle: int, out: int, size: int, at: int) -> int:
        data = bytes(self._living(handle).file.data[at : at + size])
        ctypes.memmove(out, data, len(data))
        if len(data) < size:
            ctypes.memset(out + len(data), 0, size - len(data))
            return SHORT_READ
        return OK

    def _write(self, handle: int, data: int, size: int, at: int) -> int:
        found = self._living(handle)
        found.files.write(found.path, found.file, at, ctypes.string_at(data, size))
        return OK

    def _truncate(self, handle: int, size: int) -> int:
        found = self._living(handle)
        found.files.truncate(found.path, found.file, size)
        return OK

    def _sync(self, handle: int, flags: int) -> int:
        found = self._living(handle)
        if not found.path:
            return OK
        try:
            found.files.sync(found.path, found.file)
        except FailedError:
            return FSYNC
        if found.path.endswith("-wal") and found.path not in found.files.durable_names:
            found.files.sync_folder()  # as SQLite's own VFS does at the first sync of its log
        return OK

    def _size(self, handle: int, out: int) -> int:
        ctypes.c_int64.from_address(out).value = len(self._living(handle).file.data)
        return OK


def _int(out: int, value: int) -> int:
    ctypes.c_int.from_address(out).value = value
    return OK


@cache
def vfs() -> Vfs:
    """Return the one VFS of this process: SQLite holds on to its functions."""
    return Vfs()


__all__ = ["Vfs", "vfs"]

"""A simulated disk and file system: a write can be read at once, and is durable when synced.

A write waits in the page cache, in sectors of 512 bytes, until its file is synced.  A power cut
keeps any subset of what waits.  A failed sync forgets what waited, as Linux does: a later sync that
succeeds does not write it again.  A new name is durable when its folder is synced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import NamedTuple

SECTOR = 512
"""Bytes that a disk writes whole or not at all."""


class Died(BaseException):
    """The process was killed while the store worked."""


class FullError(Exception):
    """No space is left."""


class FailedError(Exception):
    """A write or a sync has failed, or the process that asks is dead."""


class Change(NamedTuple):
    """A change that waits in the page cache: bytes at a place, or, without bytes, a new size."""

    at: int
    data: bytes | None


class File:
    """A file: `data` is what programs read, `durable` what a power cut leaves for certain."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.data = bytearray()
        self.durable = bytearray()
        self.pending: list[Change] = []


class Doom(NamedTuple):
    """Where the process dies: at the `count`-th operation of one kind on one kind of file."""

    act: str
    log: bool
    count: int
    name: str


DOOMS = (
    Doom("write", True, 1, "before the write"),
    Doom("write", True, 4, "inside the write"),
    Doom("sync", True, 1, "between write and sync"),
    Doom("synced", True, 1, "behind the sync"),
    Doom("write", False, 2, "inside a checkpoint"),
    Doom("sync", False, 1, "between a checkpoint and its sync"),
)
"""Deaths at work; `log` tells SQLite's log from its database."""


class Files:
    """All files of a machine, and the faults to come."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.names: dict[str, File] = {}
        self.durable_names: dict[str, File] = {}
        self.folders = {"/", "/var", "/var/lib"}
        self.counts: Counter[str] = Counter()
        self.free: int | None = None
        """Bytes that files may still grow by; None is no limit."""
        self.read_only = False
        self.fail_sync = 0
        self.doom: Doom | None = None
        self.with_power = False
        """Whether the power goes when the process dies at its work."""
        self.process = 0
        """Counts processes: the handles of an earlier one do nothing."""
        self.dead = False
        self._made = 0
        self._forgotten = 0

    # -- processes -----------------------------------------------------------

    def begin_process(self) -> None:
        """Start a process."""
        self.process += 1
        self.dead = False

    def end_process(self) -> None:
        """End the process: what it has open does nothing any more."""
        self.dead = True

    def alive(self, process: int) -> bool:
        """Return whether a process still runs."""
        return process == self.process and not self.dead

    @property
    def full(self) -> bool:
        return self.free is not None

    @full.setter
    def full(self, full: bool) -> None:
        self.free = self.random.choice([0, 0, 4096, 12_000]) if full else None

    # -- names ---------------------------------------------------------------

    def open(self, path: str, *, create: bool) -> File | None:
        """Return a file, None if there is none and none is to be made."""
        file = self.names.get(path)
        if file is None and create:
            if self.read_only:
                raise FailedError("read-only")
            self._made += 1
            file = self.names[path] = File(self._made)
        return file

    def remove(self, path: str) -> None:
        """Remove a name."""
        self.names.pop(path, None)

    def sync_folder(self) -> None:
        """Have all names outlive a power cut."""
        self._sync("a folder")
        self.durable_names = dict(self.names)

    # -- contents ------------------------------------------------------------

    def write(self, path: str, file: File, at: int, data: bytes) -> None:
        """Write bytes."""
        self._die("write", path)
        if self.read_only:
            self.counts["writes to a read-only disk"] += 1
            raise FailedError("read-only")
        growth = at + len(data) - len(file.data)
        if growth > 0:
            if self.free is not None:
                if growth > self.free:
                    self.counts["disk full"] += 1
                    raise FullError
                self.free -= growth
            if at > len(file.data):
                file.data += bytes(at - len(file.data))
        file.data[at : at + len(data)] = data
        file.pending.append(Change(at, data))

    def truncate(self, path: str, file: File, size: int) -> None:
        """Give a file another size."""
        self._die("write", path)
        if self.read_only:
            raise FailedError("read-only")
        del file.data[size:]
        file.pending.append(Change(size, None))

    def sync(self, path: str, file: File) -> None:
        """Have a file's contents outlive a power cut, as far as no failure has forgotten them."""
        self._die("sync", path)
        if self.fail_sync and file.pending:
            self.fail_sync -= 1
            self.counts["failed syncs"] += 1
            _apply(file.durable, self._some(file.pending))
            file.pending.clear()
            raise FailedError("the sync failed")
        _apply(file.durable, file.pending)
        file.pending.clear()
        self._die("synced", path)

    def cut_power(self) -> int:
        """Lose, keep or tear what was not synced; return how many changes were lost."""
        self.dead = True
        lost = 0
        names = dict(self.durable_names)
        for path in sorted(set(self.names) ^ set(names)):
            if self.random.random() < 0.5:  # a new name, or a removal, that was written early
                if path in self.names:
                    names[path] = self.names[path]
                else:
                    del names[path]
        for path in sorted(names):
            file = names[path]
            kept = self._some(file.pending)
            lost += sum(len(each.data or b"x") for each in file.pending) > sum(
                len(each.data or b"x") for each in kept
            )
            _apply(file.durable, kept)
            file.pending.clear()
            file.data = bytearray(file.durable)
        self.names, self.durable_names = names, dict(names)
        return lost

    # -- within --------------------------------------------------------------

    def _sync(self, what: str) -> None:
        if self.fail_sync and self.random.random() < 0.3:
            self.fail_sync -= 1
            self.counts["failed syncs"] += 1
            raise FailedError(f"the sync of {what} failed")

    def _some(self, changes: list[Change]) -> list[Change]:
        """Return a part of changes, as a disk may have written it: any sectors, in any order."""
        random = self.random
        way = random.choice(["nothing", "all", "beginning", "sectors", "sectors"])
        if way == "nothing":
            return []
        if way == "all":
            return changes
        if way == "beginning":
            return changes[: random.randint(0, len(changes))]
        likely = random.choice([0.1, 0.5, 0.9])
        kept = []
        for at, data in changes:
            if data is None:
                if random.random() < likely:
                    kept.append(Change(at, None))
                continue
            begin = 0
            while begin < len(data):
                end = begin + SECTOR - (at + begin) % SECTOR
                if random.random() < likely:
                    kept.append(Change(at + begin, data[begin:end]))
                begin = end
        self.counts["torn writes"] += len(kept) > 0
        return kept

    def _die(self, act: str, path: str) -> None:
        doom = self.doom
        if self.dead:
            raise FailedError("dead")
        if doom is None or doom.act != act or doom.log != path.endswith("-wal"):
            return
        if doom.count > 1:
            self.doom = doom._replace(count=doom.count - 1)
            return
        self.doom = None
        self.counts[f"died {doom.name}"] += 1
        self.dead = True
        raise FailedError("dead")


def _apply(data: bytearray, changes: list[Change]) -> None:
    for at, piece in changes:
        if piece is None:
            if len(data) > at:
                del data[at:]
            else:
                data += bytes(at - len(data))
            continue
        if at > len(data):
            data += bytes(at - len(data))
        data[at : at + len(piece)] = piece


Note = Callable[..., None]

"""Files as a power cut leaves them, and what peers had been told by then.

    a write, a new size     is durable when its file was synced behind it
    a name, new or gone     is durable when its folder was synced behind it

What is not durable at the moment of the cut is kept, dropped, or torn by sectors.  Law of this
file: nothing is durable for any other reason, so it is harsher than most file systems.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.history import Said
from tests.torture.member import END
from tests.torture.notes import ALTERED, said_in, secret
from tests.torture.trace import Acked, Cut, Delivered, Event, Made, Removed, Synced, Wrote
from twisted_msg.log.sqlite import SqliteStore
from twisted_msg.log.store import StoreError
from twisted_msg.session.clients import key_of

SECTOR = 512
"""Bytes that a disk writes whole or not at all."""

WAYS = "dropped", "kept", "some", "torn", "first"
"""What becomes of what is not durable: nothing of it, all, some writes, some sectors, or the
writes up to one of them."""


@dataclass
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Wrote | Cut] = field(default_factory=list)

    def sync(self) -> None:
        for write in self.pending:
            _apply(self.durable, write)
        self.pending = []


def _apply(content: bytearray, write: Wrote | Cut) -> None:
    if isinstance(write, Cut):
        del content[write.size :]
        content.extend(bytes(write.size - len(content)))
    else:
        content.extend(bytes(max(0, write.offset - len(content))))
        content[write.offset : write.offset + len(write.data)] = write.data


class Disk:
    """A folder's files as they are, and as they would be if the power went now."""

    def __init__(self, folder: Path) -> None:
        """Take the folder's path; it is not there yet."""
        self.folder = str(folder)
        self.files: dict[str, _File | None] = {}  # None: a folder
        self._names: dict[str, _File | None] = {}  # the durable ones
        self._doubt: dict[str, list[tuple[str, _File | None, bool]]] = {}  # by their folder

    def take(self, event: Event) -> None:
        """Have something happen to the files."""
        if isinstance(event, Wrote | Cut):
            file = self.files[event.path]
            assert file is not None
            file.pending.append(event)
        elif isinstance(event, Made):
            if event.path not in self.files:
                self.files[event.path] = None if event.folder else _File()
                self._doubted(event.path, new=True)
        elif isinstance(event, Removed):
            self._doubted(event.path, new=False)
            del self.files[event.path]
        elif isinstance(event, Synced):
            file = self.files.get(event.path)
            if file is not None:
                file.sync()
            for path, named, new in self._doubt.pop(event.path, ()):
                _name(self._names, path, named, new)

    def _doubted(self, path: str, *, new: bool) -> None:
        change = path, self.files[path], new
        self._doubt.setdefault(os.path.dirname(path), []).append(change)

    def left(self, chance: random.Random, way: str) -> dict[str, bytes | None]:
        """Return the files that a power cut leaves, by path; None is a folder."""
        names = dict(self._names)
        for changes in self._doubt.values():
            for path, named, new in changes:
                if way == "kept" or (way != "dropped" and chance.random() < 0.5):
                    _name(names, path, named, new)
        found: dict[str, bytes | None] = {}
        for path, file in sorted(names.items()):
            if path == self.folder or os.path.dirname(path) in found:
                found[path] = None if file is None else _content(file, chance, way)
        return found


def _name(names: dict[str, _File | None], path: str, file: _File | None, new: bool) -> None:
    if new:
        names[path] = file
    else:
        names.pop(path, None)


def _content(file: _File, chance: random.Random, way: str) -> bytes:
    """Return what a file may hold after the cut."""
    content = bytearray(file.durable)
    until = chance.randint(0, len(file.pending))
    for number, write in enumerate(file.pending):
        keep = {
            "dropped": False, "kept": True, "first": number < until,
            "some": chance.random() < 0.5, "torn": chance.random() < 0.7,
        }[way]  # fmt: skip
        if not keep:
            continue
        if way == "torn" and isinstance(write, Wrote):
            for part in _sectors(write):
                if chance.random() < 0.6:
                    _apply(content, part)
        else:
            _apply(content, write)
    return bytes(content)


def _sectors(write: Wrote) -> Iterable[Wrote]:
    """Return a write in parts that end where sectors do."""
    at, end = write.offset, write.offset + len(write.data)
    while at < end:
        till = min(end, (at // SECTOR + 1) * SECTOR)
        yield Wrote(write.path, at, write.data[at - write.offset : till - write.offset])
        at = till


@dataclass
class Told:
    """What peers have been told, and so may count on."""

    acked: dict[str, int] = field(default_factory=dict)
    delivered: dict[Said, tuple[str, int]] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Have something be told."""
        if isinstance(event, Acked):
            self.acked[event.client] = max(event.id, self.acked.get(event.client, 0))
        elif isinstance(event, Delivered):
            self.delivered[event.said] = event.room, event.seq


def opened(files: dict[str, bytes | None], folder: Path, told: Told) -> list[str]:
    """Have the real store open what a cut has left; return what is wrong with it."""
    shutil.rmtree(folder, ignore_errors=True)
    root = min(files, default="")  # the outermost folder, if it is there at all
    for path, content in files.items():
        place = folder / os.path.relpath(path, root)
        if content is None:
            place.mkdir(parents=True)
        else:
            place.write_bytes(content)
    found: dict[Said, tuple[str, int]] = {}
    faults = []
    store = SqliteStore(str(folder / "data"))
    try:
        for kept in store.open():
            seq = kept.first
            while (piece := store.piece(kept.room, seq)) is not None:
                for number, data in enumerate(piece.payloads, piece.first):
                    said = said_in(data)
                    if said in found or said.client == ALTERED:
                        faults.append(f"{said} stands in {kept.room} as {number}: {data[:60]!r}")
                    found[said] = kept.room, number
                seq = piece.last + 1
        faults += _marked(store, found, told)
    except StoreError as error:
        faults.append(f"the store is not sound: {error}")
    finally:
        store.close()
    for client, last in told.acked.items():
        missing = [id_ for id_ in range(1, last + 1) if Said(client, id_) not in found]
        if missing:
            faults.append(f"LOST {client}: {len(missing)} acknowledged ids from {missing[0]} on")
    for said, place in told.delivered.items():
        if found.get(said) != place:
            faults.append(f"TAKEN BACK {said}: delivered as {place}, found as {found.get(said)}")
            break
    return faults


def _marked(store: SqliteStore, found: Iterable[Said], told: Told) -> list[str]:
    """Return what is wrong with the marks: each is the highest id that is stored of its client.

    A lower one would have messages stored twice when they are sent again, a higher one would
    have them taken for stored.
    """
    highest = dict.fromkeys(told.acked, 0)
    for said in found:
        highest[said.client] = max(said.id, highest.get(said.client, 0))
    for other in (ALTERED, END):  # what no publisher has said
        highest.pop(other, None)
    faults = []
    for client, last in highest.items():
        mark = store.mark(key_of(secret(client)))
        marked = 0 if mark is None else mark.id
        if marked != last:
            faults.append(f"MARK {client}: {marked}, and the highest id that is stored is {last}")
    return faults

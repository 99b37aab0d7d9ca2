"""What the store should hold: a model that is told of each commit, and compared with the disk.

The model knows only what was handed to the store and whether the store said that it has it.  A
commit whose outcome is unknown is in doubt until the next start, which must show all of it or
nothing.  What retention deleted must have been too old, or too much; never more than was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

from tests.simulation.files import Died, Files
from twisted_msg.log import pruning
from twisted_msg.log.codec import checksum, pack, unpack
from twisted_msg.log.marks import MARK_AGE, MARK_SIZE, STORE_PART
from twisted_msg.log.piece import Piece
from twisted_msg.log.sqlite import SqliteStore
from twisted_msg.log.store import KEEP_ALL, Kept, Mark, Retention, StoreError, StoreFull

FOLDER = "/var/lib/tcpmsg"


class Row(NamedTuple):
    """A stored piece."""

    first: int
    last: int
    millis: int
    size: int
    names: tuple[bytes, ...]
    payloads: tuple[bytes, ...]

    @classmethod
    def of(cls, piece: Piece, size: int) -> Row:
        """Return the row that stands for a piece."""
        names = tuple(author.name for author in piece.authors)
        return cls(piece.first, piece.last, piece.millis, size, names, tuple(piece.payloads))


class Line(NamedTuple):
    """One message, as every reader must get it."""

    seq: int
    name: str
    millis: int
    payload: bytes


class Doubt(NamedTuple):
    """A commit or a step of retention whose outcome nobody knows."""

    rows: list[tuple[str, Row]]
    marks: list[tuple[bytes, int, int]]
    retention: Retention
    now: int | None


class Known(NamedTuple):
    """How far a client has come; `millis` is the newest message's when that was stored."""

    id: int
    seq: int
    millis: int


class Model:
    """What is stored, over all the processes of a world."""

    def __init__(self, trouble: Callable[[str], None], count: Callable[[str], None]) -> None:
        self.trouble = trouble
        self.count = count
        self.rows: dict[str, list[Row]] = {}
        self.expired: dict[str, list[Row]] = {}
        self.heads: dict[str, int] = {}
        self.marks: dict[bytes, Known] = {}
        self.fading: set[bytes] = set()
        """Clients whose marks retention may have deleted."""
        self.doubt: Doubt | None = None
        self.peak = 0

    # -- what is asked of it -------------------------------------------------

    def first(self, room: str) -> int:
        """Return the lowest number that is kept."""
        rows = self.rows.get(room)
        return rows[0].first if rows else self.heads.get(room, 0) + 1

    def lines(self, room: str, *, expired: bool = False) -> list[Line]:
        """Return every message of a room; with `expired` those that retention has deleted too."""
        rows = self.rows.get(room, [])
        if expired:
            rows = self.expired.get(room, []) + rows
        return [
            Line(seq, name.decode(), row.millis, payload)
            for row in rows
            for seq, (name, payload) in enumerate(
                zip(row.names, row.payloads, strict=True), row.first
            )
        ]

    def peaks(self, room: str) -> list[int]:
        """Return for each piece the highest time up to it."""
        return list(accumulate((row.millis for row in self.rows.get(room, ())), max))

    # -- what it is told -----------------------------------------------------

    def committed(
        self,
        rows: list[tuple[str, Row]],
        marks: Sequence[tuple[bytes, int, int]],
        kept: Sequence[Kept],
        retention: Retention,
    ) -> None:
        """Add a group of messages that the store reported as committed."""
        self._append(rows, marks)
        self._fade(retention, {key for key, _, _ in marks})
        came = dict(reversed(rows))  # the first row of each room
        if sorted(each.room for each in kept) != sorted(came):
            self.trouble(f"LOST the store tells of {kept} after a group of {sorted(came)}")
        for each in kept:
            self._trim(each, retention, brought=came.get(each.room), group=rows)
            self._compare(each)

    def pruned(self, kept: Sequence[Kept], now: int, used: int, retention: Retention) -> None:
        """Take in a step of retention."""
        age = max(retention.age or 0, MARK_AGE)
        oldest = min((rows[0].millis for rows in self.rows.values() if rows), default=now)
        cutoff = min(now - int(age * 1000), oldest)
        if not kept:
            self.fading |= {key for key, mark in self.marks.items() if mark.millis < cutoff}
        for each in kept:
            self._trim(each, retention, now=now, used=used)
            self._compare(each)

    def _fade(self, retention: Retention, kept: set[bytes]) -> None:
        """Let marks go if there are more than their part of the store: not those just written."""
        if retention.store is not None:
            limit = max(1, retention.store // STORE_PART // MARK_SIZE)
            if len(self.marks) > limit:
                self.count("marks beyond their part of the store")
                self.fading |= self.marks.keys() - kept

    def opened(
        self,
        kept: Sequence[Kept],
        disk: dict[str, list[Row]],
        marks: dict[bytes, tuple[int, int]],
    ) -> None:
        """Compare with what a start found, after which nothing is in doubt."""
        doubt, self.doubt = self.doubt, None
        known = {each.room: each for each in kept}
        if doubt is not None and self._took_place(doubt, disk, marks, known):
            self.count("doubtful commits found stored")
            self._append(doubt.rows, doubt.marks)
        elif doubt is not None:
            self.count("doubtful commits found absent")
            if doubt.now is None:
                doubt = None  # nothing of it took place, deleting neither
        for room, rows in disk.items():
            each = known.get(room)
            if each is None:
                self.trouble(f"PHANTOM {room} has pieces and is not told of")
            elif doubt is not None:
                brought = next((row for name, row in doubt.rows if name == room), None)
                self._trim(
                    each, doubt.retention, now=doubt.now, used=1 << 60, brought=brought,
                    group=doubt.rows,
                )  # fmt: skip
            self._same(room, rows)
        for room, rows in self.rows.items():
            if rows and room not in disk:
                if doubt is None or room not in known:
                    self.trouble(f"LOST {room}: nothing is left of {_shown(rows)}")
                    continue
                self._trim(known[room], doubt.retention, now=doubt.now, used=1 << 60)
        for each in kept:
            if each.room in self.heads:
                self._compare(each)
            else:
                self.trouble(f"PHANTOM {each.room} was never committed")
        for key, mark in self.marks.items():
            found = marks.get(key)
            if found is None and key not in self.fading:
                self.trouble(f"LOST the mark of a client, {mark}")
            elif found is not None and found != (mark.id, mark.seq):
                self.trouble(f"LOST the mark of a client is {found}, not {mark}")
        for key in marks.keys() - self.marks.keys():
            self.trouble(f"PHANTOM a mark that was never stored: {marks[key]}")
        self.marks = {key: mark for key, mark in self.marks.items() if key in marks}
        self.fading &= set(self.marks)

    def compare(self, disk: dict[str, list[Row]]) -> None:
        """Compare every row of the disk with what should be there."""
        for room in disk.keys() | self.rows.keys():
            self._same(room, disk.get(room, []))

    # -- within --------------------------------------------------------------

    def _append(self, rows: list[tuple[str, Row]], marks: Sequence[tuple[bytes, int, int]]) -> None:
        for room, row in rows:
            if row.first <= self.heads.get(room, 0):
                self.trouble(f"DUP {room} gives {row.first} again: {self.heads[room]} was given")
            before = self.rows.get(room)
            if before and row.millis < before[-1].millis:
                self.count("times that fell")
            self.rows.setdefault(room, []).append(row)
            self.heads[room] = row.last
            self.peak = max(self.peak, row.millis)
        for key, number, seq in marks:
            known = self.marks.get(key)
            if known is None or number > known.id:
                self.marks[key] = Known(number, seq, self.peak)
                self.fading.discard(key)

    def _took_place(
        self,
        doubt: Doubt,
        disk: dict[str, list[Row]],
        marks: dict[bytes, tuple[int, int]],
        known: dict[str, Kept],
    ) -> bool:
        """Return whether a doubtful commit is on disk: all of it, or nothing of it."""
        found = [
            known[room].head >= row.last if room in known else False for room, row in doubt.rows
        ]
        for key, number, seq in doubt.marks:
            mark = self.marks.get(key)
            if mark is None or number > mark.id:
                found.append(marks.get(key) == (number, seq))
        if any(found) and not all(found):
            self.trouble(f"LOST half of a commit: {found} of {doubt.rows} and {doubt.marks}")
        return any(found)

    def _trim(
        self,
        kept: Kept,
        retention: Retention,
        *,
        now: int | None = None,
        used: int = 0,
        brought: Row | None = None,
        group: Sequence[tuple[str, Row]] = (),
    ) -> None:
        """Take away what the store no longer has of a room, if it may be gone."""
        rows = self.rows.get(kept.room, [])
        gone = [row for row in rows if row.last < kept.first]
        total = sum(row.size for row in rows)
        if not gone:
            if brought is not None and retention.size is not None and total > retention.size:
                self._too_little(kept.room, rows, gone, brought, group, retention.size)
            return
        sizes = [row.size for row in gone]
        least = sum(sizes[:-1])
        limit = retention.size
        why = ""
        if now is not None:
            age = retention.age
            if age is not None and _are_old(gone, now - int(age * 1000), now):
                why = "rooms pruned by age"
            elif retention.store is not None and least < used - retention.store:
                why = "rooms pruned for the store's limit"
        slack = min(pruning.SLACK, limit // 16) if limit is not None and brought else 0
        if not why and limit is not None and total > limit and least < total - limit + slack:
            why = "rooms pruned by size"
            if least + sizes[-1] == total - limit + slack:
                self.count("rooms pruned to the byte")
        if brought is not None and gone[-1].first >= brought.first:
            self.trouble(f"LOST {kept.room}: a commit deleted what it brought, {_shown(gone)}")
        if not why:
            self.trouble(
                f"LOST {kept.room}: retention {retention} deleted {_shown(gone)} of {total} bytes "
                f"at {now}, in use {used}"
            )
        elif brought is not None and limit is not None:
            self._too_little(kept.room, rows, gone, brought, group, limit)
        self.count(why or "rooms pruned wrongly")
        self.expired.setdefault(kept.room, []).extend(gone)
        self.rows[kept.room] = rows[len(gone) :]

    def _too_little(
        self,
        room: str,
        rows: list[Row],
        gone: list[Row],
        brought: Row,
        group: Sequence[tuple[str, Row]],
        limit: int,
    ) -> None:
        """Find a room that a commit left over its limit, though there was more to delete."""
        size = sum(row.size for row in gone)
        came = sum(row.size for _, row in group)
        wanted = sum(row.size for row in rows) - limit + min(pruning.SLACK, limit // 16)
        most_rows = pruning.PRUNE_ROWS + 2 * len(group)
        older = [row for row in rows if row.first < brought.first]
        bound = len(gone) >= most_rows or size >= pruning.SLACK + 2 * came
        if size < wanted and not bound and len(gone) < len(older):
            self.trouble(f"KEPT {room}: a commit deleted {size} bytes, and {wanted} were too many")

    def _compare(self, kept: Kept) -> None:
        """Compare what the store tells of a room with what should be there."""
        rows = self.rows.get(kept.room, [])
        size = sum(row.size for row in rows)
        expected = Kept(kept.room, self.first(kept.room), self.heads.get(kept.room, 0), size)
        if kept != expected:
            kind = "LOST" if kept.head < expected.head or kept.first > expected.first else "PHANTOM"
            self.trouble(f"{kind} the store tells of {kept}, and it should be {expected}")

    def _same(self, room: str, disk: list[Row]) -> None:
        rows = self.rows.get(room, [])
        if rows != disk:
            kind = "LOST" if len(disk) < len(rows) else "PHANTOM"
            self.trouble(f"{kind} {room}: on disk {_shown(disk)}, and it should be {_shown(rows)}")


def _are_old(rows: Sequence[Row], cutoff: int, now: int) -> bool:
    """Return whether rows are too old, also those of a clock that was ahead before an old one."""
    return rows[-1].millis < cutoff and all(not cutoff <= row.millis <= now for row in rows)


def _shown(rows: Sequence[Row]) -> str:
    return ", ".join(f"{row.first}-{row.last} ({row.size} B)" for row in rows[-8:]) or "nothing"


class ObservedStore(SqliteStore):
    """The product's store, whose every change the model is told of."""

    def __init__(self, files: Files, model: Model, retention: Retention = KEEP_ALL) -> None:
        super().__init__(FOLDER, retention)
        self.files = files
        self.model = model
        self.retention = retention
        self.now: int | None = None
        self.proposed: set[int] = set()
        """Times at which the test itself has the store delete what is too old."""
        self.was_steady: Callable[[int], bool] = lambda now: True
        """Whether the clock has run without a jump for as long as retention by age must wait."""

    def open(self) -> list[Kept]:
        """Open, and compare every row with the model."""
        try:
            kept = super().open()
        except StoreError:
            self._die()
            raise
        marks = self._database.read("SELECT client, id, seq FROM marks")
        self.model.opened(kept, self.every_row(), {key: (id_, seq) for key, id_, seq in marks})
        return kept

    def every_row(self) -> dict[str, list[Row]]:
        """Return every piece that is on disk."""
        found: dict[str, list[Row]] = {}
        for room, first, last, millis, crc, body in self._database.read(
            "SELECT name, pieces.first, last, millis, crc, body FROM pieces JOIN rooms ON room = id"
            " ORDER BY room, pieces.first"
        ):
            if checksum(room, first, last, millis, body) != crc:
                self.model.trouble(f"LOST {room}: {first} has a wrong checksum")
            piece = unpack(room, first, millis, body)
            found.setdefault(room, []).append(Row.of(piece, len(body)))
        return found

    def commit(
        self, pieces: Sequence[Piece], marks: Sequence[tuple[bytes, int, int]]
    ) -> list[Kept]:
        """Commit, and tell the model."""
        rows = [(piece.room, Row.of(piece, len(pack(piece)))) for piece in pieces]
        try:
            kept = super().commit(pieces, marks)
        except StoreFull:
            raise
        except StoreError:
            self.model.doubt = Doubt(rows, list(marks), self.retention, None)
            self._die()
            raise
        self.model.committed(rows, marks, kept, self.retention)
        return kept

    def prune(self, now: int) -> list[Kept]:
        """Prune, and tell the model."""
        if now and now not in self.proposed:
            self.model.count("expiries by a clock that was steady")
            if not self.was_steady(now):
                self.model.trouble(f"LOST messages are deleted by age at {now}, after a jump")
        elif not now:
            self.model.count("expiries that wait for the clock")
        used = self._database.used if self.retention.store is not None else 0
        try:
            kept = super().prune(now)
        except StoreFull:
            raise
        except StoreError:
            self.model.doubt = Doubt([], [], self.retention, now)
            self._die()
            raise
        self.model.pruned(kept, now, used, self.retention)
        return kept

    def forget(self, room: str) -> None:
        """Take note that a room is unused."""
        before = self.floor
        try:
            super().forget(room)
        except StoreFull:
            raise
        except StoreError:
            self._die()
            raise
        if self.floor != before:
            self.model.count("floors raised")

    def drop_marks(self, clients: Sequence[bytes]) -> None:
        """Drop marks of an address that has too many, which only a store with a limit does."""
        if self.retention.store is None:
            self.model.trouble(f"LOST {len(clients)} marks are dropped without a limit")
        self.model.fading |= set(clients)
        try:
            super().drop_marks(clients)
        except StoreFull:
            raise
        except StoreError:
            self._die()
            raise
        self.model.count("marks dropped for their address")

    def mark(self, key: bytes) -> Mark | None:
        """Return a client's mark, and compare it with the model's."""
        found, known = super().mark(key), self.model.marks.get(key)
        faded = found is None and key in self.model.fading
        if not faded and found != (known and Mark(known.id, known.seq)):
            self.model.trouble(f"DUP a client's mark is {found}, and it should be {known}")
        return found

    def _die(self) -> None:
        """Raise `Died` if the process was killed, whatever the store made of that."""
        if self.files.dead:
            raise Died("at work")

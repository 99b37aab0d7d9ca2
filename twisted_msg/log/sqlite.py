"""The store in an SQLite file.

Law of this file: what is asked of the tables.  Rooms are looked up in the ledger, so that
a commit reads nothing; how the file is opened and how it fails stands in `database.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources.abc import Traversable
from typing import Final

from twisted_msg.log.codec import checksum, pack, unpack
from twisted_msg.log.database import WRITES, Database
from twisted_msg.log.ledger import Ledger, Room
from twisted_msg.log.piece import Piece
from twisted_msg.log.pruning import Pruning, room_row
from twisted_msg.log.store import KEEP_ALL, Kept, Mark, Retention

_PIECE, _MARK = 1, 3


_FIND_BEFORE: Final = (
    "SELECT first, last, millis, crc, body FROM pieces"
    " WHERE room = ? AND first <= ? ORDER BY first DESC LIMIT 1"
)
_FIND_BEHIND: Final = (
    "SELECT first, last, millis, crc, body FROM pieces"
    " WHERE room = ? AND first > ? ORDER BY first LIMIT 1"
)
_PROBE: Final = (
    "SELECT first, peak FROM pieces WHERE room = ? AND first <= ? ORDER BY first DESC LIMIT 1"
)
_EDGES: Final = (
    "SELECT name FROM rooms WHERE (size = 0) IS NOT (first > head)"
    " OR first IS NOT coalesce((SELECT min(first) FROM pieces WHERE room = id), head + 1)"
    " OR head < (SELECT last FROM pieces WHERE room = id ORDER BY first DESC LIMIT 1) LIMIT 1"
)


class SqliteStore:
    """A `Store` in a folder, with the limits of `retention`."""

    def __init__(
        self, folder: str, retention: Retention = KEEP_ALL, schema: Traversable | None = None
    ) -> None:
        self._retention = retention
        self._database = Database(folder, schema) if schema else Database(folder)
        self._ledger = Ledger()
        self._pruning = Pruning(self._database, self._ledger, retention)

    @property
    def floor(self) -> int:
        """Above this starts a room that the store does not know."""
        return self._ledger.floor

    @property
    def size(self) -> int:
        """Bytes that its files take: what is deleted leaves room in them for what comes."""
        return self._database.size

    @property
    def newest(self) -> int:
        """The highest time of a kept message, in Unix milliseconds; 0 if there is none."""
        return self._ledger.peak

    def open(self) -> list[Kept]:
        """Make the store ready and return all rooms; raises `StoreError` if it cannot be used."""
        database = self._database
        database.open()
        try:
            for (name,) in database.read(_EDGES):
                raise database.damaged(f"room {name} is not what its pieces say")
            ((floor,),) = database.read("SELECT floor FROM forgotten")
            self._ledger = Ledger(map(Room._make, database.read("SELECT * FROM rooms")), floor)
        except BaseException:
            database.close()
            raise
        self._pruning = Pruning(database, self._ledger, self._retention)
        self._pruning.marks.load()
        return [room.kept for room in self._ledger.rooms.values()]

    def close(self) -> None:
        """Let go of the file and its lock."""
        self._database.close()

    def head(self, room: str) -> int:
        """Return the number behind which a room goes on, from memory."""
        return self._ledger.head(room)

    def commit(
        self, pieces: Sequence[Piece], marks: Sequence[tuple[bytes, int, int]]
    ) -> list[Kept]:
        """Store a group as one statement, which is one transaction, with one sync."""
        changed: dict[str, Room] = {}
        rows: list[tuple[object, ...]] = []
        peak = self._ledger.peak
        came = 0
        for piece in pieces:
            name, first, last, millis = piece.room, piece.first, piece.last, piece.millis
            body = pack(piece)
            came += len(body)
            room = self._ledger.append(changed, piece, len(body))
            crc = checksum(name, first, last, millis, body)
            rows.append((_PIECE, room.id, first, last, millis, room.peak, crc, body))
            peak = max(peak, millis)
        rows.extend(map(room_row, changed.values()))
        # Peak, not now: a clock that was set back must not make a mark look older than
        # what stands before the messages that it guards.
        rows.extend((_MARK, *mark, peak, None, None, None) for mark in marks)
        crowded = [room for room in changed.values() if self._pruning.crowded(room)]
        known, gone = self._pruning.marks, 0
        clients = [client for client, _, _ in marks]
        new = known.unknown(clients)
        if crowded or known.crowded(new) or len(rows) > WRITES:
            with self._database.transaction():
                if known.crowded(new):
                    gone = known.make_room(new)
                    new = known.unknown(clients)  # some of them may be gone
                self._database.write_all(rows, came)
                for room in crowded:
                    begin = next(piece.first for piece in pieces if piece.room == room.name)
                    trimmed = self._pruning.make_room(room, begin, len(pieces), came)
                    changed[room.name] = trimmed
        else:
            self._database.write_all(rows, came)
        self._database.checkpoint()
        for room in changed.values():
            self._ledger.put(room)
        self._ledger.peak = peak
        known.stored(clients, new, gone)
        return [room.kept for room in changed.values()]

    def piece(self, room: str, seq: int) -> Piece | None:
        """Return the first piece whose `last` is at or above a number, after its checksum."""
        known = self._ledger.rooms.get(room)
        if known is None or seq > known.head:
            return None
        found = self._database.read(_FIND_BEFORE, known.id, seq)
        if not found or found[0][1] < seq:
            found = self._database.read(_FIND_BEHIND, known.id, seq)
        if not found:
            return None
        first, last, millis, crc, body = found[0]
        try:
            if checksum(room, first, last, millis, body) == crc:
                return unpack(room, first, millis, body)
        except (TypeError, ValueError):
            pass
        raise self._database.damaged(f"message {first} of room {room} was altered")

    def since(self, room: str, millis: int) -> int:
        """Return the first number of the first piece said at or after a time.

        By halves: some thirty reads for a hundred million messages.  When a clock was set
        back and what it said before is no longer kept, the answer may be earlier than need be.
        """
        known = self._ledger.rooms.get(room)
        if known is None:
            return self.floor + 1
        low, high = known.first, known.head + 1
        while low < high:
            middle = (low + high) // 2
            ((first, peak),) = self._database.read(_PROBE, known.id, middle)
            if peak >= millis:
                high = first
            else:
                low = middle + 1
        return high

    def mark(self, key: bytes) -> Mark | None:
        """Return a client's mark, None if there is none."""
        found = self._database.read("SELECT id, seq FROM marks WHERE client = ?", key)
        return Mark._make(found[0]) if found else None

    @property
    def marks_per_address(self) -> int | None:
        """How many new clients of one address it remembers; None if marks have no limit."""
        return self._pruning.marks.per_address

    def drop_marks(self, clients: Sequence[bytes]) -> None:
        """Delete the marks of these clients."""
        self._pruning.marks.drop(clients)

    def set_aside(self, size: int) -> None:
        """Raise `StoreFull` if there is no room for so many bytes more."""
        self._database.set_aside(size)

    def check(self) -> None:
        """Raise `StoreBroken` if the files were removed or replaced since they were opened."""
        self._database.check()

    def prune(self, now: int) -> list[Kept]:
        """Do one step: what is too old, then rooms and at last a store that are too large.

        When there is nothing of those, it looks at some marks.
        """
        changed = self._pruning.step(now)
        self._database.checkpoint()
        for room in changed:
            self._ledger.put(room)
        return [room.kept for room in changed]

    def forget(self, room: str) -> None:
        """Take note that a room is unused; when those are many, fold the oldest into the floor."""
        self._ledger.forget(room)
        folded = self._ledger.surplus()
        if folded:
            ids = [each.id for each in folded]
            floor = max(each.head for each in folded)
            with self._database.transaction():
                self._database.write("UPDATE forgotten SET floor = max(floor, ?)", floor)
                marks = ",".join("?" * len(ids))
                self._database.write(f"DELETE FROM rooms WHERE id IN ({marks})", *ids)  # noqa: S608 (marks only)
            self._ledger.fold(folded)

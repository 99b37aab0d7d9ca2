"""The clients' marks in a store: how many there may be, and which of them are deleted.

Invariant: the oldest marks go first, and those are the ones that guard no kept message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted_msg.log.database import Database
from twisted_msg.log.store import Retention

MARK_AGE: Final = 7 * 24 * 3600
"""Seconds that a client's mark is kept at least, however short messages are: a client that
was away for a few days may still send again what it does not know to be stored."""

MARK_ROWS: Final = 4096
"""Marks that one call looks at, in a millisecond.  A call a minute then keeps up with 68 new
clients a second: a script that calls `tcpmsg send` for each line makes one for each line."""

MARK_SIZE: Final = 48
"""Bytes that a mark takes in the file.  Measured: 37 to 40, also after many were deleted."""

STORE_PART: Final = 8
"""Marks may take the 8th part of `Retention.store`.  Clients that publish once each would else
leave no room for messages, which are what the store is for."""

ADDRESS_PART: Final = 8
"""New clients of one address may have the 8th part of all marks.  Beyond that, their own oldest
marks are deleted, and not those of other addresses."""

ADDRESS_MARKS: Final = 10_000
"""New clients of one address that are remembered at most, however large the store may be: they
are counted in memory, 1.5 MB for so many.  HTTP makes one for each `Idempotency-Key`."""

SLACK_PART: Final = 16
"""Of the marks that a call looks at, the oldest 16th goes if there are too many, so that this is
rare."""

WINDOWS: Final = 16
"""How often one commit or step may look at `MARK_ROWS` marks: some 30 ms."""

RECENT: Final = 4096
"""Clients whose mark is known to be stored, so that their commits need not look for it."""

_END: Final = (
    "SELECT max(client), count(*) FROM"
    " (SELECT client FROM marks WHERE client > ? ORDER BY client LIMIT ?)"
)
_SWEEP: Final = "DELETE FROM marks WHERE client > ? AND client <= ? AND millis < ?"
_DROP: Final = (
    "DELETE FROM marks WHERE client IN"
    " (SELECT client FROM marks WHERE client > ? AND client <= ? ORDER BY millis, client LIMIT ?)"
)


class Marks:
    """The marks of one open store.

    Keys are digests, so a stretch of the table is a sample of all clients: deleting the oldest
    of each stretch deletes about the oldest of all, without an index by age.
    """

    def __init__(self, database: Database, retention: Retention) -> None:
        self._database = database
        self._retention = retention
        store = retention.store
        self.limit = None if store is None else max(1, store // STORE_PART // MARK_SIZE)
        """How many marks there may be; None for any number."""
        self.per_address = None
        """How many marks the new clients of one address may have, counted since the server
        started; None for any number."""
        if self.limit is not None:
            self.per_address = max(1, min(self.limit // ADDRESS_PART, ADDRESS_MARKS))
        self._count = 0
        self._recent: set[bytes] = set()
        self._swept = b""

    def load(self) -> None:
        """Count the marks of a store that was just opened, if there is a limit."""
        if self.limit is not None:
            ((self._count,),) = self._database.read("SELECT count(*) FROM marks")

    @property
    def surplus(self) -> int:
        """By how many marks the limit is exceeded."""
        return 0 if self.limit is None else max(0, self._count - self.limit)

    def unknown(self, clients: Sequence[bytes]) -> int:
        """Return how many of these clients have no mark yet; 0 if marks have no limit."""
        if self.limit is None:
            return 0
        asked = list({client for client in clients if client not in self._recent})
        new = len(asked)
        for begin in range(0, len(asked), MARK_ROWS):  # SQLite takes 32,766 values
            part = asked[begin : begin + MARK_ROWS]
            ((there,),) = self._database.read(f"SELECT count(*) {_among(part)}", *part)
            new -= there
        return new

    def crowded(self, new: int) -> bool:
        """Return whether the limit is exceeded if `new` marks are added."""
        return self.limit is not None and self._count + new > self.limit

    def make_room(self, new: int) -> int:
        """Delete old marks until `new` ones fit; return how many were deleted.

        Called inside a transaction.  `stored` changes the count after the transaction succeeded.
        """
        self._recent.clear()
        gone = windows = 0
        while self.crowded(new - gone) and windows < WINDOWS:
            end, rows = self._window()
            if end is not None:
                over = self._count + new - gone - (self.limit or 0)
                share = max(rows // SLACK_PART, -(-rows * over // max(self._count - gone, 1)), 1)
                self._database.write(_DROP, self._swept, end, share)
                gone += self._changes()
            elif not self._swept:
                break  # there are none
            self._swept = end or b""
            windows += 1
        return gone

    def stored(self, clients: Sequence[bytes], new: int, gone: int) -> None:
        """Count the marks of a finished transaction: `new` were added, `gone` were deleted."""
        self._count += new - gone
        if self.limit is not None:
            if len(self._recent) > RECENT:
                self._recent.clear()
            self._recent.update(clients)

    def step(self, now: int, oldest: int | None) -> None:
        """Delete some marks that are too old to be needed, then some of those above the limit.

        `now` is in Unix milliseconds, `oldest` the time of the oldest message that is kept.
        """
        age = max(self._retention.age or 0, MARK_AGE)
        cutoff = now - int(age * 1000)
        if oldest is not None:
            cutoff = min(cutoff, oldest)
        end, _ = self._window()
        if end is not None:
            self._database.write(_SWEEP, self._swept, end, cutoff)
            self.stored((), 0, self._changes())
        self._swept = end or b""
        if self.surplus:
            with self._database.transaction():
                gone = self.make_room(0)
            self.stored((), 0, gone)

    def drop(self, clients: Sequence[bytes]) -> None:
        """Delete the marks of these clients."""
        self._database.write(f"DELETE {_among(clients)}", *clients)
        self._recent.difference_update(clients)
        self.stored((), 0, self._changes())

    def _window(self) -> tuple[bytes | None, int]:
        """Return the last key of the next window of marks, None after the end, and its size."""
        ((end, rows),) = self._database.read(_END, self._swept, MARK_ROWS)
        return end, rows

    def _changes(self) -> int:
        ((changes,),) = self._database.read("SELECT changes()")
        return int(changes)


def _among(clients: Sequence[bytes]) -> str:
    """Return the part of a statement that finds the marks of clients."""
    return f"FROM marks WHERE client IN ({','.join('?' * len(clients))})"

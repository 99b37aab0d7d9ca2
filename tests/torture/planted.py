"""Faults that are planted in a server, to see that a run finds them: never in the product.

    python -m tests.torture.planted FAULT -n --pidfile= tcpmsg ...

runs twistd with one of `FAULTS` in it.  Law of this file: each takes one protection away and
nothing else.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable
from typing import Any, Final

from twisted.scripts.twistd import run

from twisted_msg import service
from twisted_msg.log import database
from twisted_msg.log.commits import Commits, Debtor
from twisted_msg.log.sqlite import SqliteStore
from twisted_msg.log.store import StoreFull
from twisted_msg.session.subscriptions import Subscriptions
from twisted_msg.wire.requests import Sub


def early_ack() -> None:
    """Acknowledge when a message is received, not when it is stored."""
    owe = Commits.owe

    def owed(self: Commits, debtor: Debtor, number: int, seq: int) -> None:
        owe(self, debtor, number, seq)
        debtor.stored(number, seq)

    Commits.owe = owed  # type: ignore[method-assign]


def no_marks() -> None:
    """Remember no client over a restart."""
    commit = SqliteStore.commit
    SqliteStore.commit = lambda self, pieces, marks: commit(self, pieces, [])  # type: ignore


def resume_off() -> None:
    """Begin behind the message that a member asks for."""
    enter = Subscriptions._enter

    def late(self: Subscriptions, request: Sub, *since: Any) -> None:
        if request.start is not None and request.start > 1:
            request = request._replace(start=request.start + 1)
        enter(self, request, *since)

    Subscriptions._enter = late  # type: ignore[method-assign]


def _execute_without(words: str, instead: str) -> None:
    """Have SQLite be told something else where these words are said to it."""

    class Cheated(sqlite3.Connection):
        def execute(self, statement: str, *values: Any) -> Any:
            return super().execute(statement.replace(words, instead), *values)

    connect = sqlite3.connect

    def cheat(*words: Any, **more: Any) -> Any:
        return connect(*words, factory=Cheated, **more)

    sqlite3.connect = cheat  # type: ignore[assignment]


def no_sync() -> None:
    """Never sync."""
    _execute_without("synchronous = FULL", "synchronous = OFF")


def no_sync_at_start() -> None:
    """Serve what a crash left in SQLite's log without syncing it first."""
    database.write_again = lambda path: None  # type: ignore[assignment]
    _execute_without("PRAGMA wal_checkpoint(TRUNCATE)", "SELECT 1")


def carry_on() -> None:
    """Go on after a failed sync as if it had worked."""
    commit = SqliteStore.commit

    def carrying_on(self: SqliteStore, pieces: Any, marks: Any) -> Any:
        try:
            return commit(self, pieces, marks)
        except Exception:
            return []

    SqliteStore.commit = carrying_on  # type: ignore[method-assign]


def full_is_stored() -> None:
    """Take a full disk for a commit."""
    commit = SqliteStore.commit

    def taken(self: SqliteStore, pieces: Any, marks: Any) -> Any:
        try:
            return commit(self, pieces, marks)
        except StoreFull:
            return []

    SqliteStore.commit = taken  # type: ignore[method-assign]


def undrained() -> None:
    """End at once when asked to stop."""
    service.ServerService.stopService = lambda self: os._exit(0)  # type: ignore


def unbounded() -> None:
    """Read from publishers however much is not stored yet."""
    Commits.full = property(lambda self: False)  # type: ignore[assignment]


FAULTS: Final[dict[str, Callable[[], None]]] = {
    each.__name__.replace("_", "-"): each
    for each in (
        early_ack, no_marks, resume_off, no_sync, no_sync_at_start, carry_on, full_is_stored,
        undrained, unbounded,
    )
}  # fmt: skip


def main() -> None:
    """Run as a program."""
    FAULTS[sys.argv.pop(1)]()
    run()


if __name__ == "__main__":
    main()

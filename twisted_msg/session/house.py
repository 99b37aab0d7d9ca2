"""What all conversations share: the rooms, who is called what, and who comes back.

Law of this file: it is put together once, where the server is, and knows no connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted_msg.rooms.registry import Rooms
from twisted_msg.rooms.retention_clock import RetentionClock
from twisted_msg.session.clients import Clients
from twisted_msg.session.names import Names
from twisted_msg.session.portions import Portions

PRUNE_SECONDS: Final = 60
"""How often the store is asked to drop what it need not keep any more: ages are in hours and
days, and each question is a little work for an idle disk."""

PRUNE_COST: Final = 16 * 1024 * 1024
"""Bytes of memory of committed messages after which it is asked before that: else a store at
its limit could be over it by what a busy minute brings."""


class Addressee(Protocol):
    """Somebody with a name."""

    def direct(self, frame: bytes) -> bool | None:
        """Take a direct message; False if it does not read, None if it cannot have any."""
        ...


class House:
    """The rooms, names and clients of one server."""

    def __init__(
        self,
        rooms: Rooms,
        *,
        soon: Callable[[Callable[[], None]], None],
        now: Callable[[], int],
        retention_clock: RetentionClock,
        max_payload: int,
        details: dict[str, Any],
    ) -> None:
        """Take the rooms, and what the server tells of itself in `WELCOME`.

        `soon` calls a function when this turn of the reactor is over, `now` returns Unix time
        in microseconds; `retention_clock` says by which time messages may be deleted;
        `max_payload` is in bytes.
        """
        self.rooms = rooms
        self.soon = soon
        self.commits = rooms.commits
        self.counts = rooms.counts
        self.names: Names[Addressee] = Names()
        self.portions = Portions(soon)
        self.clients = Clients(rooms.commits, soon)
        self.max_payload = max_payload
        self.details = details
        self.retention_clock = retention_clock
        self._now = now
        self._direct = now()
        self._sweeps = 0
        self._pruned = 0

    def number_direct(self) -> tuple[int, int]:
        """Return the number of the next direct message, and its Unix time in milliseconds."""
        now = self._now()
        self._direct = max(self._direct + 1, now)
        return self._direct, now // 1000

    def sweep(self) -> None:
        """Let go of what need not be kept; to be called about once a second."""
        self._sweeps += 1
        now = self.retention_clock.read()
        due = self._sweeps % PRUNE_SECONDS == 0
        commits = self.commits
        if commits is not None and (due or commits.committed - self._pruned > PRUNE_COST):
            self._pruned = commits.committed
            commits.archive.prune(now)
        self.rooms.sweep(now)

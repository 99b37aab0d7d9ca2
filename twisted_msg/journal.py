"""What happens to connections, said in the log: who came, who left and why, what was refused.

Law of this file: no peer can flood the log, and no byte of a peer's reaches it
unescaped (reasons arrive escaped, from `wire.header.excerpt`).
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TextIO

from twisted.internet.interfaces import IAddress
from twisted.logger import FileLogObserver, LogEvent, Logger, formatEvent, formatTime
from twisted.python.failure import Failure

from twisted_msg.addresses import network, shown

log = Logger(namespace="tcpmsg")

BURST: Final = 100
"""Lines that one address may cause at once: enough for a lab's machines behind one
gateway to come and go."""

RATE: Final = 2.0
"""Lines a second that one address may cause after that."""

MAX_ADDRESSES: Final = 1024
"""Addresses whose budget is remembered, the latest ones: a bound on memory."""

NEWCOMERS: Final = "newcomers"
"""What the lines about those who are turned away are counted under."""

STORE: Final = "the store"
"""What the lines about a store that takes nothing are counted under: it may change its mind."""

CLOCK: Final = "the clock"
"""What the lines about a clock that jumps are counted under: it may jump again and again."""


def peer_name(address: IAddress | None) -> str:
    """Return an address for people: `HOST:PORT`, or what kind of peer it is.

    A client behind a proxy has no port.
    """
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    if host is None:
        return "a local peer"
    return host if port is None else shown(host, port)


def json_lines(out: TextIO) -> FileLogObserver:
    """Return the observer that writes each event as one line of JSON.

    An object has `time` (ISO 8601), `level`, `namespace`, `text` as a person would read it,
    and the event's own fields, such as `number`, `peer` and `reason`.
    """
    return FileLogObserver(out, _json_line)


def _json_line(event: LogEvent) -> str:
    """Return an event as a line; Twisted's own JSON is for loading events, not for people."""
    row: dict[str, object] = {
        "time": formatTime(event["log_time"]),
        "level": event["log_level"].name,
        "namespace": event["log_namespace"],
        "text": formatEvent(event),
    }
    for key, value in event.items():
        if not key.startswith("log_") and isinstance(value, str | int | float):
            row.setdefault(key, value)
    if "log_failure" in event:
        row["traceback"] = event["log_failure"].getTraceback()
    return json.dumps(row) + "\n"


class _Budget:
    """The lines that one address may still cause."""

    __slots__ = ("left_out", "lines", "since")

    def __init__(self, now: float) -> None:
        self.lines = float(BURST)
        self.since = now
        self.left_out = 0

    def spend(self, now: float) -> bool:
        """Return whether one more line may be written."""
        self.lines = min(float(BURST), self.lines + (now - self.since) * RATE)
        self.since = now
        if self.lines < 1:
            self.left_out += 1
            return False
        self.lines -= 1
        return True


class Journal:
    """Writes the lines about connections, within a budget for each address."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        """Take a monotonic clock."""
        self._seconds = seconds
        self._budgets: OrderedDict[str, _Budget] = OrderedDict()
        self._strained = False

    def joined(self, number: int, address: IAddress | None, over: str = "") -> None:
        """Note a new connection, and over what it came."""
        if self._may_write(address):
            log.info(
                "#{number} {peer} connected{over}",
                number=number,
                peer=peer_name(address),
                over=over,
            )

    def left(
        self, number: int, address: IAddress | None, reason: str, *, refused: bool = False
    ) -> None:
        """Note the end of a connection and its reason; `refused` says that the peer erred."""
        if self._may_write(address):
            write = log.warn if refused else log.info
            write(
                "#{number} {peer} left: {reason}",
                number=number,
                peer=peer_name(address),
                reason=reason,
            )

    def turned_away(self, address: IAddress | None, reason: str) -> None:
        """Note a connection that was not let in; all addresses share one budget for these."""
        if self._spend(NEWCOMERS):
            log.warn("{peer} was turned away: {reason}", peer=peer_name(address), reason=reason)

    def strained(self, reason: str) -> None:
        """Note why the store takes no message, once, and with "" that it takes them again."""
        if reason and not self._strained and self._spend(STORE):
            self._strained = True
            log.warn(
                "no message can be stored: {reason}; who publishes is told to send it again later",
                reason=reason,
            )
        elif self._strained and not reason:
            self._strained = False
            log.info("messages are stored again")

    def clock_jumped(self, reason: str) -> None:
        """Note that the system's clock is not to be trusted, why, and what follows."""
        if self._spend(CLOCK):
            log.warn("{reason}", reason=reason)

    def failed(self, failure: Failure) -> None:
        """Note a fault of the server's own, with its traceback."""
        log.failure("a fault in the server", failure=failure)

    def sweep(self) -> None:
        """Tell how many lines were left out; to be called about once a second."""
        now = self._seconds()
        for host, budget in self._budgets.items():
            if budget.left_out and budget.spend(now):
                self._tell(host, budget)

    def close(self) -> None:
        """Tell how many lines were left out, for the last time."""
        for host, budget in self._budgets.items():
            self._tell(host, budget)

    def _tell(self, host: str, budget: _Budget) -> None:
        """Tell how many lines of an address were left out, if any were."""
        left_out, budget.left_out = budget.left_out, 0
        if left_out:
            log.warn("{host}: {count} more lines left out", host=host, count=left_out)

    def _may_write(self, address: IAddress | None) -> bool:
        """Take one line from an address's budget; local peers without a host share one."""
        return self._spend(network(str(getattr(address, "host", "local peers"))))

    def _spend(self, host: str) -> bool:
        """Take one line from a budget."""
        budget = self._budgets.get(host)
        if budget is None:
            budget = self._budgets[host] = _Budget(self._seconds())
            if len(self._budgets) > MAX_ADDRESSES:
                self._tell(*self._budgets.popitem(last=False))
        else:
            self._budgets.move_to_end(host)
        return budget.spend(self._seconds())

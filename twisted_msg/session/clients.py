"""Clients that come back: what was received of each, over connections and restarts.

Law of this file: a client has one session at a time, and a new one begins when everything
that the one before it said is settled.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Final, Protocol

from twisted_msg.log.commits import Commits
from twisted_msg.log.store import Mark as StoredMark

CLIENTS_LIMIT: Final = 100_000
"""Clients without a connection that are remembered in memory, the latest ones.  The store
remembers all that published to stored rooms; of others, older ones are forgotten."""

TRIM_PART: Final = 16
"""Of an address's new clients, a 16th is forgotten at once, so that this is rare."""


class Mark:
    """How far a client has come.

    `received` is the highest id that was received, `id` the highest that is stored, and
    `seq` where that one stands in its room.
    """

    __slots__ = ("id", "received", "seq")

    def __init__(self, stored: int = 0, seq: int = 0) -> None:
        self.received = self.id = stored
        self.seq = seq

    @property
    def settled(self) -> bool:
        """Whether everything received is stored."""
        return self.id == self.received


class Holder(Protocol):
    """A session that speaks for a client."""

    def supersede(self) -> str:
        """Another connection speaks for the client now: take nothing more, and end.

        Returns the session's name, which passes to that connection.
        """
        ...

    def inherit(self, name: str) -> None:
        """Take over a session's name."""
        ...


Entered = Callable[[Mark | BaseException], None]
"""Who is told how far a client has come."""


class _Client:
    """One client: its mark, once that is known, and the session that speaks for it."""

    __slots__ = ("holder", "mark")

    def __init__(self) -> None:
        self.mark: Mark | None = None
        self.holder: Holder | None = None


def key_of(secret: str) -> bytes:
    """Return what a client's secret is known by: a digest, so that no store gives it away."""
    return blake2b(secret.encode(), digest_size=16).digest()


class Clients:
    """Every client that has, or lately had, a connection."""

    def __init__(self, commits: Commits | None, soon: Callable[[Callable[[], None]], None]) -> None:
        """Take the way to the store, if there is one, and what calls back after this turn."""
        self._commits = commits
        self._soon = soon
        self._clients: OrderedDict[bytes, _Client] = OrderedDict()
        self._new: OrderedDict[str, OrderedDict[bytes, None]] = OrderedDict()
        """Which clients were new since the start, for each network, the oldest first."""
        self._news = 0

    def enter(self, key: bytes, holder: Holder, then: Entered, network: str | None = None) -> None:
        """Have a session speak for a client.

        `network` is where the session comes from, None if that has no limit of its own.

        A session that spoke for it before ends, and its name passes over.  `then` gets the
        client's mark, when all before is settled; it is not called if yet another session
        takes over meanwhile.
        """
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = _Client()
        before, client.holder = client.holder, holder
        if before is not None:
            holder.inherit(before.supersede())
        self._settle(key, client, holder, then, network)

    def leave(self, key: bytes, holder: Holder) -> None:
        """A session speaks for a client no more."""
        client = self._clients.get(key)
        if client is None or client.holder is not holder:
            return
        client.holder = None
        self._clients.move_to_end(key)
        while len(self._clients) > CLIENTS_LIMIT:
            oldest, other = next(iter(self._clients.items()))
            if other.holder is not None or other.mark is None or not other.mark.settled:
                self._clients.move_to_end(oldest)
                break
            del self._clients[oldest]

    def _settle(
        self,
        key: bytes,
        client: _Client,
        holder: Holder,
        then: Entered,
        network: str | None,
    ) -> None:
        """Go on when the mark is known and everything received is stored."""
        if client.holder is not holder:
            return

        def again() -> None:
            self._settle(key, client, holder, then, network)

        def known(stored: StoredMark | BaseException | None) -> None:
            if isinstance(stored, BaseException):
                if client.holder is holder:
                    then(stored)
                return
            if client.mark is None:
                client.mark = Mark(*stored) if stored else Mark()
                if not stored and network is not None:
                    self._came(key, network)
            again()

        if client.mark is None:
            if self._commits is None:
                known(None)
            else:
                self._commits.archive.mark(key, known)
        elif client.mark.settled:
            then(client.mark)
        elif self._commits is None:
            self._soon(again)
        else:
            self._commits.settle(lambda: self._soon(again))

    def _came(self, key: bytes, network: str) -> None:
        """Count a new client of a network; have the store forget the oldest if they are many.

        So the clients of one address cannot displace the marks of other addresses.
        """
        most = None if self._commits is None else self._commits.archive.marks_per_address
        if most is None:
            return
        keys = self._new.setdefault(network, OrderedDict())
        self._new.move_to_end(network)
        if key not in keys:  # else its mark was forgotten before the store had one
            keys[key] = None
            self._news += 1
        if len(keys) > most:
            idle = [each for each in keys if self._idle(each)][: 1 + most // TRIM_PART]
            for each in idle:
                del keys[each]
            self._news -= len(idle)
            if idle and self._commits is not None:
                self._commits.archive.drop_marks(idle)
        while self._news > CLIENTS_LIMIT:
            self._news -= len(self._new.popitem(last=False)[1])

    def _idle(self, key: bytes) -> bool:
        """Return whether no session speaks for a client."""
        client = self._clients.get(key)
        return client is None or client.holder is None

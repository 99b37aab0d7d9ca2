"""The server: its connections, the sweep that serves their deadlines, and the end of it all.

Law of this file: it knows every connection and none of their insides; one sweep a
second serves all deadlines, and a stop is over in five seconds.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from twisted_msg.connection import Connection
from twisted_msg.counts import End
from twisted_msg.door import Door
from twisted_msg.journal import Journal
from twisted_msg.lag import Lag
from twisted_msg.pace import Rates
from twisted_msg.protocol import FrameFactory
from twisted_msg.session import House, PlainRules, PlainSession, Session, TypedSession
from twisted_msg.transports import drop, relayed
from twisted_msg.wire import ProtocolError
from twisted_msg.wire.limits import HEADER_SIZE, MAX_PAYLOAD

STOP_SECONDS: Final = 5.0
"""How long a stopping server takes at the most."""

STORE_SECONDS: Final = 1.0
"""How long it waits beyond that for a store that does not answer."""

SLICE: Final = 200
"""Connections that are seen to at once: ten thousand, many of which are asked whether they are
there, would keep all others waiting for a tenth of a second."""

SLICE_SECONDS: Final = 0.01
"""How long the others have for themselves in between: what those who are asked answer comes
spread out as well."""

STALL_LIMIT: Final = 3600.0
"""How long a peer may take nothing of what waits for it, in seconds, unless configured: a
laptop that sleeps for longer has to connect again."""


class Server(FrameFactory):
    """Builds the connections, knows them all, and ends them."""

    protocol = Connection
    noisy = False  # Twisted's own lines about factories tell a person nothing

    def __init__(
        self,
        house: House,
        rules: PlainRules,
        clock: Any,
        journal: Journal,
        *,
        header_size: int = HEADER_SIZE,
        max_payload: int = MAX_PAYLOAD,
        stall_limit: float = STALL_LIMIT,
        door: Door | None = None,
        rates: Rates | None = None,
    ) -> None:
        """Take what conversations share, how to speak to plain peers, and a clock.

        `door` says who may come in, everybody without one, and `rates` how fast those may
        speak whom it bounds.

        `clock` is an `IReactorTime`; the header's width and the largest payload are in bytes,
        `stall_limit` is in seconds.
        """
        super().__init__(header_size=header_size, max_payload=max_payload)
        self.house = house
        self.counts = house.counts
        self.rules = rules
        self.clock = clock
        self.stall_limit = stall_limit
        self.door = Door(None, loopback=False) if door is None else door
        self._rates = rates
        self._journal = journal
        self._connections: dict[int, Connection] = {}
        self._count = 0
        self._unswept: list[Connection] = []
        self._slice: Any = None
        self._sweeper = LoopingCall(self._sweep)
        self._sweeper.clock = clock
        self._lag = Lag(clock, self.counts.lag_seconds)
        self._gone: Deferred[None] | None = None

    # -- for connections -----------------------------------------------------

    def joined(self, connection: Connection) -> None:
        """Take in a new connection and give it its number, or tell it why it cannot stay."""
        self._count += 1
        number = connection.number = self._count
        self._connections[number] = connection
        transport = connection.transport
        peer, by_proxy = transport.getPeer(), relayed(transport)
        error = self.door.enter(number, peer, relayed=by_proxy)
        if error is not None:
            self._journal.turned_away(peer, error.reason)
            if self.door.crowded:
                drop(transport)
            else:
                connection.refused(error)
            return
        self._journal.joined(number, peer)
        if self._rates is not None and self.door.bounds(peer, relayed=by_proxy):
            connection.limit(self._rates)
        if self._gone is not None:
            connection.close(End.STOPPED, "came while the server stops")
        self.house.rooms.admit(connection)

    def converse(self, connection: Connection) -> Session:
        """Return the session for a connection whose first frame is there."""
        if connection.typed:
            return TypedSession(connection, self.house)
        return PlainSession(connection, self.house, self.rules)

    def refusal(self, connection: Connection, error: ProtocolError) -> bytes:
        """Return what to tell a peer whose first frame was refused."""
        self.counts.told[error.code] += 1
        return TypedSession.refusal(error) if connection.typed else self.rules.refusal(error)

    def failed(self, failure: Failure) -> None:
        """Log a fault of the server's own."""
        self._journal.failed(failure)

    def left(self, connection: Connection, end: End, reason: str, *, refused: bool) -> None:
        """Forget a connection that is gone."""
        self._connections.pop(connection.number, None)
        self.counts.sent_bytes += connection.outlet.written
        self.house.rooms.dismiss(connection)
        if self.door.leave(connection.number):
            self._journal.left(
                connection.number, connection.transport.getPeer(), reason, refused=refused
            )
        else:
            end = End.TURNED_AWAY
        self.counts.ended[end] += 1
        if self._gone is not None and not self._connections:
            self._gone.callback(None)
            self._gone = None

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    @property
    def sent_bytes(self) -> int:
        """How many bytes peers were sent so far."""
        there = sum(connection.outlet.written for connection in self._connections.values())
        return self.counts.sent_bytes + there

    # -- for the service -----------------------------------------------------

    def start(self) -> None:
        """Begin to watch the deadlines."""
        self._sweeper.start(1.0, now=False).addErrback(self._journal.failed)
        self._lag.start()

    async def drain(self) -> bool:
        """End every connection: what was accepted is delivered, what is owed is sent.

        Frames that are held because a room is full are not accepted any more.

        Done when all are gone, after `STOP_SECONDS` at the latest.
        """
        until = self.clock.seconds() + STOP_SECONDS
        if self._connections:
            gone = self._gone = Deferred()
            for connection in list(self._connections.values()):
                connection.guard(connection.stop)
            deadline = self.clock.callLater(STOP_SECONDS, self._abort_all)
            await gone
            if deadline.active():
                deadline.cancel()
        stored = await self._stored(until + STORE_SECONDS - self.clock.seconds())
        if self.house.commits is not None:
            self.house.commits.end()
        if self._sweeper.running:
            self._sweeper.stop()
        self._lag.stop()
        if self._slice is not None and self._slice.active():
            self._slice.cancel()
        self._journal.close()
        return stored

    async def _stored(self, patience: float) -> bool:
        """Wait until the store has everything that was said; return whether it has in time."""
        if self.house.commits is None:
            return True
        stored: Deferred[None] = Deferred()
        self.house.commits.settle(lambda: stored.callback(None))
        try:
            await stored.addTimeout(patience, self.clock)
        except defer.TimeoutError:
            return False
        return True

    def _abort_all(self) -> None:
        """The time to end well is over."""
        for connection in list(self._connections.values()):
            connection.abort()

    def _sweep(self) -> None:
        """See to everything that time does."""
        if not self._unswept:  # else the last time is not over yet
            self._unswept = list(self._connections.values())
            self._sweep_some()
        try:
            self.house.sweep()
        except Exception:
            self._journal.failed(Failure())
        self._journal.sweep()

    def _sweep_some(self) -> None:
        """See to some connections, then let all have their turn before the next ones."""
        now = self.clock.seconds()
        some = self._unswept[-SLICE:]
        del self._unswept[-SLICE:]
        if self._unswept:  # whatever becomes of these
            self._slice = self.clock.callLater(SLICE_SECONDS, self._sweep_some)
        for connection in some:
            if connection.number not in self._connections:
                continue  # gone meanwhile
            try:
                connection.sweep(now)
            except Exception:  # time must go on for all the others
                self._journal.failed(Failure())
                connection.abort()

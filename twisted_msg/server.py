"""The server: its connections, what becomes of each that comes, and the end of it all.

Law of this file: it knows every connection and none of their insides, and a stop is over in
five seconds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolNegotiationFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_msg.addresses import network
from twisted_msg.connection import Connection
from twisted_msg.counts import End
from twisted_msg.door import Door
from twisted_msg.guests import Guests
from twisted_msg.host import Guest, Web
from twisted_msg.journal import Journal
from twisted_msg.lag import Lag
from twisted_msg.latecomer import Latecomer
from twisted_msg.log.views import PlainView
from twisted_msg.opening import Speech, opening
from twisted_msg.pace import AddressBuckets, Pace, Paced, Rates
from twisted_msg.protocol import FrameFactory
from twisted_msg.session import House, PlainRules, PlainSession, Session, TypedSession
from twisted_msg.sweeping import Sweeper
from twisted_msg.transports import drop, hand_over, relayed
from twisted_msg.wire import ErrorCode, ProtocolError
from twisted_msg.wire.limits import HEADER_SIZE, MAX_PAYLOAD

STOP_SECONDS: Final = 5.0
"""How long a stopping server takes at the most."""

STORE_SECONDS: Final = 1.0
"""How long it waits beyond that for a store that does not answer."""

STALL_LIMIT: Final = 3600.0
"""How long a peer may take nothing of what waits for it, in seconds, unless configured: a
laptop that sleeps for longer has to connect again."""


NO_TLS: Final = (
    "began TLS where none is spoken: connect without it, or have the server --listen on ssl:..."
)
"""What the log says of a peer that does; it gets no answer that it could read."""

ALPN_PROTOCOLS: Final = [b"http/1.1"]
"""What a TLS listener selects by ALPN (RFC 7301).  Without such a list Twisted selects an empty
name, which OpenSSL refuses, so that every client that sends ALPN fails.  A client that offers
other protocols alone, such as `h2`, gets an alert, as section 3.2 demands: it could speak
neither HTTP/1.1 nor frames.  A client that speaks frames offers nothing, or `http/1.1`."""


@implementer(IProtocolNegotiationFactory)
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
        self.stopping = False
        self.web: Web | None = None
        self.door = Door(None, loopback=False) if door is None else door
        self._rates = rates
        self._address_buckets = None if rates is None else AddressBuckets(rates)
        self.journal = journal
        self._carried_rules = rules  # what is carried has headers of the usual width
        if header_size != HEADER_SIZE:
            view = PlainView(HEADER_SIZE, rules.view.disconnect)
            self._carried_rules = replace(rules, view=view)
        self.guests = Guests(self.door, journal, self.counts)
        self._sweeper = Sweeper(clock, self.guests, self.failed, self._sweep_rest)
        self._lag = Lag(clock, self.counts.lag_seconds)
        self._gone: Deferred[None] | None = None

    def acceptableProtocols(self) -> list[bytes]:
        """Return what a TLS listener may select by ALPN."""
        return ALPN_PROTOCOLS

    # -- for connections -----------------------------------------------------

    def joined(self, connection: Connection) -> None:
        """Take in a new connection and give it its number, or tell it why it cannot stay."""
        transport = connection.transport
        if connection.number:
            self.guests.take_over(connection)
        elif connection.carried:
            self.guests.enter_within(connection)
        else:
            error = self.guests.enter(connection, transport)
            if error is not None:
                self._turn_away(connection, error)
                return
        rates = self.rates_of(transport)
        if rates is not None:
            connection.limit(rates)
        if self.stopping:
            connection.close(End.STOPPED, "came while the server stops")
        self.house.rooms.admit(connection)

    def opened(self, connection: Connection, data: bytes) -> bool:
        """Look at the first bytes of a connection; return whether it goes on with them."""
        if connection.carried:
            return True
        speech, peer = opening(data), connection.transport.getPeer()
        if speech is Speech.TLS:
            connection.stop_receiving()
            connection.refused(ProtocolError(ErrorCode.BAD_HEADER, NO_TLS))
            return False
        if speech is Speech.HTTP:
            channel = self._visit(connection, connection)
            if channel is not None:
                channel.dataReceived(data)
                return False
        error = self.guests.claim(connection, peer, relayed=relayed(connection.transport))
        if error is not None:
            connection.stop_receiving()
            connection.refused(error)
            return False
        self.journal.joined(connection.number, peer)
        return True

    def _turn_away(self, connection: Connection, error: ProtocolError) -> None:
        """Tell a newcomer that there is no place, unless too many are being told."""
        if self.door.closes_silently(error):
            drop(connection.transport)
            return
        if self.web is not None:
            latecomer = Latecomer(connection, error, self._visit)
            if hand_over(connection.transport, connection, latecomer):
                self.guests.take_over(latecomer)
                return
        connection.refused(error)

    def _visit(self, connection: Connection, holder: object) -> Any:
        """Make a visit over HTTP of a connection; return it, or None if that cannot be.

        `holder` is the protocol of its transport.
        """
        channel = None if self.web is None else self.web.receive(connection.number)
        if channel is None or not hand_over(connection.transport, holder, channel):
            return None
        self.house.rooms.dismiss(connection)
        self.guests.take_over(channel)
        channel.makeConnection(connection.surrender())
        return channel

    def took_back(self, connection: Connection) -> None:
        """Know a connection again whose place another guest had."""
        self.guests.take_over(connection)

    def converse(self, connection: Connection) -> Session:
        """Return the session for a connection whose first frame is there."""
        if connection.typed:
            return TypedSession(connection, self.house)
        return PlainSession(connection, self.house, self._rules_of(connection))

    def refusal(self, connection: Connection, error: ProtocolError) -> bytes:
        """Return what to tell a peer whose first frame was refused."""
        self.counts.told[error.code] += 1
        if connection.typed:
            return TypedSession.refusal(error)
        return self._rules_of(connection).refusal(error)

    def _rules_of(self, connection: Connection) -> PlainRules:
        return self._carried_rules if connection.carried else self.rules

    def failed(self, failure: Failure) -> None:
        """Log a fault of the server's own."""
        self.journal.failed(failure)

    def left(self, connection: Connection, end: End, reason: str, *, refused: bool) -> None:
        """Forget a connection that is gone."""
        self.house.rooms.dismiss(connection)
        self.counts.sent_bytes += connection.outlet.written
        self.leave(connection, connection.transport.getPeer(), end, reason, refused=refused)

    # -- for other guests ----------------------------------------------------

    def rates_of(self, transport: Any) -> Rates | None:
        """Return how fast the peer of a transport may speak, or None if nothing bounds it."""
        if self._rates is None:
            return None
        bounds = self.door.bounds(transport.getPeer(), relayed=relayed(transport))
        return self._rates if bounds else None

    def pace_of(self, client: Any, paced: Paced) -> Pace | None:
        """Return the rate limiter for a request of a client behind a proxy; None without limits.

        All requests of one address share the rates that a connection has, by whichever of the
        proxy's connections they come.
        """
        shared = self._address_buckets
        if shared is None or not self.door.bounds(client, relayed=False):
            return None
        where = network(str(getattr(client, "host", "local peers")))
        return Pace(shared.rates, self.clock, paced, shared.of(where, self.clock.seconds()))

    def network_of(self, transport: Any) -> str | None:
        """Return the network by which limits count a peer; None if no limit applies to it."""
        peer = transport.getPeer()
        bounds = self.door.bounds(peer, relayed=False)  # a proxy has told by now
        return network(str(getattr(peer, "host", ""))) if bounds else None

    def carry(
        self, transport: Any, number: int = 0, kind: type[Connection] = Connection
    ) -> Connection:
        """Return a connection whose frames something else carries, with headers of 128 bytes.

        `transport` is as Twisted's are; the outlet registers with it as its producer.  The
        connection takes over the place `number` of a guest, or, without one, lies within a
        guest: then it takes none, and the log does not tell of it.
        """
        connection = kind(HEADER_SIZE, self.max_payload)
        connection.factory = self
        connection.carried = True
        connection.number = number
        if number:
            self.journal.joined(number, transport.getPeer(), " over WebSocket")
        connection.makeConnection(transport)
        return connection

    def leave(self, guest: Guest, peer: Any, end: End, reason: str, *, refused: bool) -> None:
        """Forget a guest that is gone, and say why in the log; "" says nothing there."""
        self.guests.leave(guest, peer, end, reason, refused=refused)
        if self._gone is not None and not self.guests:
            self._gone.callback(None)
            self._gone = None

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self.guests)

    @property
    def sent_bytes(self) -> int:
        """How many bytes of frames were sent so far."""
        there = [guest for guest in self.guests.all() if isinstance(guest, Connection)]
        return self.counts.sent_bytes + sum(each.outlet.written for each in there)

    # -- for the service -----------------------------------------------------

    def start(self) -> None:
        """Begin to watch the deadlines."""
        self._sweeper.start()
        self._lag.start()

    async def drain(self) -> bool:
        """End every connection: what was accepted is delivered, what is owed is sent.

        Frames that are held because a room is full are not accepted any more.

        Done when all are gone, after `STOP_SECONDS` at the latest.
        """
        until = self.clock.seconds() + STOP_SECONDS
        self.stopping = True
        if self.guests:
            gone = self._gone = Deferred()
            for guest in self.guests.all():
                guest.guard(guest.stop)
            deadline = self.clock.callLater(STOP_SECONDS, self._abort_all)
            await gone
            if deadline.active():
                deadline.cancel()
        stored = await self._stored(until + STORE_SECONDS - self.clock.seconds())
        if self.house.commits is not None:
            self.house.commits.end()
        self._sweeper.stop()
        self._lag.stop()
        self.journal.close()
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
        for guest in self.guests.all():
            guest.abort()

    def _sweep_rest(self) -> None:
        """See to what time does beside the connections."""
        try:
            self.house.sweep()
        finally:
            self.journal.sweep()

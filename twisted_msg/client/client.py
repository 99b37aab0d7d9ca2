"""The client that programs use: rooms to send to and to read, over however many connections.

Law of this file: it joins the pure parts to a connection, and decides nothing that they
can; what was accepted by `send` is settled, one way or the other, exactly once.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Final

from twisted.internet import defer
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IStreamClientEndpoint

from twisted_msg.client.connection import GOODBYE_SECONDS, MAX_RECEIVED
from twisted_msg.client.errors import ClientError, Disconnected, Gap, Refused, TimedOut
from twisted_msg.client.listing import Listing
from twisted_msg.client.messages import Messages, Presence, Reading
from twisted_msg.client.outbox import Receipt
from twisted_msg.client.postbox import Postbox
from twisted_msg.client.sendable import check_name, check_room, check_target
from twisted_msg.client.service import Lifeline
from twisted_msg.client.subscription import Subscription
from twisted_msg.client.talk import Talk
from twisted_msg.client.typed import TypedFactory
from twisted_msg.wire import ErrorCode
from twisted_msg.wire.names import CLIENT, CLIENT_RULE
from twisted_msg.wire.replies import Here, RoomList
from twisted_msg.wire.requests import Hello, Ping, Rooms, Sub, Who

CLIENT_BYTES: Final = 16
"""Random bytes of a client's id: 128 bits, so that nobody guesses it, or draws it twice."""


class Client:
    """A named member of a server that keeps its promises over lost connections.

    Made, and connected, by `connect`; or made first and connected by `async with`, which
    also closes it::

        async with Client(reactor, "127.0.0.1:5050", "alice") as client:
            await client.send("lobby", "hello")
    """

    def __init__(
        self,
        reactor: Any,
        server: str | IStreamClientEndpoint,
        name: str | None = None,
        *,
        client_id: str | None = None,
        token: str | None = None,
        max_payload: int = MAX_RECEIVED,
        on_connected: Callable[[], None] | None = None,
        on_lost: Callable[[ClientError], None] | None = None,
        jitter: Callable[[], float] = random.random,
        entropy: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        """Take the reactor, and the server's address or endpoint.  Nothing is connected yet.

        `name` is what one wants to be called; the server may number it if it is taken, and
        finds one if there is none.  `client_id` is a secret of 16 to 64 printable characters
        under which the server counts this client's messages; it is drawn at random unless a
        program that comes back later wants to be the same client.  No two may use one at a
        time: the newer one takes over, the older gets `Superseded`.  `token` proves who one
        is, where a server asks for that.  `max_payload` is the largest message taken, in bytes.

        `on_connected` is called at every connection that is ready, `on_lost` with the reason
        when one is lost and another will be tried (not when the server ends one because it
        refuses a message: that is told by `send`).  `jitter` returns a number from 0 to 1,
        `entropy` so many random bytes in hexadecimal digits.
        Raises `ValueError` for an address, a name or a client id that cannot be.
        """
        if name is not None:
            check_name(name)
        if client_id is not None and CLIENT.fullmatch(client_id) is None:
            raise ValueError(CLIENT_RULE)
        hello = Hello(name, client_id or entropy(CLIENT_BYTES), token=token)
        self._clock = reactor
        self._pings = 0
        self._talk = Talk()
        self._line = Lifeline(
            reactor,
            server,
            TypedFactory(
                reactor,
                hello,
                made=self._talk.made,
                replied=self._talk.replied,
                rested=self._talk.rested,
                lost=self._talk.lost,
                max_payload=max_payload,
            ),
            jitter=jitter,
            ended=self._talk.end,
            on_connected=on_connected,
            on_lost=on_lost,
        )
        self._talk.line = self._line
        self._talk.name = name

    # -- connecting ----------------------------------------------------------

    async def connect(self, attempts: int | None = 1) -> None:
        """Connect, trying up to `attempts` times (None: until it works), and keep connected.

        Returns when the server has made this client welcome.  Raises `CannotConnect` with
        the last attempt's cause, or `Refused`; nothing is tried any more then.  Called once
        only.
        """
        await self._line.connect(attempts)

    @property
    def name(self) -> str | None:
        """What the server calls this client; before the first connection, what it wants."""
        return self._talk.name

    @property
    def connected(self) -> bool:
        """Whether there is a connection that is ready now."""
        return self._talk.connection is not None

    @property
    def closed(self) -> bool:
        """Whether no connection will be tried any more."""
        return self._line.closing

    @property
    def server(self) -> dict[str, Any]:
        """What the server told of itself in its last `WELCOME`: version, limits, features."""
        return self._talk.details

    # -- sending -------------------------------------------------------------

    def send(self, room: str, message: bytes | str) -> Deferred[Receipt]:
        """Send one message to a room, or to one member as `@name`; text goes as UTF-8.

        It starts at once, whoever waits or not.  The Deferred fires when the message is
        stored, however many connections that takes; it fails with `Refused` if the server
        does not take it (or if nobody is there, for a direct message), and with what ended the
        client otherwise.  Cancelling it stops the waiting, not the message.
        Raises `ValueError` for what cannot be a room.
        """
        return self.send_all(room, (message,))

    def send_all(self, room: str, messages: Iterable[bytes | str]) -> Deferred[Receipt]:
        """Send messages to one room, in one piece; see `send`.

        The Deferred fires when the last one is stored, with its receipt.  If some were
        refused it fails with the first refusal, once all others are stored.  Much cheaper
        than single sends.  Raises `ValueError` if there is no message at all.
        """
        check_target(room)
        payloads = [m.encode() if isinstance(m, str) else m for m in messages]
        if not payloads:
            raise ValueError("there is no message to send")
        largest, limit = max(map(len, payloads)), self._talk.max_payload
        if largest > limit:
            return fail(
                Refused(
                    ErrorCode.TOO_LARGE,
                    f"a message of {largest} bytes is over this server's limit of {limit}: "
                    "send it in smaller ones",
                )
            )
        return self._talk.send(room, payloads)

    def begin_ids(self, number: int) -> None:
        """Give the next message this id, from 1 to 2^63-1, and the others those behind it.

        Ids rise by one from where the server stands with this client's id.  A program that
        keeps `client_id`, and gives the same messages the same ids in every run, sends none
        twice.  Raises `ValueError` if that would go back, behind ids that were given or that
        the server has received (`Client.server["last_id"]`), and before `connect`.
        """
        self._talk.outbox.begin_at(number)

    def room(self) -> Deferred[None]:
        """Return a Deferred that fires when there is room for more to send.

        Whoever sends without waiting for receipts waits for this from time to time: it
        is what bounds the memory.  It fails with what ended the client.
        """
        return self._talk.room.wait()

    @property
    def unacknowledged(self) -> int:
        """How many messages are not known to be stored."""
        return len(self._talk.outbox)

    @property
    def refusal(self) -> ClientError | None:
        """Why the server takes no messages for now, or None if it does: its disk may be full.

        They are sent again after a pause that grows, until it takes them.
        """
        return self._talk.refusal

    # -- reading -------------------------------------------------------------

    def messages(
        self,
        room: str,
        *,
        start: int | None = None,
        last: int | None = None,
        since: int | None = None,
        until_end: bool = False,
        strict: bool = False,
        on_missed: Callable[[Gap], None] | None = None,
        presence: Callable[[Presence], None] | None = None,
    ) -> Messages:
        """Read a room: join it at once, and return an asynchronous iterator of its messages.

        At most one of `start` (a sequence number; 0 is everything kept), `last` (so many
        messages) and `since` (Unix time in milliseconds) says from where; otherwise it begins
        with the next message.  With `until_end` it ends behind the message that was the
        newest when it joined.  Where messages are no longer kept, `on_missed` is called and
        `Messages.missed` counts; with `strict`, `Gap` is raised.  `presence` is called with
        `Joined`, `Parted` and `Present`.

        A program that reads too slowly leaves the room, reads what it has, and joins again
        where it was: other members see that, and nothing is lost.
        Raises `ValueError` for what cannot be a room, for two beginnings, and if this client
        reads the room already.
        """
        check_room(room)
        if sum(given is not None for given in (start, last, since)) > 1:
            raise ValueError("start, last and since each say where to begin: choose one")
        request = Sub(room, start, last, since, presence is not None)
        core = Subscription(request, self._talk.say, until_end=until_end)
        reading = Reading(core, self._talk.readings.remove, presence)
        self._talk.read(reading)
        return Messages(reading, strict=strict, on_missed=on_missed)

    def directs(self) -> Messages:
        """Return an asynchronous iterator of the direct messages that come from now on.

        They are live only: what comes while there is no connection is told to its sender as
        absent, and what is not read in time is lost, the oldest first; `Messages.dropped`
        counts.  Raises `ValueError` if they are being read already.
        """
        reading = Reading(Postbox(), self._talk.readings.remove)
        self._talk.read(reading)
        return Messages(reading)

    # -- asking --------------------------------------------------------------

    async def who(self, room: str) -> Listing[str]:
        """Return the names of those who are in a room; `Listing.cut` more did not fit.

        Raises `Refused`.
        """
        check_room(room)
        here: Here = await self._talk.ask(Who(room))
        return Listing(here.names, here.cut)

    async def rooms(self) -> Listing[dict[str, Any]]:
        """Return the rooms that one may see, each as the server describes it.

        `Listing.cut` more did not fit.  Raises `Refused`.
        """
        found: RoomList = await self._talk.ask(Rooms())
        return Listing(found.rooms, found.cut)

    async def ping(self) -> float:
        """Return how many seconds the server took to process all that was sent before."""
        self._pings += 1
        began: float = self._clock.seconds()
        await self._talk.ask(Ping(str(self._pings)))
        ended: float = self._clock.seconds()
        return ended - began

    # -- the end -------------------------------------------------------------

    async def close(self, timeout: float = GOODBYE_SECONDS) -> None:
        """Wait until all that was sent is stored, say `BYE`, and connect no more.

        Iterators end at once.  Raises `TimedOut` if something is not known to be stored
        after `timeout` seconds, or what else kept it from being known; the client is closed
        all the same.
        """
        talk, line = self._talk, self._line
        talk.closing = True
        talk.readings.end(None)
        try:
            if line.started and not talk.outbox.empty:
                await talk.settled.wait().addTimeout(timeout, self._clock)
        except defer.TimeoutError:
            raise TimedOut(
                f"{len(talk.outbox)} messages were not acknowledged within {timeout:g} s: they "
                "may or may not be stored; sending them again with the same client id and ids "
                "is safe"
            ) from None
        else:
            line.closing = True
            if talk.connection is not None:
                try:
                    await talk.connection.disconnect(timeout)
                except ClientError:
                    pass  # all is stored already, so it does not matter how it ended
        finally:
            await self.abort()

    async def abort(self) -> None:
        """Close at once, without a goodbye; what is not stored may be lost."""
        self._line.closing = True
        if self._talk.connection is not None:
            self._talk.connection.abort()
        await self._line.stop(Disconnected("this client was closed"))

    async def __aenter__(self) -> Client:
        """Connect, at the first attempt, unless it was done."""
        if not self._line.started:
            await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close; after an error without waiting for the server."""
        if error is None:
            await self.close()
        else:
            await self.abort()

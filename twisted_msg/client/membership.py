"""A client's time with a server: how it comes, keeps its connection, and goes.

Law of this file: it joins the pure parts to a connection, and decides nothing that they
can; when `close` returns, everything that was sent is known to be stored, else it raises.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from typing import Any, Final, Self

from twisted.internet import defer
from twisted.internet.interfaces import IStreamClientEndpoint

from twisted_msg.client.connection import MAX_RECEIVED
from twisted_msg.client.errors import ClientError, TimedOut
from twisted_msg.client.lifetime import Lifetime
from twisted_msg.client.sendable import check_name
from twisted_msg.client.service import Lifeline
from twisted_msg.client.talk import Talk
from twisted_msg.client.typed import TypedConnection, TypedFactory
from twisted_msg.wire.arguments import check_callable, check_text, check_whole
from twisted_msg.wire.names import CLIENT, CLIENT_RULE
from twisted_msg.wire.requests import Hello, Ping

CLIENT_BYTES: Final = 16
"""Random bytes of a client's id: 128 bits, so that nobody guesses it, or draws it twice."""


class Membership(Lifetime):
    """What a `Client` is before it says or reads anything."""

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
        Raises `ValueError` for an address, a name or a client id that cannot be, and
        `TypeError`.
        """
        if name is not None:
            name = check_name(name)
        if client_id is None:
            check_callable(entropy, "entropy")
            client_id = entropy(CLIENT_BYTES)
        client_id = check_text(client_id, "a client id")
        if CLIENT.fullmatch(client_id) is None:
            raise ValueError(CLIENT_RULE)
        if token is not None:
            token = check_text(token, "a token")
        max_payload = check_whole(max_payload, "the largest payload")
        hello = Hello(name, client_id, token=token)
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
                drained=self._talk.drained,
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
        the last attempt's cause, or `Refused`; nothing is tried any more then.  Raises
        `ValueError` or `TypeError` for what is no number of attempts, from 1 on.  Called once
        only.
        """
        await self._line.connect(attempts)

    @property
    def name(self) -> str | None:
        """What the server calls this client; before the first connection, what it wants."""
        return self._talk.name

    @property
    def server(self) -> dict[str, Any]:
        """What the server told of itself in its last `WELCOME`: version, limits, features."""
        return self._talk.details

    async def ping(self) -> float:
        """Return how many seconds the server took to process all that was sent before."""
        self._pings += 1
        began: float = self._clock.seconds()
        await self._talk.ask(Ping(str(self._pings)))
        ended: float = self._clock.seconds()
        return ended - began

    # -- the end -------------------------------------------------------------

    async def _say_goodbye(self, timeout: float) -> None:
        """Wait until all that was sent is stored, and say `BYE`."""
        talk, line = self._talk, self._line
        talk.closing = True
        talk.readings.end_rooms(None)
        try:
            if line.started and not talk.outbox.empty:
                await talk.settled.wait().addTimeout(timeout, self._clock)
        except defer.TimeoutError:
            raise TimedOut(
                f"{len(talk.outbox)} messages were not acknowledged within {timeout:g} s: they "
                "may or may not be stored; sending them again with the same client id and ids "
                "is safe"
            ) from None
        line.closing = True
        if talk.connection is not None:
            try:
                await talk.connection.disconnect(timeout)
            except ClientError:
                pass  # all is stored already, so it does not matter how it ended

    async def __aenter__(self) -> Self:
        """Connect, at the first attempt, unless it was done."""
        if not self._line.started:
            await self.connect()
        return self

    @property
    def _current(self) -> TypedConnection | None:
        return self._talk.connection

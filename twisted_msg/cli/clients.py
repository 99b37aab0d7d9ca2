"""Clients made of the common options, which tell when a connection goes and comes back.

Law of this file: what is no error is said through the argument `say`, for each verb has its
own way to reach its user; what the options get wrong is a `UsageError`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred

from twisted_msg.cli.binary import binary
from twisted_msg.cli.exits import UsageError
from twisted_msg.cli.options import Common
from twisted_msg.cli.running import tell
from twisted_msg.cli.wrapping import columns
from twisted_msg.client.client import Client
from twisted_msg.client.errors import ClientError, Refused, TimedOut
from twisted_msg.client.reconnecting import PlainClient


class Tidings:
    """What a user is told of one client's connections: losses, and what follows on them."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Take whom to tell."""
        self._say = say
        self._lost = False

    def connected(self) -> None:
        """There is a connection."""
        if self._lost:
            self._lost = False
            self._say("connected again")

    def lost(self, error: ClientError) -> None:
        """It is gone, and another is tried."""
        self._lost = True
        if isinstance(error, Refused) and error.missed:
            reason = f"read too slowly and missed {error.reason} messages"
        else:
            reason = str(error)
        self._say(f"connection lost, trying again ({reason})")


def to_stderr(common: Common) -> Callable[[str], None]:
    """Return how a verb says what is no error: on stderr, unless it is to be quiet."""
    return (lambda _: None) if common.quiet else tell


def typed_client(
    reactor: Any,
    common: Common,
    say: Callable[[str], None],
    client_id: str | None = None,
    named: Callable[[str | None], None] = lambda _: None,
) -> Client:
    """Return a client of typed frames, not connected yet, that tells what its name becomes.

    `named` is called with the name at each connection.  Raises `UsageError`.
    """
    tidings = Tidings(say)
    called = common.name

    def connected() -> None:
        nonlocal called
        tidings.connected()
        if called is not None and client.name != called:
            taken = f"the name {common.name} is taken: "
            say(f"{'' if common.name in (None, client.name) else taken}here you are {client.name}")
        called = client.name
        named(called)

    try:
        client = Client(
            reactor,
            common.server,
            common.name,
            client_id=client_id,
            token=common.token,
            on_connected=connected,
            on_lost=tidings.lost,
        )
    except ValueError as error:
        raise _no_server(common, error) from None
    return client


def tell_wrapped(notice: str) -> None:
    """Write a notice to stderr, with lines that fit a terminal."""
    tell(notice, columns(sys.stderr))


def show_directs(client: Client, say: Callable[[str], None] = tell_wrapped) -> None:
    """Say each direct message that comes to a client: it is kept nowhere, and would be lost.

    To be called before it connects.  A quiet command says them too: its sender takes them for
    received.  What is no text is described.
    """

    async def show() -> None:
        async for message in client.directs():
            say(f"direct message from {message.sender}: {binary(message.payload) or message.text}")

    Deferred.fromCoroutine(show()).addErrback(lambda _: None)  # whoever works with it is told


def plain_client(reactor: Any, common: Common, say: Callable[[str], None]) -> PlainClient:
    """Return a client of plain frames, not connected yet.  Raises `UsageError`."""
    tidings = Tidings(say)
    try:
        return PlainClient(
            reactor,
            common.server,
            on_connected=tidings.connected,
            on_lost=tidings.lost,
            **common.connection(),
        )
    except ValueError as error:
        raise _no_server(common, error) from None


async def connect(
    reactor: Any, common: Common, client: Client, timeout: float | None = None
) -> None:
    """Connect a client, at the first attempt and within `timeout` seconds.

    Raises `TimedOut`, and whatever else `Client.connect` raises.
    """
    connected = Deferred.fromCoroutine(client.connect())
    if timeout is not None:
        connected.addTimeout(timeout, reactor)
    try:
        await connected
    except defer.TimeoutError:
        raise TimedOut(
            f"no connection to {common.server} within {timeout:g} s; if something listens "
            "there, it may speak plain frames only: try --plain"
        ) from None


def _no_server(common: Common, error: ValueError) -> UsageError:
    """Return the error for an address that cannot be."""
    return UsageError(f"--server {common.server}: {error}")

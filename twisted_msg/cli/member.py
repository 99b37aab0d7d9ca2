"""Clients for the verbs that stay: they tell when a connection goes and comes back.

Law of this file: what it says is said through the argument `say`, for each verb has its
own way to reach its user.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted_msg.cli.exits import UsageError
from twisted_msg.cli.options import Common
from twisted_msg.client.client import Client
from twisted_msg.client.errors import ClientError, Refused
from twisted_msg.client.reconnecting import PlainClient


class Tidings:
    """What a user is told of one client's connections; the first one is no news."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Take whom to tell."""
        self._say = say
        self._connections = 0

    def connected(self) -> None:
        """There is a connection."""
        self._connections += 1
        if self._connections > 1:
            self._say("connected again")

    def lost(self, error: ClientError) -> None:
        """It is gone, and another is tried."""
        if isinstance(error, Refused) and error.missed:
            reason = f"read too slowly and missed {error.reason} messages"
        else:
            reason = str(error)
        self._say(f"connection lost, trying again ({reason})")


def typed_member(reactor: Any, common: Common, say: Callable[[str], None]) -> Client:
    """Return a client of typed frames, not connected yet, that tells what its name becomes.

    Raises `UsageError`.
    """
    tidings = Tidings(say)
    called = common.name

    def connected() -> None:
        nonlocal called
        tidings.connected()
        if called is not None and client.name != called:
            say(f"the name {called} is taken: here you are {client.name}")
        called = client.name

    try:
        client = Client(
            reactor,
            common.server,
            common.name,
            token=common.token,
            on_connected=connected,
            on_lost=tidings.lost,
        )
    except ValueError as error:
        raise UsageError(f"--server {common.server}: {error}") from None
    return client


class Member:
    """A `PlainClient` made of the common options, and what its user is told about it."""

    def __init__(self, reactor: Any, common: Common, say: Callable[[str], None]) -> None:
        """Take the reactor, the options, and whom to tell.  Raises `UsageError`."""
        tidings = Tidings(say)
        self.server = common.server
        try:
            self.client = PlainClient(
                reactor,
                common.server,
                on_connected=tidings.connected,
                on_lost=tidings.lost,
                **common.connection(),
            )
        except ValueError as error:
            raise UsageError(f"--server {common.server}: {error}") from None

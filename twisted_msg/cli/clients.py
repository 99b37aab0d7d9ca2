"""Clients of typed frames for the verbs that do one thing, made of the common options.

Law of this file: what is no error is said through an argument, and not at all if that is
wanted; what the options get wrong is a `UsageError`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred

from twisted_msg.cli.exits import UsageError
from twisted_msg.cli.member import Tidings
from twisted_msg.cli.options import Common
from twisted_msg.cli.running import tell
from twisted_msg.client.client import Client
from twisted_msg.client.errors import TimedOut


def to_stderr(common: Common) -> Callable[[str], None]:
    """Return how a verb says what is no error: on stderr, unless it is to be quiet."""
    return (lambda _: None) if common.quiet else tell


def typed_client(
    reactor: Any, common: Common, say: Callable[[str], None], client_id: str | None = None
) -> Client:
    """Return a client that is not connected yet.

    It says when its connection goes and comes back, and when its name was taken.  Raises
    `UsageError`.
    """
    tidings = Tidings(say)
    called = common.name

    def connected() -> None:
        nonlocal called
        tidings.connected()
        if called not in (None, client.name):
            say(f"the name {called} is taken: here you are {client.name}")
            called = client.name

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
        raise UsageError(f"--server {common.server}: {error}") from None
    return client


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

"""The short way in: one call that makes a client and connects it.

Law of this file: it decides nothing; what a client takes is said by `Client`, once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict, Unpack

from twisted.internet.interfaces import IStreamClientEndpoint

from twisted_msg.client.client import Client
from twisted_msg.client.errors import ClientError


class Options(TypedDict, total=False):
    """What `connect` hands on to `Client`, which says what each is."""

    client_id: str | None
    token: str | None
    max_payload: int
    on_connected: Callable[[], None] | None
    on_lost: Callable[[ClientError], None] | None
    jitter: Callable[[], float]
    entropy: Callable[[int], str]


async def connect(
    reactor: Any,
    server: str | IStreamClientEndpoint,
    name: str | None = None,
    *,
    attempts: int | None = 1,
    **options: Unpack[Options],
) -> Client:
    """Connect to a server and return the `Client`, once the server has made it welcome.

    ::

        from twisted.internet.task import react
        from twisted_msg import connect

        async def main(reactor):
            client = await connect(reactor, "tcp:127.0.0.1:5050", name="alice")
            await client.send("lobby", "hello")            # resolves when it is stored
            async for message in client.messages("lobby", last=10):
                print(message.seq, message.sender, message.text)

        react(main)

    `server` is an address as people type it (`HOST:PORT`, an endpoint string,
    `tcpmsg://...`) or a Twisted endpoint; `options` are those of `Client`.  It is tried
    `attempts` times, for ever if that is None.  Raises `CannotConnect` with the cause of the
    last attempt, or `Refused` if the server does not want this client, and `ValueError` for
    what cannot be an address, a name or a client id; `TypeError` for what is of a wrong type.
    """
    client = Client(reactor, server, name, **options)
    await client.connect(attempts)
    return client

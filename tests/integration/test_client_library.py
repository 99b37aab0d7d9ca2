"""The client library on the real reactor, against a real server."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString
from twisted.internet.threads import deferToThread

from tests.integration.conftest import ServerProcess
from twisted_msg import PlainClient, PlainConnection, PlainFactory
from twisted_msg.client import CannotConnect, Disconnected, Refused


async def meet(one: PlainClient, other: PlainClient) -> None:
    """Return when each has heard the other."""
    for here, there in ((one, other), (other, one)):
        heard = Deferred.fromCoroutine(there.receive())
        while not heard.called:
            await here.send("meet")
            pause: Deferred[None] = Deferred()
            reactor.callLater(0.01, pause.callback, None)
            await pause
        await here.send("met")
        while await there.receive() != b"met":
            pass


async def receive(client: PlainClient, count: int) -> list[bytes]:
    return [await client.receive() for _ in range(count)]


@ensureDeferred
async def test_two_clients_talk(server: ServerProcess) -> None:
    here, there = (PlainClient(reactor, server.address) for _ in range(2))
    async with here as alice, there as bob:
        await meet(alice, bob)
        payloads = [bytes([n % 256]) * (n * 700 + 1) for n in range(200)]
        reading = Deferred.fromCoroutine(receive(bob, len(payloads)))
        for payload in payloads:
            await alice.send(payload)
        assert await reading == payloads


@ensureDeferred
async def test_a_client_comes_back_by_itself(server: ServerProcess) -> None:
    lost: Deferred[Exception] = Deferred()
    alice = PlainClient(reactor, server.address, on_lost=lost.callback, jitter=lambda: 0.0)
    bob = PlainClient(reactor, server.address, jitter=lambda: 0.0)
    await alice.connect()
    await bob.connect()
    await meet(alice, bob)
    await deferToThread(server.stop)
    assert isinstance(await lost, Disconnected)
    later = alice.send("typed while the server was away")
    await deferToThread(server.start)
    await later
    await meet(alice, bob)
    await alice.close()
    await bob.close()


@ensureDeferred
async def test_a_refusal_is_told(start: Callable[..., ServerProcess]) -> None:
    server = start("--max-payload", "20")
    told: Deferred[Exception] = Deferred()
    client = PlainClient(reactor, server.address, on_lost=told.callback, jitter=lambda: 0.0)
    await client.connect()
    await client.send("x" * 21)
    refused = await told
    assert isinstance(refused, Refused)
    assert refused.code == "too-large"
    await client.send("x" * 20)  # one message too large does not end the client
    await client.close()


@ensureDeferred
async def test_no_server(server: ServerProcess) -> None:
    server.stop()
    with pytest.raises(CannotConnect, match="connection refused; is the server running"):
        await PlainClient(reactor, server.address).connect()


@ensureDeferred
async def test_one_connection_through_an_endpoint(server: ServerProcess) -> None:
    endpoint = clientFromString(reactor, f"tcp:127.0.0.1:{server.port}")
    connection = await endpoint.connect(PlainFactory(reactor))
    assert isinstance(connection, PlainConnection)
    await connection.send("hello")
    await connection.disconnect()

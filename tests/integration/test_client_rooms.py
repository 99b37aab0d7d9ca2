"""The typed client on the real reactor, against a real server that is killed and restarted."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from tests.integration.conftest import PATIENCE, ROOT, ServerProcess, environment
from tests.processes import ended_after
from twisted_msg import (
    CannotConnect,
    Client,
    Messages,
    Refused,
    Superseded,
    connect,
)
from twisted_msg.client.service import FIRST_RETRY

FLOOD = 20_000


def begin(coroutine: Any) -> Deferred[Any]:
    return Deferred.fromCoroutine(coroutine)


def quick(server: ServerProcess, name: str, **options: Any) -> Client:
    """A client that comes back without waiting long."""
    return Client(reactor, server.address, name, jitter=lambda: 0.0, **options)


def most_memory() -> int:
    """Return the most that this process had in memory since `clear_refs` was told, in KiB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1])


async def texts(messages: Messages, count: int) -> list[str]:
    return [(await messages.__anext__()).text for _ in range(count)]


@ensureDeferred
async def test_the_example_of_the_docstring(server: ServerProcess) -> None:
    client = await connect(reactor, f"tcp:127.0.0.1:{server.port}", name="alice")
    receipt = await client.send("lobby", "hello")
    messages = client.messages("lobby", last=10)
    message = await messages.__anext__()
    assert (message.seq, message.sender, message.text) == (receipt.seq, "alice", "hello")
    assert await client.who("lobby") == ["alice"]
    assert await client.rooms()
    assert 0 <= await client.ping() < 30
    await client.close()


@pytest.mark.parametrize("how", ["kill", "stop"])
@ensureDeferred
async def test_each_message_is_seen_once_though_the_server_is_ended(
    server: ServerProcess, how: str
) -> None:
    lost: list[Exception] = []
    async with quick(server, "alice") as alice, quick(server, "bob", on_lost=lost.append) as bob:
        messages = bob.messages("lobby", start=0)
        await bob.ping()
        expected = [str(n) for n in range(3000)]
        reading = begin(texts(messages, len(expected)))
        sent = []
        for text in expected:
            sent.append(alice.send("lobby", text))
            if text in ("1000", "2000"):
                await sent[900]
                await deferToThread(getattr(server, how))
                await deferToThread(server.start)
        await gatherResults(sent)
        assert await reading == expected
        assert lost
        assert messages.missed == 0


@ensureDeferred
async def test_an_echo_bot_under_flood(server: ServerProcess) -> None:
    """One room is read and another written on one connection, and nothing grows or stops."""
    payload = b"x" * 1000
    async with (
        quick(server, "flood") as flood,
        quick(server, "bot") as bot,
        quick(server, "ear") as ear,
    ):
        heard = bot.messages("from", start=0)
        echoed = ear.messages("to", start=0)
        Path("/proc/self/clear_refs").write_text("5")  # the most so far is what there is now
        before = most_memory()

        async def echo() -> None:
            for n in range(FLOOD):
                if not heard.waiting and n < FLOOD // 2:  # it reads on when it is behind
                    before_that = heard.overflows
                    while heard.overflows == before_that:
                        await deferLater(reactor, 0.01)
                message = await heard.__anext__()
                bot.send("to", message.payload)
                await bot.room()
                assert heard.waiting < 2000

        async def listen() -> int:
            last = -1
            for _ in range(FLOOD):
                message = await echoed.__anext__()
                number = int(message.payload[len(payload) :])
                assert number == last + 1
                last = number
            return last

        bots, ears = begin(echo()), begin(listen())
        for n in range(0, FLOOD, 500):
            batch = [payload + b"%d" % k for k in range(n, n + 500)]
            sent = flood.send_all("from", batch)
            await flood.room()
        await sent
        await bots
        assert await ears == FLOOD - 1
        grown = most_memory() - before
        assert grown < 96 * 1024, f"{grown} KiB"


@ensureDeferred
async def test_close_flushes(server: ServerProcess) -> None:
    alice = await connect(reactor, server.address, "alice")
    sent = [alice.send("lobby", str(n)) for n in range(5000)]
    await alice.close()
    assert all(each.called for each in sent)
    assert (await sent[-1]).id == 5000
    async with quick(server, "bob") as bob:
        messages = bob.messages("lobby", start=0, until_end=True)
        assert [m.text async for m in messages] == [str(n) for n in range(5000)]


@ensureDeferred
async def test_a_newer_client_takes_over(server: ServerProcess) -> None:
    secret = "s" * 32
    lost: list[Exception] = []
    older = quick(server, "alice", client_id=secret, on_lost=lost.append)
    await older.connect()
    messages = older.messages("lobby")
    reading = begin(messages.__anext__())
    newer = await connect(reactor, server.address, "alice", client_id=secret)
    with pytest.raises(Superseded):
        await reading
    with pytest.raises(Superseded):
        await older.send("lobby", "too late")
    await deferLater(reactor, 2 * FIRST_RETRY)  # it would be back by then
    assert older.closed
    assert not lost
    assert newer.name == "alice"
    await newer.send("lobby", "here")
    await newer.close()
    await older.close()


@ensureDeferred
async def test_a_refused_message_is_the_only_one_that_fails(
    start: Callable[..., ServerProcess],
) -> None:
    server = start("--max-payload", "200")
    alice = quick(server, "alice")
    await alice.connect()
    with pytest.raises(Refused, match="too-large"):
        await alice.send("lobby", "x" * 201)
    alice.server["max_payload"] = 1000  # as if the limit had been lowered since
    sent = [alice.send("lobby", text) for text in ("one", "x" * 201, "three")]
    assert (await sent[0]).id == 1
    with pytest.raises(Refused, match="too-large"):
        await sent[1]
    assert (await sent[2]).id == 3
    async with quick(server, "bob") as bob:
        assert [m.text async for m in bob.messages("lobby", start=0, until_end=True)] == [
            "one", "three",
        ]  # fmt: skip
    await alice.close()


@ensureDeferred
async def test_direct_messages(server: ServerProcess) -> None:
    async with quick(server, "alice") as alice, quick(server, "bob") as bob:
        directs = bob.directs()
        await alice.send("@bob", "psst")
        message = await directs.__anext__()
        assert (message.sender, message.text) == ("alice", "psst")
        with pytest.raises(Refused, match="absent"):
            await alice.send("@carol", "anybody?")
        await alice.send("lobby", "still here")


@ensureDeferred
async def test_the_echo_bot_of_the_examples(server: ServerProcess) -> None:
    bot = subprocess.Popen(
        [sys.executable, str(ROOT / "examples" / "echo_bot.py"), server.address, "lobby", "echo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(PYTHONPATH=str(ROOT)),
        text=True,
    )
    with ended_after(bot):
        async with quick(server, "alice") as alice:
            echoed = alice.messages("echo", start=0)
            while "echo-bot" not in await alice.who("lobby"):
                await deferLater(reactor, 0.05)
            await alice.send_all("lobby", ["one", "two"])
            assert await texts(echoed, 2) == ["alice: one", "alice: two"]
            await deferToThread(server.kill)
            await deferToThread(server.start)
            await alice.send("lobby", "three")
            assert await texts(echoed, 1) == ["alice: three"]
        bot.send_signal(signal.SIGINT)
        output, errors = bot.communicate(timeout=PATIENCE)
    assert output == "echo-bot repeats in echo what is said in lobby\n"
    assert errors == ""
    assert bot.returncode == 0


ANYWHERE = """
import asyncio, sys
from twisted.internet import {kind}reactor
{kind}reactor.install(*{arguments})
from twisted.internet.task import react
from twisted_msg import connect

async def main(reactor):
    client = await connect(reactor, sys.argv[1])
    messages = client.messages("lobby")
    await client.send("lobby", type(reactor).__name__)
    print((await messages.__anext__()).text)
    await client.close()

react(main)
"""


@pytest.mark.parametrize(
    ("kind", "arguments", "name"),
    [
        ("asyncio", "[asyncio.new_event_loop()]", "AsyncioSelectorReactor"),
        ("select", "[]", "SelectReactor"),
        ("poll", "[]", "PollReactor"),
    ],
)
def test_any_reactor(server: ServerProcess, kind: str, arguments: str, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ANYWHERE.format(kind=kind, arguments=arguments), server.address],
        env=environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.stdout, done.returncode) == (f"{name}\n", 0), done.stderr


@ensureDeferred
async def test_no_server(server: ServerProcess) -> None:
    server.stop()
    with pytest.raises(CannotConnect, match="connection refused; is the server running"):
        await connect(reactor, server.address)

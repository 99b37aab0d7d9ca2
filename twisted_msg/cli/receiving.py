"""What `tcpmsg recv` does once its options are known.

Law of this file: it ends when it has what was asked for, when its time is over, or when
nobody reads its output; the server's end is only a pause.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final, NamedTuple

from twisted.internet import defer
from twisted.internet.defer import Deferred

from twisted_msg.cli.clients import (
    connect,
    plain_client,
    show_directs,
    to_stderr,
    typed_client,
)
from twisted_msg.cli.exits import Exit, UsageError
from twisted_msg.cli.options import LOBBY, Common
from twisted_msg.cli.running import tell, whichever
from twisted_msg.cli.shapes import Received, Shape
from twisted_msg.cli.streams import Output
from twisted_msg.client.client import Client
from twisted_msg.client.errors import ClientError, TimedOut
from twisted_msg.client.reconnecting import PlainClient
from twisted_msg.wire.names import DIRECT

LEAVE_SECONDS: Final = 2.0
"""How long the goodbye may take: a reader that has what it wants does not wait for more."""


class Order(NamedTuple):
    """What the verb was asked for.

    At most one of `start` (a sequence number; 0 is everything kept), `last` (so many) and
    `since` (Unix milliseconds) says from where.  `until_end` ends behind what was said so far;
    `number` is how many messages to wait for, `timeout` for how many seconds in all.  The
    plain protocol knows the last two only, and so do direct messages, with `@name` as the room.
    """

    room: str = LOBBY
    start: int | None = None
    last: int | None = None
    since: int | None = None
    until_end: bool = False
    strict: bool = False
    number: int | None = None
    timeout: float | None = None


async def receive(reactor: Any, common: Common, shape: Shape, order: Order) -> int:
    """Write messages to stdout until there are enough, or the time is over.

    Raises `TimedOut` if nothing came in that time, or less than was asked for, and `Gap`
    where history is missing and that was not to be.
    """
    client: Client | PlainClient
    if common.plain:
        client = plain_client(reactor, common, to_stderr(common))
        lines = _plain_lines(client, common, shape)
    else:
        client = typed_client(reactor, common, to_stderr(common))
        lines = _typed_lines(reactor, client, common, shape, order)
    receiving = Receiving(Output(reactor), lines, order)
    work = Deferred.fromCoroutine(receiving.work())
    if order.timeout is not None:
        work.addTimeout(order.timeout, reactor)
    late = ""
    try:
        await work
    except defer.TimeoutError:
        late = receiving.late()
        await receiving.flush()
    finally:
        await _leave(client)
    if late:
        raise TimedOut(f"{late} within {order.timeout:g} s")
    return Exit.DONE


async def _plain_lines(client: PlainClient, common: Common, shape: Shape) -> AsyncIterator[bytes]:
    """Connect, and yield what plain members are sent, for as long as the client lives."""
    await client.connect()
    if common.verbose:
        tell(f"listening to {LOBBY} at {common.server}")
    while True:
        yield shape(Received(await client.receive()))


async def _typed_lines(
    reactor: Any, client: Client, common: Common, shape: Shape, order: Order
) -> AsyncIterator[bytes]:
    """Connect, and yield a room's messages, each once, over however many connections."""
    room = order.room
    direct = room.startswith(DIRECT)
    if not direct:
        show_directs(client, to_stderr(common))
    try:
        messages = (
            client.directs()
            if direct
            else client.messages(
                room,
                start=order.start,
                last=order.last,
                since=order.since,
                until_end=order.until_end,
                strict=order.strict,
                on_missed=None if order.strict else lambda gap: tell(f"history has a gap: {gap}"),
            )
        )
    except ValueError as error:
        raise UsageError(str(error)) from None
    async with messages:
        await connect(reactor, common, client)
        if direct and client.name != common.name:
            raise ClientError(
                f"the name {common.name} is taken: direct messages to it go to another connection, "
                "which has to end first"
            )
        if common.verbose:
            await client.ping()  # its answer comes behind the one that the room gives
            tell(f"listening to {room} at {common.server}")
        async for message in messages:
            yield shape(Received(message.payload, room, message.seq, message.sender, message.time))


async def _leave(client: Client | PlainClient) -> None:
    """Say goodbye; what was asked for is there, so how it ends is no matter."""
    try:
        await client.close(LEAVE_SECONDS)
    except ClientError:
        pass


class Receiving:
    """One run of the verb."""

    def __init__(self, output: Output, lines: AsyncIterator[bytes], order: Order) -> None:
        """Take where to write, what, and how much of it is wanted."""
        self._output = output
        self._lines = lines
        self._order = order
        self._came = 0

    async def work(self) -> None:
        """Receive until there is enough, or nobody reads the output."""
        try:
            await whichever(self._receive(), self._reader_gone())
        except ClientError:
            await self.flush()  # what came before it
            raise
        await self.flush()

    async def flush(self) -> None:
        """Wait until what was received is written."""
        await self._output.finish()

    def late(self) -> str:
        """Return what did not come, or nothing if there was no end to reach."""
        if not self._came:
            return "nothing came"
        if self._order.number:
            return f"only {self._came} of {self._order.number} messages came"
        return "the end of the history was not reached" if self._order.until_end else ""

    async def _receive(self) -> None:
        async with aclosing(self._lines) as lines:  # type: ignore[type-var]
            async for line in lines:
                self._came += 1
                await self._output.put(line)
                if self._came == self._order.number:
                    return

    async def _reader_gone(self) -> None:
        await self._output.closed.wait()

"""What `tcpmsg recv` does once its options are known.

Law of this file: it ends when it has what was asked for, when its time is over, or when
nobody reads its output; the server's end is only a pause.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any, Final, NamedTuple

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from twisted_msg.cli.clients import (
    connect,
    plain_client,
    show_directs,
    to_stderr,
    typed_client,
)
from twisted_msg.cli.exits import Exit, UsageError
from twisted_msg.cli.options import LOBBY, Common
from twisted_msg.cli.running import tell, together, whichever
from twisted_msg.cli.shapes import Received, Shape
from twisted_msg.cli.streams import Output
from twisted_msg.client.client import Client
from twisted_msg.client.errors import CannotConnect, ClientError, TimedOut
from twisted_msg.client.messages import Messages
from twisted_msg.client.reconnecting import PlainClient
from twisted_msg.client.waiting import Gate
from twisted_msg.wire.names import DIRECT

LEAVE_SECONDS: Final = 2.0
"""How long the goodbye may take: a reader that has what it wants does not wait for more."""


RETRY_SECONDS: Final = 0.5
"""How long to wait between two attempts to reach a server that is not there yet."""


class Order(NamedTuple):
    """What the verb was asked for.

    At most one of `start` (a sequence number; 0 is everything kept), `last` (so many) and
    `since` (Unix milliseconds) says from where in each room.  `until_end` ends after what was said
    so far; `number` is how many messages to wait for, `timeout` for how many seconds in all.  The
    plain protocol knows the last two only, and so do direct messages, with `@name` as the room.
    """

    rooms: tuple[str, ...] = (LOBBY,)
    start: int | None = None
    last: int | None = None
    since: int | None = None
    until_end: bool = False
    strict: bool = False
    number: int | None = None
    timeout: float | None = None


async def receive(reactor: Any, common: Common, shape: Shape, order: Order) -> int:
    """Write messages to stdout until there are enough, or the time is over.

    With a timeout, a server that cannot be reached is tried again.  Raises `TimedOut` if nothing
    came in that time, or less than was asked for; `CannotConnect` if no server was reached; and
    `Gap` where history is missing and that was not to be.
    """
    receiving = Receiving(reactor, common, shape, order)
    work = Deferred.fromCoroutine(receiving.work())
    if order.timeout is not None:
        work.addTimeout(order.timeout, reactor)
    try:
        await work
    except defer.TimeoutError:
        await receiving.flush()
        late = receiving.late()
        if late is not None:
            raise late from None
    finally:
        await receiving.leave()
    return Exit.DONE


class _Enough(Exception):
    """As many messages came as were asked for."""


class Receiving:
    """One run of the verb."""

    def __init__(self, reactor: Any, common: Common, shape: Shape, order: Order) -> None:
        """Take the reactor, the server, how messages are written, and what is wanted."""
        self._reactor = reactor
        self._common = common
        self._shape = shape
        self._order = order
        self._output = Output(reactor)
        self._came = 0
        self._client: Client | PlainClient | None = None
        self._reached = False
        self._unreached: CannotConnect | None = None
        self._taken = Gate()

    async def work(self) -> None:
        """Receive until there is enough, or nobody reads the output."""
        try:
            await whichever(self._receive(), self._reader_gone())
        except _Enough:
            pass
        except ClientError:
            await self.flush()  # what came before it
            raise
        await self.flush()

    async def flush(self) -> None:
        """Wait until what was received is written."""
        await self._output.finish()

    async def leave(self) -> None:
        """Say goodbye; what was asked for is there, so how it ends is no matter."""
        if self._client is not None:
            try:
                await self._client.close(LEAVE_SECONDS)
            except ClientError:
                pass

    def late(self) -> ClientError | None:
        """Return why the time that is over did not suffice, None if it did."""
        within = f"within {self._order.timeout:g} s"
        if not self._reached:
            server = self._common.server
            return self._unreached or CannotConnect(
                f"cannot connect to {server}: no answer {within}; check the address"
            )
        if not self._came:
            return TimedOut(f"nothing came {within}")
        if self._order.number:
            return TimedOut(f"only {self._came} of {self._order.number} messages came {within}")
        if self._order.until_end:
            return TimedOut(f"the end of the history was not reached {within}")
        return None

    async def _receive(self) -> None:
        """Connect and receive; with a timeout, try again while there is no server."""
        once = self._plain if self._common.plain else self._typed
        while True:
            try:
                await once()
            except CannotConnect as error:
                if self._order.timeout is None:
                    raise
                if self._unreached is None:
                    to_stderr(self._common)(f"{error}; trying again")
                self._unreached = error
                await deferLater(self._reactor, RETRY_SECONDS)
            else:
                return

    async def _plain(self) -> None:
        """Connect, and write what plain members are sent, for as long as the client lives."""
        client = self._client = plain_client(self._reactor, self._common, to_stderr(self._common))
        await client.connect()
        self._reached = True
        if self._common.verbose:
            tell(f"listening to {LOBBY} at {self._common.server}")
        while True:
            await self._put(Received(await client.receive()))

    async def _typed(self) -> None:
        """Connect, and write the rooms' messages, each once, over however many connections."""
        say = to_stderr(self._common)
        client = self._client = typed_client(self._reactor, self._common, say, named=self._named)
        direct = self._order.rooms[0].startswith(DIRECT)
        if not direct:
            show_directs(client)
        async with AsyncExitStack() as stack:
            rooms = [
                await stack.enter_async_context(self._messages(client, room))
                for room in self._order.rooms
            ]
            await connect(self._reactor, self._common, client)
            self._reached = True
            if direct and client.name != self._common.name:
                await self._name_taken()
            if self._common.verbose:
                await client.ping()  # its answer comes behind those that the rooms give
                tell(f"listening to {', '.join(self._order.rooms)} at {self._common.server}")
            reading = together(
                *(self._read(*each) for each in zip(self._order.rooms, rooms, strict=True))
            )
            await (whichever(reading, self._name_taken()) if direct else reading)

    def _named(self, name: str | None) -> None:
        """Take the name that a connection has got: direct messages come under the wanted one."""
        if name != self._common.name:
            wanted = self._common.name
            self._taken.fail(
                ClientError(
                    f"the name {wanted} is taken: direct messages to it go to another "
                    "connection, which has to end first"
                )
            )

    async def _name_taken(self) -> None:
        """Raise `ClientError` when another connection has the name, also after a reconnect."""
        await self._taken.wait()

    def _messages(self, client: Client, room: str) -> Messages:
        """Return a room's messages.  Raises `UsageError` for what cannot be a room."""
        if room.startswith(DIRECT):
            return client.directs()
        order = self._order
        try:
            return client.messages(
                room,
                start=order.start,
                last=order.last,
                since=order.since,
                until_end=order.until_end,
                strict=order.strict,
                on_missed=None if order.strict else lambda gap: tell(f"history has a gap: {gap}"),
            )
        except ValueError as error:
            raise UsageError(str(error)) from None

    async def _read(self, room: str, messages: Messages) -> None:
        """Write a room's messages."""
        async for each in messages:
            await self._put(Received(each.payload, room, each.seq, each.sender, each.time))

    async def _put(self, message: Received) -> None:
        """Write a message.  Raises `_Enough` after the last one that is wanted."""
        self._came += 1
        writing = self._output.put(self._shape(message))
        if self._came == self._order.number:
            raise _Enough
        await writing

    async def _reader_gone(self) -> None:
        await self._output.closed.wait()

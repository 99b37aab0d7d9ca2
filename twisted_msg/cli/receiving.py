"""What `tcpmsg recv` does once its options are known.

Law of this file: it ends when it has what was asked for, when its time is over, or when
nobody reads its output; the server's end is only a pause.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet import defer
from twisted.internet.defer import Deferred

from twisted_msg.cli.exits import Exit
from twisted_msg.cli.member import Member
from twisted_msg.cli.options import LOBBY, Common
from twisted_msg.cli.running import tell, whichever
from twisted_msg.cli.shapes import Shape
from twisted_msg.cli.streams import Output
from twisted_msg.client.errors import ClientError, TimedOut

LEAVE_SECONDS: Final = 2.0
"""How long the goodbye may take: a reader that has what it wants does not wait for more."""


async def receive(
    reactor: Any, common: Common, shape: Shape, number: int | None, timeout: float | None
) -> int:
    """Write messages to stdout until there are `number`, or `timeout` seconds are over.

    Raises `TimedOut` if nothing came in that time, or fewer than `number`.
    """
    receiving = Receiving(reactor, common, shape, number)
    work = Deferred.fromCoroutine(receiving.work())
    if timeout is not None:
        work.addTimeout(timeout, reactor)
    try:
        await work
    except defer.TimeoutError:
        late = receiving.late()
        await receiving.flush()
    else:
        late = ""
    finally:
        await receiving.leave()
    if late:
        raise TimedOut(f"{late} within {timeout:g} s")
    return Exit.DONE


class Receiving:
    """One run of the verb."""

    def __init__(self, reactor: Any, common: Common, shape: Shape, number: int | None) -> None:
        """Take the options, how to write a message, and how many to wait for."""
        self._member = Member(reactor, common, (lambda _: None) if common.quiet else tell)
        self._output = Output(reactor)
        self._common = common
        self._shape = shape
        self._number = number
        self._came = 0

    async def work(self) -> None:
        """Receive until there are enough, or nobody reads the output."""
        await whichever(self._receive(), self._reader_gone())
        await self.flush()

    async def flush(self) -> None:
        """Wait until what was received is written."""
        await self._output.finish()

    def late(self) -> str:
        """Return what did not come, or nothing if there was no number to reach."""
        if not self._came:
            return "nothing came"
        return f"only {self._came} of {self._number} messages came" if self._number else ""

    async def leave(self) -> None:
        """Say goodbye; what was asked for is there, so how it ends is no matter."""
        try:
            await self._member.client.close(LEAVE_SECONDS)
        except ClientError:
            pass

    async def _receive(self) -> None:
        client = self._member.client
        await client.connect()
        if self._common.verbose:
            tell(f"listening to {LOBBY} at {self._common.server}")
        while self._number is None or self._came < self._number:
            message = await client.receive()
            self._came += 1
            await self._output.put(self._shape(message))

    async def _reader_gone(self) -> None:
        await self._output.closed.wait()

"""Everybody who takes part in a load: those who publish and those who listen.

Law of this file: either everybody is there, and each member in the same place of the room, or
there is no load; whoever came says goodbye.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from twisted.internet import defer
from twisted.internet.defer import Deferred, FirstError, gatherResults
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import deferLater

from twisted_msg.cli.bench.follower import Follower
from twisted_msg.cli.bench.plan import Plan
from twisted_msg.cli.bench.tape import Tape
from twisted_msg.cli.bench.wires import Member, Publisher, Wires
from twisted_msg.cli.exits import InUse
from twisted_msg.cli.options import Common
from twisted_msg.cli.running import whichever
from twisted_msg.client.errors import ClientError, Refused, TimedOut, cannot_connect
from twisted_msg.client.service import endpoint
from twisted_msg.client.waiting import Gate
from twisted_msg.wire import ErrorCode
from twisted_msg.wire.replies import Live
from twisted_msg.wire.requests import Hello

AT_ONCE: Final = 64
"""Connections that are made at the same time: few enough for any server's queue of new ones."""

LEAVE_SECONDS: Final = 2.0
"""How long the goodbyes may take: everything has arrived by then."""

T = TypeVar("T")


class Crowd:
    """The connections of a load."""

    def __init__(self, reactor: Any, common: Common, plan: Plan) -> None:
        """Take the reactor, where the server is, and how many are wanted."""
        self.publishers: list[Publisher] = []
        self.members: list[Member] = []
        self.followers: list[Follower] = []
        """What each member was sent."""
        self.tape = Tape(plan.room, plan.size, plan.publishers)
        self.server: dict[str, Any] = {}
        """What the server told of itself."""
        self._reactor = reactor
        self._common = common
        self._plan = plan
        self._broken = Gate()
        self._leaving = False

    async def come(self) -> None:
        """Make all connections, and have the members join.

        Raises `InUse` if others publish in the room, `BadAddress` for an address that cannot
        be connected to, and `ClientError`.
        """
        await whichever(self._come(), self.breaks())

    async def _come(self) -> None:
        plan = self._plan
        server = endpoint(self._reactor, self._common.server)
        await _all([partial(self._welcomed, server, Publisher, self.publishers)] * plan.publishers)
        await _all([partial(self._welcomed, server, Member, self.members)] * plan.members)
        limit = self.server.get("max_payload")
        if isinstance(limit, int) and plan.size > limit:
            raise Refused(
                ErrorCode.TOO_LARGE,
                f"messages of {plan.size} bytes are over this server's limit of {limit}",
            )
        lives = await _all([partial(self._joined, each) for each in self.members])
        await deferLater(self._reactor, 0)  # what came together with the last answer is read then
        disturbed = self.tape.end or any(each.disturbed for each in self.members)
        if disturbed or len({live.head for live in lives}) > 1:
            raise InUse(f"others publish in {plan.room} now: choose another room")

    async def breaks(self) -> None:
        """Raise what breaks a connection, or what the server refuses."""
        await self._broken.wait()

    async def leave(self) -> None:
        """Say goodbye on all connections."""
        self._leaving = True
        for each in self.publishers:
            each.stop()
        everybody: list[Publisher | Member] = [*self.publishers, *self.members]
        await _all([partial(_left, each) for each in everybody], len(everybody))

    def how_many(self) -> str:
        """Return how many have come, for a person who watches."""
        here = len(self.publishers) + len(self.members)
        return f"{here:,} of {self._plan.publishers + self._plan.members:,} connections"

    @property
    def sent(self) -> int:
        """How many messages were written."""
        return sum(each.sent for each in self.publishers)

    @property
    def acknowledged(self) -> int:
        """How many of them are acknowledged."""
        return sum(each.acknowledged for each in self.publishers)

    @property
    def heard(self) -> int:
        """How many bytes of the room all members were sent."""
        return self.tape.heard

    @property
    def last(self) -> float:
        """When something last came, on any connection."""
        listened = max((each.last for each in self.members), default=0.0)
        return max([listened, *(each.last for each in self.publishers)])

    @property
    def delivered(self) -> bool:
        """Whether all members have everything."""
        sent = self.sent
        return all(each.up_to_date and each.count.received >= sent for each in self.followers)

    @property
    def owed(self) -> bool:
        """Whether the server has something to do."""
        return not self.delivered or any(each.owed for each in self.publishers)

    @property
    def settled(self) -> bool:
        """Whether all is acknowledged, or processed, and delivered."""
        return all(each.settled for each in self.publishers) and self.delivered

    async def _welcomed(
        self, server: IStreamClientEndpoint, kind: type[Any], where: list[Any]
    ) -> None:
        """Make a connection, and wait until the server has made it welcome."""
        common = self._common
        hello = Hello(token=common.token)  # nameless: nothing here shows direct messages to a name
        wires = Wires(self._reactor, hello, kind, self._failed)
        try:
            connection: Any = await server.connect(wires)
        except Exception as error:
            raise cannot_connect(common.server, error) from None
        where.append(connection)
        self.server = (await self._answer(wires.welcome)).details

    async def _joined(self, member: Member) -> Live:
        """Have a member join the room, and follow it."""
        live = await self._answer(member.join(self._plan.room))
        follower = Follower(self.tape)
        self.followers.append(follower)
        member.follow(follower, self._reactor)
        return live

    async def _answer(self, answer: Deferred[T]) -> T:
        """Wait for an answer, no longer than the server may do nothing."""
        timeout = self._plan.timeout
        try:
            return await answer.addTimeout(timeout, self._reactor)
        except defer.TimeoutError:
            raise TimedOut(f"no answer from {self._common.server} within {timeout:g} s") from None

    def _failed(self, error: ClientError) -> None:
        """A connection is gone, or the server refused something."""
        if not self._leaving:
            self._broken.fail(error)


async def _all(
    works: Sequence[Callable[[], Coroutine[Any, Any, T]]], at_once: int = AT_ONCE
) -> list[T]:
    """Do things, so many at a time; the first error ends it."""
    results: list[T] = []
    for at in range(0, len(works), at_once or 1):
        tasks = [Deferred.fromCoroutine(work()) for work in works[at : at + at_once]]
        try:
            results += await gatherResults(tasks, consumeErrors=True)
        except FirstError as first:
            first.subFailure.raiseException()
    return results


async def _left(connection: Publisher | Member) -> None:
    """Say goodbye; how it ends is no matter."""
    try:
        await connection.disconnect(LEAVE_SECONDS)
    except ClientError:
        pass

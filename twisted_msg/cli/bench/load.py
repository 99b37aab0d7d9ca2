"""One load from its connections to its end.

Law of this file: nothing is published before everybody is there; the end is when all of it has
arrived, or nothing has happened for too long; whatever ends it, everybody says goodbye.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from twisted.internet import defer
from twisted.internet.defer import Deferred, FirstError, gatherResults
from twisted.internet.task import deferLater

from twisted_msg.cli.bench.figures import Figures, latency
from twisted_msg.cli.bench.measures import Times
from twisted_msg.cli.bench.pace import Pace
from twisted_msg.cli.bench.plan import Plan
from twisted_msg.cli.bench.tape import Follower, Tape
from twisted_msg.cli.bench.timing import A_SECOND, Timing
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
"""Connections that are made at the same time."""

LOOK_SECONDS: Final = 0.005
"""How often it is looked whether there is more to wait for; times are taken where things happen."""

LEAVE_SECONDS: Final = 2.0
"""How long the goodbyes may take: everything has arrived by then."""

T = TypeVar("T")


class Load:
    """A load on a server."""

    def __init__(
        self, reactor: Any, common: Common, plan: Plan, cpu: Callable[[], float] = time.process_time
    ) -> None:
        """Take the reactor, the options, what the load is to be, and what tells CPU seconds."""
        self.server: dict[str, Any] = {}
        """What the server told of itself."""
        self.complete = False
        """Whether the load went to its end."""
        self._reactor = reactor
        self._plan = plan
        self._common = common
        self._cpu = cpu
        self._publishers: list[Publisher] = []
        self._members: list[Member] = []
        self._followers: list[Follower] = []
        self._tape = Tape(plan.room, plan.size, plan.publishers)
        self._acks = Times()
        self._pace: Pace | None = None
        self._broken = Gate()
        self._leaving = False
        self._begun: float | None = None
        self._ended = 0.0
        self._cpu_begun = self._cpu_used = 0.0

    @property
    def begun(self) -> bool:
        """Whether anything was published."""
        return self._begun is not None

    async def connect(self) -> None:
        """Make all connections, and have the members join.

        Raises `InUse` if others publish in the room, `BadAddress` for an address that cannot
        be connected to, and `ClientError`.
        """
        plan = self._plan
        await self._all([partial(self._welcomed, Publisher, self._publishers)] * plan.publishers)
        await self._all([partial(self._welcomed, Member, self._members)] * plan.members)
        limit = self.server.get("max_payload")
        if isinstance(limit, int) and plan.size > limit:
            raise Refused(
                ErrorCode.TOO_LARGE,
                f"messages of {plan.size} bytes are over this server's limit of {limit}",
            )
        lives = await self._all([partial(self._joined, each) for each in self._members])
        disturbed = self._tape.end or any(each.disturbed for each in self._members)
        if disturbed or len({live.head for live in lives}) > 1:
            raise InUse(f"others publish in {plan.room} now: choose another room")

    async def work(self) -> None:
        """Publish, and wait until everything has arrived.

        Raises `TimedOut` if the server acknowledges nothing any more, and whatever else ends a
        connection.
        """
        self._begin()
        try:
            await whichever(self._until_published(), self._breaks())
            for each in self._publishers:
                each.stop()
                each.ask()
            self._stop_pace()
            await whichever(self._until_settled(), self._breaks())
            self.complete = True
        finally:
            self._end()

    async def leave(self) -> None:
        """Say goodbye on all connections."""
        self._leaving = True
        self._stop_pace()
        for each in self._publishers:
            each.stop()
        await self._all([partial(_left, each) for each in self._connections()])

    def how_far(self) -> tuple[float, int, float]:
        """Return which part of the load is over, from 0 to 1, the messages sent, and a second."""
        if self._begun is None:
            return 0.0, 0, 0.0
        sent = self._sent()
        seconds = max(self._reactor.seconds() - self._begun, 1e-9)
        count = self._plan.count
        part = seconds / self._plan.duration if count is None else sent / count
        return min(part, 1.0), sent, sent / seconds

    def figures(self) -> Figures:
        """Return what was measured."""
        plan, counts = self._plan, [each.count for each in self._followers]
        sent = [each.sent for each in self._publishers]
        ids = plan.in_flight is not None
        missed = sum(each.missed for each in self._followers)
        lost = sum(
            max(0, count.lost(sent) - each.missed)
            for count, each in zip(counts, self._followers, strict=True)
        )
        return Figures(
            seconds=max(self._ended - (self._begun or 0.0), 1e-9),
            sent=sum(sent),
            acknowledged=sum(each.acknowledged for each in self._publishers) if ids else None,
            delivered=sum(count.received for count in counts),
            delivery=latency(self._tape.times),
            ack=latency(self._acks) if ids else None,
            late=None if self._pace is None else latency(self._pace.late),
            lost=lost if self.complete else None,
            doubled=sum(count.doubled for count in counts),
            disordered=sum(count.disordered for count in counts)
            + sum(each.backward for each in self._followers),
            missed=missed,
            others=max((count.others for count in counts), default=0),
            cpu=self._cpu_used,
        )

    # -- connecting ------------------------------------------------------------

    async def _welcomed(self, kind: type[Any], where: list[Any]) -> None:
        """Make a connection, and wait until the server has made it welcome."""
        common = self._common
        hello = Hello(common.name, token=common.token)
        wires = Wires(self._reactor, hello, kind, self._failed)
        where_to = endpoint(self._reactor, common.server)
        try:
            connection = await where_to.connect(wires)
        except Exception as error:
            raise cannot_connect(common.server, error) from None
        where.append(connection)
        self.server = (await wires.welcome).details

    async def _joined(self, member: Member) -> Live:
        """Have a member join the room, and follow it."""
        timeout = self._plan.timeout
        try:
            live = await member.join(self._plan.room).addTimeout(timeout, self._reactor)
        except defer.TimeoutError:
            raise TimedOut(f"no answer from {self._common.server} within {timeout:g} s") from None
        follower = Follower(self._tape)
        self._followers.append(follower)
        member.follow(follower, self._reactor)
        return live

    async def _all(self, works: Sequence[Callable[[], Coroutine[Any, Any, T]]]) -> list[T]:
        """Do things, some at a time; the first error ends it."""
        results: list[T] = []
        for at in range(0, len(works), AT_ONCE):
            tasks = [Deferred.fromCoroutine(work()) for work in works[at : at + AT_ONCE]]
            try:
                results += await gatherResults(tasks, consumeErrors=True)
            except FirstError as first:
                first.subFailure.raiseException()
        return results

    def _failed(self, error: ClientError) -> None:
        """A connection is gone, or the server refused something."""
        if not self._leaving:
            self._broken.fail(error)

    # -- working ---------------------------------------------------------------

    def _connections(self) -> list[Publisher | Member]:
        return [*self._publishers, *self._members]

    def _begin(self) -> None:
        """Have everybody publish."""
        plan, reactor = self._plan, self._reactor
        listeners = max(1, plan.members)
        self._cpu_begun = self._cpu()
        self._begun = reactor.seconds()
        ids = plan.in_flight is not None
        if plan.rate is not None:
            self._pace = Pace(reactor, plan.rate, self._publishers)
        for number, each in enumerate(self._publishers):
            if plan.rate is None or self._pace is None:
                timing = Timing(self._acks, ids=ids, gap=listeners / A_SECOND)
            else:
                every = int(plan.rate * listeners / A_SECOND) + 1
                due = partial(self._pace.due, number)
                timing = Timing(self._acks, ids=ids, due=due, every=every)
            self._tape.sent[number] = timing.delivery
            each.begin(number, plan, timing)
        if self._pace is not None:
            self._pace.begin()
        else:
            for each in self._publishers:
                each.allow()

    def _stop_pace(self) -> None:
        if self._pace is not None:
            self._pace.stop()

    def _end(self) -> None:
        """Take the time."""
        last = max(each.last for each in self._connections())
        self._ended = last if self.complete else self._reactor.seconds()
        self._cpu_used = self._cpu() - self._cpu_begun

    async def _breaks(self) -> None:
        """Raise what breaks a connection."""
        await self._broken.wait()

    async def _until_published(self) -> None:
        """Wait until all is sent that is to be."""
        plan = self._plan
        if plan.count is None:
            end = self._reactor.seconds() + plan.duration
            await self._until(lambda: self._reactor.seconds() >= end)
        else:
            await self._until(lambda: all(each.finished for each in self._publishers))

    async def _until_settled(self) -> None:
        """Wait until all is acknowledged and delivered."""
        await self._until(self._settled)
        left = [each for each in self._publishers if not each.settled]
        if left:
            raise TimedOut(
                f"the server acknowledged nothing for {self._plan.timeout:g} s, and "
                f"{len(left)} of {self._plan.publishers} publishers wait for it"
            )

    async def _until(self, done: Callable[[], bool]) -> None:
        """Wait for something, or until the server owes something and nothing happens."""
        before, since = (-1, -1, -1), self._reactor.seconds()
        while not done():
            now = self._reactor.seconds()
            stands = (self._sent(), self._acknowledged(), self._heard())
            if stands != before or not self._owed():
                before, since = stands, now
            elif now - since >= self._plan.timeout:
                return
            await deferLater(self._reactor, LOOK_SECONDS)

    def _sent(self) -> int:
        return sum(each.sent for each in self._publishers)

    def _acknowledged(self) -> int:
        return sum(each.acknowledged for each in self._publishers)

    def _heard(self) -> int:
        return sum(each.heard for each in self._followers)

    def _owed(self) -> bool:
        """Whether the server has something to do."""
        return not self._delivered() or any(each.owed for each in self._publishers)

    def _settled(self) -> bool:
        return all(each.settled for each in self._publishers) and self._delivered()

    def _delivered(self) -> bool:
        """Whether all members have everything."""
        sent = self._sent()
        return all(each.up_to_date and each.count.received >= sent for each in self._followers)


async def _left(connection: Publisher | Member) -> None:
    """Say goodbye; how it ends is no matter."""
    try:
        await connection.disconnect(LEAVE_SECONDS)
    except ClientError:
        pass

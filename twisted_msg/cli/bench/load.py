"""One load from its beginning to its end.

Law of this file: the end is when all of it has arrived, or nothing has happened for too long
while the server owed something; times are taken where things happen, and not where they are
looked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from twisted.internet.task import deferLater

from twisted_msg.cli.bench.crowd import Crowd
from twisted_msg.cli.bench.figures import Figures, latency
from twisted_msg.cli.bench.measures import Times
from twisted_msg.cli.bench.pace import Pace
from twisted_msg.cli.bench.plan import Plan
from twisted_msg.cli.bench.timing import A_SECOND, Timing
from twisted_msg.cli.running import whichever
from twisted_msg.client.errors import TimedOut

LOOK_SECONDS: Final = 0.005
"""How often it is looked whether there is more to wait for."""


class Load:
    """A load on a server, by a crowd that is there."""

    def __init__(
        self, reactor: Any, crowd: Crowd, plan: Plan, cpu: Callable[[], float] = time.process_time
    ) -> None:
        """Take the reactor, the crowd, what the load is to be, and what tells CPU seconds."""
        self.complete = False
        """Whether the load went to its end."""
        self._reactor = reactor
        self._crowd = crowd
        self._plan = plan
        self._cpu = cpu
        self._acks = Times()
        self._pace: Pace | None = None
        self._begun: float | None = None
        self._ended = 0.0
        self._cpu_begun = self._cpu_used = 0.0

    @property
    def begun(self) -> bool:
        """Whether anything was published."""
        return self._begun is not None

    async def work(self) -> None:
        """Publish, and wait until everything has arrived.

        Raises `TimedOut` if the server acknowledges nothing any more, and whatever else ends a
        connection.
        """
        self._begin()
        crowd = self._crowd
        try:
            await whichever(self._until_published(), crowd.breaks())
            self._stop()
            for each in crowd.publishers:
                each.ask()
            await whichever(self._until_settled(), crowd.breaks())
            self.complete = True
        finally:
            self._stop()
            self._ended = crowd.last if self.complete else self._reactor.seconds()
            self._cpu_used = self._cpu() - self._cpu_begun

    def how_far(self) -> tuple[float, int, float]:
        """Return which part of the load is over, from 0 to 1, the messages sent, and a second."""
        if self._begun is None:
            return 0.0, 0, 0.0
        sent = self._crowd.sent
        seconds = max(self._reactor.seconds() - self._begun, 1e-9)
        count = self._plan.count
        part = seconds / self._plan.duration if count is None else sent / count
        return min(part, 1.0), sent, sent / seconds

    def figures(self) -> Figures:
        """Return what was measured."""
        plan, counts = self._plan, [each.count for each in self._crowd.followers]
        sent = [each.sent for each in self._crowd.publishers]
        ids = plan.in_flight is not None
        missed = sum(each.missed for each in self._crowd.followers)
        lost = sum(
            max(0, count.lost(sent) - each.missed)
            for count, each in zip(counts, self._crowd.followers, strict=True)
        )
        return Figures(
            seconds=max(self._ended - (self._begun or 0.0), 1e-9),
            sent=sum(sent),
            acknowledged=sum(each.acknowledged for each in self._crowd.publishers) if ids else None,
            delivered=sum(count.received for count in counts),
            delivery=latency(self._crowd.tape.times),
            ack=latency(self._acks) if ids else None,
            late=None if self._pace is None else latency(self._pace.late),
            lost=lost if self.complete else None,
            doubled=sum(count.doubled for count in counts),
            disordered=sum(count.disordered for count in counts)
            + sum(each.backward for each in self._crowd.followers),
            missed=missed,
            others=max((count.others for count in counts), default=0),
            cpu=self._cpu_used,
        )

    def _begin(self) -> None:
        """Have everybody publish."""
        plan, reactor = self._plan, self._reactor
        listeners = max(1, plan.members)
        self._cpu_begun = self._cpu()
        self._begun = reactor.seconds()
        ids = plan.in_flight is not None
        if plan.rate is not None:
            self._pace = Pace(reactor, plan.rate, self._crowd.publishers)
        for number, each in enumerate(self._crowd.publishers):
            if plan.rate is None or self._pace is None:
                timing = Timing(self._acks, ids=ids, gap=listeners / A_SECOND)
            else:
                every = int(plan.rate * listeners / A_SECOND) + 1
                due = partial(self._pace.due, number)
                timing = Timing(self._acks, ids=ids, due=due, every=every)
            self._crowd.tape.sent[number] = timing.delivery
            each.begin(number, plan, timing)
        if self._pace is not None:
            self._pace.begin()
        else:
            for each in self._crowd.publishers:
                each.allow()

    def _stop(self) -> None:
        """Have nobody publish any more."""
        if self._pace is not None:
            self._pace.stop()
        for each in self._crowd.publishers:
            each.stop()

    async def _until_published(self) -> None:
        """Wait until all is sent that is to be."""
        plan = self._plan
        if plan.count is None:
            end = self._reactor.seconds() + plan.duration
            await self._until(lambda: self._reactor.seconds() >= end)
        else:
            await self._until(lambda: all(each.finished for each in self._crowd.publishers))

    async def _until_settled(self) -> None:
        """Wait until all is acknowledged and delivered."""
        await self._until(lambda: self._crowd.settled)
        left = [each for each in self._crowd.publishers if not each.settled]
        if left:
            did = "answered" if self._plan.in_flight is None else "acknowledged"
            raise TimedOut(
                f"the server {did} nothing for {self._plan.timeout:g} s, and "
                f"{len(left)} of {self._plan.publishers} publishers wait for it"
            )

    async def _until(self, done: Callable[[], bool]) -> None:
        """Wait for something, or until the server owes something and nothing happens."""
        before, since = (-1, -1, -1), self._reactor.seconds()
        while not done():
            now = self._reactor.seconds()
            stands = (self._crowd.sent, self._crowd.acknowledged, self._crowd.heard)
            if stands != before or not self._crowd.owed:
                before, since = stands, now
            elif now - since >= self._plan.timeout:
                return
            await deferLater(self._reactor, LOOK_SECONDS)

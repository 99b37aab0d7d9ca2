"""A flood: publishers send as fast as a window allows, and every delivery is counted.

Law of this file: at most a window of messages is on its way, so that no server is asked to
hold without bound and none may drop; what is counted is counted between two looks at the
clock, and everything that was sent must have arrived in the end.

The loops spin (they have a core of their own), so no server pays for waking them.  Members
that are not sampled are read with MSG_TRUNC, by which Linux drops the bytes in the kernel and
only says how many there were: so the generator costs less than any server.
"""

from __future__ import annotations

import select
import socket
from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter as clock
from typing import Any, Final, NamedTuple

from bench.counting import Delivery, Wrong, latencies
from bench.sockets import BUFFER, GONE, IN, KEPT, ONCE, OUT, READ, VIEW, Connection, Publisher

TRUNC: Final = socket.MSG_TRUNC
DRAIN: Final = 10.0
"""Seconds that what is on its way may take to arrive when the measured time is over."""

TICK: Final = 0.05
"""Seconds between two looks at the server's memory."""

Look = Callable[[], Any]
"""Looks at the server's process; called at both ends of what is measured."""


class Measured(NamedTuple):
    """What was seen between two looks.

    `done` are deliveries, acknowledgements or messages taken; `idle` is the part of the time
    that the generator waited; `sent` is the whole run's; `times` are in seconds, if taken.
    """

    seconds: float
    done: int
    looks: tuple[Any, Any]
    idle: float
    sent: int
    times: Sequence[float] = ()

    @property
    def figures(self) -> dict[str, float]:
        """What of it goes into a table."""
        found = {"seconds": self.seconds, "count": self.done, "rate": self.done / self.seconds,
                 "generator_idle": self.idle / self.seconds, "sent": self.sent}  # fmt: skip
        return found | (latencies(self.times) if self.times else {})


class Flood:
    """Publishers send as fast as the window allows, members count."""

    def __init__(
        self,
        publishers: Sequence[Publisher],
        members: Sequence[Connection],
        delivery: Delivery,
        window: int,
        look: Look,
        tick: Callable[[float, int], bool] | None = None,
    ) -> None:
        """Take who sends, who receives, and what one delivery is on the wire.

        `window` is how many messages of each publisher may be on their way; `tick` is called
        each `TICK` with seconds and deliveries so far, and ends the run if it says so.
        """
        self.publishers = publishers
        self.members = {each.fd: each for each in members}
        self.length, _, self._noise = delivery
        self.limit = window * len(publishers)
        self.chunk = max(1, window // 4)
        self.look = look
        self.tick = tick
        self.bytes = 0
        self.idle = 0.0
        self._turns = deque(publishers)
        self._heads = {each.connection.fd: each for each in publishers}
        self._poll = select.epoll()
        for fd in self.members:
            self._poll.register(fd, IN)
        for fd in self._heads:
            self._poll.register(fd, IN | OUT | ONCE)

    @property
    def sent(self) -> int:
        """Messages sent so far."""
        return sum(each.sent for each in self.publishers)

    def run(self, warm: float, seconds: float) -> Measured:
        """Measure for so many seconds, after some to warm up; raises `Wrong`."""
        begun = clock()
        try:
            self._until(begun + warm, begun)
            first, before, look = clock(), self.bytes, self.look()
            self.idle = 0.0
            self._until(first + seconds, begun)
            last, after, idle = clock(), self.bytes, self.idle
            looks = (look, self.look())
            self._drain()
        finally:
            self._poll.close()
        count = (after - before) // self.length
        return Measured(last - first, count, looks, idle, self.sent)

    def _until(self, over: float, begun: float) -> None:
        """Send and receive, once at least: where this process stood still, the time is over."""
        now = ticked = clock()
        while True:
            if self.tick is not None and now - ticked >= TICK:
                ticked = now
                if self.tick(now - begun, self.bytes // self.length):
                    return
            sent = self._publish()
            heard = self._read(0)
            before, now = now, clock()
            if not heard and not sent:
                self.idle += now - before
            if now >= over:
                return

    def _drain(self) -> None:
        """Have all arrive that was sent, and nothing more."""
        over = clock() + DRAIN
        for each in self.publishers:
            each.finish(over)
        each_wants = self.sent * self.length
        all_want, members = each_wants * len(self.members), self.members.values()
        while clock() < over and (
            self.bytes < all_want or any(member.got < each_wants for member in members)
        ):
            self._read(0.05)
        self._read(0)
        for member in members:
            more = member.got - each_wants
            if more and (more < 0 or not self._noise or more % len(self._noise)):
                got = member.got / self.length
                raise Wrong(f"a member was sent {got:.3f} messages of {self.sent}")

    def _publish(self) -> bool:
        """Send what the window allows; return whether there was something."""
        arrived = self.bytes / self.length / len(self.members)
        room = int(self.limit - (self.sent - arrived))
        if room < self.chunk:
            return False
        busy = False
        for _ in range(len(self._turns)):
            each = self._turns[0]
            self._turns.rotate(-1)  # else the first ones would say nearly everything
            if each.stuck:
                continue
            busy = True
            if not each.send(min(room, self.chunk)):
                each.stuck = True
                self._poll.modify(each.connection.fd, IN | OUT | ONCE)
            room -= self.chunk
            if room <= 0:
                break
        return busy

    def _read(self, patience: float) -> bool:
        """Read what has come; return whether anything has."""
        events = self._poll.poll(patience)
        for fd, event in events:
            member = self.members.get(fd)
            if member is None:
                self._hear(self._heads[fd], event)
                continue
            try:
                if member.kept is None:
                    came = member.socket.recv_into(BUFFER, READ, TRUNC)
                else:
                    came = member.socket.recv_into(BUFFER)
                    if len(member.kept) < KEPT:
                        member.kept += VIEW[:came]
            except BlockingIOError:
                continue
            except ConnectionError:
                came = 0
            if not came:
                raise Wrong("the server closed a member")
            member.got += came
            self.bytes += came
        return bool(events)

    def _hear(self, publisher: Publisher, event: int) -> None:
        """A publisher's socket takes more, or has something to read."""
        if event & OUT:
            publisher.stuck = False
        if event & (IN | GONE):
            try:
                if not publisher.connection.socket.recv(READ):
                    raise Wrong("the server closed a publisher")
            except BlockingIOError:
                pass
        self._poll.modify(
            publisher.connection.fd, IN | OUT | ONCE if publisher.stuck else IN | ONCE
        )

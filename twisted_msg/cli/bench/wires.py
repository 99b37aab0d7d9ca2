"""The connections of a load: those that publish, and those that listen.

Law of this file: the introduction, heartbeats and the end are the client library's; between
them a publisher writes blocks of frames, and a member hands bytes to the tape, so that nothing
is done for each message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_msg.cli.bench.follower import Follower
from twisted_msg.cli.bench.messages import Frames, Message, message, number
from twisted_msg.cli.bench.plan import Plan
from twisted_msg.cli.bench.straight import Straight, straight
from twisted_msg.cli.bench.timing import Timing
from twisted_msg.client.errors import ClientError, Disconnected, answered
from twisted_msg.client.typed import TypedConnection, TypedFactory
from twisted_msg.wire import Frame, ProtocolError, Stage
from twisted_msg.wire.replies import Err, Live, Missed, Msg, Reply, Welcome
from twisted_msg.wire.requests import Hello, Ping, Sub

UNBOUNDED: Final = 10**18
"""How many messages may be sent where nothing bounds them."""

_END: Final = "end"


class Wires(TypedFactory):
    """Builds one connection, tells when it is welcome, and when it fails."""

    def __init__(
        self,
        clock: IReactorTime,
        hello: Hello,
        build: Callable[[Wires], Publisher | Member],
        failed: Callable[[ClientError], None],
    ) -> None:
        """Take the clock, how to introduce oneself, what to build, and whom to tell of an error."""
        super().__init__(
            clock,
            hello,
            made=self._made,
            replied=self._replied,
            rested=_nothing,
            drained=_nothing,
            lost=self._lost,
        )
        self.welcome: Deferred[Welcome] = Deferred()
        self.live: Deferred[Live] = Deferred()
        """Of a member: fires when it is one."""
        self.missed: Callable[[Missed], None] = _nothing
        self.disturbed = False
        """Whether messages came before they were wanted."""
        self.failed = failed
        self._build = build

    def buildProtocol(self, addr: IAddress | None) -> TypedConnection:
        """Return the protocol; `addr` may be missing."""
        built = self._build(self)
        built.factory = self
        return built

    def _made(self, connection: TypedConnection, welcome: Welcome) -> None:
        self.welcome.callback(welcome)

    def _replied(self, reply: Reply) -> None:
        if isinstance(reply, Err):
            self.failed(answered(reply.code, reply.reason))
        elif isinstance(reply, Missed):
            self.missed(reply)
        elif isinstance(reply, Msg):
            self.disturbed = True
        elif isinstance(reply, Live) and not self.live.called:
            self.live.callback(reply)

    def _lost(self, connection: TypedConnection) -> None:
        error = connection.error or Disconnected("the connection was lost")
        for waiting in (self.welcome, self.live):
            waiting.addErrback(_nothing)
            if not waiting.called:
                waiting.errback(error)
        self.failed(error)


class Publisher(TypedConnection):
    """Publishes, as far as it is allowed to and the other side takes it."""

    def __init__(self, told: Wires) -> None:
        """Take the factory."""
        super().__init__(told)
        self.sent = 0
        self.acknowledged = 0
        self.confirmed = False
        """Whether everything that was sent is known to have been processed."""
        self.last = 0.0
        """When something was last acknowledged."""
        self._allowed = self._share = self._in_flight = 0
        self._ids = False

    def begin(self, publisher: int, plan: Plan, timing: Timing) -> None:
        """Take which publisher this is, and of what; nothing is sent before it is allowed."""
        self._first = number(Message(publisher, 0))
        self._ids = plan.in_flight is not None
        self._frames = Frames(plan.room, plan.size, ids=self._ids, publishers=plan.publishers)
        share = plan.share(publisher)
        self._share = UNBOUNDED if share is None else share
        self._in_flight = UNBOUNDED if plan.in_flight is None else plan.in_flight
        self._timing = timing

    def allow(self, count: int = UNBOUNDED) -> None:
        """Send until so many messages are sent in all, and no more than this one's share."""
        self._allowed = min(count, self._share)
        self.push()

    def push(self) -> None:
        """Send what may be sent."""
        while not self.full:
            most = min(self._allowed, self.acknowledged + self._in_flight) - self.sent
            if most <= 0:
                return
            data, count = self._frames.some(self._first + self.sent, most)
            self._timing.going(self.sent, count, self._clock.seconds())
            self.sent += count
            self.transport.write(data)

    def stop(self) -> None:
        """Send no more messages."""
        self._allowed = 0

    def ask(self) -> None:
        """Ask whether everything that was sent is processed."""
        self.write(Ping(_END).encode())

    @property
    def finished(self) -> bool:
        """Whether its share is sent."""
        return self.sent >= self._share

    @property
    def owed(self) -> bool:
        """Whether the other side has not taken, or not acknowledged, what was sent."""
        return self.full or (self._ids and self.acknowledged < self.sent)

    @property
    def settled(self) -> bool:
        """Whether everything is acknowledged, or at least known to be processed."""
        return self.acknowledged >= self.sent if self._ids else self.confirmed

    # -- for the transport -----------------------------------------------------

    def resumeProducing(self) -> None:
        """All of it was taken."""
        super().resumeProducing()
        self.push()

    def frame_received(self, frame: Frame) -> None:
        """Count acknowledgements, and leave the rest to the client library."""
        words = frame.words
        if len(words) > 2 and words[0] == "ACK" and words[1].isdigit():
            self._acknowledge(int(words[1]))
        elif words == ("PONG", _END):
            self.confirmed = True
            self.last = self._clock.seconds()
        else:
            super().frame_received(frame)

    def _acknowledge(self, last: int) -> None:
        """Everything up to the message with this number is stored."""
        self.last = now = self._clock.seconds()
        self.acknowledged = message(last).place + 1
        self._timing.acknowledged(self.acknowledged, now)
        self.push()


class Member(TypedConnection):
    """A member of the room, whose bytes go to a tape."""

    def __init__(self, told: Wires) -> None:
        """Take the factory."""
        super().__init__(told)
        self._follower: Follower | None = None
        told.missed = self._missed
        self._wires = told
        self._straight: Straight | None = None
        self.last = 0.0
        """When something last came."""

    def join(self, room: str) -> Deferred[Live]:
        """Become a member; the Deferred fires when this is one."""
        self.write(Sub(room).encode())
        return self._wires.live

    @property
    def disturbed(self) -> bool:
        """Whether messages, or a part of one, came before this member was followed."""
        return self._wires.disturbed or self.decoder.stage is not Stage.BETWEEN

    def follow(self, follower: Follower, reactor: Any) -> None:
        """Hand what comes to a follower from now on."""
        self._follower = follower
        self._straight = straight(reactor, self.transport, self._take_straight)

    def dataReceived(self, data: bytes) -> None:
        """Take what came; what is no message goes to the client library."""
        if self._follower is None:
            super().dataReceived(data)
        else:
            self._take_straight(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Read no more."""
        if self._straight is not None:
            self._straight.give_back()
        super().connectionLost(reason)

    def _take_straight(self, data: bytes | memoryview) -> None:
        """Hand what came to the follower, and what is no message to the client library."""
        if self._follower is None or not self.receiving:
            return
        self.last = now = self._clock.seconds()
        try:
            own = self._follower.take(data, now)
        except ProtocolError as error:
            self.stop_receiving()
            self.refused(error)
        else:
            if own:  # else this is one of very many reads; its server answers when it is asked
                super().dataReceived(own)

    def _missed(self, missed: Missed) -> None:
        if self._follower is not None:
            self._follower.missed += missed.last - missed.first + 1


def _nothing(_: object = None) -> None:
    """Take no notice."""

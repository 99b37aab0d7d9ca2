"""The client side of one typed connection: introduction, heartbeat, end.

Law of this file: nothing is sent before `WELCOME` but `HELLO`; whatever the server says
after it goes to the owner, as a value.  A server that neither says nor takes anything for too
long is gone, and one that does not read fills no memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IPushProducer, IReactorTime
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_msg.client.connection import MAX_RECEIVED, ClientConnection
from twisted_msg.client.errors import (
    ONLY_PLAIN,
    PASSING,
    Disconnected,
    TimedOut,
    answered,
    refusal,
)
from twisted_msg.transports import keep_alive, unsent
from twisted_msg.wire import Frame
from twisted_msg.wire.errors import ENDING
from twisted_msg.wire.limits import ERROR_PREFIX, HEADER_SIZE
from twisted_msg.wire.replies import Bye, Err, Ping, Pong, Reply, Welcome, parse_reply
from twisted_msg.wire.requests import Bye as Goodbye
from twisted_msg.wire.requests import Hello

HEARTBEAT_SECONDS: Final = 30.0
"""How long a server may be silent before it is asked whether it is there: as often as
servers ask by default.  While it takes what is sent to it, it need not say anything: the question
would stand behind a large message that goes over a slow line for minutes."""

UNANSWERED: Final = 2
"""Questions in a row without any byte in answer, until the connection is given up."""

WELCOME_SECONDS: Final = 30.0
"""How long the answer to `HELLO` may take: a server may first settle what an older
connection of the same client has sent."""


FAREWELL_SECONDS: Final = 10.0
"""How long a server that has said `BYE` may take to close: twice what it gives itself."""


UNREAD_ANSWERS: Final = 512
"""Answers to `PING` that may wait for a server that does not read: 64 KiB, as much as a
server keeps for a client.  What waits is sign of life enough when it reads on."""


@implementer(IPushProducer)
class TypedConnection(ClientConnection):
    """One connection to a server, in typed frames.  Made by `TypedFactory`.

    `full` says that the transport holds enough for now; the owner is told of its end.
    """

    transport: Any  # what Twisted says of transports lacks `registerProducer`

    unconfirmed = "the connection was cut off"
    hint = f"check the address; {ONLY_PLAIN} (and --header-size if it has another)"

    def __init__(self, told: TypedFactory) -> None:
        """Take the factory, which knows how to introduce oneself and whom to tell."""
        super().__init__(told.clock, max_payload=told.max_payload)
        self.full = False
        self._answers = 0  # to PING, since the transport was full
        self._registered = False
        self._welcomed = False
        self._told = told
        self._heard = True
        self._asked = 0
        self._written = self._taken = 0
        self._beat = LoopingCall(self._ask)
        self._beat.clock = told.clock
        self._late: Any = None

    def write(self, data: bytes) -> None:
        """Send frames, encoded before."""
        self._written += len(data)
        self.transport.write(data)

    # -- for Twisted and the decoder -----------------------------------------

    def connectionMade(self) -> None:
        """Introduce oneself."""
        keep_alive(self.transport)
        self._late = self._clock.callLater(WELCOME_SECONDS, self._no_welcome)
        self._beat.start(HEARTBEAT_SECONDS, now=False)
        self.write(self._told.hello.encode())

    def dataReceived(self, data: bytes) -> None:
        """Decode; any byte is a sign of life."""
        self._heard = True
        super().dataReceived(data)
        self._told.rested()

    def frame_received(self, frame: Frame) -> None:
        """Answer what this floor answers, and hand on the rest."""
        if self._turned_away(frame):
            return
        reply = parse_reply(frame)
        if reply is None:
            return
        if isinstance(reply, Ping):
            if self._welcomed:
                self._answer(reply)
        elif isinstance(reply, Bye):
            self._server_goes(reply.reason)
        elif isinstance(reply, Welcome):
            if not self._welcomed and self._error is None:
                self._welcomed = True
                self._stop_waiting()
                self.transport.registerProducer(self, True)
                self._registered = True
                self._told.made(self, reply)
        elif self._welcomed:
            self._told.replied(reply)
            if isinstance(reply, Err) and reply.code in ENDING:
                self.end(answered(reply.code, reply.reason))
                self.close()
        elif isinstance(reply, Err):
            self.end(answered(reply.code, reply.reason, hello=True))
            self.close()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End every wait, and tell the owner."""
        self._stop_waiting()
        if self._beat.running:
            self._beat.stop()
        super().connectionLost(reason)
        self._told.lost(self)

    def pauseProducing(self) -> None:
        """The transport has enough to send."""
        self.full = True

    def resumeProducing(self) -> None:
        """The transport has sent everything."""
        self.full = False
        self._answers = 0
        if self._error is None:
            self._told.drained()

    def stopProducing(self) -> None:
        """The transport will never take more: `connectionLost` follows."""

    # -- for the end ---------------------------------------------------------

    def close(self) -> None:
        """Close the transport, whether or not the other side still reads."""
        if self._registered:
            self._registered = False
            self.transport.unregisterProducer()  # a paused one would keep it open for ever
        super().close()

    def say_goodbye(self) -> None:
        """Send `BYE`, and read on until the server closes."""
        self.write(Goodbye().encode())

    # -- within --------------------------------------------------------------

    def _answer(self, asked: Ping) -> None:
        """Say that one is here, unless the server leaves too many answers unread."""
        self._answers += self.full
        if self._answers <= UNREAD_ANSWERS:
            self.write(Pong(asked.token).encode())

    def _turned_away(self, frame: Frame) -> bool:
        """Return whether the server wants no connection now.

        Before the first frame is there, it does not know a typed one from a plain one, and so
        tells every peer in a plain frame.
        """
        if self._welcomed or frame.words or not frame.payload.startswith(ERROR_PREFIX):
            return False
        error = refusal(frame.payload[len(ERROR_PREFIX) :].decode(errors="backslashreplace"))
        if error.code not in PASSING:
            return False  # it speaks in another way: whoever takes the frame says so
        self.end(error)
        self.close()
        return True

    def _server_goes(self, reason: str) -> None:
        """The server stops: let it, and read on, for it first flushes what it owes."""
        if self._error is None:
            self.end(Disconnected(reason or "the server stops", server_goes=True))
            self.write(Goodbye().encode())
            self._stop_waiting()
            self._late = self._clock.callLater(FAREWELL_SECONDS, self.abort)

    def _stop_waiting(self) -> None:
        """The wait for `WELCOME`, or for the server's close, is over."""
        if self._late is not None and self._late.active():
            self._late.cancel()

    def _no_welcome(self) -> None:
        """The server says nothing: it may not be one."""
        self.end(TimedOut(f"the server did not answer HELLO within {WELCOME_SECONDS:g} s; "
                          f"is it a tcpmsg server? {ONLY_PLAIN}"))  # fmt: skip
        self.abort()

    def _ask(self) -> None:
        """Ask a silent server whether it is there; give one up that does not answer."""
        waiting = unsent(self.transport)
        taken = self._written - waiting
        if self._heard or (waiting and taken > self._taken):
            self._asked = 0
        elif self._asked == UNANSWERED:
            self.end(TimedOut(self._silence(waiting)))
            self.abort()
            return
        else:
            self._asked += 1
            self.write(Ping().encode())
        self._heard, self._taken = False, taken

    def _silence(self, waiting: int) -> str:
        """Return what is wrong with a server that does not answer."""
        span = f"for {HEARTBEAT_SECONDS * (UNANSWERED + 1):g} s"
        waiting -= UNANSWERED * HEADER_SIZE  # the questions
        if waiting <= 0:
            return f"the server was silent {span}"
        return (
            f"the server took nothing of what was sent to it {span}, and {waiting} bytes wait: see "
            "to the network, and to the server's machine"
        )


class TypedFactory(Factory):
    """Builds typed connections that introduce themselves alike, and tells their owner.

    `made` is called with each one that was made welcome, `replied` with what comes on it
    afterwards, `rested` behind all that came in one piece, `drained` when its transport was
    full and takes more, and `lost` with each one that is gone, welcome or not.
    """

    noisy = False  # Twisted's own lines about factories tell a person nothing

    def __init__(
        self,
        clock: IReactorTime,
        hello: Hello,
        *,
        made: Callable[[TypedConnection, Welcome], None],
        replied: Callable[[Reply], None],
        rested: Callable[[], None],
        drained: Callable[[], None],
        lost: Callable[[TypedConnection], None],
        max_payload: int = MAX_RECEIVED,
    ) -> None:
        """Take the clock, how to introduce oneself, whom to tell, and the largest payload."""
        self.clock = clock
        self.hello = hello
        self.made = made
        self.replied = replied
        self.rested = rested
        self.drained = drained
        self.lost = lost
        self.max_payload = max_payload

    def buildProtocol(self, addr: IAddress | None) -> TypedConnection:
        """Return the protocol for one connection; `addr` may be missing."""
        built = TypedConnection(self)
        built.factory = self
        return built

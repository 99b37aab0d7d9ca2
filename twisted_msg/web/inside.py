"""A conversation with the server from inside its own process, in typed frames.

Law of this file: such a peer is treated as one that comes by TCP, save that it takes no place.
Bytes go both ways in turns of their own, never inside the other side's call, and whoever
listens may stop: then the server keeps what is unread, as for any slow reader.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IConsumer, IPushProducer, ITransport
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_msg.connection import Connection
from twisted_msg.pace import Pace, Rates
from twisted_msg.server import Server
from twisted_msg.wire import FrameDecoder
from twisted_msg.wire.limits import HEADER_SIZE, LENGTH_BOUND
from twisted_msg.wire.replies import Ping, Reply, parse_reply
from twisted_msg.wire.requests import Bye, Pong, Request

BUFFER: Final = 64 * 1024
"""Bytes that wait for the listener before the server is told to stop: as many as Twisted's
own transports hold."""


class Asker(NamedTuple):
    """Whom a conversation is for.

    `peer` is its address, None if there is none; `untaken` returns how many bytes of what it
    was given it has not taken yet; `pace` counts what it asks for, None if nothing bounds it.
    """

    peer: Any = None
    untaken: Callable[[], int] = lambda: 0
    pace: Pace | None = None


class InnerConnection(Connection):
    """The server's side: how fast the peer may speak was seen to where its requests came in."""

    def limit(self, rates: Rates) -> None:
        """Read all there is: a conversation of few frames would never reach a limit."""

    def charge(self, messages: int) -> None:
        """Count what a frame costs where the next request will come in."""
        pace = self.transport.asker.pace
        if pace is not None:
            pace.count(messages)


def _no_turn() -> None:
    """Do nothing: set in place of the turn request when the conversation is over."""


@implementer(ITransport, IConsumer, IPushProducer)
class InnerTransport:
    """What the server's connection takes for its transport."""

    takes_whole = True
    """Pieces of a room's log are kept as they are, so that all listeners share their bytes."""

    def __init__(self, asker: Asker, turn: Callable[[], None]) -> None:
        """Take whom it is for, and what asks for a turn."""
        self.asker = asker
        self._turn = turn
        self._producer: Any = None
        self._paused = False
        self._unread: deque[bytes] = deque()
        self._unread_size = 0
        self.reading = True
        """Whether the server takes what is said."""
        self.closing = self.aborted = False

    # -- for the server's connection -----------------------------------------

    def write(self, data: bytes) -> None:
        """Keep bytes for the listener."""
        if self.closing:
            return
        self._unread.append(data)
        self._unread_size += len(data)
        if self._unread_size > BUFFER:
            self.pause()  # from inside `write`, as Twisted's transports do
        self._turn()

    def writeSequence(self, data: Any) -> None:
        """Keep bytes for the listener."""
        self.write(b"".join(data))

    def unsent(self) -> int:
        """Return how many bytes the far end has not taken."""
        return self._unread_size + self.asker.untaken()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Know whom to stop when nobody listens."""
        self._producer = producer

    def unregisterProducer(self) -> None:
        """Stop nobody any more."""
        self._producer = None
        self._turn()

    def pauseProducing(self) -> None:
        """The server reads no more for now."""
        self.reading = False

    def resumeProducing(self) -> None:
        """The server reads on."""
        self.reading = True
        self._turn()

    def stopProducing(self) -> None:
        """The server is done with this connection."""
        self.loseConnection()

    def loseConnection(self) -> None:
        """End when everything was heard."""
        self.closing = True
        self._turn()

    def abortConnection(self) -> None:
        """End at once."""
        self.closing = self.aborted = True
        self._turn()

    def getPeer(self) -> Any:
        """Return the address of whoever made the request."""
        return self.asker.peer

    def getHost(self) -> Any:
        """Return the same: this side has no other."""
        return self.asker.peer

    # -- for the conversation ------------------------------------------------

    def pause(self) -> None:
        """Have the server send nothing until more is taken."""
        if self._producer is not None and not self._paused:
            self._paused = True
            self._producer.pauseProducing()

    def take(self, most: int) -> list[bytes]:
        """Return the next pieces that were not taken yet, until they hold `most` bytes or more.

        The server goes on only when all is taken, so that at most one long piece waits.
        """
        taken: list[bytes] = []
        while most > 0:
            if not self._unread and self._paused:
                self._paused = False
                if self._producer is not None:
                    self._producer.resumeProducing()
            if not self._unread:
                break
            taken.append(self._unread.popleft())
            most -= len(taken[-1])
            self._unread_size -= len(taken[-1])
        if self._unread or self._paused:
            self._turn()
        return taken

    @property
    def ended(self) -> bool:
        """Whether it was closed, and all of it heard."""
        return self.closing and self._producer is None and not self._unread

    def lost(self) -> None:
        """Tell the server's side that nobody is there; ask for no more turns."""
        self._turn = _no_turn
        self._unread.clear()
        self._unread_size = 0
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()


class Conversation:
    """One typed peer of the server.

    `PING` is answered here; the listener need not.
    """

    def __init__(
        self,
        server: Server,
        asker: Asker,
        heard: Callable[[list[Reply]], None],
        ended: Callable[[], None],
    ) -> None:
        """Connect.

        `heard` is called with the replies that came together, `ended` once, when no more will
        come; neither from within a call to this object.
        """
        self._server = server
        self._heard = heard
        self._ended = ended
        self._transport = InnerTransport(asker, self._soon)
        self._decoder = FrameDecoder(HEADER_SIZE, LENGTH_BOUND)
        self._said: list[bytes] = []
        self._listening = True
        self._scheduled = self._over = False
        self._protocol = server.carry(self._transport, kind=InnerConnection)

    def say(self, *requests: Request) -> None:
        """Send requests.  Raises `ValueError` for a word that no frame can hold."""
        self._said.append(b"".join(request.encode() for request in requests))
        self._soon()

    def pause(self) -> None:
        """Hear nothing until `resume`."""
        self._listening = False
        self._transport.pause()

    def resume(self) -> None:
        """Hear on."""
        self._listening = True
        self._soon()

    def abort(self) -> None:
        """End at once, whatever is still unheard."""
        self._transport.abortConnection()

    def _soon(self) -> None:
        """Have a turn, after this one."""
        if not (self._scheduled or self._over):
            self._scheduled = True
            self._server.clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        if self._over:
            return  # since the turn before, in which this one was asked for
        if self._said and self._transport.reading and not self._transport.closing:
            said, self._said = b"".join(self._said), []
            self._protocol.dataReceived(said)
        try:
            self._hear()
        except Exception:  # of the listener's: the server goes on without it
            self._server.failed(Failure())
            self._transport.abortConnection()
        if self._transport.aborted or self._transport.ended:
            self._end()

    def _hear(self) -> None:
        """Hand on what has come, if it is wanted: some of it now, what is behind it later."""
        taken: list[bytes] = []
        if self._listening and not self._transport.aborted:
            taken = self._transport.take(BUFFER)
        if taken:
            frames = (frame for data in taken for frame in self._decoder.feed(data))
            replies = [reply for reply in map(parse_reply, frames) if reply]
            for reply in replies:
                if isinstance(reply, Ping):
                    self.say(Pong(reply.token))
            self._heard(replies)

    def _end(self) -> None:
        self._over = True
        reason = ConnectionAborted() if self._transport.aborted else ConnectionDone()
        self._transport.lost()
        for tell in (lambda: self._protocol.connectionLost(Failure(reason)), self._ended):
            try:
                tell()
            except Exception:  # whatever becomes of one side, the other must hear of it
                self._server.failed(Failure())
        del self._protocol, self._heard, self._ended  # which hold this conversation


def ask(server: Server, asker: Asker, *requests: Request) -> Deferred[list[Reply]]:
    """Have a whole conversation: say some requests and goodbye; return all replies.

    The answer comes when the server has done with it, so the peer's name is free again.
    """
    replies: list[Reply] = []
    answer: Deferred[list[Reply]] = Deferred()
    conversation = Conversation(server, asker, replies.extend, lambda: answer.callback(replies))
    conversation.say(*requests, Bye())
    return answer

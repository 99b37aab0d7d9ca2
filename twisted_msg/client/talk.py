"""The conversation with a server, whichever connection carries it just now.

Law of this file: each of the server's answers goes to the part that waits for it, and to
no other; after a new `WELCOME` everything that is owed is said again, in its order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from twisted.internet.defer import Deferred, fail

from twisted_msg.client.errors import (
    ClientError,
    Disconnected,
    NotUnderstood,
    answered,
    unknown_outcome,
)
from twisted_msg.client.messages import Reading
from twisted_msg.client.outbox import FLIGHT_BYTES, ROOM_BYTES, Batch, Outbox, Receipt
from twisted_msg.client.questions import Asked, Questions
from twisted_msg.client.readings import Readings
from twisted_msg.client.service import Lifeline
from twisted_msg.client.subscription import Subscription
from twisted_msg.client.typed import TypedConnection
from twisted_msg.client.waiting import Gate, anew
from twisted_msg.wire import ErrorCode
from twisted_msg.wire.limits import LENGTH_BOUND
from twisted_msg.wire.names import DIRECT, number
from twisted_msg.wire.replies import (
    Ack,
    Err,
    Here,
    Join,
    Live,
    Missed,
    Msg,
    Part,
    Pong,
    Reply,
    RoomList,
    Subbed,
    Unsubbed,
    Welcome,
)
from twisted_msg.wire.requests import Sub, Unsub, Who

NOTICES: Final = frozenset({ErrorCode.ABSENT, ErrorCode.BUSY, ErrorCode.UNKNOWN})
"""Codes that stand beside the acknowledgement of a direct message, and end nothing."""

Waiter = Deferred[Receipt]


class Talk:
    """What one client and its server have to say to each other."""

    line: Lifeline

    def __init__(self) -> None:
        """Begin with nothing said; its owner then gives it its `line`."""
        self.name: str | None = None
        self.details: dict[str, Any] = {}
        self.connection: TypedConnection | None = None
        """The connection that is ready for use, if there is one."""
        self.outbox: Outbox[Waiter] = Outbox()
        self.readings = Readings()
        self.room = Gate(opened=True)
        """Open while there is room for more to send."""
        self.settled = Gate(opened=True)
        """Open while nothing is unacknowledged."""
        self.closing = False
        self.refusal: ClientError | None = None
        """Why the server takes nothing for now, until it acknowledges something again."""
        self._error: ClientError | None = None
        self._questions: Questions[Deferred[Any]] = Questions()
        self._replies: dict[type, Callable[[Any], None]] = {
            Ack: self._ack,
            Err: self._err,
            Pong: self._pong,
            Here: self._here,
            RoomList: lambda reply: self._answer("ROOMS", None, reply),
            Msg: self.readings.message,
            Subbed: self.readings.subbed,
            Live: self.readings.live,
            Unsubbed: self.readings.unsubbed,
            Missed: self.readings.missed,
            Join: self.readings.presence,
            Part: self.readings.presence,
        }

    # -- for the client ------------------------------------------------------

    @property
    def max_payload(self) -> int:
        """The largest message that the server takes, in bytes, as far as it is known."""
        told = self.details.get("max_payload")
        return told if isinstance(told, int) else LENGTH_BOUND - 1

    def send(self, room: str, payloads: list[bytes]) -> Waiter:
        """Send messages; the Deferred fires when all are stored."""
        if self._error is not None or self.closing:
            return fail(self._ended())
        waiter: Waiter = Deferred()
        self.outbox.add(room, payloads, waiter)
        self.settled.shut()
        if self.outbox.owed > ROOM_BYTES:
            self.room.shut()
        self._flush()
        return waiter

    def ask(self, request: Asked) -> Deferred[Any]:
        """Ask something; the Deferred fires with the reply."""
        if self._error is not None or self.closing:
            return fail(self._ended())
        waiter: Deferred[Any] = Deferred(self._questions.forget)
        self._questions.add(request, waiter)
        self._write(request.encode())
        return waiter

    def read(self, reading: Reading) -> None:
        """Begin to read."""
        self.readings.add(reading)
        if self._error is not None or self.closing:
            reading.end(self._error)
        elif self.connection is not None and isinstance(reading.core, Subscription):
            reading.core.connected()

    def say(self, request: Sub | Unsub | Who) -> None:
        """Say something that a reading has to say."""
        self._write(request.encode())

    # -- for the connection --------------------------------------------------

    def made(self, connection: TypedConnection, welcome: Welcome) -> None:
        """The server has made this client welcome: say what is owed."""
        try:
            settled = self.outbox.resume(welcome.last_id, unknown_outcome())
        except ValueError as error:
            connection.end(NotUnderstood(str(error)))
            connection.close()
            return
        self.name, self.details = welcome.name, welcome.details
        self.connection = connection
        if settled:
            self.refusal = None
        self.readings.connected()
        self._write(self._questions.again())
        self._flush()
        self.line.came()
        self._settle(settled)

    def lost(self, connection: TypedConnection) -> None:
        """A connection is gone."""
        self.connection = None
        self.readings.lost()
        self.line.went(connection.error)

    def replied(self, reply: Reply) -> None:
        """The server says something."""
        take = self._replies.get(type(reply))
        if take is not None:
            take(reply)

    def rested(self) -> None:
        """All that has come together was taken in."""
        self.readings.rest()

    def drained(self) -> None:
        """The transport takes more: what waited for that goes out."""
        self._flush()

    def end(self, error: ClientError) -> None:
        """No connection will be tried any more: give every wait the reason."""
        self._error = error
        self.connection = None
        closed = self.closing or isinstance(error, Disconnected)
        self.readings.end(None if closed else error)
        for batch in self.outbox.clear():
            batch.waiter.errback(anew(error))
        for waiter in self._questions.clear():
            waiter.errback(anew(error))
        self.room.fail(error)
        self.settled.fail(error)

    # -- what the server says ------------------------------------------------

    def _ack(self, reply: Ack) -> None:
        """Messages are stored."""
        self.refusal = None
        unknown = unknown_outcome() if reply.dup else None
        self._settle(self.outbox.acknowledge(reply.id, reply.seq, unknown))

    def _pong(self, reply: Pong) -> None:
        """The server is there; without a token it was the heartbeat that asked."""
        if reply.token is not None:
            self._answer("PING", reply.token, reply)

    def _here(self, reply: Here) -> None:
        """Who is in a room: asked for, or told for want of room."""
        self._answer("WHO", reply.room, reply)
        self.readings.presence(reply)

    def _err(self, reply: Err) -> None:
        """Something was wrong with a request."""
        error = answered(reply.code, reply.reason)
        verb, subject = reply.verb, reply.subject
        if verb == "PUB":
            self._refused(reply, error)
        elif verb == "SUB" and subject is not None:
            self.readings.refused(subject, error)
        elif verb is not None:
            waiter = self._questions.answered(verb, subject)
            if waiter is not None:
                waiter.errback(error)

    def _ended(self) -> Exception:
        """Return why nothing more is sent or asked."""
        return anew(self._error) if self._error else Disconnected("this client was closed")

    def _refused(self, reply: Err, error: ClientError) -> None:
        """A message is not taken: give it up, and send the others again."""
        if reply.subject is None and reply.code == ErrorCode.BUSY:
            self.refusal = error  # of all that is not acknowledged; it is sent again later
            self._cut(error)
            return
        id_ = number(reply.subject or "")
        if id_ is None and reply.code == ErrorCode.TOO_LARGE:
            id_ = self.outbox.oldest  # what came before it is acknowledged before it
        if id_ is None:
            return
        room = self.outbox.room_of(id_)
        notice = reply.code in NOTICES
        if room is None and notice:
            return  # it came behind the acknowledgement, which said all that is promised
        batch = self.outbox.refuse(id_, error)
        if not (notice and room is not None and room[:1] == DIRECT):
            if room is not None:
                self.line.forgive(error)  # it is this message's fault
            self._cut(error)
        self._settle([] if batch is None else [batch])

    def _cut(self, error: ClientError) -> None:
        """End the connection, as the server does behind a refusal; another is tried."""
        if self.connection is not None:
            self.connection.end(error)
            self.connection.close()

    def _answer(self, verb: str, subject: str | None, reply: Reply) -> None:
        """Give an answer to whoever asked."""
        waiter = self._questions.answered(verb, subject)
        if waiter is not None:
            waiter.callback(reply)

    # -- within --------------------------------------------------------------

    def _write(self, data: bytes) -> None:
        """Send frames if there is a connection; what is lost is said again on the next one."""
        if data and self.connection is not None and self.connection.error is None:
            self.connection.write(data)

    def _flush(self) -> None:
        """Send what may be on its way, if the server reads: an `ACK` alone does not say so."""
        connection = self.connection
        if connection is not None and connection.error is None and not connection.full:
            self._write(self.outbox.take())

    def _settle(self, batches: Iterable[Batch[Waiter]]) -> None:
        """Tell who waits that messages are stored, or why not."""
        self._flush()
        if self.outbox.owed <= FLIGHT_BYTES:
            self.room.open()
        for batch in batches:
            if batch.errors:
                batch.waiter.errback(next(iter(batch.errors.values())))
            else:
                batch.waiter.callback(batch.receipt)
        if self.outbox.empty:
            self.settled.open()

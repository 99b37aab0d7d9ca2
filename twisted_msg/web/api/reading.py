"""A room's messages on their way into a response; and its history, an object a line.

Law of this file: the response is a member like any other.  While its peer does not read,
nothing is read for it, and what is not known to be complete does not end as if it were.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from twisted_msg.rows import missed_row
from twisted_msg.server import Server
from twisted_msg.times import read_since
from twisted_msg.web.answers import error_body
from twisted_msg.web.api.encoding import Part, Row, RowCache
from twisted_msg.web.api.exchange import Exchange, wrong
from twisted_msg.web.inside import Conversation
from twisted_msg.wire import ErrorCode
from twisted_msg.wire.names import DIRECT
from twisted_msg.wire.replies import Err, Live, Missed, Msg, Reply, Subbed
from twisted_msg.wire.requests import Bye, Sub
from twisted_msg.wire.words import read_name, read_number, read_room

PLACES: Final[tuple[str, ...]] = ("from", "last", "since")
"""The parameters that say where to begin."""

WRITE_SIZE: Final = 16 * 1024
"""Bytes up to which encoded parts are joined before they are written.  With the largest part after
them, and what the transport holds before it pauses the response, that is 152 KiB."""


def read_target(exchange: Exchange) -> str:
    """Return the room, or `@name`, of a request's path.  Raises `ProtocolError` for neither."""
    room = exchange.room
    if room.startswith(DIRECT):
        read_name(room.removeprefix(DIRECT), ErrorCode.BAD_NAME)
    else:
        read_room(room, ErrorCode.BAD_ROOM)
    return room


def read_place(room: str, given: dict[str, str]) -> Sub:
    """Return how to join a room, as the query's parameters say.  Raises `ProtocolError`."""
    places = {key: read_number(given[key], f"{key}=") for key in PLACES[:2] if key in given}
    if "since" in given:
        try:
            places["since"] = read_since(given["since"])
        except ValueError as error:
            raise wrong(f"since: {error}") from None
    return Sub(room, places.get("from"), places.get("last"), places.get("since"))


@implementer(IPushProducer)
class Feed(ABC):
    """Writes what is read of one room into one response."""

    content: str
    """The response's content type."""

    greeting = b""
    """What the response begins with, at once."""

    body = True
    """Whether there is more to the response than its head."""

    def __init__(
        self, server: Server, exchange: Exchange, place: Sub, seen: int | None = None
    ) -> None:
        """Join the room, and begin the response after the server has replied.

        `seen` is the sequence number in `Last-Event-ID`, if `place` comes from there.  A number
        beyond the head of the room is not refused.
        """
        self.exchange = exchange
        self._room = place.room
        self._seen = seen
        self._is_reset = False
        self.paused = False
        self._unwritten: deque[Row] = deque()
        self._end: Callable[[], None] | None = None
        """What ends the response when everything is written, once that is known."""
        self.conversation = Conversation(server, exchange.asker, self._heard, self._ended)
        self.conversation.say(place)
        exchange.request.registerProducer(self, True)
        exchange.request.notifyFinish().addErrback(lambda _: self.stopProducing())

    # -- what differs --------------------------------------------------------

    @abstractmethod
    def message(self, reply: Msg) -> Row:
        """Return what stands for a message."""

    @abstractmethod
    def missed(self, reply: Missed) -> bytes:
        """Return what stands where messages are no longer kept."""

    @abstractmethod
    def live(self, reply: Live) -> bytes:
        """Return what stands behind the messages that were there at the beginning."""

    @abstractmethod
    def refused(self, reply: Err) -> bytes:
        """Return what stands last in a response that cannot go on."""

    def reset(self, seen: int, head: int) -> bytes:
        """Return what says that the peer has seen messages that the room does not hold."""
        return b""

    # -- from the server -----------------------------------------------------

    def _heard(self, replies: list[Reply]) -> None:
        """Take a batch of replies, and write as much of it as the peer accepts."""
        for reply in replies:
            if self._end is not None:
                break
            if isinstance(reply, Msg):
                self.exchange.held += len(reply.payload)
                self._unwritten.append(self.message(reply))
            elif isinstance(reply, Missed):
                self._add(self.missed(reply))
            elif isinstance(reply, Live):
                self._add(self.live(reply))
            elif isinstance(reply, Subbed):
                self.exchange.begin(self.content, self.greeting)
                if self._is_reset and self._seen is not None:
                    self._add(self.reset(self._seen, reply.head))
                if not self.body:
                    self.close(self.exchange.finish)
                    self.conversation.abort()
            elif isinstance(reply, Err):
                if self._continues_from_head(reply):
                    continue
                if self.exchange.begun:
                    self._add(self.refused(reply))
                self.close(partial(self.exchange.refuse, reply.code, reply.reason))
        self._write()

    def _continues_from_head(self, refusal: Err) -> bool:
        """Join at the newest message if the peer has seen a higher number; return whether it has.

        The room has then lost its newest messages, for example because an older copy of the store
        was put in place.  A server of a cluster must check here first that it is not merely behind
        the others.
        """
        if self._seen is None or self._is_reset or refusal.code != ErrorCode.BAD_ARGS:
            return False
        self._is_reset = True
        self.conversation.say(Sub(self._room))
        return True

    def _ended(self) -> None:
        """The server ended the conversation."""
        self.close(self.cut_off)
        self._write()

    def cut_off(self) -> None:
        """End a response whose room can be read no further."""
        self.exchange.refuse(ErrorCode.BUSY, "the server stops: ask again")

    def close(self, end: Callable[[], None]) -> None:
        """Leave the room, and call `end` when what is at hand is written."""
        if self._end is None:
            self._end = partial(self._finish, end)
            self.conversation.say(Bye())
            self.conversation.resume()

    def _finish(self, end: Callable[[], None]) -> None:
        self.exchange.request.unregisterProducer()
        end()

    # -- for the response ----------------------------------------------------

    def pauseProducing(self) -> None:
        """The peer does not read: neither do we."""
        self.paused = True
        if self._end is None:
            self.conversation.pause()

    def resumeProducing(self) -> None:
        """The peer has everything."""
        self.paused = False
        self._write()
        if not self.paused:
            self.conversation.resume()

    def stopProducing(self) -> None:
        """The peer is gone."""
        self._unwritten.clear()
        self._end = _nothing
        self.conversation.abort()

    def _add(self, data: bytes) -> None:
        self._unwritten.append(Part(data, 0))

    def _write(self) -> None:
        """Write until the peer has enough, and end the response if that was all of it."""
        while not self.paused and (data := self._next()):
            self.exchange.write(data)
        if self._end is not None and not self._unwritten:
            end, self._end = self._end, _nothing
            end()

    def _next(self) -> bytes:
        """Return the next bytes to write, or nothing if there are none."""
        pieces: list[bytes] = []
        size = held = 0
        while self._unwritten and size < WRITE_SIZE:
            row = self._unwritten[0]
            part = row if isinstance(row, Part) else next(row, None)
            if part is None or part is row:
                self._unwritten.popleft()
            if part is not None:
                data, length = part
                pieces.append(data)
                size += len(data)
                held += length
        self.exchange.held -= held
        return b"".join(pieces)


def _nothing() -> None:
    """Do nothing: the response has ended."""


class History(Feed):
    """What a room holds, up to what it held when it was asked."""

    content = "application/x-ndjson"

    def __init__(
        self, server: Server, exchange: Exchange, place: Sub, rows: RowCache, limit: int | None
    ) -> None:
        """Take where rows are encoded, and the most messages to write, None for all."""
        super().__init__(server, exchange, place)
        self._rows = rows
        self._left = limit

    def message(self, reply: Msg) -> Row:
        """Return a line."""
        if self._left is not None:
            self._left -= 1
            if not self._left:
                self.close(self.exchange.finish)
                self.conversation.abort()  # lest it be sent all the rest first
        return self._rows.row(reply)

    def missed(self, reply: Missed) -> bytes:
        """Return a line."""
        return missed_row(*reply)

    def live(self, reply: Live) -> bytes:
        """This is the end."""
        self.close(self.exchange.finish)
        return b""

    def refused(self, reply: Err) -> bytes:
        """Return a line."""
        return error_body(reply.code, reply.reason)


class Head(Feed):
    """The head of a response alone, which the server decides as it does that of a whole one."""

    body = False

    def __init__(
        self,
        server: Server,
        exchange: Exchange,
        place: Sub,
        content: str,
        seen: int | None = None,
    ) -> None:
        """Take the content type."""
        self.content = content
        super().__init__(server, exchange, place, seen)

    def message(self, reply: Msg) -> Row:
        """Return nothing, as for all that a body would have."""
        return Part(b"", 0)

    def missed(self, reply: Missed) -> bytes:
        """Return nothing."""
        return b""

    def live(self, reply: Live) -> bytes:
        """Return nothing."""
        return b""

    def refused(self, reply: Err) -> bytes:
        """Return nothing."""
        return b""


class Readings:
    """Answers who wants to read."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._rows = RowCache()

    async def read(self, exchange: Exchange) -> None:
        """Begin to write a room's history.  Raises `ProtocolError`."""
        given = exchange.parameters(*PLACES, "limit")
        place = read_place(read_target(exchange), given)
        if not any(key in given for key in PLACES):
            place = place._replace(start=0)
        limit = read_number(given["limit"], "limit=") if "limit" in given else None
        if limit == 0:
            raise wrong("limit= is at least 1: leave it out for no limit")
        if exchange.head:
            Head(self._server, exchange, place, History.content)
        else:
            History(self._server, exchange, place, self._rows, limit)

"""Following a room: server-sent events.

Law of this file: whoever comes back with the last id that it was given misses nothing, so
an id is given as soon as there is one; one timer keeps all quiet streams open.
"""

from __future__ import annotations

from typing import Final

from twisted.internet.task import LoopingCall

from twisted_msg.rows import json_row, missed_row
from twisted_msg.server import Server
from twisted_msg.web.answers import error_body
from twisted_msg.web.api.encoding import Row, RowCache
from twisted_msg.web.api.exchange import Exchange, wrong
from twisted_msg.web.api.reading import PLACES, Feed, Head, read_place, read_target
from twisted_msg.wire.names import MAX_ID, number
from twisted_msg.wire.replies import Err, Live, Missed, Msg
from twisted_msg.wire.requests import Bye, Sub
from twisted_msg.wire.words import quoted

CONTENT: Final = "text/event-stream"

RETRY_MILLIS: Final = 1000
"""After how long a browser connects again: a restart takes about a second."""

BEAT_SECONDS: Final = 15.0
"""How often a comment is sent on a quiet stream: proxies close one that is silent for a
minute, some for half of it, and a peer that vanished is found out by what it does not take."""


class Followers:
    """All who follow, and their heartbeat."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._following: dict[Following, None] = {}
        self._events = RowCache(lambda seq: b"id: %d\nevent: message\ndata: " % seq, b"\n")
        self._beat = LoopingCall(self._tell_all)
        self._beat.clock = server.clock

    async def follow(self, exchange: Exchange) -> None:
        """Begin to write a room's messages as they come.  Raises `ProtocolError`."""
        place = read_place(read_target(exchange), exchange.parameters(*PLACES))
        seen: int | None = None
        last = exchange.header("Last-Event-ID")
        if last:
            seen = _read_last_id(last)
            place = Sub(place.room, seen + 1)
        if exchange.head:
            Head(self._server, exchange, place, CONTENT, seen)
            return
        following = Following(self._server, exchange, place, self._events, seen)
        exchange.request.leave = following.leave
        self._following[following] = None
        exchange.request.notifyFinish().addBoth(lambda _: self._left(following))
        if not self._beat.running:
            self._beat.start(BEAT_SECONDS, now=False).addErrback(self._server.failed)

    def _left(self, following: Following) -> None:
        del self._following[following]
        del following.exchange.request.leave  # which holds what holds the request
        if not self._following and self._beat.running:
            self._beat.stop()

    def _tell_all(self) -> None:
        for following in list(self._following):
            following.beat()


def _read_last_id(value: bytes) -> int:
    """Return the number of the last event that the client received.

    A number that is too large for a sequence number is beyond the head of every room.
    Raises `ProtocolError` for anything but ASCII digits.
    """
    if value.isdigit():
        seen = number(value.decode("ascii"))
        return MAX_ID - 1 if seen is None else min(seen, MAX_ID - 1)
    raise wrong(
        "Last-Event-ID is the id of an event of this room, a whole number, not "
        f"{quoted(value.decode('ascii', 'backslashreplace'))}"
    )


class Following(Feed):
    """One stream of events."""

    content = CONTENT
    greeting = b"retry: %d\n\n" % RETRY_MILLIS

    def __init__(
        self,
        server: Server,
        exchange: Exchange,
        place: Sub,
        events: RowCache,
        seen: int | None,
    ) -> None:
        """Take where the events are made."""
        super().__init__(server, exchange, place, seen)
        self._events = events

    def message(self, reply: Msg) -> Row:
        """Return an event."""
        return self._events.row(reply)

    def missed(self, reply: Missed) -> bytes:
        """Return an event; who comes back has been told."""
        return b"id: %d\nevent: missed\ndata: %s\n" % (reply.last, missed_row(*reply))

    def live(self, reply: Live) -> bytes:
        """Return an event, whose id makes a stream that saw no message come back here."""
        row = json_row({"room": reply.room, "live": reply.head})
        return b"id: %d\nevent: live\ndata: %s\n" % (reply.head, row)

    def reset(self, seen: int, head: int) -> bytes:
        """Return an event, whose id makes the client come back here and not ahead again."""
        row = json_row({"room": self._room, "reset": {"seen": seen, "head": head}})
        return b"id: %d\nevent: reset\ndata: %s\n" % (head, row)

    def refused(self, reply: Err) -> bytes:
        """Return an event without an id, for it is none of the room's."""
        return b"event: refused\ndata: %s\n" % error_body(reply.code, reply.reason)

    def cut_off(self) -> None:
        """End; whoever follows comes back by itself, to this server or the next."""
        if self.exchange.begun:
            self.exchange.finish()
        else:
            super().cut_off()

    def leave(self) -> None:
        """Nobody may be there any more: send what is owed, as to any peer that says goodbye."""
        self.conversation.say(Bye())

    def beat(self) -> None:
        """Show that the stream is alive, where that will be read."""
        if self.exchange.begun and not self.paused:
            self.exchange.write(b":\n\n")

"""Which rooms there are, and who is in one.

Law of this file: asking is no joining; a list that was cut says so.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from twisted_msg.pace import LIST_PART
from twisted_msg.server import Server
from twisted_msg.session.lists import by_name, list_rooms
from twisted_msg.web.api.exchange import Exchange
from twisted_msg.web.inside import ask
from twisted_msg.wire import ErrorCode
from twisted_msg.wire.replies import Err, Here
from twisted_msg.wire.requests import Who
from twisted_msg.wire.words import read_room

STOPS: Final = "the server stops: ask again"
"""What is answered to one who asks too late."""

LEFT_OUT: Final = "Left-Out"
"""The header that says how many entries a list lacks: it is cut at the payload's limit."""


class Lists:
    """Answers who wants to know."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def rooms(self, exchange: Exchange) -> None:
        """Answer with all rooms.  Raises `ProtocolError`."""
        exchange.parameters()
        if self._server.stopping:
            exchange.refuse(ErrorCode.BUSY, STOPS)
            return
        house = self._server.house
        work = list_rooms(
            house.rooms,
            house.max_payload,
            partial(self._answer_rooms, exchange),
            entry=_entry,
            order=by_name,
        )
        # Nothing is awaited: a peer that goes meanwhile would leave a coroutine that never goes on,
        # in a cycle with its Deferred and the request.
        house.portions.run(work, lambda: not exchange.over)

    @staticmethod
    def _answer_rooms(exchange: Exchange, parts: list[bytes], cut: int) -> None:
        """Answer with a list, given in parts; `cut` is the number of rooms left out of it."""
        body = b"[%b]\n" % b",".join(parts)
        if exchange.asker.pace is not None:
            exchange.asker.pace.count(1 + len(body) // LIST_PART)
        if cut:
            exchange.set(LEFT_OUT, str(cut))
        exchange.answer_with(body)

    async def members(self, exchange: Exchange) -> None:
        """Answer with the names of who is in a room.  Raises `ProtocolError`."""
        exchange.parameters()
        question = Who(read_room(exchange.room, ErrorCode.BAD_ROOM))
        for reply in await ask(self._server, exchange.asker, question):
            if isinstance(reply, Here):
                if reply.cut:
                    exchange.set(LEFT_OUT, str(reply.cut))
                exchange.answer(sorted(reply.names, key=str.casefold))
                return
            if isinstance(reply, Err):
                exchange.refuse(reply.code, reply.reason)
                return
        exchange.refuse(ErrorCode.BUSY, STOPS)


def _entry(room: str, head: int, members: int) -> bytes:
    """Return a room as `tcpmsg rooms --json` shows it."""
    return b'{"room":"%b","members":%d,"seq":%d}' % (room.encode(), members, head)

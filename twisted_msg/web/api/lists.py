"""Which rooms there are, and who is in one.

Law of this file: asking is no joining; a list that was cut says so.
"""

from __future__ import annotations

from typing import Any, Final

from twisted_msg.server import Server
from twisted_msg.web.api.exchange import Exchange
from twisted_msg.web.inside import ask
from twisted_msg.wire import ErrorCode
from twisted_msg.wire.replies import Err, Here, RoomList
from twisted_msg.wire.requests import Rooms, Who
from twisted_msg.wire.words import read_room

LEFT_OUT: Final = "Left-Out"
"""The header that says how many entries a list lacks: it is cut at the payload's limit."""


class Lists:
    """Answers who wants to know."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def rooms(self, exchange: Exchange) -> None:
        """Answer with all rooms.  Raises `ProtocolError`."""
        exchange.parameters()
        await self._list(exchange, Rooms())

    async def members(self, exchange: Exchange) -> None:
        """Answer with the names of who is in a room.  Raises `ProtocolError`."""
        exchange.parameters()
        await self._list(exchange, Who(read_room(exchange.room, ErrorCode.BAD_ROOM)))

    async def _list(self, exchange: Exchange, question: Rooms | Who) -> None:
        for reply in await ask(self._server, exchange.asker, question):
            if isinstance(reply, Here | RoomList):
                if reply.cut:
                    exchange.set(LEFT_OUT, str(reply.cut))
                exchange.answer(_sorted(reply))
                return
            if isinstance(reply, Err):
                exchange.refuse(reply.code, reply.reason)
                return
        exchange.refuse(ErrorCode.BUSY, "the server stops: ask again")


def _sorted(reply: Here | RoomList) -> list[Any]:
    """Return a list in the order of names, rooms as `tcpmsg rooms --json` shows them."""
    if isinstance(reply, Here):
        return sorted(reply.names, key=str.casefold)
    rooms = sorted(reply.rooms, key=lambda room: (room["room"].casefold(), room["room"]))
    return [
        {"room": room["room"], "members": room["members"], "seq": room["head"]} for room in rooms
    ]

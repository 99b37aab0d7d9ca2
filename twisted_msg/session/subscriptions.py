"""The rooms that a typed connection is in: how it joins and leaves them, and what it is told there.

Law of this file: a room is joined when everything that was said in it before is stored, and
at most once; `SUBBED` names the head that was seen then, and `LIVE` comes behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted_msg.log.views import TypedView
from twisted_msg.rooms.cursor import Cursor
from twisted_msg.rooms.room import Room
from twisted_msg.session import lists
from twisted_msg.session.costs import Costs
from twisted_msg.session.house import House
from twisted_msg.session.line import Line, Pause
from twisted_msg.wire import ErrorCode, ProtocolError, replies, requests

SUBSCRIPTIONS_LIMIT: Final = 1000
"""Rooms that one connection may be in: each costs a cursor and a place in the room."""

VIEW: Final = TypedView()
"""How all typed members see messages: one view, so that they share one encoding."""


class Subscriptions:
    """One connection's membership of rooms: their `Member`, whose `name` its session gives."""

    __slots__ = ("_costs", "_cursors", "_house", "_line", "_pause", "_refuse", "name", "number")

    def __init__(
        self,
        line: Line,
        house: House,
        costs: Costs,
        pause: Pause,
        refuse: Callable[[ProtocolError], None],
    ) -> None:
        """Take the line, the house, what counts costs, and how the session waits and refuses."""
        self._line = line
        self._house = house
        self._costs = costs
        self._pause = pause
        self._refuse = refuse
        self._cursors: dict[str, Cursor] = {}
        self.number = line.number
        self.name = ""

    # -- for the session -----------------------------------------------------

    def sub(self, request: requests.Sub) -> None:
        """Join a room, or read it from elsewhere on; the answer may come later.

        Raises `ProtocolError` if that cannot be.
        """
        if request.room not in self._cursors and len(self._cursors) >= SUBSCRIPTIONS_LIMIT:
            raise ProtocolError(
                ErrorCode.LIMIT,
                f"one connection is in {SUBSCRIPTIONS_LIMIT} rooms at the most: leave one with "
                "UNSUB, or open another connection",
                verb="SUB",
                subject=request.room,
            )
        room = self._costs.open(request.room)
        commits, since = self._house.commits, request.since
        if since is not None and room.durable and commits is not None:
            ask = commits.archive.since
            self._pause(
                lambda then: room.settle(lambda: ask(room.name, since, then)),
                lambda seq: self._enter(request, seq),
            )
        elif room.quiet:
            self._enter(request)
        else:
            self._pause(room.settle, lambda: self._enter(request))

    def unsub(self, request: requests.Unsub) -> None:
        """Leave a room, if it was joined."""
        cursor = self._cursors.pop(request.room, None)
        if cursor is not None:
            cursor.leave()
        self._line.outlet.answer(replies.Unsubbed(request.room).encode())
        room = self._house.rooms.get(request.room)
        if cursor is not None and room is not None:
            self._costs.told(room)

    def leave(self) -> None:
        """Leave every room, for the connection is gone."""
        while self._cursors:  # which hold their member, this object
            self._cursors.popitem()[1].leave()

    # -- for the rooms -------------------------------------------------------

    def fallen(self, cursor: Cursor, missed: int) -> None:
        """Never: this view has a frame for what is missed."""

    def unreadable(self, cursor: Cursor, reason: str) -> None:
        """Tell the peer that what comes next for it is damaged, and close."""
        self._refuse(ProtocolError(ErrorCode.INTERNAL, reason))

    def presence(self, cursor: Cursor, name: str, *, here: bool) -> bool:
        """Tell the peer that somebody came or went, if it reads."""
        event = replies.Join(cursor.room, name) if here else replies.Part(cursor.room, name)
        return self._line.outlet.notify(event.encode())

    def refresh(self, cursor: Cursor) -> None:
        """Tell the peer who is there, for it was not told of all who came and went."""
        self._line.outlet.answer(lists.here(self._house, cursor.room))

    # -- within --------------------------------------------------------------

    def _enter(self, request: requests.Sub, since: int | BaseException | None = None) -> None:
        """Join a room, everything that was said in it so far being stored."""
        if isinstance(since, BaseException):
            raise ProtocolError(ErrorCode.INTERNAL, f"the store does not answer: {since}")
        room = self._house.rooms.open(request.room)
        head, seq = room.head, self._beginning(room, request, since)
        before = self._cursors.get(room.name)
        cursor = room.join(self, self._line.outlet, VIEW, seq=seq, instead=before)
        cursor.marker, cursor.marker_at = replies.Live(room.name, head).encode(), head
        self._cursors[room.name] = cursor
        self._line.outlet.answer(replies.Subbed(room.name, head).encode())
        if request.presence:
            room.watch(cursor)
        self._line.outlet.follow(cursor)
        if before is None:
            self._costs.told(room)

    @staticmethod
    def _beginning(room: Room, request: requests.Sub, since: int | None) -> int:
        """Return the sequence number that is read first; `since` is what the store has found."""
        behind = room.head + 1
        if request.start is not None:
            seq = request.start or room.first
            if seq > behind:
                raise ProtocolError(
                    ErrorCode.BAD_ARGS,
                    f"from={seq} is beyond what was said in {room.name}: the next message is "
                    f"{behind}, so from={behind} waits for it",
                    verb="SUB",
                    subject=room.name,
                )
            return seq
        if request.last is not None:
            return max(room.first, behind - request.last)
        if request.since is not None:
            return min(room.tail.since(request.since) if since is None else since, behind)
        return behind

"""What a typed peer's requests cost the others, and that they have their turn before its next.

Law of this file: what costs more than a message counts as more, and is said in messages.
"""

from __future__ import annotations

from twisted_msg.pace import LIST_PART, ROOM_COST, WATCHERS_PART
from twisted_msg.rooms.room import Room
from twisted_msg.session.house import House
from twisted_msg.session.line import Line, Pause


class Costs:
    """Counts for one connection what its requests cost."""

    __slots__ = ("_house", "_line", "_pause")

    def __init__(self, line: Line, house: House, pause: Pause) -> None:
        """Take the line, the house, and the session's way to wait."""
        self._line = line
        self._house = house
        self._pause = pause

    def open(self, name: str) -> Room:
        """Return a room; one that begins with this counts as many messages.

        Raises `ProtocolError` if there may be no more rooms.
        """
        rooms = self._house.rooms
        before = len(rooms)
        room = rooms.open(name)
        if len(rooms) > before:
            self._line.charge(ROOM_COST)
        return room

    def told(self, room: Room) -> None:
        """Who watches a room was told that somebody came or went."""
        self._breathe(room.watched // WATCHERS_PART)

    def list(self, answer: bytes) -> None:
        """Send a list of rooms or members; it counts by its size."""
        self._line.outlet.answer(answer)
        self._breathe(1 + len(answer) // LIST_PART)

    def _breathe(self, cost: int) -> None:
        """Let all others have their turn before this peer's next frame, if something was done."""
        if cost:
            self._line.charge(cost)
            self._pause(self._house.soon, lambda: None)

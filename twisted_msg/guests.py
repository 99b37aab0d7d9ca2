"""Who is here: the number, the place and the line in the log of each that came.

Law of this file: a number is given once and a place is given back once, whoever takes it over
in between.  What guests do is their own matter.
"""

from __future__ import annotations

from typing import Any

from twisted_msg.counts import Counts, End
from twisted_msg.door import Door
from twisted_msg.host import Guest
from twisted_msg.journal import Journal
from twisted_msg.transports import relayed
from twisted_msg.wire import ProtocolError


class Guests:
    """The connections of one server, and what else takes their places."""

    def __init__(self, door: Door, journal: Journal, counts: Counts) -> None:
        self._door = door
        self._journal = journal
        self._counts = counts
        self._guests: dict[int, Guest] = {}
        self._within: set[int] = set()
        self._count = 0

    def enter(self, guest: Guest, transport: Any) -> ProtocolError | None:
        """Give a newcomer its number and a place, or return what to tell it."""
        self._number(guest)
        peer = transport.getPeer()
        error = self._door.enter(guest.number, peer, relayed=relayed(transport))
        if error is not None:
            self._journal.turned_away(peer, error.reason)
        return error

    def claim(self, guest: Guest, client: Any, *, relayed: bool = False) -> ProtocolError | None:
        """Count a connection for the client's address, or return the error that refuses it."""
        error = self._door.claim(guest.number, client, relayed=relayed)
        if error is not None:
            self._journal.turned_away(client, error.reason)
        return error

    def release(self, guest: Guest) -> None:
        """Stop counting a connection for an address: its next request may be of another client."""
        self._door.release(guest.number)

    def enter_within(self, guest: Guest) -> None:
        """Give a number alone to what lies within a guest: it takes no place, and no line."""
        self._number(guest)
        self._within.add(guest.number)

    def take_over(self, guest: Guest) -> None:
        """Give the place of a guest to another one, which has its number."""
        self._guests[guest.number] = guest

    def leave(self, guest: Guest, peer: Any, end: End, reason: str, *, refused: bool) -> None:
        """Forget a guest that is gone, and say why in the log; "" says nothing there."""
        number = guest.number
        self._guests.pop(number, None)
        if number in self._within:
            self._within.remove(number)
            return
        if not self._door.leave(number):
            end = End.TURNED_AWAY
        elif reason:
            self._journal.left(number, peer, reason, refused=refused)
        self._counts.ended[end] += 1

    def all(self) -> list[Guest]:
        """Return those who are here."""
        return list(self._guests.values())

    def __contains__(self, guest: Guest) -> bool:
        return self._guests.get(guest.number) is guest

    def __bool__(self) -> bool:
        return bool(self._guests)

    def __len__(self) -> int:
        """Return how many places are taken."""
        return len(self._guests) - len(self._within)

    def _number(self, guest: Guest) -> None:
        self._count += 1
        guest.number = self._count
        self._guests[guest.number] = guest

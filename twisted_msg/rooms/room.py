"""A room: what is said in it, and a cursor in its log for every member.

Law of this file: what is said in one turn of the reactor is one batch, members see what
the log has taken and nothing before, and a batch costs only the members that wait for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Final

from twisted_msg.counts import Counts
from twisted_msg.log.commits import Debtor
from twisted_msg.log.memory import MemoryLog
from twisted_msg.log.piece import MESSAGE_COST, Author, Piece, View, cut
from twisted_msg.rooms.cursor import Cursor, Member, Reader
from twisted_msg.rooms.holds import Publisher

TURN_BYTES: Final = 16 * 1024 * 1024
"""Bytes of one batch that members are sent in one turn of the reactor: some milliseconds of the
kernel's copying.  A message of 1 MiB to a hundred at once kept all others waiting for 80."""

SET_BACK: Final = 60_000
"""Milliseconds that a clock may be set back without a room's time going back.  A clock that is set
back by more was ahead before.  The room's time then goes back with it, so that new messages do not
have a time in the future."""


class Room(ABC):
    """One room of the server; its kinds say how a batch gets into the log.

    `head` is the highest sequence number that members may see, `received` the highest that
    was given.
    """

    durable: bool
    congested = False
    """Whether whoever has not published here yet must wait (see `admit`)."""

    def __init__(
        self,
        name: str,
        head: int,
        now: Callable[[], int],
        soon: Callable[[Callable[[], None]], object],
        counts: Counts,
    ) -> None:
        """Take the room's name, where its numbers begin, a clock of Unix milliseconds, and time.

        `soon` calls a function when this turn of the reactor is over; `counts` is where the
        messages are counted.
        """
        self.name = name
        self.received = head
        self.ended = False
        """Whether it is gone: who still knows it asks for the room of that name again."""
        self.tail = MemoryLog(head)
        self.members: dict[Cursor, None] = {}
        self._now = now
        self._soon = soon
        self._counts = counts
        self._idle: dict[Cursor, None] = {}
        self._later: list[Cursor] = []
        self._millis = 0
        self._authors: list[Author] = []
        self._payloads: list[bytes] = []
        self._weight = 0
        self._watchers: dict[Cursor, None] = {}

    @property
    @abstractmethod
    def full(self) -> bool:
        """Whether those who publish should say no more than one message each, and wait."""

    @property
    def quiet(self) -> bool:
        """Whether everything that was said can be seen."""
        return self.received == self.tail.head

    # -- for members ---------------------------------------------------------

    @property
    def head(self) -> int:
        """The highest sequence number that members may see."""
        return self.tail.head

    @property
    def first(self) -> int:
        """The lowest sequence number that is kept."""
        return self.tail.first

    def join(
        self,
        member: Member,
        reader: Reader,
        view: View,
        *,
        seq: int | None = None,
        without: int | None = None,
        instead: Cursor | None = None,
    ) -> Cursor:
        """Return a new member's cursor, which reads from `seq` on, or what is said from now on.

        `instead` is the member's cursor so far, if it has one.
        """
        cursor = Cursor(
            self, member, reader, view, self.received + 1 if seq is None else seq, without
        )
        self._wait_for(cursor)  # before the other lets go of what this one wants
        newcomer = instead is None or instead.ended
        if instead is not None and not instead.ended:
            instead.leave(quietly=True)
        self.members[cursor] = None  # before others are told: they may be told who is here
        self._counts.delivered -= cursor.seq
        if newcomer:
            self._tell(member.name, here=True)
        return cursor

    def watch(self, cursor: Cursor) -> None:
        """Tell a member who comes and goes from now on."""
        self._watchers[cursor] = None

    @property
    def watched(self) -> int:
        """How many members are told who comes and goes."""
        return len(self._watchers)

    def names(self) -> Iterator[str]:
        """Return the members' names, in the order of their coming."""
        return (cursor.member.name for cursor in self.members)

    def fetch(self, cursor: Cursor) -> None:  # noqa: B027 (not abstract: some hold all they keep)
        """Have the piece fetched that a cursor reads next; see `Shelf`."""

    def passed(self, cursor: Cursor) -> None:  # noqa: B027 (only some rooms wait)
        """Note that a cursor has moved on."""

    def left_out(self, count: int) -> None:
        """Note that a cursor steps over so many numbers; see `Shelf`."""
        self._counts.delivered -= count

    @property
    def readers_behind(self) -> int:
        """How many members have not taken all that they may see."""
        return len(self.members) - len(self._idle)

    def _wait_for(self, cursor: Cursor) -> None:  # noqa: B027 (only some rooms wait)
        """Note that a cursor may have something to read, until it has caught up."""

    def caught_up(self, cursor: Cursor) -> None:
        """Note that a cursor wants nothing that the room holds now."""
        if cursor.limit is None or not cursor.done:
            self._idle[cursor] = None
            cursor.idle = True
        else:
            self._not_idle(cursor)
        if cursor.stale:
            cursor.stale = False
            cursor.member.refresh(cursor)

    def forget(self, cursor: Cursor, *, quietly: bool) -> None:
        """Take a cursor out; see `Cursor.leave`."""
        del self.members[cursor]
        self._counts.delivered += cursor.seq
        self._not_idle(cursor)
        self._watchers.pop(cursor, None)
        if not quietly:
            self._tell(cursor.member.name, here=False)

    # -- for publishers ------------------------------------------------------

    def publish(self, publisher: Publisher, author: Author, payload: bytes) -> int:
        """Say something; returns the sequence number that it will have.

        A room that is full still takes it, and asks the publisher to hold.
        """
        if not self._payloads:
            self._begin()
        self.received += 1
        self._authors.append(author)
        self._payloads.append(payload)
        self._bear(publisher, MESSAGE_COST + 2 * len(payload))
        return self.received

    def publish_run(self, publisher: Publisher, author: Author, payloads: list[bytes]) -> int:
        """Say many things at once; returns the sequence number that the last one will have."""
        if not self._payloads:
            self._begin()
        self.received += len(payloads)
        self._authors += [author] * len(payloads)
        self._payloads += payloads
        self._bear(publisher, MESSAGE_COST * len(payloads) + 2 * sum(map(len, payloads)))
        return self.received

    @abstractmethod
    def shrink(self) -> None:
        """Forget what need not be in memory."""

    def admit(self, publisher: Publisher) -> None:  # noqa: B027 (not abstract: some never wait)
        """Have a newcomer hold while the room is congested, before it has said anything."""

    @abstractmethod
    def owe(self, debtor: Debtor, number: int, seq: int) -> None:
        """Note that a debtor is owed the acknowledgement of an id, which has this number here."""

    @abstractmethod
    def settle(self, then: Callable[[], None]) -> None:
        """Call back when everything said so far can be seen."""

    @abstractmethod
    def _begin(self) -> None:
        """The first message of a batch was said."""

    @abstractmethod
    def _bear(self, publisher: Publisher, weight: int) -> None:
        """Something was said that takes so many bytes; ask its publisher to hold if it must."""

    # -- for the log ---------------------------------------------------------

    def cut(self) -> list[Piece]:
        """Take what was said since the last time, cut into pieces; there may be none."""
        authors, payloads = self._authors, self._payloads
        if not payloads:
            return []
        self._authors, self._payloads = [], []
        self._weight = 0
        self._counts.received += len(payloads)
        now = self._now()
        if not 0 < self._millis - now < SET_BACK:
            self._millis = now
        first = self.received - len(payloads) + 1
        return cut(self.name, first, self._millis, authors, payloads)

    def committed(self, pieces: list[Piece]) -> None:
        """Show members what the log has taken."""
        for piece in pieces:
            self.tail.append(piece)
        self._wake_idle()

    def _wake_idle(self) -> None:
        """Wake who waits for what is in the log now; wait for those who do not take it all.

        They are as many as one turn of the reactor is for; the others come in the next ones, and
        while some of those still wait, nobody comes before them.
        """
        waiting = list(self._idle)
        if not waiting:
            return
        if self._later:
            portion = 0
        elif len(waiting) == 1:
            portion = 1
        else:
            portion = self._portion(waiting[0])
        later = waiting[portion:]
        for cursor in later:
            self._not_idle(cursor)
            self._wait_for(cursor)
        for cursor in waiting[:portion]:
            if cursor.idle:  # else it has left meanwhile
                cursor.reader.wake(cursor)
                if cursor.seq <= self.tail.head and cursor.idle:
                    self._not_idle(cursor)
                    self._wait_for(cursor)
        self._put_off(later)

    def _not_idle(self, cursor: Cursor) -> None:
        """Note that a cursor has something to read, or nothing more ever."""
        self._idle.pop(cursor, None)
        cursor.idle = False

    def _put_off(self, cursors: list[Cursor]) -> None:
        """Have these woken in the next turns, behind those who wait for that already."""
        if cursors and not self._later:
            self._soon(self._wake_later)
        self._later += cursors

    def _wake_later(self) -> None:
        """Wake some of those for whom the last turn had no time."""
        cursors, self._later = self._later, []
        portion = self._portion(cursors[0])
        self._put_off(cursors[portion:])
        for cursor in cursors[:portion]:
            if not cursor.ended:
                cursor.reader.wake(cursor)

    def _portion(self, cursor: Cursor) -> int:
        """Return how many members with as much to read as this one a turn has time for."""
        cost = 2
        for piece in self.tail.newest_first():
            if piece.last < cursor.seq:
                break
            cost += piece.cost  # twice its bytes on the wire, and a little
        return max(1, TURN_BYTES * 2 // cost)

    def _tell(self, name: str, *, here: bool) -> None:
        """Tell those who watch that somebody came or went; who is behind hears of it later."""
        for watcher in list(self._watchers):
            caught_up = watcher.idle and watcher.seq > self.tail.head
            if not caught_up or not watcher.member.presence(watcher, name, here=here):
                watcher.stale = True
                watcher.reader.wake(watcher)

"""The reading of one room: where to go on, and when to leave so as not to be flooded.

Law of this file: each message is handed on once and in order, or a gap stands where it
would have; no more than a bound is kept unread, whatever the server sends; the
transport is never paused, because acknowledgements come behind the messages.  Pure: no
Twisted, no clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple

from twisted_msg.client.errors import Gap, Refused
from twisted_msg.wire import ErrorCode
from twisted_msg.wire.replies import Msg
from twisted_msg.wire.requests import Sub, Unsub, Who

UNREAD_BYTES: Final = 1024 * 1024
"""Bytes of messages of one room that may wait unread, beside the one that goes over it: a
few thousand chat lines.  A single message may always wait, however large it is."""

UNREAD_COST: Final = 256
"""Bytes that a waiting message counts beside its payload: about what the object takes."""


class Message(NamedTuple):
    """A message of a room.

    `seq` is its sequence number there, `sender` the name of whoever sent it, `time` Unix
    time in milliseconds, `payload` its bytes; `extras` are words that later servers add.
    """

    room: str
    seq: int
    sender: str
    time: int
    payload: bytes
    extras: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The payload as text; what is not UTF-8 is escaped."""
        return self.payload.decode(errors="backslashreplace")


class Phase(Enum):
    """Where a reading stands with its server."""

    APART = "nothing was said on this connection"
    JOINING = "SUB is said, SUBBED is awaited"
    READING = "messages come"
    LEAVING = "UNSUB is said, UNSUBBED is awaited"
    DRAINING = "away until what is unread has been read"
    ENDED = "nothing more will come"


class Event(Enum):
    """What moves a reading from one phase to another."""

    CONNECTED = "there is a connection, and room for messages"
    CONNECTED_FULL = "there is a connection, and too much unread"
    LOST = "the connection is gone"
    SUBBED = "the server has let it in"
    AGAIN = "the server has another history: ask anew"
    FULL = "too much is unread"
    UNSUBBED = "the server has let it go"
    DRAINED = "enough has been read"
    END = "nobody wants more, or there is no more"


TRANSITIONS: Final[dict[tuple[Phase, Event], Phase]] = {
    (Phase.APART, Event.CONNECTED): Phase.JOINING,
    (Phase.APART, Event.CONNECTED_FULL): Phase.DRAINING,
    (Phase.JOINING, Event.SUBBED): Phase.READING,
    (Phase.JOINING, Event.AGAIN): Phase.JOINING,
    (Phase.READING, Event.FULL): Phase.LEAVING,
    (Phase.LEAVING, Event.UNSUBBED): Phase.DRAINING,
    (Phase.DRAINING, Event.DRAINED): Phase.JOINING,
    **{(phase, Event.LOST): Phase.APART for phase in Phase if phase is not Phase.ENDED},
    **{(phase, Event.END): Phase.ENDED for phase in Phase},
}
"""What follows; a pair that is missing here changes nothing and says nothing."""


class Subscription:
    """One room's messages, over however many connections.

    `say` is called with what the server is to be told, while there is a connection.
    """

    def __init__(
        self,
        request: Sub,
        say: Callable[[Sub | Unsub | Who], None],
        *,
        until_end: bool = False,
        unread_bytes: int = UNREAD_BYTES,
    ) -> None:
        """Take what to ask for first; with `until_end` it ends where the room ended then."""
        self.phase = Phase.APART
        self.unread: deque[Message | Gap] = deque()
        self.error: Exception | None = None
        """Why it has ended; None also if it was to end."""
        self.unanswered = False
        """Whether it has ended before the server's answer to its last `SUB`."""
        self.overflows = 0
        """How often it has left because too much was unread."""
        self._request = request
        self._say = say
        self._until_end = until_end
        self._limit = unread_bytes
        self._size = 0
        self._asked = False
        self._next: int | None = None  # the sequence to go on from, once it is known
        self._seen = -1  # the highest sequence that was kept
        self._last_head: int | None = None  # where it ends, with `until_end`
        self._replaced: int | None = None  # where it was in a history that is gone

    @property
    def room(self) -> str:
        """The room's name."""
        return self._request.room

    @property
    def ended(self) -> bool:
        """Whether nothing more will come, beside what is unread."""
        return self.phase is Phase.ENDED

    # -- from the server -----------------------------------------------------

    def connected(self) -> None:
        """There is a new connection."""
        full = self._size > self._limit // 2
        if self._move(Event.CONNECTED_FULL if full else Event.CONNECTED) and not full:
            self._ask()

    def lost(self) -> None:
        """The connection is gone."""
        self._replaced = None
        self._move(Event.LOST)

    def subbed(self, head: int) -> None:
        """The room's newest message is `head`."""
        if not self._move(Event.SUBBED):
            return
        if self._replaced is not None:
            self._keep(Gap(self.room, self._replaced, min(head, self._replaced - 1)))
            self._replaced, self._next, self._seen = None, head + 1, -1
        if self._next is None:
            self._next = self._after(head)
        if self._until_end and self._last_head is None:
            self._last_head = head

    def message(self, reply: Msg) -> None:
        """A message has come."""
        seq = reply.seq
        if self.phase is not Phase.READING or seq <= self._seen:
            return  # what comes while leaving is asked for again
        if self._last_head is not None and seq > self._last_head:
            self.end()
            return
        self._seen = seq
        self._next = seq + 1
        self._keep(
            Message(reply.room, seq, reply.sender, reply.millis, reply.payload, reply.extras)
        )
        if seq == self._last_head:
            self.end()

    def missed(self, first: int, last: int) -> None:
        """Messages are no longer kept."""
        if self.phase is Phase.READING:
            self._next = last + 1
            self._keep(Gap(self.room, first, last))

    def live(self, head: int) -> None:
        """All up to `head` has come."""
        if self.phase is not Phase.READING:
            return
        self._next = max(self._next or 0, head + 1)
        if self._until_end:
            self.end()

    def unsubbed(self) -> None:
        """The server has let it go."""
        if self._move(Event.UNSUBBED):
            self._drain()

    def refused(self, error: Refused) -> None:
        """The server refuses to let it in."""
        if self.phase is not Phase.JOINING:
            return
        if error.code == ErrorCode.BAD_ARGS and self._next is not None and self._replaced is None:
            self._replaced = self._next
            self._move(Event.AGAIN)
            self._come_back(Sub(self.room, presence=self._request.presence))
        else:
            self.end(error)

    # -- from the reader -----------------------------------------------------

    def take(self) -> Message | Gap | None:
        """Return the next message or gap, or None if nothing is unread."""
        if not self.unread:
            return None
        item = self.unread.popleft()
        self._size -= _cost(item)
        self._drain()
        return item

    def end(self, error: Exception | None = None) -> None:
        """Take no more; what is unread stays."""
        if self.ended:
            return
        self.unanswered = self.phase is Phase.JOINING and error is None
        said = self.unanswered or self.phase is Phase.READING
        self.error = error
        self._move(Event.END)
        if said and error is None:
            self._say(Unsub(self.room))

    # -- within --------------------------------------------------------------

    def _move(self, event: Event) -> bool:
        """Go where an event leads; return whether it leads anywhere."""
        phase = TRANSITIONS.get((self.phase, event))
        if phase is None:
            return False
        self.phase = phase
        return True

    def _ask(self) -> None:
        """Ask to be let in, where it left off."""
        request = self._request
        if self._next is not None:
            request = Sub(self.room, start=self._next, presence=request.presence)
        if self._asked:
            self._come_back(request)
        else:
            self._asked = True
            self._say(request)

    def _come_back(self, request: Sub) -> None:
        """Ask to be let in again, and who is there now: nobody told who came and went meanwhile."""
        self._say(request)
        if request.presence:
            self._say(Who(self.room))

    def _after(self, head: int) -> int | None:
        """Return where to go on if the connection is lost before the first message.

        None: what was asked for first says it.  After `last` it is where the last messages
        begin if no sequence was skipped: never so late that a new message were passed over.
        """
        request = self._request
        if request.start is not None:
            return request.start
        if request.last is not None:
            return max(1, head + 1 - request.last)
        return head + 1 if request.since is None else None

    def _keep(self, item: Message | Gap) -> None:
        """Keep something to be read, and leave the room if it is too much."""
        self.unread.append(item)
        self._size += _cost(item)
        if len(self.unread) > 1 and self._size > self._limit and self._move(Event.FULL):
            self.overflows += 1
            self._say(Unsub(self.room))

    def _drain(self) -> None:
        """Come back once enough was read."""
        if self._size <= self._limit // 2 and self._move(Event.DRAINED):
            self._ask()


def _cost(item: Message | Gap) -> int:
    """Return what an unread item counts, in bytes."""
    return UNREAD_COST + (len(item.payload) if isinstance(item, Message) else 0)

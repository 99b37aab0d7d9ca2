"""Messages as programs read them: an asynchronous iterator that outlives connections.

Law of this file: whoever stops iterating leaves nothing behind, by `aclose`, by
`async with`, or by letting the iterator go.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

from twisted.logger import Logger

from twisted_msg.client.errors import Gap
from twisted_msg.client.postbox import Postbox
from twisted_msg.client.subscription import Message, Subscription
from twisted_msg.client.waiting import Gate

_log = Logger(namespace="tcpmsg")


class Joined(NamedTuple):
    """Somebody became a member of a room."""

    room: str
    name: str


class Parted(NamedTuple):
    """Somebody left a room."""

    room: str
    name: str


class Present(NamedTuple):
    """Who is in a room, told instead of many comings and goings; `cut` more were left out."""

    room: str
    names: list[str]
    cut: int


Presence = Joined | Parted | Present
"""What a program that asked for presence is told; tell them apart by their class."""


class Reading:
    """What is unread, and whom to wake when there is something.

    The client holds this, and the program the `Messages` round it.
    """

    def __init__(
        self,
        core: Subscription | Postbox,
        left: Callable[[Reading], None],
        presence: Callable[[Presence], None] | None = None,
    ) -> None:
        """Take what is read, whom to tell when nobody reads on, and whom to tell of presence."""
        self.core = core
        self.presence = presence
        self.gate = Gate()
        self._left = left

    def wake(self) -> None:
        """Let the reader on if there is something for it."""
        if self.core.unread or self.core.ended:
            self.gate.open()

    def tell(self, event: Presence) -> None:
        """Tell of presence; what fails there is logged, and is not the connection's fault."""
        if self.presence is not None:
            try:
                self.presence(event)
            except Exception:
                _log.failure("the presence callback for {room} failed", room=event.room)

    def take(self) -> Message | Gap | None:
        """Return the next message or gap, or None if there is none now."""
        item = self.core.take()
        if not self.core.unread and not self.core.ended:
            self.gate.shut()
        return item

    def end(self, error: Exception | None = None) -> None:
        """Let nothing more in; what is unread can still be read."""
        self.core.end(error)
        self.wake()

    def leave(self) -> None:
        """Nobody reads on."""
        self.core.end()
        self.core.unread.clear()
        self.gate.open()
        self._left(self)


class Messages:
    """The messages of one room, or the direct ones; made by `Client.messages` and `Client.directs`.

    ::

        async with client.messages("lobby", last=10) as messages:
            async for message in messages:
                print(message.sender, message.text)

    It goes on after the last message however often the connection is lost.  It ends
    when the client is closed, where it was told to end, or by `aclose`; if the server
    refuses to let the client read, or the client ends by an error, that is raised.
    """

    def __init__(
        self,
        reading: Reading,
        *,
        strict: bool = False,
        on_missed: Callable[[Gap], None] | None = None,
    ) -> None:
        """Take what to read; programs do not make these themselves."""
        self.missed = 0
        """How many sequence numbers of messages that are no longer kept were passed over."""
        self._reading = reading
        self._strict = strict
        self._on_missed = on_missed

    @property
    def room(self) -> str:
        """The room's name; `@` for direct messages."""
        return self._reading.core.room

    @property
    def dropped(self) -> int:
        """How many direct messages were lost because they were not read in time."""
        return getattr(self._reading.core, "dropped", 0)

    @property
    def overflows(self) -> int:
        """How often the room was left, and joined again, because too much was unread."""
        return getattr(self._reading.core, "overflows", 0)

    @property
    def waiting(self) -> int:
        """How many messages can be read without waiting."""
        return len(self._reading.core.unread)

    def __aiter__(self) -> Messages:
        """Iterate over the messages."""
        return self

    async def __anext__(self) -> Message:
        """Return the next message.

        Raises `Gap` where messages are missing if the iterator is strict; it goes on behind
        the gap if it is asked again.
        """
        reading = self._reading
        while True:
            item = reading.take()
            if isinstance(item, Message):
                return item
            if item is not None:
                self._skip(item)
            elif reading.core.ended:
                if reading.core.error is None:
                    raise StopAsyncIteration
                raise reading.core.error
            else:
                await reading.gate.wait()

    async def aclose(self) -> None:
        """Leave the room and end; what is unread is dropped."""
        self._reading.leave()

    async def __aenter__(self) -> Messages:
        """Return the iterator."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the room."""
        await self.aclose()

    def __del__(self) -> None:
        """Leave the room if it was not done: an `async for` that is broken out of does not."""
        self._reading.leave()

    def _skip(self, gap: Gap) -> None:
        """Count a gap, and tell of it."""
        self.missed += gap.count
        if self._on_missed is not None:
            self._on_missed(gap)
        if self._strict:
            raise gap

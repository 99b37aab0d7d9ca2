"""Direct messages that are not read yet.

Law of this file: they are live only, so what is not read in time is lost: the oldest
first, and counted.  Pure: no Twisted, no clock.
"""

from __future__ import annotations

from collections import deque

from twisted_msg.client.errors import Gap
from twisted_msg.client.subscription import UNREAD_BYTES, UNREAD_COST, Message
from twisted_msg.wire.names import DIRECT


class Postbox:
    """A bounded queue of direct messages, read as a `Subscription` is."""

    room = DIRECT

    def __init__(self, unread_bytes: int = UNREAD_BYTES) -> None:
        """Take how many bytes may wait, each message counting some more than its payload."""
        self.unread: deque[Message] = deque()
        self.ended = False
        self.error: Exception | None = None
        self.dropped = 0
        """How many were lost because nobody read them in time."""
        self._limit = unread_bytes
        self._size = 0

    def put(self, message: Message) -> None:
        """Keep a message; the oldest give way for it, but one always stays."""
        if self.ended:
            return
        self.unread.append(message)
        self._size += _cost(message)
        while self._size > self._limit and len(self.unread) > 1:
            self._size -= _cost(self.unread.popleft())
            self.dropped += 1

    def take(self) -> Message | Gap | None:
        """Return the oldest message, or None if there is none; never a gap."""
        if not self.unread:
            return None
        message = self.unread.popleft()
        self._size -= _cost(message)
        return message

    def end(self, error: Exception | None = None) -> None:
        """Take no more; what is unread stays."""
        if not self.ended:
            self.ended = True
            self.error = error


def _cost(message: Message) -> int:
    """Return what an unread message counts, in bytes."""
    return UNREAD_COST + len(message.payload)

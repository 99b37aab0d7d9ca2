"""A gate to wait at, and a bounded queue of what is not read yet.

Law of this file: whoever waits is let on in the order of coming, and a wait that is
cancelled leaves nothing behind.  No protocol and no clock here.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from twisted.internet.defer import Deferred, fail, succeed

UNREAD_LIMIT: Final = 1024 * 1024
"""Bytes of messages that may wait unread before the transport's reading is paused: a few
thousand chat lines, or one message of the server's default limit.  A plain connection has
no acknowledgements, so pausing it is right: the server then waits for this reader."""

MESSAGE_COST: Final = 64
"""Bytes that a waiting message counts beside its payload, so that many tiny ones are
bounded as well: about what an object and its place in the queue take."""


def anew(error: Exception) -> Exception:
    """Return an error without the traceback of those who had it before: it would grow for ever."""
    return error.with_traceback(None)


class Gate:
    """Open or shut; whoever waits goes on when it is open, or gets the error once it has failed."""

    __slots__ = ("_error", "_open", "_waiting")

    def __init__(self, *, opened: bool = False) -> None:
        self._open = opened
        self._error: Exception | None = None
        self._waiting: deque[Deferred[None]] = deque()

    def wait(self) -> Deferred[None]:
        """Return a Deferred that fires as soon as the gate is open and all before have passed."""
        if self._error is not None:
            return fail(anew(self._error))
        if self._open and not self._waiting:
            return succeed(None)
        waiting: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        return waiting

    def open(self) -> None:
        """Let everybody on, until it is shut."""
        self._open = True
        while self._open and self._waiting:
            self._waiting.popleft().callback(None)

    def shut(self) -> None:
        """Let nobody on until it is opened."""
        self._open = False

    def fail(self, error: Exception) -> None:
        """Give everybody the error, for good; the first error stands."""
        if self._error is None:
            self._error = error
        while self._waiting:
            self._waiting.popleft().errback(anew(self._error))


class Source(Protocol):
    """What fills an inbox and can be told to wait."""

    def hold(self) -> None:
        """Bring no more for now."""
        ...

    def release(self) -> None:
        """Bring more."""
        ...


class Inbox:
    """Messages that are not read yet, bounded by holding their source."""

    def __init__(self, limit: int = UNREAD_LIMIT) -> None:
        """Take the number of bytes above which the source is held."""
        self._limit = limit
        self._messages: deque[bytes] = deque()
        self._size = 0
        self._waiting: deque[Deferred[bytes]] = deque()
        self._error: Exception | None = None
        self._source: Source | None = None
        self._held = False

    def __len__(self) -> int:
        """How many messages wait."""
        return len(self._messages)

    def attach(self, source: Source | None) -> None:
        """Take messages from this source from now on; it is held at once if too much waits."""
        self._source = source
        if self._held and source is not None:
            source.hold()

    def put(self, message: bytes) -> None:
        """Add a message, or hand it to whoever waits for one."""
        if self._waiting:
            self._waiting.popleft().callback(message)
            return
        self._messages.append(message)
        self._size += len(message) + MESSAGE_COST
        if not self._held and self._size > self._limit:
            self._held = True
            if self._source is not None:
                self._source.hold()

    def get(self) -> Deferred[bytes]:
        """Return a Deferred of the next message; it fails at the end, after the last one."""
        if self._messages:
            message = self._messages.popleft()
            self._size -= len(message) + MESSAGE_COST
            if self._held and self._size <= self._limit // 2:
                self._held = False
                if self._source is not None:
                    self._source.release()
            return succeed(message)
        if self._error is not None:
            return fail(anew(self._error))
        waiting: Deferred[bytes] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        return waiting

    def end(self, error: Exception) -> None:
        """No more will come: `get` fails with `error` once everything is read."""
        if self._error is None:
            self._error = error
        while self._waiting:
            self._waiting.popleft().errback(anew(self._error))

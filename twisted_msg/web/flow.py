"""How fast an HTTP connection is read: within its rates, and no faster than it reads answers.

Law of this file: of one visit there wait, at the most, one read of requests and one answer;
Twisted's own channel answers whatever one read holds, to a peer that takes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request
from twisted.web.http_headers import Headers

from twisted_msg.pace import Pace, Rates
from twisted_msg.transports import unsent

BEHIND_SIZE: Final = 16 * 1024
"""Bytes that are read behind a request that is not answered yet.  While the server reads, it
notices when the peer closes."""

CHUNKED_SIZE: Final = 4 * 1024
"""Bytes of a chunked body that are taken in one turn: 4 ms if each chunk has one byte."""


class FlowChannel(HTTPChannel):
    """A channel that knows when to wait.  `busy` says that a request is being answered."""

    transport: Any
    clock: Any
    """An `IReactorTime`."""

    def __init__(self) -> None:
        super().__init__()
        self.busy = False
        self.pace: Pace | None = None
        self.kept: list[bytes] | None = None
        """What came while nothing may be read."""
        self._uncounted = 0
        self._waiting: Callable[[], None] | None = None
        self._answered: Request | None = None
        """The request whose answer the transport has not taken yet; the next request waits."""
        self._turn: Any = None
        """The turn in which the next request begins, if it is here already."""
        self._full = False
        self._behind = 0
        self._written = self._taken = 0

    def limit(self, rates: Rates) -> None:
        """Read no faster than these rates allow."""
        self.pace = Pace(rates, self.clock, self)

    def take(self, data: bytes) -> bool:
        """Count input; return whether it may be looked at now, or keep it."""
        if self.pace is not None:
            self.pace.read(len(data))
        else:
            self._uncounted += len(data)
        if self.kept is None:
            return True
        self.kept.append(data)
        self.transport.pauseProducing()
        return False

    def begin_counting(self, pace: Pace | None) -> None:
        """Count by `pace` from now on, including what has arrived of this request already.

        Only its head says which client sent it.
        """
        if self.pace is not None:
            self.pace.stop()
        self.pace = pace
        uncounted, self._uncounted = self._uncounted, 0
        if pace is not None:
            pace.read(uncounted)

    def answer(self, process: Callable[[], None]) -> None:
        """Have a request answered; if the client is over its rate, only when reading goes on."""
        if self.kept is None:
            process()
        else:
            self._waiting = process

    def rawDataReceived(self, data: bytes) -> None:
        """Take a piece of a body, or what comes behind a whole request."""
        if self.length is None and not self.busy and len(data) > CHUNKED_SIZE:
            data, rest = data[:CHUNKED_SIZE], data[CHUNKED_SIZE:]
            super().rawDataReceived(data)
            self._continue_body(rest)
            return
        super().rawDataReceived(data)
        if self.busy:
            self._behind += len(data)
            if self._behind > BEHIND_SIZE:  # Twisted does not see to it while it cannot send
                self.crowded()
                self.transport.pauseProducing()

    def _continue_body(self, rest: bytes) -> None:
        """Let all others have their turn before the rest of a chunked body is taken."""
        if self.kept is None and self.busy:  # the body has ended
            self.rawDataReceived(rest)
            return
        if self.kept is None:
            self.hold()
            self._turn = self.clock.callLater(0, self._begin_turn)
        self.kept = [*(self.kept or ()), rest]

    def allContentReceived(self) -> None:
        """Take a whole request."""
        self.busy = True
        if self.pace is not None:
            self.pace.count(1)
        super().allContentReceived()

    def requestDone(self, request: Request) -> None:
        """Go on with the next request, once this one is answered and the answer on its way."""
        if self._full:
            self._answered = request
        else:
            self.busy = False
            self._behind = 0
            self.request_done()
            self._end_turn()
            super().requestDone(request)
            if self.persistent and self.kept is not None:
                self.transport.pauseProducing()  # Twisted has resumed it

    def _end_turn(self) -> None:
        """Let all others have their turn before the next request, if it is here already.

        One read holds two thousand short requests, which take a third of a second.
        """
        rest = b"".join((*self._dataBuffer, self.clearLineBuffer()))
        self._dataBuffer = []
        if not self.persistent or not (rest or self.kept is not None):
            return
        if self._turn is None and (self.pace is None or not self.pace.holding):
            self.hold()
            self._turn = self.clock.callLater(0, self._begin_turn)
        self.kept = [rest, *(self.kept or ())]

    def _begin_turn(self) -> None:
        self._turn = None
        if self.pace is None or not self.pace.holding:
            self.release()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Begin no other request."""
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        super().connectionLost(reason)

    def proceed(self, data: bytes) -> None:
        """Take input that was kept; a subclass parses it."""

    def request_done(self) -> None:
        """Called when one request was answered, and before the next one is."""

    def crowded(self) -> None:
        """Called when no more is read behind a request, until that is answered."""

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        """Send the head of an answer."""
        lines = [b" ".join((version, code, reason))]
        for name, values in headers.getAllRawHeaders():
            lines += [b"%b: %b" % (name, value) for value in values]
        self.write(b"\r\n".join((*lines, b"", b"")))

    def write(self, data: bytes) -> None:
        """Send a piece of an answer."""
        self._written += len(data)
        super().write(data)

    def writeSequence(self, iovec: Sequence[bytes]) -> None:
        """Send pieces of an answer."""
        self.write(b"".join(iovec))

    def progressed(self) -> bool:
        """Return whether the peer has taken something since this was last asked.

        What is written meanwhile is no progress: a quiet stream of events is sent comments.
        """
        waiting = unsent(self.transport)
        before = self._taken
        self._taken = max(before, self._written - waiting)
        return self._taken > before or (self.busy and not waiting)

    def hold(self) -> None:
        """Read nothing, until `release`."""
        if self.kept is None:
            self.kept = []
        self.transport.pauseProducing()

    def release(self) -> None:
        """Read again, first what came meanwhile."""
        kept, self.kept = self.kept, None
        process, self._waiting = self._waiting, None
        if process is not None:
            process()
        data = b"".join(kept or ())
        if data and self.kept is not None:
            self.kept.append(data)
        elif data:
            self.proceed(data)
        self._read_on()

    def _read_on(self) -> None:
        """Read, unless something still forbids it."""
        if self.kept is None and not self._full and self._behind <= BEHIND_SIZE:
            self.transport.resumeProducing()

    def let_go(self) -> None:
        """Hold nothing any more."""
        self.begin_counting(None)
        if self._full or self.kept is not None:
            self.transport.resumeProducing()

    def pauseProducing(self) -> None:
        """The transport has enough of the answers."""
        self._full = True
        super().pauseProducing()

    def resumeProducing(self) -> None:
        """The transport has sent everything."""
        self._full = False
        super().resumeProducing()
        request, self._answered = self._answered, None
        if request is not None:
            self.requestDone(request)
        else:
            self._read_on()  # `release` may have come meanwhile, and Twisted waits for the answer

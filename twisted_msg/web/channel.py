"""One visit over HTTP: a connection on which requests come, one after another.

Law of this file: whatever a peer sends or leaves out, its visit ends, and what is kept of it
until then has a bound.  The server's sweep sees to the deadlines; no visit has a timer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.http import Request
from zope.interface import implementer

from twisted_msg.counts import End, end_of
from twisted_msg.deadlines import FLUSH_SECONDS, LINGER_SECONDS, PAYLOAD_RATE
from twisted_msg.server import Server
from twisted_msg.transports import (
    drop,
    hand_over,
    keep_alive,
    read_by_the_piece,
    relayed,
)
from twisted_msg.trusted_proxies import FORWARDED_FOR
from twisted_msg.web.answers import last_answer
from twisted_msg.web.flow import FlowChannel
from twisted_msg.web.request import WebRequest, is_clear
from twisted_msg.wire import ErrorCode, ProtocolError

HEAD_SIZE: Final = 16 * 1024
"""Bytes of a request's line and headers: twice what common servers take by default."""

HEADER_LINES: Final = 64
"""Header lines of a request: browsers send about twenty, and proxies add some."""

HEAD_PART: Final = 512
"""Bytes of a head that count as one message more: they take as long as ten messages."""

LINE_COST: Final = 32
"""Bytes that each header line counts beside its own, as in HTTP/2 (RFC 9113, section 6.5.2): it
takes 5 us to parse, however short it is."""

IDLE_SECONDS: Final = 75.0
"""How long a visit may ask nothing: somewhat more than the minute for which proxies keep
connections open, so that it is they who close them."""

REQUEST_SECONDS: Final = 30.0
"""How long a request may take from its first byte to its last, beside what its body's size
allows at `PAYLOAD_RATE`."""

FOLDED: Final = (
    "a header line begins with white space: send each header on one line (RFC 9112, section 5.2)"
)
"""The answer to an obsolete line folding: other servers join such a line to the one before it, or
read it as a header of its own, so that what one lets through is another request to the next."""

NO_REQUEST: Final = (
    "this is no HTTP/1.1 request: its first line is a method, a path in ASCII (with %XX for other "
    "characters) and HTTP/1.1; what is no HTTP begins with the length of a frame"
)
NO_HEADER: Final = (
    "a header line cannot be read, or leaves open where the body ends: send NAME: VALUE, and "
    "either Content-Length once or Transfer-Encoding: chunked"
)
NO_CHUNK: Final = (
    "a chunk of the body cannot be read: it is its size in hexadecimal digits, CR LF, as many "
    "bytes, CR LF"
)

BARE_LF: Final = (
    "the lines of a request end with CR LF, and one ends with LF alone: send CR LF (RFC 9112, "
    "section 2.2)"
)
"""The answer to such a line at once, for no CR LF may ever follow."""

CUT: Final = "the input ended inside a request: its lines end with CR LF, and the last one is empty"
"""The answer to a peer that closes its side before its request is whole."""


@implementer(IHalfCloseableProtocol)
class Channel(FlowChannel):
    """A guest of the server's who speaks HTTP."""

    requestFactory = WebRequest
    timeOut = None

    def __init__(self, site: Any, server: Server, number: int = 0) -> None:
        """Take the site to show, and the place that this visit takes over, if it does."""
        super().__init__()
        self.site = site
        self.server = server
        self.clock = server.clock
        self.number = number
        self._head_size = self._head_lines = 0
        self._client: Any = None
        """Whose request is being answered, while a trusted proxy is the peer."""
        self._heir: Any = None
        self._begun = False
        self._ending = self._lingering = self._input_ended = False
        self._complaint = ""
        self._end = End.CLOSED
        self._since = self._allowed = 0.0

    # -- the way in ----------------------------------------------------------

    def connectionMade(self) -> None:
        """Begin a visit; one for which there is no place is told so."""
        self._wait(IDLE_SECONDS)
        super().connectionMade()
        rates = self.server.rates_of(self.transport)
        # Before a PROXY header comes, the peer's address is the proxy's and not the client's.
        if rates is not None and (relayed(self.transport) or not self._by_proxy()):
            self.limit(rates)
        if self.number:
            return
        keep_alive(self.transport)
        read_by_the_piece(self.transport)
        error = self.server.guests.enter(self, self.transport)
        if error is not None:
            if self.server.door.closes_silently(error):
                drop(self.transport)
            else:
                self.turn_away(error)

    def dataReceived(self, data: bytes) -> None:
        """Take input."""
        if not self._ending and self.take(data):
            self.proceed(data)

    def proceed(self, data: bytes) -> None:
        """Take input that was counted before."""
        if not self._ending:
            self.guard(lambda: self._read(data))

    def _read(self, data: bytes) -> None:
        super().dataReceived(data)
        if self._buffer and not (self.busy or self._ending):  # of a line
            self._begin()
            self._check_line_end(self._buffer)

    def _check_line_end(self, line: bytes) -> None:
        """Refuse a line that contains an LF without CR, even if the line is not complete yet.

        The error is the same however the line is split into pieces.  An LF before a request is
        ignored: some clients send one after a body.
        """
        if b"\n" in line and (self._head_lines or line[:1] != b"\n"):
            self.refuse(400, ErrorCode.BAD_HEADER, BARE_LF)

    def lineReceived(self, line: bytes) -> None:
        """Take a line of a head."""
        if self._ending:
            return
        self._check_line_end(line)
        if line and not self._ending:
            self._begin()
            self._head_lines += 1
            self._head_size += len(line) + len(self.delimiter)
            if line[0] in b" \t":
                self.refuse(400, ErrorCode.BAD_HEADER, FOLDED)
            elif self._head_size > HEAD_SIZE:
                self._refuse_head()
            elif self._head_lines > 1 + HEADER_LINES:
                text = f"the request has more than {HEADER_LINES} header lines: send fewer"
                self.refuse(431, ErrorCode.TOO_LARGE, text)
        if not self._ending:
            super().lineReceived(line)

    def _begin(self) -> None:
        """A request has begun, on its own or behind another one."""
        if not self._begun:
            self._begun = True
            self._wait(REQUEST_SECONDS)

    def headerReceived(self, line: bytes) -> bool:
        """Take a header; return whether others may follow."""
        if is_clear(line, self._version):
            return bool(super().headerReceived(line))
        self._respondToBadRequestAndDisconnect()
        return False

    def rawDataReceived(self, data: bytes) -> None:
        """Take a piece of a body, or what comes behind a whole request."""
        if self._heir is not None:
            self._heir.dataReceived(data)
        elif not self._ending:
            decoder, pace = self._transferDecoder, self.pace
            before = _trailer_cost(decoder)
            super().rawDataReceived(data)
            if pace is not None:
                pace.count(_trailer_cost(decoder) - before)
            unfinished: Any = self._transferDecoder
            if b"\n" in getattr(unfinished, "_buffer", b"") and unfinished.state != "TRAILER":
                self._respondToBadRequestAndDisconnect()  # a chunk's line that ends with LF alone

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refuse a line that is too long."""
        self._check_line_end(line[: self.MAX_LENGTH + 1])  # as much as `_read` may have seen
        self._head_lines += 1
        self._refuse_head()

    def allHeadersReceived(self) -> None:
        """Take a whole head: it tells the client's address, and the time that the body may take."""
        if not self._identify():
            return
        size = self.site.body_limit if self.length is None else self.length
        if size > self.site.body_limit:
            self.refuse_body()
            return
        self._allowed += size / PAYLOAD_RATE
        if self.pace is not None:
            self.pace.count((self._head_size + LINE_COST * self._head_lines) // HEAD_PART)
        self._head_size = self._head_lines = 0
        super().allHeadersReceived()

    def _by_proxy(self) -> bool:
        """Return whether the peer is a trusted proxy, whose requests are of different clients."""
        return self.server.door.proxies.trusts(self.transport.getPeer())

    def _identify(self) -> bool:
        """Find out which client sent a request; return whether its address has a connection left.

        A request through a trusted proxy counts as a connection of its client until it is answered,
        and its client's rates apply to it.
        """
        request, client = self.requests[-1], self.transport.getPeer()
        if self._by_proxy():
            lines = request.requestHeaders.getRawHeaders(FORWARDED_FOR, [])
            client = self.server.door.proxies.client_address(client, lines)
            request.client = self._client = client
            self.begin_counting(self.server.pace_of(client, self))
        error = self.server.guests.claim(self, client, relayed=relayed(self.transport))
        if error is not None:
            self.turn_away(error)
        return error is None

    def allContentReceived(self) -> None:
        """Take a whole request."""
        if not self._ending:
            super().allContentReceived()
            if self._input_ended:
                self.crowded()

    def crowded(self) -> None:
        """End a stream of events: a request waits behind it, or the peer has closed its side."""
        for request in self.requests if self.busy else ():
            request.leave()

    def checkPersistence(self, request: Request, version: bytes) -> bool:
        """Return whether another request may follow this one."""
        return bool(super().checkPersistence(request, version)) and not self.server.stopping

    def request_done(self) -> None:
        """Wait for the next request."""
        self._begun = False
        if self._client is not None:
            self._client = None
            self.server.guests.release(self)
            self.begin_counting(None)
        self._wait(IDLE_SECONDS)

    def requestDone(self, request: Request) -> None:
        """Go on with the next request; the last one was it if the peer sends no more."""
        super().requestDone(request)
        self._end_if_over()

    def answer(self, process: Callable[[], None]) -> None:
        """Have a request answered.

        A request that came through a proxy is delayed while its client is over its rate.  Pausing
        to read would not do: the next request on the connection may be of another client.
        """
        if self._client is None:
            process()
        else:
            super().answer(process)

    def release(self) -> None:
        """Read again."""
        super().release()
        if self._input_ended:
            self.crowded()
        self._end_if_over()

    def _end_if_over(self) -> None:
        """End if no request is there any more, and none will come."""
        if self._input_ended and not (self.busy or self.kept):
            if self._begun:
                self.refuse(400, ErrorCode.BAD_HEADER, CUT)
            self.loseConnection()

    def readConnectionLost(self) -> None:
        """Take the end of the input: what was asked before it is answered."""
        self._input_ended = True
        if self._ending:
            self.transport.loseConnection()
        else:
            self.crowded()
            self._end_if_over()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the requests and the server."""
        super().connectionLost(reason)
        self._waiting = None
        self.begin_counting(None)
        # these hold this channel: Twisted leaves them where they are
        self._transferDecoder = self._requestProducer = None
        self.transport.unregisterProducer()
        if self._end is End.CLOSED and not (self._ending or reason.check(ConnectionDone)):
            self._end = End.LOST
        peer = self._client or self.transport.getPeer()
        self.server.leave(self, peer, self._end, self._complaint, refused=True)

    # -- the way out ---------------------------------------------------------

    def refuse(self, status: int, code: ErrorCode, text: str) -> None:
        """Answer what is no request that could be answered otherwise, and end."""
        if self._ending:
            return
        self._end, self._complaint = end_of(code), f"refused over HTTP, {status} {text}"
        self.write(last_answer(status, code, text))
        self.loseConnection()

    def turn_away(self, error: ProtocolError) -> None:
        """Answer that there is no place, whatever was to be asked, and end."""
        self.refuse(503, error.code, error.reason)

    def refuse_proxy_header(self, reason: str) -> None:
        """End without an answer: what the peer speaks is not known."""
        self._end, self._complaint = End.REFUSED, f"refused, {reason}"
        self.loseConnection()

    def refuse_body(self) -> None:
        """Answer a body that is too large."""
        limit = self.site.body_limit
        self.refuse(413, ErrorCode.TOO_LARGE, f"the body is over {limit} bytes: send less at once")

    def _refuse_head(self) -> None:
        """Answer a head that is too long: its request line, or all of it."""
        if self._head_lines > 1:
            text = f"the request's head is over {HEAD_SIZE} bytes: send fewer or shorter headers"
            self.refuse(431, ErrorCode.TOO_LARGE, text)
        else:
            text = f"the request line is over {HEAD_SIZE} bytes: ask for less in the path and query"
            self.refuse(414, ErrorCode.TOO_LARGE, text)

    def _respondToBadRequestAndDisconnect(self) -> None:
        """Answer what Twisted's parser cannot make out; it calls this by this name."""
        if not self._head_lines:  # the head was read
            text = NO_CHUNK
        else:
            text = NO_HEADER if self._head_lines > 1 else NO_REQUEST
        self.refuse(400, ErrorCode.BAD_HEADER, text)

    def loseConnection(self) -> None:
        """Close when everything is sent: this side first, so that no reset destroys an answer."""
        if self._ending:
            return
        self._ending = True
        self._since = self.server.clock.seconds()
        self.transport.unregisterProducer()
        self.transport.resumeProducing()  # to discard
        if getattr(self.transport, "protocol", None) is self and not self._input_ended:
            self.transport.loseWriteConnection()
        else:
            self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """This side is closed, its last byte sent."""
        self._lingering = True
        self._since = self.server.clock.seconds()

    def surrender(self, heir: Any) -> bool:
        """Give the transport to another protocol; return whether that can be."""
        if not hand_over(self.transport, self, heir):
            return False
        self._heir = heir
        self.requests.clear()
        self.transport.unregisterProducer()
        self.let_go()
        return True

    # -- for the server ------------------------------------------------------

    def guard(self, call: Callable[[], None]) -> None:
        """Make a call; a fault of the server's own ends this visit and no other."""
        try:
            call()
        except Exception:
            self.server.failed(Failure())
            self._end = End.FAULT
            self.abort()

    def sweep(self, now: float) -> None:
        """See to the deadlines."""
        if self._lingering:
            if now - self._since >= LINGER_SECONDS:
                self.transport.loseConnection()
        elif self._ending:
            self._see_it_taken(now, FLUSH_SECONDS)
        elif self.busy:
            self._see_it_taken(now, self.server.stall_limit)
        elif now - self._since >= self._allowed:
            if self._begun:
                text = f"the request was not finished within {self._allowed:.0f} s"
                self.refuse(408, ErrorCode.TIMEOUT, text)
            else:
                self.loseConnection()

    def stop(self) -> None:
        """Finish what was asked, and end."""
        self.persistent, self._end = False, End.STOPPED
        if not self._begun:
            self.loseConnection()

    def abort(self) -> None:
        """Close at once."""
        self.transport.abortConnection()

    def _see_it_taken(self, now: float, limit: float) -> None:
        """Give up a peer that takes nothing of what waits for it."""
        if self.progressed():
            self._since = now
        elif now - self._since >= limit:
            self._end = End.TIMEOUT
            self.abort()

    def _wait(self, seconds: float) -> None:
        """Have what comes next come within so many seconds."""
        self._since, self._allowed = self.server.clock.seconds(), seconds


def _trailer_cost(decoder: Any) -> int:
    """Return how many messages the trailers of a chunked body count as so far; see `HEAD_PART`."""
    lines = getattr(decoder, "_trailerHeaders", ())
    size = getattr(decoder, "_receivedTrailerHeadersSize", 0)
    return int(size + LINE_COST * len(lines)) // HEAD_PART

"""One HTTP request: who asks, what is asked, and answers that a program can read.

Law of this file: what holds for every request is checked here, before any resource sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.python.failure import Failure
from twisted.web import server
from twisted.web.error import UnsupportedMethod
from twisted.web.http import datetimeToString, unquote
from twisted.web.resource import IResource

from twisted_msg import __version__
from twisted_msg.web.answers import refuse
from twisted_msg.wire import ErrorCode

METHODS: Final = (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS")
"""What may be asked at all: TRACE shows a page its own secrets, and CONNECT asks a proxy."""

QUERY_PARAMETERS: Final = 64
"""Parameters of a query: ten times what any path takes, and few enough to parse at once."""

PATH_PARTS: Final = 8
"""Parts of a path that are taken apart: no path has as many, so the last may hold slashes."""

SMALL_CHUNK: Final = 128
"""Bytes of a chunk of a body below which it counts as a message, as a WebSocket's frames do: one of
a byte takes 15 us to read, and one read holds ten thousand."""

LENGTH_DIGITS: Final = 100
"""Digits of a `Content-Length`: far more than a size has, and few enough for Python to read."""

HEADERS: Final = (
    (b"Server", f"tcpmsg/{__version__}".encode()),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
)
"""What every answer has: browsers take nothing for what it is not, and hand it to no other
site's page."""


_CODES: Final = {403: ErrorCode.FORBIDDEN, 405: ErrorCode.BAD_VERB}


def is_clear(line: bytes, version: bytes) -> bool:
    """Return whether a header leaves no doubt of where the body ends.

    A body that one reader ends elsewhere than the next one hides a request (RFC 9112, 6.1), and
    so does half of a line's end: behind it, others see a header of its own (RFC 9112, 2.2).
    """
    if b"\n" in line or b"\r" in line:
        return False
    name, _, value = line.lower().partition(b":")
    value = value.strip(b" \t")
    if name == b"transfer-encoding":
        return value == b"chunked" and version == b"HTTP/1.1"
    return name != b"content-length" or len(value) <= LENGTH_DIGITS


class WebRequest(server.Request):
    """A request to this server."""

    site: Any
    channel: Any
    content: Any
    defaultContentType = b"application/octet-stream"
    query = b""
    """What stands after `?`, which a resource parses if it takes parameters."""
    _taken = 0
    leave: Callable[[], None] = staticmethod(lambda: None)
    """Has an answer end, well, that would go on for ever; others end by themselves."""

    def handleContentChunk(self, data: bytes) -> None:
        """Take a piece of the body, unless it is one too many."""
        self._taken += len(data)
        pace = self.channel.pace
        if pace is not None and len(data) < SMALL_CHUNK:
            pace.count(1)
        if self._taken > self.channel.site.body_limit:
            self.channel.refuse_body()
        else:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Take a request that is whole; its body is no form, whatever it says that it is."""
        self.content.seek(0)
        self.method, self.uri, self.clientproto = command, path, version
        self.path, _, self.query = path.partition(b"?")
        self.channel.answer(self.process)

    def connectionLost(self, reason: Failure) -> None:
        """Take the loss of the connection; the producer holds this request."""
        super().connectionLost(reason)
        self.producer = None

    def process(self) -> None:
        """Answer, if the one who asks may."""
        self.site = self.channel.site
        self.setHeader(b"Date", datetimeToString())
        for name, value in HEADERS:
            self.setHeader(name, value)
        self.prepath = []
        self.postpath = [unquote(part) for part in self.path[1:].split(b"/", PATH_PARTS)]
        try:
            status, reason = self._refusal()
            if status:
                code = _CODES.get(status, ErrorCode.BAD_ARGS)
                self._end(refuse(self, status, code, reason))
            else:
                self.render(self.site.getResourceFor(self))
        except Exception:
            self.processingFailed(Failure())

    def _refusal(self) -> tuple[int, str]:
        """Return a status and why the request is not answered, or 0."""
        if self.method not in METHODS:
            self.setHeader(b"Allow", b", ".join(METHODS))
            return 405, f"no other methods than {', '.join(map(bytes.decode, METHODS))} are known"
        if not self.path.startswith(b"/"):
            return 400, "ask for a path, such as /: this is no proxy"
        if self.query.count(b"&") >= QUERY_PARAMETERS:
            return 400, f"the query has more than {QUERY_PARAMETERS} parameters: send fewer"
        hosts, origins = (
            [value.decode("latin-1") for value in self.requestHeaders.getRawHeaders(name, ())]
            for name in (b"host", b"origin")
        )
        if len(hosts) > 1 or len(origins) > 1:
            return 400, "there is more than one Host or Origin header"
        if not hosts and self.clientproto == b"HTTP/1.1":
            return 400, "the Host header is missing"
        reason = self.site.names.refusal(
            hosts[0] if hosts else None, origins[0] if origins else None
        )
        return (403, reason) if reason else (0, "")

    def render(self, resource: IResource) -> None:
        """Have a resource answer; what it does not know to do is refused in JSON."""
        try:
            body = resource.render(self)
        except UnsupportedMethod as error:
            allowed = b", ".join(sorted(error.allowedMethods))
            self.setHeader(b"Allow", allowed)
            body = refuse(
                self, 405, ErrorCode.BAD_VERB, f"only {allowed.decode()} can be done with this"
            )
        if body is not server.NOT_DONE_YET:
            self._end(body)

    def processingFailed(self, reason: Failure) -> Failure:
        """Answer that a fault of the server's own came in between, which its log tells."""
        self.channel.server.failed(reason)
        if self.startedWriting:
            self.channel.abort()
        else:
            text = "a fault in the server, which is in its log"
            self._end(refuse(self, 500, ErrorCode.INTERNAL, text))
        return reason

    def _end(self, body: bytes) -> None:
        """Send an answer whole; what HEAD asks for has no body, but its length."""
        self.setHeader(b"Content-Length", b"%d" % len(body))
        self.write(body)
        self.finish()

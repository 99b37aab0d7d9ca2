"""One HTTP request and its answer.

Law of this file: every answer that is no stream is JSON with a length, and every refusal
has one shape, `{"error": {"code", "text"}}`.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl

from twisted.web import http

from twisted_msg.rows import json_row
from twisted_msg.transports import unsent
from twisted_msg.web.answers import RETRY_SECONDS, error_body
from twisted_msg.web.inside import Asker
from twisted_msg.web.request import WebRequest
from twisted_msg.wire import ErrorCode, ProtocolError
from twisted_msg.wire.words import quoted

STATUS: Final[dict[str, int]] = {
    ErrorCode.UNAUTHORIZED: http.UNAUTHORIZED,
    ErrorCode.FORBIDDEN: http.FORBIDDEN,
    ErrorCode.ABSENT: http.NOT_FOUND,
    ErrorCode.TIMEOUT: http.REQUEST_TIMEOUT,
    ErrorCode.SUPERSEDED: http.CONFLICT,
    ErrorCode.TOO_LARGE: http.REQUEST_ENTITY_TOO_LARGE,
    ErrorCode.INTERNAL: http.INTERNAL_SERVER_ERROR,
    ErrorCode.BUSY: http.SERVICE_UNAVAILABLE,
    ErrorCode.LIMIT: http.SERVICE_UNAVAILABLE,
}
"""The status of each code; all others say that the request was wrong: 400."""


class Exchange:
    """What a route is given: the request as it needs it, and the ways to answer."""

    def __init__(self, request: WebRequest, room: str = "") -> None:
        """Take the request, and the word in its path that stands for a room."""
        self.request = request
        self.room = room
        self.over = False
        """Whether it is answered, or nobody waits for that any more."""
        self.begun = False
        """Whether a stream was begun, so that no other answer can be given."""
        self.held = 0
        """Bytes of messages that a stream holds back until the peer has read what it was sent."""
        self._pace = request.channel.pace
        request.notifyFinish().addBoth(self._ended)

    @property
    def asker(self) -> Asker:
        """Who asks, for a conversation in its name."""
        return Asker(self.request.getClientAddress(), self.untaken, self._pace)

    @property
    def head(self) -> bool:
        """Whether only the head of the answer is wanted."""
        return bool(self.request.method == b"HEAD")

    def untaken(self) -> int:
        """Return how many bytes of the answer the peer has not taken."""
        channel = getattr(self.request, "channel", None)  # it is gone once all is said
        return 0 if channel is None else unsent(channel.transport) + self.held

    def parameters(self, *known: str) -> dict[str, str]:
        """Return the query's parameters.  Raises `ProtocolError` for one that is not known.

        The body is never looked at for them: curl calls every body a form.
        """
        query = self.request.query.decode("ascii", "replace")
        found: dict[str, str] = {}
        for key, value in parse_qsl(query, keep_blank_values=True):
            if key not in known:
                remedy = f"use {', '.join(known)}" if known else "leave the query out"
                raise wrong(f"there is no parameter {quoted(key)} here: {remedy}")
            if key in found:
                raise wrong(f"{key}= stands twice in the query: give it once")
            found[key] = value
        return found

    def body(self) -> bytes:
        """Return the whole body."""
        content = self.request.content
        return b"" if content is None else bytes(content.read())

    def header(self, name: str) -> bytes | None:
        """Return a header's value.  Raises `ProtocolError` if there are several."""
        values = self.request.requestHeaders.getRawHeaders(name.encode(), [])
        if len(values) > 1:
            raise wrong(f"the header {name} stands twice: send it once")
        return values[0] if values else None

    # -- the answer ----------------------------------------------------------

    def set(self, name: str, value: str) -> None:
        """Set a header of the answer."""
        self.request.setHeader(name.encode(), value.encode("ascii"))

    def answer(self, value: Any, status: int = http.OK) -> None:
        """Answer with a value as JSON."""
        self.answer_with(json_row(value), status)

    def answer_with(self, body: bytes, status: int = http.OK) -> None:
        """Answer with JSON that is made already; with nothing, if it is empty."""
        if self.over:
            return
        self.request.setResponseCode(status)
        self.set("Cache-Control", "no-store")
        if body:
            self.set("Content-Type", "application/json")
            self.set("Content-Length", str(len(body)))
            self.request.write(body)
        self.request.finish()

    def refuse(self, code: str, text: str, status: int | None = None) -> None:
        """Say what was wrong, with the status that its code has, or with another.

        A stream that was begun breaks off instead.
        """
        if self.begun:
            self.break_off()
            return
        if status is None:
            status = STATUS.get(code, http.BAD_REQUEST)
        if status == http.SERVICE_UNAVAILABLE:
            self.set("Retry-After", str(RETRY_SECONDS))
        self.answer_with(error_body(code, text), status)

    def begin(self, content: str, greeting: bytes = b"") -> None:
        """Begin a stream of this content type; the head of it is sent at once."""
        self.begun = True
        self.set("Content-Type", content)
        self.set("Cache-Control", "no-store")
        self.set("X-Accel-Buffering", "no")  # nginx would keep it until it is long
        self.write(greeting)

    def write(self, data: bytes) -> None:
        """Send more of a stream."""
        if not self.over:
            self.request.write(data)

    def finish(self) -> None:
        """End a stream."""
        if not self.over:
            self.request.finish()

    def break_off(self) -> None:
        """Close without a stream's end, lest what came be taken for all of it."""
        if not self.over:
            self.over = True
            self.request.loseConnection()

    def _ended(self, outcome: object) -> None:
        self.over = True


def wrong(reason: str) -> ProtocolError:
    """Return the error of a request that cannot be understood."""
    return ProtocolError(ErrorCode.BAD_ARGS, reason)

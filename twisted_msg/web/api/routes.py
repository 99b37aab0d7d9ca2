"""Requests find their way by a table of paths and methods.

Law of this file: a path that is not in the table is 404, a method that is not in its row is
405 and told which are, and whatever a handler raises is answered; no handler sees to that.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from twisted_msg.web.api.exchange import Exchange
from twisted_msg.web.request import PATH_PARTS, WebRequest
from twisted_msg.wire import ErrorCode, ProtocolError
from twisted_msg.wire.words import quoted

ROOM: Final = "{room}"
"""Stands in a path for any one word."""

Handler = Callable[[Exchange], Coroutine[Deferred[Any], Any, None]]
"""Answers a request, or raises `ProtocolError`."""

Row = Mapping[str, Handler]
"""What the methods of a path do; `HEAD` is served wherever `GET` is, `OPTIONS` everywhere."""


class Routes(Resource):
    """Serves every path of a table, wherever it is put."""

    isLeaf = True

    def __init__(self, table: Mapping[str, Row], failed: Callable[[Failure], None]) -> None:
        """Take the table, and whom to tell of a fault of the server's own.

        The table's keys are whole paths, such as `/v1/rooms/{room}/members`.
        """
        super().__init__()
        self.table = {tuple(path.split("/")[1:]): row for path, row in table.items()}
        self._failed = failed

    def render(self, request: WebRequest) -> int:
        """Answer a request, now or later."""
        words = tuple(
            unquote_to_bytes(word).decode("utf-8", "backslashreplace")
            for word in request.path.split(b"/", PATH_PARTS)[1:]
        )
        exchange = Exchange(request, words[2] if len(words) > 2 else "")
        row = self._find(words)
        if row is None:
            exchange.refuse(
                ErrorCode.ABSENT,
                f"there is nothing at {quoted(request.path.decode('ascii', 'replace'))}: "
                "/v1/openapi.json lists what there is",
            )
        else:
            self._serve(row, exchange)
        return NOT_DONE_YET

    def _find(self, words: tuple[str, ...]) -> Row | None:
        """Return the row of a path."""
        if len(words) > 2:
            words = (*words[:2], ROOM, *words[3:])
        return self.table.get(words)

    def _serve(self, row: Row, exchange: Exchange) -> None:
        method = exchange.request.method.decode("ascii", "replace")
        handler = row.get("GET" if method == "HEAD" else method)
        if handler is not None:
            work = Deferred.fromCoroutine(handler(exchange))
            work.addErrback(lambda failure: self._refuse(exchange, failure))
            return
        allowed = ", ".join(sorted({*row, "OPTIONS", *(("HEAD",) if "GET" in row else ())}))
        exchange.set("Allow", allowed)
        if method == "OPTIONS":
            exchange.answer_with(b"", http.NO_CONTENT)
        else:
            exchange.refuse(
                ErrorCode.BAD_VERB,
                f"{quoted(method)} is not for this path: use {allowed}",
                http.NOT_ALLOWED,
            )

    def _refuse(self, exchange: Exchange, failure: Failure) -> None:
        """Answer what a handler raised."""
        error = failure.value
        if isinstance(error, ProtocolError):
            exchange.refuse(error.code, error.reason)
            return
        self._failed(failure)
        exchange.refuse(ErrorCode.INTERNAL, "a fault in the server, which is in its log")

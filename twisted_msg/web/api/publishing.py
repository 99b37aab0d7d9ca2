"""Publishing: the body of a request is a message.

Law of this file: 201 says that the message is stored, and nothing else does; how it came
about is the same conversation that a program with a socket would have.
"""

from __future__ import annotations

import re
from typing import Final

from twisted.web import http

from twisted_msg.server import Server
from twisted_msg.web.api.exchange import Exchange, wrong
from twisted_msg.web.api.keys import Turns, client_of
from twisted_msg.web.api.reading import read_target
from twisted_msg.web.inside import ask
from twisted_msg.wire import ErrorCode
from twisted_msg.wire.names import DIRECT
from twisted_msg.wire.replies import Ack, Err, Reply, Welcome
from twisted_msg.wire.requests import Hello, Pub
from twisted_msg.wire.words import quoted, read_name

MULTIPART: Final = b"multipart/"
"""The beginning of a content type of several parts, as `curl -F` sends it.  The parts are not taken
apart, so that their boundaries would be stored as the message."""

NO_CODING: Final = b"identity"
"""The one content coding that leaves a body as it is (RFC 9110, section 12.5.3)."""

_NTFY: Final = (
    "Message", "Title", "Priority", "Prio", "Tags", "Tag", "Delay", "At", "In", "Actions", "Action",
    "Click", "Attach", "Markdown", "Icon", "Filename", "Email", "E-Mail", "Call",
)  # fmt: skip

UNKNOWN_HEADERS: Final = tuple(f"{x}{name}".encode() for name in _NTFY for x in ("", "X-"))
"""Headers that say something of a message to ntfy (https://docs.ntfy.sh/publish/, its table of all
parameters), for which many scripts are written; here they have no meaning.  A script that sends
them is told so.  Other unknown headers are ignored, for browsers and proxies add many."""

_URGENCY: Final = re.compile(rb"(?:u=[0-7]|i)(?:\s*,\s*(?:u=[0-7]|i))*")
"""A `Priority` that browsers and proxies add, and that concerns the answer (RFC 9218)."""

ID: Final = 1
"""The one id of a conversation that publishes one message."""


class Publisher:
    """Answers who wants to say something."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._turns = Turns()

    async def publish(self, exchange: Exchange) -> None:
        """Publish a request's body, and answer when it is stored.  Raises `ProtocolError`."""
        name = exchange.parameters("name").get("name")
        if name is not None:
            read_name(name, ErrorCode.BAD_NAME)
        room = read_target(exchange)
        _check_headers(exchange)
        text = _unsupported_body(exchange)
        if text:
            exchange.set("Accept-Encoding", NO_CODING.decode())
            exchange.refuse(ErrorCode.BAD_ARGS, text, http.UNSUPPORTED_MEDIA_TYPE)
            return
        key = exchange.header("Idempotency-Key")
        payload = exchange.body()
        if key is None:
            self._answer(exchange, room, await self._say(exchange, room, payload, name, None))
            return
        if room.startswith(DIRECT):
            raise wrong(
                "a direct message is kept nowhere, so that a key could not tell whether it was "
                "heard: send it without Idempotency-Key"
            )
        client = client_of(room, key)
        replies = await self._turns.take(
            client, lambda: self._say(exchange, room, payload, name, client)
        )
        self._answer(exchange, room, replies)

    async def _say(
        self, exchange: Exchange, room: str, payload: bytes, name: str | None, client: str | None
    ) -> list[Reply]:
        """Return what the server replies."""
        return await ask(self._server, exchange.asker, Hello(name, client), Pub(room, payload, ID))

    @staticmethod
    def _answer(exchange: Exchange, room: str, replies: list[Reply]) -> None:
        """Answer as the server did."""
        name, ack = "", None
        for reply in replies:
            if isinstance(reply, Err):
                exchange.refuse(reply.code, reply.reason)
                return
            if isinstance(reply, Welcome):
                name = reply.name
            elif isinstance(reply, Ack):
                ack = reply
        if ack is None:
            exchange.refuse(
                ErrorCode.BUSY,
                "the server stops, and whether the message is stored is not known: one with an "
                "Idempotency-Key can be sent again without being stored twice",
            )
        elif ack.dup:
            exchange.answer({"room": room, "seq": ack.seq, "dup": True})
        else:
            status = http.ACCEPTED if room.startswith(DIRECT) else http.CREATED
            exchange.answer({"room": room, "seq": ack.seq, "dup": False, "from": name}, status)


def _check_headers(exchange: Exchange) -> None:
    """Raise `ProtocolError` for a header that would say something of the message elsewhere."""
    headers = exchange.request.requestHeaders
    for name in UNKNOWN_HEADERS:
        for value in headers.getRawHeaders(name, ()):
            if name != b"Priority" or not _URGENCY.fullmatch(value):
                raise wrong(
                    f"the header {name.decode()} has no meaning here: leave it out, and write what "
                    "it says into the body"
                )


def _unsupported_body(exchange: Exchange) -> str:
    """Return why the body cannot be stored as the message that its sender means, or ""."""
    kind = (exchange.header("Content-Type") or b"").partition(b";")[0].strip().lower()
    if kind.startswith(MULTIPART):
        return (
            f"a body of type {_shown(kind)} is not taken apart: use curl -d TEXT or --data-binary "
            "@FILE in place of -F"
        )
    values = exchange.request.requestHeaders.getRawHeaders(b"Content-Encoding", ())
    for coding in b",".join(values).lower().split(b","):
        if coding.strip() not in (b"", NO_CODING):
            return (
                f"a body with Content-Encoding: {_shown(coding.strip())} is not decoded: send the "
                "message uncompressed and without this header"
            )
    return ""


def _shown(value: bytes) -> str:
    """Return the beginning of a header's value for people: quoted, escaped and bounded."""
    return quoted(value.decode("ascii", "backslashreplace"))

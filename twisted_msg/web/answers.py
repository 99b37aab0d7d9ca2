"""What HTTP answers are made of: JSON, and errors with the protocol's codes.

Law of this file: an error names its cause and the way out, as everywhere, and no byte of a
peer's comes back where a browser could take it for a page.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from twisted.web.resource import Resource
from twisted.web.server import Request

from twisted_msg.rows import json_row
from twisted_msg.wire import ErrorCode

JSON: Final = b"application/json"

RETRY_SECONDS: Final = 1
"""When a request that was refused for now may come again: a restart takes about as long."""


def phrase(status: int) -> bytes:
    """Return what an HTTP status is called."""
    return HTTPStatus(status).phrase.encode()


def error_body(code: str, text: str) -> bytes:
    """Return the body of an answer that refuses: the protocol's code, and a sentence."""
    return json_row({"error": {"code": code, "text": text}})


def refuse(request: Request, status: int, code: ErrorCode, text: str) -> bytes:
    """Make the answer a refusal with this HTTP status; return its body."""
    request.setResponseCode(status, phrase(status))
    request.setHeader(b"Content-Type", JSON)
    return error_body(code, text)


def last_answer(status: int, code: ErrorCode, text: str) -> bytes:
    """Return a whole refusal as it is sent, behind which the connection ends."""
    body = error_body(code, text)
    lines = [
        b"HTTP/1.1 %d %b" % (status, phrase(status)),
        b"Content-Type: " + JSON,
        b"Content-Length: %d" % len(body),
        b"Connection: close",
    ]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        lines.append(b"Retry-After: %d" % RETRY_SECONDS)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Nothing(Resource):
    """What is found where nothing is."""

    isLeaf = True

    def render(self, request: Request) -> bytes:
        """Answer 404, whatever the method."""
        return refuse(
            request, 404, ErrorCode.ABSENT, "there is nothing here; / shows what there is"
        )


class Branch(Resource):
    """A place in the tree that has only what was put there."""

    def getChild(self, path: bytes, request: Request) -> Resource:
        """Return that there is nothing of such a name."""
        return Nothing()

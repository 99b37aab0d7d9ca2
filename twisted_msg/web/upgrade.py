"""`/ws`: where a WebSocket begins (RFC 6455, section 4).

Law of this file: what is wrong with a handshake is said in a sentence, and a right one leaves
nothing of HTTP behind.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Any, Final

from twisted.web.server import NOT_DONE_YET, Request
from wsproto.utilities import generate_accept_token

from twisted_msg.web.answers import Branch, refuse
from twisted_msg.web.websocket import WebConnection, WebSocket
from twisted_msg.wire import ErrorCode

SUBPROTOCOL: Final = b"tcpmsg"
"""What the stream of frames is called among WebSocket's subprotocols, for clients that name one."""

VERSION: Final = b"13"


class Upgrade(Branch):
    """Turns a visit into a connection of frames."""

    def render_GET(self, request: Request) -> bytes | int:
        """Answer a handshake."""
        wrong = _what_is_wrong(request)
        channel: Any = request.channel
        carrier = channel.transport
        socket = WebSocket(carrier, request.getClientAddress())
        if not wrong and not channel.surrender(socket):
            wrong = "this kind of connection cannot become a WebSocket"
        if wrong:
            request.setHeader(b"Upgrade", b"websocket")
            request.setHeader(b"Sec-WebSocket-Version", VERSION)
            return refuse(request, 426, ErrorCode.BAD_ARGS, wrong)
        carrier.write(_accepted(request))
        channel.server.carry(socket, channel.number, WebConnection)
        return NOT_DONE_YET


def _what_is_wrong(request: Request) -> str:
    """Return why a request is no handshake, or nothing."""
    if (
        request.method != b"GET"
        or b"websocket" not in _words(request, b"Upgrade")
        or b"upgrade" not in _words(request, b"Connection")
    ):
        return (
            "here a WebSocket begins, whose binary messages carry the frames of docs/protocol.md; "
            "over HTTP see /"
        )
    if request.clientproto != b"HTTP/1.1":
        return "a WebSocket begins with HTTP/1.1"
    if request.requestHeaders.getRawHeaders(b"Sec-WebSocket-Version") != [VERSION]:
        return f"of WebSocket's versions {VERSION.decode()} is known, and no other"
    headers = request.requestHeaders
    if headers.getRawHeaders(b"Content-Length", [b"0"]) != [b"0"] or headers.hasHeader(
        b"Transfer-Encoding"
    ):
        return "a handshake has no body: send neither Content-Length nor Transfer-Encoding"
    keys = request.requestHeaders.getRawHeaders(b"Sec-WebSocket-Key", [])
    try:
        if len(keys) == 1 and len(b64decode(keys[0], validate=True)) == 16:
            return ""
    except binascii.Error:
        pass
    return "Sec-WebSocket-Key is to be 16 random bytes in base64"


def _words(request: Request, name: bytes) -> list[bytes]:
    """Return the words of a header that holds a list, in lower case."""
    values = request.requestHeaders.getRawHeaders(name, [])
    return [word.strip().lower() for value in values for word in value.split(b",")]


def _accepted(request: Request) -> bytes:
    """Return the answer to a right handshake.  No extension is offered, compression neither."""
    (key,) = request.requestHeaders.getRawHeaders(b"Sec-WebSocket-Key", [])
    lines = [
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + generate_accept_token(key),
    ]
    if SUBPROTOCOL in _words(request, b"Sec-WebSocket-Protocol"):
        lines.append(b"Sec-WebSocket-Protocol: " + SUBPROTOCOL)
    return b"\r\n".join(lines) + b"\r\n\r\n"

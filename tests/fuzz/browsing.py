"""Targets at the door of a whole server in memory that speaks HTTP and WebSocket."""

from __future__ import annotations

import re
from typing import Any, Final

from tests import websockets
from tests.fuzz import grammar
from tests.fuzz.faults import Finding, NoFault, hold
from tests.fuzz.serving import BUFFERED, GONE, STALL, Peer, Scene, witnessed
from tests.unit.browsing import WebPipe, visitor
from tests.unit.world import World
from twisted_msg.opening import Speech, opening
from twisted_msg.web.site import make_site
from twisted_msg.wire.limits import HEADER_SIZE

SHORT: Final = 1500
"""Bytes of a WebSocket's stream: fewer than 256 frames, which is how many empty ones one read may
hold, so that it is the same stream in however many reads it comes."""

DATE: Final = re.compile(rb"\r\nDate: [^\r]*|\"time\":\d+")
"""What another second changes."""

BROKEN: Final = tuple(code.to_bytes(2, "big") for code in (1002, 1003, 1007))
"""Close's codes for what breaks WebSocket's rules: a text that is none breaks two of them, and
which one is seen first depends on how much of it is there."""

HANDSHAKE: Final = websockets.handshake()


class Visitor(Peer):
    """A hostile peer, whatever it turns out to speak."""

    pipe: Any

    def connect(self, world: World) -> WebPipe:
        if world.server.web is None:
            world.server.web = make_site(world.server, ())
        return visitor(world)

    def held(self) -> int:
        """How many bytes the server holds for it."""
        protocol = self.pipe.protocol
        held = len(self.pipe.dataBuffer)
        if hasattr(protocol, "decoder"):
            return held + len(protocol.decoder._buffer) + sum(map(len, protocol._unread))
        if hasattr(protocol, "connection"):
            connection = protocol.connection
            return held + len(connection.decoder._buffer) + connection.outlet._answers_size
        bodies = [request.content for request in getattr(protocol, "requests", ())]
        return (
            held
            + len(getattr(protocol, "_buffer", b""))
            + sum(map(len, getattr(protocol, "_dataBuffer", ())))
            + sum(map(len, getattr(protocol, "kept", None) or ()))
            + sum(body.getbuffer().nbytes for body in bodies if body and not body.closed)
        )


def _visited(data: bytes, cut: int, *, stuck: bool = False, before: bytes = b"") -> Visitor:
    """Send bytes in pieces of so many, close the side, and see that the visit ends."""
    scene = Scene(Visitor)
    peer = scene.peers[0]
    assert isinstance(peer, Visitor)
    peer.pipe.stuck = stuck
    peer.send(before)
    peer.cut = cut
    most = 0
    for at in range(0, len(data), 256):
        peer.send(data[at : at + 256])
        scene.settle()
        most = max(most, peer.held())
    peer.closes = True
    scene.settle()
    hold(max(most, peer.held()) <= BUFFERED, "bytes held for one peer", most)
    scene.wait(GONE + STALL if stuck else GONE)
    hold(peer.pipe.closed, "not ended", data)
    witnessed(scene)
    hold(not scene.world.broken, scene.world.broken)
    return peer


def web(data: bytes) -> None:
    """Whatever bytes come to the door, what begins as HTTP is answered by HTTP alone, the same
    however the bytes are cut; every visit ends, also one of a peer that reads nothing, and holds a
    bounded number of bytes until then; no fault is logged, and two who behave go on."""
    cut, stream = (data[0] if data else 0), data[1:]
    with NoFault():
        whole = _visited(stream, 0)
        heard = DATE.sub(b"", bytes(whole.pipe.taken))
        if opening(stream) is Speech.HTTP:
            hold(not heard or heard.startswith(b"HTTP/1."), "no HTTP", heard[:200])
        hold(b"Traceback" not in heard, "a traceback", heard[:2000])
        if cut:
            pieces = _visited(stream, cut)
            again = DATE.sub(b"", bytes(pieces.pipe.taken))
            hold(heard == again, "another answer to other pieces", cut, heard, again)
        _visited(stream, cut, stuck=True)


def websocket(data: bytes) -> None:
    """Whatever bytes follow a handshake, the server's are whole messages of whole frames and one
    Close, the same one however the bytes are cut; every connection ends, and holds a bounded
    number of bytes until then; no fault is logged, and two members who behave go on."""
    cut, stream = (data[0] if data else 0), data[1 : 1 + SHORT]
    with NoFault():
        whole = _close_of(_visited(stream, 0, before=HANDSHAKE))
        if cut:
            pieces = _close_of(_visited(stream, cut, before=HANDSHAKE))
            hold(whole == pieces, "another end of other pieces", cut, whole, pieces)
        _visited(stream, cut, stuck=True, before=HANDSHAKE)


def _close_of(peer: Visitor) -> bytes | None:
    """Return what Close said, having checked what came before it; None if there was none.

    It is empty if a rule of WebSocket was broken.
    """
    head, _, heard = bytes(peer.pipe.taken).partition(b"\r\n\r\n")
    hold(websockets.accepted(head + b"\r\n\r\n"), "refused", head)
    try:
        frames, rest = websockets.parsed(heard)
    except AssertionError as error:
        raise Finding(*error.args) from error
    hold(not rest or peer.pipe.aborted, "a message was cut short", rest)
    close = None
    payloads = []
    for frame in frames:
        hold(close is None, "something behind Close", frame)
        if frame.code == websockets.CLOSE:
            close = b"" if frame.payload[:2] in BROKEN else frame.payload
        elif frame.code == websockets.BINARY:
            payloads.append(frame.payload)
        else:
            hold(frame.code in (websockets.PING, websockets.PONG), "a frame of another kind", frame)
    said = grammar.read_stream(b"".join(payloads), HEADER_SIZE, 1 << 30)
    hold(said.refused is None and not said.unfinished, "no frames", payloads)
    return close

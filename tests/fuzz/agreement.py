"""Hostile headers, each before the grammar and before the product, wherever that reads one.

Law of this file: a disagreement is printed as bytes.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from tests.fuzz import grammar
from tests.fuzz.faults import hold
from tests.fuzz.headers import many
from twisted_msg.client import NotUnderstood, PlainFactory
from twisted_msg.client.connection import MAX_RECEIVED
from twisted_msg.wire import FrameDecoder, Header, ProtocolError, parse_header

BEFORE = {
    "first": b"",
    "behind a plain frame": b"1".ljust(128) + b"x",
    "behind a typed frame": b"0 PING".ljust(128),
}
"""What stands before a header in its stream: the first frame decides what may follow."""

LIMITS = (grammar.MAX_PAYLOAD, MAX_RECEIVED)
"""What a server takes unless it is told otherwise, and what a client does."""


def agree(seed: int, count: int) -> str:
    """Compare so many headers; return how many were plain, typed and refused.

    Raises `Finding` with the bytes of the first one that the product reads otherwise.
    """
    plain = typed = refused = 0
    for number, raw in enumerate(many(seed, count)):
        want = grammar.read_header(raw)
        try:
            found: Header | None = parse_header(raw)
        except ProtocolError:
            found = None
        hold(found == want, "the parser", raw, found, want)
        if len(raw) == 128:
            _in_streams(raw, LIMITS[number % 2])
            if number % 8 == 0:
                _by_a_client(raw)
        plain += want is not None and not want.words
        typed += want is not None and bool(want.words)
        refused += want is None
    return f"{count} headers agree: {plain} plain, {typed} typed, {refused} refused"


def _in_streams(raw: bytes, limit: int) -> None:
    """Compare what decoders make of a header behind each kind of first frame."""
    for where, before in BEFORE.items():
        stream = before + raw + b"payload"
        want = grammar.read_stream(stream, 128, limit)
        one = FrameDecoder(128, limit)
        frames: list[tuple[tuple[str, ...], bytes]] = []
        refused = None
        try:
            frames.extend((frame.words, frame.payload) for frame in one.feed(before + raw))
            frames.extend((frame.words, frame.payload) for frame in one.feed(b"payload"))
        except ProtocolError as error:
            refused = str(error.code)
        if want.refused is None:
            hold(refused is None and frames == want.frames, where, raw, frames, want)
        else:
            hold(refused == want.refused, where, raw, refused, want)


def _by_a_client(raw: bytes) -> None:
    """Compare what a plain client makes of a header as a server's first."""
    connection = PlainFactory(Clock(), made=lambda _: None, lost=lambda _: None).buildProtocol(None)
    connection.makeConnection(StringTransport())
    connection.dataReceived(raw)
    read = grammar.read_header(raw)
    good = read is not None and not read.words and read.length <= MAX_RECEIVED
    if read is None or (read.words and read.length) or read.length > MAX_RECEIVED:
        good = read is not None and bool(read.words) and read.length <= MAX_RECEIVED
    elif read.words:
        good = False  # the frame is complete, and typed
    hold((connection.error is None) is good, "a plain client", raw, connection.error)
    hold(connection.error is None or type(connection.error) is NotUnderstood, connection.error)

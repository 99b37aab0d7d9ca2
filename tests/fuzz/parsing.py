"""Targets without a connection: the header, the decoder, the two verb parsers, the HELLO JSON."""

from __future__ import annotations

from tests.fuzz import grammar
from tests.fuzz.faults import hold
from twisted_msg.wire import ErrorCode, Frame, FrameDecoder, ProtocolError, parse_header
from twisted_msg.wire.hello import merged, read_fields
from twisted_msg.wire.names import CLIENT, NAME
from twisted_msg.wire.replies import parse_reply
from twisted_msg.wire.requests import Hello, parse_request

MAX_PAYLOAD = 4096
"""Bytes of the largest payload that the decoders here take."""


def header(data: bytes) -> None:
    """The parser takes a header if and only if the specification's expression does, and reads
    from it what that does."""
    for width in (128, 64, 4):
        raw = data[:width].ljust(width)
        want = grammar.read_header(raw)
        try:
            found: tuple[object, ...] | None = tuple(parse_header(raw))
        except ProtocolError as error:
            hold(error.code is ErrorCode.BAD_HEADER, raw, error)
            hold(error.reason.isascii() and error.reason.isprintable(), raw, error)
            found = None
        hold(found == want, raw, found, want)


def decoder(data: bytes) -> None:
    """However a stream is cut, the decoder finds the frames and the refusal that the
    specification's grammar finds, and keeps no more than one unfinished frame."""
    widths = (128, 128, 128, 64, 4, 7)
    width = widths[data[0] % len(widths)] if data else 128
    stream = data[1:]
    limit = min(MAX_PAYLOAD, 10 ** min(width, 10) - 1)
    want = grammar.read_stream(stream, width, limit)
    first = stream[0] if stream else 1
    cuts = ([stream], _pieces(stream, 1), _pieces(stream, 1 + first), _pieces(stream, width))
    for pieces in cuts:
        one = FrameDecoder(width, MAX_PAYLOAD)
        frames: list[tuple[tuple[str, ...], bytes]] = []
        refused = None
        try:
            for piece in pieces:
                frames.extend((frame.words, frame.payload) for frame in one.feed(piece))
                hold(len(one._buffer) <= width + limit, len(one._buffer))
        except ProtocolError as error:
            refused = str(error.code)
            hold(error.reason.isascii() and error.reason.isprintable(), data, error)
        hold((frames, refused) == (want.frames, want.refused), data, frames, refused, want)


def requests(data: bytes) -> None:
    """A frame from a client is a request that encodes to a frame meaning the same, or is refused
    by a sentence of printable ASCII whose answer fits a frame."""
    frame = _frame(data)
    try:
        request = parse_request(frame)
    except ProtocolError as error:
        _answerable(error)
        return
    if isinstance(request, Hello):
        hold(request.client is None or request.client not in repr(request), request)
        hold(request.name is None or NAME.fullmatch(request.name), request)
    again = list(FrameDecoder(128, 1 << 30).feed(request.encode()))
    hold(len(again) == 1 and parse_request(again[0]) == request, data, request, again)


def replies(data: bytes) -> None:
    """A frame from a server is a reply that encodes to a frame meaning the same, is passed over,
    or is refused by a sentence of printable ASCII."""
    frame = _frame(data)
    try:
        reply = parse_reply(frame)
    except ProtocolError as error:
        _answerable(error)
        return
    if reply is None:
        return
    try:
        raw = reply.encode()
    except ValueError:
        return  # words or numbers that only a server would have to fit
    again = list(FrameDecoder(128, 1 << 30).feed(raw))
    hold(len(again) == 1 and type(parse_reply(again[0])) is type(reply), data, reply, again)


def hello(data: bytes) -> None:
    """Whatever the payload of HELLO is, it is an introduction by the rules or is refused, and
    neither the sentence nor the introduction's `repr` tells the secret."""
    try:
        introduced = merged(read_fields(data), {})
    except ProtocolError as error:
        _answerable(error)
        secret = data.strip()
        hold(len(secret) < 16 or secret.decode("latin-1") not in error.reason, data, error)
        return
    hold(introduced.name is None or NAME.fullmatch(introduced.name), data, introduced)
    hold(introduced.client is None or CLIENT.fullmatch(introduced.client), data, introduced)
    for told in (introduced.client, introduced.token):
        hold(told is None or len(told) < 16 or told not in repr(introduced), data, introduced)
    hold(merged(read_fields(_payload(introduced)), {}) == introduced, data, introduced)


def _payload(introduced: Hello) -> bytes:
    return next(FrameDecoder().feed(introduced.encode())).payload


def _frame(data: bytes) -> Frame:
    """Return the frame of a line `VERB words: payload`, its words such as a header can hold."""
    head, _, payload = data.partition(b": ")
    read = grammar.read_header(b"0 " + head[:126].ljust(126)) if head else None
    return Frame(payload, read.words if read is not None else ())


def _answerable(error: ProtocolError) -> None:
    hold(error.reason.isascii() and error.reason.isprintable(), error.reason)
    for typed in (True, False):
        words, payload = error.answer(typed=typed)
        told = b"%d %b" % (len(payload), " ".join(words).encode())
        hold(grammar.read_header(told.ljust(128)) is not None and len(told) <= 128, error)


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]

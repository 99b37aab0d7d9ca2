"""Frames out of a stream of bytes, however it is cut.

Law of this file: the work is linear in the bytes received, nothing is kept
beyond the one unfinished frame, and what is wrong is refused at its header,
before any of its payload is kept.
"""

from collections.abc import Iterator
from enum import Enum

from twisted_msg.wire.arguments import BUFFERS, check_whole
from twisted_msg.wire.errors import ErrorCode, ProtocolError
from twisted_msg.wire.frames import Frame, Run
from twisted_msg.wire.header import Header, parse_header
from twisted_msg.wire.limits import (
    HEADER_SIZE,
    MAX_HEADER_SIZE,
    MAX_HELLO,
    MAX_PAYLOAD,
    MIN_HEADER_SIZE,
    max_payload_for,
)
from twisted_msg.wire.requests import subject_of
from twisted_msg.wire.series import Series


class Stage(Enum):
    """What the stream's next byte belongs to."""

    BETWEEN = "between frames"
    HEADER = "header"
    PAYLOAD = "payload"


class FrameDecoder:
    """An incremental decoder for one connection's input.

    The first frame decides what a connection is: `typed` is None before it, then True
    or False for good, and words on a plain connection are refused.
    """

    __slots__ = (
        "_buffer", "_header", "_need", "_series", "header_size", "max_payload", "typed",
        "unfinished",
    )  # fmt: skip

    def __init__(self, header_size: int = HEADER_SIZE, max_payload: int = MAX_PAYLOAD) -> None:
        """Take the header's width and the largest payload, both in bytes.

        Raises `ValueError` for a width outside 4 to 2048 and a payload below 0, and `TypeError`.
        """
        header_size = check_whole(header_size, "a header's width", MIN_HEADER_SIZE, MAX_HEADER_SIZE)
        max_payload = check_whole(max_payload, "the largest payload")
        self.header_size = header_size
        self.max_payload = max_payload_for(header_size, max_payload)
        self.typed: bool | None = None
        self.unfinished = 0
        """How many frames were left unfinished by a piece so far: as long as it stands
        still (and `stage` too), the peer is still sending the same one."""
        self._buffer = bytearray()
        self._header: Header | None = None
        self._series = Series()
        self._need = header_size

    @property
    def stage(self) -> Stage:
        """What the next byte will belong to."""
        if self._header is not None:
            return Stage.PAYLOAD
        return Stage.HEADER if self._buffer else Stage.BETWEEN

    @property
    def announced(self) -> int:
        """Length in bytes of the payload that is being received, or 0."""
        return 0 if self._header is None else self._header.length

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take the next piece of the stream and yield the frames that it completes, one by one.

        Else as `decode`.  Raises `TypeError` for what is no bytes.
        """
        if not isinstance(data, BUFFERS):
            raise TypeError(f"a piece of the stream is bytes, not {type(data).__name__}")
        for each in self.decode(bytes(data)):
            if isinstance(each, Run):
                yield from each.frames()
            else:
                yield each

    def decode(self, data: bytes) -> Iterator[Frame | Run]:
        """Take the next piece of the stream and yield the frames that it completes.

        Many in a row whose headers are alike, or count up, come as a run.  The piece counts as
        taken when all are: whoever leaves the iterator early must not feed again.  Raises
        `ProtocolError`, after the good frames before it, for a header that is refused; the
        stream ends there.
        """
        buffer = self._buffer
        header = self._header
        if buffer or header is not None:
            buffer += data
            if len(buffer) < self._need:
                return
            data = bytes(buffer)
            self._buffer = bytearray()
        width, series = self.header_size, self._series
        new = tuple.__new__  # what `Frame` does itself, at twice the cost
        start, end = 0, len(data)
        while True:
            if header is None:
                if end - start < width:
                    break
                raw = data[start : start + width]
                header = series.recognise(raw)
                if header is None:
                    try:
                        header = self._admit(parse_header(raw))
                    except ProtocolError as error:
                        raise self._without_secret(error) from None
                    series.begin(raw, header)
                elif run := series.run(data, start):
                    start += len(run.payloads) * (width + header.length)
                    header = None
                    yield run
                    continue
                start += width
            length, words = header
            if end - start < length:
                break
            payload = data[start : start + length]
            start += length
            header = None
            yield new(Frame, (payload, words))
        self._header = header
        self._need = width if header is None else header.length
        if start < end or header is not None:
            self._buffer += data[start:] if start else data
            self.unfinished += 1

    def _without_secret(self, error: ProtocolError) -> ProtocolError:
        """Return the error of a header, which quotes nothing if the frame before was a `HELLO`.

        If that announced too few bytes, the rest of its secret stands where this header should.
        """
        if error.code is ErrorCode.BAD_HEADER and self._series.words[:1] == ("HELLO",):
            return ProtocolError(
                error.code,
                f"behind HELLO no header of {self.header_size} bytes follows: announce as many "
                "bytes as its JSON has, and send the length of the next frame in digits",
            )
        return error

    def discard(self) -> None:
        """Drop the unfinished frame; nothing is to be decoded after this."""
        self._buffer = bytearray()
        self._header = None

    def _admit(self, header: Header) -> Header:
        """Return the header, or raise for one that this stream may not hold."""
        length, words = header
        if self.typed is None:
            self.typed = bool(words)
        if words and not self.typed:
            raise ProtocolError(
                ErrorCode.BAD_HEADER,
                "this connection began with a plain frame, so its headers hold the length "
                "alone: open another connection for typed frames",
            )
        if length > MAX_HELLO and words[:1] == ("HELLO",):
            raise ProtocolError(
                ErrorCode.TOO_LARGE,
                f"the payload of HELLO has at most {MAX_HELLO} bytes, and this one has {length}: "
                "send only the fields that HELLO has",
                verb="HELLO",
            )
        if length > self.max_payload:
            raise ProtocolError(
                ErrorCode.TOO_LARGE,
                f"a message of {length} bytes is over this server's limit of "
                f"{self.max_payload}: send it in smaller ones",
                verb=words[0] if words else None,
                subject=subject_of(words) if words else None,
            )
        return header

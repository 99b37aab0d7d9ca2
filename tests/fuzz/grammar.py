"""The grammar of the stream, written a second time, from docs/protocol.md and not from the code.

Law of this file: it imports nothing of the product, and every expression stands beside the
sentence that it was written from.  Whoever needs to know what a stream means, and does not trust
the decoder, asks here: `tests/unit/test_header.py`, `tests/integration/test_volume.py`, the fuzz
targets.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

HEADER: Final = re.compile(
    rb"\x20*"  # "*SP": spaces may stand before it,
    rb"\x30*([\x30-\x39]{1,10})"  # "may have leading zeros", "below 10000000000"
    rb"((?:\x20[\x41-\x5a]+"  # "SP verb", "1*( %x41-5A )"
    rb"(?:\x20[\x21-\x7e]+)*)?)"  # "*( SP word )", "1*( %x21-7E )"
    rb"\x20*\Z"  # "padded with spaces"
)
"""Section 1, as one expression over a whole header."""

TYPED_WIDTH: Final = 128
"""Section 1: "only where H is 128"."""

MAX_PAYLOAD: Final = 1_048_576
"""Section 1, Numbers: unless the server was told otherwise."""

MAX_HELLO: Final = 4_096
"""Section 8: "The payload of `HELLO` has at most 4,096 bytes, wherever it comes"."""


class Read(NamedTuple):
    """What a header says: the payload's length in bytes, and its words (none: plain)."""

    length: int
    words: tuple[str, ...]


class Stream(NamedTuple):
    """What a stream says: its frames, the code that it is refused with, and whether it was cut."""

    frames: list[tuple[tuple[str, ...], bytes]]
    refused: str | None
    unfinished: bool


def read_header(header: bytes) -> Read | None:
    """Return what a header says, or None for one that is `bad-header` wherever it stands."""
    match = HEADER.match(header)
    if match is None:
        return None
    words = tuple(match[2].decode("ascii").split())
    if words and len(header) != TYPED_WIDTH:
        return None
    return Read(int(match[1]), words)


def read_stream(stream: bytes, width: int = 128, max_payload: int = MAX_PAYLOAD) -> Stream:
    """Return what a stream of frames with headers of `width` bytes says."""
    frames: list[tuple[tuple[str, ...], bytes]] = []
    plain: bool | None = None  # "The first frame makes a connection plain or typed"
    at = 0
    while len(stream) - at >= width:
        read = read_header(stream[at : at + width])
        if read is None:
            return Stream(frames, "bad-header", False)
        if plain is None:
            plain = not read.words
        if plain and read.words:  # "Words on a plain connection are `bad-header`"
            return Stream(frames, "bad-header", False)
        limit = min(MAX_HELLO, max_payload) if read.words[:1] == ("HELLO",) else max_payload
        if read.length > limit:  # "refused at the header"
            return Stream(frames, "too-large", False)
        at += width
        if len(stream) - at < read.length:
            return Stream(frames, None, True)
        frames.append((read.words, stream[at : at + read.length]))
        at += read.length
    return Stream(frames, None, at < len(stream))


def ends_with(stream: bytes, disconnect: bytes = b"!DISCONNECT!") -> str | None:
    """Return the code that ends a connection that sends this stream, or None.

    "What stands behind it in the stream is discarded": behind a plain goodbye nothing is wrong.
    """
    read = read_stream(stream)
    if any(not words and payload == disconnect for words, payload in read.frames):
        first_words, _ = read.frames[0]
        if not first_words:
            return None
    return read.refused

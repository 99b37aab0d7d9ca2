"""A frame as a value, and its bytes.

Law of this file: one immutable value for plain and typed frames alike; the
absence of words is what makes a frame plain.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from twisted_msg.wire.header import encode_header
from twisted_msg.wire.limits import HEADER_SIZE


class Frame(NamedTuple):
    """One frame: its payload, and its words (verb first; none for a plain frame)."""

    payload: bytes
    words: tuple[str, ...] = ()


class Run(NamedTuple):
    """Frames in a row that have the same header, and so the same words and size."""

    payloads: list[bytes]
    words: tuple[str, ...] = ()

    def frames(self) -> Iterator[Frame]:
        """Return them one by one."""
        return (Frame(payload, self.words) for payload in self.payloads)


def encode_frame(
    payload: bytes, words: Sequence[str] = (), header_size: int = HEADER_SIZE
) -> bytes:
    """Return a frame's bytes in one piece: the header, then the payload.

    One piece, because many small programs call `recv` once and hope.  Raises
    `ValueError` as `encode_header` does.
    """
    return encode_header(len(payload), words, header_size) + payload

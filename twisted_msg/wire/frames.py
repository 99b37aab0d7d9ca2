"""A frame as a value, and its bytes.

Law of this file: one immutable value for plain and typed frames alike; the
absence of words is what makes a frame plain.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

from twisted_msg.wire.header import encode_header
from twisted_msg.wire.limits import HEADER_SIZE


class Frame(NamedTuple):
    """One frame: its payload, and its words (verb first; none for a plain frame)."""

    payload: bytes
    words: tuple[str, ...] = ()


class Run(NamedTuple):
    """Frames in a row of the same size and words; or with a last word that counts up.

    `words` are those of the first frame; `first` is the number that their last word is, None
    if all have the same.
    """

    payloads: list[bytes]
    words: tuple[str, ...] = ()
    first: int | None = None

    def frames(self) -> Iterator[Frame]:
        """Return them one by one."""
        if self.first is None:
            return (Frame(payload, self.words) for payload in self.payloads)
        stem = self.words[:-1]
        return (
            Frame(payload, (*stem, str(number)))
            for number, payload in enumerate(self.payloads, self.first)
        )

    def behind(self, count: int) -> Iterator[Self]:
        """Return what is left of it behind so many frames, as a run, if anything is."""
        if count >= len(self.payloads):
            return
        payloads = self.payloads[count:]
        if self.first is None:
            yield self._replace(payloads=payloads)
        else:
            first = self.first + count
            yield self._replace(
                payloads=payloads, words=(*self.words[:-1], str(first)), first=first
            )


def encode_frame(
    payload: bytes, words: Sequence[str] = (), header_size: int = HEADER_SIZE
) -> bytes:
    """Return a frame's bytes in one piece: the header, then the payload.

    One piece, because many small programs call `recv` once and hope.  Raises
    `ValueError` as `encode_header` does.
    """
    return encode_header(len(payload), words, header_size) + payload

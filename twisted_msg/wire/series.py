"""Headers that go on as they began: the same one again, or the next number at its end.

Law of this file: nothing is taken for granted.  A header is recognised by all of its bytes,
and a run of frames is one because the headers it should have, joined to the payloads that
were cut out, make exactly the bytes that came; whatever is not recognised is parsed.
"""

from __future__ import annotations

from typing import Final

from twisted_msg.wire.frames import Run
from twisted_msg.wire.header import Header
from twisted_msg.wire.names import MAX_ID

RUN_AFTER: Final = 4
"""Headers in a row that went on as expected, after which a run of frames is looked for."""

RUN_FIRST: Final = 16
"""How many frames are looked at first; then as many as were found, so that what is looked at
in vain is never more than that.  Who made it look for nothing is trusted that much later."""

RUN_MOST: Final = 512
"""Frames of one run at the most: they are cut out before anybody is asked whether they can be
taken, and cut out they take eight times the memory."""

PATIENCE: Final = 8
"""Headers for which no next number is expected after one that was something else: to expect it
costs a third of what it saves."""


class Series:
    """What one sender's headers were last, and how they seem to go on."""

    __slots__ = ("_going", "_header", "_number", "_patience", "_raw", "_stem")

    def __init__(self) -> None:
        self._raw = b""
        self._header = Header(0, ())
        self._stem = b""  # what stands before the number, while headers count up
        self._number = 0
        self._going = self._patience = 0

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the last header."""
        return self._header.words

    def begin(self, raw: bytes, header: Header) -> None:
        """Go on from a header that was parsed; `raw` is its bytes."""
        self._raw, self._header = raw, header
        self._going = min(self._going, 0)

    def recognise(self, raw: bytes) -> Header | None:
        """Return what a header says if it is the last one again, or the next of its numbers."""
        if raw == self._raw:
            if self._stem:
                self._stem = b""
                self._going = min(self._going, 0)
            self._going += 1
            return self._header
        if self._patience:
            self._patience -= 1
            return None
        counts = (self._stem or self._counts()) and self._number < MAX_ID
        if not counts or raw != (b"%b%d" % (self._stem, self._number + 1)).ljust(len(raw)):
            self._stem = b""
            self._patience = PATIENCE if self._raw else 0
            return None
        self._number += 1
        self._going += 1
        self._raw = raw
        self._header = Header(self._header.length, (*self._header.words[:-1], str(self._number)))
        return self._header

    def run(self, data: bytes, start: int) -> Run | None:
        """Return the frames from `start` on that go on as expected, if they are many.

        The header at `start` is the one that was recognised last.
        """
        width, (length, words) = len(self._raw), self._header
        stride = width + length
        if self._going <= RUN_AFTER or len(data) - start < RUN_AFTER * stride:
            return None
        payloads: list[bytes] = []
        first, most = self._number, RUN_FIRST
        limit = min(RUN_MOST, MAX_ID - first + 1) if self._stem else RUN_MOST
        while True:
            count = min(most, limit - len(payloads), (len(data) - start) // stride)
            if count < RUN_AFTER:
                break
            end = start + count * stride
            cut = [data[at : at + length] for at in range(start + width, end + 1, stride)]
            if self._expected(cut, first + len(payloads)) != data[start:end]:
                self._going = 0 if payloads else -RUN_FIRST
                break
            payloads += cut
            start, most = end, len(payloads)
        if not payloads:
            return None
        if not self._stem:
            return Run(payloads, words)
        self._number = first + len(payloads) - 1
        self._raw = (b"%b%d" % (self._stem, self._number)).ljust(width)
        self._header = Header(length, (*words[:-1], str(self._number)))
        return Run(payloads, words, first)

    def _expected(self, payloads: list[bytes], number: int) -> bytes:
        """Return the bytes that payloads have with the headers that they should have."""
        raw, stem = self._raw, self._stem
        if not stem:
            return raw + raw.join(payloads)
        width = len(raw)
        return b"".join(
            [
                (b"%b%d" % (stem, number)).ljust(width) + payload
                for number, payload in enumerate(payloads, number)
            ]
        )

    def _counts(self) -> bool:
        """Take up the number at the end of the last header, if there is one that can go on."""
        words = self._header.words
        if len(words) < 2:
            return False
        last = words[-1]
        if not last.isdigit() or last[0] == "0" or len(last) > len(str(MAX_ID)):
            return False
        self._number = int(last)
        self._stem = self._raw.rstrip(b" ")[: -len(last)]
        self._going = min(self._going, 0)
        return True

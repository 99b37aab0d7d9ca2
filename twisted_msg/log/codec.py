"""The body of a stored piece: what its authors said, without the padding of the wire.

Law of this file: bytes and pieces only.  What every message has in common with its
neighbours is stored once, and no loop over messages is written in Python.

    count of messages, count of authors         two of 32 bits
    for each author: the number of its origin   64 bits
    for each author: the length of its name     8 bits
    the names, joined
    for each message, if authors are several:   which author, 8 bits (32 if authors
                                                are more than 256)
    for each message: the payload's length      32 bits
    the payloads, joined

All numbers are little endian.
"""

from __future__ import annotations

import struct
import sys
from array import array
from itertools import accumulate, pairwise, starmap
from typing import Final
from zlib import crc32

from twisted_msg.log.piece import Author, Piece

_COUNTS: Final = struct.Struct("<II")
_ALONE: Final = struct.Struct("<IIQB")
_LENGTH: Final = struct.Struct("<I")
_PLACE: Final = struct.Struct("<qqqI")
_SMALL: Final = 256
"""Authors that one byte tells apart."""

SWAPPED: Final = sys.byteorder == "big"
"""Whether this machine's numbers must be turned round."""


def pack(piece: Piece) -> bytes:
    """Return the body of a piece.

    Raises `OverflowError` or `struct.error` for an origin, a name or a payload beyond the
    widths above; the wire's limits are far below them.
    """
    authors, payloads = piece.authors, piece.payloads
    if len(payloads) == 1:  # as in a quiet room, at a sixth of the cost
        (origin, name), payload = authors[0], payloads[0]
        head = _ALONE.pack(1, 1, origin, len(name))
        return b"".join((head, name, _LENGTH.pack(len(payload)), payload))
    if authors.count(authors[0]) == len(authors):
        known = authors[:1]
        which = b""
    else:
        known = list(dict.fromkeys(authors))
        places = dict(zip(known, range(len(known)), strict=True))
        indices = map(places.__getitem__, authors)
        which = bytes(indices) if len(known) <= _SMALL else _bytes("I", indices)
    names = [author.name for author in known]
    return b"".join(
        [
            _COUNTS.pack(len(payloads), len(known)),
            _bytes("Q", [author.origin for author in known]),
            _bytes("B", map(len, names)),
            *names,
            which,
            _bytes("I", map(len, payloads)),
            *payloads,
        ]
    )


def unpack(room: str, first: int, millis: int, body: bytes) -> Piece:
    """Return the piece that was packed into a body.

    Raises `ValueError` for bytes that `pack` does not make.
    """
    try:
        count, known = _COUNTS.unpack_from(body)
    except struct.error:
        raise ValueError("the body of a piece is cut short") from None
    if not count or not 0 < known <= count:
        raise ValueError("the body of a piece has impossible counts")
    at = _COUNTS.size
    origins, at = _numbers("Q", body, at, known)
    lengths, at = _numbers("B", body, at, known)
    names, at = _slices(body, at, lengths)
    authors = list(map(Author, origins, names))
    if known == 1:
        authors *= count
    else:
        which, at = _numbers("B" if known <= _SMALL else "I", body, at, count)
        if max(which) >= known:
            raise ValueError("the body of a piece names an author that it does not have")
        authors = list(map(authors.__getitem__, which))
    sizes, at = _numbers("I", body, at, count)
    payloads, at = _slices(body, at, sizes)
    if at != len(body):
        raise ValueError("the body of a piece does not end where it says")
    return Piece(room, first, millis, authors, payloads)


def checksum(room: str, first: int, last: int, millis: int, body: bytes) -> int:
    """Return the CRC-32 of a body and of where it stands: a row that was moved is refused too."""
    name = room.encode()
    return crc32(body, crc32(_PLACE.pack(first, last, millis, len(name)) + name))


def _bytes(code: str, numbers: object) -> bytes:
    row = array(code, numbers)  # type: ignore[call-overload]
    if SWAPPED:
        row.byteswap()
    return bytes(row.tobytes())


def _numbers(code: str, body: bytes, at: int, count: int) -> tuple[array[int], int]:
    row: array[int] = array(code)
    end = at + count * row.itemsize
    if end > len(body):
        raise ValueError("the body of a piece is cut short")
    row.frombytes(body[at:end])
    if SWAPPED:
        row.byteswap()
    return row, end


def _slices(body: bytes, at: int, lengths: array[int]) -> tuple[list[bytes], int]:
    """Return what stands one behind another from `at` on, and where it ends."""
    ends = list(accumulate(lengths, initial=at))
    if ends[-1] > len(body):
        raise ValueError("the body of a piece is cut short")
    return list(map(body.__getitem__, starmap(slice, pairwise(ends)))), ends[-1]

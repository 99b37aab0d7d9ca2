"""Makes a store that holds as many messages as are asked for, without a server.

Law of this file: it writes through the product's own store, so that what is measured on it is
what a server would have written itself.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from bench.counting import CYCLE, payload
from twisted_msg.log.piece import Author, Piece
from twisted_msg.log.sqlite import SqliteStore

SIZE: Final = 16
"""Bytes of each message."""

PIECE: Final = 256
"""Messages of one piece: those of a busy room's batch."""

GROUP: Final = 64
"""Pieces of one commit."""

SPAN: Final = 20 * 86_400_000
"""Milliseconds over which the messages were said."""


def make(folder: Path, room: str, messages: int) -> int:
    """Write a store into a folder, with so many messages of `SIZE` bytes in one room.

    Returns when the newest was said, in milliseconds of Unix time; the oldest is `SPAN` older.
    """
    store = SqliteStore(str(folder))
    store.open()
    now = time.time_ns() // 1_000_000
    authors = [Author(1, b"guest-1")] * PIECE
    bodies = [payload(0, number, SIZE) for number in range(CYCLE)]
    pieces: list[Piece] = []
    for first in range(1, messages + 1, PIECE):
        count = min(PIECE, messages - first + 1)
        at = (first - 1) % CYCLE
        millis = now - SPAN + int(SPAN * first / messages)
        pieces.append(Piece(room, first, millis, authors[:count], bodies[at : at + count]))
        if len(pieces) == GROUP:
            store.commit(pieces, [])
            pieces = []
    if pieces:
        store.commit(pieces, [])
    store.close()
    return now

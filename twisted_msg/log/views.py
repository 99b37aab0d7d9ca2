"""How members of each kind see messages.

Law of this file: what may not be shown to a kind of member is left out here, at
delivery, and nowhere else; a view makes frames of its own kind only.
"""

from __future__ import annotations

from collections.abc import Iterator

from twisted_msg.log.piece import Piece
from twisted_msg.wire.limits import DISCONNECT, ERROR_PREFIX, HEADER_SIZE
from twisted_msg.wire.replies import Missed


class PlainView:
    """Messages as plain frames.

    What a plain member would take for a word of the server's own is not shown: the
    disconnect word, an error, and the empty keep-alive.  So nobody can hang up on others.
    """

    def __init__(self, header_size: int = HEADER_SIZE, disconnect: bytes = DISCONNECT) -> None:
        """Take the header's width in bytes and the disconnect word."""
        self.header_size = header_size
        self.disconnect = disconnect

    def encode(self, piece: Piece) -> list[bytes]:
        """Return a plain frame for each message, empty for what plain members are not shown."""
        width, shows = self.header_size, self._shows
        return [
            b"%-*d%b" % (width, len(payload), payload) if shows(payload) else b""
            for payload in piece.payloads
        ]

    def sizes(self, piece: Piece) -> Iterator[int]:
        """Return the bytes of each frame."""
        width, shows = self.header_size, self._shows
        return (width + len(payload) if shows(payload) else 0 for payload in piece.payloads)

    def _shows(self, payload: bytes) -> bool:
        """Return whether plain members are shown a message."""
        return bool(payload) and payload != self.disconnect and not payload.startswith(ERROR_PREFIX)

    def gap(self, room: str, first: int, last: int) -> bytes:
        """Return nothing: a plain member that missed messages is told so and let go."""
        return b""


class TypedView:
    """Messages as `MSG <room> <seq> <sender> <millis>`."""

    def encode(self, piece: Piece) -> list[bytes]:
        """Return a frame for each message."""
        room, millis, payloads = piece.room.encode(), piece.millis, piece.payloads
        if len(payloads) == 1:  # as in a quiet room: nothing to share between frames
            (payload,), name = payloads, piece.authors[0].name
            head = b"%d MSG %b %d %b %d" % (len(payload), room, piece.first, name, millis)
            return [head.ljust(HEADER_SIZE) + payload]
        frames: list[bytes] = []
        for _, first, last in piece.runs:
            tail = b" %b %d" % (piece.authors[first].name, millis)
            size = digits = -1
            head = rest = b""
            for seq, payload in enumerate(payloads[first : last + 1], piece.first + first):
                number = b"%d" % seq
                if len(payload) != size or len(number) != digits:  # headers are alike but for it
                    size, digits = len(payload), len(number)
                    head = b"%d MSG %b " % (size, room)
                    rest = tail.ljust(HEADER_SIZE - len(head) - digits)
                frames.append(head + number + rest + payload)
        return frames

    def sizes(self, piece: Piece) -> Iterator[int]:
        """Return the bytes of each frame."""
        return (HEADER_SIZE + len(payload) for payload in piece.payloads)

    def gap(self, room: str, first: int, last: int) -> bytes:
        """Return the frame that stands where the messages would have."""
        return Missed(room, first, last).encode()

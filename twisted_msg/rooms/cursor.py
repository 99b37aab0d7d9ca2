"""A member's place in a room's log.

Law of this file: live delivery and catching up are the same operation, `take`,
and whoever stops taking costs the room a cursor and at most one piece.
"""

from __future__ import annotations

from typing import Protocol

from twisted_msg.log.piece import PIECE_SIZE, Piece, View


class Reader(Protocol):
    """Who reads with a cursor: what the room needs to know of a member."""

    def wake(self) -> None:
        """There is something to take."""
        ...

    def fallen(self, missed: int) -> None:
        """The room no longer keeps `missed` messages that were still unread; the cursor ends."""
        ...

    def taken(self) -> int:
        """Return how many bytes the peer has taken so far: what progress is measured by."""
        ...


class Shelf(Protocol):
    """What a cursor asks of its room."""

    @property
    def end(self) -> int:
        """The position behind the newest piece."""
        ...

    def read(self, cursor: Cursor) -> Piece | None:
        """Return the cursor's next piece and step over it; None if it has read them all."""
        ...

    def caught_up(self, cursor: Cursor) -> None:
        """Note that a cursor wants nothing that the room holds now."""
        ...

    def forget(self, cursor: Cursor) -> None:
        """Take a cursor out."""
        ...


class Cursor:
    """Reads one room for one member, in one view, without what came from `origin`.

    `position` is the next piece to read; `limit`, once set, the piece to stop before.
    """

    __slots__ = (
        "_data",
        "_offset",
        "_room",
        "limit",
        "mark",
        "origin",
        "position",
        "reader",
        "since",
        "view",
    )

    def __init__(self, room: Shelf, reader: Reader, view: View, origin: int, position: int) -> None:
        self._room: Shelf | None = room
        self._data = b""
        self._offset = 0
        self.reader = reader
        self.view = view
        self.origin = origin
        self.position = position
        self.limit: int | None = None
        self.since = 0.0
        """When this member was last seen to make progress, while it is behind."""
        self.mark: int | None = None
        """What `reader.taken()` said then."""

    @property
    def mid_frame(self) -> bool:
        """Whether the bytes taken last end inside a frame, so that nothing else may be sent."""
        return bool(self._data)

    @property
    def ended(self) -> bool:
        """Whether the member has left the room (what it has begun to take is still its own)."""
        return self._room is None

    def take(self) -> bytes:
        """Return the next bytes to send, at most 64 KiB, or nothing for now.

        A piece is whole frames, so only a frame larger than a piece is taken in slices.
        """
        if not self._data and not self._load():
            return b""
        data = self._data
        if len(data) <= PIECE_SIZE:
            self._data = b""
            return data
        start = self._offset
        end = start + PIECE_SIZE
        if end < len(data):
            self._offset = end
        else:
            self._data, self._offset = b"", 0
        return data[start:end]

    def stop(self) -> None:
        """Read to what the room holds now and no further; the member waits for no more."""
        if self._room is not None:
            self.limit = self._room.end

    def leave(self) -> None:
        """Leave the room: only the rest of a frame that was begun is still to take."""
        if self._room is not None:
            self._room.forget(self)
            self._room = None

    def _load(self) -> bool:
        """Fetch the next piece that holds something for this member."""
        room = self._room
        while room is not None:
            if self.position == self.limit:
                room.caught_up(self)
                return False
            piece = room.read(self)
            if piece is None:
                return False
            data = piece.encoded(self.view, self.origin)
            if data:
                self._data = data
                return True
        return False

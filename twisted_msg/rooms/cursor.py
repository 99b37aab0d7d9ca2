"""A member's place in a room's log.

Law of this file: replay, live delivery and catching up are the same operation, `take`,
and whoever stops taking costs the room a cursor and at most one piece.
"""

from __future__ import annotations

from typing import Protocol

from twisted_msg.log.memory import MemoryLog
from twisted_msg.log.piece import PIECE_SIZE, Piece, View


class Member(Protocol):
    """Who reads with a cursor, and is seen in the room."""

    number: int
    """Its connection's, by which the log remembers where a message came from."""

    name: str

    def fallen(self, cursor: Cursor, missed: int) -> None:
        """Messages were lost that its view has no frame for; the cursor ends."""
        ...

    def presence(self, cursor: Cursor, name: str, *, here: bool) -> bool:
        """Somebody came or went.  Returns whether the member was told."""
        ...

    def unreadable(self, cursor: Cursor, reason: str) -> None:
        """What the cursor should read next is damaged; the cursor ends."""
        ...

    def refresh(self, cursor: Cursor) -> None:
        """The cursor has caught up: tell who is there, if some of that was left out."""
        ...


class Reader(Protocol):
    """The way out of a member's connection."""

    def wake(self, cursor: Cursor) -> None:
        """There is something to take."""
        ...

    def taken(self) -> int:
        """Return how many bytes the peer has taken so far: what progress is measured by."""
        ...


class Shelf(Protocol):
    """What a cursor asks of its room."""

    name: str

    received: int
    """The highest sequence number that was given."""

    tail: MemoryLog
    """The newest pieces, which are in memory."""

    @property
    def first(self) -> int:
        """The lowest sequence number that is kept."""
        ...

    @property
    def head(self) -> int:
        """The highest sequence number that members may see."""
        ...

    def fetch(self, cursor: Cursor) -> None:
        """Have the piece that a cursor reads next, which is not in memory, handed to `fetched`."""
        ...

    def caught_up(self, cursor: Cursor) -> None:
        """Note that a cursor wants nothing that the room holds now."""
        ...

    def passed(self, cursor: Cursor) -> None:
        """Note that a cursor has moved on."""
        ...

    def left_out(self, count: int) -> None:
        """Note that a cursor steps over so many numbers without a message for its member."""
        ...

    def forget(self, cursor: Cursor, *, quietly: bool) -> None:
        """Take a cursor out; tell others, unless it goes quietly."""
        ...


class Cursor:
    """Reads one room for one member, in one view.

    `seq` is the sequence number it reads next; `without` is the origin whose messages it
    leaves out; `limit`, once set, is the last sequence number that it is owed.  `marker` is a
    frame that is due when everything up to `marker_at` is taken.
    """

    __slots__ = (
        "_data",
        "_offset",
        "_piece",
        "_room",
        "ended",
        "fell",
        "idle",
        "limit",
        "mark",
        "marker",
        "marker_at",
        "member",
        "mid_frame",
        "more",
        "queued",
        "reader",
        "room",
        "seq",
        "since",
        "stale",
        "view",
        "waiting",
        "without",
    )

    def __init__(
        self,
        room: Shelf,
        member: Member,
        reader: Reader,
        view: View,
        seq: int,
        without: int | None = None,
    ) -> None:
        self._room: Shelf | None = room
        self._data = b""
        self._offset = 0
        self._piece: Piece | None = None
        self.room = room.name
        self.member = member
        self.reader = reader
        self.view = view
        self.seq = seq
        self.without = without
        self.limit: int | None = None
        self.marker = b""
        self.marker_at = 0
        self.ended = False
        """Whether the member has left the room (what it has begun to take is still its own)."""
        self.mid_frame = False
        """Whether the bytes taken last end inside a frame, so that nothing else may be sent."""
        self.more = False
        """Whether there is more to take at once, behind what was taken last."""
        self.stale = False
        """Whether it was not told of somebody who came or went."""
        self.queued = False
        """Whether its outlet will ask it for more (the outlet's own note)."""
        self.waiting = False
        """Whether the piece that it reads next is being fetched (the room's note)."""
        self.idle = False
        """Whether it had caught up when it was last asked, so that it is woken when more is there
        (the room's note)."""
        self.fell = False
        """Whether the room has gone on without it (the room's note)."""
        self.since = 0.0
        """When this member was last seen to make progress, while it is behind."""
        self.mark: int | None = None
        """What `reader.taken()` said then."""

    @property
    def done(self) -> bool:
        """Whether nothing that it is owed is still to take."""
        if self._data:
            return False
        return self._room is None or (
            self.limit is not None and self.seq > self.limit and not self.marker
        )

    def take(self, *, whole: bool = False) -> bytes:
        """Return the next bytes to send, at most 64 KiB, or nothing for now.

        A piece is whole frames, so only a frame larger than a piece is taken in slices.  A reader
        that takes pieces `whole` is given the bytes that all members share, whatever their size.
        """
        data = self._data or self._load()
        if whole or len(data) <= PIECE_SIZE:
            return data
        start, self._offset = self._offset, self._offset + PIECE_SIZE
        self.mid_frame = self._offset < len(data)
        if self.mid_frame:
            self._data = data
            return data[start : self._offset]
        self._data, self._offset = b"", 0
        return data[start:]

    def fetched(self, piece: Piece | None) -> None:
        """Take the piece that was asked for, None if the room keeps none of it any more."""
        self.waiting = False
        if self._room is not None:
            self._piece = piece
            self.reader.wake(self)

    def unreadable(self, reason: str) -> None:
        """End, for what was asked for cannot be read; `reason` is for people."""
        self.waiting = False
        if self._room is not None:
            self.leave()
            self.member.unreadable(self, reason)

    def stop(self) -> None:
        """Read to what was said in the room up to now and no further."""
        if self._room is not None and self.limit is None:
            self.limit = self._room.received

    def leave(self, *, quietly: bool = False) -> None:
        """Leave the room: only the rest of a frame that was begun is still to take.

        Quietly, where another cursor of the same member takes its place.
        """
        if self._room is not None:
            room, self._room = self._room, None
            self.ended = True
            room.forget(self, quietly=quietly)
            self._piece = None
            self.marker = b""

    def _load(self) -> bytes:
        """Return what comes next in the room for this member, if it is there."""
        self.more = True
        while (room := self._room) is not None:
            if self.marker and self.seq > self.marker_at:
                marker, self.marker = self.marker, b""
                return marker
            if self.waiting:
                break
            tail = room.tail
            if self.seq > tail.head or (self.limit is not None and self.seq > self.limit):
                room.caught_up(self)
                break
            if self.seq >= tail.first:  # in memory, as for all who keep up
                piece = tail.find(self.seq)
            elif self.seq < room.first:
                data = self._missed(room, room.first)
                if data:
                    return data
                continue
            else:
                piece = self._piece
                if piece is None:
                    room.fetch(self)
                elif piece.first > self.seq:  # numbers skip
                    room.left_out(piece.first - self.seq)
                    self.seq = piece.first
            self._piece = None
            if piece is None:
                break
            if self.without is None:
                data = piece.encoded(self.view, self.seq)
            else:
                data = piece.encoded(self.view, self.seq, self.without)
                hidden = piece.hidden(self.view, self.seq, self.without)
                if hidden:
                    room.left_out(hidden)
            self.seq = piece.last + 1
            if data and self.seq > tail.head and not self.marker:
                self.more = False
                if self.stale or not self.idle:  # else the room knows: one that keeps up
                    room.caught_up(self)
                return data
            room.passed(self)
            if data:
                return data
        self.more = False
        return b""

    def _missed(self, room: Shelf, first: int) -> bytes:
        """Step over what is no longer kept; return the frame that says so."""
        lost, self.seq = self.seq, first
        room.left_out(first - lost)
        self._piece = None
        data = self.view.gap(room.name, lost, first - 1)
        if not data:
            self.leave()
            self.member.fallen(self, first - lost)
        return data

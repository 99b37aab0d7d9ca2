"""What a room's log asks of the place where it is kept.

Law of this file: interfaces, small values and errors only.  Which store there is, is
chosen where the server is put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from twisted_msg.log.piece import Piece


class Kept(NamedTuple):
    """What a store holds of one room.

    `first` is the lowest sequence number still kept, `head` + 1 if nothing is; `head` the
    highest ever given, remembered even when nothing is kept; `size` the bytes of the
    stored bodies.
    """

    room: str
    first: int
    head: int
    size: int


class Mark(NamedTuple):
    """A client's high-water mark: its highest stored id, and the number that one got."""

    id: int
    seq: int


class Retention(NamedTuple):
    """How long messages are kept; None is for ever.

    `age` is in seconds, `size` in bytes of bodies for each room, `store` in bytes of the
    whole store.
    """

    age: float | None = None
    size: int | None = None
    store: int | None = None


KEEP_ALL: Final = Retention()
"""Nothing is ever deleted."""


class StoreError(Exception):
    """The store cannot be used; one line says why, and what to do."""


class StoreFull(StoreError):
    """There is no more room.  Nothing of the group is stored; trying later is right."""


class StoreBroken(StoreError):
    """A write or its sync failed and nobody knows what is on disk: the process must end."""


class Damaged(StoreError):
    """What is stored was altered.  It is refused, never delivered and never repaired."""


class Store(Protocol):
    """A durable place for pieces and marks, used by one thread at a time.

    Every method may raise `StoreError`.  After one from `commit` that is not `StoreFull`
    the process must end.
    """

    @property
    def floor(self) -> int:
        """Above this starts a room that the store does not know: see `forget`."""
        ...

    @property
    def size(self) -> int:
        """Bytes that its files take; may be asked from any thread."""
        ...

    @property
    def newest(self) -> int:
        """The highest time of a kept message, in Unix milliseconds; 0 if there is none."""
        ...

    def open(self) -> list[Kept]:
        """Make the store ready and return all rooms that it remembers, empty ones too."""
        ...

    def head(self, room: str) -> int:
        """Return the number behind which a room goes on; `floor` for an unknown one.

        It is answered from memory and may be called from any thread.  Of a room with
        messages under way it knows only what is committed.
        """
        ...

    def commit(
        self, pieces: Sequence[Piece], marks: Sequence[tuple[bytes, int, int]]
    ) -> list[Kept]:
        """Store a group with one sync and return the rooms that it changed.

        `marks` are (client, id, seq); a mark never goes down.  Raises `ValueError`, storing
        nothing, for a piece at or below its room's head.
        """
        ...

    def piece(self, room: str, seq: int) -> Piece | None:
        """Return the first piece whose `last` is at or above a number, None behind the newest.

        Raises `Damaged` if it is not what was stored.
        """
        ...

    def since(self, room: str, millis: int) -> int:
        """Return the first number of the first piece said at or after a time.

        That is `head` + 1 if there is none.  `millis` is Unix time in milliseconds.
        """
        ...

    def mark(self, key: bytes) -> Mark | None:
        """Return a client's mark, None if there is none."""
        ...

    @property
    def marks_per_address(self) -> int | None:
        """How many new clients of one address it remembers at most; None for any number."""
        ...

    def drop_marks(self, clients: Sequence[bytes]) -> None:
        """Delete the marks of these clients."""
        ...

    def set_aside(self, size: int) -> None:
        """See whether there is room for so many bytes more.  Raises `StoreFull` if not.

        Nothing is changed by it, whatever is raised.
        """
        ...

    def check(self) -> None:
        """Raise `StoreBroken` if the files were removed, so that new writes would be lost."""
        ...

    def prune(self, now: int) -> list[Kept]:
        """Do one small step of retention and return the rooms that it changed.

        Nothing is returned when there is no more to do.  `now` is the Unix time in milliseconds
        to go by, 0 if none can be trusted: then nothing is deleted by age.
        """
        ...

    def forget(self, room: str) -> None:
        """Take note that a room is empty and unused.

        It comes back with its own numbers, or, when very many rooms were forgotten since,
        behind `floor`; no number is ever given twice.
        """
        ...

    def close(self) -> None:
        """Let go of everything; an unopened store is closed already."""
        ...

"""What is asked of a store between two groups: pages of history, marks, and that it tidies up.

Law of this file: nothing here waits or keeps others waiting.  What many ask meanwhile is
read once, what nobody wants any more is not read at all, and long work goes in steps, each
a question of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted_msg.log.piece import Piece
from twisted_msg.log.store import Kept, Mark, Store, StoreFull

PAGES_COST: Final = 1024 * 1024
"""Bytes of memory that pieces of history take which are kept for others who read the same:
seven pieces of a kilobyte's messages, hundreds of a quiet room's."""

PageTaker = Callable[[Piece | BaseException | None], None]
"""Who is given a page of history."""

Wanted = Callable[[], bool]
"""Whether somebody still wants what the store was asked for."""

Ask = Callable[[Callable[[], Any], Callable[[Any], object], Wanted], None]
"""Has a question asked when its turn comes, if it is wanted then.

What is called next gets the answer, or the exception.
"""


def _always() -> bool:
    return True


class Archive:
    """What the store holds, for whoever wants some of it."""

    def __init__(
        self,
        store: Store,
        ask: Ask,
        *,
        soon: Callable[[Callable[[], None]], object],
        kept: Callable[[Kept], None],
        broken: Callable[[BaseException], None],
    ) -> None:
        """Take the store, who asks it in turn, and whom to tell.

        `soon` calls a function when this turn of the reactor is over; `kept` is told what
        the store holds of a room when it has dropped some of it, `broken` when it failed to
        write and nobody knows what is on disk.
        """
        self._store = store
        self._ask = ask
        self._soon = soon
        self._kept = kept
        self._broken = broken
        self._pages: OrderedDict[tuple[str, int], Piece] = OrderedDict()
        self._pages_cost = 0
        self._readers: dict[tuple[str, int], list[tuple[PageTaker, Wanted]]] = {}
        self._pruning = False

    # -- what is read --------------------------------------------------------

    def page(self, room: str, seq: int, taker: PageTaker, wanted: Wanted = _always) -> None:
        """Fetch the first piece that reaches to a sequence number; None if there is none.

        Damage is handed over as the exception.  What nobody wants any more when its turn
        comes is not read: members may come and go faster than any disk reads.
        """
        key = room, seq
        piece = self._pages.get(key)
        if piece is not None:
            self._soon(lambda: taker(piece))  # not at once: the taker is about to wait
        elif key in self._readers:
            self._readers[key].append((taker, wanted))
        else:
            self._readers[key] = [(taker, wanted)]
            self._ask(
                lambda: self._store.piece(room, seq),
                lambda page: self._read(key, page),
                lambda: self._still_read(key),
            )

    def mark(self, key: bytes, then: Callable[[Mark | BaseException | None], None]) -> None:
        """Ask how far a client has come; None if the store does not know it."""
        self._ask(lambda: self._store.mark(key), then, _always)

    @property
    def marks_per_address(self) -> int | None:
        """How many new clients of one address the store remembers; None for any number."""
        return self._store.marks_per_address

    def drop_marks(self, clients: Sequence[bytes]) -> None:
        """Have the store forget clients."""
        self._ask(lambda: self._store.drop_marks(clients), self._tidied, _always)

    def since(self, room: str, millis: int, then: Callable[[int | BaseException], None]) -> None:
        """Ask from where on a room's messages were said at this Unix time or later."""
        self._ask(lambda: self._store.since(room, millis), then, _always)

    def set_aside(self, size: int, then: Callable[[BaseException | None], None]) -> None:
        """Ask whether there is room for so many bytes more; None if so."""
        self._ask(lambda: self._store.set_aside(size), then, _always)

    @property
    def size(self) -> int:
        """Bytes that the store takes on disk."""
        return self._store.size

    def head(self, room: str) -> int:
        """Return the sequence number behind which a room goes on that is not in memory."""
        return self._store.head(room)

    def _read(self, key: tuple[str, int], page: Any) -> None:
        """A page is there: hand it to all who asked for it meanwhile."""
        if isinstance(page, Piece):
            self._pages[key] = page
            self._pages_cost += page.cost
            while self._pages_cost > PAGES_COST:
                self._pages_cost -= self._pages.popitem(last=False)[1].cost
        for taker, _ in self._readers.pop(key):
            taker(page)

    def _still_read(self, key: tuple[str, int]) -> bool:
        """Return whether somebody still waits for a page; else it was never asked for."""
        if any(wanted() for _, wanted in self._readers[key]):
            return True
        del self._readers[key]
        return False

    # -- what is dropped -----------------------------------------------------

    def forget(self, rooms: Sequence[str]) -> None:
        """Tell the store that rooms are gone: all in one question, for they may be many."""
        self._ask(lambda: self._forget(rooms), self._tidied, _always)

    def prune(self, now: int) -> None:
        """Have the store drop what it need not keep at this Unix time in milliseconds.

        See `Store.prune`.
        """
        if not self._pruning:
            self._pruning = True
            self._prune_on(now)

    def _forget(self, rooms: Sequence[str]) -> None:
        for room in rooms:
            self._store.forget(room)

    def _prune_on(self, now: int) -> None:
        def pruned(changed: Any) -> None:
            if not self._tidied(changed):
                self._pruning = False
                return
            for kept in changed:
                self._kept(kept)
            self._prune_on(now)

        self._ask(lambda: self._store.prune(now), pruned, _always)

    def _tidied(self, outcome: Any) -> bool:
        """The store wrote something of its own; return whether there is more to do now."""
        if isinstance(outcome, StoreFull):
            return False  # nothing has changed: there is another time
        if isinstance(outcome, BaseException):
            self._broken(outcome)
            return False
        return bool(outcome)

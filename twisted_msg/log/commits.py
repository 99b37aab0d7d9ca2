"""Group commit: everything that was said while the store was busy is written at once.

Law of this file: one job at a time is with the worker, groups in the order of coming and
at most one question between two of them; nobody hears of a message before the store has
it, and when the outcome of a write is unknown, nobody hears anything again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted_msg.counts import Counts
from twisted_msg.log.archive import Archive, Wanted
from twisted_msg.log.piece import Piece
from twisted_msg.log.store import Kept, Store, StoreFull
from twisted_msg.log.worker import Worker

UNCOMMITTED_COST: Final = 1024 * 1024
"""Bytes of memory that messages may take that the store does not have yet, before those
who publish wait: a hundredth of a second of an ordinary disk's work.  Twice that made the
server grow by 3 MiB more and commit no faster."""

UNCOMMITTED_RELIEF: Final = UNCOMMITTED_COST // 2
"""How little must be left before they go on, so that they are not stopped for each group."""


class Source(Protocol):
    """A room in which something was said."""

    def cut(self) -> list[Piece]:
        """Take what was said since the last time, cut into pieces."""
        ...

    def committed(self, pieces: list[Piece]) -> None:
        """The store has these pieces."""
        ...

    def turned_away(self) -> None:
        """The store has no room for what was said since the last time, and has none of it."""
        ...


class Debtor(Protocol):
    """Who is owed an acknowledgement."""

    key: bytes | None
    """What the store knows its client by; None if nothing is to be remembered."""

    def stored(self, number: int, seq: int) -> None:
        """Everything up to this id is stored."""
        ...

    def turned_away(self) -> None:
        """What it said since the last time could not be stored."""
        ...


class Commits:
    """The way into a store for the rooms of a server; the way out of it is its `archive`.

    `weight` is the bytes of memory that uncommitted messages take, `committed` what all took
    that were committed so far.
    """

    def __init__(
        self,
        store: Store,
        worker: Worker,
        *,
        seconds: Callable[[], float],
        soon: Callable[[Callable[[], None]], object],
        counts: Counts,
        kept: Callable[[Kept], None],
        relieved: Callable[[], None],
        broken: Callable[[BaseException], None],
    ) -> None:
        """Take the store, who works on it, and whom to tell.

        `seconds` is a monotonic clock, which any thread may read; `soon` calls a function when
        this turn of the reactor is over; `counts` is where commits are counted.  `kept` is told
        what the store holds of a room when that changed, `relieved` when publishers may go on,
        `broken` when a write has failed and the process must end.
        """
        self.weight = self.committed = 0
        self.archive = Archive(store, self._ask, soon=soon, kept=kept, broken=self._fail)
        self._store = store
        self._worker = worker
        self._seconds = seconds
        self._counts = counts
        self._soon = soon
        self._kept = kept
        self._relieved = relieved
        self._broken = broken
        self._next = _Group()
        self._group: _Group | None = None
        self._busy = self._scheduled = self._wrote_last = self._ended = False
        self._questions: deque[tuple[Callable[[], Any], Callable[[Any], object], Wanted]] = deque()

    @property
    def full(self) -> bool:
        """Whether those who publish should wait."""
        return self.weight > UNCOMMITTED_COST

    # -- what is written -----------------------------------------------------

    def add(self, source: Source) -> None:
        """Something was said in a room: have it committed, with whatever is said meanwhile."""
        if not self._next.sources:
            self._next.began = self._seconds()
        self._next.sources[source] = None
        self._schedule()

    def owe(self, debtor: Debtor, number: int, seq: int) -> None:
        """Acknowledge an id, and all before it, when everything said so far is stored."""
        self._next.owed[debtor] = number, seq
        self._schedule()

    def owes(self, debtor: Debtor) -> bool:
        """Return whether an acknowledgement is still to come."""
        group = self._group
        return debtor in self._next.owed or (group is not None and debtor in group.owed)

    def settle(self, then: Callable[[], None]) -> None:
        """Call back when everything said so far is stored."""
        if self._next.sources or self._next.owed:
            self._next.waiting.append(then)
        elif self._group is not None:
            self._group.waiting.append(then)
        else:
            then()

    def end(self) -> None:
        """Give the worker nothing more, for it stops."""
        self._ended = True

    # -- one job after another -----------------------------------------------

    def _ask(
        self, question: Callable[[], Any], then: Callable[[Any], object], wanted: Wanted
    ) -> None:
        """Ask the store something between two groups; see `archive.Ask`."""
        self._questions.append((question, then, wanted))
        self._schedule()

    def _schedule(self) -> None:
        """Begin when this turn of the reactor is over, unless a job's end will."""
        if not (self._busy or self._scheduled or self._ended):
            self._scheduled = True
            self._soon(self._begin)

    def _begin(self) -> None:
        """Give the worker its next job: a group, or, between two groups, one question."""
        self._scheduled = False
        if self._busy or self._ended:
            return
        due = bool(self._next.sources or self._next.owed)
        if (self._wrote_last or not due) and self._answer():
            self._wrote_last = False
        elif due:
            self._wrote_last = True
            self._write()

    def _answer(self) -> bool:
        """Give the worker the oldest question whose answer is wanted, if there is one."""
        while self._questions:
            question, then, wanted = self._questions.popleft()
            if wanted():
                self._give(question, then)
                return True
        return False

    def _write(self) -> None:
        """Have the worker commit everything that was said."""
        group, self._next = self._next, _Group()
        self._group = group
        group.weight = self.weight
        group.pieces = [(source, source.cut()) for source in group.sources]
        pieces = [piece for _, cut in group.pieces for piece in cut]
        marks = [(debtor.key, *owed) for debtor, owed in group.owed.items() if debtor.key]
        if pieces or marks:
            self._give(
                lambda: self._commit(group, pieces, marks),
                lambda outcome: self._written(group, outcome),
            )
        else:
            self._written(group, ())
            self._schedule()  # for nobody else reports

    def _commit(
        self, group: _Group, pieces: list[Piece], marks: list[tuple[bytes, int, int]]
    ) -> list[Kept]:
        """Commit a group, and note how long that took; done by the worker."""
        began = self._seconds()
        kept = self._store.commit(pieces, marks)
        group.took = self._seconds() - began
        return kept

    def _give(self, job: Callable[[], Any], then: Callable[[Any], object]) -> None:
        def done(outcome: Any) -> None:
            self._busy = False
            if not self._ended:
                then(outcome)
                self._begin()

        self._busy = True
        self._worker.run(job, done, done)

    def _written(self, group: _Group, outcome: Any) -> None:
        """A group is stored, or not."""
        if isinstance(outcome, BaseException) and not isinstance(outcome, StoreFull):
            self._fail(outcome)
            return
        if isinstance(outcome, StoreFull):
            self._turn_away(group)
        else:
            self.weight -= group.weight
            self.committed += group.weight
            for kept in outcome:
                self._kept(kept)
            for debtor, (number, seq) in group.owed.items():
                debtor.stored(number, seq)
            self._count(group)
            for source, pieces in group.pieces:
                source.committed(pieces)
        self._group = None  # not before: who asks meanwhile waits for all of that
        for then in group.waiting:
            then()
        if self.weight <= UNCOMMITTED_RELIEF:
            self._relieved()

    def _count(self, group: _Group) -> None:
        """Count a group of which all is acknowledged."""
        messages = sum(len(piece.payloads) for _, pieces in group.pieces for piece in pieces)
        if messages:  # else only marks were stored, or nothing
            self._counts.ack_seconds.add(self._seconds() - group.began)
            self._counts.commit_seconds.add(group.took)
            self._counts.commit_messages.add(messages)

    def _turn_away(self, group: _Group) -> None:
        """The store is full: what was said since is refused too, lest an ack passes it over."""
        later, self._next = self._next, _Group()
        self.weight = 0
        for debtor in group.owed | later.owed:
            debtor.turned_away()  # before anything is set free that could make them go on
        for source in group.sources | later.sources:
            source.turned_away()
        group.waiting += later.waiting

    def _fail(self, error: BaseException) -> None:
        """The outcome of a write is unknown: nothing is said or done any more."""
        self._ended = True
        self._broken(error)


class _Group:
    """What goes into one transaction, and who waits for it.

    `began` is when the first of it was said, `took` how long the store was busy with it.
    """

    __slots__ = ("began", "owed", "pieces", "sources", "took", "waiting", "weight")

    def __init__(self) -> None:
        self.sources: dict[Source, None] = {}
        self.owed: dict[Debtor, tuple[int, int]] = {}
        self.pieces: list[tuple[Source, list[Piece]]] = []
        self.waiting: list[Callable[[], None]] = []
        self.weight = 0
        self.began = self.took = 0.0

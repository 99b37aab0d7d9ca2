"""Whether the server can take messages: asked of the store itself, by writing to it.

Law of this file: an answer is never a guess from what happened before, and however many
ask, the store is asked by one at a time.
"""

from __future__ import annotations

from typing import Final

from twisted.internet import defer
from twisted.internet.defer import Deferred

from twisted_msg.log.commits import Commits
from twisted_msg.log.store import StoreFull
from twisted_msg.server import Server

PATIENCE: Final = 5.0
"""Seconds that the store may take to answer: a disk that needs more serves nobody."""

LARGEST: Final = 1024 * 1024
"""Bytes of the largest message that there has to be room for: the default of `--max-payload`; where
more is allowed, a disk that has only this left is still worth being used."""

BESIDE: Final = 64 * 1024
"""Bytes that a message takes beside its payload, at the most: pages of indexes, twice."""

KEY: Final = bytes(16)
"""What the store knows the question's mark by: no client's, for those are digests."""


class _Question:
    """A debtor that publishes nothing: it is told what a publisher would be told."""

    key: bytes | None = KEY

    def __init__(self) -> None:
        self.answer: Deferred[str] = Deferred()

    def stored(self, number: int, seq: int) -> None:
        """The store takes what is written."""
        self._tell("")

    def turned_away(self) -> None:
        """It does not."""
        self._tell("the disk is full, so nothing is stored: make room")

    def _tell(self, reason: str) -> None:
        if not self.answer.called:
            self.answer.callback(reason)


class Readiness:
    """Answers whether a server should be given work."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._waiting: list[Deferred[str]] | None = None
        self._asked = 0

    async def reason(self) -> str:
        """Return why the server cannot take messages now, or nothing if it can."""
        server = self._server
        if server.stopping:
            return "the server stops"
        commits = server.house.commits
        if commits is None:
            return ""
        answer: Deferred[str] = Deferred()
        if self._waiting is not None:
            self._waiting.append(answer)
            return await answer
        self._waiting = [answer]
        self._ask(commits)
        return await answer

    def _ask(self, commits: Commits) -> None:
        """Have a mark written, and what the largest message takes set aside."""
        self._asked += 1
        question = _Question()
        commits.owe(question, self._asked, 0)
        question.answer.addCallback(lambda reason: reason or self._room(commits))
        question.answer.addTimeout(PATIENCE, self._server.clock)
        question.answer.addErrback(self._late)
        question.answer.addCallback(self._answered)

    def _room(self, commits: Commits) -> Deferred[str]:
        """Return why there is no room for a message, or nothing: a mark is smaller than one."""
        size = min(self._server.max_payload, LARGEST)
        answer: Deferred[str] = Deferred()

        def then(error: BaseException | None) -> None:
            if answer.called:
                return  # too late
            if isinstance(error, StoreFull):
                answer.callback(f"the disk is too full for a message of {size} bytes: make room")
            else:
                answer.callback("" if error is None else str(error))

        commits.archive.set_aside(size + BESIDE, then)
        return answer

    def _late(self, failure: object) -> str:
        failure.trap(defer.TimeoutError)  # type: ignore[attr-defined]
        return f"the store has not answered for {PATIENCE:g} s: see to its disk"

    def _answered(self, reason: str) -> None:
        waiting, self._waiting = self._waiting or [], None
        for answer in waiting:
            answer.callback(reason)

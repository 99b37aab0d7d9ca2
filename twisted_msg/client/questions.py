"""What was asked and is not answered: who is there, which rooms there are, whether anybody is.

Law of this file: questions are answered in the order of asking, and asked again on a new
connection; none of them changes anything, so twice is as good as once.  Pure: no Twisted,
no clock.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from twisted_msg.wire.requests import Ping, Rooms, Who

T = TypeVar("T")

Asked = Who | Rooms | Ping


class Question(NamedTuple, Generic[T]):
    """Something asked, and who waits for the answer."""

    request: Asked
    waiter: T

    @property
    def verb(self) -> str:
        """How the request begins on the wire."""
        return type(self.request).__name__.upper()

    @property
    def subject(self) -> str | None:
        """The room or token that an answer repeats, if there is one."""
        return self.request[0] if self.request else None


class Questions(Generic[T]):
    """The questions that wait for answers, oldest first."""

    def __init__(self) -> None:
        self._asked: list[Question[T]] = []

    def add(self, request: Asked, waiter: T) -> None:
        """Note a question."""
        self._asked.append(Question(request, waiter))

    def forget(self, waiter: T) -> None:
        """Nobody waits for it any more."""
        self._asked = [question for question in self._asked if question.waiter is not waiter]

    def answered(self, verb: str, subject: str | None) -> T | None:
        """Return, and forget, who waits longest for this answer, or None.

        `verb` is that of the request; an answer without a subject is for the oldest.
        """
        for at, question in enumerate(self._asked):
            if question.verb == verb and subject in (None, question.subject):
                del self._asked[at]
                return question.waiter
        return None

    def again(self) -> bytes:
        """Return the frames that ask everything once more."""
        return b"".join(question.request.encode() for question in self._asked)

    def clear(self) -> list[T]:
        """Forget everything; return who waited."""
        waiters = [question.waiter for question in self._asked]
        self._asked.clear()
        return waiters

"""The outlet while a cursor takes: what comes back to it meanwhile is neither lost nor doubled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.test_delivery import ACK, ANSWER, Member


class Scripted:
    """A cursor whose `take` does what the test says."""

    queued = mid_frame = ended = False
    done = more = True

    def __init__(self, *takes: Callable[[], bytes]) -> None:
        self._takes = list(takes)

    def take(self, *, whole: bool = False) -> bytes:
        return self._takes.pop(0)() if self._takes else b""


class Reentrancy(SynchronousTestCase):
    """What a cursor takes may lead back to the outlet: others go on when it has caught up."""

    def setUp(self) -> None:
        self.member = Member()
        self.outlet, self.pipe = self.member.outlet, self.member.pipe
        self.pipe.read_on()

    def follow(self, *takes: Callable[[], bytes]) -> Scripted:
        cursor: Any = Scripted(*takes)
        self.outlet.follow(cursor)
        return cursor  # type: ignore[no-any-return]

    def test_cursor_that_is_woken_while_it_takes_is_asked_again(self) -> None:
        def woken() -> bytes:
            self.outlet.wake(cursor)  # type: ignore[arg-type]
            return b""

        cursor = self.follow()
        cursor._takes = [woken, lambda: b"more"]
        self.outlet.wake(cursor)  # type: ignore[arg-type]
        self.assertEqual(self.pipe.received, b"more")

    def test_woken_cursor_that_has_something_is_queued_once(self) -> None:
        def woken() -> bytes:
            self.outlet.wake(cursor)  # type: ignore[arg-type]
            return b"one"

        cursor = self.follow()
        cursor._takes = [woken, lambda: b"two", lambda: b"", self.fail]
        self.outlet.wake(cursor)  # type: ignore[arg-type]
        self.assertEqual(self.pipe.received, b"onetwo")
        self.assertFalse(cursor.queued)

    def test_acknowledgement_that_comes_while_a_cursor_takes_is_sent(self) -> None:
        def acknowledged() -> bytes:
            self.outlet.acknowledge(ACK)
            return b""

        self.follow(acknowledged)
        self.assertEqual(self.pipe.received, ACK)

    def test_answer_that_comes_while_a_cursor_takes_is_sent(self) -> None:
        def answered() -> bytes:
            self.outlet.answer(ANSWER * 600)
            return b""

        self.follow(answered)
        self.assertEqual(self.pipe.received, ANSWER * 600)
        self.assertEqual(self.member.backlog, [True, False])

    def test_end_that_comes_while_a_cursor_takes(self) -> None:
        ends: list[str] = []

        def ended() -> bytes:
            self.outlet._cursors = []  # it has nothing more to take
            self.outlet.end(lambda: ends.append("end"), b"last")
            return b"its own "

        self.follow(ended)
        self.assertEqual(self.pipe.received, b"its own last")
        self.assertEqual(ends, ["end"])

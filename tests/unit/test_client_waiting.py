"""The gate and the inbox: order, bounds, and waits that are cancelled."""

import traceback

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.client.waiting import MESSAGE_COST, Gate, Inbox


class Tap:
    """A source that notes what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def hold(self) -> None:
        self.told.append("hold")

    def release(self) -> None:
        self.told.append("release")


class GateTests(SynchronousTestCase):
    def test_open_lets_on_at_once(self) -> None:
        self.assertIsNone(self.successResultOf(Gate(opened=True).wait()))

    def test_waits_pass_in_order_and_a_late_one_does_not_overtake(self) -> None:
        gate, passed = Gate(), []
        first = gate.wait()
        first.addCallback(lambda _: gate.wait().addCallback(lambda _: passed.append("late")))
        first.addCallback(lambda _: passed.append("first"))
        gate.wait().addCallback(lambda _: passed.append("second"))
        gate.open()
        self.assertEqual(sorted(passed), ["first", "late", "second"])
        self.assertLess(passed.index("second"), passed.index("late"))

    def test_shut_by_one_who_passes_stops_the_next(self) -> None:
        gate = Gate()
        gate.wait().addCallback(lambda _: gate.shut())
        second = gate.wait()
        gate.open()
        self.assertNoResult(second)

    def test_failed_for_good_with_the_first_error(self) -> None:
        gate = Gate()
        waiting = gate.wait()
        gate.fail(KeyError("one"))
        gate.fail(IndexError("two"))
        self.failureResultOf(waiting, KeyError)
        gate.open()
        self.failureResultOf(gate.wait(), KeyError)

    def test_who_asks_again_and_again_does_not_make_the_error_grow(self) -> None:
        gate = Gate()
        gate.fail(ValueError("over"))

        async def asked() -> int:
            try:
                await gate.wait()
            except ValueError as error:
                return len(list(traceback.walk_tb(error.__traceback__)))
            return 0

        depths = [self.successResultOf(Deferred.fromCoroutine(asked())) for _ in range(5)]
        self.assertEqual(len(set(depths)), 1, depths)

    def test_a_cancelled_wait_is_forgotten(self) -> None:
        gate = Gate()
        waiting = gate.wait()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        gate.open()


class InboxTests(SynchronousTestCase):
    def test_messages_come_in_order_whoever_is_first(self) -> None:
        inbox = Inbox()
        early = inbox.get()
        for message in (b"1", b"2", b"3"):
            inbox.put(message)
        self.assertEqual(self.successResultOf(early), b"1")
        self.assertEqual(len(inbox), 2)
        self.assertEqual(self.successResultOf(inbox.get()), b"2")

    def test_the_source_is_held_above_the_limit_and_released_at_half(self) -> None:
        inbox, tap = Inbox(4 * (MESSAGE_COST + 1)), Tap()
        inbox.attach(tap)
        for _ in range(4):
            inbox.put(b"x")
        self.assertEqual(tap.told, [])
        inbox.put(b"x")
        self.assertEqual(tap.told, ["hold"])
        inbox.get(), inbox.get()
        self.assertEqual(tap.told, ["hold"])
        inbox.get()
        self.assertEqual(tap.told, ["hold", "release"])

    def test_a_new_source_of_a_full_inbox_is_held(self) -> None:
        inbox, tap = Inbox(10), Tap()
        inbox.put(b"x")
        inbox.attach(tap)
        self.assertEqual(tap.told, ["hold"])
        inbox.attach(None)
        inbox.get()
        self.assertEqual(tap.told, ["hold"])

    def test_the_end_comes_after_the_last_message(self) -> None:
        inbox = Inbox()
        inbox.put(b"last")
        inbox.end(KeyError())
        self.assertEqual(self.successResultOf(inbox.get()), b"last")
        self.failureResultOf(inbox.get(), KeyError)

    def test_the_end_reaches_who_waits(self) -> None:
        inbox = Inbox()
        waiting, cancelled = inbox.get(), inbox.get()
        cancelled.cancel()
        self.failureResultOf(cancelled, CancelledError)
        inbox.end(KeyError())
        self.failureResultOf(waiting, KeyError)

"""What a client owes, in every order of sending, acknowledging, refusing and losing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.client.outbox import HEADER_COST, Batch, Outbox, Receipt
from twisted_msg.wire import FrameDecoder
from twisted_msg.wire.names import MAX_ID
from twisted_msg.wire.requests import Pub, parse_request


def pubs(data: bytes) -> list[Pub]:
    """The requests that bytes hold, all of them publications."""
    found = [parse_request(frame) for frame in FrameDecoder().feed(data)]
    assert all(isinstance(request, Pub) for request in found)
    return found  # type: ignore[return-value]


def ids(data: bytes) -> list[int | None]:
    return [pub.id for pub in pubs(data)]


class OutboxTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.outbox: Outbox[str] = Outbox()
        self.outbox.resume(0)

    def done(self, batches: list[Batch[str]]) -> list[str]:
        return [batch.waiter for batch in batches]

    def test_ids_rise_and_frames_come_once(self) -> None:
        self.outbox.add("lobby", [b"one"], "a")
        self.outbox.add("@bob", [b"two", b""], "b")
        self.assertEqual(
            pubs(self.outbox.take()),
            [Pub("lobby", b"one", 1), Pub("@bob", b"two", 2), Pub("@bob", b"", 3)],
        )
        self.assertEqual(self.outbox.take(), b"")
        self.assertEqual(len(self.outbox), 3)
        self.assertEqual(self.outbox.owed, 6 + 3 * HEADER_COST)

    def test_acknowledgements_are_cumulative(self) -> None:
        for name in "abc":
            self.outbox.add("lobby", [b"x", b"y"], name)
        self.outbox.take()
        self.assertEqual(self.done(self.outbox.acknowledge(3, 90)), ["a"])
        self.assertEqual((len(self.outbox), self.outbox.oldest), (3, 4))
        done = self.outbox.acknowledge(6, 93)
        self.assertEqual([b.receipt for b in done], [Receipt("lobby", 4, None),
                                                     Receipt("lobby", 6, 93)])  # fmt: skip
        self.assertTrue(self.outbox.empty)
        self.assertEqual((self.outbox.owed, self.outbox.oldest), (0, None))
        self.assertEqual(self.outbox.acknowledge(6, 93), [])

    def test_what_was_not_sent_cannot_be_acknowledged(self) -> None:
        self.outbox.add("lobby", [b"x"], "a")
        self.assertEqual(self.outbox.acknowledge(1, 1), [])
        self.assertEqual(ids(self.outbox.take()), [1])

    def test_the_same_ids_go_again_after_a_loss(self) -> None:
        self.outbox.add("lobby", [b"1", b"2", b"3"], "a")
        self.outbox.add("lobby", [b"4"], "b")
        self.outbox.add("lobby", [b"5"], "c")
        self.outbox.take()
        self.outbox.acknowledge(1, 1)
        self.assertEqual(self.done(self.outbox.resume(2)), [])
        self.assertEqual([(p.payload, p.id) for p in pubs(self.outbox.take())],
                         [(b"3", 3), (b"4", 4), (b"5", 5)])  # fmt: skip
        self.assertEqual(self.done(self.outbox.resume(4)), ["a", "b"])
        self.assertEqual(ids(self.outbox.take()), [5])

    def test_a_server_that_forgot_ids_is_not_sent_what_was_acknowledged(self) -> None:
        self.outbox.add("lobby", [b"1", b"2"], "a")
        self.outbox.take()
        self.outbox.acknowledge(1, 1)
        self.outbox.resume(0)
        self.assertEqual(ids(self.outbox.take()), [2])

    def test_ids_begin_behind_those_of_an_earlier_run(self) -> None:
        outbox: Outbox[str] = Outbox()
        outbox.add("lobby", [b"early"], "a")
        self.assertEqual(outbox.resume(41), [])
        outbox.add("lobby", [b"late"], "b")
        self.assertEqual(ids(outbox.take()), [42, 43])

    def test_somebody_elses_ids_are_noticed(self) -> None:
        self.outbox.add("lobby", [b"x"], "a")
        error = self.assertRaises(ValueError, self.outbox.resume, 7)
        self.assertIn("another program", str(error))

    def test_a_refused_message_is_given_up_alone(self) -> None:
        no = ValueError("no")
        for name in "abc":
            self.outbox.add("lobby", [b"x"], name)
        self.outbox.take()
        refused = self.outbox.refuse(2, no)
        assert refused is not None
        self.assertEqual((refused.waiter, refused.errors), ("b", {2: no}))
        self.assertIsNone(self.outbox.refuse(2, no))
        self.outbox.resume(1)
        self.assertEqual(ids(self.outbox.take()), [3])
        self.assertEqual(self.done(self.outbox.acknowledge(3, 5)), ["c"])

    def test_a_refusal_within_a_batch_is_kept_until_the_rest_is_stored(self) -> None:
        no = ValueError("no")
        self.outbox.add("lobby", [b"1", b"2", b"3"], "a")
        self.outbox.take()
        self.assertIsNone(self.outbox.refuse(2, no))
        self.outbox.resume(1)
        self.assertEqual(self.outbox.oldest, 3)
        self.assertEqual(ids(self.outbox.take()), [3])
        (batch,) = self.outbox.acknowledge(3, 9)
        self.assertEqual(batch.errors, {2: no})

    def test_a_refusal_of_the_last_of_a_batch(self) -> None:
        self.outbox.add("lobby", [b"1", b"2"], "a")
        self.outbox.add("lobby", [b"3"], "b")
        self.outbox.take()
        self.assertIsNone(self.outbox.refuse(2, ValueError()))
        self.assertEqual(self.done(self.outbox.acknowledge(1, 1)), ["a"])
        self.outbox.resume(1)
        self.assertEqual(ids(self.outbox.take()), [3])

    def test_a_refusal_of_what_is_not_handed_over_again_yet(self) -> None:
        self.outbox.add("lobby", [b"1"], "a")
        self.outbox.take()
        self.outbox.resume(0)
        refused = self.outbox.refuse(1, ValueError())
        assert refused is not None
        self.assertEqual(self.outbox.take(), b"")
        self.assertEqual(self.outbox.owed, 0)

    def test_where_a_message_goes(self) -> None:
        self.outbox.add("@bob", [b"1"], "a")
        self.assertEqual((self.outbox.room_of(1), self.outbox.room_of(2)), ("@bob", None))

    def test_only_so_many_are_on_their_way(self) -> None:
        outbox: Outbox[str] = Outbox(flight_messages=3)
        outbox.resume(0)
        outbox.add("lobby", [b"x"] * 5, "a")
        self.assertEqual(ids(outbox.take()), [1, 2, 3])
        self.assertEqual(outbox.take(), b"")
        outbox.acknowledge(2, 2)
        self.assertEqual(ids(outbox.take()), [4, 5])

    def test_ids_that_skip_fly_together(self) -> None:
        outbox: Outbox[str] = Outbox(flight_messages=3)
        outbox.resume(0)
        for id_ in (10**6, 10**9, 10**12, 10**15):
            outbox.begin_at(id_)
            outbox.add("lobby", [b"x"], str(id_))
        self.assertEqual(ids(outbox.take()), [10**6, 10**9, 10**12])
        self.assertEqual(self.done(outbox.acknowledge(10**9, 2)), [str(10**6), str(10**9)])
        self.assertEqual(ids(outbox.take()), [10**15])
        outbox.resume(10**9)
        self.assertEqual(ids(outbox.take()), [10**12, 10**15])

    def test_only_so_many_bytes_are_on_their_way_beside_one_large_message(self) -> None:
        outbox: Outbox[str] = Outbox(flight_bytes=1000)
        outbox.resume(0)
        outbox.add("lobby", [b"x" * 5000, b"x" * 400, b"x" * 400], "a")
        for n in (1, 2, 3):
            self.assertEqual(ids(outbox.take()), [n])
            self.assertEqual(outbox.take(), b"")
            outbox.acknowledge(n, n)
        self.assertTrue(outbox.empty)

    def test_ids_end(self) -> None:
        self.outbox.begin_at(MAX_ID - 1)
        with self.assertRaisesRegex(ValueError, "no ids left"):
            self.outbox.add("lobby", [b"x"] * 3, "a")
        self.outbox.add("lobby", [b"x"] * 2, "a")
        self.assertEqual(ids(self.outbox.take()), [MAX_ID - 1, MAX_ID])
        with self.assertRaisesRegex(ValueError, "another client id"):
            self.outbox.add("lobby", [b"x"], "b")
        self.assertEqual(len(self.outbox), 2)

    def test_clear(self) -> None:
        self.outbox.add("lobby", [b"x"], "a")
        self.assertEqual(self.done(self.outbox.clear()), ["a"])
        self.assertEqual((len(self.outbox), self.outbox.owed, self.outbox.take()), (0, 0, b""))


class EachOnceTests(SynchronousTestCase):
    """Whatever is lost on the way, each message is stored exactly once, in order, and told so."""

    @given(
        st.lists(st.integers(1, 4), min_size=1, max_size=12),
        st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=40),
    )
    def test_each_is_stored_once(self, sizes: list[int], steps: list[tuple[int, bool]]) -> None:
        outbox: Outbox[int] = Outbox(flight_messages=5)
        outbox.resume(0)
        stored: list[bytes] = []  # the server: it stores a prefix of what is on the wire
        mark = 0
        wire: list[Pub] = []
        told: list[int] = []
        number = 0
        waiting = list(enumerate(sizes))

        def store(count: int) -> None:
            nonlocal mark
            for pub in wire[:count]:
                assert pub.id is not None
                if pub.id > mark:
                    mark = pub.id
                    stored.append(pub.payload)
            del wire[:count]

        for count, lose in [*steps, *[(5, False)] * 60]:
            if waiting:
                name, size = waiting.pop(0)
                outbox.add("lobby", [b"%d" % (number + n) for n in range(size)], name)
                number += size
            wire += pubs(outbox.take())
            store(count)
            if lose:
                wire.clear()
                told += [batch.waiter for batch in outbox.resume(mark)]
            elif mark:
                told += [batch.waiter for batch in outbox.acknowledge(mark, mark)]
        self.assertEqual(stored, [b"%d" % n for n in range(number)])
        self.assertEqual(told, list(range(len(sizes))))
        self.assertTrue(outbox.empty)
        self.assertEqual(outbox.owed, 0)

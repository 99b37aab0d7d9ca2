"""A room's log: how batches are cut, who shares which bytes, and what it all costs."""

from __future__ import annotations

import gc
import tracemalloc
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.log.memory import MemoryLog
from twisted_msg.log.piece import MESSAGE_COST, PIECE_COST, PIECE_SIZE, Message, Piece, cut
from twisted_msg.log.views import PlainView
from twisted_msg.wire import encode_frame
from twisted_msg.wire.limits import HEADER_SIZE

settings.register_profile("unit", derandomize=True, deadline=None, database=None)
settings.load_profile("unit")


def messages(*origins: int, payload: bytes = b"text") -> list[Message]:
    """One message of each origin given, numbered from 1."""
    return [Message(seq, origin, payload) for seq, origin in enumerate(origins, 1)]


def one_piece(held: list[Message]) -> Piece:
    """A piece of all these messages, as `cut` would make it."""
    (piece,) = cut(held)
    return piece


class CountingView:
    """A view of bare payloads that remembers what it was asked to encode."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def encode(self, message: Message) -> bytes:
        self.asked.append(message.seq)
        return b"<%d:%s>" % (message.origin, message.payload)


class CutTests(SynchronousTestCase):
    """Batches become pieces that fit a transport."""

    def test_nothing(self) -> None:
        self.assertEqual(list(cut([])), [])

    def test_a_small_batch_is_one_piece(self) -> None:
        held = messages(1, 2, 3)
        piece = one_piece(held)
        self.assertEqual(piece.messages, held)
        self.assertEqual(piece.last, 3)
        self.assertEqual(piece.origins, {1, 2, 3})

    def test_exactly_full(self) -> None:
        payload = bytes(PIECE_SIZE // 4 - HEADER_SIZE)
        held = messages(1, 1, 1, 1, payload=payload)
        self.assertEqual([len(piece.messages) for piece in cut(held)], [4])
        held[3] = Message(4, 1, payload + b"x")
        self.assertEqual([len(piece.messages) for piece in cut(held)], [3, 1])

    def test_a_larger_message_is_alone(self) -> None:
        large = Message(2, 1, bytes(PIECE_SIZE))
        held = [Message(1, 1, b"a"), large, Message(3, 1, b"b"), Message(4, 1, b"c")]
        self.assertEqual(
            [[m.seq for m in piece.messages] for piece in cut(held)], [[1], [2], [3, 4]]
        )
        self.assertEqual([[m.seq for m in p.messages] for p in cut([large])], [[2]])

    def test_empty_payloads_take_their_header(self) -> None:
        full = PIECE_SIZE // HEADER_SIZE
        held = messages(*[1] * (full + 1), payload=b"")
        self.assertEqual([len(piece.messages) for piece in cut(held)], [full, 1])

    def test_any_iterable_is_taken(self) -> None:
        self.assertEqual(len(list(cut(iter(messages(1, 2))))), 1)

    @given(st.lists(st.integers(0, 30_000), max_size=40))
    def test_every_message_once_in_order_and_every_piece_full(self, sizes: list[int]) -> None:
        held = [Message(seq, seq % 3, bytes(size)) for seq, size in enumerate(sizes)]
        pieces = list(cut(held))
        self.assertEqual([message for piece in pieces for message in piece.messages], held)

        def width(piece: Piece) -> int:
            return sum(HEADER_SIZE + len(message.payload) for message in piece.messages)

        for piece in pieces:
            self.assertTrue(width(piece) <= PIECE_SIZE or len(piece.messages) == 1)
        for first, second in pairwise(pieces):
            following = HEADER_SIZE + len(second.messages[0].payload)
            self.assertGreater(width(first) + following, PIECE_SIZE)


class EncodedTests(SynchronousTestCase):
    """One encoding for each view, shared by all but those who wrote some of it."""

    def test_everybody_elses(self) -> None:
        piece = one_piece(messages(1, 2, 2, 1, 3))
        view = CountingView()
        for without, expected in (
            (None, b"<1:text><2:text><2:text><1:text><3:text>"),
            (9, b"<1:text><2:text><2:text><1:text><3:text>"),
            (1, b"<2:text><2:text><3:text>"),
            (2, b"<1:text><1:text><3:text>"),
            (3, b"<1:text><2:text><2:text><1:text>"),
        ):
            self.assertEqual(piece.encoded(view, without), expected, without)
        self.assertEqual(piece.encoded(view), piece.encoded(view, None))

    def test_members_share_the_bytes(self) -> None:
        piece = one_piece(messages(1, 2, 1))
        view = CountingView()
        first = piece.encoded(view, 7)
        for without in (None, 8, 9):
            self.assertIs(piece.encoded(view, without), first)

    def test_each_view_encodes_once(self) -> None:
        piece = one_piece(messages(1, 2, 1))
        views = CountingView(), CountingView()
        for view in views * 2:
            for without in (None, 1, 2, 9):
                piece.encoded(view, without)
        self.assertEqual([view.asked for view in views], [[1, 2, 3]] * 2)
        self.assertIsNot(piece.encoded(views[0]), piece.encoded(views[1]))

    def test_nothing_is_encoded_for_the_only_sender(self) -> None:
        piece = one_piece(messages(5, 5))
        view = CountingView()
        self.assertEqual(piece.encoded(view, 5), b"")
        self.assertEqual(view.asked, [])
        self.assertEqual(piece.encoded(view, 6), b"<5:text><5:text>")

    def test_hidden_messages_leave_no_trace(self) -> None:
        held = [Message(1, 1, b"a"), Message(2, 2, b""), Message(3, 1, b"b"), Message(4, 2, b"c")]
        piece = one_piece(held)
        frames = {text: encode_frame(text) for text in (b"a", b"b", b"c")}
        view = PlainView()
        self.assertEqual(piece.encoded(view), frames[b"a"] + frames[b"b"] + frames[b"c"])
        self.assertEqual(piece.encoded(view, 2), frames[b"a"] + frames[b"b"])
        self.assertEqual(piece.encoded(view, 1), frames[b"c"])
        self.assertEqual(one_piece(messages(1, payload=b"")).encoded(view), b"")

    @given(
        st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=5)), min_size=1, max_size=30),
        st.one_of(st.none(), st.integers(0, 4)),
    )
    def test_any_mixture(self, said: list[tuple[int, bytes]], without: int | None) -> None:
        """A member gets the encoding of what is not its own, in order; `count` counts it."""
        held = [Message(seq, origin, payload) for seq, (origin, payload) in enumerate(said)]
        piece = one_piece(held)
        others = [message for message in held if message.origin != without]
        for view in (CountingView(), PlainView()):
            expected = b"".join(view.encode(message) for message in others)
            self.assertEqual(piece.encoded(view, without), expected)
            self.assertEqual(piece.encoded(view, without), expected)
            shown = sum(bool(view.encode(message)) for message in others)
            self.assertEqual(piece.count(view, without), shown)

    def test_count(self) -> None:
        piece = one_piece(messages(1, 2, 1))
        self.assertEqual(
            [piece.count(PlainView(), without) for without in (None, 1, 2, 3)], [3, 1, 2, 3]
        )

    def test_last_is_the_last_number(self) -> None:
        self.assertEqual(one_piece([Message(7, 1, b"a"), Message(90, 1, b"b")]).last, 90)


class PlainViewTests(SynchronousTestCase):
    """Nobody can hang up on a plain member, or speak with the server's voice."""

    def seen(self, payload: bytes, view: PlainView | None = None) -> bytes:
        return (view or PlainView()).encode(Message(1, 1, payload))

    def test_shown(self) -> None:
        for payload in (
            b"hello", b" ", b"\0", b"!DISCONNECT! ", b" !DISCONNECT!", b"!DISCONNECT",
            b"!disconnect!",
            b"!ERROR!", b"!ERROR!x", b" !ERROR! x", b"!error! x", b"x!ERROR! ", bytes(range(256)),
        ):  # fmt: skip
            self.assertEqual(self.seen(payload), encode_frame(payload), payload)

    def test_not_shown(self) -> None:
        for payload in (b"", b"!DISCONNECT!", b"!ERROR! ", b"!ERROR! bad-header x", b"!ERROR!  "):
            self.assertEqual(self.seen(payload), b"", payload)

    def test_another_disconnect_word(self) -> None:
        view = PlainView(disconnect=b"quit")
        self.assertEqual(self.seen(b"quit", view), b"")
        self.assertEqual(self.seen(b"!DISCONNECT!", view), encode_frame(b"!DISCONNECT!"))
        self.assertEqual(self.seen(b"!ERROR! x", view), b"")

    def test_another_width(self) -> None:
        self.assertEqual(self.seen(b"hello", PlainView(64)), b"5".ljust(64) + b"hello")
        self.assertEqual(self.seen(b"hello", PlainView(4)), b"5   hello")


class CostTests(SynchronousTestCase):
    """What a piece says it costs, it costs at the most, one encoding included."""

    def fill(self, log: MemoryLog, count: int, size: int, origins: int) -> None:
        """Append that many messages in pieces, each encoded for plain members."""
        # numbers as large as real ones, and no object that is shared
        held = [
            Message(1_700_000_000_000_000 + at, 1_000_000 + at % origins, bytes([65]) * size)
            for at in range(count)
        ]
        for piece in cut(held):
            log.append(piece)
            piece.encoded(self.view)

    def measured(self, count: int, size: int, origins: int) -> tuple[int, int, int]:
        """Bytes of memory that such a log's pieces take, their cost and their number."""
        self.view = PlainView()
        self.fill(MemoryLog(), count, size, origins)  # what Python keeps of a first run is there
        log = MemoryLog()
        gc.collect()
        tracemalloc.start()
        try:
            self.fill(log, count, size, origins)
            gc.collect()
            taken = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        return taken, log.cost, log.end

    def test_the_estimate_bounds_the_memory(self) -> None:
        """Small and large payloads; one origin, two that alternate, and nothing but strangers."""
        for size in (16, 1024):
            for count in (1, 2, 3, 10, 400, 3000):
                for origins in (1, 2, count):
                    taken, cost, pieces = self.measured(count, size, origins)
                    case = f"{count} x {size} B of {origins} in {pieces}: {taken} of {cost}"
                    self.assertLessEqual(taken, cost, case)

    def test_the_estimate_is_not_wild(self) -> None:
        """Else a room would hold far less than its bound allows."""
        for size in (16, 1024):
            for count in (1, 400):
                taken, cost, _ = self.measured(count, size, count)
                self.assertGreater(taken, cost * 0.7)

    def test_the_formula(self) -> None:
        held = messages(1, 2, payload=b"x" * 100)
        self.assertEqual(
            one_piece(held).cost, PIECE_COST + 2 * MESSAGE_COST + 2 * 2 * (HEADER_SIZE + 100)
        )


class MemoryLogTests(SynchronousTestCase):
    """Positions are given once and never again."""

    def filled(self, count: int) -> tuple[MemoryLog, list[Piece]]:
        log = MemoryLog()
        pieces = [one_piece(messages(n)) for n in range(count)]
        for piece in pieces:
            log.append(piece)
        return log, pieces

    def test_empty(self) -> None:
        log = MemoryLog()
        self.assertEqual((log.start, log.end, log.cost), (0, 0, 0))
        self.assertIsNone(log.at(0))
        self.assertRaises(IndexError, log.at, -1)
        self.assertRaises(IndexError, log.at, 1)
        self.assertRaises(IndexError, log.drop_first)
        self.assertEqual((log.start, log.end, log.cost), (0, 0, 0))

    def test_every_piece_has_its_place(self) -> None:
        log, pieces = self.filled(5)
        self.assertEqual((log.start, log.end), (0, 5))
        for position, piece in enumerate(pieces):
            self.assertIs(log.at(position), piece)
        self.assertIsNone(log.at(5))
        self.assertEqual(log.cost, sum(piece.cost for piece in pieces))

    def test_dropping_renumbers_nothing(self) -> None:
        log, pieces = self.filled(5)
        log.drop_first()
        log.drop_first()
        self.assertEqual((log.start, log.end), (2, 5))
        for position in (2, 3, 4):
            self.assertIs(log.at(position), pieces[position])
        self.assertIsNone(log.at(5))
        for gone in (-1, 0, 1):
            error = self.assertRaises(IndexError, log.at, gone)
            self.assertEqual(str(error), f"piece {gone} is no longer kept")
        self.assertEqual(log.cost, sum(piece.cost for piece in pieces[2:]))

    def test_positions_go_on_after_the_log_was_emptied(self) -> None:
        log, _ = self.filled(3)
        for _ in range(3):
            log.drop_first()
        self.assertEqual((log.start, log.end, log.cost), (3, 3, 0))
        self.assertIsNone(log.at(3))
        piece = one_piece(messages(1))
        log.append(piece)
        self.assertIs(log.at(3), piece)
        self.assertEqual((log.start, log.end), (3, 4))

    def test_a_dropped_piece_is_freed(self) -> None:
        """The log keeps nothing of what it forgot."""
        log = MemoryLog()
        tracemalloc.start()
        try:
            log.append(one_piece(messages(1, payload=b"x" * 1_000_000)))
            log.drop_first()
            gc.collect()
            self.assertLess(tracemalloc.get_traced_memory()[0], 10_000)
        finally:
            tracemalloc.stop()

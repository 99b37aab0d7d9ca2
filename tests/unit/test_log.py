"""A room's log: how batches are cut, who shares which bytes, and what it all costs."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.log.memory import MemoryLog
from twisted_msg.log.piece import (
    MESSAGE_COST,
    PIECE_COST,
    PIECE_SIZE,
    Author,
    Piece,
    cut,
)
from twisted_msg.log.views import PlainView, TypedView
from twisted_msg.wire import FrameDecoder, encode_frame
from twisted_msg.wire.limits import HEADER_SIZE
from twisted_msg.wire.replies import Missed, Msg, parse_reply

settings.register_profile("unit", derandomize=True, deadline=None, database=None)
settings.load_profile("unit")

MILLIS = 1_700_000_000_000
AUTHORS = [Author(1_000_000 + at, b"guest-%d" % at) for at in range(3000)]


def author(origin: int) -> Author:
    return Author(origin, b"guest-%d" % origin)


def pieces(said: list[tuple[int, bytes]], first: int = 1) -> list[Piece]:
    """What a batch of (origin, payload) is cut into."""
    authors = [author(origin) for origin, _ in said]
    return cut("lobby", first, MILLIS, authors, [payload for _, payload in said])


def piece_of(*origins: int, payload: bytes = b"text", first: int = 1) -> Piece:
    """One piece with a message of each origin."""
    (piece,) = pieces([(origin, payload) for origin in origins], first)
    return piece


class CountingView:
    """A view of bare payloads that remembers how often it was asked to encode."""

    def __init__(self) -> None:
        self.asked = 0

    def encode(self, piece: Piece) -> list[bytes]:
        self.asked += 1
        return self._frames(piece)

    def sizes(self, piece: Piece) -> Iterator[int]:
        return map(len, self._frames(piece))

    def _frames(self, piece: Piece) -> list[bytes]:
        return [
            b"<%d:%s>" % (who.origin, payload)
            for who, payload in zip(piece.authors, piece.payloads, strict=True)
        ]

    def gap(self, room: str, first: int, last: int) -> bytes:
        return b""


class CutTests(SynchronousTestCase):
    """Batches become pieces that fit a transport."""

    def test_a_small_batch_is_one_piece(self) -> None:
        piece = piece_of(1, 2, 3, first=7)
        self.assertEqual((piece.room, piece.first, piece.last), ("lobby", 7, 9))
        self.assertEqual(piece.millis, MILLIS)
        self.assertEqual(piece.authors, [author(1), author(2), author(3)])
        self.assertEqual(piece.payloads, [b"text"] * 3)

    def test_a_piece_is_full_to_the_last_byte(self) -> None:
        payload = bytes(PIECE_SIZE // 4 - HEADER_SIZE)
        said = [(1, payload)] * 4
        self.assertEqual([len(piece.payloads) for piece in pieces(said)], [4])
        said[3] = (1, payload + b"x")
        self.assertEqual([len(piece.payloads) for piece in pieces(said)], [3, 1])

    def test_a_larger_message_is_alone(self) -> None:
        large = (1, bytes(PIECE_SIZE))
        said = [(1, b"a"), large, (1, b"b"), (1, b"c")]
        self.assertEqual(
            [(piece.first, piece.last) for piece in pieces(said)], [(1, 1), (2, 2), (3, 4)]
        )
        self.assertEqual([(piece.first, piece.last) for piece in pieces([large])], [(1, 1)])

    def test_empty_payloads_take_their_header(self) -> None:
        full = PIECE_SIZE // HEADER_SIZE
        said = [(1, b"")] * (full + 1)
        self.assertEqual([len(piece.payloads) for piece in pieces(said)], [full, 1])

    @given(st.lists(st.integers(0, 30_000), min_size=1, max_size=40), st.integers(1, 2**60))
    def test_every_message_is_there_once_in_order_and_every_piece_is_full(
        self, sizes: list[int], first: int
    ) -> None:
        said = [(at % 3, bytes(size)) for at, size in enumerate(sizes)]
        parts = pieces(said, first)
        found = [
            (seq, who.origin, payload)
            for piece in parts
            for seq, (who, payload) in enumerate(
                zip(piece.authors, piece.payloads, strict=True), piece.first
            )
        ]
        self.assertEqual(found, [(first + at, *each) for at, each in enumerate(said)])

        def width(piece: Piece) -> int:
            return sum(HEADER_SIZE + len(payload) for payload in piece.payloads)

        for piece in parts:
            self.assertTrue(width(piece) <= PIECE_SIZE or len(piece.payloads) == 1)
        for one, another in pairwise(parts):
            self.assertEqual(one.last + 1, another.first)
            following = HEADER_SIZE + len(another.payloads[0])
            self.assertGreater(width(one) + following, PIECE_SIZE)


class EncodedTests(SynchronousTestCase):
    """One encoding for each view, shared by all but those who wrote some of it."""

    def test_members_get_what_is_not_their_own(self) -> None:
        piece = piece_of(1, 2, 2, 1, 3)
        view = CountingView()
        for without, expected in (
            (None, b"<1:text><2:text><2:text><1:text><3:text>"),
            (9, b"<1:text><2:text><2:text><1:text><3:text>"),
            (1, b"<2:text><2:text><3:text>"),
            (2, b"<1:text><1:text><3:text>"),
            (3, b"<1:text><2:text><2:text><1:text>"),
        ):
            self.assertEqual(piece.encoded(view, 0, without), expected, without)

    def test_members_get_what_stands_behind_their_place(self) -> None:
        piece = piece_of(1, 2, 1, first=5)
        view = CountingView()
        for start, everything, others in (
            (1, b"<1:text><2:text><1:text>", b"<2:text>"),
            (5, b"<1:text><2:text><1:text>", b"<2:text>"),
            (6, b"<2:text><1:text>", b"<2:text>"),
            (7, b"<1:text>", b""),
            (8, b"", b""),
        ):
            self.assertEqual(piece.encoded(view, start), everything, start)
            self.assertEqual(piece.encoded(view, start, 9), everything, start)
            self.assertEqual(piece.encoded(view, start, 1), others, start)

    def test_members_share_the_bytes(self) -> None:
        piece = piece_of(1, 2, 1)
        view = CountingView()
        first = piece.encoded(view, 0, 7)
        for without in (None, 8, 9):
            self.assertIs(piece.encoded(view, 0, without), first)
            self.assertIs(piece.encoded(view, 1, without), first)

    def test_each_view_encodes_once(self) -> None:
        piece = piece_of(1, 2, 1)
        views = CountingView(), CountingView()
        for view in views * 2:
            for without in (None, 1, 2, 9):
                piece.encoded(view, 0, without)
        self.assertEqual([view.asked for view in views], [1, 1])
        self.assertIsNot(piece.encoded(views[0]), piece.encoded(views[1]))

    def test_nothing_is_encoded_for_the_only_sender(self) -> None:
        piece = piece_of(5, 5)
        view = CountingView()
        self.assertEqual(piece.encoded(view, 0, 5), b"")
        self.assertEqual(view.asked, 0)
        self.assertEqual(piece.encoded(view, 0, 6), b"<5:text><5:text>")

    def test_hidden_messages_leave_no_trace(self) -> None:
        (piece,) = pieces([(1, b"a"), (2, b""), (1, b"b"), (2, b"c")])
        frames = {text: encode_frame(text) for text in (b"a", b"b", b"c")}
        view = PlainView()
        self.assertEqual(piece.encoded(view), frames[b"a"] + frames[b"b"] + frames[b"c"])
        self.assertEqual(piece.encoded(view, 0, 2), frames[b"a"] + frames[b"b"])
        self.assertEqual(piece.encoded(view, 0, 1), frames[b"c"])
        self.assertEqual(piece.encoded(view, 3), frames[b"b"] + frames[b"c"])
        self.assertEqual(piece_of(1, payload=b"").encoded(view), b"")

    @given(
        st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=5)), min_size=1, max_size=30),
        st.one_of(st.none(), st.integers(0, 4)),
        st.integers(0, 31),
    )
    def test_any_mixture_is_what_its_messages_are_one_by_one(
        self, said: list[tuple[int, bytes]], without: int | None, start: int
    ) -> None:
        (piece,) = pieces(said)
        start = min(start, piece.last + 1)
        for view in (CountingView(), PlainView(), TypedView()):
            frames = view.encode(piece)
            self.assertEqual(list(view.sizes(piece)), list(map(len, frames)))
            wanted = [
                frame
                for seq, (frame, (origin, _)) in enumerate(zip(frames, said, strict=True), 1)
                if origin != without and seq >= start
            ]
            for _ in range(2):
                self.assertEqual(piece.encoded(view, start, without), b"".join(wanted))
            self.assertEqual(piece.count(view, start, without), sum(map(bool, wanted)))
            if without is not None:
                hidden = piece.last + 1 - max(start, 1) - sum(map(bool, wanted))
                self.assertEqual(piece.hidden(view, start, without), hidden)

    def test_what_is_hidden_is_what_was_left_out_of_the_bytes(self) -> None:
        (piece,) = pieces([(1, b"a"), (2, b""), (1, b"b"), (2, b"c"), (3, b"d")])
        view = PlainView()
        for start, without, hidden in ((1, 1, 3), (1, 2, 2), (2, 1, 2), (4, 2, 1), (1, 9, 1)):
            piece.encoded(view, start, without)
            self.assertEqual(piece.hidden(view, start, without), hidden, (start, without))

    def test_a_count_is_of_what_is_shown(self) -> None:
        piece = piece_of(1, 2, 1)
        self.assertEqual(
            [piece.count(PlainView(), 0, without) for without in (None, 1, 2, 3)], [3, 1, 2, 3]
        )
        self.assertEqual(piece_of(1, 2, payload=b"").count(PlainView()), 0)
        self.assertEqual(piece_of(1, 2, payload=b"").count(TypedView()), 2)


class PlainViewTests(SynchronousTestCase):
    """Nobody can hang up on a plain member, or speak with the server's voice."""

    def seen(self, payload: bytes, view: PlainView | None = None) -> bytes:
        return piece_of(1, payload=payload).encoded(view or PlainView())

    def test_what_is_shown(self) -> None:
        for payload in (
            b"hello", b" ", b"\0", b"!DISCONNECT! ", b" !DISCONNECT!", b"!DISCONNECT",
            b"!disconnect!",
            b"!ERROR!", b"!ERROR!x", b" !ERROR! x", b"!error! x", b"x!ERROR! ", bytes(range(256)),
        ):  # fmt: skip
            self.assertEqual(self.seen(payload), encode_frame(payload), payload)

    def test_what_is_not_shown(self) -> None:
        for payload in (b"", b"!DISCONNECT!", b"!ERROR! ", b"!ERROR! bad-header x", b"!ERROR!  "):
            self.assertEqual(self.seen(payload), b"", payload)

    def test_another_disconnect_word_hides_another_message(self) -> None:
        view = PlainView(disconnect=b"quit")
        self.assertEqual(self.seen(b"quit", view), b"")
        self.assertEqual(self.seen(b"!DISCONNECT!", view), encode_frame(b"!DISCONNECT!"))
        self.assertEqual(self.seen(b"!ERROR! x", view), b"")

    def test_headers_have_the_width_that_was_asked_for(self) -> None:
        self.assertEqual(self.seen(b"hello", PlainView(64)), b"5".ljust(64) + b"hello")
        self.assertEqual(self.seen(b"hello", PlainView(4)), b"5   hello")

    def test_there_is_no_frame_for_a_gap(self) -> None:
        self.assertEqual(PlainView().gap("lobby", 1, 2), b"")


class TypedViewTests(SynchronousTestCase):
    """Typed members see everything, with its number, author and time."""

    def test_every_message_is_shown(self) -> None:
        said = [(1, b"!DISCONNECT!"), (1, b""), (2, b"!ERROR! x"), (1, bytes(range(256)))]
        (piece,) = pieces(said, 41)
        frames = FrameDecoder().feed(piece.encoded(TypedView()))
        self.assertEqual(
            [parse_reply(frame) for frame in frames],
            [
                Msg("lobby", seq, f"guest-{origin}", MILLIS, payload)
                for seq, (origin, payload) in enumerate(said, 41)
            ],
        )

    def test_frames_are_those_of_the_wire(self) -> None:
        name, room = "n" * 24, "r" * 32
        seq, millis, payload = 2**62, 10**13, bytes(10)
        (piece,) = cut(room, seq, millis, [Author(1, name.encode())], [payload])
        self.assertEqual(piece.encoded(TypedView()), Msg(room, seq, name, millis, payload).encode())

    def test_a_gap_is_told(self) -> None:
        self.assertEqual(TypedView().gap("lobby", 3, 9), Missed("lobby", 3, 9).encode())


class CostTests(SynchronousTestCase):
    """What a piece says it costs, it costs at the most, one encoding included."""

    view: PlainView | TypedView

    def fill(self, log: MemoryLog, count: int, size: int, origins: int) -> None:
        """Append that many messages in pieces, each encoded for members of one kind."""
        # numbers as large as real ones; authors are their connections' own
        authors = [AUTHORS[at % origins] for at in range(count)]
        payloads = [bytes([65]) * size for _ in range(count)]
        for piece in cut("lobby", 1_700_000_000_000_000, MILLIS, authors, payloads):
            log.append(piece)
            piece.encoded(self.view, 0, 3)
            piece.encoded(self.view, 0, 1_000_000)

    def measured(self, count: int, size: int, origins: int) -> tuple[int, int, int]:
        """Bytes of memory that such a log's pieces take, their cost and their number."""
        self.fill(MemoryLog(0), count, size, origins)  # what Python keeps of a first run is there
        log = MemoryLog(0)
        gc.collect()
        tracemalloc.start()
        try:
            self.fill(log, count, size, origins)
            gc.collect()
            taken = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        return taken, log.cost, len(log.pieces)

    def test_the_estimate_bounds_the_memory(self) -> None:
        for self.view in (PlainView(), TypedView()):
            for size in (16, 1024):
                for count in (1, 2, 3, 10, 400, 3000):
                    for origins in (1, 2, count):
                        taken, cost, number = self.measured(count, size, origins)
                        case = f"{count} x {size} B of {origins} in {number}: {taken} of {cost}"
                        self.assertLessEqual(taken, cost, case)

    def test_the_estimate_is_not_wild(self) -> None:
        self.view = PlainView()
        for size in (16, 1024):
            for count in (1, 400):
                taken, cost, _ = self.measured(count, size, count)
                self.assertGreater(taken, cost * 0.6)

    def test_the_estimate_is_a_sum(self) -> None:
        self.assertEqual(
            piece_of(1, 2, payload=b"x" * 100).cost,
            PIECE_COST + 2 * MESSAGE_COST + 2 * 2 * (HEADER_SIZE + 100),
        )


class MemoryLogTests(SynchronousTestCase):
    """The newest pieces are found by number, and what was dropped stays told."""

    def filled(self, *firsts: int) -> tuple[MemoryLog, list[Piece]]:
        """A log behind 10 with a piece of two messages at each of these numbers."""
        log = MemoryLog(10)
        held = [piece_of(1, 2, first=first) for first in firsts]
        for piece in held:
            log.append(piece)
        return log, held

    def test_an_empty_log_goes_on_behind_its_head(self) -> None:
        log = MemoryLog(10)
        self.assertEqual((log.first, log.head, log.cost), (11, 10, 0))
        self.assertIsNone(log.find(1))
        self.assertIsNone(log.find(11))
        self.assertRaises(IndexError, log.drop_first)
        self.assertEqual((log.first, log.head, log.cost), (11, 10, 0))
        self.assertEqual(log.since(0), 11)

    def test_every_number_leads_to_its_piece(self) -> None:
        log, held = self.filled(11, 13, 15)
        self.assertEqual((log.first, log.head), (11, 16))
        for seq, piece in zip(range(11, 17), [each for each in held for _ in "12"], strict=True):
            self.assertIs(log.find(seq), piece)
        self.assertIs(log.find(1), held[0])
        self.assertIsNone(log.find(17))
        self.assertEqual(log.cost, sum(piece.cost for piece in held))
        self.assertEqual(list(log.newest_first()), held[::-1])

    def test_skipped_numbers_lead_to_what_stands_behind_them(self) -> None:
        log, held = self.filled(21, 31, 41)
        self.assertEqual(log.first, 21)
        self.assertIs(log.find(23), held[1])
        self.assertIs(log.find(33), held[2])
        self.assertIs(log.find(40), held[2])

    def test_dropping_renumbers_nothing(self) -> None:
        log, held = self.filled(11, 13, 15)
        log.drop_first()
        self.assertEqual((log.first, log.head), (13, 16))
        self.assertIs(log.find(12), held[1])
        self.assertIs(log.find(14), held[1])
        self.assertEqual(log.cost, sum(piece.cost for piece in held[1:]))

    def test_numbers_go_on_after_the_log_was_emptied(self) -> None:
        log, _ = self.filled(11, 13)
        log.drop_first()
        log.drop_first()
        self.assertEqual((log.first, log.head, log.cost), (15, 14, 0))
        self.assertIsNone(log.find(14))
        piece = piece_of(1, first=15)
        log.append(piece)
        self.assertIs(log.find(15), piece)
        self.assertEqual((log.first, log.head), (15, 15))

    def test_a_time_leads_to_the_first_piece_said_then(self) -> None:
        log = MemoryLog(0)
        for first, millis in ((1, 100), (2, 100), (3, 200), (4, 300)):
            log.append(Piece("lobby", first, millis, [author(1)], [b"x"]))
        for millis, seq in ((0, 1), (100, 1), (101, 3), (200, 3), (300, 4), (301, 5)):
            self.assertEqual(log.since(millis), seq, millis)

    def test_a_dropped_piece_is_freed(self) -> None:
        log = MemoryLog(0)
        tracemalloc.start()
        try:
            log.append(piece_of(1, payload=b"x" * 1_000_000))
            log.drop_first()
            gc.collect()
            self.assertLess(tracemalloc.get_traced_memory()[0], 10_000)
        finally:
            tracemalloc.stop()

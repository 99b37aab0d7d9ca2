"""The incremental decoder: the same frames however the stream is cut, and at a bounded cost."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.wire import ErrorCode, Frame, FrameDecoder, ProtocolError, Stage, encode_frame
from twisted_msg.wire.limits import max_payload_for

settings.register_profile("unit", derandomize=True, deadline=None, database=None)
settings.load_profile("unit")

Event = Frame | tuple[str, str]
"""A frame, or code and reason of the refusal behind which nothing comes."""


def played(decoder: FrameDecoder, pieces: Iterable[bytes]) -> list[Event]:
    """Feed the pieces as a shell would and return what came out."""
    events: list[Event] = []
    try:
        for piece in pieces:
            for frame in decoder.feed(piece):
                events.append(frame)
    except ProtocolError as error:
        events.append((str(error.code), error.reason))
    return events


def singly(data: bytes) -> Iterator[bytes]:
    """The bytes one by one."""
    return (data[at : at + 1] for at in range(len(data)))


def cut_at(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The bytes cut at these places (empty pieces left out)."""
    edges = [0, *sorted({min(place, len(data)) for place in places}), len(data)]
    return [data[start:end] for start, end in pairwise(edges) if start < end]


@contextmanager
def traced() -> Iterator[None]:
    """Count the memory of what happens inside."""
    gc.collect()
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def held() -> int:
    """Bytes of memory taken since the tracing began and still held."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@dataclass(frozen=True)
class Case:
    """A frame as some client spells it."""

    data: bytes
    frame: Frame
    header_size: int = 128


CASES = {
    "plain": Case(b"5".ljust(128) + b"hello", Frame(b"hello")),
    "empty": Case(b"0".ljust(128), Frame(b"")),
    "right-aligned": Case(b"5".rjust(128) + b"hello", Frame(b"hello")),
    "zero-padded": Case(b"5".zfill(128) + b"hello", Frame(b"hello")),
    "empty, zero-padded": Case(b"0" * 128, Frame(b"")),
    "like a header": Case(b"128".ljust(128) + b"5".ljust(128), Frame(b"5".ljust(128))),
    "every byte": Case(b"256".ljust(128) + bytes(range(256)), Frame(bytes(range(256)))),
    "larger than a header": Case(b"700".ljust(128) + b"ab" * 350, Frame(b"ab" * 350)),
    "narrow": Case(b"0005hello", Frame(b"hello"), 4),
    "narrow, empty": Case(b"0   ", Frame(b""), 4),
    "64 bytes": Case(b"5".ljust(64) + b"hello", Frame(b"hello"), 64),
    "widest": Case(b"5".ljust(2048) + b"hello", Frame(b"hello"), 2048),
    "typed": Case(b"5 PUB lobby 7".ljust(128) + b"hello", Frame(b"hello", ("PUB", "lobby", "7"))),
    "typed, empty": Case(b"0 PING".ljust(128), Frame(b"", ("PING",))),
    "typed, right-aligned": Case(b"2 PING a".rjust(128) + b"\0 ", Frame(b"\0 ", ("PING", "a"))),
    "typed, leading zeros": Case(b"0002 BYE".ljust(128) + b"ok", Frame(b"ok", ("BYE",))),
}


class ThreeWaysTests(SynchronousTestCase):
    """Each kind of frame: whole, byte by byte, and with more behind it."""

    def decoder(self, case: Case) -> FrameDecoder:
        return FrameDecoder(case.header_size)

    def test_whole(self) -> None:
        for name, case in CASES.items():
            decoder = self.decoder(case)
            self.assertEqual(played(decoder, [case.data]), [case.frame], name)
            self.assertIs(decoder.stage, Stage.BETWEEN, name)
            self.assertIs(decoder.typed, bool(case.frame.words), name)
            self.assertEqual(decoder.unfinished, 0, name)

    def test_byte_by_byte(self) -> None:
        for name, case in CASES.items():
            decoder = self.decoder(case)
            *most, last = singly(case.data)
            self.assertEqual(played(decoder, most), [], name)
            self.assertIsNot(decoder.stage, Stage.BETWEEN, name)
            self.assertEqual(played(decoder, [last]), [case.frame], name)
            self.assertIs(decoder.stage, Stage.BETWEEN, name)

    def test_with_trailing_bytes(self) -> None:
        for name, case in CASES.items():
            decoder = self.decoder(case)
            self.assertEqual(played(decoder, [case.data + case.data[:3]]), [case.frame], name)
            self.assertIs(decoder.stage, Stage.HEADER, name)
            self.assertEqual(played(decoder, [case.data[3:]]), [case.frame], name)
            self.assertIs(decoder.stage, Stage.BETWEEN, name)

    def test_behind_another_frame(self) -> None:
        for name, case in CASES.items():
            decoder = self.decoder(case)
            self.assertEqual(played(decoder, [case.data * 3]), [case.frame] * 3, name)

    def test_payloads_and_words_are_plain_values(self) -> None:
        for name, case in CASES.items():
            for pieces in ([case.data], singly(case.data)):
                (frame,) = played(self.decoder(case), pieces)
                self.assertIs(type(frame), Frame, name)
                self.assertIs(type(frame[0]), bytes, name)
                self.assertIs(type(frame[1]), tuple, name)


PAYLOADS = st.one_of(st.binary(max_size=20), st.integers(0, 600).map(lambda n: b"p" * n))
SPELLINGS = st.sampled_from(["%-*d", "%*d", "%0*d"])
CUTS = st.lists(st.integers(0, 5000), max_size=30)
WORDS = st.tuples(
    st.sampled_from(["PUB", "PING", "A"]),
    st.text(alphabet=[chr(c) for c in range(0x21, 0x7F)], min_size=1, max_size=9),
)
TAILS = st.sampled_from([b"", b"x", b"12", b" ", b"nonsense" * 300, b"9999" + b" " * 2044, b"-1"])


@st.composite
def plain_streams(draw: st.DrawFn) -> tuple[int, bytes, list[Frame]]:
    """A header's width, a stream of plain frames as many clients spell them, the frames."""
    width = draw(st.sampled_from([4, 7, 64, 128, 2048]))
    payloads = draw(st.lists(PAYLOADS, max_size=6))
    spelled = [(draw(SPELLINGS) % (width, len(p))).encode() + p for p in payloads]
    return width, b"".join(spelled), [Frame(p) for p in payloads]


@st.composite
def typed_streams(draw: st.DrawFn) -> tuple[bytes, list[Frame]]:
    """A stream whose first frame is typed; keep-alives and plain frames may follow."""
    frames = [Frame(draw(PAYLOADS), draw(WORDS))]
    frames += draw(
        st.lists(st.one_of(st.builds(Frame, PAYLOADS, WORDS), PAYLOADS.map(Frame)), max_size=5)
    )
    return b"".join(encode_frame(*frame) for frame in frames), frames


class SplitTests(SynchronousTestCase):
    """What comes out depends on the bytes of the stream alone, never on how they are cut."""

    @given(plain_streams(), CUTS)
    def test_plain(self, stream: tuple[int, bytes, list[Frame]], cuts: list[int]) -> None:
        width, data, frames = stream
        decoder = FrameDecoder(width)
        self.assertEqual(played(decoder, cut_at(data, cuts)), frames)
        self.assertIs(decoder.stage, Stage.BETWEEN)
        self.assertIs(decoder.typed, False if frames else None)

    @given(typed_streams(), CUTS)
    def test_typed(self, stream: tuple[bytes, list[Frame]], cuts: list[int]) -> None:
        data, frames = stream
        decoder = FrameDecoder()
        self.assertEqual(played(decoder, cut_at(data, cuts)), frames)
        self.assertIs(decoder.stage, Stage.BETWEEN)
        self.assertIs(decoder.typed, True)

    @given(plain_streams(), TAILS, CUTS, st.integers(0, 300))
    def test_good_and_bad(
        self, stream: tuple[int, bytes, list[Frame]], tail: bytes, cuts: list[int], limit: int
    ) -> None:
        """Refusals too: the same frames before them, and the same reason."""
        width, data, frames = stream
        data += tail
        whole = played(FrameDecoder(width, limit), [data])
        self.assertEqual(played(FrameDecoder(width, limit), cut_at(data, cuts)), whole)
        good = [frame for frame in whole if isinstance(frame, Frame)]
        fitting = [frame for frame in frames if len(frame.payload) <= limit]
        self.assertEqual(good[: len(frames)], frames[: len(good)])
        if fitting == frames:
            self.assertEqual(good[: len(frames)], frames)

    def test_every_split_of_a_plain_stream(self) -> None:
        frames = [Frame(b"ab"), Frame(b""), Frame(b"0".ljust(128)), Frame(b"end")]
        data = b"".join(encode_frame(*frame) for frame in frames)
        for place in range(len(data) + 1):
            pieces = [data[:place], data[place:]]
            self.assertEqual(played(FrameDecoder(), pieces), frames, place)

    def test_every_split_of_a_typed_stream(self) -> None:
        frames = [
            Frame(b"ab", ("PUB", "x")),
            Frame(b"", ("PING",)),
            Frame(b""),
            Frame(b"c", ("A",)),
        ]
        data = b"".join(encode_frame(*frame) for frame in frames)
        for place in range(len(data) + 1):
            pieces = [data[:place], data[place:]]
            self.assertEqual(played(FrameDecoder(), pieces), frames, place)

    def test_every_pair_of_splits_of_a_narrow_stream(self) -> None:
        frames = [Frame(b"ab"), Frame(b""), Frame(b"0004"), Frame(b"xyz")]
        data = b"".join(encode_frame(*frame, header_size=4) for frame in frames)
        for first in range(len(data) + 1):
            for second in range(first, len(data) + 1):
                pieces = [data[:first], data[first:second], data[second:]]
                self.assertEqual(played(FrameDecoder(4), pieces), frames, (first, second))

    def test_every_split_of_a_refused_stream(self) -> None:
        data = encode_frame(b"ab") + encode_frame(b"") + b"no length".ljust(128) + b"rest"
        whole = played(FrameDecoder(), [data])
        self.assertEqual(whole[:2], [Frame(b"ab"), Frame(b"")])
        self.assertEqual((len(whole), whole[2][0]), (3, "bad-header"))
        for place in range(len(data) + 1):
            pieces = [data[:place], data[place:]]
            self.assertEqual(played(FrameDecoder(), pieces), whole, place)

    def test_many_frames_in_one_piece(self) -> None:
        frames = [Frame(b"%d" % n) for n in range(5000)]
        data = b"".join(encode_frame(*frame) for frame in frames)
        decoder = FrameDecoder()
        self.assertEqual(played(decoder, [data[:100], data[100:-3], data[-3:]]), frames)

    def test_empty_frames(self) -> None:
        for width in (4, 128):
            data = encode_frame(b"", header_size=width) * 100
            self.assertEqual(played(FrameDecoder(width), [data]), [Frame(b"")] * 100)
            self.assertEqual(played(FrameDecoder(width), singly(data)), [Frame(b"")] * 100)

    def test_an_empty_piece_between_frames_changes_nothing(self) -> None:
        decoder = FrameDecoder()
        self.assertEqual(played(decoder, [b"", encode_frame(b"a"), b""]), [Frame(b"a")])
        self.assertEqual((decoder.stage, decoder.unfinished), (Stage.BETWEEN, 0))

    def test_frames_come_one_by_one(self) -> None:
        """Who takes a frame has it before the next header is looked at."""
        frames = FrameDecoder().feed(encode_frame(b"a") + b"x" * 128)
        self.assertEqual(next(frames), Frame(b"a"))
        self.assertRaises(ProtocolError, next, frames)


class RefusalTests(SynchronousTestCase):
    """What is wrong is refused at its header: not sooner, not later, and nothing is kept."""

    def refused(self, decoder: FrameDecoder, data: bytes) -> ProtocolError:
        return self.assertRaises(ProtocolError, list, decoder.feed(data))

    def test_at_the_last_byte_of_the_header(self) -> None:
        for width, header in ((128, b"x"), (128, b"11"), (4, b"-1"), (64, b"1 A"), (2048, b"1_0")):
            decoder = FrameDecoder(width, max_payload=10)
            header = header.ljust(width)
            self.assertEqual(played(decoder, singly(header[:-1])), [])
            self.assertIs(decoder.stage, Stage.HEADER)
            self.refused(decoder, header[-1:])

    def test_the_limit_itself_is_accepted(self) -> None:
        for words in ((), ("PUB", "lobby")):
            data = encode_frame(b"0123456789", words)
            self.assertEqual(
                played(FrameDecoder(max_payload=10), [data]), [Frame(b"0123456789", words)]
            )
            error = self.refused(FrameDecoder(max_payload=9), data)
            self.assertIs(error.code, ErrorCode.TOO_LARGE)

    def test_too_large_says_what_and_what_to_do(self) -> None:
        error = self.refused(FrameDecoder(max_payload=1000), b"1001".ljust(128))
        self.assertEqual(
            error.reason,
            "a message of 1001 bytes is over this server's limit of 1000: send it in smaller ones",
        )
        self.assertIsNone(error.verb)

    def test_too_large_and_typed_names_the_verb(self) -> None:
        decoder = FrameDecoder(max_payload=1000)
        error = self.refused(decoder, b"1001 PUB lobby 7".ljust(128))
        self.assertEqual(error.verb, "PUB")
        self.assertIs(decoder.typed, True)
        self.assertEqual(error.answer(typed=True)[0][:3], ("ERR", "too-large", "PUB"))

    def test_too_large_names_an_id_or_a_room_and_no_other_word(self) -> None:
        for words, subject in (
            ("HELLO name=a client=0123456789abcdef", None),  # a secret
            ("SUB lobby from=3", "lobby"),
            ("PUB lobby", "lobby"),
            ("PUB lobby 7", "7"),
            ("WHO lobby", "lobby"),
            ("PING token", None),
            ("STRANGE word", None),
        ):
            feed = FrameDecoder(128, 10).feed(f"11 {words}".encode().ljust(128))
            error = self.assertRaises(ProtocolError, list, feed)
            self.assertEqual((error.verb, error.subject), (words.split()[0], subject))

    def test_hello_has_a_limit_of_its_own(self) -> None:
        for words in ("HELLO", "HELLO name=a client=0123456789abcdef"):
            fits = encode_frame(b"x" * 4096, words.split(" "))
            (frame,) = FrameDecoder().feed(fits)
            self.assertEqual(len(frame.payload), 4096)
            decoder = FrameDecoder()
            error = self.refused(decoder, f"4097 {words}".encode().ljust(128))
            self.assertEqual((str(error.code), error.verb, error.subject),
                             ("too-large", "HELLO", None))  # fmt: skip
            self.assertIn("at most 4096 bytes", error.reason)

    def test_hello_has_it_wherever_it_comes(self) -> None:
        for before in (b"0 PING", b"0 HELLO", b"1 PUB lobby"):
            decoder = FrameDecoder()
            list(decoder.feed(before.ljust(128) + b"x" * before.startswith(b"1")))
            self.refused(decoder, b"4097 HELLO".ljust(128))

    def test_too_large_keeps_nothing_of_the_payload(self) -> None:
        """Neither of what came in one piece with the header, nor of what waited before it."""
        rest = b"x" * 2_000_000
        for before in (b"", b"5"):
            decoder = FrameDecoder(max_payload=1_000_000)
            data = (b"5" + b"000000".ljust(127))[len(before) :] + rest
            with traced():
                list(decoder.feed(before))
                self.refused(decoder, data)
                self.assertLess(held(), 20_000)
            self.assertIs(decoder.stage, Stage.BETWEEN)
            self.assertEqual(decoder.announced, 0)

    def test_good_frames_before_a_bad_one(self) -> None:
        good = [Frame(b"a"), Frame(b""), Frame(b"ccc")]
        data = b"".join(encode_frame(*frame) for frame in good)
        for bad, code in ((b"x" * 128, "bad-header"), (b"1048577".ljust(128), "too-large")):
            events = played(FrameDecoder(), [data + bad + encode_frame(b"never")])
            self.assertEqual(events[:3], good)
            self.assertEqual([event[0] for event in events[3:]], [code])

    def test_words_on_a_plain_connection(self) -> None:
        for first in (b"", b"hello"):
            decoder = FrameDecoder()
            self.assertEqual(played(decoder, [encode_frame(first)]), [Frame(first)])
            error = self.refused(decoder, encode_frame(b"", ("PING",)))
            self.assertIs(error.code, ErrorCode.BAD_HEADER)
            self.assertIn("began with a plain frame", error.reason)
            self.assertIn("open another connection for typed frames", error.reason)
            self.assertIs(decoder.typed, False)

    def test_no_words_on_a_typed_connection(self) -> None:
        """That is for the session to judge: an empty one is a keep-alive."""
        decoder = FrameDecoder()
        data = encode_frame(b"", ("PING",)) + encode_frame(b"") + encode_frame(b"a")
        self.assertEqual(played(decoder, [data]), [Frame(b"", ("PING",)), Frame(b""), Frame(b"a")])
        self.assertIs(decoder.typed, True)

    def test_what_cannot_be_read_decides_nothing(self) -> None:
        decoder = FrameDecoder()
        self.refused(decoder, b"hello".ljust(128))
        self.assertIsNone(decoder.typed)

    def test_words_at_another_width_decide_nothing(self) -> None:
        decoder = FrameDecoder(64)
        self.assertIs(self.refused(decoder, b"0 PING".ljust(64)).code, ErrorCode.BAD_HEADER)
        self.assertIsNone(decoder.typed)


class StateTests(SynchronousTestCase):
    """What a shell may ask between two pieces."""

    def test_stage_and_announced(self) -> None:
        decoder = FrameDecoder()
        data = encode_frame(b"hello")
        seen = [(decoder.stage, decoder.announced)]
        for byte in singly(data):
            played(decoder, [byte])
            seen.append((decoder.stage, decoder.announced))
        self.assertEqual(
            seen,
            [
                (Stage.BETWEEN, 0),
                *[(Stage.HEADER, 0)] * 127,
                *[(Stage.PAYLOAD, 5)] * 5,
                (Stage.BETWEEN, 0),
            ],
        )

    def test_typed_is_decided_by_the_first_header(self) -> None:
        for words, typed in (((), False), (("PING",), True)):
            decoder = FrameDecoder()
            data = encode_frame(b"hello", words)
            list(decoder.feed(data[:127]))
            self.assertIsNone(decoder.typed)
            list(decoder.feed(data[127:128]))
            self.assertIs(decoder.typed, typed)

    def test_unfinished_stands_still_within_a_header(self) -> None:
        decoder = FrameDecoder()
        counts = set()
        for byte in singly(b"5".ljust(127)):
            played(decoder, [byte])
            counts.add(decoder.unfinished)
        self.assertEqual(counts, {1})

    def test_unfinished_stands_still_within_a_payload(self) -> None:
        decoder = FrameDecoder()
        data = encode_frame(b"hello world")
        played(decoder, [data[:130]])
        counts = {decoder.unfinished}
        for byte in singly(data[130:-1]):
            played(decoder, [byte])
            counts.add(decoder.unfinished)
        self.assertEqual(counts, {1})

    def test_unfinished_stands_still_between_header_and_payload(self) -> None:
        """Many clients send the two apart; that wins a slow one no second deadline."""
        decoder = FrameDecoder()
        data = encode_frame(b"hello")
        played(decoder, [data[:128]])
        for piece in (b"", b"", *singly(data[128:-1]), b""):
            played(decoder, [piece])
            self.assertEqual((decoder.stage, decoder.unfinished), (Stage.PAYLOAD, 1))
        self.assertEqual(played(decoder, [data[-1:]]), [Frame(b"hello")])

    def test_unfinished_rises_with_every_new_one(self) -> None:
        """A peer that sends frames quickly is not late, wherever its pieces end."""
        data = encode_frame(b"hello")
        for place in (1, 127, 130, len(data) - 1):
            decoder = FrameDecoder()
            played(decoder, [data[:place]])
            for count in range(1, 5):
                self.assertEqual(decoder.unfinished, count, place)
                played(decoder, [data[place:] + data[:place]])

    def test_finished_frames_do_not_count(self) -> None:
        decoder = FrameDecoder()
        played(decoder, [encode_frame(b"a") * 3, encode_frame(b"b")])
        self.assertEqual(decoder.unfinished, 0)


class LimitTests(SynchronousTestCase):
    """Widths and limits of the constructor."""

    def test_widths(self) -> None:
        for width in (4, 128, 2048):
            self.assertEqual(FrameDecoder(width).header_size, width)
        for width in (-1, 0, 3, 2049):
            error = self.assertRaises(ValueError, FrameDecoder, width)
            self.assertEqual(
                str(error), f"a header's width is a whole number from 4 to 2048, not {width}"
            )

    def test_a_narrow_header_lowers_the_limit(self) -> None:
        self.assertEqual(FrameDecoder(4).max_payload, 9999)
        self.assertEqual(FrameDecoder(4, 100).max_payload, 100)
        self.assertEqual(FrameDecoder(6).max_payload, 999_999)
        self.assertEqual(FrameDecoder(7).max_payload, 1024 * 1024)
        self.assertEqual(FrameDecoder().max_payload, 1024 * 1024)

    def test_no_limit_is_above_ten_digits(self) -> None:
        for width in (10, 11, 128, 2048):
            self.assertEqual(max_payload_for(width, 10**12), 10**10 - 1)
        self.assertEqual(max_payload_for(9, 10**12), 10**9 - 1)

    def test_the_largest_payload_of_a_narrow_header(self) -> None:
        frame = Frame(b"z" * 9999)
        data = encode_frame(frame.payload, header_size=4)
        self.assertEqual(played(FrameDecoder(4), cut_at(data, range(0, 10_003, 1000))), [frame])
        error = played(FrameDecoder(4, 9998), [data])
        self.assertEqual(error[0][0], "too-large")


class CostTests(SynchronousTestCase):
    """Work linear in the bytes received, memory within the one unfinished frame."""

    def test_a_large_payload_in_small_pieces(self) -> None:
        """64 MiB in 4 KiB pieces: every piece claims what it holds, and no piece claims the rest
        again, so that all together claim a small multiple of the payload."""
        size, piece = 64 * 1024**2, b"x" * 4096
        decoder = FrameDecoder(max_payload=size)
        received, claimed, most = 0, 0, 0
        with traced():
            list(decoder.feed(b"%-128d" % size))
            for _ in range(size // len(piece)):
                tracemalloc.reset_peak()
                before = tracemalloc.get_traced_memory()[0]
                for frame in decoder.feed(piece):
                    received = len(frame.payload)
                peak = tracemalloc.get_traced_memory()[1]
                claimed += peak - before
                most = max(most, peak)
        self.assertEqual(received, size)
        self.assertLess(claimed, 3 * size)
        self.assertLess(most, 2.5 * size)

    def test_many_small_frames_over_small_pieces(self) -> None:
        """The cost of a piece does not depend on how much came before it."""
        data = encode_frame(b"m" * 100) * 2000
        decoder = FrameDecoder()
        count, most = 0, 0
        with traced():
            for start in range(0, len(data), 1000):
                piece = data[start : start + 1000]
                tracemalloc.reset_peak()
                before = tracemalloc.get_traced_memory()[0]
                for _ in decoder.feed(piece):
                    count += 1
                most = max(most, tracemalloc.get_traced_memory()[1] - before)
        self.assertEqual(count, 2000)
        self.assertLess(most, 10_000)

    def test_a_byte_at_a_time(self) -> None:
        """Such a peer costs the bytes it has sent, not an object for each."""
        size = 200_000
        decoder = FrameDecoder()
        with traced():
            list(decoder.feed(b"%-128d" % 1_000_000))
            for _ in range(size):
                for _ in decoder.feed(b"x"):
                    self.fail("no frame is complete")
            self.assertLess(held(), 1.25 * size + 10_000)
            self.assertLess(tracemalloc.get_traced_memory()[1], 1.25 * size + 20_000)

    def test_nothing_is_kept_behind_a_finished_frame(self) -> None:
        decoder = FrameDecoder()
        data = encode_frame(b"x" * 1_000_000)
        pieces = cut_at(data, range(0, len(data), 10_000))
        with traced():
            for piece in pieces:
                list(decoder.feed(piece))
            self.assertLess(held(), 10_000)

    def test_announcing_much_costs_nothing(self) -> None:
        decoder = FrameDecoder(max_payload=10**10)
        with traced():
            list(decoder.feed(b"9999999999".ljust(128) + b"x"))
            self.assertEqual(decoder.announced, 10**10 - 1)
            self.assertLess(held(), 10_000)

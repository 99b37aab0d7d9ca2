"""What servers say: every verb there and back, and how patient a client is."""

import json
import string
import time

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.wire import ErrorCode, Frame, FrameDecoder, ProtocolError, encode_header
from twisted_msg.wire.names import MAX_ID
from twisted_msg.wire.replies import (
    Ack,
    Bye,
    Err,
    Here,
    Join,
    Live,
    Missed,
    Msg,
    Part,
    Ping,
    Pong,
    Reply,
    RoomList,
    Subbed,
    Unsubbed,
    Welcome,
    parse_reply,
)

settings.register_profile("unit", derandomize=True, deadline=None, database=None)
settings.load_profile("unit")

PRINTABLE = [chr(code) for code in range(0x21, 0x7F)]
NAME_LETTERS = string.ascii_letters + string.digits + "._-"

NAMES = st.text(NAME_LETTERS, min_size=1, max_size=24)
ROOMS = st.text(NAME_LETTERS, min_size=1, max_size=32)
PLACES = ROOMS | NAMES.map("@{}".format)
TOKENS = st.text(PRINTABLE, min_size=1, max_size=64)
WORDS = st.text(PRINTABLE, min_size=1, max_size=40)
NUMBERS = st.integers(0, MAX_ID)
TEXTS = st.text(max_size=40)
CODES = st.sampled_from(ErrorCode).map(str)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda some: (
        st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=5), some, max_size=3)
    ),
)
OBJECTS = st.dictionaries(st.text(max_size=8), JSON, max_size=4)
REPLIES: st.SearchStrategy[Reply] = st.one_of(
    st.builds(Welcome, NAMES, NUMBERS, OBJECTS),
    st.builds(Ack, NUMBERS, NUMBERS, st.booleans()),
    st.builds(Subbed, PLACES, NUMBERS),
    st.builds(Live, PLACES, NUMBERS),
    st.builds(Unsubbed, PLACES),
    st.builds(Here, ROOMS, st.lists(NAMES, max_size=5), NUMBERS),
    st.builds(RoomList, st.lists(OBJECTS, max_size=3), NUMBERS),
    st.builds(
        Msg,
        PLACES,
        NUMBERS,
        NAMES,
        st.integers(0, 10**13 - 1),
        st.binary(max_size=300),
        st.lists(st.text(PRINTABLE, min_size=1, max_size=5), max_size=2).map(tuple),
    ),
    st.builds(Missed, PLACES, NUMBERS, NUMBERS),
    st.builds(Join, ROOMS, NAMES),
    st.builds(Part, ROOMS, NAMES),
    st.builds(Err, CODES, TEXTS, st.none(), st.none()),
    st.builds(Err, CODES, TEXTS, WORDS, st.none() | WORDS),
    st.builds(Ping, st.none() | TOKENS),
    st.builds(Pong, st.none() | TOKENS),
    st.builds(Bye, TEXTS),
)


def frame(line: str, payload: bytes = b"") -> Frame:
    """A frame with the words of a line."""
    return Frame(payload, tuple(line.split()))


class RoundTripTests(SynchronousTestCase):
    """What is encoded is parsed back."""

    @given(st.lists(REPLIES, max_size=4))
    def test_every_reply_comes_back_as_it_was(self, replies: list[Reply]) -> None:
        stream = b"".join(reply.encode() for reply in replies)
        back = [parse_reply(frame) for frame in FrameDecoder().feed(stream)]
        self.assertEqual(back, replies)
        self.assertEqual([type(one) for one in back], [type(one) for one in replies])

    def test_bytes_of_one_reply_of_each_verb(self) -> None:
        for reply, words, payload in (
            (Welcome("al", 41, {"v": 1, "x": "\xe9"}), "WELCOME al 41", b'{"v":1,"x":"\\u00e9"}'),
            (Ack(1, 2), "ACK 1 2", b""),
            (Ack(1, 2, True), "ACK 1 2 dup", b""),
            (Subbed("a", 3), "SUBBED a 3", b""),
            (Live("a", 3), "LIVE a 3", b""),
            (Unsubbed("a"), "UNSUBBED a", b""),
            (Here("a", ["x", "y"]), "HERE a", b'["x","y"]'),
            (Here("a", [], 2), "HERE a cut=2", b"[]"),
            (RoomList([{"room": "a"}]), "ROOMS", b'[{"room":"a"}]'),
            (RoomList([], 7), "ROOMS cut=7", b"[]"),
            (Msg("@al", 1, "bob", 5, b"\xff"), "MSG @al 1 bob 5", b"\xff"),
            (Msg("a", 1, "bob", 5, b"", ("k=v",)), "MSG a 1 bob 5 k=v", b""),
            (Missed("a", 1, 9), "MISSED a 1 9", b""),
            (Join("a", "bob"), "JOIN a bob", b""),
            (Part("a", "bob"), "PART a bob", b""),
            (Err("busy", "wait"), "ERR busy", b"wait"),
            (Err("busy", "wait", "PUB"), "ERR busy PUB", b"wait"),
            (Err("busy", "wait", "PUB", "7"), "ERR busy PUB 7", b"wait"),
            (Ping("x"), "PING x", b""),
            (Pong(), "PONG", b""),
            (Bye("so long"), "BYE", b"so long"),
        ):
            data = reply.encode()
            self.assertEqual(data[:128], f"{len(payload)} {words}".ljust(128).encode())
            self.assertEqual(data[128:], payload)

    def test_the_longest_message_header_keeps_22_bytes_free(self) -> None:
        longest = Msg("r" * 32, MAX_ID, "n" * 24, 10**13 - 1, b"", ("x" * 21,))
        words = longest.encode().decode().split()[1:]
        self.assertEqual(len(encode_header(10**10 - 1, words).rstrip()), 128)
        self.assertRaises(ValueError, longest._replace(extras=("x" * 31,)).encode)

    def test_errors_leave_out_what_protocol_errors_leave_out(self) -> None:
        for verb, subject in (
            (None, None), (None, "7"), ("PUB", "7"), ("PUB", "s" * 41), ("V" * 41, "7"),
            ("V" * 40, "s" * 40),
        ):  # fmt: skip
            error = ProtocolError(ErrorCode.UNAUTHORIZED, "why", verb=verb, subject=subject)
            words, payload = error.answer(typed=True)
            (sent,) = FrameDecoder().feed(Err("unauthorized", "why", verb, subject).encode())
            self.assertEqual(sent, Frame(payload, words))

    def test_texts_that_utf8_lacks_are_escaped(self) -> None:
        self.assertTrue(Err("busy", "\ud800").encode().endswith(b"\\ud800"))
        self.assertTrue(Bye("\ud800").encode().endswith(b"\\ud800"))

    def test_what_is_not_json_is_not_encoded(self) -> None:
        for value in (float("nan"), float("inf")):
            self.assertRaises(ValueError, Welcome("a", 0, {"x": value}).encode)
        self.assertRaises(TypeError, RoomList([{"x": b""}]).encode)


class FittingTests(SynchronousTestCase):
    """Lists are cut at the payload limit, and say by how much."""

    @given(st.lists(NAMES, max_size=20), st.integers(2, 300))
    def test_names_are_cut_as_late_as_possible(self, names: list[str], limit: int) -> None:
        here = Here.fitting("a", names, limit)
        self.assertEqual((here.room, here.names + names[len(here.names) :]), ("a", names))
        self.assertEqual(len(here.names) + here.cut, len(names))
        self.assertLessEqual(len(here.encode()) - 128, limit)
        if here.cut:
            one_more = Here("a", names[: len(here.names) + 1]).encode()
            self.assertGreater(len(one_more) - 128, limit)

    def test_the_limit_itself_is_allowed(self) -> None:
        self.assertEqual(Here.fitting("a", ["b", "c"], len(b'["b","c"]')), Here("a", ["b", "c"]))
        self.assertEqual(Here.fitting("a", ["b", "c"], len(b'["b","c"]') - 1), Here("a", ["b"], 1))
        self.assertEqual(Here.fitting("a", ["b"], 2), Here("a", [], 1))
        self.assertEqual(Here.fitting("a", [], 2), Here("a", []))

    def test_a_limit_below_the_empty_list_is_a_mistake(self) -> None:
        for limit in (1, 0, -1):
            self.assertRaises(ValueError, Here.fitting, "a", [], limit)

    def test_each_entry_is_encoded_at_most_once(self) -> None:
        """A hundred thousand names cost time in proportion, not its square."""
        names = [f"guest-{at}" for at in range(100_000)]
        began = time.process_time()
        here = Here.fitting("a", names, 1024 * 1024)
        self.assertLess(time.process_time() - began, 5)
        self.assertGreater(here.cut, 0)
        self.assertGreater(len(here.names), 50_000)


class PatientTests(SynchronousTestCase):
    """What a client does not know, it passes over."""

    def test_unknown_verbs(self) -> None:
        for line in ("FOO", "FOO a b", "HELLO", "msg a"):
            self.assertIsNone(parse_reply(frame(line, b"x")))

    def test_keep_alives(self) -> None:
        self.assertIsNone(parse_reply(Frame(b"")))

    def test_extra_words(self) -> None:
        for line, payload, want in (
            ("WELCOME al 1 x", b"{}", Welcome("al", 1, {})),
            ("ACK 1 2 x dup", b"", Ack(1, 2, True)),
            ("ACK 1 2 x", b"", Ack(1, 2)),
            ("SUBBED a 1 x", b"", Subbed("a", 1)),
            ("LIVE a 1 x", b"", Live("a", 1)),
            ("UNSUBBED a x", b"", Unsubbed("a")),
            ("HERE a x cut=2 y=3", b"[]", Here("a", [], 2)),
            ("ROOMS x cut=2", b"[]", RoomList([], 2)),
            ("ROOMS x", b"[]", RoomList([])),
            ("MSG a 1 b 2 x y=z", b"", Msg("a", 1, "b", 2, b"", ("x", "y=z"))),
            ("MISSED a 1 2 x", b"", Missed("a", 1, 2)),
            ("JOIN a b x", b"", Join("a", "b")),
            ("PART a b x", b"", Part("a", "b")),
            ("ERR new-code PUB 7 x", b"why", Err("new-code", "why", "PUB", "7")),
            ("PING a x", b"", Ping("a")),
            ("PONG a x", b"", Pong("a")),
            ("BYE x", b"", Bye()),
        ):
            got = parse_reply(frame(line, payload))
            self.assertEqual(got, want)
            self.assertIs(type(got), type(want))

    def test_a_payload_where_none_is_needed(self) -> None:
        self.assertEqual(parse_reply(frame("ACK 1 2", b"any text")), Ack(1, 2))

    def test_places_may_be_direct(self) -> None:
        for line, want in (
            ("MSG @al 1 b 2", Msg("@al", 1, "b", 2, b"")), ("SUBBED @al 1", Subbed("@al", 1)),
            ("LIVE @al 1", Live("@al", 1)), ("MISSED @al 1 2", Missed("@al", 1, 2)),
            ("UNSUBBED @al", Unsubbed("@al")), ("MSG #new~ 1 b 2", Msg("#new~", 1, "b", 2, b"")),
        ):  # fmt: skip
            self.assertEqual(parse_reply(frame(line)), want)

    def test_texts_that_are_no_utf8(self) -> None:
        self.assertEqual(parse_reply(frame("ERR busy", b"a\xff")), Err("busy", "a\ufffd"))
        self.assertEqual(parse_reply(frame("BYE", b"a\xff")), Bye("a\ufffd"))


class RefusedTests(SynchronousTestCase):
    """A known verb that lacks what it must hold is refused."""

    def refusal(self, given: Frame) -> ProtocolError:
        error: ProtocolError = self.assertRaises(ProtocolError, parse_reply, given)
        self.assertTrue(error.reason.isascii() and error.reason.isprintable(), error.reason)
        return error

    def assert_refused(self, code: ErrorCode, line: str, payload: bytes = b"") -> None:
        error = self.refusal(frame(line, payload))
        self.assertEqual((error.code, error.verb, error.subject), (code, line.split()[0], None))

    def test_a_message_without_words(self) -> None:
        error = self.refusal(Frame(b"hi"))
        self.assertEqual((error.code, error.verb), (ErrorCode.BAD_ARGS, None))

    def test_missing_words(self) -> None:
        for line in (
            "WELCOME", "WELCOME al", "ACK", "ACK 1", "SUBBED", "SUBBED a", "LIVE", "LIVE a",
            "UNSUBBED", "HERE", "MSG", "MSG a 1 b", "MISSED", "MISSED a 1", "JOIN", "JOIN a",
            "PART", "PART a", "ERR",
        ):  # fmt: skip
            self.assert_refused(ErrorCode.BAD_ARGS, line, b"{}")
        self.assertEqual(
            self.refusal(frame("ACK 1")).reason,
            "the server's ACK lacks words, being ACK <id> <seq>: check its version",
        )

    def test_numbers_that_are_none(self) -> None:
        for bad in ("x", "-1", "1.0", str(MAX_ID + 1)):
            for line in (
                f"WELCOME al {bad}", f"ACK {bad} 1", f"ACK 1 {bad}", f"SUBBED a {bad}",
                f"LIVE a {bad}", f"MSG a {bad} b 1", f"MSG a 1 b {bad}", f"MISSED a {bad} 1",
                f"MISSED a 1 {bad}",
            ):  # fmt: skip
                self.assert_refused(ErrorCode.BAD_ARGS, line, b"{}")
            for line in (f"HERE a cut={bad}", f"ROOMS cut={bad}", "ROOMS cut="):
                self.assert_refused(ErrorCode.BAD_ARGS, line, b"[]")

    def test_names_and_rooms_that_break_the_grammar(self) -> None:
        for bad in ("a/b", "x" * 33, "@a"):
            for line in (
                f"MSG a 1 {bad} 1", f"JOIN {bad} a", f"JOIN a {bad}", f"PART {bad} a",
                f"PART a {bad}",
            ):  # fmt: skip
                self.assert_refused(ErrorCode.BAD_ARGS, line)
            self.assert_refused(ErrorCode.BAD_ARGS, f"WELCOME {bad} 1", b"{}")
            self.assert_refused(ErrorCode.BAD_ARGS, f"HERE {bad}", b"[]")

    def test_tokens_that_are_too_long(self) -> None:
        for verb in ("PING", "PONG"):
            self.assert_refused(ErrorCode.BAD_ARGS, f"{verb} {'t' * 65}")

    def test_what_is_no_json(self) -> None:
        for payload in (b"", b"x", b"\xff", b"[NaN]", b"[1e999]", b"[" * 100_000):
            for line in ("WELCOME al 1", "HERE a", "ROOMS"):
                self.assert_refused(ErrorCode.BAD_JSON, line, payload)

    def test_json_of_the_wrong_shape(self) -> None:
        for line, values in (
            ("WELCOME al 1", ([], None, 1, "x")),
            ("HERE a", ({}, None, "x", [1], [None], ["a b"], [""], ["a", "x" * 25], [["a"]])),
            ("ROOMS", ({}, None, "x", ["a"], [[]], [{}, 1])),
        ):
            for value in values:
                self.assert_refused(ErrorCode.BAD_JSON, line, json.dumps(value).encode())

    @given(
        st.lists(
            st.sampled_from(
                ["WELCOME", "ACK", "SUBBED", "LIVE", "UNSUBBED", "HERE", "ROOMS", "MSG", "MISSED",
                 "JOIN", "PART", "ERR", "PING", "PONG", "BYE", "a", "@a", "1", "cut=1", "cut=x"]
            )
            | st.text(max_size=70),
            max_size=6,
        ),
        st.binary(max_size=50) | JSON.map(lambda value: json.dumps(value).encode()),
    )  # fmt: skip
    def test_any_words_make_a_reply_or_a_protocol_error(
        self, words: list[str], payload: bytes
    ) -> None:
        """Whatever stands in a frame, nothing but `ProtocolError` comes out of the parser."""
        try:
            reply = parse_reply(Frame(payload, tuple(words)))
        except ProtocolError as error:
            self.assertTrue(error.reason.isascii() and error.reason.isprintable(), error.reason)
            self.assertIn(error.code, (ErrorCode.BAD_ARGS, ErrorCode.BAD_JSON))
        else:
            self.assertIsInstance(reply, Reply | None)

"""The header's grammar, against a second reading of the specification."""

import random
import string

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz import grammar
from tests.fuzz.headers import PROBES
from twisted_msg.wire import ErrorCode, Header, ProtocolError, encode_header, parse_header
from twisted_msg.wire.header import excerpt

settings.register_profile("unit", derandomize=True, deadline=None, database=None)
settings.load_profile("unit")

WIDTHS = (128, 64, 4, 2048)
CASES_PER_WIDTH = 25_000


def expected(data: bytes) -> Header | None:
    """What the specification says of a header, None for one that it refuses."""
    read = grammar.read_header(data)
    return None if read is None else Header(*read)


def parsed(data: bytes) -> Header | None:
    """What the code says of it."""
    try:
        return parse_header(data)
    except ProtocolError as error:
        if error.code is not ErrorCode.BAD_HEADER:
            raise
        return None


def fitted(text: bytes, width: int, how: int) -> bytes:
    """A header's text padded to its width as one of many clients would, or cut."""
    text = text[:width]
    if how == 0:
        return text.rjust(width)
    if how == 1:
        return text.rjust(width, b"0")
    if how == 2:
        return text.center(width)
    if how == 3:
        return text.ljust(width, b"\0")
    return text.ljust(width)


class Hostile:
    """An endless supply of headers that somebody may send, the same every time."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def header(self, width: int) -> bytes:
        dice = self.random
        kind = dice.randrange(8)
        if kind == 0:
            return dice.randbytes(width)
        if kind == 1:
            few = bytes(dice.choices(b" 0159AZaz_+-.\0\t\n\r!~\x7f\xb2", k=dice.randint(1, 12)))
            return fitted(few, width, dice.randrange(8))
        if kind == 2:
            return fitted(dice.choice(PROBES), width, dice.randrange(8))
        if kind == 3:
            near = 10 ** dice.choice((1, 3, 4, 9, 10, 10, 10, 11)) + dice.randint(-2, 2)
            return fitted(b"%d" % near, width, dice.randrange(8))
        text = b"%d" % dice.randrange(10 ** dice.randint(1, 11))
        if dice.random() < 0.6:
            text += b" " + bytes(dice.choices(b"ABCXYZ", k=dice.randint(1, 5)))
            for _ in range(dice.randrange(4)):
                text += b" " + bytes(dice.choices(range(0x21, 0x7F), k=dice.randint(1, 6)))
        header = fitted(text, width, dice.randrange(8))
        return header if kind < 6 else self.mutated(header)

    def mutated(self, header: bytes) -> bytes:
        """One to three bytes replaced, put in or taken out near the text; the width stays."""
        dice = self.random
        changed = bytearray(header)
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(min(len(changed), 24))
            what = dice.randrange(3)
            byte = dice.choice(b" 09AZaz_+-\0\t\n\x7f\x80\xff") if what else 0
            if what == 0:
                del changed[at]
                changed.append(0x20)
            elif what == 1:
                changed[at] = byte
            else:
                changed.insert(at, byte)
                del changed[-1]
        return bytes(changed)


class GrammarTests(SynchronousTestCase):
    """The parser takes exactly what the specification describes."""

    def test_a_hundred_thousand_hostile_headers(self) -> None:
        """Code and specification agree on every one, and the supply holds every kind."""
        hostile = Hostile(seed=5050)
        plain = typed = refused = 0
        for width in WIDTHS:
            for _ in range(CASES_PER_WIDTH):
                data = hostile.header(width)
                want = expected(data)
                if parsed(data) != want:
                    self.fail(f"{data!r}: {parsed(data)} where {want} is specified")
                if want is None:
                    refused += 1
                elif want.words:
                    typed += 1
                else:
                    plain += 1
        self.assertEqual(plain + typed + refused, 100_000)
        self.assertGreater(min(plain, typed, refused), 3_000, (plain, typed, refused))

    def test_every_probe_padded_every_way_at_every_width(self) -> None:
        for width in (4, 5, 10, 11, 64, 127, 128, 129, 2048):
            for probe in PROBES:
                for how in range(5):
                    data = fitted(probe, width, how)
                    self.assertEqual(parsed(data), expected(data), data)

    def test_every_byte_at_every_place_of_a_short_header(self) -> None:
        for base in (b"12  ", b" 12 ", b"0012", b"    "):
            for at in range(4):
                for byte in range(256):
                    data = base[:at] + bytes([byte]) + base[at + 1 :]
                    self.assertEqual(parsed(data), expected(data), data)

    @given(st.binary(min_size=4, max_size=2048))
    def test_arbitrary_bytes(self, data: bytes) -> None:
        self.assertEqual(parsed(data), expected(data))

    @given(
        st.text(alphabet=" 0189AZaz_+-~!\t\n٣\uff12²", min_size=1, max_size=60), st.integers(0, 4)
    )
    def test_arbitrary_text(self, text: str, how: int) -> None:
        data = fitted(text.encode(), 128, how)
        self.assertEqual(parsed(data), expected(data))

    def test_what_clients_of_the_family_send(self) -> None:
        for width in WIDTHS:
            for spelled in ("%-*d", "%*d", "%0*d"):
                data = (spelled % (width, 1234)).encode()
                self.assertEqual(parse_header(data), Header(1234, ()), data)

    def test_typed_examples(self) -> None:
        for text, words in (
            ("5 PUB lobby 1", ("PUB", "lobby", "1")),
            ("  0005 HELLO name=a!~", ("HELLO", "name=a!~")),
            ("5 " + "V" * 126, ("V" * 126,)),
        ):
            self.assertEqual(parse_header(text.ljust(128).encode()), Header(5, words))

    def test_ten_digits_are_the_most(self) -> None:
        self.assertEqual(parse_header(b"9999999999".ljust(128)).length, 10**10 - 1)
        self.assertEqual(parse_header(b"9999999999".rjust(2048, b"0")).length, 10**10 - 1)
        self.assertIsNone(parsed(b"10000000000".ljust(128)))
        self.assertIsNone(parsed(b"9" * 2048))

    def test_words_need_128_bytes(self) -> None:
        for width in (16, 127, 129, 2048):
            self.assertIsNone(parsed(b"0 PING".ljust(width)))
            self.assertEqual(parsed(b"0".ljust(width)), Header(0, ()))


LENGTHS = st.integers(0, 10**10 - 1)
VERBS = st.text(alphabet=string.ascii_uppercase, min_size=1, max_size=10)
WORDS = st.text(alphabet=[chr(c) for c in range(0x21, 0x7F)], min_size=1, max_size=12)


class EncodeTests(SynchronousTestCase):
    """What is encoded is parsed back; what is outside the grammar is never encoded."""

    @given(LENGTHS, st.sampled_from([10, 11, 64, 127, 128, 129, 2048]))
    def test_plain_round_trip(self, length: int, width: int) -> None:
        data = encode_header(length, header_size=width)
        self.assertEqual(len(data), width)
        self.assertEqual(data, b"%-*d" % (width, length))
        self.assertEqual(parse_header(data), Header(length, ()))

    @given(LENGTHS, VERBS, st.lists(WORDS, max_size=8))
    def test_typed_round_trip(self, length: int, verb: str, rest: list[str]) -> None:
        data = encode_header(length, [verb, *rest])
        self.assertEqual(len(data), 128)
        self.assertEqual(parse_header(data), Header(length, (verb, *rest)))

    @given(
        st.integers(-(10**11), 10**11),
        st.lists(st.one_of(VERBS, WORDS, st.text(max_size=6)), max_size=4),
        st.sampled_from([4, 64, 128, 2048]),
    )
    def test_whatever_is_encoded_is_inside_the_grammar(
        self, length: int, words: list[str], width: int
    ) -> None:
        try:
            data = encode_header(length, words, width)
        except ValueError:
            return
        self.assertEqual(expected(data), Header(length, tuple(words)))

    def refusal(self, *arguments: object) -> str:
        error = self.assertRaises(ValueError, encode_header, *arguments)
        self.assertNotIsInstance(error, ProtocolError)
        return str(error)

    def test_lengths_outside_the_bound(self) -> None:
        for length in (-1, 10**10, 10**12):
            self.assertIn(str(length), self.refusal(length))
        self.assertEqual(encode_header(10**10 - 1).strip(), b"9999999999")

    def test_words_at_another_width(self) -> None:
        for width in (64, 127, 129, 2048):
            self.assertIn("128", self.refusal(0, ["PING"], width))

    def test_words_outside_the_grammar(self) -> None:
        for words in (
            ["ping"], ["Ping"], ["PING1"], ["P-G"], ["PING "], [" PING"], ["PING a"], ["PING\n"],
            [""], ["", "a"], ["PING", ""], ["PING", "", "a"], ["PING", " "], ["PING", "a b"],
            ["PING", "a\t"], ["PING", "a\n"], ["PING", "\0"], ["PING", "\x7f"], ["PING", "é"],
            ["PÏNG"], ["PING", "٣"], ["PING", "\ud800"],
        ):  # fmt: skip
            self.assertIn("printable ASCII", self.refusal(0, words), words)

    def test_more_than_fits(self) -> None:
        self.assertEqual(len(encode_header(5, ["V" * 126])), 128)
        self.assertIn("128", self.refusal(5, ["V" * 127]))
        self.assertIn("128", self.refusal(10, ["V" * 126]))
        self.assertEqual(encode_header(9999, (), 4), b"9999")
        self.assertIn("4", self.refusal(10_000, (), 4))

    def test_the_longest_words_of_an_error_fit(self) -> None:
        encode_header(10**10 - 1, ["ERR", "unauthorized", "V" * 40, "r" * 40])


class ErrorTextTests(SynchronousTestCase):
    """What a person reads: the cause, the remedy, and no raw byte of the peer's."""

    def reason(self, data: bytes) -> str:
        error = self.assertRaises(ProtocolError, parse_header, data)
        self.assertIs(error.code, ErrorCode.BAD_HEADER)
        self.assertEqual((error.verb, error.subject), (None, None))
        return error.reason

    def test_nothing_there(self) -> None:
        self.assertEqual(
            self.reason(b" " * 128),
            "a header is 128 ASCII bytes: the length in digits, padded with spaces; "
            "this one is empty, so send 0 for an empty message",
        )

    def test_another_protocol(self) -> None:
        reason = self.reason(b"GET / HTTP/1.1\r\nHost: a\r\n".ljust(128, b"x"))
        self.assertIn("a header is 128 ASCII bytes: the length in digits", reason)
        self.assertTrue(reason.endswith("begins 'GET /'..."), reason)
        self.assertTrue(reason.endswith("..."), reason)

    def test_the_width_is_told(self) -> None:
        self.assertIn("a header is 64 ASCII bytes", self.reason(b"hello".ljust(64)))

    def test_leading_spaces_are_not_quoted(self) -> None:
        self.assertTrue(self.reason(b"x".rjust(128)).endswith("begins 'x'"))

    def test_too_many_digits(self) -> None:
        self.assertEqual(
            self.reason(b"12345678901".ljust(128)),
            "a length has at most ten digits, not the value '12345678901'",
        )
        self.assertLess(len(self.reason(b"9" * 2048)), 120)

    def test_words_where_there_are_none(self) -> None:
        reason = self.reason(b"0 PING".ljust(64))
        self.assertIn("need headers of 128 bytes", reason)
        self.assertIn("have 64: send the length alone", reason)

    @given(st.binary(min_size=4, max_size=2048))
    def test_escaped_and_bounded(self, data: bytes) -> None:
        try:
            parse_header(data)
        except ProtocolError as error:
            self.assertTrue(error.reason.isascii() and error.reason.isprintable(), error.reason)
            self.assertLess(len(error.reason), 350)

    def test_two_words_are_quoted_and_no_value(self) -> None:
        for said, shown in (
            (b"0 HELLO client=s\t", "'0 HELLO'..."),
            (b"0  hello client=s", "'0  hello'..."),
            (b"client=secret", "'client'..."),
            (b'{"client" : "secret"}', """'{"client" '..."""),
            (b"=secret", "''..."),
            (b"hello world", "'hello world'"),
            (b"x" * 128, "'" + "x" * 48 + "'..."),
        ):
            self.assertTrue(self.reason(said.ljust(128)).endswith(f"begins {shown}"), said)

    def test_every_byte_is_escaped(self) -> None:
        for byte in range(256):
            reason = self.reason(b"x" + bytes([byte]) * 127)
            self.assertTrue(reason.isascii() and reason.isprintable(), reason)

    def test_excerpt(self) -> None:
        self.assertEqual(excerpt(b""), "''")
        self.assertEqual(excerpt(b"a\n\xff"), r"'a\n\xff'")
        self.assertEqual(excerpt(b"x" * 48), repr("x" * 48))
        self.assertEqual(excerpt(b"x" * 49), repr("x" * 48) + "...")

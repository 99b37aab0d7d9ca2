"""What clients say: every verb there and back, and each refusal with its words."""

import json
import string

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.wire import ErrorCode, Frame, FrameDecoder, ProtocolError
from twisted_msg.wire.names import MAX_ID, number
from twisted_msg.wire.requests import (
    Bye,
    Hello,
    Ping,
    Pong,
    Pub,
    Request,
    Rooms,
    Sub,
    Unsub,
    Who,
    parse_request,
)

settings.register_profile("unit", derandomize=True, deadline=None, database=None)
settings.load_profile("unit")

SECRET = "s3cr3t-" + "x" * 20
PRINTABLE = [chr(code) for code in range(0x21, 0x7F)]
NAME_LETTERS = string.ascii_letters + string.digits + "._-"

NAMES = st.text(NAME_LETTERS, min_size=1, max_size=24)
ROOMS = st.text(NAME_LETTERS, min_size=1, max_size=32)
CLIENTS = st.text(PRINTABLE, min_size=16, max_size=64)
TOKENS = st.text(PRINTABLE, min_size=1, max_size=64)
NUMBERS = st.integers(0, MAX_ID)
REQUESTS: st.SearchStrategy[Request] = st.one_of(
    st.builds(
        Hello,
        name=st.none() | NAMES,
        client=st.none() | CLIENTS,
        version=st.just(1),
        token=st.none() | st.text(max_size=40),
    ),
    st.builds(
        Pub,
        room=ROOMS | NAMES.map("@{}".format),
        payload=st.binary(max_size=300),
        id=st.none() | st.integers(1, MAX_ID),
    ),
    st.builds(Sub, ROOMS, NUMBERS, st.none(), st.none(), st.booleans()),
    st.builds(Sub, ROOMS, st.none(), NUMBERS, st.none(), st.booleans()),
    st.builds(Sub, ROOMS, st.none(), st.none(), st.none() | NUMBERS, st.booleans()),
    st.builds(Unsub, ROOMS),
    st.builds(Who, ROOMS),
    st.builds(Rooms),
    st.builds(Ping, st.none() | TOKENS),
    st.builds(Pong, st.none() | TOKENS),
    st.just(Bye()),
)


def frame(line: str, payload: bytes = b"") -> Frame:
    """A frame with the words of a line."""
    return Frame(payload, tuple(line.split()))


def hello(**fields: object) -> Frame:
    """A `HELLO` that has these fields in its JSON."""
    return Frame(json.dumps(fields).encode(), ("HELLO",))


class RoundTripTests(SynchronousTestCase):
    """What is encoded is parsed back."""

    @given(st.lists(REQUESTS, max_size=4))
    def test_every_request_comes_back_as_it_was(self, requests: list[Request]) -> None:
        stream = b"".join(request.encode() for request in requests)
        back = [parse_request(frame) for frame in FrameDecoder().feed(stream)]
        self.assertEqual(back, requests)
        self.assertEqual([type(one) for one in back], [type(one) for one in requests])

    def test_bytes_of_one_request_of_each_verb(self) -> None:
        for request, words, payload in (
            (Hello(), "HELLO", b'{"v":1}'),
            (
                Hello("al", SECRET, token="\xe9"),
                "HELLO",
                b'{"v":1,"name":"al","client":"%s","token":"\\u00e9"}' % SECRET.encode(),
            ),
            (Pub("lobby", b"hi"), "PUB lobby", b"hi"),
            (Pub("@bob", b"", 7), "PUB @bob 7", b""),
            (Sub("a"), "SUB a", b""),
            (Sub("a", 0), "SUB a from=0", b""),
            (Sub("a", last=3, presence=True), "SUB a last=3 presence=1", b""),
            (Sub("a", since=5), "SUB a since=5", b""),
            (Unsub("a"), "UNSUB a", b""),
            (Who("a"), "WHO a", b""),
            (Rooms(), "ROOMS", b""),
            (Ping(), "PING", b""),
            (Ping("x"), "PING x", b""),
            (Pong(), "PONG", b""),
            (Pong("x"), "PONG x", b""),
            (Bye(), "BYE", b""),
        ):
            data = request.encode()
            self.assertEqual(data[:128], f"{len(payload)} {words}".ljust(128).encode())
            self.assertEqual(data[128:], payload)

    def test_words_that_are_none_are_not_encoded(self) -> None:
        for request in (Pub("a b", b""), Sub(""), Unsub("\n"), Who("\xe9"), Ping(""), Pong("a b")):
            self.assertRaises(ValueError, request.encode)

    def test_secrets_are_not_shown(self) -> None:
        shown = repr(Hello("alice", SECRET, 1, SECRET))
        self.assertEqual(shown, "Hello(name='alice', client=..., version=1, token=...)")
        self.assertEqual(repr(Hello()), "Hello(name=None, client=None, version=1, token=None)")


class AcceptedTests(SynchronousTestCase):
    """What people write by hand is understood."""

    def test_hello_with_words_alone(self) -> None:
        self.assertEqual(parse_request(frame("HELLO")), Hello())
        self.assertEqual(parse_request(frame("HELLO name=al")), Hello("al"))
        client = "a=b=c" + "!" * 20
        self.assertEqual(
            parse_request(frame(f"HELLO client={client} name=al")), Hello("al", client)
        )

    def test_hello_with_words_and_json(self) -> None:
        payload = json.dumps({"name": "al", "token": "t\xe9"}).encode()
        want = Hello("al", SECRET, 1, "t\xe9")
        self.assertEqual(parse_request(frame(f"HELLO name=al client={SECRET}", payload)), want)

    def test_unknown_keys_and_nulls_in_the_json_are_ignored(self) -> None:
        given = hello(v=1, name=None, client=None, token=None, mood={"good": [1.5]})
        self.assertEqual(parse_request(given), Hello())
        self.assertEqual(parse_request(hello()), Hello())

    def test_a_null_leaves_the_word_standing(self) -> None:
        self.assertEqual(parse_request(frame("HELLO name=al", b'{"name": null}')), Hello("al"))

    def test_options_of_sub_come_in_any_order(self) -> None:
        for line in (
            "SUB a presence=1 last=3",
            "SUB a last=3 presence=1",
            "SUB a last=03 presence=1",
        ):
            self.assertEqual(parse_request(frame(line)), Sub("a", last=3, presence=True))
        self.assertEqual(parse_request(frame("SUB a presence=0")), Sub("a"))

    def test_the_edges_of_numbers(self) -> None:
        for key in ("from", "last", "since"):
            for value in (0, MAX_ID):
                field = {"from": "start"}.get(key, key)
                want = Sub("a")._replace(**{field: value})
                self.assertEqual(parse_request(frame(f"SUB a {key}={value}")), want)
        for value in (1, MAX_ID):
            self.assertEqual(parse_request(frame(f"PUB a {value}")), Pub("a", b"", value))

    def test_a_payload_where_none_is_needed_is_ignored(self) -> None:
        for line, want in (
            ("SUB a", Sub("a")), ("UNSUB a", Unsub("a")), ("WHO a", Who("a")), ("ROOMS", Rooms()),
            ("PING", Ping()), ("PONG x", Pong("x")), ("BYE", Bye()),
        ):  # fmt: skip
            got = parse_request(frame(line, b"any text"))
            self.assertEqual(got, want)
            self.assertIs(type(got), type(want))


class RefusedTests(SynchronousTestCase):
    """Each refusal has its code, its verb and its subject, and a sentence."""

    def refusal(self, given: Frame) -> ProtocolError:
        error: ProtocolError = self.assertRaises(ProtocolError, parse_request, given)
        self.assertTrue(error.reason.isascii() and error.reason.isprintable(), error.reason)
        self.assertNotIn(SECRET, error.reason)
        return error

    def assert_refused(
        self, code: str, line: str, subject: str | None, payload: bytes = b""
    ) -> None:
        error = self.refusal(frame(line, payload))
        self.assertEqual(
            (str(error.code), error.verb, error.subject), (code, line.split()[0], subject), line
        )

    def test_a_frame_without_words(self) -> None:
        for payload in (b"", b"hi"):
            error = self.refusal(Frame(payload))
            self.assertIs(error.code, ErrorCode.BAD_ARGS)
            self.assertEqual((error.verb, error.subject), (None, None))

    def test_unknown_verbs(self) -> None:
        for verb in ("FOO", "MSG", "WELCOME", "V" * 126):
            self.assert_refused("bad-verb", f"{verb} a b", None)
        reason = self.refusal(frame("FOO")).reason
        self.assertEqual(
            reason,
            "there is no verb 'FOO' here: use HELLO, PUB, SUB, UNSUB, WHO, ROOMS, PING, PONG, BYE",
        )

    def test_the_wrong_number_of_words(self) -> None:
        for line, subject in (
            ("PUB", None), ("PUB a 1 2", "1"), ("PUB a 1 key=value", "1"), ("SUB", None),
            ("UNSUB", None), ("UNSUB a b", "a"), ("WHO", None), ("WHO a b", "a"), ("ROOMS a", None),
            ("PING a b", None), ("PONG a b", None), ("BYE a", None),
        ):  # fmt: skip
            self.assert_refused("bad-args", line, subject)
        self.assertEqual(
            self.refusal(frame("PUB a 1 2")).reason,
            "PUB has the wrong number of words behind it (3): send PUB <room> [<id>]",
        )
        self.assertTrue(self.refusal(frame("ROOMS a")).reason.endswith(": send ROOMS"))

    def test_words_that_a_verb_does_not_take(self) -> None:
        for line, subject in (
            ("HELLO alice", None), ("HELLO nick=a", None), ("HELLO =", None),
            ("HELLO Name=a", None),
            ("HELLO token=a", None), (f"HELLO {SECRET}", None), (f"HELLO {SECRET}==", None),
            ("SUB a b", "a"), ("SUB a name=b", "a"), ("SUB a from", "a"), ("SUB a last=1 x=2", "a"),
        ):  # fmt: skip
            self.assert_refused("bad-args", line, subject)
        self.assertIn("word 3 behind SUB", self.refusal(frame("SUB a last=1 x=2")).reason)

    def test_repeated_keys(self) -> None:
        for line, subject in (
            ("HELLO name=a name=a", None), (f"HELLO client={SECRET} client={SECRET}", None),
            ("SUB a from=1 from=1", "a"), ("SUB a presence=1 presence=0", "a"),
        ):  # fmt: skip
            self.assert_refused("bad-args", line, subject)

    def test_ids_out_of_range(self) -> None:
        for word in ("0", "00", "-1", "+1", "1_0", "1.0", "x", "id=1", str(MAX_ID + 1), "9" * 60):
            self.assert_refused("bad-args", f"PUB lobby {word}", word)
        self.assertEqual(
            self.refusal(frame("PUB lobby 0")).reason,
            "an id is a whole number from 1 to 9223372036854775807, not '0'",
        )

    def test_numbers_of_sub_out_of_range(self) -> None:
        for key in ("from", "last", "since"):
            for word in ("", "-1", "x", "1.5", str(MAX_ID + 1), "\u0663"):
                self.assert_refused("bad-args", f"SUB a {key}={word}", "a")

    def test_two_places_to_begin(self) -> None:
        for line in ("from=1 last=1", "last=1 since=1", "since=1 presence=1 from=1"):
            self.assert_refused("bad-args", f"SUB a {line}", "a")
        self.assertEqual(
            self.refusal(frame("SUB a from=1 last=1")).reason,
            "from= and last= together do not say where to begin: choose one",
        )

    def test_presence_is_one_or_zero(self) -> None:
        for word in ("", "2", "true", "01"):
            self.assert_refused("bad-args", f"SUB a presence={word}", "a")

    def test_rooms_that_break_the_grammar(self) -> None:
        for room in ("a/b", "r" * 33, "#a", "a@b", "from=1"):
            for verb in ("PUB", "SUB", "UNSUB", "WHO"):
                self.assert_refused("bad-room", f"{verb} {room}", room)
            self.assert_refused("bad-room", f"PUB {room} 5", "5")
            self.assert_refused("bad-room", f"PUB {room} x", "x")

    def test_names_that_break_the_grammar(self) -> None:
        for name in ("a/b", "n" * 25, "@a", "a=b"):
            self.assert_refused("bad-name", f"HELLO name={name}", None)
            self.assert_refused("bad-name", f"PUB @{name}", f"@{name}")
            self.assert_refused("bad-name", f"PUB @{name} 5", "5")
        self.assert_refused("bad-name", "PUB @", "@")
        self.assert_refused("bad-name", "HELLO name=", None)
        for name in ("", "a b", "a\n", "\xe9", "\ud83d\ude00"):
            self.assertIs(self.refusal(hello(name=name)).code, ErrorCode.BAD_NAME)

    def test_direct_rooms_are_for_pub_alone(self) -> None:
        self.assert_refused("forbidden", "SUB @bob", "@bob")
        self.assert_refused("bad-room", "UNSUB @bob", "@bob")
        self.assert_refused("bad-room", "WHO @bob", "@bob")
        self.assertIn("need no SUB and are live only", self.refusal(frame("SUB @bob")).reason)

    def test_tokens_that_are_too_long(self) -> None:
        for verb in ("PING", "PONG"):
            self.assert_refused("bad-args", f"{verb} {'t' * 65}", None)
        reason = self.refusal(frame("PING " + "t" * 65)).reason
        self.assertTrue(reason.endswith(f"not '{'t' * 40}'..."), reason)

    def test_clients_that_break_their_rule(self) -> None:
        for client in ("c" * 15, SECRET + "y" * 40, ""):
            self.assert_refused("bad-args", f"HELLO client={client}", None)
            self.assertNotIn(client or "not ''", self.refusal(hello(client=client)).reason)
        for client in (SECRET + " ", SECRET + "\xe9", SECRET + "\n"):
            self.assertIs(self.refusal(hello(client=client)).code, ErrorCode.BAD_ARGS)

    def test_words_and_json_that_differ(self) -> None:
        self.assert_refused("bad-args", "HELLO name=a", None, b'{"name": "b"}')
        payload = json.dumps({"client": SECRET}).encode()
        self.assert_refused("bad-args", f"HELLO client={SECRET}y", None, payload)

    def test_hello_that_is_no_json(self) -> None:
        for payload in (
            b"hi", b"{", b"{} {}", b"\xff", b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": 1e999}',
            b'{"a": ' + b"1" * 5000 + b"}", b'{"a": "\n"}', b"\xef\xbb\xbf{}", b"\0", b" ",
            "{}".encode("utf-16"), b"[" * 500_000, b'{"a":' * 200_000, SECRET.encode(),
        ):  # fmt: skip
            self.assert_refused("bad-json", "HELLO name=a", None, payload)

    def test_hello_of_another_shape(self) -> None:
        for payload in (b"[]", b"null", b"1", b'"alice"', b"true"):
            self.assert_refused("bad-json", "HELLO", None, payload)

    def test_fields_of_the_wrong_type(self) -> None:
        for key in ("name", "client", "token"):
            for value in (1, 1.5, True, [], {}, [SECRET], "\ud800"):
                self.assertIs(self.refusal(hello(**{key: value})).code, ErrorCode.BAD_JSON)
        for value in ("1", 1.0, True, None, [1]):
            self.assertIs(self.refusal(hello(v=value)).code, ErrorCode.BAD_JSON)

    def test_another_version_is_told_before_anything_else(self) -> None:
        for version in (0, 2, -1, 10**30):
            error = self.refusal(hello(v=version, name=7, client=[]))
            self.assertIs(error.code, ErrorCode.VERSION)
            self.assertTrue(error.ends_typed)
        self.assert_refused("version", "HELLO colour=red", None, b'{"v": 2}')

    @given(
        st.lists(
            st.sampled_from(
                ["HELLO", "PUB", "SUB", "UNSUB", "WHO", "ROOMS", "PING", "PONG", "BYE", "a", "@a",
                 "1", "0", "name=a", "client=", "from=1", "last=2", "since=x", "presence=1", "="]
            )
            | st.text(PRINTABLE, min_size=1, max_size=70)
            | st.text(max_size=10),
            max_size=5,
        ),
        st.binary(max_size=50) | st.text(max_size=50).map(str.encode),
    )  # fmt: skip
    def test_any_words_make_a_request_or_a_protocol_error(
        self, words: list[str], payload: bytes
    ) -> None:
        """Whatever stands in a frame, nothing but `ProtocolError` comes out of the parser."""
        try:
            request = parse_request(Frame(payload, tuple(words)))
        except ProtocolError as error:
            self.assertTrue(error.reason.isascii() and error.reason.isprintable(), error.reason)
            self.assertLess(len(error.reason), 300)
            self.assertEqual(error.verb, words[0] if words else None)
            if words[:1] == ["PUB"] and len(words) > 2:
                self.assertEqual(error.subject, words[2])
        else:
            self.assertIsInstance(request, Request)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
            lambda some: (
                st.lists(some, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["v", "name", "client", "token"]) | st.text(), some, max_size=4
                )
            ),
        )
    )
    def test_any_json_makes_a_hello_or_a_protocol_error(self, value: object) -> None:
        try:
            request = parse_request(Frame(json.dumps(value).encode(), ("HELLO",)))
        except ProtocolError as error:
            self.assertTrue(error.reason.isascii() and error.reason.isprintable(), error.reason)
        else:
            self.assertIsInstance(request, Hello)
            request.encode()


class NumberTests(SynchronousTestCase):
    """Numbers of the wire are ASCII digits within 63 bits."""

    def test_what_is_a_number(self) -> None:
        for word, want in (
            ("0", 0), ("007", 7), (str(MAX_ID), MAX_ID), (str(MAX_ID + 1), None), ("", None),
            ("9" * 20, None), ("-1", None), ("1_0", None), (" 1", None), ("\u0663", None),
            ("\xb2", None),
        ):  # fmt: skip
            self.assertEqual(number(word), want, word)

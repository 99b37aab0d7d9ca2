"""JSON that a peer sends: its size, its depth, and what both cost."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.wire import ErrorCode, Frame, ProtocolError, payloads
from twisted_msg.wire.payloads import MAX_DEPTH, decode_json
from twisted_msg.wire.replies import parse_reply

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=30,
)


def depth(value: Any) -> int:
    """Return how many arrays and objects lie within each other."""
    if not isinstance(value, list | dict):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth, inner), default=0)


class DepthTests(SynchronousTestCase):
    def refused(self, payload: bytes) -> str:
        error = self.assertRaises(ProtocolError, decode_json, payload)
        self.assertIs(error.code, ErrorCode.BAD_JSON)
        return error.reason

    def test_the_limit(self) -> None:
        for opening, closing in ((b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")):
            levels = MAX_DEPTH // (1 + (closing == b"}]"))
            decode_json(opening * levels + b"1" + closing * levels)
            one_more = b"[%b1%b]" % (opening * levels, closing * levels)
            self.assertIn("more than 8", self.refused(one_more))

    def test_brackets_in_strings_do_not_count(self) -> None:
        for text in ("[" * 99, '"' + "{" * 99, "\\" + "[" * 9, '\\"[[[[[[[[[[[', "\n]" * 9):
            self.assertEqual(decode_json(json.dumps({text: [text]}).encode()), {text: [text]})

    def test_what_is_too_deep_is_not_parsed(self) -> None:
        def parse(text: str) -> None:
            raise AssertionError("it was parsed")

        self.patch(payloads, "_DECODER", type("Decoder", (), {"decode": parse}))
        for payload in (
            b"[" * 1_000_000, b'{"a":' * 100_000, b"[[[[[[[[[" + b"[]," * 9, b"]" * 9, b"[]]",
        ):  # fmt: skip
            self.assertIn("brackets", self.refused(payload))

    def test_a_string_without_an_end(self) -> None:
        for payload in (b'"', b'"\\', b'["a', b'{"a":"\\"', b'"' + b'\\"' * 10_000):
            self.refused(payload)

    def test_brackets_that_do_not_match(self) -> None:
        for payload in (b"[}", b"{]", b'{"a":[}]', b"[[]"):
            self.refused(payload)

    def test_lists_of_a_server(self) -> None:
        deep = b"[" * 9 + b"]" * 9
        for words, payload in (
            (("WELCOME", "a", "0"), b'{"x":%b}' % deep),
            (("HERE", "lobby"), deep),
            (("ROOMS",), b'[{"room":%b}]' % deep),
        ):
            error = self.assertRaises(ProtocolError, parse_reply, Frame(payload, words))
            self.assertIs(error.code, ErrorCode.BAD_JSON)

    @given(ANY)
    def test_whatever_a_library_writes_is_read_if_it_is_shallow(self, value: Any) -> None:
        payload = json.dumps(value).encode()
        if depth(value) <= MAX_DEPTH:
            self.assertEqual(decode_json(payload), value)
        else:
            self.refused(payload)

"""Messages as lines for programs."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.rows import SLICE_SIZE, LongRow, is_utf8, json_row, message_row, missed_row


class RowTests(SynchronousTestCase):
    def test_messages(self) -> None:
        self.assertEqual(
            message_row("é\x7f\u202e".encode(), "lobby", 3, "al", 5),
            b'{"room":"lobby","seq":3,"from":"al","time":5,"text":"\\u00e9\\u007f\\u202e"}\n',
        )
        self.assertEqual(
            message_row(b"\xff\x00", "lobby", None, None, 5),
            b'{"room":"lobby","seq":null,"from":null,"time":5,"base64":"/wA="}\n',
        )

    def test_missed(self) -> None:
        self.assertEqual(
            missed_row("lobby", 1, 9), b'{"room":"lobby","missed":{"first":1,"last":9}}\n'
        )

    def test_anything(self) -> None:
        self.assertEqual(json_row(["a", 1]), b'["a",1]\n')


class LongRowTests(SynchronousTestCase):
    def whole(self, payload: bytes) -> bytes:
        row = LongRow(payload, "lobby", 3, "al", 5)
        slices = list(row.slices())
        self.assertTrue(all(0 < end - start <= SLICE_SIZE for start, end in slices))
        return b"".join((row.head, *(row.encode(*each) for each in slices), row.tail))

    @settings(max_examples=30, deadline=None)
    @given(
        st.binary(min_size=1, max_size=9) | st.text(min_size=1, max_size=9).map(str.encode),
        st.binary(max_size=5) | st.text(max_size=5).map(str.encode),
        st.integers(SLICE_SIZE - 9, 2 * SLICE_SIZE + 9),
    )
    def test_the_same_row_in_slices(self, repeated: bytes, end: bytes, size: int) -> None:
        payload = (repeated * size)[:size] + end
        self.assertEqual(self.whole(payload), message_row(payload, "lobby", 3, "al", 5))

    def test_no_character_is_split(self) -> None:
        for character in ("x", "\x00", "é", "€", "\U0001f600"):
            for before in range(5):
                payload = (before * "x" + character * SLICE_SIZE).encode()
                self.assertEqual(self.whole(payload), message_row(payload, "lobby", 3, "al", 5))

    def test_what_is_text(self) -> None:
        for payload in (b"", b"x", b"x" * 3 * SLICE_SIZE, "€".encode() * SLICE_SIZE):
            self.assertTrue(is_utf8(payload))
        for payload in (b"\xff", "€".encode() * SLICE_SIZE + b"\xe2\x82", b"\xed\xa0\x80"):
            self.assertFalse(is_utf8(payload))

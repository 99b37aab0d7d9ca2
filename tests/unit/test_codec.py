"""The body of a stored piece: what goes in comes out, and nothing else comes out."""

from __future__ import annotations

import struct
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.log import codec
from twisted_msg.log.codec import checksum, pack, unpack
from twisted_msg.log.piece import Author, Piece

settings.register_profile("unit", derandomize=True, deadline=None, database=None)
settings.load_profile("unit")

ALICE = Author(1, b"alice")
BOB = Author(2**40, b"bob")

AUTHORS = st.builds(Author, st.integers(0, 2**64 - 1), st.binary(max_size=24))
SAID = st.lists(st.tuples(AUTHORS, st.binary(max_size=300)), min_size=1, max_size=20)


def piece_of(said: list[tuple[Author, bytes]]) -> Piece:
    return Piece("room", 5, 99, [author for author, _ in said], [text for _, text in said])


def fields(piece: Piece) -> tuple[object, ...]:
    return piece.room, piece.first, piece.last, piece.millis, piece.authors, piece.payloads


class CodecTests(SynchronousTestCase):
    def round_trip(self, piece: Piece) -> bytes:
        body = pack(piece)
        self.assertEqual(fields(unpack("room", 5, 99, body)), fields(piece))
        return body

    @given(SAID, st.lists(st.integers(0, 19), max_size=40))
    def test_what_goes_in_comes_out(
        self, said: list[tuple[Author, bytes]], more: list[int]
    ) -> None:
        self.round_trip(piece_of(said + [said[index % len(said)] for index in more]))

    def test_the_bytes_are_these(self) -> None:
        self.assertEqual(
            self.round_trip(piece_of([(ALICE, b"one"), (BOB, b""), (ALICE, b"three")])),
            struct.pack("<IIQQ", 3, 2, 1, 2**40)
            + b"\5\3alicebob"
            + b"\0\1\0"
            + struct.pack("<III", 3, 0, 5)
            + b"onethree",
        )

    def test_the_bytes_of_a_message_alone_are_these(self) -> None:
        self.assertEqual(
            self.round_trip(piece_of([(BOB, b"one")])),
            struct.pack("<IIQ", 1, 1, 2**40) + b"\3bob" + struct.pack("<I", 3) + b"one",
        )

    def test_one_author_is_not_repeated(self) -> None:
        body = self.round_trip(piece_of([(ALICE, b"x")] * 100))
        self.assertEqual(len(body), 8 + 8 + 1 + 5 + 100 * 5)

    def test_very_many_authors(self) -> None:
        for count in (256, 257):
            self.round_trip(piece_of([(Author(each, b"a"), b"") for each in range(count)]))

    def test_the_other_byte_order(self) -> None:
        piece = piece_of([(ALICE, b"one"), (BOB, b"two")])
        with patch.object(codec, "SWAPPED", not codec.SWAPPED):
            body = self.round_trip(piece)
        self.assertNotEqual(body, pack(piece))

    @given(SAID, st.data())
    def test_altered_bodies_are_a_piece_or_a_value_error(
        self, said: list[tuple[Author, bytes]], data: st.DataObject
    ) -> None:
        body = bytearray(pack(piece_of(said)))
        body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
        try:
            piece = unpack("room", 5, 99, bytes(body))
        except ValueError:
            return
        self.assertEqual(len(piece.authors), len(piece.payloads))

    @given(st.binary(max_size=100))
    def test_any_bytes(self, body: bytes) -> None:
        try:
            unpack("room", 5, 99, body)
        except ValueError:
            pass

    def test_every_cut_is_seen(self) -> None:
        body = pack(piece_of([(ALICE, b"one"), (BOB, b"two")]))
        for end in range(len(body)):
            self.assertRaises(ValueError, unpack, "room", 5, 99, body[:end])
        self.assertRaises(ValueError, unpack, "room", 5, 99, body + b"x")

    def test_an_author_that_is_not_there(self) -> None:
        body = bytearray(pack(piece_of([(ALICE, b"one"), (BOB, b"two")])))
        body[8 + 16 + 2 + 8] = 2
        self.assertRaises(ValueError, unpack, "room", 5, 99, bytes(body))

    def test_the_checksum_covers_where_it_stands(self) -> None:
        same = ("room", 1, 2, 3, b"body")
        others = [
            ("roo", 1, 2, 3, b"mbody"),
            ("root", 1, 2, 3, b"body"),
            ("room", 2, 2, 3, b"body"),
            ("room", 1, 3, 3, b"body"),
            ("room", 1, 2, 4, b"body"),
            ("room", 1, 2, 3, b"bodx"),
        ]
        self.assertEqual(checksum(*same), checksum(*same))
        self.assertEqual(len({checksum(*each) for each in [same, *others]}), 7)

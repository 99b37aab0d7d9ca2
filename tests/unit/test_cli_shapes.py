"""How messages are written, and how times are read."""

import json
from datetime import datetime

from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.cli.shapes import Received, json_line, raw_line, visible_line
from twisted_msg.times import read_since


class ShapeTests(SynchronousTestCase):
    def test_raw(self) -> None:
        self.assertEqual(raw_line(Received(b"\xff\x1b")), b"\xff\x1b\n")

    def test_for_terminals(self) -> None:
        self.assertEqual(visible_line(Received(b"\xff\x1b\nb")), b"\\xff\\x1b\n    b\n")
        self.assertEqual(visible_line(Received(b"a\x07", "hall", 1, "al", 2)), b"al: a\\x07\n")

    def test_json(self) -> None:
        row = json.loads(json_line(Received("é\x7f\x1b".encode()), now=lambda: 1.5))
        self.assertEqual(
            row, {"room": "lobby", "seq": None, "from": None, "time": 1500, "text": "é\x7f\x1b"}
        )
        self.assertTrue(
            json_line(Received("é\x7f\x1b\u202e".encode())).rstrip().decode().isprintable()
        )
        self.assertEqual(json.loads(json_line(Received(b"\xff")))["base64"], "/w==")
        self.assertEqual(
            json_line(Received(b"x", "hall", 1, "al", 2)),
            b'{"room":"hall","seq":1,"from":"al","time":2,"text":"x"}\n',
        )


class SinceTests(SynchronousTestCase):
    def test_times(self) -> None:
        day = 24 * 3600 * 1000
        for text, millis in (
            ("10s", day - 10_000),
            ("10m", day - 600_000),
            ("2h", day - 7_200_000),
            ("1d", 0),
            ("3w", 0),
            ("1767225600000", 1_767_225_600_000),
            ("1970-01-02T00:00:01.5Z", day + 1500),
            ("1970-01-02T02:00+02:00", day),
            ("1969-01-01T00:00Z", 0),
            ("2026-01-31", int(datetime(2026, 1, 31).timestamp() * 1000)),
        ):
            with self.subTest(text):
                self.assertEqual(read_since(text, lambda: day / 1000), millis)

    def test_what_is_no_time(self) -> None:
        for text in ("", "noon", "10", "-1m", "1767225600", "20260131", "2026-13-01", "1.5h", "٣m"):
            with self.subTest(text):
                self.assertIn("10m", str(self.assertRaises(ValueError, read_since, text)))

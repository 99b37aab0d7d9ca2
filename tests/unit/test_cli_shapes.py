"""How messages are written, and how times are read."""

import ast
import json
import re
from datetime import datetime
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.cli.binary import binary
from twisted_msg.cli.scene import picture
from twisted_msg.cli.shapes import (
    Received,
    Template,
    json_line,
    raw_bytes,
    raw_line,
    save_command,
    visible_line,
)
from twisted_msg.times import read_since, utc

PNG = picture()
KINDS = Path(__file__).parents[2] / "webui/src/text/kinds.ts"


class ShapeTests(SynchronousTestCase):
    def test_raw(self) -> None:
        message = Received(b"\xff\x1b", "hall")
        self.assertEqual(raw_line(message), b"\xff\x1b\n")
        self.assertEqual(raw_line(message, several=True), b"#hall \xff\x1b\n")
        self.assertEqual(raw_bytes(message), b"\xff\x1b")

    def test_for_terminals(self) -> None:
        self.assertEqual(visible_line(Received(b"caf\xe9 \x1b\nb")), b"caf\\xe9 \\x1b\n    b\n")
        message = Received(b"a\x07", "hall", 1, "al", 2)
        self.assertEqual(visible_line(message), b"al: a\\x07\n")
        self.assertEqual(visible_line(message, several=True), b"#hall al: a\\x07\n")

    def test_lines_on_terminals_are_broken_so_that_no_row_looks_like_another_line(self) -> None:
        message = Received(b"x" + b" " * 30 + b"-- from bob: PNG image", "hall", 1, "al", 2)
        line = visible_line(message, columns=lambda: 30)
        self.assertEqual(line, b"al: x\n    -- from bob: PNG image\n")

    def test_data_on_terminals_is_one_line_that_says_how_to_save_it(self) -> None:
        with mock.patch("twisted_msg.cli.shapes.tcpmsg_command", return_value="tcpmsg"):
            save = save_command(["--server", "[::1]:1"])
            line = visible_line(Received(PNG, "hall", 17, "al", 2), several=True, save=save)
        self.assertEqual(
            line.decode(),
            f"#hall -- from al: PNG image, {len(PNG) / 1024:.1f} KiB; to save it: tcpmsg recv "
            "--server '[::1]:1' hall --from 17 --count 1 --raw > FILE.png\n",
        )
        direct = visible_line(Received(b"\0", "@al", 5, "bob", 2), save=save)
        self.assertEqual(direct, b"-- from bob: binary data, 1 byte\n")
        plain = visible_line(Received(b"\0\x1b"), save=save)
        self.assertEqual(plain, b"-- binary data, 2 bytes\n")

    def test_templates(self) -> None:
        message = Received("é\n\x1b{x}".encode(), "hall", 17, "al", 1_767_225_600_123)
        for template, line in (
            ("{room} {seq} {from}: {text}", "hall 17 al: é\\n\\x1b{x}\n"),
            ("{time}", "2026-01-01T00:00:00.123Z\n"),
            ("{{{seq}}} }}{{\t", "{17} }{\t\n"),
            ("", "\n"),
        ):
            with self.subTest(template):
                self.assertEqual(Template(template)(message), line.encode())
        plain = Template("{room}|{seq}|{from}|{time}|{text}", now=lambda: 1.5)(Received(b"x"))
        self.assertEqual(plain, b"lobby|||1970-01-01T00:00:01.500Z|x\n")
        self.assertEqual(Template("{text}")(Received(b"\0" * 5)), b"(binary data, 5 bytes)\n")
        self.assertEqual(Template("\udcff{seq}")(Received(b"")), b"\xff\n")

    def test_what_is_no_template(self) -> None:
        for template in (
            "{}", "{0}", "{sender}", "{text.__class__}", "{text[0]}", "{text!r}", "{text:>9}",
            "{seq:{seq}}", "{ text}", "{text", "text}", "{",
        ):  # fmt: skip
            with self.subTest(template):
                error = self.assertRaises(ValueError, Template, template)
                self.assertIn("{{", str(error))

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


class BinaryTests(SynchronousTestCase):
    def test_what_is_text(self) -> None:
        for payload in (
            b"", b"hello", "Привет 你好".encode(), b"caf\xe9", b"\x1b[31m\x07", b"%PDF is a word",
            b"\x9b31m and some more", "\ud800".encode("utf-8", "surrogatepass") + b"a longer text",
            "é".encode()[:1] + b"xyz",
        ):  # fmt: skip
            with self.subTest(payload):
                self.assertIsNone(binary(payload))

    def test_kinds_and_sizes(self) -> None:
        for payload, said in (
            (PNG, f"PNG image, {len(PNG) / 1024:.1f} KiB"),
            (b"\x1f\x8b\x08" + b"x" * 1023, "gzip data, 1.0 KiB"),
            (b"RIFF\xff\0\0\0WEBP", "WebP image, 12 bytes"),
            (b"RIFF\xff\0\0\0AVI ", "binary data, 12 bytes"),
            (b"%PDF-1.7 \xe2\xe3\xcf\xd3 and so on and on", "PDF document, 30 bytes"),
            (b"\0", "binary data, 1 byte"),
            ("Привет".encode("koi8-r"), "binary data, 6 bytes"),
            (b"\0" * 300_000, "binary data, 293 KiB"),
            (b"\0" * 9_000_000, "binary data, 8.6 MiB"),
            (b"\0" * 64 * 1024 * 1024, "binary data, 64 MiB"),
        ):
            with self.subTest(said):
                self.assertEqual(str(binary(payload)), said)

    def test_the_page_knows_the_same_kinds(self) -> None:
        page = re.findall(r'name: "(.*)", extension: "(.*)", begins: (\[.*?\])', KINDS.read_text())
        self.assertGreater(len(page), 10)
        for name, extension, begins in page:
            data = binary(bytes(ast.literal_eval(begins)) + b"\0")
            assert data is not None
            self.assertEqual((data.kind, data.extension), (name, extension))


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

    def test_times_in_utc(self) -> None:
        for millis, text in (
            (0, "1970-01-01T00:00:00.000Z"),
            (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
            (2**63 - 1, str(2**63 - 1)),
        ):
            self.assertEqual(utc(millis), text)
        self.assertEqual(read_since(utc(1_767_225_600_123)), 1_767_225_600_123)

    def test_what_is_no_time(self) -> None:
        for text in ("", "noon", "10", "-1m", "1767225600", "20260131", "2026-13-01", "1.5h", "٣m"):
            with self.subTest(text):
                self.assertIn("10m", str(self.assertRaises(ValueError, read_since, text)))
        long = str(self.assertRaises(ValueError, read_since, "9" * 5000))
        self.assertLess(len(long), 250)

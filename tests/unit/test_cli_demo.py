"""`tcpmsg demo`: what it says, to whom, and how it ends."""

from __future__ import annotations

import argparse
import struct
import zlib

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.test_cli_main import refusal
from twisted_msg.cli.demo import LONGEST_PACE, pace
from twisted_msg.cli.scene import SCENE, picture
from twisted_msg.wire.limits import MAX_PAYLOAD
from twisted_msg.wire.names import NAME


class SceneTests(SynchronousTestCase):
    def test_it_has_something_of_everything(self) -> None:
        texts = [line.message for line in SCENE if isinstance(line.message, str)]
        self.assertTrue(any("```python" in text for text in texts))
        self.assertTrue(any("https://" in text for text in texts))
        self.assertTrue(any("@" in text for text in texts))
        self.assertTrue(any(len(text) > 1500 for text in texts))
        self.assertEqual(sum(isinstance(line.message, bytes) for line in SCENE), 1)
        self.assertGreaterEqual(len({line.name for line in SCENE}), 4)

    def test_it_is_bounded(self) -> None:
        self.assertLess(len(SCENE) * LONGEST_PACE, 300)
        for name, message in SCENE:
            self.assertRegex(name, f"^{NAME.pattern}$")
            self.assertLess(len(message), min(8192, MAX_PAYLOAD))

    def test_the_picture_is_one(self) -> None:
        data = picture(8, 4)
        self.assertTrue(data.startswith(b"\x89PNG\r\n\x1a\n"))
        kinds, at = [], 8
        while at < len(data):
            (size,) = struct.unpack(">I", data[at : at + 4])
            chunk = data[at + 4 : at + 8 + size]
            self.assertEqual(
                data[at + 8 + size : at + 12 + size], struct.pack(">I", zlib.crc32(chunk))
            )
            kinds.append(chunk[:4])
            if chunk[:4] == b"IDAT":
                self.assertEqual(len(zlib.decompress(chunk[4:])), 4 * (1 + 8 * 3))
            at += 12 + size
        self.assertEqual(kinds, [b"IHDR", b"IDAT", b"IEND"])


class WordsTests(SynchronousTestCase):
    def test_the_pace(self) -> None:
        self.assertEqual([pace(text) for text in ("0", "0.4", "10")], [0.0, 0.4, 10.0])
        for text in ("", "-1", "11", "nan", "1e1", "0x1"):
            self.assertRaises(argparse.ArgumentTypeError, pace, text)

    def test_what_is_refused(self) -> None:
        self.assertIn("demo needs typed frames", refusal("demo", "--plain"))
        self.assertIn("no number of seconds to 10", refusal("demo", "--pace", "99"))

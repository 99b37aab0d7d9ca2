"""The public face: its names, and that importing it costs nothing and chooses no reactor."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import twisted_msg

NAMES = {
    "CannotConnect",
    "Client",
    "ClientError",
    "Disconnected",
    "ErrorCode",
    "Frame",
    "FrameDecoder",
    "FrameFactory",
    "FrameProtocol",
    "Gap",
    "Joined",
    "Listing",
    "Message",
    "Messages",
    "NotUnderstood",
    "Parted",
    "PlainClient",
    "PlainConnection",
    "PlainFactory",
    "Present",
    "ProtocolError",
    "Receipt",
    "Refused",
    "Superseded",
    "TimedOut",
    "connect",
    "encode_frame",
}
"""What programs of others may rely on: a name may be added, none may go."""


PROGRAM = """
import sys
before = set(sys.modules)
{}
print(*set(sys.modules) - before)
"""


def imported_after(statement: str) -> set[str]:
    """The modules that a fresh interpreter holds after a statement, and did not at its start.

    Older releases of zope.interface have every interpreter of their environment begin with `zope`.
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM.format(statement)],
        env={**os.environ, "PYTHONPATH": str(Path(twisted_msg.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{statement}: {done.stderr}")
    return set(done.stdout.split())


class NamesTests(SynchronousTestCase):
    """What `from twisted_msg import ...` offers."""

    def test_the_names(self) -> None:
        self.assertLessEqual(NAMES, set(twisted_msg.__all__))
        self.assertEqual(len(set(twisted_msg.__all__)), len(twisted_msg.__all__))

    def test_every_name_is_there(self) -> None:
        for name in twisted_msg.__all__:
            self.assertIsNotNone(getattr(twisted_msg, name), name)
            self.assertIn(name, dir(twisted_msg))

    def test_every_name_has_a_docstring(self) -> None:
        for name in NAMES:
            self.assertTrue(getattr(twisted_msg, name).__doc__, name)

    def test_they_are_what_the_modules_hold(self) -> None:
        from twisted_msg import client, protocol, wire

        for home, names in (
            (client, ["Client", "Messages", "Refused", "connect"]),
            (protocol, ["FrameFactory", "FrameProtocol"]),
            (wire, ["ErrorCode", "Frame", "FrameDecoder", "ProtocolError", "encode_frame"]),
        ):
            for name in names:
                self.assertIs(getattr(twisted_msg, name), getattr(home, name))

    def test_names_that_are_not_there(self) -> None:
        error = self.assertRaises(AttributeError, getattr, twisted_msg, "Frames")
        self.assertEqual(str(error), "module 'twisted_msg' has no attribute 'Frames'")
        self.assertFalse(hasattr(twisted_msg, "_nothing"))

    def test_star(self) -> None:
        names: dict[str, object] = {}
        exec("from twisted_msg import *", names)
        self.assertLessEqual(NAMES, set(names))

    def test_version(self) -> None:
        self.assertTrue(re.fullmatch(r"\d+\.\d+\.\d+\w*", twisted_msg.__version__))


class ImportTests(SynchronousTestCase):
    """In a fresh interpreter."""

    def twisted_after(self, statement: str) -> set[str]:
        modules = imported_after(statement)
        self.assertIn("twisted_msg", modules)
        return {name for name in modules if name.split(".")[0] in ("twisted", "zope")}

    def test_the_package_imports_no_twisted(self) -> None:
        modules = imported_after("import twisted_msg")
        self.assertIn("twisted_msg", modules)
        self.assertEqual({m for m in modules if m.startswith(("twisted.", "zope"))}, set())
        self.assertNotIn("twisted", modules)
        self.assertEqual({m for m in modules if m.startswith("twisted_msg.")}, set())

    def test_the_pure_floors_import_no_twisted(self) -> None:
        for statement in (
            "from twisted_msg import Frame, FrameDecoder, encode_frame, ProtocolError",
            "import twisted_msg.wire.decoder",
            "import twisted_msg.settings, twisted_msg.addresses",
            "import twisted_msg.log.memory, twisted_msg.log.views",
        ):
            self.assertEqual(self.twisted_after(statement), set(), statement)

    def test_the_pair_chooses_no_reactor(self) -> None:
        modules = self.twisted_after("from twisted_msg import *")
        self.assertIn("twisted.internet.protocol", modules)
        self.assertNotIn("twisted.internet.reactor", modules)

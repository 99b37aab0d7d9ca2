"""Lines, however the input is cut."""

from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.cli import lines as module
from twisted_msg.cli.exits import UsageError
from twisted_msg.cli.lines import Lines


class LinesTests(SynchronousTestCase):
    @given(st.lists(st.text("ab\r\n").map(str.encode)))
    def test_cuts_change_nothing(self, pieces: "list[bytes]") -> None:
        """The lines joined again are the input, whatever the pieces."""
        lines, out = Lines(), []
        for piece in pieces:
            out += lines.feed(piece)
        out += lines.end()
        whole = b"".join(pieces)
        expected = whole.split(b"\n")
        if not expected[-1]:
            expected.pop()
        self.assertEqual(out, expected)
        self.assertEqual(lines.end(), [])

    def test_a_line_is_bounded(self) -> None:
        with mock.patch.object(module, "MAX_LINE", 4):
            lines = Lines()
            lines.feed(b"1234")
            self.assertRaises(UsageError, lines.feed, b"5")

"""The line for a new day, as each way to show a chat shows it."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import DummyInput
from prompt_toolkit.output import DummyOutput
from twisted.internet.testing import MemoryReactor
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.cli.editor import Editor
from twisted_msg.cli.linemode import LineMode


class Terminal(io.StringIO):
    """A standard stream that may be a terminal."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


class DayTests(SynchronousTestCase):
    """A quiet chat and one that is not; each shows a day, then a notice."""

    def test_an_editor_shows_days_also_if_it_is_quiet(self) -> None:
        for quiet, shown in ((True, "-- Monday\n"), (False, "-- Monday\n-- bob is here\n")):
            with create_app_session(input=DummyInput(), output=DummyOutput()):
                editor = Editor({"NO_COLOR": "1"}, quiet=quiet)
                try:
                    with redirect_stdout(io.StringIO()) as out:
                        editor.show_day("Monday")
                        editor.say("bob is here")
                finally:
                    editor._patched.close()
            self.assertEqual(out.getvalue(), shown)

    def lines(self, *, terminal: bool, quiet: bool) -> tuple[bytes, str]:
        """Return what is written to stdout and stderr without an editor."""
        with (
            redirect_stdout(Terminal(terminal)),
            redirect_stderr(io.StringIO()) as err,
            mock.patch("twisted_msg.cli.linemode.Output") as output,
        ):
            mode = LineMode(MemoryReactor(), quiet=quiet)
            mode.show_day("Monday")
            mode.say("bob is here")
        write = output.return_value.write
        return b"".join(call.args[0] for call in write.call_args_list), err.getvalue()

    def test_a_terminal_without_an_editor_shows_days_among_the_messages(self) -> None:
        day = b"-- Monday\n"
        self.assertEqual(self.lines(terminal=True, quiet=True), (day, ""))
        self.assertEqual(self.lines(terminal=True, quiet=False), (day, "tcpmsg: bob is here\n"))

    def test_a_pipe_has_messages_only(self) -> None:
        self.assertEqual(self.lines(terminal=False, quiet=True), (b"", ""))
        self.assertEqual(
            self.lines(terminal=False, quiet=False), (b"", "tcpmsg: Monday\ntcpmsg: bob is here\n")
        )

"""What people are told to type: it works as it stands."""

from __future__ import annotations

import configparser
import os
import shlex
import stat
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.addresses import TLS
from twisted_msg.cli.chat import EDITOR, _why_not_edited
from twisted_msg.programs import install_command, tcpmsg_command

SETUP = Path(__file__).parents[2] / "setup.cfg"


class ProgramTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = Path(self.mktemp()) / "a folder"
        folder.mkdir(parents=True)
        self.patch(sys, "executable", str(folder / "python"))
        self.command = folder / "tcpmsg"

    def test_the_command_is_found_by_a_shell(self) -> None:
        self.patch(os, "environ", {"PATH": "/nonexistent"})
        self.assertEqual(shlex.split(tcpmsg_command()), [sys.executable, "-m", "twisted_msg"])
        self.command.touch()
        self.command.chmod(stat.S_IRWXU)
        self.assertEqual(shlex.split(tcpmsg_command()), [str(self.command)])
        self.patch(os, "environ", {"PATH": str(self.command.parent)})
        self.assertEqual(tcpmsg_command(), "tcpmsg")

    def test_libraries_are_installed_for_this_interpreter(self) -> None:
        self.assertEqual(
            shlex.split(install_command(TLS)), [sys.executable, "-m", "pip", "install", TLS]
        )

    def test_the_libraries_are_those_of_the_extras(self) -> None:
        extras = configparser.ConfigParser(interpolation=None)
        extras.read(SETUP)
        for extra, requirement in (("chat", EDITOR), ("tls", TLS)):
            needed = extras["options.extras_require"][extra].replace(" ", "").split()
            self.assertTrue(any(each.startswith(requirement) for each in needed), needed)

    def test_a_terminal_without_a_line_editor(self) -> None:
        self.assertEqual(_why_not_edited({"TERM": "xterm"}), "")
        self.assertEqual(_why_not_edited({}), "")
        self.assertIn("TERM is dumb", _why_not_edited({"TERM": "dumb"}))
        self.patch(sys.modules["twisted_msg.cli.chat"], "find_spec", lambda name: None)
        self.assertEqual(
            shlex.split(_why_not_edited({"TERM": "xterm"}))[1:], ["-m", "pip", "install", EDITOR]
        )

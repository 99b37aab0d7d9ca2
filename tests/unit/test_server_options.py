"""The table of options as `twistd tcpmsg` and `tcpmsg serve` take it: alike, word by word."""

from __future__ import annotations

import argparse
import os
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.test_settings import BAD, GOOD
from twisted_msg import tap
from twisted_msg.cli import serve
from twisted_msg.options import OPTIONS
from twisted_msg.settings import Settings, SettingsError, load

HOME = {"HOME": "/nonexistent", "XDG_CONFIG_DIRS": "/nonexistent"}


class BothTests(SynchronousTestCase):
    """Words typed behind `twistd tcpmsg` and behind `tcpmsg serve`."""

    def setUp(self) -> None:
        self.patch(os, "environ", dict(HOME))
        self.patch(tap, "check_endpoints", lambda settings: None)  # it takes the reactor
        self.said: list[str] = []

        def leave(message: str) -> None:
            self.said.append(message)
            raise SystemExit(2)

        self.patch(tap, "_leave", leave)

    def by_twistd(self, *words: str) -> Settings:
        options = tap.Options()
        options.parseOptions(list(words))
        return options.settings

    def by_command(self, *words: str) -> Settings:
        parser = argparse.ArgumentParser(allow_abbrev=False)
        serve.add_arguments(parser)
        arguments = parser.parse_args(words)
        return load(serve.given(arguments), os.environ, arguments.config)

    def both(self, *words: str) -> Settings:
        settings = self.by_command(*words)
        self.assertEqual(self.by_twistd(*words), settings)
        return settings

    def test_nothing(self) -> None:
        self.assertEqual(self.both(), load({}, HOME))

    def test_every_option(self) -> None:
        for option in OPTIONS:
            for text, _ in GOOD[option.name]:
                words = [f"--{option.name}"] if option.flag else [f"--{option.name}", text]
                self.assertEqual(self.both(*words), load({option.name: text}, HOME), words)

    def test_repeated(self) -> None:
        words: list[str] = []
        expected: dict[str, Any] = {}
        for name, texts in (("memory-room", ["a*", "b"]), ("retain", ["1h", "64k"])):
            words += [word for text in texts for word in (f"--{name}", text)]
            expected[name] = texts
        self.assertEqual(self.both(*words), load(expected, HOME))

    def test_a_flag_not_given_leaves_it_to_the_environment(self) -> None:
        os.environ["TCPMSG_OPEN"] = "yes"
        self.assertIs(self.both().open, True)
        os.environ["TCPMSG_OPEN"] = "no"
        self.assertIs(self.both().open, False)
        self.assertIs(self.both("--open").open, True)

    def test_a_flag_takes_no_value(self) -> None:
        self.assertRaises(SystemExit, self.by_twistd, "--open=yes")
        self.assertEqual(self.said, ["option --open must not have an argument"])

    def test_what_is_wrong_is_said_alike(self) -> None:
        for option in OPTIONS:
            for text in () if option.flag else BAD[option.name]:
                word = f"--{option.name}={text}"
                error = self.assertRaises(SettingsError, self.by_command, word)
                self.said.clear()
                self.assertRaises(SystemExit, self.by_twistd, word)
                self.assertEqual(self.said, [str(error)])

    def test_help_shows_every_option(self) -> None:
        text = " ".join(str(tap.Options()).split())
        for option in OPTIONS:
            self.assertIn(f"--{option.name}" + ("" if option.flag else "="), text)

"""The options: every one from every place, and what is said of those that cannot be used."""

from __future__ import annotations

from dataclasses import fields
from fnmatch import fnmatchcase
from ipaddress import ip_network
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg import settings
from twisted_msg.options import OPTIONS, Option
from twisted_msg.settings import Settings, SettingsError, load, suggestion
from twisted_msg.values import Retain, read_limit, read_rooms, read_size, read_stall

hypothesis_settings.register_profile("unit", derandomize=True, deadline=None, database=None)
hypothesis_settings.load_profile("unit")

DAY = 24 * 3600

DEFAULTS: dict[str, Any] = {
    "listen": ("tcp:5050:interface=127.0.0.1:backlog=4096",),
    "open": False,
    "web": None,
    "no-web": False,
    "web-host": (),
    "header-size": 128,
    "room": "lobby",
    "disconnect-message": b"!DISCONNECT!",
    "plain-reply": None,
    "max-payload": 1024 * 1024,
    "stall-limit": 3600.0,
    "rate-bytes": 8 * 1024**2,
    "rate-messages": 2000,
    "rate-burst": 10.0,
    "connections": None,
    "connections-per-address": 256,
    "limit-loopback": False,
    "trusted-proxy": (),
    "data-dir": "/home/.local/share/tcpmsg",
    "store": "sqlite",
    "memory-room": (),
    "retain": Retain(30.0 * DAY, 256 * 1024**2),
    "store-limit": None,
    "log-format": None,
}

GOOD: dict[str, list[tuple[str, Any]]] = {
    "listen": [
        ("tcp:1", ("tcp:1:backlog=4096",)),
        ("localhost:2", ("tcp:2:interface=localhost:backlog=4096",)),
        ("unix:/run/a", ("unix:/run/a:backlog=4096",)),
    ],
    "open": [("yes", True), ("1", True), ("ON", True)],
    "web": [
        ("tcp:1", "tcp:1:backlog=4096"),
        ("localhost:2", "tcp:2:interface=localhost:backlog=4096"),
        ("unix:/run/w", "unix:/run/w:backlog=4096"),
    ],
    "no-web": [("yes", True), ("1", True), ("ON", True)],
    "web-host": [("chat.example.org", ("chat.example.org",)), ("Box", ("box",)), ("a.", ("a.",))],
    "header-size": [("64", 64), ("4", 4), ("2048", 2048)],
    "room": [("a", "a"), ("B.c_d-9", "B.c_d-9"), ("r" * 32, "r" * 32)],
    "disconnect-message": [("quit", b"quit"), ("bye bye", b"bye bye"), ("é", "é".encode())],
    "plain-reply": [("Msg received", b"Msg received"), (" ", b" "), ("ok\n", b"ok\n")],
    "max-payload": [("64k", 65536), ("12", 12), ("1MB", 1_000_000)],
    "stall-limit": [("1", 1.0), ("90s", 90.0), ("2h", 7200.0)],
    "rate-bytes": [("1k", 1024), ("1MB", 1_000_000), ("none", None)],
    "rate-messages": [("1", 1), ("999999999", 999_999_999), ("none", None)],
    "rate-burst": [("1", 1.0), ("60s", 60.0), ("1m", 60.0)],
    "connections": [("1", 1), ("100000", 100_000), ("07", 7)],
    "connections-per-address": [("1", 1), ("64", 64), ("none", None)],
    "limit-loopback": [("yes", True), ("1", True), ("ON", True)],
    "trusted-proxy": [
        ("127.0.0.1", (ip_network("127.0.0.1/32"),)),
        ("2001:db8::/32", (ip_network("2001:db8::/32"),)),
        ("unix", ("unix",)),
    ],
    "data-dir": [("/a", "/a"), ("~/b c", "/home/b c"), ("~", "/home")],
    "store": [("memory", "memory"), ("sqlite", "sqlite"), ("memory", "memory")],
    "memory-room": [("*", ("*",)), ("tmp.?", ("tmp.?",)), ("[!a-c]-x_", ("[!a-c]-x_",))],
    "retain": [
        ("2w", Retain(14.0 * DAY, 256 * 1024**2)),
        ("64k", Retain(30.0 * DAY, 65536)),
        ("all", Retain(None, None)),
    ],
    "store-limit": [("1MiB", 1024**2), ("2GB", 2 * 10**9), ("1048576", 1024**2)],
    "log-format": [("text", "text"), ("json", "json"), ("json", "json")],
}
"""For each option, texts for a flag, the environment and the file, and what they mean."""

BAD: dict[str, list[str]] = {
    "listen": ["nonsense", "localhost:65536", "localhost"],
    "open": ["maybe", "2", "y", " ", "yes please"],
    "web": ["nonsense", "localhost:65536", "localhost"],
    "no-web": ["maybe", "2", "y", " ", "yes please"],
    "web-host": ["", "a!b", "a:80", "http://a", "a/b", ".a", "a..b", "é", "x" * 64],
    "header-size": ["3", "2049", "-1", "x", "", "1_0", "+64", "64 ", "٦٤", "12.0", "99999"],
    "room": ["", "a b", "r" * 33, "é", "@a", "a/b", "a\n"],
    "disconnect-message": ["", "!ERROR! ", "!ERROR! bye"],
    "plain-reply": [""],
    "max-payload": ["", "0", "-1", "1.5M", "1TB", "k", "10000000000", "10GiB", "\u0665", "1 k b"],
    "stall-limit": ["", "0", "0h", "-1", "1.5", "1d", "1 2", "s", "forever", "\u0665", "1" * 10],
    "rate-bytes": ["", "0", "1023", "-1", "1.5M", "x", "None", "9223372036854775808", "all"],
    "rate-messages": ["", "0", "-1", "1.5", "1k", "1000000000", "\u0665", "None", "1 "],
    "rate-burst": ["", "0", "none", "1.5", "1d"],
    "connections": ["", "0", "none", "-5", "1k", "1000000000"],
    "connections-per-address": ["", "0", "-1", "x", "unlimited"],
    "limit-loopback": ["maybe", "2", ""],
    "trusted-proxy": [
        "",
        "localhost",
        "*",
        "127.0.0.1:80",
        "10.0.0.1/8",
        "0.0.0.0/0",
        "::/0",
        "unix:/run/a",
        "010.0.0.1",
        "fe80::1%eth0/64",
    ],
    "data-dir": ["", "~bob", "~bob/x", "/a\0b"],
    "store": ["", "SQLite", "disk", "memory "],
    "memory-room": ["", "!", "@a", "é", "a/b", "!a", "[a", "a]", "[]", "[*]", "[!]", "a\\"],
    "retain": [
        "",
        "x",
        "30",
        "10M",
        "0d",
        "0k",
        "forever",
        "1y",
        "-1d",
        "1.5h",
        "1TB",
        "9" * 30 + "g",
    ],
    "store-limit": ["", "0", "1023k", "1MB", "x", "9223372036854775808", "10000000000g"],
    "log-format": ["", "JSON", "xml", "text "],
}


def quoted(text: str) -> str:
    """A text as TOML spells it."""
    escaped = (
        text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n").replace("\0", r"\u0000")
    )
    return f'"{escaped}"'


class SettingsTestCase(SynchronousTestCase):
    """A home and system folders of the test's own, empty at first."""

    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.environment = {
            "HOME": str(self.root / "home"),
            "XDG_CONFIG_DIRS": f"{self.root / 'first'}:{self.root / 'second'}",
        }

    def expected(self, value: Any) -> Any:
        """What the tables above say, with this test's home in it."""
        if isinstance(value, str) and value.startswith("/home"):
            return self.environment["HOME"] + value.removeprefix("/home")
        return value

    def write(self, content: str | bytes, *place: str) -> str:
        """Write a configuration file and return its path."""
        path = self.root.joinpath(*(place or ("a.toml",)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def load(self, flags: Any = (), config: str | None = None, **variables: str) -> Settings:
        return load(dict(flags), {**self.environment, **variables}, config)

    def refusal(self, *arguments: Any, **variables: str) -> str:
        """The one line that is said."""
        text = str(self.assertRaises(SettingsError, self.load, *arguments, **variables))
        self.assertEqual(len(text.splitlines()), 1, text)
        return text


class TableTests(SynchronousTestCase):
    """The tables here and there hold the same options."""

    def test_every_option_is_tested(self) -> None:
        names = [option.name for option in OPTIONS]
        for table in (DEFAULTS, GOOD, BAD):
            self.assertEqual(list(table), names)

    def test_every_option_is_a_setting(self) -> None:
        self.assertEqual(
            [option.key for option in OPTIONS], [field.name for field in fields(Settings)]
        )

    def test_names(self) -> None:
        (option,) = (option for option in OPTIONS if option.name == "header-size")
        self.assertEqual((option.key, option.variable), ("header_size", "TCPMSG_HEADER_SIZE"))

    def test_every_option_has_help(self) -> None:
        for option in OPTIONS:
            self.assertTrue(option.help, option.name)
            self.assertTrue(option.flag or option.metavar.isupper(), option.name)

    def test_flags(self) -> None:
        self.assertEqual(
            [option.name for option in OPTIONS if option.flag],
            ["open", "no-web", "limit-loopback"],
        )

    def test_the_line_of_help_tells_the_default(self) -> None:
        for metavar, default, line in (
            ("X", None, "what"),
            ("X", (), "what"),
            ("", "no", "what"),
            ("X", "1", "what [default: 1]"),
            ("X", ("1", "2"), "what [default: 1, 2]"),
        ):
            self.assertEqual(Option("a", metavar, default, str, "what").line, line)


class PrecedenceTests(SettingsTestCase):
    """Flags over environment over file over default, for every option."""

    def test_defaults(self) -> None:
        loaded = self.load()
        for option in OPTIONS:
            self.assertEqual(
                getattr(loaded, option.key), self.expected(DEFAULTS[option.name]), option.name
            )

    def test_every_option_from_every_combination_of_places(self) -> None:
        for option in OPTIONS:
            (flag, by_flag), (variable, by_variable), (line, by_line) = GOOD[option.name]
            for flagged, set_, filed in product((False, True), repeat=3):
                config = self.write(f"{option.name} = {quoted(line)}\n" if filed else "")
                flags = {option.name: flag} if flagged else {}
                variables = {option.variable: variable} if set_ else {}
                loaded = self.load(flags, config, **variables)
                expected = DEFAULTS[option.name]
                for given_, value in ((filed, by_line), (set_, by_variable), (flagged, by_flag)):
                    expected = value if given_ else expected
                case = f"{option.name}: flag {flagged}, environment {set_}, file {filed}"
                self.assertEqual(getattr(loaded, option.key), self.expected(expected), case)

    def test_an_option_changes_no_other(self) -> None:
        for option in OPTIONS:
            loaded = self.load({option.name: GOOD[option.name][0][0]})
            for other in OPTIONS:
                if other is not option:
                    self.assertEqual(
                        getattr(loaded, other.key), self.expected(DEFAULTS[other.name])
                    )

    def test_an_empty_variable_is_none(self) -> None:
        for option in OPTIONS:
            loaded = self.load(**{option.variable: ""})
            self.assertEqual(getattr(loaded, option.key), self.expected(DEFAULTS[option.name]))

    def test_several_listeners(self) -> None:
        endpoints = ("tcp:1:backlog=4096", "unix:/a:backlog=4096")
        config = self.write('listen = ["tcp:1", "unix:/a"]')
        for loaded in (
            self.load({"listen": ["tcp:1", "unix:/a"]}),
            self.load({"listen": ("tcp:1", "unix:/a")}, config, TCPMSG_LISTEN="tcp:9"),
            self.load(TCPMSG_LISTEN=" tcp:1  unix:/a\n"),
            self.load(config=config),
        ):
            self.assertEqual(loaded.listen, endpoints)

    def test_numbers_in_the_file(self) -> None:
        config = self.write('header-size = 64\nmax-payload = 1000\nroom = "7"\nlisten = [5051, 2]')
        loaded = self.load(config=config)
        self.assertEqual((loaded.header_size, loaded.max_payload, loaded.room), (64, 1000, "7"))
        self.assertEqual(
            loaded.listen,
            (
                "tcp:5051:interface=127.0.0.1:backlog=4096",
                "tcp:2:interface=127.0.0.1:backlog=4096",
            ),
        )


class BadValueTests(SettingsTestCase):
    """One line that names place, cause and remedy."""

    def test_every_option_from_every_place(self) -> None:
        for option in OPTIONS:
            for text in BAD[option.name]:
                places = [(f"--{option.name}", ({option.name: text},), {})]
                if text:  # an empty variable is as good as none
                    places.append((option.variable, (), {option.variable: text}))
                config = self.write(f"{option.name} = {quoted(text)}\n")
                places.append((f"{config}: {option.name}", ((), config), {}))
                for place, arguments, variables in places:
                    said = self.refusal(*arguments, **variables)
                    self.assertTrue(said.startswith(f"{place}: "), f"{text!r}: {said}")
                    self.assertGreater(len(said), len(place) + 15)

    def test_what_is_said(self) -> None:
        for name, text, said in (
            ("header-size", "3", "a header has 4 to 2048 bytes"),
            ("room", "a b", "a room's name is 1 to 32 of A-Z a-z 0-9 . _ -"),
            ("disconnect-message", "",
             "the disconnect message cannot be empty: an empty frame is a keep-alive"),
            ("disconnect-message", "!ERROR! x",
             "the disconnect message cannot begin with '!ERROR! '"),
            ("plain-reply", "", "the reply cannot be empty; leave the option out for none"),
            ("max-payload", "x", "a size is a whole number and a unit, such as 64k, 1MiB or 2GB"),
            ("max-payload", "0", "the largest payload is 1 byte to 9999999999 bytes"),
            ("log-format", "xml", "a log format is one of text, json"),
            ("open", "maybe",
             "'maybe' is neither yes (1, yes, true, on) nor no (0, no, false, off)"),
            ("stall-limit", "1d",
             "a time is a whole number of seconds from 1, or as 90s, 10m or 1h"),
            ("data-dir", "", "a folder's path is wanted; leave it out for the default"),
            ("data-dir", "~bob/x",
             "'~bob/x': of homes only your own, ~/, is known; write the whole path"),
            ("store", "disk", "a store is one of sqlite, memory"),
            ("memory-room", "a b",
             "'a b' matches no room: a pattern is made of A-Z a-z 0-9 . _ - and "
             "* ? [a-z] [!a-z], such as tmp.*"),
            ("retain", "x",
             "'x' is no limit: an age is such as 12h, 30d or 2w, a size for each room such as "
             "64k or 256MiB; all lifts both"),
            ("retain", "10M", "10M of what? 10m is minutes, 10d days, 10MiB a size"),
            ("retain", "9999999999g", "9999999999g is beyond all disks; all is no limit"),
            ("retain", "0d", "0d keeps nothing; --store memory stores no messages"),
            ("store-limit", "1k",
             "a store's limit is from 1MiB to below 2^63 bytes; leave the option out for none"),
            ("listen", "a:65536", "'a:65536' is no address: ports end at 65535"),
        ):  # fmt: skip
            self.assertEqual(self.refusal({name: text}), f"--{name}: {said}")

    def test_a_winner_is_read_and_a_loser_is_not(self) -> None:
        config = self.write('room = "a b"')
        self.assertEqual(self.load(config=config, TCPMSG_ROOM="a").room, "a")
        self.assertEqual(self.load({"room": "b"}, TCPMSG_ROOM="a b").room, "b")

    def test_one_of_several_listeners(self) -> None:
        self.assertIn("--listen: 'x y'", self.refusal({"listen": ["tcp:1", "x y"]}))
        self.assertIn("TCPMSG_LISTEN: 'x'", self.refusal(TCPMSG_LISTEN="tcp:1 x"))

    def test_several_values_for_one(self) -> None:
        for option in OPTIONS:
            if not option.repeatable:
                config = self.write(f'{option.name} = ["{GOOD[option.name][0][0]}"]')
                self.assertEqual(
                    self.refusal((), config),
                    f"{config}: {option.name}: one value is wanted, not several",
                )

    def test_other_kinds_of_values_in_the_file(self) -> None:
        for value in ("true", "1.5", "1979-05-27", "{}", "[true]", "[1.5]"):
            for name in ("room", "listen", "header-size"):
                config = self.write(f"{name} = {value}")
                self.assertEqual(
                    self.refusal((), config),
                    f"{config}: {name}: a text or a whole number is wanted",
                )

    def test_other_kinds_of_values_for_a_flag(self) -> None:
        for value in ("1.5", "{}", "[1.5]", "[[true]]"):
            config = self.write(f"open = {value}")
            self.assertEqual(self.refusal((), config), f"{config}: open: true or false is wanted")
        config = self.write("open = [true]")
        self.assertIn("one value is wanted", self.refusal((), config))

    def test_negative_numbers_in_the_file(self) -> None:
        config = self.write("header-size = -64")
        self.assertIn(f"{config}: header-size: a header has", self.refusal((), config))

    def test_a_word_that_nobody_could_send(self) -> None:
        flags = {"disconnect-message": "bye", "max-payload": "2"}
        self.assertEqual(
            self.refusal(flags),
            "--disconnect-message is longer than the largest message (2 bytes): nobody "
            "could send it",
        )
        flags["max-payload"] = "3"
        self.assertEqual(self.load(flags).disconnect_message, b"bye")


class WebTests(SettingsTestCase):
    def test_a_place_for_what_is_not_spoken(self) -> None:
        self.assertEqual(
            self.refusal({"web": "localhost:80", "no-web": "yes"}),
            "--no-web: --web says where HTTP is spoken; give one of the two",
        )


class SwitchTests(SettingsTestCase):
    """Flags: on by their name, on or off from elsewhere."""

    def test_from_the_environment(self) -> None:
        for on, words in ((True, "1 yes true on YES True"), (False, "0 no false off No FALSE")):
            for word in words.split():
                self.assertIs(self.load(TCPMSG_OPEN=word).open, on, word)

    def test_what_is_nearly_a_variable(self) -> None:
        self.assertEqual(
            self.refusal(TCPMSG_MAX_PAYLOD="64k"),
            "TCPMSG_MAX_PAYLOD: no such variable; did you mean TCPMSG_MAX_PAYLOAD?",
        )
        self.load(TCPMSG_PORT="tcp://10.0.0.1:5050")  # container systems make such ones

    def test_what_else_is_in_the_environment(self) -> None:
        self.assertTrue(self.refusal(TCPMSG_OPEN="maybe").startswith("TCPMSG_OPEN: 'maybe' is"))

    def test_from_the_file(self) -> None:
        for value, on in (("true", True), ("false", False), ("1", True), ('"no"', False)):
            self.assertIs(self.load(config=self.write(f"open = {value}")).open, on)

    def test_the_flag_wins(self) -> None:
        config = self.write("open = true")
        self.assertIs(self.load({"open": "yes"}, TCPMSG_OPEN="no").open, True)
        self.assertIs(self.load(config=config, TCPMSG_OPEN="no").open, False)


class FolderTests(SettingsTestCase):
    """Where the store is."""

    def test_the_defaults_in_their_order(self) -> None:
        environment = {
            "STATE_DIRECTORY": "/state/a:/state/b",
            "XDG_DATA_HOME": "/data",
            "HOME": "/home/me",
        }
        for variable, folder in (
            ("STATE_DIRECTORY", "/state/a"),
            ("XDG_DATA_HOME", "/data/tcpmsg"),
            ("HOME", "/home/me/.local/share/tcpmsg"),
        ):
            self.assertEqual(load({}, environment).data_dir, folder)
            del environment[variable]
        self.assertEqual(load({}, {}).data_dir, "/var/lib/tcpmsg")

    def test_empty_and_relative_folders_are_passed_over(self) -> None:
        for useless in ("", "here"):
            environment = dict.fromkeys(("STATE_DIRECTORY", "XDG_DATA_HOME", "HOME"), useless)
            self.assertEqual(load({}, environment).data_dir, "/var/lib/tcpmsg")

    def test_an_option_wins_over_the_defaults(self) -> None:
        self.assertEqual(self.load({"data-dir": "/a"}, STATE_DIRECTORY="/state").data_dir, "/a")

    def test_a_home_is_that_of_the_environment(self) -> None:
        loaded = load({"data-dir": "~/x"}, {"HOME": "/home/me"})
        self.assertEqual(loaded.data_dir, "/home/me/x")

    def test_no_home(self) -> None:
        for environment in ({}, {"HOME": ""}, {"HOME": "here"}):
            self.assertEqual(
                str(self.assertRaises(SettingsError, load, {"data-dir": "~/x"}, environment)),
                "--data-dir: '~/x' has no meaning, for HOME is not set; write the whole path",
            )

    def test_a_relative_folder_is_of_the_place_of_the_start(self) -> None:
        self.patch(settings.os, "getcwd", lambda: "/here")
        self.assertEqual(self.load({"data-dir": "data"}).data_dir, "/here/data")


class RetainTests(SettingsTestCase):
    """What history is kept: one age and one size."""

    def test_the_table_tells_the_defaults(self) -> None:
        (option,) = (option for option in OPTIONS if option.name == "retain")
        self.assertEqual(option.gather([option.read(text) for text in option.default]), Retain())

    def test_both(self) -> None:
        both = Retain(3600.0, 1024**2)
        config = self.write('retain = ["1MiB", "1h"]')
        for loaded in (
            self.load({"retain": ["1h", "1MiB"]}),
            self.load(TCPMSG_RETAIN="1MiB 1h"),
            self.load(config=config),
        ):
            self.assertEqual(loaded.retain, both)

    def test_all_and_one_limit(self) -> None:
        for texts, retain in (
            (["all", "1h"], Retain(3600.0, None)),
            (["1k", "all"], Retain(None, 1024)),
            (["1k", "all", "1h"], Retain(3600.0, 1024)),
        ):
            self.assertEqual(self.load({"retain": texts}).retain, retain)

    def test_one_kind_twice(self) -> None:
        for texts in (["1h", "2d"], ["1k", "1h", "1k"], ["all", "all"]):
            self.assertEqual(
                self.refusal({"retain": texts}),
                "--retain: two limits of one kind; give one age and one size at the most",
            )

    def test_ages(self) -> None:
        for text, age in (
            ("90s", 90.0), ("10m", 600.0), ("12h", 43200.0), ("30d", 30.0 * DAY),
            ("2w", 14.0 * DAY), (" 1 d ", 1.0 * DAY), ("1s", 1.0),
            ("999999999w", 999999999.0 * 7 * DAY),
        ):  # fmt: skip
            self.assertEqual(read_limit(text), ("age", age))

    def test_sizes(self) -> None:
        for text, size in (
            ("64k", 65536), ("256MiB", 256 * 1024**2), ("10MB", 10**7), ("1b", 1), ("2g", 2**31),
            (f"{2**63 - 1}b", 2**63 - 1),
        ):  # fmt: skip
            self.assertEqual(read_limit(text), ("size", size))

    def test_none_are_wanted(self) -> None:
        config = self.write("retain = []")
        self.assertIn("at least one value is wanted", self.refusal((), config))

    @given(st.text(max_size=12))
    def test_anything_else_is_a_value_error(self, text: str) -> None:
        try:
            kind, limit = read_limit(text)
        except ValueError:
            return
        self.assertIn(kind, ("age", "size", "all"))
        self.assertTrue(limit is None or limit >= 1)


class MemoryRoomTests(SettingsTestCase):
    """Rooms that are not stored."""

    def test_several(self) -> None:
        config = self.write('memory-room = ["tmp.*", "chat"]')
        for loaded in (
            self.load({"memory-room": ["tmp.*", "chat"]}),
            self.load(TCPMSG_MEMORY_ROOM="tmp.* chat"),
            self.load(config=config),
        ):
            self.assertEqual(loaded.memory_room, ("tmp.*", "chat"))

    def test_none(self) -> None:
        self.assertEqual(self.load(config=self.write("memory-room = []")).memory_room, ())

    def test_one_of_several(self) -> None:
        said = self.refusal({"memory-room": ["a*", "b c"]})
        self.assertTrue(said.startswith("--memory-room: 'b c' matches no room"), said)

    @given(st.from_regex(r"[A-Za-z0-9._-]{1,32}", fullmatch=True))
    def test_every_rooms_name_is_a_pattern_of_itself(self, name: str) -> None:
        self.assertTrue(fnmatchcase(name, read_rooms(name)))


class StallTests(SynchronousTestCase):
    """Times as people write them."""

    def test_units(self) -> None:
        for text, seconds in (
            ("1", 1.0), ("3600", 3600.0), ("90s", 90.0), ("10m", 600.0), (" 1 h", 3600.0),
        ):  # fmt: skip
            self.assertEqual(read_stall(text), seconds)


class UnknownKeyTests(SettingsTestCase):
    """A typing error in the file is found, and the right spelling told."""

    def test_near(self) -> None:
        for key, near in (("header_size", "header-size"), ("lissen", "listen"), ("Room", "room")):
            config = self.write(f'{key} = "1"')
            self.assertEqual(
                self.refusal((), config),
                f"{config}: unknown option {key!r}; did you mean {near}?",
            )

    def test_far(self) -> None:
        config = self.write("[zzz]\nroom = 1")
        self.assertEqual(
            self.refusal((), config),
            f"{config}: unknown option 'zzz'; known are {', '.join(DEFAULTS)}",
        )

    def test_one_among_good_ones(self) -> None:
        config = self.write('room = "a"\nrom = "b"')
        self.assertIn("did you mean room?", self.refusal((), config))

    def test_suggestion(self) -> None:
        self.assertEqual(suggestion("--rom", ["--room", "--listen"]), "; did you mean --room?")
        self.assertEqual(suggestion("x", ["--room", "--listen"]), "; known are --room, --listen")


class FileTests(SettingsTestCase):
    """Which file is read, and files that cannot be."""

    def test_named_by_the_flag_or_the_variable(self) -> None:
        first = self.write('room = "first"', "1.toml")
        second = self.write('room = "second"', "2.toml")
        self.assertEqual(self.load(config=first).room, "first")
        self.assertEqual(self.load(TCPMSG_CONFIG=second).room, "second")
        self.assertEqual(self.load(config=first, TCPMSG_CONFIG=second).room, "first")

    def test_a_named_file_is_the_only_one(self) -> None:
        self.write('room = "found"\nheader-size = 64', "home", ".config", "tcpmsg", "tcpmsg.toml")
        self.assertEqual(self.load().room, "found")
        loaded = self.load(config=self.write('room = "named"'))
        self.assertEqual((loaded.room, loaded.header_size), ("named", 128))

    def test_empty_names_are_none(self) -> None:
        self.write('room = "found"', "home", ".config", "tcpmsg", "tcpmsg.toml")
        self.assertEqual(self.load(config="", TCPMSG_CONFIG="").room, "found")

    def test_places_in_their_order(self) -> None:
        """XDG: the user's folder, then the system's in the order of the list."""
        self.environment["XDG_CONFIG_HOME"] = str(self.root / "own")
        for place in ("second", "first", "own"):
            self.write(f'room = "{place}"', place, "tcpmsg", "tcpmsg.toml")
            self.assertEqual(self.load().room, place)

    def test_the_default_of_the_users_folder(self) -> None:
        self.write('room = "dot"', "home", ".config", "tcpmsg", "tcpmsg.toml")
        self.write('room = "first"', "first", "tcpmsg", "tcpmsg.toml")
        self.assertEqual(self.load().room, "dot")
        self.assertEqual(self.load(XDG_CONFIG_HOME="").room, "dot")
        self.assertEqual(self.load(XDG_CONFIG_HOME=str(self.root / "none")).room, "first")

    def test_the_default_of_the_systems_folders(self) -> None:
        looked: list[str] = []
        self.patch(settings.os.path, "isfile", lambda path: looked.append(path))
        for variables in ({}, {"XDG_CONFIG_DIRS": ""}):
            looked.clear()
            load({}, {"HOME": "/home/a", **variables})
            self.assertEqual(
                looked, ["/home/a/.config/tcpmsg/tcpmsg.toml", "/etc/xdg/tcpmsg/tcpmsg.toml"]
            )

    def test_relative_folders_and_a_missing_home_are_passed_over(self) -> None:
        looked: list[str] = []
        self.patch(settings.os.path, "isfile", lambda path: looked.append(path))
        load({}, {"XDG_CONFIG_HOME": "here", "XDG_CONFIG_DIRS": "/a::b"})
        self.assertEqual(looked, ["/a/tcpmsg/tcpmsg.toml"])

    def test_what_is_not_ours_to_read_is_passed_over(self) -> None:
        self.write('room = "secret"', "first", "tcpmsg", "tcpmsg.toml")
        self.patch(settings.os, "access", lambda path, mode: False)
        self.assertEqual(self.load().room, "lobby")

    def test_a_list_in_a_list(self) -> None:
        path = str(self.write('listen = [["127.0.0.1:1"]]', "a.toml"))
        self.assertIn("a text or a whole number is wanted", self.refusal((), path))

    def test_at_least_one_listener(self) -> None:
        path = str(self.write("listen = []", "a.toml"))
        self.assertIn("at least one value is wanted", self.refusal((), path))
        self.assertIn("'' is no address", self.refusal(TCPMSG_LISTEN="  "))

    def test_a_word_too_long_for_a_narrow_header(self) -> None:
        flags = {"header-size": "4", "disconnect-message": "x" * 10_000}
        self.assertIn("longer than the largest message (9999 bytes)", self.refusal(flags))

    def test_a_found_file_is_named_in_errors(self) -> None:
        path = self.write('room = "a b"', "second", "tcpmsg", "tcpmsg.toml")
        self.assertTrue(self.refusal().startswith(f"{path}: room: "))

    def test_a_folder_of_that_name_is_no_file(self) -> None:
        (self.root / "first" / "tcpmsg" / "tcpmsg.toml").mkdir(parents=True)
        self.assertEqual(self.load().room, "lobby")

    def test_a_home_is_understood(self) -> None:
        self.write('room = "home"', "home", "a.toml")
        self.patch(settings.os, "environ", {"HOME": self.environment["HOME"]})
        self.assertEqual(self.load(config="~/a.toml").room, "home")

    def test_not_there(self) -> None:
        path = str(self.root / "none.toml")
        self.assertEqual(self.refusal((), path), f"--config {path}: No such file or directory")
        self.assertIn(path, self.refusal(TCPMSG_CONFIG=path))

    def test_not_a_file(self) -> None:
        self.assertEqual(self.refusal((), str(self.root)), f"--config {self.root}: Is a directory")

    def test_an_error_without_words(self) -> None:
        def broken(*_: Any) -> None:
            raise OSError("the disk is on fire")

        config = self.write("")
        self.patch(settings.tomllib, "load", broken)
        self.assertEqual(self.refusal((), config), f"--config {config}: the disk is on fire")

    def test_not_toml(self) -> None:
        for content in (
            "room = lobby",
            "room: lobby",
            "room = 'a'\nroom = 'b'",
            b"\xff\xfe",
            b"\0",
        ):
            config = self.write(content)
            self.assertTrue(self.refusal((), config).startswith(f"--config {config}: not TOML: "))


class SizeTests(SynchronousTestCase):
    """Sizes as people write them."""

    def test_units(self) -> None:
        for text, size in (
            ("0", 0), ("65536", 65536), ("007", 7), ("1b", 1), ("64k", 65536), ("64K", 65536),
            ("64KiB", 65536), ("64kb", 64_000), ("64 kB", 64_000), (" 1MiB ", 1024**2),
            ("1m", 1024**2), ("1MB", 10**6), ("2g", 2 * 1024**3), ("2GiB", 2 * 1024**3),
            ("2 GB", 2 * 10**9),
        ):  # fmt: skip
            self.assertEqual(read_size(text), size, text)

    def test_no_sizes(self) -> None:
        for text in ("", " ", "k", "-1", "+1", "1.5M", "1,5M", "1_000", "1TB", "1kk", "1 0",
                     "1k ib", "0x10", "\u0665", "1e3"):  # fmt: skip
            error = self.assertRaises(ValueError, read_size, text)
            self.assertIn("such as 64k, 1MiB or 2GB", str(error))

    @given(st.integers(0, 10**12), st.sampled_from(["", " ", "\t"]), st.booleans())
    def test_any_number_and_unit(self, number: int, space: str, upper: bool) -> None:
        for unit, factor in (("", 1), ("k", 2**10), ("mib", 2**20), ("gb", 10**9), ("kb", 10**3)):
            text = f"{number}{space}{unit.upper() if upper else unit}"
            self.assertEqual(read_size(text), number * factor)

    @given(st.text(max_size=12))
    def test_anything_else_is_a_value_error(self, text: str) -> None:
        try:
            self.assertGreaterEqual(read_size(text), 0)
        except ValueError:
            pass

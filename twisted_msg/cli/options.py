"""The options that every verb of a client takes, before the verb or behind it.

Law of this file: a flag wins over the environment, which wins over the default; what
cannot be read is refused in one line that names its place.  No Twisted here.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from twisted_msg.addresses import DEFAULT_PORT, LOOPBACK, BadAddress, connecting
from twisted_msg.cli.exits import UsageError
from twisted_msg.settings import read_header_size, read_word
from twisted_msg.wire.limits import DISCONNECT, HEADER_SIZE

LOBBY: Final = "lobby"
"""The only room of the plain protocol, as far as a client can tell."""

_CLIENT_ONLY: Final = ("server", "name", "plain", "header_size", "disconnect_message")


@dataclass(frozen=True)
class Common:
    """The common options, read and checked.  `header_size` is in bytes."""

    server: str
    name: str | None
    header_size: int
    disconnect_word: bytes
    quiet: bool
    verbose: bool

    def connection(self) -> dict[str, Any]:
        """Return what a connection needs to know of the server, as keyword arguments."""
        return {"header_size": self.header_size, "disconnect_word": self.disconnect_word}


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options to a parser; they leave no trace unless given."""
    group = parser.add_argument_group("common options")

    def add(*names: str, **rest: Any) -> None:
        group.add_argument(*names, default=argparse.SUPPRESS, **rest)

    add("--server", metavar="ADDRESS",
        help="HOST:PORT, an endpoint string, or tcpmsg:// "
        f"[default: $TCPMSG_SERVER or {LOOPBACK}:{DEFAULT_PORT}]")  # fmt: skip
    add(
        "--name", metavar="NAME", help="say who you are: NAME: text [default: $TCPMSG_NAME or none]"
    )
    add("--plain", action="store_true", help="speak the original protocol (so far the only one)")
    add("--header-size", metavar="BYTES",
        help=f"the header's width, as the server has it [default: {HEADER_SIZE}]")  # fmt: skip
    add("--disconnect-message", metavar="TEXT",
        help=f"the word that ends a connection, as the server has it "
        f"[default: {DISCONNECT.decode()}]")  # fmt: skip
    add("-q", "--quiet", action="store_true", help="say nothing on stderr but errors")
    add("-v", "--verbose", action="store_true", help="say more on stderr")


def read_common(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Common:
    """Return the options with environment and defaults.  Raises `UsageError`."""
    given = vars(arguments)
    server, place = given.get("server"), "--server"
    if server is None:
        server, place = environment.get("TCPMSG_SERVER") or None, "TCPMSG_SERVER"
    if server is not None:
        try:
            connecting(server)
        except BadAddress as error:
            raise UsageError(f"{place}: {error}") from None
    return Common(
        server=server or f"{LOOPBACK}:{DEFAULT_PORT}",
        name=_name(given.get("name"), environment),
        header_size=_read(
            "--header-size", read_header_size, given.get("header_size", str(HEADER_SIZE))
        ),
        disconnect_word=_read(
            "--disconnect-message",
            read_word,
            given.get("disconnect_message", DISCONNECT.decode()),
        ),
        quiet=given.get("quiet", False),
        verbose=given.get("verbose", False),
    )


def client_options(arguments: argparse.Namespace) -> list[str]:
    """Return which options were given that only a client has, as flags."""
    return [f"--{key.replace('_', '-')}" for key in _CLIENT_ONLY if key in vars(arguments)]


def only_lobby(room: str) -> None:
    """Refuse every room but the one that the plain protocol has.  Raises `UsageError`."""
    if room != LOBBY:
        raise UsageError(
            f"no room {room!r}: the plain protocol has one room, the server's own, "
            f"written {LOBBY} here; rooms of other names need typed frames, which are to come"
        )


def seconds(text: str) -> float:
    """Return a number of seconds above zero, for argparse."""
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or not float(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return float(text)


def count(text: str) -> int:
    """Return a whole number from 1, for argparse."""
    if not re.fullmatch(r"[0-9]{1,18}", text) or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def _name(flag: str | None, environment: Mapping[str, str]) -> str | None:
    name = flag if flag is not None else environment.get("TCPMSG_NAME") or None
    if name is not None and not re.fullmatch(r"[A-Za-z0-9._-]{1,24}", name):
        place = "TCPMSG_NAME" if flag is None else "--name"
        raise UsageError(f"{place}: {name!r} is no name: 1 to 24 of A-Z a-z 0-9 . _ -")
    return name


def _read(place: str, read: Callable[[str], Any], text: str) -> Any:
    """Return an option's value.  Raises `UsageError` naming the option."""
    try:
        return read(text)
    except ValueError as error:
        raise UsageError(f"{place}: {error}") from None

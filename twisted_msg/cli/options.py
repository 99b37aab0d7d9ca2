"""The options that every verb of a client takes, before the verb or behind it.

Law of this file: a flag wins over the environment, which wins over the default; what
cannot be read is refused in one line that names its place.  No Twisted here.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Final

from twisted_msg.addresses import DEFAULT_PORT, LOOPBACK, BadAddress, connecting
from twisted_msg.cli.exits import UsageError
from twisted_msg.settings import read_header_size, read_word
from twisted_msg.wire.limits import DISCONNECT, HEADER_SIZE
from twisted_msg.wire.names import MAX_ID, NAME, NAME_RULE, number

LOBBY: Final = "lobby"
"""The only room of the plain protocol, as far as a client can tell."""

TOKEN_LIMIT: Final = 16 * 1024
"""Characters of the longest token: far above what signed ones have."""

_ONLY_PLAIN: Final = ("header_size", "disconnect_message")
"""Options that mean something to the original protocol only, so that they ask for it."""

_CLIENT_ONLY: Final = ("server", "name", "plain", "header_size", "disconnect_message")


@dataclass(frozen=True)
class Common:
    """The common options, read and checked.

    `plain` is whether to speak the original protocol; `header_size`, in bytes, and
    `disconnect_word` matter only to it.  `token` proves who one is: a secret.
    """

    server: str
    name: str | None
    header_size: int
    disconnect_word: bytes
    quiet: bool
    verbose: bool
    plain: bool = False
    token: str | None = field(default=None, repr=False)

    def connection(self) -> dict[str, Any]:
        """Return what a plain connection needs to know of the server, as keyword arguments."""
        return {"header_size": self.header_size, "disconnect_word": self.disconnect_word}


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options to a parser; they leave no trace unless given."""
    group = parser.add_argument_group("common options")

    def add(*names: str, **rest: Any) -> None:
        group.add_argument(*names, default=argparse.SUPPRESS, **rest)

    add("--server", metavar="ADDRESS",
        help="HOST:PORT, an endpoint string, or tcpmsg:// "
        f"[default: $TCPMSG_SERVER or {LOOPBACK}:{DEFAULT_PORT}]")  # fmt: skip
    add("--name", metavar="NAME", help="what you want to be called [default: $TCPMSG_NAME or none]")
    add(
        "--plain",
        action="store_true",
        help="speak the original protocol; your name is then part of the text: NAME: text",
    )
    add(
        "--header-size",
        metavar="BYTES",
        help=f"with --plain, which it implies: the header's width, as the server has it "
        f"[default: {HEADER_SIZE}]",
    )
    add("--disconnect-message", metavar="TEXT",
        help=f"with --plain, which it implies: the word that ends a connection, as the server "
        f"has it [default: {DISCONNECT.decode()}]")  # fmt: skip
    add(
        "-q",
        "--quiet",
        action="store_true",
        help="say nothing on stderr but errors and direct messages",
    )
    add("-v", "--verbose", action="store_true", help="say more on stderr")


def add_asking(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verbs that ask one question."""
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=seconds,
        default=10.0,
        help="how many seconds the server may take to answer [default: 10]",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


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
        plain="plain" in given or any(option in given for option in _ONLY_PLAIN),
        token=_token(environment.get("TCPMSG_TOKEN_FILE")),
    )


def server_words(common: Common, environment: Mapping[str, str]) -> list[str]:
    """Return the options that another command, with this environment, needs for this server."""
    default = environment.get("TCPMSG_SERVER") or f"{LOOPBACK}:{DEFAULT_PORT}"
    return [] if common.server == default else ["--server", common.server]


def on_terminal(stream: IO[str] | None) -> bool:
    """Return whether a standard stream is there and is a terminal."""
    return stream is not None and stream.isatty()


def client_options(arguments: argparse.Namespace) -> list[str]:
    """Return which options were given that only a client has, as flags."""
    return [f"--{key.replace('_', '-')}" for key in _CLIENT_ONLY if key in vars(arguments)]


def only_lobby(room: str) -> None:
    """Refuse every room but the one that the plain protocol has.  Raises `UsageError`."""
    if room != LOBBY:
        raise UsageError(
            f"no room {room!r}: the plain protocol has one room, the server's own, "
            f"written {LOBBY} here; leave --plain out for the others"
        )


def not_plain(common: Common, verb: str) -> None:
    """Refuse a verb that the plain protocol has no words for.  Raises `UsageError`."""
    if common.plain:
        raise UsageError(f"{verb} needs typed frames: leave --plain, and what implies it, out")


def seconds(text: str) -> float:
    """Return a number of seconds above zero, for argparse."""
    value = decimal(text)
    if not value:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return value


def decimal(text: str) -> float | None:
    """Return a number from 0 as people write it, None for what is none."""
    return float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) else None


def place(text: str) -> int:
    """Return a whole number from 0 that the wire can hold, for argparse."""
    value = number(text)
    if value is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 to {MAX_ID}")
    return value


def count(text: str) -> int:
    """Return a whole number from 1 that the wire can hold, for argparse."""
    value = number(text)
    if not value:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to {MAX_ID}")
    return value


def _token(path: str | None) -> str | None:
    """Return the token that a file holds, None without a file.  Raises `UsageError`."""
    if not path:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            token = file.read(TOKEN_LIMIT + 1).strip()
    except OSError as error:
        raise UsageError(f"TCPMSG_TOKEN_FILE: {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"TCPMSG_TOKEN_FILE: {path} holds no text") from None
    if not token or len(token) > TOKEN_LIMIT:
        raise UsageError(f"TCPMSG_TOKEN_FILE: {path} holds no token")
    return token


def _name(flag: str | None, environment: Mapping[str, str]) -> str | None:
    name = flag if flag is not None else environment.get("TCPMSG_NAME") or None
    if name is not None and NAME.fullmatch(name) is None:
        place = "TCPMSG_NAME" if flag is None else "--name"
        raise UsageError(f"{place}: {NAME_RULE}, not {name!r}")
    return name


def _read(place: str, read: Callable[[str], Any], text: str) -> Any:
    """Return an option's value.  Raises `UsageError` naming the option."""
    try:
        return read(text)
    except ValueError as error:
        raise UsageError(f"{place}: {error}") from None

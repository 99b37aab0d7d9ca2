"""The server's options: one table for twistd, the command, the environment, the file and the docs.

Law of this file: a value is read by the same function wherever it comes from, flags
win over environment over file, and whatever cannot be read is refused in one line
that names its place.  No Twisted here, so that `tcpmsg --help` stays quick.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twisted_msg.addresses import DEFAULT_PORT, LOOPBACK, BadAddress, listening
from twisted_msg.wire.limits import (
    DISCONNECT,
    ERROR_PREFIX,
    HEADER_SIZE,
    LENGTH_BOUND,
    MAX_HEADER_SIZE,
    MAX_PAYLOAD,
    MIN_HEADER_SIZE,
    max_payload_for,
)

ENVIRONMENT_PREFIX: Final = "TCPMSG_"
CONFIG_NAME: Final = "tcpmsg.toml"
LOG_FORMATS: Final = ("text", "json")

_UNITS: Final = {
    "": 1, "b": 1,
    "k": 1024, "kib": 1024, "kb": 1000,
    "m": 1024**2, "mib": 1024**2, "mb": 1000**2,
    "g": 1024**3, "gib": 1024**3, "gb": 1000**3,
}  # fmt: skip


class SettingsError(Exception):
    """The options cannot be used; the text is one line that names place, cause and remedy."""


@dataclass(frozen=True)
class Option:
    """One option: `--name VALUE`, `TCPMSG_NAME`, and `name` in the file.

    `read` turns text into the value or raises `ValueError` with a sentence.
    """

    name: str
    metavar: str
    default: Any
    read: Callable[[str], Any]
    help: str
    repeatable: bool = False

    @property
    def key(self) -> str:
        """The name as an identifier."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """The name of the environment variable."""
        return ENVIRONMENT_PREFIX + self.key.upper()


@dataclass(frozen=True)
class Settings:
    """The server's options, read and checked.  Sizes are in bytes."""

    listen: tuple[str, ...]
    header_size: int
    room: str
    disconnect_message: bytes
    plain_reply: bytes | None
    max_payload: int
    log_format: str | None


def read_size(text: str) -> int:
    """Return a size in bytes: `65536`, `64k`, `1MiB` (powers of 1024), `1MB` (of 1000)."""
    match = re.fullmatch(r"([0-9]+)\s*([A-Za-z]*)", text.strip())
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise ValueError("a size is a whole number and a unit, such as 64k, 1MiB or 2GB")
    return int(match[1]) * unit


def _payload(text: str) -> int:
    size = read_size(text)
    if not 1 <= size < LENGTH_BOUND:
        raise ValueError("the largest payload is 1 byte to 9999999999 bytes")
    return size


def read_header_size(text: str) -> int:
    """Return a header's width in bytes.  Raises `ValueError`."""
    if not re.fullmatch(r"[0-9]{1,4}", text) or not MIN_HEADER_SIZE <= int(text) <= MAX_HEADER_SIZE:
        raise ValueError(f"a header has {MIN_HEADER_SIZE} to {MAX_HEADER_SIZE} bytes")
    return int(text)


def _room(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,32}", text):
        raise ValueError("a room's name is 1 to 32 of A-Z a-z 0-9 . _ -")
    return text


def read_word(text: str) -> bytes:
    """Return the word that ends a connection.  Raises `ValueError`."""
    word = text.encode(errors="surrogateescape")
    if not word:
        raise ValueError("the disconnect message cannot be empty: an empty frame is a keep-alive")
    if word.startswith(ERROR_PREFIX):
        raise ValueError(f"the disconnect message cannot begin with {ERROR_PREFIX.decode()!r}")
    return word


def _reply(text: str) -> bytes:
    if not text:
        raise ValueError("the reply cannot be empty; leave the option out for none")
    return text.encode()


def _endpoint(text: str) -> str:
    try:
        return listening(text)
    except BadAddress as error:
        raise ValueError(str(error)) from None


def _log_format(text: str) -> str:
    if text not in LOG_FORMATS:
        raise ValueError(f"a log format is one of {', '.join(LOG_FORMATS)}")
    return text


OPTIONS: Final = (
    Option("listen", "ENDPOINT", f"tcp:{DEFAULT_PORT}:interface={LOOPBACK}", _endpoint,
           "where to listen: a Twisted endpoint string or HOST:PORT; may be given several times",
           repeatable=True),
    Option("header-size", "BYTES", str(HEADER_SIZE), read_header_size, "the header's width"),
    Option("room", "NAME", "lobby", _room, "where plain messages go"),
    Option("disconnect-message", "TEXT", DISCONNECT.decode(), read_word,
           "the message that ends a connection"),
    Option("plain-reply", "TEXT", None, _reply,
           "answer each plain frame with this text, unframed, for clients that wait for one; "
           "they are then sent nothing else"),
    Option("max-payload", "SIZE", f"{MAX_PAYLOAD // 1024**2}MiB", _payload,
           "the largest message, such as 64k or 1MiB"),
    Option("log-format", "FORMAT", None, _log_format,
           "text for people (the default), or json lines"),
)  # fmt: skip
"""Every option of the server, in the order of the help text."""

CONFIG_HELP: Final = (
    f"a file of these options, TOML [default: tcpmsg/{CONFIG_NAME} in ~/.config, or in the "
    "other XDG places]"
)

_BY_NAME: Final = {option.name: option for option in OPTIONS}


def load(
    flags: Mapping[str, str | Sequence[str]],
    environment: Mapping[str, str],
    config: str | None = None,
) -> Settings:
    """Return the settings: flags (by option name) over environment over file over default.

    `config` names the file; without it `TCPMSG_CONFIG` does, else the first `tcpmsg.toml`
    of the XDG places is read, if there is one.  Raises `SettingsError`.
    """
    path = config or environment.get(ENVIRONMENT_PREFIX + "CONFIG") or None
    file = _file(Path(os.path.expanduser(path)), path) if path else _found(environment)
    values: dict[str, Any] = {}
    for option in OPTIONS:
        if option.name in flags:
            place, given = f"--{option.name}", flags[option.name]
        elif environment.get(option.variable):
            place, given = option.variable, environment[option.variable]
            if option.repeatable:
                given = given.split() or [""]
        elif option.name in file:
            place, given = file[option.name]
        else:
            place, given = "default", option.default
        values[option.key] = _value(option, place, given)
    longest = max_payload_for(values["header_size"], values["max_payload"])
    if len(values["disconnect_message"]) > longest:
        raise SettingsError(
            f"--disconnect-message is longer than the largest message ({longest} bytes): nobody "
            "could send it"
        )
    return Settings(**values)


def nearest(name: str, known: Sequence[str]) -> str:
    """Return a question that names the known name nearest to an unknown one, or nothing."""
    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {near[0]}?" if near else ""


def suggestion(name: str, known: Sequence[str]) -> str:
    """Return what to say behind an unknown name: the nearest known one, or all of them."""
    return nearest(name, known) or f"; known are {', '.join(known)}"


def _value(option: Option, place: str, given: str | Sequence[str] | None) -> Any:
    """Return an option's value, or raise naming the place it came from."""
    if given is None:
        return None
    try:
        if option.repeatable:
            texts = [given] if isinstance(given, str) else given
            if not texts:
                raise ValueError("at least one value is wanted; leave it out for the default")
            return tuple(option.read(text) for text in texts)
        if not isinstance(given, str):
            raise ValueError("one value is wanted, not several")
        return option.read(given)
    except ValueError as error:
        raise SettingsError(f"{place}: {error}") from None


def _file(path: Path, shown: str) -> dict[str, tuple[str, Any]]:
    """Return a file's options with their places.  Its keys are spelled as the flags are."""
    try:
        with path.open("rb") as source:
            content = tomllib.load(source)
    except OSError as error:
        raise SettingsError(f"--config {shown}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"--config {shown}: not TOML: {error}") from None
    options: dict[str, tuple[str, Any]] = {}
    for name, value in content.items():
        place = f"{shown}: {name}"
        if name not in _BY_NAME:
            raise SettingsError(
                f"{shown}: unknown option {name!r}" + suggestion(name, list(_BY_NAME))
            )
        options[name] = place, _texts(place, value)
    return options


def _texts(place: str, value: Any) -> Any:
    """Return a TOML value as the text, or texts, that a flag would be."""
    if isinstance(value, list) and not any(isinstance(each, list) for each in value):
        return [_texts(place, each) for each in value]
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise SettingsError(f"{place}: a text or a whole number is wanted")


def _found(environment: Mapping[str, str]) -> dict[str, tuple[str, Any]]:
    """Read the first configuration file of the XDG places."""
    home = environment.get("XDG_CONFIG_HOME") or environment.get("HOME", "") + "/.config"
    others = (environment.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    for folder in (home, *others):
        path = os.path.join(folder, "tcpmsg", CONFIG_NAME)
        # the XDG specification has relative folders ignored; what is not ours to read is, too
        if os.path.isabs(path) and os.path.isfile(path) and os.access(path, os.R_OK):
            return _file(Path(path), path)
    return {}

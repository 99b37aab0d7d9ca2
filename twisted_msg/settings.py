"""The server's settings: the options' values, from flags, environment, file and defaults.

Law of this file: a value is read by the same function wherever it comes from, flags
win over environment over file, and whatever cannot be read is refused in one line
that names its place.  No Twisted here, so that `tcpmsg --help` stays quick.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twisted_msg.addresses import Network
from twisted_msg.options import CONFIG_HELP, CONFIG_NAME, ENVIRONMENT_PREFIX, OPTIONS, Option
from twisted_msg.values import Retain, read_header_size, read_size, read_word
from twisted_msg.wire.limits import max_payload_for

__all__ = [
    "CONFIG_HELP",
    "OPTIONS",
    "Option",
    "Retain",
    "Settings",
    "SettingsError",
    "load",
    "nearest",
    "read_header_size",
    "read_size",
    "read_word",
    "suggestion",
]

SYSTEM_FOLDER: Final = "/var/lib/tcpmsg"
"""Where the store is if nothing in the environment names a better place."""

_BY_NAME: Final = {option.name: option for option in OPTIONS}


NEARLY: Final = 0.9
"""How alike (difflib) a variable's name must be to an option's to be taken for a slip."""


class SettingsError(Exception):
    """The options cannot be used; the text is one line that names place, cause and remedy."""


@dataclass(frozen=True)
class Settings:
    """The server's options, read and checked.  Sizes are in bytes, times in seconds."""

    listen: tuple[str, ...]
    open: bool
    web: str | None
    no_web: bool
    web_host: tuple[str, ...]
    header_size: int
    room: str
    disconnect_message: bytes
    plain_reply: bytes | None
    max_payload: int
    stall_limit: float
    rate_bytes: int | None
    rate_messages: int | None
    rate_burst: float
    connections: int | None
    connections_per_address: int | None
    limit_loopback: bool
    trusted_proxy: tuple[Network | str, ...]
    data_dir: str
    store: str
    memory_room: tuple[str, ...]
    retain: Retain
    store_limit: int | None
    log_format: str | None


def load(
    flags: Mapping[str, str | Sequence[str]],
    environment: Mapping[str, str],
    config: str | None = None,
) -> Settings:
    """Return the settings: flags (by option name) over environment over file over default.

    An option that takes no value is given as `"yes"`.  `config` names the file; without it
    `TCPMSG_CONFIG` does, else the first `tcpmsg.toml` of the XDG places is read, if there is
    one.  Raises `SettingsError`.
    """
    path = config or environment.get(ENVIRONMENT_PREFIX + "CONFIG") or None
    file = _file(Path(os.path.expanduser(path)), path) if path else _found(environment)
    _check_variables(environment)
    values: dict[str, Any] = {}
    given: str | Sequence[str] | None
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
    values["data_dir"] = _folder(values["data_dir"], environment)
    if values["web"] is not None and values["no_web"]:
        raise SettingsError("--no-web: --web says where HTTP is spoken; give one of the two")
    longest = max_payload_for(values["header_size"], values["max_payload"])
    if len(values["disconnect_message"]) > longest:
        raise SettingsError(
            f"--disconnect-message is longer than the largest message ({longest} bytes): nobody "
            "could send it"
        )
    return Settings(**values)


def _check_variables(environment: Mapping[str, str]) -> None:
    """Raise `SettingsError` for a variable that is nearly an option's.

    Others are passed over: container systems make `TCPMSG_PORT` and the like by themselves.
    """
    known = [option.variable for option in OPTIONS]
    for name in environment:
        if name.startswith(ENVIRONMENT_PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, 1, NEARLY)
            if near:
                raise SettingsError(f"{name}: no such variable; did you mean {near[0]}?")


def nearest(name: str, known: Sequence[str]) -> str:
    """Return a question that names the known name nearest to an unknown one, or nothing."""
    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {near[0]}?" if near else ""


def suggestion(name: str, known: Sequence[str]) -> str:
    """Return what to say behind an unknown name: the nearest known one, or all of them."""
    return nearest(name, known) or f"; known are {', '.join(known)}"


def _folder(given: str | None, environment: Mapping[str, str]) -> str:
    """Return the whole path of the folder that holds the store."""
    home = environment.get("HOME", "")
    if given is not None:
        if given.startswith("~"):
            if not os.path.isabs(home):
                raise SettingsError(
                    f"--data-dir: {given!r} has no meaning, for HOME is not set; write the "
                    "whole path"
                )
            given = home + given[1:]
        return os.path.abspath(given)  # now: a daemon changes its folder
    data = environment.get("XDG_DATA_HOME", "")
    for folder in (
        environment.get("STATE_DIRECTORY", "").partition(":")[0],  # systemd may name several
        data and f"{data}/tcpmsg",
        home and f"{home}/.local/share/tcpmsg",
    ):
        if os.path.isabs(folder):  # the XDG specification has relative folders ignored
            return folder
    return SYSTEM_FOLDER


def _value(option: Option, place: str, given: str | Sequence[str] | None) -> Any:
    """Return an option's value, or raise naming the place it came from."""
    if given is None:
        return None
    try:
        if option.repeatable:
            texts = [given] if isinstance(given, str) else given
            if not texts and option.default:
                raise ValueError("at least one value is wanted; leave it out for the default")
            return option.gather([option.read(text) for text in texts])
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
        options[name] = place, _texts(place, value, flag=_BY_NAME[name].flag)
    return options


def _texts(place: str, value: Any, *, flag: bool) -> Any:
    """Return a TOML value as the text, or texts, that an option on the command line would be."""
    if isinstance(value, list) and not any(isinstance(each, list) for each in value):
        return [_texts(place, each, flag=flag) for each in value]
    if isinstance(value, str):
        return value
    if isinstance(value, bool) and flag:
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    wanted = "true or false" if flag else "a text or a whole number"
    raise SettingsError(f"{place}: {wanted} is wanted")


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

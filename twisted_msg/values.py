"""What the server's options mean: one function for each kind of value, from text.

Law of this file: a reader takes a text and returns a value, or raises `ValueError` with a
sentence that says what would be right.  It knows neither places nor the environment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from typing import Any, Final, NamedTuple

from twisted_msg.addresses import UNIX, BadAddress, Network, listening
from twisted_msg.wire.limits import ERROR_PREFIX, LENGTH_BOUND, MAX_HEADER_SIZE, MIN_HEADER_SIZE
from twisted_msg.wire.names import ROOM, ROOM_RULE

DAY: Final = 24 * 3600

MIN_STORE_LIMIT: Final = 1024**2
"""The smallest bound of a store, in bytes: below it the database's own pages crowd out messages."""

SIZE_BOUND: Final = 2**63
"""Sizes of what is stored are below it: SQLite, and most languages, hold them in an integer."""

MIN_STALL: Final = 1
"""Seconds; less would close peers for a network's hiccup."""

MIN_RATE: Final = 1024
"""Bytes a second; below it a header alone would take part of a second."""

NONE: Final = "none"
"""The text that lifts a limit."""

_UNITS: Final = {
    "": 1, "b": 1,
    "k": 1024, "kib": 1024, "kb": 1000,
    "m": 1024**2, "mib": 1024**2, "mb": 1000**2,
    "g": 1024**3, "gib": 1024**3, "gb": 1000**3,
}  # fmt: skip

_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": DAY, "w": 7 * DAY}

_ON: Final = ("1", "yes", "true", "on")
_OFF: Final = ("0", "no", "false", "off")

_GLOB: Final = re.compile(r"(?:[A-Za-z0-9._*?-]|\[!?[A-Za-z0-9._-]+\])+")
"""What a pattern of rooms is made of: characters of names, `*`, `?`, and sets of such characters.
All else would be taken as it stands by `fnmatch`, and match no room ever."""


_HOST: Final = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")


class Retain(NamedTuple):
    """What history each room keeps; None is no limit.

    `age` is in seconds, `size` in bytes for each room.
    """

    age: float | None = 30.0 * DAY
    size: int | None = 256 * 1024**2


def read_size(text: str) -> int:
    """Return a size in bytes: `65536`, `64k`, `1MiB` (powers of 1024), `1MB` (of 1000)."""
    match = re.fullmatch(r"([0-9]+)\s*([A-Za-z]*)", text.strip())
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise ValueError("a size is a whole number and a unit, such as 64k, 1MiB or 2GB")
    return int(match[1]) * unit


def read_payload(text: str) -> int:
    """Return the largest payload in bytes.  Raises `ValueError`, as all of these do."""
    size = read_size(text)
    if not 1 <= size < LENGTH_BOUND:
        raise ValueError("the largest payload is 1 byte to 9999999999 bytes")
    return size


def read_header_size(text: str) -> int:
    """Return a header's width in bytes.  Raises `ValueError`."""
    if not re.fullmatch(r"[0-9]{1,4}", text) or not MIN_HEADER_SIZE <= int(text) <= MAX_HEADER_SIZE:
        raise ValueError(f"a header has {MIN_HEADER_SIZE} to {MAX_HEADER_SIZE} bytes")
    return int(text)


def read_room(text: str) -> str:
    """Return a room's name."""
    if not ROOM.fullmatch(text):
        raise ValueError(ROOM_RULE)
    return text


def read_rooms(text: str) -> str:
    """Return a pattern of rooms' names, for `fnmatch`."""
    if not _GLOB.fullmatch(text):
        raise ValueError(
            f"{text!r} matches no room: a pattern is made of A-Z a-z 0-9 . _ - and "
            "* ? [a-z] [!a-z], such as tmp.*"
        )
    return text


def read_word(text: str) -> bytes:
    """Return the word that ends a connection.  Raises `ValueError`."""
    word = text.encode(errors="surrogateescape")
    if not word:
        raise ValueError("the disconnect message cannot be empty: an empty frame is a keep-alive")
    if word.startswith(ERROR_PREFIX):
        raise ValueError(f"the disconnect message cannot begin with {ERROR_PREFIX.decode()!r}")
    return word


def read_reply(text: str) -> bytes:
    """Return the text that answers each plain frame."""
    if not text:
        raise ValueError("the reply cannot be empty; leave the option out for none")
    return text.encode()


def read_endpoint(text: str) -> str:
    """Return the endpoint string of an address to listen on."""
    try:
        return listening(text)
    except BadAddress as error:
        raise ValueError(str(error)) from None


def read_host(text: str) -> str:
    """Return a host's name, without a port."""
    if not _HOST.fullmatch(text):
        raise ValueError(f"{text!r} is no host's name, such as chat.example.org, without a port")
    return text.lower()


def read_proxy(text: str) -> Network | str:
    """Return a trusted proxy: the network of its addresses, or the word for Unix sockets."""
    if text == UNIX:
        return text
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueError(
            f"{text!r} names no proxy: an address such as 127.0.0.1, a network such as 10.0.0.0/8, "
            f"or {UNIX} for Unix sockets is wanted"
        ) from None
    if not network.prefixlen:
        raise ValueError(f"{text} is everybody: every peer could then choose its own address")
    return network


def one_of(what: str, *words: str) -> Callable[[str], str]:
    """Return a reader of one of some words; `what` names the thing in its refusal."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"{what} is one of {', '.join(words)}")
        return text

    return read


def read_switch(text: str) -> bool:
    """Return whether something is wanted."""
    word = text.strip().lower()
    if word not in (*_ON, *_OFF):
        raise ValueError(f"{text!r} is neither yes ({', '.join(_ON)}) nor no ({', '.join(_OFF)})")
    return word in _ON


def read_folder(text: str) -> str:
    """Return a folder's path; what `~` is, only the environment knows."""
    if not text or "\0" in text:
        raise ValueError("a folder's path is wanted; leave it out for the default")
    if text.startswith("~") and text[1:2] not in ("", "/"):
        raise ValueError(f"{text!r}: of homes only your own, ~/, is known; write the whole path")
    return text


def read_stall(text: str) -> float:
    """Return a time in seconds: `90`, `90s`, `10m`, `1h`."""
    seconds = _time(text, "smh")
    if seconds is None or seconds < MIN_STALL:
        raise ValueError("a time is a whole number of seconds from 1, or as 90s, 10m or 1h")
    return seconds


def read_rate(text: str) -> int:
    """Return bytes a second."""
    size = read_size(text)
    if not MIN_RATE <= size < SIZE_BOUND:
        raise ValueError("a rate is at least 1k, in bytes a second")
    return size


def read_count(text: str) -> int:
    """Return how many of something there may be."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or not int(text):
        raise ValueError("a whole number from 1 is wanted")
    return int(text)


def or_none(read: Callable[[str], int]) -> Callable[[str], int | None]:
    """Return a reader of a limit that `none` lifts."""

    def read_limit_or_none(text: str) -> int | None:
        if text == NONE:
            return None
        try:
            return read(text)
        except ValueError as error:
            raise ValueError(f"{error}; {NONE} lifts the limit") from None

    return read_limit_or_none


def read_store_limit(text: str) -> int:
    """Return how many bytes the whole store may take."""
    size = read_size(text)
    if not MIN_STORE_LIMIT <= size < SIZE_BOUND:
        raise ValueError(
            "a store's limit is from 1MiB to below 2^63 bytes; leave the option out for none"
        )
    return size


def read_limit(text: str) -> tuple[str, float | int | None]:
    """Return a limit of what rooms keep, and its kind: age in seconds, size in bytes, or all."""
    text = text.strip()
    if text == "all":
        return "all", None
    vague = re.fullmatch(r"([0-9]+)\s*M?", text)
    if vague:
        some = vague[1]
        raise ValueError(f"{text} of what? {some}m is minutes, {some}d days, {some}MiB a size")
    age = _time(text, "smhdw")
    if age is not None:
        kind, limit = "age", age
    else:
        try:
            kind, limit = "size", read_size(text)
        except ValueError:
            raise ValueError(
                f"{text!r} is no limit: an age is such as 12h, 30d or 2w, a size for each room "
                "such as 64k or 256MiB; all lifts both"
            ) from None
    if limit < 1:
        raise ValueError(f"{text} keeps nothing; --store memory stores no messages")
    if limit >= SIZE_BOUND:
        raise ValueError(f"{text} is beyond all disks; all is no limit")
    return kind, limit


def as_retain(limits: Sequence[tuple[str, Any]]) -> Retain:
    """Return the limits together: a missing one is the default, or none beside `all`."""
    given = dict(limits)
    if len(given) < len(limits):
        raise ValueError("two limits of one kind; give one age and one size at the most")
    rest = Retain(None, None) if "all" in given else Retain()
    return Retain(given.get("age", rest.age), given.get("size", rest.size))


def _time(text: str, units: str) -> float | None:
    """Return a time in seconds, or None for what is none.

    Nine digits, so that no unit leads beyond what 64 bits hold in milliseconds.
    """
    match = re.fullmatch(rf"([0-9]{{1,9}})\s*([{units}]?)", text.strip())
    return float(int(match[1]) * _SECONDS[match[2]]) if match else None

"""Who may ask over HTTP: programs, and web pages of this server's own, but no others.

Law of this file: a page of somebody else's gets nothing, neither under a name of its own that
it had point here (DNS rebinding) nor by asking from afar (cross-site requests).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from twisted_msg.addresses import ip_of

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_AUTHORITY: Final = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9._-]{1,255}))(?::(?P<port>[0-9]{1,5}))?"
)
"""A host and perhaps a port, as a `Host` header and an origin hold them."""


class Place(NamedTuple):
    """A host in lower case, without brackets or a last dot, and the port if there was one."""

    host: str
    port: int | None


def read_place(text: str) -> Place | None:
    """Return the place that an authority names, or None if it is no authority."""
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        return None
    host = (match["ipv6"] or match["name"]).lower().removesuffix(".")
    return Place(host, int(match["port"]) if match["port"] else None)


class Names:
    """The names that this server answers to; whoever asks by address knows where it is."""

    def __init__(self, names: Iterable[str]) -> None:
        """Take names of hosts, beside `localhost`."""
        self._names = frozenset({"localhost", *(name.lower().removesuffix(".") for name in names)})

    def refusal(self, host: str | None, origin: str | None) -> str:
        """Return why a request may not be answered, or nothing.

        `host` and `origin` are the headers of these names, None for those that there are not.
        """
        place = None if host is None else read_place(host)
        if host is not None and place is None:
            return "the Host header names no host"
        if place is not None and not (place.host in self._names or ip_of(place.host)):
            return (
                f"{place.host} is no name of this server: ask by its address, or have it started "
                f"with --web-host {place.host}"
            )
        if origin is not None and not (place and _is_same(origin, place)):
            return (
                "a web page of another origin asks: this server answers its own pages, and "
                "programs that are none"
            )
        return ""


def _is_same(origin: str, place: Place) -> bool:
    """Return whether an origin's host and port are those that were asked for."""
    scheme, separator, authority = origin.partition("://")
    theirs = read_place(authority)
    if not separator or theirs is None or scheme not in _DEFAULT_PORTS:
        return False
    default = _DEFAULT_PORTS[scheme]
    return (theirs.host, theirs.port or default) == (place.host, place.port or default)

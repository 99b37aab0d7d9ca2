"""Addresses as people type them, made into Twisted's endpoint strings.

Law of this file: text in, text out; whether an endpoint works is for Twisted to
say.  The server's `--listen` and the client's `--server` are read here alike.
"""

import re
from importlib.util import find_spec
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from typing import Final

from twisted_msg.programs import install_command

DEFAULT_PORT: Final = 5050
"""The port of the original scripts."""

LOOPBACK: Final = "127.0.0.1"

TLS: Final = "twisted[tls]"
"""What TLS needs beside the rest; the extra `tls` in setup.cfg has it with its version."""

BACKLOG: Final = 4096
"""Connections that may wait to be accepted: Twisted's 50 loses some of two hundred
clients that start at once.  The kernel lowers it to its own limit (somaxconn)."""

UNIX: Final = "unix"
"""The word for every peer that comes by a Unix socket."""

Network = IPv4Network | IPv6Network

_FORWARDED: Final = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[0-9.]+))(?::[0-9]{1,5})?|(?P<bare>[0-9A-Fa-f:.]+)"
)
"""An address in `X-Forwarded-For`: some proxies add a port, and brackets around IPv6."""

_HOST_PORT: Final = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<host>[\w.-]*))(?::(?P<port>[0-9]+))?"
)
_ENDPOINT: Final = re.compile(r"[A-Za-z][\w-]*:.*[:=/].*", re.DOTALL)
_ENDPOINT_TYPES: Final = frozenset(
    {"tcp", "tcp4", "tcp6", "ssl", "tls", "unix", "systemd", "fd", "haproxy", "onion"}
)
_WITH_BACKLOG: Final = ("tcp:", "tcp4:", "tcp6:", "ssl:", "unix:", "haproxy:tcp", "haproxy:unix:")
_SCHEMES: Final = {"tcpmsg://": "tcp", "tcpmsgs://": "tls"}


class BadAddress(ValueError):
    """An address cannot be read; the text says what one looks like."""


def listening(address: str) -> str:
    """Return the server endpoint string for `--listen ADDRESS`.

    `HOST:PORT`, `[IPV6]:PORT`, `:PORT` (every IPv4 interface) and a bare `PORT` (loopback)
    are accepted beside endpoint strings.  Raises `BadAddress`.
    """
    bare = address.isascii() and address.isdigit()
    host, port = (LOOPBACK, _port(address, address)) if bare else _split(address)
    if port is None:
        endpoint = address
    elif not host:
        endpoint = f"tcp:{port}"
    else:
        kind = "tcp6" if ":" in host else "tcp"
        endpoint = f"{kind}:{port}:interface={_quoted(host)}"
    if endpoint.startswith(_WITH_BACKLOG) and ":backlog=" not in endpoint:
        endpoint += f":backlog={BACKLOG}"
    return endpoint


def typed(endpoint: str) -> str:
    """Return an endpoint string without the backlog that `listening` may have added."""
    return endpoint.removesuffix(f":backlog={BACKLOG}")


def no_endpoint(address: str, endpoint: str, error: BaseException) -> str:
    """Return what to say of an endpoint string that Twisted cannot make anything of."""
    if endpoint.startswith(("ssl:", "tls:")) and find_spec("OpenSSL") is None:
        return f"{address!r} needs TLS, which is not installed: {install_command(TLS)}"
    return (
        f"{address!r} is no endpoint: {error}; write HOST:PORT, or an endpoint string such as "
        "unix:/run/tcpmsg.sock"
    )


def connecting(address: str) -> str:
    """Return the client endpoint string for `--server ADDRESS`.

    `HOST`, `HOST:PORT`, `[IPV6]:PORT`, `tcpmsg://HOST:PORT` and `tcpmsgs://HOST:PORT` (TLS)
    are accepted beside endpoint strings.  Raises `BadAddress`.
    """
    for scheme, kind in _SCHEMES.items():
        if address.startswith(scheme):
            match = _HOST_PORT.fullmatch(address.removeprefix(scheme).removesuffix("/"))
            if match is None or not (match["six"] or match["host"]):
                raise BadAddress(f"{address!r} is no address: write {scheme}HOST:PORT")
            port = _port(match["port"] or str(DEFAULT_PORT), address)
            return f"{kind}:{_quoted(match['six'] or match['host'])}:{port}"
    match = _HOST_PORT.fullmatch(address)
    if match and match["port"] is None and not address.isdigit() and address:
        return f"tcp:{_quoted(match['six'] or match['host'])}:{DEFAULT_PORT}"
    host, split = _split(address)
    return address if split is None else f"tcp:{_quoted(host or LOOPBACK)}:{split}"


def ip_of(host: str) -> IPv4Address | IPv6Address | None:
    """Return a host as a number, or None for a name.

    An IPv4 peer of a socket for both families has an IPv6 address, `::ffff:192.0.2.1`: it is
    the IPv4 one that says who that is.
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def forwarded_ip(entry: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address in an entry of `X-Forwarded-For`, None if the entry holds none."""
    match = _FORWARDED.fullmatch(entry)
    return None if match is None else ip_of(match["six"] or match["four"] or match["bare"])


def network(host: str) -> str:
    """Return what one peer can draw addresses from: its IPv4 address, or the /64 of an IPv6 one."""
    address = ip_of(host)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, 64), strict=False))
    return host if address is None else str(address)


def shown(host: str, port: int) -> str:
    """Return `HOST:PORT` as people type it, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _split(address: str) -> tuple[str, int | None]:
    """Return host and port, or the port as None for an endpoint string."""
    match = _HOST_PORT.fullmatch(address)
    if match and match["port"] and match["host"] not in _ENDPOINT_TYPES:
        return match["six"] or match["host"] or "", _port(match["port"], address)
    kind, _, rest = address.partition(":")
    if not (kind in _ENDPOINT_TYPES and rest) and not _ENDPOINT.fullmatch(address):
        raise BadAddress(
            f"{address!r} is no address: write HOST:PORT, [IPV6]:PORT, or an endpoint "
            "string such as unix:/run/tcpmsg.sock"
        )
    return "", None


def _port(text: str, address: str) -> int:
    """Return a port, or raise naming the address as it was typed."""
    digits = text.lstrip("0") or "0"
    if len(digits) > 5 or int(digits) > 65535:
        raise BadAddress(f"{address!r} is no address: ports end at 65535")
    return int(digits)


def _quoted(host: str) -> str:
    """Return a host as an endpoint string's argument: its colons escaped."""
    return host.replace(":", r"\:")

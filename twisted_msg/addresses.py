"""Addresses as people type them, made into Twisted's endpoint strings.

Law of this file: text in, text out; whether an endpoint works is for Twisted to
say.  The server's `--listen` and the client's `--server` are read here alike.
"""

import re
from typing import Final

DEFAULT_PORT: Final = 5050
"""The port of the original scripts."""

LOOPBACK: Final = "127.0.0.1"

BACKLOG: Final = 4096
"""Connections that may wait to be accepted: Twisted's 50 loses some of two hundred
clients that start at once.  The kernel lowers it to its own limit (somaxconn)."""

_HOST_PORT: Final = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^\s:/\[\]=]*)):(?P<port>[0-9]{1,5})"
)
_ENDPOINT_TYPES: Final = frozenset(
    {"tcp", "tcp4", "tcp6", "ssl", "tls", "unix", "systemd", "fd", "haproxy", "onion"}
)
_WITH_BACKLOG: Final = ("tcp:", "tcp4:", "tcp6:", "ssl:", "unix:")


class BadAddress(ValueError):
    """An address cannot be read; the text says what one looks like."""


def listening(address: str) -> str:
    """Return the server endpoint string for `--listen ADDRESS`.

    `HOST:PORT`, `[IPV6]:PORT`, `:PORT` (every IPv4 interface) and a bare `PORT` (loopback)
    are accepted beside endpoint strings.  Raises `BadAddress`.
    """
    host, port = _split(f"{LOOPBACK}:{address}" if address.isdigit() else address)
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


def connecting(address: str) -> str:
    """Return the client endpoint string for `--server ADDRESS`.

    `HOST`, `HOST:PORT`, `[IPV6]:PORT`, `tcpmsg://HOST:PORT` and `tcpmsgs://HOST:PORT` (TLS)
    are accepted beside endpoint strings.  Raises `BadAddress`.
    """
    kind = "tcp"
    for scheme, meant in (("tcpmsg://", "tcp"), ("tcpmsgs://", "tls")):
        if address.startswith(scheme):
            kind, address = meant, address.removeprefix(scheme).rstrip("/")
            if not re.search(r":[0-9]+$", address):
                address += f":{DEFAULT_PORT}"
    if re.fullmatch(r"[\w.-]+", address) and not address.isdigit():
        address += f":{DEFAULT_PORT}"
    host, port = _split(address)
    if port is None:
        return address
    return f"{kind}:{_quoted(host or LOOPBACK)}:{port}"


def shown(host: str, port: int) -> str:
    """Return `HOST:PORT` as people type it, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _split(address: str) -> tuple[str, int | None]:
    """Return host and port, or the port as None for an endpoint string."""
    match = _HOST_PORT.fullmatch(address)
    if match is None or match["host"] in _ENDPOINT_TYPES:
        if address.partition(":")[0] not in _ENDPOINT_TYPES and not re.match(
            r"\w+:.*[=:]", address
        ):
            raise BadAddress(
                f"{address!r} is no address: write HOST:PORT, [IPV6]:PORT, or an endpoint "
                "string such as unix:/run/tcpmsg.sock"
            )
        return "", None
    port = int(match["port"])
    if port > 65535:
        raise BadAddress(f"{address!r} is no address: ports end at 65535")
    return match["six"] or match["host"] or "", port


def _quoted(host: str) -> str:
    """Return a host as an endpoint string's argument: its colons escaped."""
    return host.replace(":", r"\:")

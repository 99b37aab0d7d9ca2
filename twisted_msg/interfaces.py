"""The addresses under which other machines reach this one.

Nothing is sent: the kernel is asked.  Only Linux answers; elsewhere, and where it does not, there
are fewer addresses, or none.
"""

from __future__ import annotations

import fcntl
import socket
import struct
from ipaddress import IPv6Address
from pathlib import Path
from typing import Final

_SIOCGIFADDR: Final = 0x8915
"""The request for an interface's IPv4 address (netdevice(7))."""

_IFNAMSIZ: Final = 16
_SOCKADDR: Final = 8
"""Bytes before the address in `struct ifreq`: the name, then a family and a port."""

_IF_INET6: Final = Path("/proc/net/if_inet6")
_UNUSABLE: Final = 0x01 | 0x08 | 0x20 | 0x40
"""Flags of temporary, duplicate, deprecated and tentative addresses (linux/if_addr.h)."""

_FAR: Final = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses for documentation (RFC 5737, RFC 3849): whatever they are routed by is the way out."""


_V6ONLY: Final = Path("/proc/sys/net/ipv6/bindv6only")
"""Whether sockets for every IPv6 address leave IPv4 out (ip(7)); 0 is usual."""


def reachable(host: str) -> list[str]:
    """Return under which addresses others reach a socket that listens on `host`.

    For `0.0.0.0` and `::` these are this machine's, that of the default route first, without
    loopback, and without IPv6 addresses that others cannot use or that change.
    """
    if host == "0.0.0.0":  # noqa: S104 - it is compared
        return _unique(_outward(socket.AF_INET), _inet())
    if host == "::":
        found = _unique(_outward(socket.AF_INET6), _inet6())
        return found if _read(_V6ONLY).strip() == "1" else found + reachable("0.0.0.0")  # noqa: S104
    return [host]


def _unique(*lists: list[str]) -> list[str]:
    return list(dict.fromkeys(address for each in lists for address in each))


def _outward(family: socket.AddressFamily) -> list[str]:
    """Return the address that connections to elsewhere would have, if there is a way there."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((_FAR[family], 9))  # a datagram socket only looks the route up
            return [str(probe.getsockname()[0])]
    except OSError:
        return []


def _inet() -> list[str]:
    """Return each interface's IPv4 address."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack(f"{_IFNAMSIZ}s24x", name.encode()[: _IFNAMSIZ - 1])
            try:
                answer = fcntl.ioctl(probe, _SIOCGIFADDR, request)
            except OSError:
                continue  # it has none
            begin = _IFNAMSIZ + _SOCKADDR - 4
            found.append(socket.inet_ntoa(answer[begin : begin + 4]))
    return [address for address in found if not address.startswith("127.")]


def _inet6() -> list[str]:
    """Return the global IPv6 addresses."""
    rows = [line.split() for line in _read(_IF_INET6).splitlines()]
    return [
        str(IPv6Address(bytes.fromhex(digits)))
        for digits, _, _, scope, flags, _ in rows
        if scope == "00" and not int(flags, 16) & _UNUSABLE
    ]


def _read(path: Path) -> str:
    """Return what the kernel says in a file, nothing if it has none."""
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""

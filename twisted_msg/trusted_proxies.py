"""The client's address behind proxies: which peers may name it, and how it is read.

Only trusted proxies may name it: in `X-Forwarded-For` over HTTP, and in the PROXY header on a
`haproxy:` endpoint.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from twisted.internet.interfaces import IAddress
from zope.interface import implementer

from twisted_msg.addresses import UNIX, Network, forwarded_ip, ip_of

FORWARDED_FOR: Final = b"X-Forwarded-For"


@implementer(IAddress)
class ForwardedAddress(NamedTuple):
    """A client's address from a trusted proxy; the proxy's own address if it named no valid one.

    It never counts as loopback: all clients of a proxy on this machine have limits.
    """

    host: str


class TrustedProxies:
    """The proxies that may name the address of a client."""

    def __init__(self, named: Iterable[Network | str] = ()) -> None:
        """Take networks of addresses, and the word `unix` for all Unix sockets."""
        self._named = frozenset(named)

    def trusts(self, peer: Any) -> bool:
        """Return whether a peer is named, so that its `X-Forwarded-For` is believed."""
        host = getattr(peer, "host", None)
        return UNIX in self._named if host is None else self._contains(host)

    def may_relay(self, peer: Any) -> bool:
        """Return whether a peer may send a PROXY header.

        A `haproxy:` endpoint is there for proxies alone.  While none is named, it takes those on
        this machine.
        """
        if self._named:
            return self.trusts(peer)
        host = getattr(peer, "host", None)
        address = None if host is None else ip_of(host)
        return host is None or (address is not None and address.is_loopback)

    def client_address(self, peer: Any, forwarded_for: Iterable[bytes]) -> Any:
        """Return the client's address, for a request of a peer that is trusted.

        `forwarded_for` holds the values of all lines of `X-Forwarded-For`.  Each proxy appends the
        address of its own peer, so the entries are read from the right: those of trusted proxies
        are passed over, and the first other one is the client.  Everything to the left of that may
        be made up.  At an entry that is no address the reading stops, and the address that was
        read last is taken.  Without the header the client is the peer itself.
        """
        lines = [value.decode("latin-1") for value in forwarded_for]
        if not lines:
            return peer
        host = getattr(peer, "host", UNIX)
        for entry in reversed(",".join(lines).split(",")):
            address = forwarded_ip(entry.strip(" \t"))
            if address is None:
                break
            host = str(address)
            if not self._contains(host):
                break
        return ForwardedAddress(host)

    def _contains(self, host: str) -> bool:
        address = ip_of(host)
        return address is not None and any(
            address in network for network in self._named if not isinstance(network, str)
        )

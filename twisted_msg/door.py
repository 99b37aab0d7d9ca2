"""Who may come in: how many connections there may be, in all and from one address.

Law of this file: it counts connections by their numbers and says why one cannot stay; it
opens and closes nothing.
"""

from __future__ import annotations

from typing import Any, Final

from twisted_msg.addresses import network
from twisted_msg.transports import is_loopback
from twisted_msg.trusted_proxies import ForwardedAddress, TrustedProxies
from twisted_msg.wire import ErrorCode, ProtocolError

DESCRIPTORS_KEPT: Final = 128
"""Open files that are no connections: the store's, listening sockets, the log, and those who
are being told that there is no room."""

TOLD_LIMIT: Final = 64
"""Connections that are being told, at the same time, that there is no room: each takes a place
for some seconds.  Those beyond are closed without a word."""


NOT_TRUSTED: Final = (
    "it is no trusted proxy, and a haproxy: endpoint takes only those: name it with "
    "--trusted-proxy, or have clients connect to another endpoint"
)
"""What the log says of a peer that may not send a PROXY header."""


def places(descriptors: int) -> tuple[int, int]:
    """Return how many connections a limit of open files leaves room for, and how many are told.

    Small limits are shared out: half, a quarter, and a quarter for the rest.
    """
    inside = max(descriptors - DESCRIPTORS_KEPT, descriptors // 2, 1)
    return inside, max(1, min(TOLD_LIMIT, descriptors // 4))


class Door:
    """Counts the connections that are in, and those that are on their way out again."""

    def __init__(
        self, per_address: int | None, *, loopback: bool, proxies: TrustedProxies | None = None
    ) -> None:
        """Take how many may come from one address; of this machine, too, if `loopback`.

        `proxies` are the trusted ones, none without them.
        """
        self.limit: int | None = None
        """How many may be in, None for no limit."""
        self.told_limit = TOLD_LIMIT
        self.proxies = TrustedProxies() if proxies is None else proxies
        self._per_address = per_address
        self._loopback = loopback
        self._inside = 0
        self._counted: dict[int, str] = {}
        self._networks: dict[str, int] = {}
        self._told: set[int] = set()

    def bounds(self, peer: Any, *, relayed: bool) -> bool:
        """Return whether a peer at this address is held to limits of its own.

        If the peer is `relayed` by a proxy, `peer` is the proxy: the client's address comes later.
        """
        told = relayed or isinstance(peer, ForwardedAddress)
        return self._loopback or told or not is_loopback(peer)

    def enter(self, number: int, peer: Any, *, relayed: bool) -> ProtocolError | None:
        """Admit a connection, or return the error with which it is refused.

        The limit for each address is checked here.  Behind a proxy the address is not known yet:
        `claim` checks it later.
        """
        error: ProtocolError | None = None
        if relayed and not self.proxies.may_relay(peer):
            error = ProtocolError(ErrorCode.FORBIDDEN, NOT_TRUSTED)
        elif self.limit is not None and self._inside >= self.limit:
            reason = f"all {self.limit} places for connections are taken: try again later"
            error = ProtocolError(ErrorCode.BUSY, reason)
        elif not (relayed or self.proxies.trusts(peer)):
            error = self.claim(number, peer, relayed=False)
        if error is not None:
            self._told.add(number)
        else:
            self._inside += 1
        return error

    def claim(self, number: int, client: Any, *, relayed: bool) -> ProtocolError | None:
        """Count a connection for the client's address, or return the error that refuses it.

        A connection that has one keeps it, until `release` or `leave`.
        """
        limit = self._per_address
        if limit is None or number in self._counted or not self.bounds(client, relayed=relayed):
            return None
        where = network(str(getattr(client, "host", "local peers")))
        taken = self._networks.get(where, 0)
        if taken >= limit:
            return ProtocolError(
                ErrorCode.BUSY,
                f"all {limit} places for connections from {where} are taken: close one, or try "
                "again later",
            )
        self._networks[where] = taken + 1
        self._counted[number] = where
        return None

    def release(self, number: int) -> None:
        """Stop counting a connection for the client's address."""
        where = self._counted.pop(number, None)
        if where is not None:
            self._networks[where] -= 1
            if not self._networks[where]:
                del self._networks[where]

    def closes_silently(self, error: ProtocolError) -> bool:
        """Return whether a refused connection gets no answer.

        Either too many refused connections are being answered already, or the endpoint is for
        trusted proxies and the peer is none.
        """
        return self.crowded or error.code is ErrorCode.FORBIDDEN

    @property
    def crowded(self) -> bool:
        """Whether too many are being told for one more."""
        return len(self._told) > self.told_limit

    def leave(self, number: int) -> bool:
        """Forget a connection that is gone; return whether it had been let in."""
        if number in self._told:
            self._told.remove(number)
            return False
        self._inside -= 1
        self.release(number)
        return True

"""PROXY headers: Twisted reads them; this adds what it leaves out.

A header may arrive in pieces of any size, and the log says why one is refused.
"""

from __future__ import annotations

from typing import Any, Final

from twisted_msg.transports import is_haproxy

_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
"""The beginning of a header of version 2."""

_WORD: Final = b"PROXY"
"""The beginning of a header of version 1."""

_UNKNOWN: Final = b"PROXY UNKNOWN\r\n"
"""The one valid header of version 1 that Twisted cannot read."""

_START_SIZE: Final = 16
"""Bytes of a header that are kept: as many as Twisted needs, and as its refusal depends on."""

_FIRST_PIECES: Final = ((_SIGNATURE, _START_SIZE), (_WORD, 8))
"""How many bytes Twisted must have in one piece to see which version a header has."""

_REMEDY: Final = "have the proxy send one (send-proxy), or connect to an endpoint without haproxy:"

NO_HEADER: Final = (
    f"it sent no PROXY header, with which a connection to a haproxy: endpoint begins: {_REMEDY}"
)
UNKNOWN_CLIENT: Final = (
    "its PROXY header says UNKNOWN and names no client: have the proxy send version 2 "
    "(send-proxy-v2), or pass on TCP connections alone"
)
UNREADABLE: Final = (
    "its PROXY header cannot be read: have the proxy send version 1 or 2 (send-proxy), or connect "
    "to an endpoint without haproxy:"
)


def read_proxy_headers(port: Any) -> None:
    """Have a port that expects PROXY headers read them in pieces, and report what it refuses.

    It calls `refuse_proxy_header` of the protocol that the connection belongs to.
    """
    factory = getattr(port, "factory", None)
    while factory is not None:
        if is_haproxy(type(factory)):
            factory.protocol = make_reader(factory.protocol)
            return
        factory = getattr(factory, "wrappedFactory", None)  # haproxy: within TLS


def make_reader(base: Any) -> Any:
    """Return a class that does as `base`, which is Twisted's wrapper, and what it leaves out."""

    class Reader(base):  # type: ignore[misc]
        """The transport of a connection whose first bytes are a PROXY header."""

        has_partial_header = False
        _start = b""
        _is_recognized = False

        def dataReceived(self, data: bytes) -> None:
            """Take input: a header, and what follows it."""
            if self._proxyInfo is not None:
                super().dataReceived(data)
            elif not self.disconnecting:
                self._read_header(data)

        def _read_header(self, data: bytes) -> None:
            start, self._start = self._start, (self._start + data)[:_START_SIZE]
            if not self._is_recognized:
                data = start + data
                self._is_recognized = _is_recognizable(data)
                if not self._is_recognized:
                    self.has_partial_header = True
                    return
            try:
                super().dataReceived(data)
            except ValueError:  # a port that is no number: Twisted does not catch this
                if self._proxyInfo is not None:
                    raise
                self.loseConnection()
            self.has_partial_header = self._proxyInfo is None
            if self.disconnecting and self.has_partial_header:
                self.has_partial_header = False
                self.wrappedProtocol.refuse_proxy_header(_reason(self._start))

    return Reader


def has_partial_header(transport: Any) -> bool:
    """Return whether the first bytes of a PROXY header have come, and the last have not."""
    return getattr(transport, "has_partial_header", False)


def _is_recognizable(data: bytes) -> bool:
    """Return whether more bytes cannot change what Twisted makes of the first ones."""
    if data.startswith(b"P") and b"\n" in data:
        return True  # its line has ended, however short it is
    return not any(
        len(data) < least and start.startswith(data[: len(start)]) for start, least in _FIRST_PIECES
    )


def _reason(start: bytes) -> str:
    """Return why a header that begins with `start` is refused."""
    if start.startswith(_UNKNOWN):
        return UNKNOWN_CLIENT
    return UNREADABLE if start.startswith((_WORD, _SIGNATURE)) else NO_HEADER

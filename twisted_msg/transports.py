"""What Twisted's transports do not tell by themselves.

Law of this file: every look inside a transport or a socket stands here, is guarded,
and has an answer for transports that it does not know.
"""

import fcntl
import socket
import struct
import termios
from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.internet import tcp, unix
from twisted.internet.error import ConnectionAborted
from twisted.logger import LogEvent, Logger
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure

from twisted_msg.addresses import ip_of

KEEPALIVE_IDLE: Final = 60
"""Seconds of silence before the kernel asks whether the peer is still there."""

KEEPALIVE_INTERVAL: Final = 15
"""Seconds between such questions."""

KEEPALIVE_COUNT: Final = 4
"""Questions without an answer until the connection is lost: about two minutes in all."""

READ_SIZE: Final = 62 * 1024
"""Bytes that are read from a connection at once.  Twisted's 64 KiB and the frame that was
begun before make a batch a little larger than a piece of a room's log, so that every member
is sent a piece and a bit: a third more work for a flood of 1 KiB messages."""

_DIRECT: Final = frozenset({tcp.Server, tcp.Client, unix.Server, unix.Client})
"""The transports that write straight to a socket."""


def unsent(transport: Any) -> int:
    """Return how many of the bytes written to a transport its peer has not taken yet.

    Counts what Twisted holds and what the kernel holds, so that a slow reader is told from
    one that has stopped.  An unknown transport counts as having taken everything.
    """
    told = getattr(transport, "unsent", None)
    if told is not None:
        return int(told())  # one of our own, which knows
    transport = getattr(transport, "carrier", transport)
    held = 0
    try:
        held = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
    except (AttributeError, TypeError):
        pass  # not one of Twisted's own socket transports
    try:
        answer = fcntl.ioctl(transport.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    except (AttributeError, OSError, TypeError, ValueError):
        return held  # no socket under it, or no such question on this system
    return held + int(struct.unpack("i", answer)[0])


def keep_alive(transport: Any) -> None:
    """Have the kernel find peers that vanished, and send small frames without delay.

    Twisted sets the keep-alive flag alone, whose first question comes after two hours.
    """
    try:
        transport.setTcpNoDelay(True)
        transport.setTcpKeepAlive(True)
        handle = transport.getHandle()
        for option, value in (
            ("TCP_KEEPIDLE", KEEPALIVE_IDLE),
            ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL),
            ("TCP_KEEPCNT", KEEPALIVE_COUNT),
        ):
            if hasattr(socket, option):
                handle.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    except (AttributeError, OSError):
        pass  # a Unix socket, a test's transport, or a peer that is gone already


def read_by_the_piece(transport: Any) -> None:
    """Read at once what makes one piece of a room's log."""
    try:
        transport.bufferSize = READ_SIZE
    except AttributeError:
        pass  # it reads as it likes


def is_loopback(address: Any) -> bool:
    """Return whether an address is one that only this machine has (Unix sockets included)."""
    host = getattr(address, "host", None)
    if host is None:
        return True
    address = ip_of(host)
    return address is not None and address.is_loopback


def relayed(transport: Any) -> bool:
    """Return whether a proxy tells the peer's address, in front of its first bytes."""
    transport = getattr(transport, "carrier", transport)
    return any(is_haproxy(kind) for kind in type(transport).__mro__)


def is_haproxy(kind: type) -> bool:
    """Return whether a class is of Twisted's package for PROXY headers."""
    return kind.__module__.startswith("twisted.protocols.haproxy")


def hand_over(transport: Any, old: Any, new: Any) -> bool:
    """Have what a transport receives go to another protocol; return whether it can be.

    A transport within another (TLS, haproxy:) keeps its protocol under a name of its own.
    """
    for name in ("protocol", "wrappedProtocol"):
        if getattr(transport, name, None) is old:
            setattr(transport, name, new)
            return True
    return False


def observe_accepting(port: Any, failed: Callable[[str], None]) -> None:
    """Have `failed` called when a port cannot accept, with the system's word for why.

    It takes the place of Twisted's own lines, of which there is one for each attempt.
    """

    def observe(event: LogEvent) -> None:
        if "acceptError" in event:
            failed(str(event["acceptError"]))
        elif str(event.get("log_format")).startswith("EMFILE encountered"):
            failed("EMFILE")

    if isinstance(port, tcp.Port):
        port._logger = Logger(namespace="tcpmsg", observer=observe)  # type: ignore[arg-type]


def bound_accepting(port: Any, limit: int, backlog: int) -> None:
    """Have a port accept at most `limit` connections in one turn, others wait in the kernel.

    Twisted raises its own bound by 20 in each turn that reaches it.  `backlog` is how many may
    wait; behind those a client waits a second or more before it asks again.
    """
    if isinstance(port, tcp.Port):
        accept = port.doRead

        def accept_some() -> None:
            port.numberAccepts = min(port.numberAccepts, limit)
            accept()

        port.doRead = accept_some  # type: ignore[method-assign]
        if getattr(port, "socket", None) is not None:
            port.socket.listen(max(port.backlog, backlog))


def free_tls_errors(port: Any) -> None:
    """Have a port's TLS transports drop the traceback of what ended them.

    Twisted keeps such an error in a variable of the function that caught it.  The frame and the
    error hold each other, and with them the transport and OpenSSL's side of the connection.
    """
    factory: Any = getattr(port, "factory", None)
    if type(factory).__module__ != "twisted.protocols.tls":
        return  # whose import needs OpenSSL

    class Transport(factory.protocol):  # type: ignore[misc]
        def _tlsShutdownFinished(self, reason: Failure | None) -> None:
            if reason is not None:
                reason.cleanFailure()
            super()._tlsShutdownFinished(reason)

    factory.protocol = Transport


def drop_unsent(transport: Any) -> None:
    """Drop what a transport whose connection is lost has not sent; Twisted keeps it."""
    transport = getattr(transport, "carrier", transport)
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    if type(transport) in _DIRECT:
        transport.dataBuffer, transport._tempDataBuffer = b"", []
        transport.offset = transport._tempDataLen = 0


def drop(transport: Any) -> None:
    """Close a connection that was just made, in this turn if possible.

    `abortConnection` closes in the next turn, and one turn accepts many.
    """
    if type(transport) in _DIRECT:
        transport.connectionLost(Failure(ConnectionAborted()))
    else:
        transport.abortConnection()


class Sender(Protocol):
    """What an outlet sends with."""

    def send(self, data: bytes, start: int = 0) -> int:
        """Send what stands in `data` from `start` on; see `Way.send`."""
        ...


def way(transport: Any) -> Sender:
    """Return the shortest way onto a transport: its own, or else a `Way`."""
    own: Sender | None = getattr(transport, "way", None)
    return Way(transport) if own is None else own


class Way:
    """Sends on one transport, by the shortest way there is.

    Bytes go to the kernel at once if nothing waits before them (Twisted's own `write` sends
    in the next turn), and what the kernel does not take is left to the caller, who holds it
    anyway: so a peer that does not read costs no copy.  Through transports that are not plain
    sockets `write` takes everything.
    """

    __slots__ = ("_socket", "_transport")

    def __init__(self, transport: Any) -> None:
        """Take a connected transport."""
        self._transport = transport
        self._socket = getattr(transport, "socket", None) if type(transport) in _DIRECT else None

    def send(self, data: bytes, start: int = 0, head: bytes = b"") -> int:
        """Send `head` and what stands in `data` from `start` on.

        Returns how many bytes are not ours now, `head` counted.  If those are not all, the
        registered producer's `resumeProducing` is called when more can be sent.
        """
        transport = self._transport
        try:
            if (
                self._socket is not None
                and transport.connected
                and transport.streamingProducer
                and not (
                    transport.dataBuffer
                    or transport._tempDataBuffer
                    or transport.disconnecting
                    or transport._writeDisconnecting
                    or transport._writeDisconnected
                    or transport.TLS
                )
            ):
                rest = memoryview(data)[start:] if start else data
                try:
                    sent: int = (
                        self._socket.sendmsg((head, rest)) if head else self._socket.send(rest)
                    )
                except BlockingIOError:
                    sent = 0
                if sent + start < len(data) + len(head):
                    transport.producerPaused = True  # as `write` does when it holds too much
                    transport.startWriting()
                return sent
        except (AttributeError, OSError):
            pass  # not as expected, or lost: `write` finds out
        if start or head:
            data = head + data[start:]
        transport.write(data)
        return len(data)

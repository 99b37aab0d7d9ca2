"""What Twisted's transports do not tell by themselves.

Law of this file: every look inside a transport or a socket stands here, is guarded,
and has an answer for transports that it does not know.
"""

import fcntl
import ipaddress
import socket
import struct
import termios
from typing import Any, Final

KEEPALIVE_IDLE: Final = 60
"""Seconds of silence before the kernel asks whether the peer is still there."""

KEEPALIVE_INTERVAL: Final = 15
"""Seconds between such questions."""

KEEPALIVE_COUNT: Final = 4
"""Questions without an answer until the connection is lost: about two minutes in all."""


def unsent(transport: Any) -> int:
    """Return how many of the bytes written to a transport its peer has not taken yet.

    Counts what Twisted holds and what the kernel holds, so that a slow reader is told from
    one that has stopped.  An unknown transport counts as having taken everything.
    """
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


def is_loopback(address: Any) -> bool:
    """Return whether only this machine reaches a listening address (Unix sockets included)."""
    host = getattr(address, "host", None)
    if host is None:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

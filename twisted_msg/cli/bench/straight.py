"""Reads a connection's bytes straight from its socket, into a place that is used again.

Law of this file: every look at a socket that is a transport's stands here; where it cannot be
read in this way, the transport goes on as it always does.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final

from twisted.internet import tcp, unix
from twisted.internet.abstract import FileDescriptor
from twisted.python.failure import Failure

READ: Final = 512 * 1024
"""Bytes that are read at once: a few pieces of a server's, where they have come."""

_BUFFER: Final = bytearray(READ)  # one for all: what was read is looked at before the next read
_VIEW: Final = memoryview(_BUFFER)
_SOCKETS: Final = frozenset({tcp.Client, unix.Client})
"""The transports that read straight from a socket."""


def straight(reactor: Any, transport: Any, take: Callable[[memoryview], None]) -> Straight | None:
    """Read a transport's bytes in its place, or return None for one that is more than a socket.

    `take` is called with what came, which it must not keep.
    """
    if type(transport) not in _SOCKETS or transport.TLS:
        return None
    return Straight(reactor, transport, take)


class Straight(FileDescriptor):
    """Reads in a transport's place until the stream's end, which is the transport's again."""

    def __init__(self, reactor: Any, transport: Any, take: Callable[[memoryview], None]) -> None:
        """Take the transport, which reads nothing meanwhile, and whom to hand the bytes."""
        super().__init__(reactor)
        self.connected = 1
        self._transport = transport
        self._take = take
        self._socket: socket.socket = transport.getHandle().dup()
        self._socket.setblocking(False)
        transport.pauseProducing()
        self.startReading()

    def fileno(self) -> int:
        """Return the descriptor, which is another one of the same socket."""
        return self._socket.fileno()

    def doRead(self) -> None:
        """Read what is there."""
        try:
            count = self._socket.recv_into(_BUFFER)
        except BlockingIOError:
            return
        except OSError:
            count = 0
        if count:
            self._take(_VIEW[:count])
        else:
            self.give_back()

    def give_back(self) -> None:
        """Read no more: the transport does."""
        if self.connected:
            self.connected = 0
            self.stopReading()
            self._socket.close()
            self._transport.resumeProducing()

    def connectionLost(self, reason: Failure) -> None:
        """The system says that it is over: the transport finds out how."""
        self.give_back()

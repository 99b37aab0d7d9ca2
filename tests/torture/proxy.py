"""A way to the server that breaks: connections end at random bytes, cleanly or by a reset.

Law of this file: it changes no byte.  How long each connection lasts is drawn from the seed
and the connection's number; what it is cut in the middle of depends on the programs.
"""

from __future__ import annotations

import ctypes
import random
import socket
import struct
import threading
from contextlib import suppress

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: closing sends a reset, and what was not sent is thrown away."""


class Proxy:
    """Listens on `port`, and carries what comes to the server's port and back."""

    def __init__(self, target: int, seed: int, mean: int) -> None:
        """Take the server's port, and after how many bytes connections end, on the mean."""
        self.cuts = self.resets = 0
        self._target = target
        self._seed = seed
        self._mean = mean
        self._mending = False
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def mend(self) -> None:
        """Cut no more connections."""
        self._mending = True

    def close(self) -> None:
        """Take no more connections, and end those that are there."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        number = 0
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                number += 1
                threading.Thread(target=self._carry, args=(client, number), daemon=True).start()

    def _carry(self, client: socket.socket, number: int) -> None:
        """Carry one connection until its time has come, in both directions."""
        chance = random.Random(f"{self._seed} {number}")
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            client.close()
            return
        with self._lock:
            self._open |= {client, server}
        # Each way has a number of bytes of its own, so that the other may still be carried.
        left = [int(chance.expovariate(1 / self._mean)) + 1 for _ in range(2)]
        reset = chance.random() < 0.5
        ways = [
            threading.Thread(target=self._way, args=(*ends, left[way], reset), daemon=True)
            for way, ends in enumerate([(client, server), (server, client)])
        ]
        for way in ways:
            way.start()
        for way in ways:
            way.join()
        with self._lock:
            self._open -= {client, server}
        client.close()
        server.close()

    def _way(self, source: socket.socket, sink: socket.socket, left: int, reset: bool) -> None:
        """Carry so many bytes of one direction, then end both."""
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if len(data) >= left and not self._mending:
                    sink.sendall(data[:left])
                    self._cut(source, sink, reset)
                    return
                left -= len(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
            return
        for each in (source, sink):  # one side is gone: let the other know
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _cut(self, source: socket.socket, sink: socket.socket, reset: bool) -> None:
        """End both connections, with a reset or with an end of the stream."""
        with self._lock:
            self.cuts += 1
            self.resets += reset
        for each in (source, sink):
            with suppress(OSError):
                if reset:
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    # While another thread reads from it, `close` would not end it, but this does.
                    each.shutdown(socket.SHUT_RD)
                    _disconnect(each)
                else:
                    each.shutdown(socket.SHUT_RDWR)


def _disconnect(connection: socket.socket) -> None:
    """Reset a connection at once: connect(2) to nowhere does, whoever else holds the socket."""
    libc = ctypes.CDLL(None, use_errno=True)
    nowhere = struct.pack("H14x", socket.AF_UNSPEC)
    libc.connect(connection.fileno(), nowhere, len(nowhere))

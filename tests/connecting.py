"""Connections by hand, for tests.

Law of this file: what is sent is on its way at once.  Nagle's algorithm would keep a small piece
back until the piece before it is acknowledged, which a kernel may put off for 40 ms: what one
connection sends first could then arrive after what another one sends next.
"""

from __future__ import annotations

import socket


def connected(address: tuple[str, int], patience: float) -> socket.socket:
    """Return a connection whose reads fail after so many seconds."""
    connection = socket.create_connection(address, patience)
    at_once(connection)
    return connection


def at_once(connection: socket.socket) -> None:
    """Have what is sent on a TCP connection leave at once."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

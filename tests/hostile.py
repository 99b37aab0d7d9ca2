"""Hostile streams at a real server, many at the same time: what sends them, and what they cost.

Law of this file: every stream ends with a half-close, and its connection has to be ended; what
the answer should be is for whoever made the stream.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

AT_ONCE: Final = 50
"""Connections at the same time."""

WARM: Final = 1000
"""Streams until a server is warm: what it grows by afterwards counts."""


class Attack:
    """One hostile connection: sends its stream, closes its side, reads to the end."""

    def __init__(self, port: int, number: int, stream: bytes) -> None:
        """Connect, as the attack of this number."""
        self.stream = stream
        self.heard = b""
        self.socket = socket.socket()
        # many addresses, so that their ports last; all are this machine's own
        self.socket.bind((f"127.0.{number % 50}.{1 + number // 50 % 200}", 0))
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        with suppress(OSError):  # the server may have answered and closed already
            self.socket.sendall(stream)
            self.socket.shutdown(socket.SHUT_WR)

    def read(self) -> bool:
        """Read what is there; return whether that was the end."""
        data = self.socket.recv(1 << 16)
        self.heard += data
        return not data

    def judge(self) -> bool:
        """Check the answer, and return whether there was one.  Raises `AssertionError`."""
        raise NotImplementedError


def run(attacks: Iterator[Attack], resident: Callable[[], int], patience: float) -> tuple[int, int]:
    """Make all attacks, which connect as they are taken from the iterator.

    `resident` returns the server's memory in bytes, `patience` is how many seconds it may do
    nothing.  Returns how many were answered, and by how many bytes the server grew once it was
    warm.  Raises `AssertionError` for one that is not ended, or answered wrongly.
    """
    before = done = answers = 0
    with selectors.DefaultSelector() as selector:
        while True:
            while len(selector.get_map()) < AT_ONCE and (attack := next(attacks, None)) is not None:
                selector.register(attack.socket, selectors.EVENT_READ, attack)
            if not selector.get_map():
                return answers, resident() - before
            ready = selector.select(patience)
            assert ready, [key.data.stream for key in selector.get_map().values()]
            for key, _ in ready:
                attack = key.data
                if attack.read():
                    selector.unregister(attack.socket)
                    attack.socket.close()
                    answers += attack.judge()
                    done += 1
            if done >= WARM and not before:
                before = resident()

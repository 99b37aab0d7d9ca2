"""The generator's sockets: connecting, dialogues, and publishers with their bytes made before.

Law of this file: one thread, nothing blocks, every loop ends by a count or by a deadline.
"""

from __future__ import annotations

import select
import socket
import struct
from collections import deque
from collections.abc import Iterable, Iterator
from time import perf_counter as clock
from typing import Final

from bench.counting import Wrong
from bench.peer import Step

LATE_PORT: Final = 24
"""Linux's IP_BIND_ADDRESS_NO_PORT, which Python 3.11 does not name: the port is chosen when
the connection is made, so that each source address has all of them."""

READ: Final = 1 << 18
"""Bytes that are sent or read at once at the most."""

KEPT: Final = 4 << 20
"""Bytes of a sampled member's stream that are kept to be checked."""

AT_ONCE: Final = 32
"""Connections whose dialogue is under way at the same time."""

IN, OUT, ONCE = select.EPOLLIN, select.EPOLLOUT, select.EPOLLONESHOT
GONE: Final = select.EPOLLERR | select.EPOLLHUP

BUFFER: Final = bytearray(READ)
"""Where everything is read to."""

VIEW: Final = memoryview(BUFFER)


class Connection:
    """A connection; `got` is how many bytes came since its dialogue, `kept` some of them."""

    def __init__(self, port: int, source: str = "", receive: int = 0, send: int = 0) -> None:
        """Begin to connect, from the address `source` if it matters.

        `receive` and `send` are the sizes of the kernel's buffers in bytes, 0 for its own.
        """
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        if send:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send)
        if source:
            self.socket.setsockopt(socket.IPPROTO_IP, LATE_PORT, 1)
            self.socket.bind((source, 0))
        self.socket.connect_ex(("127.0.0.1", port))
        self.fd = self.socket.fileno()
        self.got = 0
        self.kept: bytearray | None = None

    def close(self) -> None:
        """Close with a reset, so that no port is left waiting."""
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        self.socket.close()


class _Talk:
    """A dialogue under way."""

    def __init__(self, connection: Connection, steps: Iterable[Step]) -> None:
        self.connection = connection
        self.steps = deque(steps)
        self.heard = b""
        self.asked = False

    def go_on(self) -> None:
        """Send what may be sent, and pass over what was answered."""
        while self.steps:
            send, awaited = self.steps[0]
            if not self.asked:
                if send and self.connection.socket.send(send) != len(send):
                    raise Wrong("the server takes no more of a dialogue")
                self.asked = True
            if awaited:
                at = self.heard.find(awaited)
                if at < 0:
                    return
                self.heard = self.heard[at + len(awaited) :]
            self.steps.popleft()
            self.asked = False

    def read(self) -> None:
        """Take in what came."""
        try:
            data = self.connection.socket.recv(READ)
        except BlockingIOError:
            return
        if not data:
            raise Wrong(f"the server closed in the dialogue, after {self.heard[-200:]!r}")
        self.heard += data


def converse(
    talks: Iterable[tuple[Connection, list[Step]]], patience: float = 120.0
) -> list[Connection]:
    """Have connections made and their dialogues held; return them in the order of ending.

    `talks` is drawn from as others end.  Raises `Wrong` when that takes longer than
    `patience` seconds; all are closed then.
    """
    poll = select.epoll()
    live: dict[int, _Talk] = {}
    ended: list[Connection] = []
    waiting, over = iter(talks), clock() + patience
    more = True
    try:
        while more or live:
            while more and len(live) < AT_ONCE:
                found = next(waiting, None)
                if found is None:
                    more = False
                    break
                talk = _Talk(*found)
                live[talk.connection.fd] = talk
                poll.register(talk.connection.fd, IN | OUT)
            if clock() > over:
                heard = [talk.heard[-80:] for talk in live.values()][:1]
                raise Wrong(f"{len(live)} dialogues did not end, {len(ended)} did; heard {heard}")
            for fd, event in poll.poll(0.2):
                talk = live[fd]
                if event & (IN | GONE):
                    talk.read()
                talk.go_on()
                if talk.steps:
                    poll.modify(fd, IN)
                else:
                    poll.unregister(fd)
                    ended.append(live.pop(fd).connection)
    except BaseException:
        for connection in [*ended, *(talk.connection for talk in live.values())]:
            connection.close()
        raise
    finally:
        poll.close()
    return ended


class Publisher:
    """Sends messages of one length, made before or in blocks as they are needed."""

    def __init__(self, connection: Connection, length: int, blocks: Iterator[bytes]) -> None:
        """Take a length in bytes, and blocks of whole messages without end."""
        self.connection = connection
        self.length = length
        self.stuck = True
        """Whether the kernel has said that it takes no more for now."""
        self._blocks = blocks
        self._block = memoryview(b"")
        self._at = 0
        self._bytes = 0

    @property
    def sent(self) -> int:
        """How many messages were sent whole."""
        return self._bytes // self.length

    def send(self, count: int) -> bool:
        """Send so many messages; False if the kernel takes no more for now."""
        return self._send(count * self.length)

    def finish(self, over: float) -> None:
        """Send the rest of a message that is cut; raises `Wrong` at the time `over`."""
        while self._bytes % self.length:
            self._send(self.length - self._bytes % self.length)
            if clock() > over:
                raise Wrong("the server reads no more")

    def _send(self, wanted: int) -> bool:
        while wanted > 0:
            if self._at == len(self._block):
                self._block, self._at = memoryview(next(self._blocks)), 0
            part = self._block[self._at : self._at + min(wanted, READ)]
            try:
                sent = self.connection.socket.send(part)
            except BlockingIOError:
                return False
            self._at += sent
            self._bytes += sent
            wanted -= sent
            if sent < len(part):
                return False
        return True

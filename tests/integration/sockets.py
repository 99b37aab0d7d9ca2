"""A peer of the original protocol for tests: a blocking socket and a header of fixed width."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from tests.connecting import at_once
from tests.integration.conftest import PATIENCE, ServerProcess


class Peer:
    """One connection.  Reads fail, rather than hang, when nothing comes."""

    def __init__(
        self, where: ServerProcess | Path | tuple[str, int], width: int = 128, window: int = 0
    ) -> None:
        """Connect; `window` bounds the bytes that are taken unread."""
        if isinstance(where, Path):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(PATIENCE)
            self.socket.connect(str(where))
        else:
            host, port = where if isinstance(where, tuple) else ("127.0.0.1", where.port)
            self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
            self.socket.settimeout(PATIENCE)
            if window:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
            self.socket.connect((host, port))
            at_once(self.socket)
        self.width = width
        self._buffer = b""

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send raw bytes."""
        self.socket.sendall(data)

    def frame(self, payload: bytes) -> bytes:
        return str(len(payload)).encode().ljust(self.width) + payload

    def say(self, *payloads: bytes) -> None:
        """Send messages."""
        self.send(b"".join(self.frame(payload) for payload in payloads))

    def _fill(self, count: int) -> None:
        """Have so many bytes in the buffer."""
        while len(self._buffer) < count:
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError(self._buffer)
            self._buffer += data

    def read(self, count: int) -> bytes:
        """Read so many bytes; raises `EOFError` if the stream ends before."""
        self._fill(count)
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def hear(self) -> bytes:
        """Return the next message; what has come of it stays where the rest does not in time."""
        self._fill(self.width)
        self._fill(self.width + int(self._buffer[: self.width]))
        return self.read(int(self.read(self.width)))

    def join_with(self, other: Peer) -> None:
        """Return when both are members of the room: each has heard the other."""
        for one, two in ((self, other), (other, self)):
            one.say(b"")
            two.say(b"")
            two.socket.settimeout(0.05)  # how often to try again
            heard = b""
            while heard != b"join":
                one.say(b"join")
                with suppress(TimeoutError):
                    heard = two.hear()
            two.socket.settimeout(PATIENCE)
        # what was said to find each other may still be on its way: take it all in
        for one, two in ((self, other), (other, self)):
            one.say(b"joined")
            while two.hear() != b"joined":
                pass

    def at_end(self) -> bool:
        """Wait for the end of the stream; return whether nothing came before it."""
        return self._buffer == b"" and self.socket.recv(1) == b""

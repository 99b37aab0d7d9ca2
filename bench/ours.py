"""This server, as it is measured: memory rooms, plain frames, stored rooms.

Law of this file: it writes frames by itself; a generator that used the product's own encoder
would not see what that does wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from bench.counting import HEADER, Acks, Counter, Delivery
from bench.peer import Peer, Step


def frame(words: str, payload: bytes = b"") -> bytes:
    """Return one typed frame."""
    return (b"%d %s" % (len(payload), words.encode())).ljust(HEADER) + payload


class Tcpmsg(Peer):
    """This server, typed frames, a memory room."""

    name = "tcpmsg"
    shown = "tcpmsg"
    note = "typed frames without ids, a memory room"
    program = "twistd"
    room = "mem.bench"
    barrier: Step | None = Step(frame("PING end"), frame("PONG end"))

    def command(self, port: int, folder: Path) -> list[str]:
        """See `Peer`."""
        return [
            self.found() or "", "-n", "--pidfile=", f"--logfile={folder / 'log'}", "tcpmsg",
            "--listen", f"tcp:{port}:interface=127.0.0.1",
            "--data-dir", str(folder / "store"), "--memory-room", "mem.*",
        ]  # fmt: skip

    def joining(self) -> list[Step]:
        """See `Peer`."""
        return [Step(frame(f"SUB {self.room}"), f"LIVE {self.room}".encode())]

    def publication(self, payload: bytes) -> bytes:
        """See `Peer`."""
        return frame(f"PUB {self.room}", payload)

    def delivery(self, size: int) -> Delivery:
        """See `Peer`."""
        return Delivery(HEADER + size, HEADER)


class TcpmsgPlain(Tcpmsg):
    """This server, spoken to as the original scripts do."""

    name = "tcpmsg-plain"
    shown = "tcpmsg, plain frames"
    note = "the original protocol, a memory room"
    kinds: ClassVar[frozenset[str]] = frozenset({"memory", "plain"})
    barrier = None

    def command(self, port: int, folder: Path) -> list[str]:
        """See `Peer`."""
        return [*super().command(port, folder), "--room", self.room]

    def joining(self) -> list[Step]:
        """Nothing is answered to an empty frame, so who joins cannot wait to be told."""
        return [Step(b"%-128d" % 0)]

    def publication(self, payload: bytes) -> bytes:
        """See `Peer`."""
        return b"%-128d" % len(payload) + payload


class TcpmsgDurable(Tcpmsg):
    """This server with a stored room."""

    name = "tcpmsg-durable"
    shown = "tcpmsg, stored"
    note = "a stored room: fsync before the acknowledgement and before delivery"
    kinds: ClassVar[frozenset[str]] = frozenset({"durable"})
    room = "bench"

    def acknowledged(self, size: int) -> tuple[Iterator[bytes], Counter, int]:
        """See `Peer`."""
        return self._numbered(size), Acks(), HEADER + size

    def _numbered(self, size: int, block: int = 2048) -> Iterator[bytes]:
        """Ids rise, so no two blocks are alike."""
        body, number = b"x" * size, 1
        while True:
            yield b"".join(
                [frame(f"PUB {self.room} {each}", body) for each in range(number, number + block)]
            )
            number += block

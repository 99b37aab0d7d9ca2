"""The hot paths of a checkout, each as a loop without sockets, timed on demand.

    PYTHONPATH=CHECKOUT python -P bench/paths.py      reads names, answers nanoseconds

Law of this file: it runs with the modules of any revision, so it imports nothing of `bench`,
reaches for the product only inside a path, and what a revision does not have is answered
with the reason.  Time is CPU time of this process: what others do beside it hardly counts.
"""

from __future__ import annotations

import gc
import itertools
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from time import process_time_ns
from typing import Any, Final

SAMPLE: Final = 40_000_000
"""Nanoseconds of one sample at least."""

BATCH: Final = 256
"""Messages of one read."""

Path = tuple[Callable[[], object], int]
"""A call, and how many messages it does."""


def _frame(words: str, payload: bytes) -> bytes:
    return f"{len(payload)} {words}".strip().encode().ljust(128) + payload


def _decoding(data: bytes) -> Path:
    from twisted_msg.wire import FrameDecoder

    decoder = FrameDecoder()
    feed = getattr(decoder, "decode", None) or decoder.feed  # before there were runs

    def call() -> None:
        for _ in feed(data):
            pass

    if sum(len(getattr(each, "payloads", " ")) for each in feed(data)) != BATCH:
        raise RuntimeError("not every frame is taken apart")
    return call, BATCH


def decode_alike() -> Path:
    """Take apart what a flood without ids looks like."""
    return _decoding(_frame("PUB room", b"x" * 16) * BATCH)


def decode_unlike() -> Path:
    """Take apart frames whose headers all differ."""
    ids = range(10**6, 10**6 + BATCH)
    return _decoding(b"".join(_frame(f"PUB room {each}", b"x" * 16) for each in ids))


def decode_plain() -> Path:
    """Take apart plain frames of two lengths in turn."""
    return _decoding((_frame("", b"x" * 16) + _frame("", b"y" * 17)) * (BATCH // 2))


def _piece() -> Any:
    from twisted_msg.log.piece import Author, Piece

    millis = 1_700_000_000_000
    return Piece("room", 9_000, millis, [Author(1, b"guest-1")] * BATCH, [b"x" * 16] * BATCH)


def encode_typed() -> Path:
    """Make what members of a room are sent, once for all of them."""
    from twisted_msg.log.views import TypedView

    view, piece = TypedView(), _piece()
    if len(b"".join(view.encode(piece))) != BATCH * 144:
        raise RuntimeError("members are not sent every message")
    return lambda: view.encode(piece), BATCH


class _Sink:
    """A transport that takes everything and keeps nothing."""

    def __init__(self) -> None:
        self.taken = 0

    def write(self, data: bytes) -> None:
        self.taken += len(data)

    def getPeer(self) -> object:
        from twisted.internet.address import IPv4Address

        return IPv4Address("TCP", "127.0.0.1", 1)

    def __getattr__(self, name: str) -> Callable[..., None]:
        if not name.endswith(("Producer", "Producing", "Connection", "Delay", "KeepAlive")):
            raise AttributeError(name)
        return lambda *unused: None


class _Inline:
    """A worker that does a job when the turn is over, in this thread."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock

    def run(self, job: Callable[[], Any], done: Callable[..., Any], failed: object) -> None:
        self.clock.callLater(0, lambda: done(job()))


class _World:
    """A server in memory."""

    def __init__(self, folder: str = "") -> None:
        from twisted.internet.task import Clock

        from twisted_msg.service import Storage, make_server
        from twisted_msg.settings import load

        self.clock = Clock()
        settings = load({}, {"HOME": "/nonexistent", "XDG_CONFIG_DIRS": "/nonexistent"})
        storage = None
        if folder:
            from twisted_msg.log.sqlite import SqliteStore

            store = SqliteStore(folder)
            store.open()
            storage = Storage(store, _Inline(self.clock))
        self.server = make_server(settings, self.clock, storage)
        self.server.start()

    def connect(self, data: bytes = b"") -> Any:
        protocol: Any = self.server.buildProtocol(None)
        protocol.sink = sink = _Sink()
        protocol.makeConnection(sink)
        if data:
            protocol.dataReceived(data)
            self.turn()
        return protocol

    def turn(self) -> None:
        for _ in range(3):
            self.clock.advance(0)


def _publishing(members: int, join: bytes) -> Path:
    world = _World()
    listening = [world.connect(join) for _ in range(members)]
    data = _frame("PUB lobby", b"x" * 16) * BATCH
    talking = world.connect()

    def call() -> None:
        talking.dataReceived(data)
        world.turn()

    call()
    for each in listening:
        before = each.sink.taken
        call()
        if each.sink.taken < before + BATCH * 144:
            raise RuntimeError("a member is not sent what was said")
        break
    return call, BATCH


def publish() -> Path:
    """Take a batch into a memory room that nobody listens to."""
    return _publishing(0, b"")


def fan_out() -> Path:
    """Take a batch in and hand it to a hundred members' transports."""
    return _publishing(100, _frame("SUB lobby", b""))


def fan_out_plain() -> Path:
    """The same to plain members."""
    return _publishing(100, _frame("", b""))


def _acknowledging(folder: str) -> Path:
    world = _World(folder)

    def blocks() -> Iterator[tuple[Any, bytes]]:
        made = [
            b"".join(_frame(f"PUB lobby {first + each}", b"x" * 16) for each in range(BATCH))
            for first in range(1, 200 * BATCH, BATCH)
        ]
        while True:
            talking = world.connect()
            yield from ((talking, block) for block in made)
            talking.connectionLost(_gone())

    block = blocks()

    def call() -> None:
        talking, data = next(block)
        before = talking.sink.taken
        talking.dataReceived(data)
        world.turn()
        if talking.sink.taken == before:
            raise RuntimeError("nothing was acknowledged")

    return call, BATCH


def acknowledge() -> Path:
    """Acknowledge a batch in a memory room."""
    return _acknowledging("")


def acknowledge_stored() -> Path:
    """Acknowledge a batch in a stored room: decode, append, commit, answer."""
    return _acknowledging(tempfile.mkdtemp(prefix="bench-paths-", dir=FOLDER.name))


def commit() -> Path:
    """Commit a batch to SQLite."""
    from twisted_msg.log.piece import Author, Piece
    from twisted_msg.log.sqlite import SqliteStore

    store = SqliteStore(tempfile.mkdtemp(prefix="bench-paths-", dir=FOLDER.name))
    store.open()
    authors, payloads = [Author(1, b"guest-1")] * BATCH, [b"x" * 16] * BATCH
    numbers = itertools.count(1, BATCH)

    def call() -> None:
        first = next(numbers)
        piece = Piece("room", first, 1_700_000_000_000, authors, payloads)
        last = first + BATCH - 1
        store.commit([piece], [(b"k" * 32, last, last)])

    return call, BATCH


def _gone() -> Any:
    from twisted.internet.error import ConnectionDone
    from twisted.python.failure import Failure

    return Failure(ConnectionDone())


PATHS: Final[dict[str, Callable[[], Path]]] = {
    "decode alike": decode_alike,
    "decode unlike": decode_unlike,
    "decode plain": decode_plain,
    "encode typed": encode_typed,
    "publish, nobody listens": publish,
    "fan-out to 100": fan_out,
    "fan-out to 100 plain": fan_out_plain,
    "acknowledge, memory": acknowledge,
    "acknowledge, stored": acknowledge_stored,
    "commit 256": commit,
}

FOLDER: Any = None
"""Where stores are made: in memory if that can be had, for a disk's moods are not the path's."""


def sample(call: Callable[[], object], messages: int) -> float:
    """Return nanoseconds of CPU time for each message."""
    gc.collect()  # lest one path pays for what another has left
    times = 0
    begun = process_time_ns()
    while (spent := process_time_ns() - begun) < SAMPLE:
        call()
        times += 1
    return spent / (times * messages)


def main() -> None:
    """Answer each name with nanoseconds, or `-` and why there are none."""
    global FOLDER
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    FOLDER = tempfile.TemporaryDirectory(prefix="bench-paths-", dir=memory)
    ready: dict[str, Path | str] = {}
    with FOLDER:
        for line in sys.stdin:
            name = line.strip()
            try:
                if name not in ready:
                    ready[name] = PATHS[name]()
                path = ready[name]
                answer = path if isinstance(path, str) else f"{sample(*path):.3f}"
            except Exception as error:  # whatever another revision says
                answer = ready[name] = f"- {type(error).__name__}: {error}".replace("\n", " ")
            print(answer, flush=True)


if __name__ == "__main__":
    main()

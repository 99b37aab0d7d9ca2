"""What is made larger and larger, and what is measured at each size.

Law of this file: everything but that one thing stays the same, and each point has a server
of its own.  What a message costs is CPU time of the server's process, in microseconds; that
is what should not grow.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench import history
from bench.counting import HEADER, Tokens, Wrong, median
from bench.figures import Row
from bench.ours import Tcpmsg, TcpmsgDurable, frame
from bench.servers import Cores, ServerProcess
from bench.sockets import BUFFER, VIEW, Connection, converse
from bench.workloads import MANY_SOURCES, Terms, durable, flood, member, round_trips

WINDOW = 128
"""Messages of a publisher on their way: the same at every size, for a server that is given
more at once does less for each; ten thousand members hold 180 MB of them in the kernel."""


class Sweep(NamedTuple):
    """A thing that grows: the sizes tried, the figures taken, and those that are drawn."""

    title: str
    axis: str
    columns: dict[str, str]
    drawn: tuple[str, ...]
    sizes: tuple[int, ...]
    measure: Callable[[int, Cores, Terms], Row]


def members(count: int, cores: Cores, terms: Terms) -> Row:
    """One publisher, so many members of a memory room."""
    peer = Tcpmsg()
    with ServerProcess(peer, cores) as server:
        return flood(peer, server, terms, size=16, members=count, window=WINDOW)


def publishers(count: int, cores: Cores, terms: Terms) -> Row:
    """So many publishers, one member of a memory room."""
    peer = Tcpmsg()
    with ServerProcess(peer, cores) as server:
        return flood(peer, server, terms, size=16, publishers=count, members=1, window=WINDOW)


def size(count: int, cores: Cores, terms: Terms) -> Row:
    """One publisher, ten members of a memory room, messages of so many bytes."""
    peer = Tcpmsg()
    with ServerProcess(peer, cores) as server:
        window = max(2, min(512, (4 << 20) // (count + HEADER)))
        row = flood(peer, server, terms, size=count, members=10, window=window)
        return row | {"bytes": row["rate"] * (count + HEADER)}


def connections(count: int, cores: Cores, terms: Terms) -> Row:
    """Two who talk, beside so many idle members of another room."""
    peer = Tcpmsg()
    idle = Tcpmsg()
    idle.room = "mem.idle"
    with ServerProcess(peer, cores) as server:
        member(idle, server)[0].close()
        time.sleep(0.3)
        before = server.resident()
        waiting = member(idle, server, count, sources=MANY_SOURCES)
        time.sleep(0.3)
        each = (server.resident() - before) / count
        quiet = server.look()
        time.sleep(terms.seconds)
        resting = (server.look().seconds - quiet.seconds) / terms.seconds
        number = min(terms.round_trips, int(terms.seconds * 5000))
        row = round_trips(peer, server, terms._replace(round_trips=number))
        for connection in waiting:
            connection.close()
        return row | {"each": each, "resting": resting * 100}


def rooms(count: int, cores: Cores, terms: Terms) -> Row:
    """A publisher to one stored room, beside so many others that hold a message each."""
    peer = TcpmsgDurable()
    with ServerProcess(peer, cores) as server:
        _fill(server, 1)  # what a first one loads is not each one's
        before, begun = server.resident(), time.perf_counter()
        _fill(server, count - 1)
        made = time.perf_counter() - begun
        each = (server.resident() - before) / count
        row = durable(peer, server, terms, terms.in_flight)
        return row | ({"each": each, "made": (count - 1) / made} if count > 1 else {})


def _fill(server: ServerProcess, count: int) -> None:
    """Say something in so many rooms, and wait until all of it is stored."""
    if not count:
        return
    (connection,) = converse([(Connection(server.port), [])])
    connection.socket.setblocking(True)
    connection.socket.settimeout(60)
    heard = b""
    for first in range(1, count + 1, 1000):
        last = min(count, first + 999)
        words = [f"PUB room-{number} {number}" for number in range(first, last + 1)]
        connection.socket.sendall(b"".join([frame(each, b"hello") for each in words]))
        awaited = b"0 ACK %d " % last
        while awaited not in heard:
            data = connection.socket.recv(1 << 16)
            if not data or b" ERR " in data:
                raise Wrong(f"rooms cannot be made: {data[:300]!r}")
            heard = (heard + data)[-4 * HEADER :]
    connection.close()


def stored(count: int, cores: Cores, terms: Terms) -> Row:
    """Publish, ask and read in a stored room that holds so many messages."""
    peer = TcpmsgDurable()
    with tempfile.TemporaryDirectory(prefix="bench-stored-") as made:
        folder = Path(made)
        newest = history.make(folder / "store", peer.room, count)
        lately = newest - history.SPAN * 100 // count  # a hundred messages and the rest of a piece
        file = (folder / "store" / "log.sqlite3").stat().st_size
        with ServerProcess(peer, cores, "--retain", "all", folder=folder) as server:
            point = {
                "start": server.started_in * 1000,
                "file": file,
                "last": _asked(server, peer.room, "last=100") * 1000,
                "since": _asked(server, peer.room, f"since={lately}") * 1000,
                "read": _read(server, peer, min(count, 100_000)),
            }
            return point | durable(peer, server, terms, terms.in_flight)


def _asked(server: ServerProcess, room: str, where: str) -> float:
    """Return seconds from a SUB until its LIVE: the median of nine."""
    times = []
    for _ in range(9):
        (connection,) = converse([(Connection(server.port), [])])
        connection.socket.setblocking(True)
        connection.socket.settimeout(60)
        begun = time.perf_counter()
        connection.socket.sendall(frame(f"SUB {room} {where}"))
        live, heard = Tokens(f"LIVE {room}".encode(), (b" ERR ",)), 0
        while not heard:
            data = connection.socket.recv(1 << 18)
            if not data:
                raise Wrong("the server closed who asked")
            heard = live.feed(data)
        times.append(time.perf_counter() - begun)
        connection.close()
    return median(times)


def _read(server: ServerProcess, peer: TcpmsgDurable, count: int) -> float:
    """Return how many messages a second one reader is given from the first one on."""
    (connection,) = converse([(Connection(server.port), [])])
    connection.socket.setblocking(True)
    connection.socket.settimeout(60)
    begun, left = time.perf_counter(), (count * peer.delivery(16).length) + HEADER
    connection.socket.sendall(frame(f"SUB {peer.room} from=1"))
    while left > 0:
        came = connection.socket.recv_into(BUFFER)
        if not came or b" ERR " in bytes(VIEW[:HEADER]):
            raise Wrong("history cannot be read")
        left -= came
    seconds = time.perf_counter() - begun
    connection.close()
    return count / seconds


_COST = "server's CPU, µs each"

SWEEPS: dict[str, Sweep] = {
    "members": Sweep(
        "Members of a room: one publisher, 16 B", "members",
        {"rate": "deliveries/s", "cost": f"a delivery: {_COST}", "resident": "memory, bytes"},
        ("cost",), (1, 10, 100, 1000, 10_000), members,
    ),
    "publishers": Sweep(
        "Publishers: one member, 16 B", "publishers",
        {"rate": "deliveries/s", "cost": f"a message: {_COST}"},
        ("cost",), (1, 10, 100, 1000), publishers,
    ),
    "payload": Sweep(
        "Payload: one publisher, 10 members", "bytes",
        {"rate": "deliveries/s", "bytes": "bytes/s", "cost": f"a delivery: {_COST}"},
        ("cost", "bytes"), (0, 16, 256, 4096, 65_536, 1 << 20), size,
    ),
    "connections": Sweep(
        "Idle connections, members of another room: round trips, 16 B", "connections",
        {"p50": "median round trip, µs", "p99": "p99, µs", "cost": f"a message: {_COST}",
         "each": "bytes of memory each", "resting": "CPU while nothing is said, %"},
        ("p50", "each"), (10, 100, 1000, 10_000), connections,
    ),
    "rooms": Sweep(
        "Stored rooms: one publisher to one of them, 256 B, 256 in flight", "rooms",
        {"rate": "acknowledged/s", "cost": f"a stored message: {_COST}",
         "each": "bytes of memory each", "made": "rooms made a second"},
        ("cost", "each"), (1, 10, 100, 1000, 10_000, 100_000), rooms,
    ),
    "stored": Sweep(
        "Stored messages in a room, 16 B: starting, asking, reading, publishing", "messages",
        {"start": "start, ms", "last": "SUB last=100, ms", "since": "SUB since= (100 messages), ms",
         "read": "from=1, messages/s", "rate": "acknowledged/s",
         "cost": f"publishing one: {_COST}", "resident": "memory, bytes",
         "file": "file, bytes"},
        ("start", "last", "since", "cost"), (10**3, 10**4, 10**5, 10**6), stored,
    ),
}  # fmt: skip


def sizes(sweep: Sweep, largest: int) -> list[int]:
    """Return the sizes to try, none above 10^`largest` unless that is 0.

    Only stored messages go beyond their usual sizes: they take hours, or the disk, before the
    server has a say.
    """
    if not largest:
        return list(sweep.sizes)
    top = max(sweep.sizes)
    more = [10**each for each in range(largest + 1) if 10**each > top]
    known = [each for each in sweep.sizes if each <= 10**largest]
    return known + more if sweep.measure is stored else known

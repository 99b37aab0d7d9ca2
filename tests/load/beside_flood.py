"""A durable publisher beside a flood of 16-byte frames, on as many cores as there are.

    python -m tests.load.beside_flood            5 s alone, then 5 s beside the flood

Starts a server of its own on the loopback interface.  The flood is published without ids
to a memory room that nobody reads; the publisher waits for the acknowledgement of each
message (then: has 256 in flight) in a stored room.  Prints acknowledgements a second and
their latency.  It is the figure by which the store's worker was chosen (docs/decisions/0008).
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import sys
import tempfile
import time
from collections import deque
from multiprocessing.synchronize import Event
from pathlib import Path

from tests.integration.conftest import ServerProcess
from tests.load.slow_member import HEADER, frame

PAYLOAD = b"x" * 256


def _flood(port: int, over: Event) -> None:
    """Publish frames of 16 bytes as fast as they are taken."""
    data = frame("PUB mem.flood", b"x" * 16) * 400
    with socket.create_connection(("127.0.0.1", port)) as server:
        while not over.is_set():
            server.sendall(data)


def measure(port: int, in_flight: int, seconds: float) -> tuple[float, float, float]:
    """Publish with so many in flight; return acks a second, median and 99th percentile in ms."""
    waiting: deque[tuple[int, float]] = deque()
    took: list[float] = []
    number = time.time_ns()
    with socket.create_connection(("127.0.0.1", port)) as server:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begun = time.monotonic()
        data = b""
        while (now := time.monotonic()) - begun < seconds:
            frames = []
            while len(waiting) < in_flight:
                number += 1
                frames.append(frame(f"PUB durable {number}", PAYLOAD))
                waiting.append((number, now))
            server.sendall(b"".join(frames))
            data += server.recv(1 << 16)
            now = time.monotonic()
            while len(data) >= HEADER:
                acked = int(data[:HEADER].split()[2])
                data = data[HEADER:]
                while waiting and waiting[0][0] <= acked:
                    took.append(now - waiting.popleft()[1])
    took.sort()
    return (
        len(took) / seconds,
        took[len(took) // 2] * 1000,
        took[len(took) * 99 // 100] * 1000,
    )


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder), "--memory-room", "mem.*")
        try:
            for beside in (False, True):
                over = multiprocessing.Event()
                flood = multiprocessing.Process(target=_flood, args=(server.port, over))
                if beside:
                    flood.start()
                for in_flight in (1, 256):
                    rate, median, late = measure(server.port, in_flight, arguments.seconds)
                    print(
                        f"{'beside a flood' if beside else 'alone':<15} {in_flight:>3} in flight: "
                        f"{rate:>8.0f} acks/s, p50 {median:.2f} ms, p99 {late:.2f} ms",
                        flush=True,
                    )
                over.set()
                if beside:
                    flood.join()
        finally:
            server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())

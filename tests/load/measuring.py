"""What the load programs measure with: latency seen by a member, and what a process uses."""

from __future__ import annotations

import os
import resource
import threading
import time
from types import TracebackType

from tests.load.slow_member import Reader, frame, percentile


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    with open(f"/proc/{pid}/stat") as source:
        fields = source.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


def allow_descriptors() -> int:
    """Have this process open as many files as it may; return how many."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Probe:
    """Somebody who talks and somebody who listens, from `with` to its end.

    `seconds` is how long each message took from the one to the other.
    """

    def __init__(self, port: int, room: str = "probe", every: float = 0.02) -> None:
        self.seconds: list[float] = []
        self.fault: BaseException | None = None
        self._every = every
        self._room = room
        self._over = threading.Event()
        self._listener, self._talker = Reader(port), Reader(port)
        self._listener.socket.sendall(frame(f"SUB {room}"))
        self._listener.until(b"LIVE")
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Probe:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        self._listener.close()
        self._talker.close()
        if self.fault is not None and error is None:
            raise self.fault

    def _run(self) -> None:
        try:
            while not self._over.wait(self._every):
                begun = time.monotonic()
                self._talker.socket.sendall(frame(f"PUB {self._room}", b"x"))
                self._listener.until(b"MSG")
                self.seconds.append(time.monotonic() - begun)
        except BaseException as fault:
            self.fault = fault

    def told(self) -> str:
        """Return the latencies in words, in milliseconds."""
        p50, p99 = (percentile(self.seconds, share) * 1000 for share in (0.5, 0.99))
        return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {max(self.seconds) * 1000:.1f} ms"

"""What happens when connections cannot be accepted: the system is out of something.

Law of this file: those who are connected notice nothing; the reactor does not turn in
circles round a socket that it cannot serve, and the log says so once a minute at the most.
"""

from __future__ import annotations

import resource
import sys
from typing import Any, Final

from twisted.logger import Logger

from twisted_msg.proxy_headers import read_proxy_headers
from twisted_msg.transports import bound_accepting, free_tls_errors, observe_accepting

log = Logger(namespace="tcpmsg")

PAUSE_SECONDS: Final = 1.0
"""How long nothing is accepted after a failure: a listening socket stays readable, so that
asking again at once takes all of a processor and a line of the log each time."""

ACCEPTED_LIMIT: Final = 8
"""Connections that one port accepts in one turn of the reactor.  To accept one, and to end it when
it is reset at once, takes 0.1 to 0.2 ms: the other peers wait for 2 ms at most."""

BACKLOG: Final = 1024
"""Connections that may wait to be accepted: at a backlog of 50, which is Twisted's, a client that
connects beside a flood of others loses its first packet and waits a second before the next one."""

TELL_SECONDS: Final = 60.0
"""How often the log says that it goes on."""


def raise_descriptor_limit() -> int:
    """Allow as many open files as the system lets this process have; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            pass  # some systems call the hard limit infinite and refuse it; the soft one stays
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


class Accepting:
    """Looks after listening ports."""

    def __init__(self, clock: Any) -> None:
        """Take a clock: `IReactorTime`."""
        self._clock = clock
        self._paused: dict[Any, Any] = {}
        self._told = float("-inf")

    def watch(self, port: Any) -> None:
        """Look after a port from now on."""
        observe_accepting(port, lambda cause: self._failed(port, cause))
        free_tls_errors(port)
        read_proxy_headers(port)
        bound_accepting(port, ACCEPTED_LIMIT, BACKLOG)

    def stop(self) -> None:
        """Look after no port any more."""
        paused, self._paused = self._paused, {}
        for pause in paused.values():
            pause.cancel()

    def _failed(self, port: Any, cause: str) -> None:
        now = self._clock.seconds()
        if now - self._told >= TELL_SECONDS:
            self._told = now
            log.warn(
                "connections cannot be accepted ({cause}): those that are there are served, others "
                "wait or are closed; for more open files use ulimit -n, or LimitNOFILE= of systemd",
                cause=cause,
            )
        if port not in self._paused:
            port.stopReading()
            self._paused[port] = self._clock.callLater(PAUSE_SECONDS, self._go_on, port)

    def _go_on(self, port: Any) -> None:
        del self._paused[port]
        if port.connected and not port.disconnecting:
            port.startReading()

"""The one place where the server is put together and joined to Twisted's service machinery.

Law of this file: nothing is opened before `privilegedStartService`, because twistd
makes services before it forks; a start that fails raises an ordinary exception whose
text is one line for a person.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

from twisted.application.service import Service
from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_msg import __version__
from twisted_msg.accepting import Accepting, raise_descriptor_limit
from twisted_msg.addresses import shown, typed
from twisted_msg.announcement import announce, shown_address
from twisted_msg.counts import Counts
from twisted_msg.deadlines import HEARTBEAT_SECONDS
from twisted_msg.door import Door, places
from twisted_msg.journal import Journal
from twisted_msg.log.commits import Commits
from twisted_msg.log.sqlite import SqliteStore
from twisted_msg.log.store import Retention, Store, StoreError
from twisted_msg.log.views import PlainView
from twisted_msg.log.worker import ThreadWorker, Worker
from twisted_msg.pace import Rates
from twisted_msg.rooms.registry import Rooms
from twisted_msg.rooms.retention_clock import RetentionClock
from twisted_msg.server import Server
from twisted_msg.session import House, PlainRules
from twisted_msg.settings import Settings
from twisted_msg.transports import is_loopback
from twisted_msg.trusted_proxies import TrustedProxies
from twisted_msg.web.site import WebFactory, WebSite, make_site
from twisted_msg.wire.requests import VERSION

log = Logger(namespace="tcpmsg")


SWITCH_SECONDS: Final = 2e-5
"""How long the reactor's thread may keep the store's waiting for the interpreter: Python's
own 5 ms, several times in each commit, would make a busy server's acknowledgements wait
(docs/decisions/0008)."""

BROKEN_STORE: Final = 74
"""Exit code after a failed write: EX_IOERR of sysexits.h, which no other end has."""

CHECK_SECONDS: Final = 1.0
"""How often the server looks for the store's files.  When something removes them, it acknowledges
messages that are lost for so long at most; three calls of stat a second cost nothing."""

FEATURES: Final = ("ack", "direct", "history", "presence", "rooms")
"""What `WELCOME` lists."""


class CannotStart(Exception):
    """The server cannot start; the text is one line that names cause and remedy."""


class Storage(NamedTuple):
    """Where messages are stored, and who works on it."""

    store: Store
    worker: Worker


def make_server(
    settings: Settings,
    reactor: Any,
    storage: Storage | None = None,
    *,
    broken: Callable[[BaseException], None] = lambda error: None,
    now: Callable[[], int] = lambda: time.time_ns() // 1000,
) -> Server:
    """Return a server that is ready to be given connections.

    `reactor` need only be a clock (`IReactorTime`), so that tests pass `task.Clock`.  Without
    `storage` all rooms are memory rooms.  `broken` is called when a write to the store has
    failed; `now` returns Unix time in microseconds.
    """
    soon = partial(reactor.callLater, 0)
    counts = Counts()
    journal = Journal(reactor.seconds)
    commits = None
    if storage is not None:
        commits = Commits(
            *storage,
            seconds=reactor.seconds,
            soon=soon,
            counts=counts,
            kept=lambda kept: rooms.kept(kept),
            relieved=lambda: rooms.relieved(),
            broken=broken,
            strained=journal.strained,
        )
    rooms = Rooms(
        seconds=reactor.seconds,
        now=now,
        soon=soon,
        counts=counts,
        commits=commits,
        memory=settings.memory_room,
        age=settings.retain.age,
    )
    house = House(
        rooms,
        soon=soon,
        now=now,
        retention_clock=RetentionClock(
            now=now,
            seconds=reactor.seconds,
            age=settings.retain.age,
            report=journal.clock_jumped,
        ),
        max_payload=settings.max_payload,
        details={
            "v": VERSION,
            "server": f"tcpmsg/{__version__}",
            "max_payload": settings.max_payload,
            "heartbeat": HEARTBEAT_SECONDS,
            "features": FEATURES,
            "room": settings.room,
        },
    )
    rules = PlainRules(
        PlainView(settings.header_size, settings.disconnect_message),
        settings.room,
        settings.plain_reply,
    )
    door = Door(
        settings.connections_per_address,
        loopback=settings.limit_loopback,
        proxies=TrustedProxies(settings.trusted_proxy),
    )
    door.limit = settings.connections
    return Server(
        house,
        rules,
        reactor,
        journal,
        header_size=settings.header_size,
        max_payload=settings.max_payload,
        stall_limit=settings.stall_limit,
        door=door,
        rates=Rates(settings.rate_bytes, settings.rate_messages, settings.rate_burst),
    )


class ServerService(Service):
    """Listens, serves, and ends well."""

    name = "tcpmsg"

    def __init__(self, settings: Settings, reactor: Any) -> None:
        """Take the options, and the reactor to listen with."""
        self._settings = settings
        self._reactor = reactor
        self._ports: list[IListeningPort] = []
        self._accepting = Accepting(reactor)
        self._storage: Storage | None = None
        self._worker = ThreadWorker(reactor.callFromThread)
        if settings.store == "sqlite":
            retention = Retention(settings.retain.age, settings.retain.size, settings.store_limit)
            self._storage = Storage(SqliteStore(settings.data_dir, retention), self._worker)
        self.server = make_server(settings, reactor, self._storage, broken=_give_up)
        self._checking: LoopingCall | None = None
        self._site: WebSite | None = None
        if not settings.no_web:
            self._site = make_site(self.server, (socket.gethostname(), *settings.web_host))
            if settings.web is None:
                self.server.web = self._site

    def privilegedStartService(self) -> None:
        """Bind every address, while there may still be the right to.

        Raises `CannotStart` if one cannot be had.
        """
        super().privilegedStartService()
        self._bound(raise_descriptor_limit())
        for endpoint in self._settings.listen:
            self._listen(endpoint, self.server)
        if self._settings.web is not None and self._site is not None:
            self._listen(self._settings.web, WebFactory(self._site), "--web")

    def startService(self) -> None:
        """Open the store, serve, and tell a person what to try once the reactor runs.

        Raises `CannotStart` if the store cannot be used.
        """
        if not self._ports:
            self.privilegedStartService()  # `twist` and `tcpmsg serve` have no such step
        if self._storage is not None:
            try:
                kept = self._storage.store.open()
            except StoreError as error:
                self._close_ports()
                raise CannotStart(str(error)) from None
            self.server.house.rooms.load(kept)
            self.server.house.retention_clock.compare(self._storage.store.newest)
            sys.setswitchinterval(SWITCH_SECONDS)
            self._worker.start()
            self._checking = LoopingCall(self._check, self._storage.store)
            self._checking.clock = self._reactor
            self._checking.start(CHECK_SECONDS, now=False)
        super().startService()
        self.server.start()
        addresses = [port.getHost() for port in self._ports]
        frames = addresses[: len(self._settings.listen)]
        # not before: until the reactor runs, Ctrl-C and SIGTERM end the process in the midst of it
        self._reactor.callWhenRunning(announce, frames, self._settings, *addresses[len(frames) :])

    def stopService(self) -> Deferred[None]:
        """Accept nothing more, and end every connection within five seconds."""
        super().stopService()
        return ensureDeferred(self._stop())

    async def _stop(self) -> None:
        log.info("stopping: {count} connections to end", count=self.server.connections)
        self._accepting.stop()
        for port in self._ports:
            await maybeDeferred(port.stopListening)
        self._ports.clear()
        if not await self.server.drain():
            _give_up(TimeoutError("it has not answered since the stop began"))
        if self._storage is not None:
            if self._checking is not None:
                self._checking.stop()
            self._worker.stop()
            self._worker.join()
            self._storage.store.close()
        log.info("stopped cleanly")

    def _check(self, store: Store) -> Deferred[None]:
        """Have the worker look for the store's files; end the process if they are gone."""
        done: Deferred[None] = Deferred()
        self._worker.run(store.check, done.callback, _give_up)
        return done

    def _bound(self, descriptors: int) -> None:
        """Have no more connections than open files are allowed."""
        door, wanted = self.server.door, self._settings.connections
        door.limit, door.told_limit = places(descriptors)
        if wanted is not None and wanted > door.limit:
            log.warn(
                "--connections {wanted}: the limit of open files, {descriptors}, leaves room for "
                "{limit}; raise it with ulimit -n, or LimitNOFILE= of systemd",
                wanted=wanted,
                descriptors=descriptors,
                limit=door.limit,
            )
        elif wanted is not None:
            door.limit = wanted

    def _listen(self, endpoint: str, factory: Factory, option: str = "--listen") -> None:
        """Bind one address now, as an option said, or raise `CannotStart`."""
        outcome: list[IListeningPort | Failure] = []
        serverFromString(self._reactor, endpoint).listen(factory).addBoth(outcome.append)
        if not outcome:
            raise CannotStart(
                f"cannot listen on {endpoint}: this kind of endpoint is not ready at once"
            )
        port = outcome[0]
        if isinstance(port, Failure):
            self._close_ports()
            raise CannotStart(_cause(port, typed(endpoint), option))
        self._ports.append(port)
        self._accepting.watch(port)
        if not (self._settings.open or is_loopback(port.getHost())):
            self._close_ports()
            raise CannotStart(
                f"whoever reaches {shown_address(port.getHost())} could read and write everything: "
                f"add --open if that is meant, or {option} on 127.0.0.1"
            )

    def _close_ports(self) -> None:
        """Give back what was bound before the start failed."""
        for port in self._ports:
            port.stopListening()
        self._ports.clear()


def _give_up(error: BaseException) -> None:
    """End the process at once: what is on disk is known only when it is read again."""
    log.critical(
        "the store is broken, so the server ends at once with exit code {code}, and acknowledges "
        "nothing that may not be stored: {error}",
        error=error,
        code=BROKEN_STORE,
    )
    os._exit(BROKEN_STORE)


def _cause(failure: Failure, endpoint: str, option: str) -> str:
    """Return why an address cannot be bound, in words; the address short, for twistd cuts it."""
    error: BaseException | None = failure.value
    if isinstance(error, CannotListenError):
        if isinstance(error.port, int) and isinstance(error.interface, str):
            endpoint = shown(error.interface, error.port)
        error = error.socketError
    text = getattr(error, "strerror", None) or str(error)
    remedy = f"; choose another address with {option}"
    if getattr(error, "errno", None) == errno.EADDRINUSE:
        remedy = f"; is another server running? stop it, or choose another address with {option}"
    return f"cannot listen on {endpoint}: {text}{remedy}"

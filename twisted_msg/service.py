"""The one place where the server is put together and joined to Twisted's service machinery.

Law of this file: nothing is opened before `privilegedStartService`, because twistd
makes services before it forks; a start that fails raises an ordinary exception whose
text is one line for a person.
"""

from __future__ import annotations

import errno
import os
import resource
import shlex
import shutil
import sys
import time
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_msg import __version__
from twisted_msg.addresses import DEFAULT_PORT, LOOPBACK, shown, typed
from twisted_msg.journal import Journal
from twisted_msg.log.views import PlainView
from twisted_msg.rooms.room import Room
from twisted_msg.server import Server
from twisted_msg.session import PlainRules
from twisted_msg.settings import Settings
from twisted_msg.transports import is_loopback
from twisted_msg.wire.limits import DISCONNECT, HEADER_SIZE

log = Logger(namespace="tcpmsg")


class CannotStart(Exception):
    """The server cannot start; the text is one line that names cause and remedy."""


def make_server(settings: Settings, reactor: Any) -> Server:
    """Return a server that is ready to be given connections.

    `reactor` need only be a clock (`IReactorTime`), so that tests pass `task.Clock`.
    """
    rules = PlainRules(
        PlainView(settings.header_size, settings.disconnect_message), settings.plain_reply
    )
    room = Room(
        settings.room,
        start=time.time_ns() // 1000,
        seconds=reactor.seconds,
        soon=lambda call: reactor.callLater(0, call),
        header_size=settings.header_size,
    )
    return Server(
        room,
        rules,
        reactor,
        Journal(reactor.seconds),
        header_size=settings.header_size,
        max_payload=settings.max_payload,
    )


class ServerService(Service):
    """Listens, serves, and ends well."""

    name = "tcpmsg"

    def __init__(self, settings: Settings, reactor: Any) -> None:
        """Take the options, and the reactor to listen with."""
        self._settings = settings
        self._reactor = reactor
        self._ports: list[IListeningPort] = []
        self.server = make_server(settings, reactor)

    def privilegedStartService(self) -> None:
        """Bind every address, while there may still be the right to.

        Raises `CannotStart` if one cannot be had.
        """
        super().privilegedStartService()
        _raise_descriptor_limit()
        for endpoint in self._settings.listen:
            self._listen(endpoint)

    def startService(self) -> None:
        """Serve, and tell a person what to try."""
        if not self._ports:
            self.privilegedStartService()  # `twist` and `tcpmsg serve` have no such step
        super().startService()
        self.server.start()
        self._announce()

    def stopService(self) -> Deferred[None]:
        """Accept nothing more, and end every connection within five seconds."""
        super().stopService()
        return ensureDeferred(self._stop())

    async def _stop(self) -> None:
        log.info("stopping: {count} connections to end", count=self.server.connections)
        for port in self._ports:
            await maybeDeferred(port.stopListening)
        self._ports.clear()
        await self.server.drain()
        log.info("stopped cleanly")

    def _listen(self, endpoint: str) -> None:
        """Bind one address now, or raise `CannotStart`."""
        outcome: list[IListeningPort | Failure] = []
        serverFromString(self._reactor, endpoint).listen(self.server).addBoth(outcome.append)
        if not outcome:
            raise CannotStart(
                f"cannot listen on {endpoint}: this kind of endpoint is not ready at once"
            )
        port = outcome[0]
        if isinstance(port, Failure):
            self._close_ports()
            raise CannotStart(_cause(port, typed(endpoint)))
        self._ports.append(port)

    def _close_ports(self) -> None:
        """Give back what was bound before the start failed."""
        for port in self._ports:
            port.stopListening()
        self._ports.clear()

    def _announce(self) -> None:
        """Print what a person needs to go on."""
        say = log.info
        addresses = [port.getHost() for port in self._ports]
        for address in addresses:
            say(
                "tcpmsg {version} listens on {address}",
                version=__version__,
                address=_shown(address),
            )
        say(
            "plain messages go to the room {room}; messages are kept in memory only",
            room=self._settings.room,
        )
        if any(not is_loopback(address) for address in addresses):
            log.warn("open to the network: whoever reaches an address above can read and write")
        else:
            say("only programs on this machine can connect")
        self._suggest(_client(addresses[0], self._settings))

    def _suggest(self, client: str) -> None:
        """Print what to try: `client` has places for a verb and its arguments."""
        say = log.info
        if self._settings.plain_reply is not None:
            say("each message is answered with its reply, and no others are sent to anybody")
            say("from a script: send a header, a message, and read the reply")
            return
        say("try, in a second terminal: {line}", line=client.format("chat", "--name alice"))
        say("and in a third: {line}", line=client.format("chat", "--name bob"))
        say("from a script: {line}", line=client.format("send", 'lobby "hello"'))


def _shown(address: IAddress) -> str:
    """Return a listening address as it is typed to connect."""
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    if host is not None and port is not None:
        return shown(host, port)
    name = os.fsdecode(getattr(address, "name", b"?"))
    return "unix:" + name.replace("\\", "\\\\").replace(":", r"\:")


def _client(address: IAddress, settings: Settings) -> str:
    """Return how to type a client's command for this server, with two places to fill in."""
    server = _shown(address)
    for everywhere, loopback in (("0.0.0.0:", "127.0.0.1:"), ("[::]:", "[::1]:")):
        if server.startswith(everywhere):
            server = loopback + server.removeprefix(everywhere)
    options = []
    if server != f"{LOOPBACK}:{DEFAULT_PORT}":
        options += ["--server", server]
    if settings.header_size != HEADER_SIZE:
        options += ["--header-size", str(settings.header_size)]
    if settings.disconnect_message != DISCONNECT:
        options += ["--disconnect-message", os.fsdecode(settings.disconnect_message)]
    words = " ".join(shlex.quote(word) for word in options).replace("{", "{{").replace("}", "}}")
    return " ".join(filter(None, (_command(), "{}", words, "{}")))


def _command() -> str:
    """Return how to type the `tcpmsg` command so that a shell finds it."""
    if shutil.which("tcpmsg"):
        return "tcpmsg"
    beside = os.path.join(os.path.dirname(sys.executable), "tcpmsg")
    return beside if os.path.exists(beside) else f"{sys.executable} -m twisted_msg"


def _cause(failure: Failure, endpoint: str) -> str:
    """Return why an address cannot be bound, in words; the address short, for twistd cuts it."""
    error: BaseException | None = failure.value
    if isinstance(error, CannotListenError):
        if isinstance(error.port, int) and isinstance(error.interface, str):
            endpoint = shown(error.interface, error.port)
        error = error.socketError
    text = getattr(error, "strerror", None) or str(error)
    remedy = "; choose another address with --listen"
    if getattr(error, "errno", None) == errno.EADDRINUSE:
        remedy = "; is another server running? stop it, or choose another address with --listen"
    return f"cannot listen on {endpoint}: {text}{remedy}"


def _raise_descriptor_limit() -> None:
    """Allow as many connections as the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            pass  # some systems call the hard limit infinite and refuse it; the soft one stays

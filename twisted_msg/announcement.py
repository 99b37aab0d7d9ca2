"""What a start prints: where the server listens and stores, who may connect, what to try.

Law of this file: every line is one that a person can act on, and every command in it works
as it stands.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress
from twisted.logger import Logger

from twisted_msg import __version__
from twisted_msg.addresses import DEFAULT_PORT, LOOPBACK, shown
from twisted_msg.interfaces import reachable
from twisted_msg.programs import tcpmsg_command
from twisted_msg.settings import Retain, Settings
from twisted_msg.transports import is_loopback
from twisted_msg.wire.limits import DISCONNECT, HEADER_SIZE

log = Logger(namespace="tcpmsg")

_AGES = (("days", 86400), ("hours", 3600), ("minutes", 60), ("seconds", 1))
_SIZES = (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024), ("bytes", 1))


def announce(addresses: list[IAddress], settings: Settings, web: IAddress | None = None) -> None:
    """Print what a person needs to go on, once the server listens on these addresses.

    `web` is that of HTTP, if it has one of its own.
    """
    for address in addresses:
        log.info(
            "tcpmsg {version} listens on {address}",
            version=__version__,
            address=shown_address(address),
        )
    log.info(
        "plain messages go to the room {room}; {where}", room=settings.room, where=_where(settings)
    )
    if web is not None:
        log.info("HTTP is spoken on {address}", address=shown_address(web))
    if any(not is_loopback(address) for address in (*addresses, web)):
        _announce_open(addresses, settings, web)
    else:
        log.info("only programs on this machine can connect")
    if not settings.no_web:
        if web is None:
            _suggest_web(addresses[0], _secure(settings.listen[0]))
        else:
            _suggest_web(web, _secure(settings.web or ""))
    server = _reached(addresses[0])
    _suggest(_client(server, settings, tcpmsg_command(), _secure(settings.listen[0])), settings)


def _announce_open(addresses: list[IAddress], settings: Settings, web: IAddress | None) -> None:
    """Print how other machines reach this server."""
    frames = _reached_by_others(addresses, settings.listen)
    pages = frames if web is None else _reached_by_others([web], [settings.web or ""])
    places = ", ".join(dict.fromkeys(place for place, _ in (*frames, *pages)))
    if not places:
        log.warn("open to the network: whoever reaches an address above can read and write")
        return
    log.warn(
        "open to the network: whoever reaches one of these addresses can read and write: {places}",
        places=places,
    )
    if pages and not settings.no_web:
        log.info("on another machine, in a browser: {url}", url=_url(*pages[0]))
    if frames and settings.plain_reply is None:
        server, secure = frames[0]
        line = _client(server, settings, "tcpmsg", secure).format("chat", "--name carol")
        log.info("on another machine, in a terminal: {line}", line=line)


def _where(settings: Settings) -> str:
    """Return where messages are kept, and for how long."""
    if settings.store == "memory":
        return "messages are kept in memory only"
    stored = f"messages are stored in {settings.data_dir}, {_how_long(settings.retain)}"
    if not settings.memory_room:
        return stored
    return f"{stored}; those of rooms like {' or '.join(settings.memory_room)} in memory only"


def _how_long(retain: Retain) -> str:
    """Return what is kept of each room."""
    age = "" if retain.age is None else f"for {_in_units(retain.age, _AGES)}"
    size = "" if retain.size is None else f"at most {_in_units(retain.size, _SIZES)} of each room"
    return ", ".join(filter(None, (age, size))) or "for ever"


def _in_units(amount: float, units: tuple[tuple[str, int], ...]) -> str:
    """Return an amount in the largest unit that it is a whole number of."""
    unit, size = next((unit, size) for unit, size in units if amount % size == 0)
    return f"{amount / size:g} {unit}"


def _suggest(client: str, settings: Settings) -> None:
    """Print what to try: `client` has places for a verb and its arguments."""
    say = log.info
    if settings.plain_reply is not None:
        say("each message is answered with its reply, and no others are sent to anybody")
        say("from a script: send a header, a message, and read the reply")
        return
    say("try, in a second terminal: {line}", line=client.format("chat", "--name alice"))
    say("and in a third: {line}", line=client.format("chat", "--name bob"))
    say("from a script: {line}", line=client.format("send", f'{settings.room} "hello"'))


def _suggest_web(address: IAddress, secure: bool) -> None:
    """Print what to try over HTTP."""
    place = _reached(address)
    say = _url(place, secure)
    if place.startswith("unix:"):
        path = shlex.quote(os.fsdecode(getattr(address, "name", b"")))
        say = f"curl --unix-socket {path} {_url('localhost', secure)}"
    log.info("in a browser, or with curl: {say}", say=say)


def _url(place: str, secure: bool) -> str:
    """Return the web address of a place."""
    return f"http{'s' if secure else ''}://{place}/"


def _secure(endpoint: str) -> bool:
    """Return whether an endpoint speaks TLS."""
    return endpoint.startswith("ssl:")


def shown_address(address: IAddress) -> str:
    """Return a listening address as it is typed to connect."""
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    if host is not None and port is not None:
        return shown(host, port)
    name = os.fsdecode(getattr(address, "name", b"?"))
    return "unix:" + name.replace("\\", "\\\\").replace(":", r"\:")


def _reached(address: IAddress) -> str:
    """Return a listening address as it is reached from this machine."""
    server = shown_address(address)
    for everywhere, loopback in (("0.0.0.0:", "127.0.0.1:"), ("[::]:", "[::1]:")):
        if server.startswith(everywhere):
            server = loopback + server.removeprefix(everywhere)
    return server


def _reached_by_others(
    addresses: Iterable[IAddress], endpoints: Iterable[str]
) -> list[tuple[str, bool]]:
    """Return the addresses at which other machines reach these endpoints, and whether by TLS."""
    return [
        (shown(host, address.port), _secure(endpoint))
        for address, endpoint in zip(addresses, endpoints, strict=False)
        if isinstance(address, IPv4Address | IPv6Address) and not is_loopback(address)
        for host in reachable(address.host)
    ]


def _client(server: str, settings: Settings, command: str, secure: bool) -> str:
    """Return how to type a client's command for a server, with two places to fill in."""
    if secure:
        server = f"tcpmsgs://{server}"
    options = []
    if server != f"{LOOPBACK}:{DEFAULT_PORT}":
        options += ["--server", server]
    if settings.header_size != HEADER_SIZE:
        options += ["--header-size", str(settings.header_size)]
    if settings.disconnect_message != DISCONNECT:
        options += ["--disconnect-message", os.fsdecode(settings.disconnect_message)]
    words = " ".join(shlex.quote(word) for word in options).replace("{", "{{").replace("}", "}}")
    return " ".join(filter(None, (command, "{}", words, "{}")))

"""The server's options: one table for twistd, the command, the environment, the file and the docs.

Law of this file: what an option is called, takes and means stands here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from twisted_msg.addresses import DEFAULT_PORT, LOOPBACK
from twisted_msg.values import (
    as_retain,
    one_of,
    or_none,
    read_count,
    read_endpoint,
    read_folder,
    read_header_size,
    read_host,
    read_limit,
    read_payload,
    read_proxy,
    read_rate,
    read_reply,
    read_room,
    read_rooms,
    read_stall,
    read_store_limit,
    read_switch,
    read_word,
)
from twisted_msg.wire.limits import DISCONNECT, HEADER_SIZE, MAX_PAYLOAD

ENVIRONMENT_PREFIX: Final = "TCPMSG_"
CONFIG_NAME: Final = "tcpmsg.toml"

SWITCHED_ON: Final = "yes"
"""The text that a flag given without a value stands for."""


@dataclass(frozen=True)
class Option:
    """One option: `--name VALUE`, `TCPMSG_NAME`, and `name` in the file.

    `metavar` stands for the value in help texts; without one the option is a flag, which
    takes no value.  `default` is a text, texts if the option is repeatable, or None.
    `read` turns a text into the value or raises `ValueError` with a sentence; `gather` makes
    one value of all that a repeatable option was given, likewise.
    """

    name: str
    metavar: str
    default: str | tuple[str, ...] | None
    read: Callable[[str], Any]
    help: str
    repeatable: bool = False
    gather: Callable[[Sequence[Any]], Any] = tuple

    @property
    def key(self) -> str:
        """The name as an identifier."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """The name of the environment variable."""
        return ENVIRONMENT_PREFIX + self.key.upper()

    @property
    def flag(self) -> bool:
        """Whether the option is given without a value."""
        return not self.metavar

    @property
    def line(self) -> str:
        """The line of help, default included."""
        if self.flag or not self.default:
            return self.help
        default = self.default if isinstance(self.default, str) else ", ".join(self.default)
        return f"{self.help} [default: {default}]"


OPTIONS: Final = (
    Option("listen", "ENDPOINT", (f"tcp:{DEFAULT_PORT}:interface={LOOPBACK}",), read_endpoint,
           "where to listen: a Twisted endpoint string or HOST:PORT; may be given several times",
           repeatable=True),
    Option("open", "", "no", read_switch,
           "yes, let whoever reaches the addresses connect; wanted to listen beyond this machine"),
    Option("web", "ENDPOINT", None, read_endpoint,
           "where HTTP and WebSocket are spoken, as for --listen [default: where frames are]"),
    Option("no-web", "", "no", read_switch, "yes, speak no HTTP at all"),
    Option("web-host", "NAME", (), read_host,
           "a name of this server in web addresses, beside its IP addresses, localhost and the "
           "machine's own name; may be given several times",
           repeatable=True),
    Option("header-size", "BYTES", str(HEADER_SIZE), read_header_size, "the header's width"),
    Option("room", "NAME", "lobby", read_room, "where plain messages go"),
    Option("disconnect-message", "TEXT", DISCONNECT.decode(), read_word,
           "the message that ends a connection"),
    Option("plain-reply", "TEXT", None, read_reply,
           "answer each plain frame with this text, unframed, for clients that wait for one; "
           "they are then sent nothing else"),
    Option("max-payload", "SIZE", f"{MAX_PAYLOAD // 1024**2}MiB", read_payload,
           "the largest message, such as 64k or 1MiB"),
    Option("stall-limit", "S", "3600", read_stall,
           "how long a peer may take nothing of what waits for it: seconds, or as 10m or 1h"),
    Option("rate-bytes", "SIZE", "8MiB", or_none(read_rate),
           "what is read from one connection in a second; faster ones wait; none for no limit"),
    Option("rate-messages", "N", "2000", or_none(read_count),
           "how many messages are read from one connection in a second; none for no limit"),
    Option("rate-burst", "S", "10", read_stall,
           "for how long, in seconds, both rates may be saved up, to be read at once"),
    Option("connections", "N", None, read_count,
           "how many connections there may be [default: what the limit of open files leaves]"),
    Option("connections-per-address", "N", "256", or_none(read_count),
           "how many of them from one IPv4 address or IPv6 /64; none for no limit"),
    Option("limit-loopback", "", "no", read_switch,
           "yes, hold peers on this machine to rates and connections-per-address, too"),
    Option("trusted-proxy", "ADDRESS|CIDR", (), read_proxy,
           "a proxy whose X-Forwarded-For and PROXY headers name the client, or unix for proxies "
           "on Unix sockets; may be given several times [default: none; on haproxy: endpoints "
           "those on this machine]",
           repeatable=True),
    Option("data-dir", "DIR", None, read_folder,
           "the folder that holds the store [default: $STATE_DIRECTORY, $XDG_DATA_HOME/tcpmsg, "
           "~/.local/share/tcpmsg or /var/lib/tcpmsg, the first that there is]"),
    Option("store", "KIND", "sqlite", one_of("a store", "sqlite", "memory"),
           "where messages are kept: sqlite, or memory, which a restart empties"),
    Option("memory-room", "GLOB", (), read_rooms,
           "rooms that are not stored, such as tmp.*; may be given several times",
           repeatable=True),
    Option("retain", "AGE|SIZE", ("30d", "256MiB"), read_limit,
           "what history each room keeps: an age such as 12h, 30d or 2w (10m is minutes), a size "
           "such as 64k or 256MiB; all lifts both limits, save the one given beside it; may be "
           "given several times",
           repeatable=True, gather=as_retain),
    Option("store-limit", "SIZE", None, read_store_limit,
           "what the whole store may take; the excess goes from the largest room first"),
    Option("log-format", "FORMAT", None, one_of("a log format", "text", "json"),
           "text for people (the default), or json lines"),
)  # fmt: skip
"""Every option of the server, in the order of the help text."""

CONFIG_HELP: Final = (
    f"a file of these options, TOML [default: tcpmsg/{CONFIG_NAME} in ~/.config, or in the "
    "other XDG places]"
)

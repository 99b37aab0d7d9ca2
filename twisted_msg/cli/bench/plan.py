"""What a load is to be, as the user asked for it.

Law of this file: values only, checked before anything is connected.  No Twisted.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from twisted_msg.addresses import connecting

SECONDS: Final = 5.0
"""How long a load lasts unless told otherwise: enough to see, and no burden if it was a mistake."""

_HOST: Final = re.compile(r"(?:tcp6?|tls):(?:host=)?((?:\\.|[^:\\])+)")


@dataclass(frozen=True)
class Plan:
    """A load.

    `size` is in bytes.  It ends after `count` messages if that is given, else after
    `duration` seconds.  `rate` is in messages a second, of all publishers together, None for
    as fast as it goes.  At most `in_flight` messages of each publisher are unacknowledged;
    None sends them without ids.  `timeout` is how many seconds the server may do nothing.
    """

    room: str
    publishers: int = 1
    members: int = 1
    size: int = 128
    count: int | None = None
    duration: float = SECONDS
    rate: float | None = None
    in_flight: int | None = 256
    timeout: float = 10.0

    def share(self, publisher: int) -> int | None:
        """Return how many messages one publisher sends in all, None for no end."""
        if self.count is None:
            return None
        return self.count // self.publishers + (publisher < self.count % self.publishers)


def on_this_machine(address: str) -> bool:
    """Return whether an address, as people type it, is one of this machine's own.

    What cannot be told, such as a name, is not.  Raises `BadAddress`.
    """
    endpoint = connecting(address)
    if endpoint.startswith("unix:"):
        return True
    match = _HOST.match(endpoint)
    if match is None:
        return False
    host = match[1].replace("\\", "")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

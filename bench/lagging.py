"""The server, with a watch on its reactor.

    python -m bench.lagging FILE -n --pidfile= tcpmsg ...     arguments of twistd behind FILE

Law of this file: it only looks.  Each `EVERY` seconds the reactor is to call it; how late that
is, is what any other timer, and any other connection, would have waited too.
"""

from __future__ import annotations

import json
import sys
import time
from array import array
from pathlib import Path
from typing import Final

EVERY: Final = 0.005
"""Seconds between two looks."""


def watch(file: Path) -> None:
    """Take note of each look, and write them all to a file when the reactor stops.

    Pairs of seconds: when, by the monotonic clock that all processes share, and how late.
    """
    from twisted.internet import reactor

    when, late = array("d"), array("d")

    def look(due: float) -> None:
        now = time.monotonic()
        when.append(now)
        late.append(max(0.0, now - due))
        reactor.callLater(EVERY, look, time.monotonic() + EVERY)

    def write() -> None:
        file.write_text(json.dumps(list(zip(when, late, strict=True))))

    reactor.callWhenRunning(look, time.monotonic())
    reactor.addSystemEventTrigger("before", "shutdown", write)


if __name__ == "__main__":
    from twisted.scripts.twistd import run

    watch(Path(sys.argv.pop(1)))
    run()

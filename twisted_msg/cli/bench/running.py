"""What `tcpmsg bench` does once its options are known: a load, and what it showed.

Law of this file: what was measured is written whatever ended it, Ctrl-C included, and nothing
else is written to stdout.
"""

from __future__ import annotations

from typing import IO, Any, Final

from twisted.internet.defer import CancelledError

from twisted_msg.addresses import BadAddress
from twisted_msg.cli.bench.crowd import Crowd
from twisted_msg.cli.bench.figures import as_object, as_table
from twisted_msg.cli.bench.load import Load
from twisted_msg.cli.bench.plan import Plan
from twisted_msg.cli.exits import Exit, UsageError
from twisted_msg.cli.options import Common
from twisted_msg.cli.progress import Progress
from twisted_msg.cli.running import whichever
from twisted_msg.cli.streams import Output
from twisted_msg.client.errors import ClientError
from twisted_msg.rows import json_row

WIDTH: Final = 24
"""Characters of the bar that shows how far it is."""


async def bench(
    reactor: Any, common: Common, plan: Plan, *, json: bool = False, terminal: IO[str] | None = None
) -> int:
    """Put a load on a server, write what it showed, and return the exit code.

    `terminal` is where to show how far it is, None nowhere.  Raises `UsageError` for what
    cannot be connected to, `InUse` if others publish in the room, and `ClientError`.
    """
    crowd = Crowd(reactor, common, plan)
    load = Load(reactor, crowd, plan)
    progress = Progress(reactor, terminal)
    try:
        await crowd.come()
        await whichever(load.work(), progress.show(lambda: bar(*load.how_far())))
    except BadAddress as error:
        raise UsageError(f"--server {common.server}: {error}") from None
    except (ClientError, CancelledError):
        if load.begun:
            progress.clear()
            await _write(reactor, json, load, plan, common, crowd)
        raise
    finally:
        progress.clear()
        await crowd.leave()
    await _write(reactor, json, load, plan, common, crowd)
    return Exit.DONE if load.figures().good else Exit.GAP


def bar(part: float, sent: int, a_second: float) -> str:
    """Return how far it is, for a person who watches."""
    done = int(part * WIDTH)
    return f"[{'#' * done}{'.' * (WIDTH - done)}] {part:4.0%}  {sent:,} messages, {a_second:,.0f}/s"


async def _write(
    reactor: Any, json: bool, load: Load, plan: Plan, common: Common, crowd: Crowd
) -> None:
    """Write what was measured so far."""
    given = (load.figures(), plan, common.server, crowd.server)
    output = Output(reactor)
    await output.put(json_row(as_object(*given)) if json else as_table(*given).encode())
    await output.finish()

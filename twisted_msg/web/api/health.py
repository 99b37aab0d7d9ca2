"""Whether the process answers, and whether it should be given work.

Law of this file: health never depends on the store, or a full disk would have a supervisor
kill a server that still serves readers; readiness does, and says what is wrong.
"""

from __future__ import annotations

from twisted_msg.readiness import Readiness
from twisted_msg.server import Server
from twisted_msg.web.api.exchange import Exchange
from twisted_msg.wire import ErrorCode


class Health:
    """Answers who watches the server."""

    def __init__(self, server: Server) -> None:
        self._readiness = Readiness(server)

    async def alive(self, exchange: Exchange) -> None:
        """Answer."""
        exchange.answer({"status": "ok"})

    async def ready(self, exchange: Exchange) -> None:
        """Answer whether messages can be stored."""
        reason = await self._readiness.reason()
        if reason:
            exchange.refuse(ErrorCode.BUSY, reason)
        else:
            exchange.answer({"status": "ready"})

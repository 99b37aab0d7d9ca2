"""A client for the verbs that stay: it tells when its connection goes and comes back.

Law of this file: what it says is said through the argument `say`, for each verb has its
own way to reach its user.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted_msg.cli.exits import UsageError
from twisted_msg.cli.options import Common
from twisted_msg.client.errors import ClientError, Refused
from twisted_msg.client.reconnecting import PlainClient


class Member:
    """A `PlainClient` made of the common options, and what its user is told about it."""

    def __init__(self, reactor: Any, common: Common, say: Callable[[str], None]) -> None:
        """Take the reactor, the options, and whom to tell.  Raises `UsageError`."""
        self._say = say
        self._connections = 0
        self.server = common.server
        try:
            self.client = PlainClient(
                reactor,
                common.server,
                on_connected=self._connected,
                on_lost=self._lost,
                **common.connection(),
            )
        except ValueError as error:
            raise UsageError(f"--server {common.server}: {error}") from None

    def _connected(self) -> None:
        self._connections += 1
        if self._connections > 1:
            self._say("connected again")

    def _lost(self, error: ClientError) -> None:
        if isinstance(error, Refused) and error.missed:
            reason = f"read too slowly and missed {error.reason} messages"
        else:
            reason = str(error)
        self._say(f"connection lost, trying again ({reason})")

"""The project's own client, driven by lines of JSON as conformance/README.md says.

python -m tests.integration.conformant_client HOST:PORT
"""

from __future__ import annotations

import json
import sys
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react
from twisted.protocols.basic import LineReceiver

from twisted_msg.client import Client, Gap, Refused, Superseded


def report(**event: Any) -> None:
    print(json.dumps(event), flush=True)


class Driver(LineReceiver):
    """Takes requests from standard input."""

    delimiter = b"\n"

    def __init__(self, client: Client) -> None:
        self.client = client
        self.sent = 0

    def lineReceived(self, line: bytes) -> None:
        (request,) = json.loads(line).items()
        act = {"send": self.send, "join": self.join}[request[0]]
        ensureDeferred(act(**request[1]))

    async def send(self, room: str, payload: str) -> None:
        self.sent += 1
        number = self.sent
        try:
            await self.client.send(room, payload)
            report(stored=number)
        except Refused:
            report(refused=number)

    async def join(self, room: str) -> None:
        def missed(gap: Gap) -> None:
            report(missed={"room": gap.room, "first": gap.first, "last": gap.last})

        try:
            async for each in self.client.messages(room, on_missed=missed):
                message = {"room": each.room, "seq": each.seq, "sender": each.sender}
                report(message={**message, "payload": each.text})
        except Superseded:
            report(over="superseded")


async def main(reactor: Any, address: str) -> None:
    client = Client(reactor, address, "alice", jitter=lambda: 0.0)
    StandardIO(Driver(client))
    await client.connect(None)
    await Deferred()


if __name__ == "__main__":
    react(main, sys.argv[1:])

"""A publisher of a torture run, a program of its own: it keeps messages in flight, and notes.

    python -m tests.torture.publisher SERVER NOTES --name p1 --rooms a,b --in-flight 256

It ends when all it was to send is acknowledged, or, once there is a file p1.stop beside its
notes, when what it has sent is.  Killed and started again with the same notes, it
goes on where the server stands: an id always names the same message.
"""

from __future__ import annotations

import argparse
import random
from collections import deque
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, deferLater
from twisted.python.failure import Failure

from tests.history import Said
from tests.torture.notes import Notes, payload, secret
from tests.torture.program import begin, options_of
from twisted_msg.client import Client, Receipt, Refused

STOP = ".stop"
"""What the file is called, in place of the notes' own suffix, that makes a publisher stop.  A
signal would end one that has only just been started."""


class Publisher:
    """What one publisher sends, and what it knows of it."""

    def __init__(self, reactor: Any, options: argparse.Namespace) -> None:
        self.reactor = reactor
        self.options = options
        self.notes = Notes(options.notes)
        self.random = random.Random(f"{options.seed} {options.name}")
        self.stopping = self.refused = False
        self._stop = options.notes.with_suffix(STOP)
        self._acked: list[tuple[str, int, int | None]] = []
        self.client = Client(
            reactor,
            options.server,
            options.name,
            client_id=secret(options.name),
            on_connected=lambda: self.notes.add(up=True),
            on_lost=lambda error: self.notes.add(lost=str(error), goes=error.server_goes),
        )

    async def run(self) -> None:
        """Send until told to stop, then wait until all of it is settled."""
        LoopingCall(self._watch).start(0.05)
        await self.client.connect(None)
        last = self.client.server["last_id"]
        self.notes.add(stored=last)
        options = self.options
        flying: deque[Deferred[None]] = deque()
        burst = 0
        while not self.stopping and last < options.messages:
            sending = range(last + 1, min(last + options.at_once, options.messages) + 1)
            rooms = [options.rooms[id_ % len(options.rooms)] for id_ in sending]
            self.notes.add(sent=list(zip(rooms, sending, strict=True)))
            for room, last in zip(rooms, sending, strict=True):
                flying.append(self._send(room, last))
            burst += len(sending)
            while len(flying) > options.in_flight - options.at_once:
                await flying.popleft()
            if burst >= options.in_flight and options.pause:
                burst = 0
                await deferLater(self.reactor, self.random.random() * 2 * options.pause)
        while flying:
            await flying.popleft()
        self._note()
        await self.client.close(60)
        self.notes.add(done=True)

    def _watch(self) -> None:
        """See whether to stop, and note whether the server takes no messages for now."""
        self.stopping = self._stop.exists()
        refusal = self.client.refusal
        if refusal is not None and not self.refused:
            self.notes.add(busy=str(refusal))
        self.refused = refusal is not None

    def _send(self, room: str, id_: int) -> Deferred[None]:
        """Send one message; what becomes of it is noted when this turn is over."""
        message = payload(Said(self.options.name, id_), self.options.size)

        def stored(receipt: Receipt) -> None:
            if receipt.id != id_:
                self.notes.add(fault=f"message {id_} was sent with id {receipt.id}")
            if not self._acked:
                self.reactor.callLater(0, self._note)
            self._acked.append((room, id_, receipt.seq))

        def failed(failure: Failure) -> None:
            if failure.check(Refused):
                self.notes.add(refused=[(room, id_)], why=str(failure.value))
            else:
                self.notes.add(unknown=id_, why=str(failure.value))

        return self.client.send(room, message).addCallbacks(stored, failed)

    def _note(self) -> None:
        if self._acked:
            self.notes.add(ok=self._acked)
            self._acked = []


def main() -> None:
    """Run as a program."""
    parser = options_of(__doc__)
    parser.add_argument("--messages", type=int, default=1 << 40)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--at-once", type=int, default=16, help="messages given to one write")
    parser.add_argument("--pause", type=float, default=0.0, help="mean seconds behind each burst")
    parser.add_argument("--size", type=int, default=64)
    begin(parser, lambda reactor, options: Publisher(reactor, options).run())


if __name__ == "__main__":
    main()

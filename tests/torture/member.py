"""A member of a torture run, a program of its own: it reads rooms from their first message on.

    python -m tests.torture.member SERVER NOTES --name m1 --rooms a,b

It ends behind the message of a publisher called `end` in every room.  Killed and started again
with the same notes, it goes on behind the last message that it noted.
"""

from __future__ import annotations

import argparse
import hashlib
import random
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from tests.torture.notes import Notes, read, said_in
from tests.torture.program import begin, options_of
from twisted_msg.client import Client, Gap

END = "end"
"""Who says the last message of a room."""

AT_ONCE = 256
"""Messages of one note."""


class Member:
    """What one member has been handed."""

    def __init__(self, reactor: Any, options: argparse.Namespace) -> None:
        self.reactor = reactor
        self.options = options
        self.last = dict.fromkeys(options.rooms, 0)
        self.digests = {room: hashlib.sha256() for room in options.rooms}
        self.ended: set[str] = set()
        for note in read(options.notes):
            if "got" in note:
                for seq, client, id_ in note["got"][1]:
                    self._count(note["got"][0], seq, client, id_)
            if "missed" in note:
                room, _, last = note["missed"]
                self.last[room] = last
        self.notes = Notes(options.notes)
        self.random = random.Random(f"{options.seed} {options.name} {self.last}")

    async def run(self) -> None:
        """Read all rooms to their ends, with a new client whenever this one wants to leave."""
        while len(self.ended) < len(self.options.rooms):
            client = Client(
                self.reactor,
                self.options.server,
                self.options.name,
                on_connected=lambda: self.notes.add(up=True),
                on_lost=lambda error: self.notes.add(lost=str(error), goes=error.server_goes),
            )
            await client.connect(None)
            stay = self.random.randint(1, self.options.leave) if self.options.leave else 0
            rooms = [room for room in self.options.rooms if room not in self.ended]
            await gatherResults(
                [Deferred.fromCoroutine(self._read(client, room, stay)) for room in rooms]
            )
            await client.abort()
        digests = {room: digest.hexdigest() for room, digest in self.digests.items()}
        self.notes.add(done=True, digests=digests)

    async def _read(self, client: Client, room: str, stay: int) -> None:
        """Read one room until its end, or until so many messages were read."""
        got: list[tuple[int, str, int]] = []

        def missed(gap: Gap) -> None:
            self.notes.add(missed=[room, gap.first, gap.last])
            self.last[room] = gap.last

        count = 0
        messages = client.messages(room, start=self.last[room] + 1, on_missed=missed)
        async with messages:
            async for message in messages:
                said = said_in(message.payload)
                got.append((message.seq, *said))
                self._count(room, *got[-1])
                count += 1
                over = count == stay or room in self.ended
                if over or len(got) == AT_ONCE or not messages.waiting:
                    self.notes.add(got=[room, got])
                    got = []
                if over:
                    return

    def _count(self, room: str, seq: int, client: str, id_: int) -> None:
        self.last[room] = seq
        self.digests[room].update(b"%d %b %d\n" % (seq, client.encode(), id_))
        if client == END:
            self.ended.add(room)


def main() -> None:
    """Run as a program."""
    parser = options_of(__doc__)
    parser.add_argument("--leave", type=int, default=0, help="connect anew after up to so many")
    begin(parser, lambda reactor, options: Member(reactor, options).run())


if __name__ == "__main__":
    main()

"""A publisher: it keeps a journal of what it owes, as the protocol asks.

Law of this file: an id is given once and for all, whichever program says it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tests.history import Said
from tests.simulation.clocks import ProcessClock
from twisted_msg.client import (
    Client,
    NotUnderstood,
    Refused,
    Superseded,
)

if TYPE_CHECKING:
    from tests.simulation.world import World


from tests.simulation.people import OWED, Person, written


class Publisher(Person):
    """Sends to rooms, each message with an id that it keeps until it is acknowledged.

    `journal` outlives its program: what is not known to be stored, by id.
    """

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.journal: dict[int, tuple[str, bytes]] = {}
        self.next = 1
        self._given = -1

    @property
    def can_say(self) -> bool:
        return self.ready and len(self.journal) < OWED

    @property
    def secret(self) -> str:
        return f"secret-of-{self.name}-0123456789"

    def connected(self, client: Client, clock: ProcessClock) -> None:
        """Settle what the server has received, and send the rest again."""
        if clock is not self.clock:
            return
        self.ready = True
        self._given = -1  # this program has begun no ids yet
        last = client.server["last_id"]
        if last >= self.next:
            self.world.trouble(f"PHANTOM {self.name} is told of {last}, sent {self.next - 1}")
        for number in [each for each in self.journal if each <= last]:
            self.settled(number, None)
        for number, (room, payload) in list(self.journal.items()):
            self.world.counts["retries"] += 1
            self._send(client, clock, number, room, payload)

    def say(self, room: str, size: int) -> None:
        """Send a new message, unless what was sent before it has ended the program."""
        if self.client is None:
            return
        number, self.next = self.next, self.next + 1
        payload = written(Said(self.name, number), size)
        self.journal[number] = room, payload
        self.world.sent(room, Said(self.name, number), payload)
        self._send(self.client, self.clock, number, room, payload)

    def look(self) -> None:
        """Notice that another program of this client has taken over, though nothing was owed."""
        if self.ready and not self.going and self.client.closed:
            self.world.counts["superseded"] += 1
            self.kill()

    def leave(self) -> None:
        """End the program well: when that is done, all it said is stored."""
        self.ready = False
        self.going = True

        def left(_: object) -> None:
            if self.journal:
                self.world.trouble(f"LOST {self.name} has left, owing {list(self.journal)}")
            self.world.counts["programs ended well"] += 1
            self.kill()

        def failed(failure: Failure) -> None:
            self.world.note("could not leave", self.name, failure.value)
            self.kill()

        ending = Deferred.fromCoroutine(self.client.close())
        self.world.endings.append(ending)
        ending.addCallbacks(left, failed)

    def settled(self, number: int, seq: int | None) -> None:
        """A message is known to be stored."""
        entry = self.journal.pop(number, None)
        if entry is not None:
            self.world.said(entry[0], Said(self.name, number), "ok", seq)

    def _send(
        self, client: Client, clock: ProcessClock, number: int, room: str, payload: bytes
    ) -> None:
        if number != self._given + 1:
            client.begin_ids(number)
        self._given = number
        client.send(room, payload).addCallbacks(
            lambda receipt: self.settled(number, receipt.seq),
            self._failed,
            errbackArgs=(number, clock),
        )

    def _failed(self, failure: Failure, number: int, clock: ProcessClock) -> None:
        # The older of two programs, cut off before it heard that it is superseded, may take over
        # again and say more: then the newer one is told NotUnderstood, "another program".
        other = failure.check(NotUnderstood) and "another program" in str(failure.value)
        if failure.check(Superseded) or (other and self.runs > 1):
            if self.clock is clock and clock.alive:
                self.world.counts["superseded"] += 1
                self.kill()
        elif failure.check(Refused):
            entry = self.journal.pop(number, None)
            if entry is not None:
                is_known = failure.value.code != "unknown"  # the outcome of a direct message
                self.world.counts["refusals"] += is_known
                outcome = "refused" if is_known else "unknown"
                said = Said(self.name, number)
                self.world.said(entry[0], said, outcome, None)
                absent = "absent" in str(failure.value) and self.world.has_one_server(said)
                if absent and any(said in member.directs for member in self.world.members):
                    self.world.trouble(f"PHANTOM a direct message was received: {failure.value}")
        elif self.clock is clock and clock.alive and not self.going:
            self.world.trouble(f"{self.name} could not send {number}: {failure.value}")

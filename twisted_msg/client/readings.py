"""Which rooms a client reads, and whose each of the server's answers is.

Law of this file: one reading of a room at a time, and an answer to an older one is
never taken for its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from twisted_msg.client.errors import ClientError, Refused
from twisted_msg.client.messages import Joined, Parted, Presence, Present, Reading
from twisted_msg.client.postbox import Postbox
from twisted_msg.client.subscription import Message, Phase, Subscription
from twisted_msg.wire.names import DIRECT
from twisted_msg.wire.replies import Here, Join, Live, Missed, Msg, Part, Subbed, Unsubbed


class Readings:
    """The rooms that are read, by name; direct messages stand under `@`."""

    def __init__(self) -> None:
        self._readings: dict[str, Reading] = {}
        self._fed: dict[Reading, None] = {}  # those with something new since the last rest
        self._stale: Counter[str] = Counter()  # SUBs whose answers nobody waits for

    def add(self, reading: Reading) -> None:
        """Begin.  Raises `ValueError` if the room is being read already."""
        room = reading.core.room
        old = self._readings.get(room)
        if old is not None and not old.core.ended:
            what = "direct messages" if room == DIRECT else room
            raise ValueError(
                f"this client reads {what} already: close that iterator (aclose) first, or "
                "connect another client"
            )
        self._readings[room] = reading

    def remove(self, reading: Reading) -> None:
        """Forget one that has ended; what was asked of the server for it is still answered."""
        core = reading.core
        if self._readings.get(core.room) is reading:
            del self._readings[core.room]
            if isinstance(core, Subscription) and core.unanswered:
                self._stale[core.room] += 1

    def connected(self) -> None:
        """Ask for every room, on a new connection."""
        self._stale.clear()
        for reading in list(self._readings.values()):
            if isinstance(reading.core, Subscription):
                reading.core.connected()

    def lost(self) -> None:
        """The connection is gone."""
        for reading in self._readings.values():
            if isinstance(reading.core, Subscription):
                reading.core.lost()
        self.rest()

    def end(self, error: ClientError | None) -> None:
        """Let nothing more in, anywhere."""
        self.end_rooms(error)
        for reading in list(self._readings.values()):
            reading.end(error)

    def end_rooms(self, error: ClientError | None) -> None:
        """Let nothing more in from rooms; direct messages come until the connection ends."""
        for room, reading in list(self._readings.items()):
            if room != DIRECT:
                reading.end(error)

    def rest(self) -> None:
        """Wake the readers that have something new: once for all that has come together."""
        while self._fed:
            reading = next(iter(self._fed))
            del self._fed[reading]
            reading.wake()

    # -- from the server -----------------------------------------------------

    def message(self, reply: Msg) -> None:
        """A message has come, or a direct one."""
        reading = self._readings.get(DIRECT if reply.room[:1] == DIRECT else reply.room)
        if reading is None:
            return
        core = reading.core
        if isinstance(core, Postbox):
            core.put(Message(*reply))
        else:
            core.message(reply)
        self._fed[reading] = None

    def subbed(self, reply: Subbed) -> None:
        """A room has let this client in."""
        if not self._answers_older(reply.room):
            self._tell(reply.room, lambda core: core.subbed(reply.head))

    def refused(self, room: str, error: Refused) -> None:
        """A room does not let this client in."""
        if not self._answers_older(room):
            self._tell(room, lambda core: core.refused(error))

    def live(self, reply: Live) -> None:
        """A room's history has come."""
        self._tell(reply.room, lambda core: core.live(reply.head))

    def missed(self, reply: Missed) -> None:
        """A room no longer keeps some messages."""
        self._tell(reply.room, lambda core: core.missed(reply.first, reply.last))

    def unsubbed(self, reply: Unsubbed) -> None:
        """A room has let this client go."""
        self._tell(reply.room, Subscription.unsubbed)

    def presence(self, reply: Join | Part | Here) -> None:
        """Somebody has come or gone, or a list stands for all that did."""
        reading = self._readings.get(reply.room)
        if (
            reading is not None
            and isinstance(reading.core, Subscription)
            and reading.core.phase is Phase.READING
        ):
            event: Presence
            if isinstance(reply, Here):
                event = Present(*reply)
            else:
                event = (Joined if isinstance(reply, Join) else Parted)(*reply)
            reading.tell(event)

    # -- within --------------------------------------------------------------

    def _tell(self, room: str, act: Callable[[Subscription], None]) -> None:
        """Let a room's reading take something in."""
        reading = self._readings.get(room)
        if reading is not None and isinstance(reading.core, Subscription):
            act(reading.core)
            self._fed[reading] = None

    def _answers_older(self, room: str) -> bool:
        """Return whether an answer to a SUB is one that nobody waits for."""
        if not self._stale[room]:
            return False
        self._stale[room] -= 1
        return True

"""What was sent and is not known to be stored: ids, and what must be sent again.

Law of this file: ids rise and are never given twice; what is settled is settled once, and
never sent again; what is sent again has the id it had, and keeps its order.  Pure: no
Twisted, no clock, no randomness.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from twisted_msg.wire.arguments import check_whole
from twisted_msg.wire.names import DIRECT, MAX_ID
from twisted_msg.wire.requests import Pub

T = TypeVar("T")

FLIGHT_MESSAGES: Final = 16_384
"""Messages that may be on their way without an acknowledgement: enough for a server to
gather several big groups while an fsync takes its time."""

FLIGHT_BYTES: Final = 4 * 1024 * 1024
"""Bytes of such messages, headers included: what the transport may hold at most, beside
one message that is larger by itself."""

ROOM_BYTES: Final = 2 * FLIGHT_BYTES
"""Bytes that may be owed in all before senders are asked to wait for room."""

HEADER_COST: Final = 128
"""Bytes that a message counts beside its payload: its header's."""


class Receipt(NamedTuple):
    """What is known of a message that is stored.

    `seq` is its place in `room`, or None where the server acknowledged it together with
    later ones: an acknowledgement tells the place of the last one only.
    """

    room: str
    id: int
    seq: int | None


class Batch(Generic[T]):
    """Messages of one call, with consecutive ids from `first` on; `waiter` is the caller's.

    `errors` holds, by id, why some were not taken.
    """

    __slots__ = ("errors", "first", "payloads", "room", "seq", "settled", "waiter")

    def __init__(self, room: str, first: int, payloads: Sequence[bytes], waiter: T) -> None:
        self.room = room
        self.first = first
        self.payloads = payloads
        self.waiter = waiter
        self.settled = 0  # how many are, from the first on
        self.seq: int | None = None
        self.errors: dict[int, Exception] = {}

    @property
    def last(self) -> int:
        """The id of its last message."""
        return self.first + len(self.payloads) - 1

    @property
    def receipt(self) -> Receipt:
        """What is known of its last message."""
        return Receipt(self.room, self.last, self.seq)


class Outbox(Generic[T]):
    """The messages that a client owes its server, in the order of their ids."""

    def __init__(
        self, flight_messages: int = FLIGHT_MESSAGES, flight_bytes: int = FLIGHT_BYTES
    ) -> None:
        """Take how much may be on its way at once."""
        self._flight_messages = flight_messages
        self._flight_bytes = flight_bytes
        self._batches: deque[Batch[T]] = deque()
        self._next = 1
        self._begun = False
        self._sent = 0  # the highest id handed over on this connection
        self._handed = 0  # the highest on any
        self._unsent: deque[Batch[T]] = deque()  # those not handed over whole
        self._flying = 0  # bytes of what is handed over and not settled
        self._aloft = 0  # how many messages that is
        self.owed = 0
        """Bytes of all that is not settled."""

    def __len__(self) -> int:
        """How many messages are not settled."""
        return sum(len(batch.payloads) - batch.settled for batch in self._batches)

    @property
    def empty(self) -> bool:
        """Whether everything is settled."""
        return not self._batches

    @property
    def oldest(self) -> int | None:
        """The lowest id that is not settled, or None."""
        return next(
            (
                id_
                for batch in self._batches
                for id_ in range(batch.first + batch.settled, batch.last + 1)
                if id_ not in batch.errors
            ),
            None,
        )

    def begin_at(self, id_: int) -> None:
        """Give the next message this id, and the others the ids behind it.

        Raises `ValueError` for what is no id, for one that was given already or that the
        server has received, and before the first connection, when that is not known; and
        `TypeError`.
        """
        id_ = check_whole(id_, "an id", 1)
        if not self._begun:
            raise ValueError(
                "connect first: before that it is not known which ids the server has received"
            )
        if id_ < self._next:
            raise ValueError(f"the id {id_} would go back: the next one is {self._next} or higher")
        self._next = id_

    def add(self, room: str, payloads: Sequence[bytes], waiter: T) -> Batch[T]:
        """Take messages (one or more) and give them ids.

        Raises `ValueError` if there are none left.
        """
        self._check_left(len(payloads))
        batch = Batch(room, self._next, payloads, waiter)
        self._next += len(payloads)
        self._batches.append(batch)
        self._unsent.append(batch)
        self.owed += _cost(payloads)
        return batch

    def take(self) -> bytes:
        """Return the frames to send now: what is not handed over yet, as far as may be in flight.

        One message goes even if it is larger than all that may be.
        """
        frames: list[bytes] = []
        while self._unsent:
            batch = self._unsent[0]
            room, first, payloads, errors = batch.room, batch.first, batch.payloads, batch.errors
            at = max(self._sent + 1 - first, batch.settled)
            while at < len(payloads):
                id_, payload = first + at, payloads[at]
                cost = len(payload) + HEADER_COST
                if self._aloft >= self._flight_messages or (
                    self._flying and self._flying + cost > self._flight_bytes
                ):
                    return b"".join(frames)
                if id_ not in errors:
                    frames.append(Pub(room, payload, id_).encode())
                    self._handed = max(self._handed, id_)
                self._sent = id_
                self._flying += cost
                self._aloft += 1
                at += 1
            self._unsent.popleft()
        return b"".join(frames)

    def acknowledge(
        self, id_: int, seq: int | None, unknown: Exception | None = None
    ) -> list[Batch[T]]:
        """Settle all up to an id; return the batches that are settled whole by it.

        `seq` is where that last one stands in its room, if it is known.  What was not sent
        cannot be acknowledged.  `unknown` is given if an earlier connection sent them: direct
        messages keep it as their error, since a notice about them may have been lost.
        """
        id_ = min(id_, self._handed)
        done: list[Batch[T]] = []
        while self._batches and self._batches[0].first <= id_:
            batch = self._batches[0]
            upto = min(id_ - batch.first + 1, len(batch.payloads))
            if unknown is not None and batch.room.startswith(DIRECT):
                for at in range(batch.settled, upto):
                    batch.errors.setdefault(batch.first + at, unknown)
            self._settle(batch, upto)
            if batch.last == id_:
                batch.seq = seq
            if not self._finished(batch):
                break
            done.append(batch)
        return done

    def refuse(self, id_: int, error: Exception) -> Batch[T] | None:
        """Give a message up: it is not sent again, and its batch keeps the error.

        Returns the batch if it is settled whole by it.
        """
        batch = self._find(id_)
        if batch is None:
            return None
        batch.errors.setdefault(id_, error)
        return batch if self._finished(batch) else None

    def room_of(self, id_: int) -> str | None:
        """Return where a message goes that is not settled, or None if there is none of that id."""
        batch = self._find(id_)
        return None if batch is None else batch.room

    def resume(self, last_id: int, unknown: Exception | None = None) -> list[Batch[T]]:
        """Begin on a new connection, whose server has received the ids up to `last_id`.

        They are stored, and settled by it (direct messages with the error `unknown`, see
        `acknowledge`); all others are handed over again.  At the very
        first connection nothing was sent yet, so the ids begin behind it instead.
        Returns the batches that are settled whole.  Raises `ValueError` if somebody else
        must have sent with this client's id, or if no ids are left for what waits.
        """
        if not self._begun:
            self._check_left(last_id)
            self._begun = True
            for batch in self._batches:
                batch.first += last_id
            self._next += last_id
            self._handed = last_id
        elif last_id > self._handed:
            raise ValueError(
                f"the server has received {last_id} from this client, which has sent "
                f"{self._handed} at most: another program uses the same client id"
            )
        done = self.acknowledge(last_id, None, unknown)
        self._sent = last_id
        self._flying = self._aloft = 0
        self._unsent = deque(self._batches)
        return done

    def clear(self) -> list[Batch[T]]:
        """Give everything up; return the batches that were not settled."""
        left = list(self._batches)
        self._batches.clear()
        self._unsent.clear()
        self.owed = self._flying = self._aloft = 0
        return left

    # -- within --------------------------------------------------------------

    def _check_left(self, number: int) -> None:
        """Raise `ValueError` if there are not so many ids left."""
        if self._next - 1 + number > MAX_ID:
            raise ValueError(
                f"this client has no ids left: they end at {MAX_ID}; take another client id"
            )

    def _find(self, id_: int) -> Batch[T] | None:
        """Return the batch that holds a message that is not settled."""
        for batch in self._batches:
            if batch.first + batch.settled <= id_ <= batch.last:
                return batch
        return None

    def _settle(self, batch: Batch[T], upto: int) -> None:
        """Count the first messages of a batch as settled."""
        if upto > batch.settled:
            cost = _cost(batch.payloads[batch.settled : upto])
            self.owed -= cost
            self._flying = max(0, self._flying - cost)
            self._aloft = max(0, self._aloft - (upto - batch.settled))
            batch.settled = upto

    def _finished(self, batch: Batch[T]) -> bool:
        """Return whether all of a batch is settled or given up; then it is forgotten."""
        left = range(batch.first + batch.settled, batch.last + 1)
        if len(left) > len(batch.errors) or not all(id_ in batch.errors for id_ in left):
            return False
        self._settle(batch, len(batch.payloads))
        self._batches.remove(batch)
        if batch.last > self._sent and batch in self._unsent:
            self._unsent.remove(batch)
        return True


def _cost(payloads: Sequence[bytes]) -> int:
    """Return what messages count, in bytes."""
    return sum(map(len, payloads)) + HEADER_COST * len(payloads)

"""What a typed connection publishes, and what of that is acknowledged.

Law of this file: an id is received once, acknowledged when it and everything before it is
stored, and never acknowledged past one that was turned away.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted_msg.log.piece import Author
from twisted_msg.rooms.room import Room
from twisted_msg.session.clients import Mark
from twisted_msg.session.house import House
from twisted_msg.session.line import Line, Pause
from twisted_msg.wire import ErrorCode, ProtocolError, replies
from twisted_msg.wire.limits import HEADER_SIZE
from twisted_msg.wire.names import MAX_ID


class Publishing:
    """One connection's publishing: a debtor of rooms and store.

    `author` is who its messages are from, `mark` how far its ids have come, `key` what the
    store knows its client by.
    """

    __slots__ = (
        "_heard", "_house", "_line", "_pause", "_refuse", "_refused", "author", "key", "mark",
    )  # fmt: skip

    def __init__(
        self, line: Line, house: House, pause: Pause, refuse: Callable[[ProtocolError], None]
    ) -> None:
        """Take the line, the house, and the session's ways to wait and to refuse."""
        self._line = line
        self._house = house
        self._pause = pause
        self._refuse = refuse
        self._refused = False
        self._heard = 0  # the last id that went to a memory room, which turns nothing away
        self.author = Author(line.number, b"")
        self.mark = Mark()
        self.key: bytes | None = None

    def publish(self, room: Room, payload: bytes, number: int) -> None:
        """Publish with an id, unless that was received before."""
        if self._is_new(number):
            if room.durable:
                self._say(room, payload, number)
            else:
                self._in_order(lambda: self._say(room, payload, number))

    def publish_run(self, room: Room, payloads: list[bytes], first: int) -> bool:
        """Publish many messages whose ids count up, if nothing speaks against any of them.

        Returns whether that was done.
        """
        commits = self._house.commits
        waits = not room.durable and commits is not None and commits.owes(self)
        last = first + len(payloads) - 1
        if waits or self._refused or first <= self.mark.received or last > MAX_ID:
            return False
        self._received(room, last, room.publish_run(self._line, self.author, payloads))
        return True

    def direct(self, to: str, payload: bytes, number: int | None) -> None:
        """Send a direct message to the connection of a name, unless its id was received before."""
        if number is None:
            self._send_direct(to, payload, None)
        elif number > self.mark.received:
            self._in_order(lambda: self._send_direct(to, payload, number))
        else:
            self._repeat_direct(to, number)

    def stored(self, number: int, seq: int) -> None:
        """Everything up to this id is stored: acknowledge it."""
        mark, outlet = self.mark, self._line.outlet
        if number <= mark.id:
            return  # of several memory rooms, one that was later accepted first
        mark.id, mark.seq = number, seq
        outlet.owing = number < mark.received
        outlet.acknowledge((b"0 ACK %d %d" % (number, seq)).ljust(HEADER_SIZE))

    def turned_away(self) -> None:
        """What was published last could not be stored: it was never received."""
        self._refused = True
        self.mark.received = max(self.mark.id, self._heard)
        self._line.hold()  # until then, lest the refusal of others lets it go on
        self._house.soon(self._turn_away)

    def _turn_away(self) -> None:
        self._line.outlet.owing = False
        self._refuse(
            ProtocolError(
                ErrorCode.BUSY,
                "the server's disk is full, so what is not acknowledged was not taken: send it "
                "again later",
                verb="PUB",
            )
        )

    def _is_new(self, number: int) -> bool:
        """Return whether an id was not received yet; answer one that was."""
        mark = self.mark
        if number > mark.received:
            return True
        self._house.counts.duplicates += 1
        if mark.settled:  # else the acknowledgement that is to come covers it
            self._line.outlet.acknowledge(replies.Ack(mark.id, mark.seq, dup=True).encode())
        return False

    def _in_order(self, say: Callable[[], None]) -> None:
        """Say what is not stored, when what was published before it is.

        Else it would have been heard already when what stands before it is turned away, and be
        heard again when both are sent again.
        """
        commits = self._house.commits
        if commits is not None and commits.owes(self):
            self._pause(commits.settle, say)
        else:
            say()

    def _say(self, room: Room, payload: bytes, number: int) -> None:
        if self._refused:
            return  # nothing is processed behind what was refused
        if room.ended:  # while this waited
            try:
                room = self._house.rooms.open(room.name)
            except ProtocolError as error:
                error.verb, error.subject = "PUB", str(number)
                self._refuse(error)
                return
        self._received(room, number, room.publish(self._line, self.author, payload))

    def _received(self, room: Room, number: int, seq: int) -> None:
        """An id and all before it were received, the last as this number of the room."""
        self.mark.received = number
        if not room.durable:
            self._heard = number
        self._line.outlet.owing = True
        room.owe(self, number, seq)

    def _repeat_direct(self, to: str, number: int) -> None:
        """Answer a direct message whose id was received before.

        What became of it is not kept: the notice that said so may have been lost with the
        connection.  So its outcome is reported as unknown.
        """
        self._house.counts.duplicates += 1
        self._notify(
            ErrorCode.UNKNOWN,
            f"it is not known whether {to} has received this message, which was sent before: ask "
            f"{to}, or send it again with a new id",
            str(number),
        )
        if number <= self.mark.id:  # else the acknowledgement that is to come covers it
            self._line.outlet.answer(replies.Ack(number, 0, dup=True).encode())

    def _notify(self, code: ErrorCode, reason: str, subject: str) -> None:
        """Send a notice about a direct message, which ends nothing."""
        self._house.counts.told[code] += 1
        self._line.outlet.answer(replies.Err(code, reason, "PUB", subject).encode())

    def _send_direct(self, to: str, payload: bytes, number: int | None) -> None:
        if self._refused:
            return
        counts = self._house.counts
        counts.received += 1
        seq, millis = self._house.number_direct()
        bearer = self._house.names.bearer(to)
        message = replies.Msg(f"@{to}", seq, self.author.name.decode(), millis, payload)
        sent = None if bearer is None else bearer.direct(message.encode())
        if sent:
            counts.delivered += 1
        else:
            code, reason = (
                (ErrorCode.BUSY, f"{to} does not read its messages now: send it again later")
                if sent is False
                else (ErrorCode.ABSENT, f"nobody called {to} can take direct messages now")
            )
            self._notify(code, reason, f"@{to}" if number is None else str(number))
        if number is not None:
            self.mark.received = number
            self.stored(number, seq)

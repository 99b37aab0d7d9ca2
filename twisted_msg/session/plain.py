"""The original protocol: every frame is a message to one room, one word ends it.

Law of this file: a plain peer is only ever sent plain frames, and what cannot be
accepted is answered with `!ERROR! <code> <reason>` and the connection closed.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_msg.counts import End, end_of
from twisted_msg.log.piece import Author
from twisted_msg.log.views import PlainView
from twisted_msg.protocol import NotNow
from twisted_msg.rooms.cursor import Cursor
from twisted_msg.rooms.room import Room
from twisted_msg.session.house import House
from twisted_msg.session.line import Line
from twisted_msg.wire import ErrorCode, Frame, ProtocolError, Run, encode_frame
from twisted_msg.wire.limits import ERROR_PREFIX


@dataclass(frozen=True, eq=False)
class PlainRules:
    """How a server speaks to its plain peers.

    `room` is the name of the room that they are in.  `reply` is the unframed answer that
    clients of the wider family wait for after each frame; with one, a connection is sent
    nothing else, so it reads no room.
    """

    view: PlainView
    room: str
    reply: bytes | None = None

    def frame(self, payload: bytes) -> bytes:
        """Return a plain frame's bytes."""
        return encode_frame(payload, (), self.view.header_size)

    def refusal(self, error: ProtocolError) -> bytes:
        """Return what a peer is told of its error: a frame, or unframed where replies are."""
        payload = error.plain_payload()
        return self.frame(payload) if self.reply is None else payload


class PlainSession:
    """One plain connection: a member of the room, for which its line publishes."""

    __slots__ = (
        "_author", "_cursor", "_house", "_line", "_replied", "_room", "_rules", "_said", "key",
        "name", "number",
    )  # fmt: skip

    def __init__(self, line: Line, house: House, rules: PlainRules) -> None:
        """Join the room.  Raises `ProtocolError` if it cannot begin."""
        self._line = line
        self._house = house
        self._rules = rules
        self._room = house.rooms.open(rules.room)
        self.number = line.number
        self.name = house.names.claim(f"guest-{line.number}", self)
        self._author = Author(self.number, self.name.encode())
        self.key: bytes | None = None  # nothing is remembered of a plain peer
        self._said = self._replied = 0
        self._cursor: Cursor | None = None
        if rules.reply is None:
            self._cursor = self._room.join(self, line.outlet, rules.view, without=self.number)
            line.outlet.follow(self._cursor)

    # -- from the connection -------------------------------------------------

    def frame_received(self, frame: Frame) -> None:
        """Publish a message; an empty frame is a keep-alive, and one word ends the session."""
        payload = frame.payload
        if payload == self._rules.view.disconnect:
            self._owe_reply()
            self._line.close(End.GOODBYE, "said goodbye")
        elif payload:
            room = self._open_room()
            if room.congested:
                room.admit(self._line)
                raise NotNow
            self._owe(room, 1, room.publish(self._line, self._author, payload))
        else:
            self._owe_reply()

    def run_received(self, run: Run) -> bool:
        """Publish many messages at once, if nothing but messages is among them."""
        room, payloads = self._room, run.payloads
        if room.ended or room.full or not payloads[0]:
            return False
        if self._rules.view.disconnect in payloads:
            return False
        self._owe(room, len(payloads), room.publish_run(self._line, self._author, payloads))
        return True

    def refuse(self, error: ProtocolError) -> None:
        """Tell the peer what was wrong, behind the replies to what was right."""
        self._house.counts.told[error.code] += 1
        refusal = self._rules.refusal(error)
        self._line.close(end_of(error.code), f"refused, {error}", refusal, cut=True)

    def beat(self) -> None:
        """Nothing: plain peers are never asked."""

    def stop(self) -> None:
        """Send what the room holds, then the disconnect word."""
        goodbye = (
            b"" if self._rules.reply is not None else self._rules.frame(self._rules.view.disconnect)
        )
        self._line.close(End.STOPPED, "the server stops", goodbye)

    def lost(self) -> None:
        """Leave the room."""
        self._house.names.release(self.name, self)
        if self._cursor is not None:
            self._cursor.leave()
            self._cursor = None  # which holds its member, this session

    # -- from the room -------------------------------------------------------

    def stored(self, number: int, seq: int) -> None:
        """Everything said up to this message is accepted; give the replies."""
        outlet = self._line.outlet
        outlet.owing = number < self._said
        if self._rules.reply is None:
            if not outlet.owing and outlet.ending:
                outlet.pump()
            return
        replies, self._replied = number - self._replied, number
        outlet.answer(self._rules.reply * replies)

    def turned_away(self) -> None:
        """What was said last could not be stored."""
        self._line.hold()  # until then, lest the refusal of others lets it go on
        self._house.soon(self._turn_away)

    def _turn_away(self) -> None:
        self._line.outlet.owing = False
        error = ProtocolError(
            ErrorCode.BUSY,
            "the server's disk is full, so the last messages were not taken: send them again later",
        )
        self.refuse(error)

    def fallen(self, cursor: Cursor, missed: int) -> None:
        """Tell the peer how many messages it missed, and close."""
        error = self._rules.frame(ERROR_PREFIX + b"missed %d" % missed)
        reason = f"stopped reading and missed {missed} messages"
        self._line.close(End.BEHIND, reason, error, cut=True)

    def unreadable(self, cursor: Cursor, reason: str) -> None:
        """Tell the peer that what comes next for it is damaged, and close."""
        self.refuse(ProtocolError(ErrorCode.INTERNAL, reason))

    def presence(self, cursor: Cursor, name: str, *, here: bool) -> bool:
        """Nothing: plain peers never ask who comes and goes."""
        return True

    def refresh(self, cursor: Cursor) -> None:
        """Nothing: plain peers never ask who is there."""

    def direct(self, frame: bytes) -> bool | None:
        """Return None: plain peers can have no direct messages."""
        return None

    def _open_room(self) -> Room:
        """Return the room, anew if it was gone meanwhile."""
        if self._room.ended:
            self._room = self._house.rooms.open(self._rules.room)
        return self._room

    def _owe(self, room: Room, count: int, seq: int) -> None:
        """Keep the connection until so many messages are stored, and give replies then."""
        if room.durable or self._rules.reply is not None:
            self._said += count
            self._line.outlet.owing = True
            room.owe(self, self._said, seq)

    def _owe_reply(self) -> None:
        """Give the reply that clients of the wider family wait for, in its turn."""
        if self._rules.reply is None:
            return
        self._said += 1
        if self._said - 1 == self._replied:  # nothing before it waits
            self.stored(self._said, 0)
        else:
            self._line.outlet.owing = True
            self._open_room().owe(self, self._said, 0)

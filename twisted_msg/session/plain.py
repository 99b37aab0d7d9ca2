"""The original protocol: every frame is a message to one room, one word ends it.

Law of this file: a plain peer is only ever sent plain frames, and what cannot be
accepted is answered with `!ERROR! <code> <reason>` and the connection closed.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_msg.log.views import PlainView
from twisted_msg.rooms.cursor import Cursor
from twisted_msg.rooms.room import Room
from twisted_msg.session.line import Line
from twisted_msg.wire import Frame, ProtocolError, encode_frame
from twisted_msg.wire.limits import ERROR_PREFIX


@dataclass(frozen=True, eq=False)
class PlainRules:
    """How a server speaks to its plain peers.

    `reply` is the unframed answer that clients of the wider family wait for after each
    frame; with one, a connection is sent nothing else, so it reads no room.
    """

    view: PlainView
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

    __slots__ = ("_cursor", "_line", "_room", "_rules")

    def __init__(self, line: Line, room: Room, rules: PlainRules) -> None:
        self._line = line
        self._room = room
        self._rules = rules
        self._cursor: Cursor | None = None
        if rules.reply is None:
            self._cursor = room.join(self, rules.view, line.number)
            line.outlet.follow(self._cursor)

    # -- from the connection -------------------------------------------------

    def frame_received(self, frame: Frame) -> None:
        """Publish a message; an empty frame is a keep-alive, and one word ends the session."""
        payload = frame.payload
        if payload == self._rules.view.disconnect:
            self._room.commit()  # what came before is accepted, and its replies go first
            self._accepted()
            self._line.close("said goodbye")
        elif payload:
            stored = None if self._rules.reply is None else self._accepted
            self._room.publish(self._line, payload, stored)
        else:
            self._accepted()

    def refuse(self, error: ProtocolError) -> None:
        """Tell the peer what was wrong, behind the replies to what was right."""
        self._room.commit()
        self._line.outlet.cut_short()
        self._line.close(f"refused, {error}", self._rules.refusal(error))

    def stop(self) -> None:
        """Send what the room holds, then the disconnect word."""
        goodbye = (
            b"" if self._rules.reply is not None else self._rules.frame(self._rules.view.disconnect)
        )
        self._line.close("the server stops", goodbye)

    def lost(self) -> None:
        """Leave the room."""
        self._room.dismiss(self._line)
        if self._cursor is not None:
            self._cursor.leave()

    # -- from the room -------------------------------------------------------

    def wake(self) -> None:
        """Send what the room has for this member."""
        self._line.outlet.wake()

    def taken(self) -> int:
        """Return how many bytes the peer has taken."""
        return self._line.outlet.taken()

    def fallen(self, missed: int) -> None:
        """Tell the peer how many messages it missed, and close."""
        error = self._rules.frame(ERROR_PREFIX + b"missed %d" % missed)
        self._line.outlet.end_with(error)  # it may be leaving already
        self._line.close(f"stopped reading and missed {missed} messages", error)

    def _accepted(self) -> None:
        """Give the reply that clients of the wider family wait for."""
        if self._rules.reply is not None:
            self._line.outlet.answer(self._rules.reply)

"""What time does to one connection: how long a peer may take for what is its turn.

Law of this file: it counts and says what is late; what follows is the connection's matter.
No timer here: one sweep a second asks for all connections.
"""

from __future__ import annotations

from typing import Final

from twisted_msg.wire import FrameDecoder, Stage

FIRST_FRAME_SECONDS: Final = 600.0
"""How long a connection may say nothing at all: a person at the prompt of the original
script thinks before the first message; a forgotten socket goes away."""

HEADER_SECONDS: Final = 30.0
"""How long a header may take from its first byte to its last: it fits one packet."""

PAYLOAD_SECONDS: Final = 30.0
"""How long any payload may take, whatever its size."""

PAYLOAD_RATE: Final = 4096
"""Bytes a second that a payload may arrive at beyond that: a 33.6k modem's."""

FLUSH_SECONDS: Final = 30.0
"""How long a peer that is owed something may take nothing of it (docs/protocol.md, Ends)."""

LINGER_SECONDS: Final = 2.0
"""How long input is discarded behind the end, so that a reset does not destroy what the
peer was told."""

HEARTBEAT_SECONDS: Final = 30
"""Seconds of silence after which a peer that said HELLO is asked whether it is there: below
the minute or more after which middleboxes forget a quiet connection."""

SILENCE_SECONDS: Final = 3 * HEARTBEAT_SECONDS
"""Seconds of silence after which it is given up."""


class Deadlines:
    """The deadlines of one connection.  All times are in seconds of one monotonic clock."""

    __slots__ = ("_mark", "_silent_since", "_since", "_stuck_at", "_stuck_since", "asked")

    def __init__(self) -> None:
        self._mark: object = None
        self._since = 0.0
        self._silent_since = 0.0
        self._stuck_at: int | None = None
        self._stuck_since = 0.0
        self.asked = 0
        """How often the peer was asked in this silence."""

    def restart(self) -> None:
        """Count anew what a frame may take: the server did not read meanwhile."""
        self._mark = None

    def lateness(
        self,
        decoder: FrameDecoder,
        now: float,
        *,
        first: bool,
        partial_proxy_header: bool = False,
    ) -> str:
        """Return what the peer should have sent by now, or nothing.

        `first` says that its first frame is still to come, `partial_proxy_header` that the peer is
        a proxy that has begun the header before that.
        """
        stage = decoder.stage
        if partial_proxy_header:
            if self._stands_still(partial_proxy_header, now, HEADER_SECONDS):
                return f"a PROXY header was not finished within {HEADER_SECONDS:.0f} s"
            return ""
        if stage is Stage.BETWEEN:
            if first and self._stands_still(stage, now, FIRST_FRAME_SECONDS):
                return (
                    f"nothing came for {FIRST_FRAME_SECONDS:.0f} s: who only listens sends an "
                    "empty message first"
                )
            return ""
        limit = HEADER_SECONDS
        if stage is Stage.PAYLOAD:
            limit = PAYLOAD_SECONDS + decoder.announced / PAYLOAD_RATE
        if self._stands_still((stage, decoder.unfinished), now, limit):
            remedy = ": send less at once" if stage is Stage.PAYLOAD else ""
            return f"a {stage.value} was not finished within {limit:.0f} s{remedy}"
        return ""

    def unflushed(self, taken: int, now: float) -> bool:
        """Return whether a peer that is owed something has taken no more of it for too long."""
        return self._stands_still(taken, now, FLUSH_SECONDS)

    def stall(self, taken: int, now: float, limit: float) -> str:
        """Return why a peer that takes nothing of what waits for it is given up, or nothing."""
        if taken != self._stuck_at:
            self._stuck_at, self._stuck_since = taken, now
        if now - self._stuck_since < limit:
            return ""
        return f"took nothing of what waited for it for {limit:g} s"

    def hear(self, now: float) -> None:
        """Count the peer's silence from now on."""
        self._silent_since = now
        self.asked = 0

    def ask(self, now: float) -> bool:
        """Return whether a silent peer should be asked, now, whether it is there."""
        due = now - self._silent_since >= HEARTBEAT_SECONDS * (self.asked + 1)
        self.asked += due
        return due

    def silence(self, now: float) -> str:
        """Return what to tell a peer that does not answer, or nothing."""
        if now - self._silent_since < SILENCE_SECONDS:
            return ""
        return (
            f"nothing came for {SILENCE_SECONDS} s: answer each PING with a PONG, or send "
            "empty frames"
        )

    def _stands_still(self, mark: object, now: float, limit: float) -> bool:
        """Return whether a mark has been the same for `limit` seconds."""
        if mark != self._mark:
            self._mark, self._since = mark, now
        return now - self._since >= limit

"""The server: its connections, the sweep that serves their deadlines, and the end of it all.

Law of this file: it knows every connection and none of their insides; one sweep a
second serves all deadlines, and a stop is over in five seconds.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from twisted_msg.connection import Connection
from twisted_msg.journal import Journal
from twisted_msg.protocol import FrameFactory
from twisted_msg.rooms.room import Room
from twisted_msg.session import PlainRules, PlainSession, Session, TypedSession
from twisted_msg.wire import ProtocolError
from twisted_msg.wire.limits import HEADER_SIZE, MAX_PAYLOAD

STOP_SECONDS: Final = 5.0
"""How long a stopping server takes at the most."""


class Server(FrameFactory):
    """Builds the connections, knows them all, and ends them."""

    protocol = Connection
    noisy = False  # Twisted's own lines about factories tell a person nothing

    def __init__(
        self,
        room: Room,
        rules: PlainRules,
        clock: Any,
        journal: Journal,
        *,
        header_size: int = HEADER_SIZE,
        max_payload: int = MAX_PAYLOAD,
    ) -> None:
        """Take the room of plain messages, how to speak to plain peers, and a clock.

        `clock` is an `IReactorTime`; the header's width and the largest payload are in bytes.
        """
        super().__init__(header_size=header_size, max_payload=max_payload)
        self.room = room
        self.rules = rules
        self.clock = clock
        self._journal = journal
        self._connections: dict[int, Connection] = {}
        self._count = 0
        self._sweeper = LoopingCall(self._sweep)
        self._sweeper.clock = clock
        self._gone: Deferred[None] | None = None

    # -- for connections -----------------------------------------------------

    def joined(self, connection: Connection) -> None:
        """Take in a new connection and give it its number."""
        self._count += 1
        connection.number = self._count
        self._connections[connection.number] = connection
        self._journal.joined(connection.number, connection.transport.getPeer())
        if self._gone is not None:
            connection.close("came while the server stops")
        self.room.admit(connection)

    def converse(self, connection: Connection) -> Session:
        """Return the session for a connection whose first frame is there."""
        if connection.typed:
            return TypedSession(connection)
        return PlainSession(connection, self.room, self.rules)

    def refusal(self, connection: Connection, error: ProtocolError) -> bytes:
        """Return what to tell a peer whose first frame was refused."""
        return TypedSession.refusal(error) if connection.typed else self.rules.refusal(error)

    def input_ended(self) -> None:
        """Have what a connection said last accepted, before it is sent what it is owed."""
        self.room.commit()

    def failed(self, failure: Failure) -> None:
        """Log a fault of the server's own."""
        self._journal.failed(failure)

    def left(self, connection: Connection, reason: str, *, refused: bool) -> None:
        """Forget a connection that is gone."""
        self._connections.pop(connection.number, None)
        self.room.dismiss(connection)
        self._journal.left(
            connection.number, connection.transport.getPeer(), reason, refused=refused
        )
        if self._gone is not None and not self._connections:
            self._gone.callback(None)
            self._gone = None

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    # -- for the service -----------------------------------------------------

    def start(self) -> None:
        """Begin to watch the deadlines."""
        self._sweeper.start(1.0, now=False).addErrback(self._journal.failed)

    async def drain(self) -> None:
        """End every connection: what was accepted is delivered, what is owed is sent.

        Frames that are held because a room is full are not accepted any more.

        Done when all are gone, after `STOP_SECONDS` at the latest.
        """
        self.room.commit()
        if self._connections:
            gone = self._gone = Deferred()
            for connection in list(self._connections.values()):
                connection.stop()
            deadline = self.clock.callLater(STOP_SECONDS, self._abort_all)
            await gone
            if deadline.active():
                deadline.cancel()
        if self._sweeper.running:
            self._sweeper.stop()
        self._journal.close()

    def _abort_all(self) -> None:
        """The time to end well is over."""
        for connection in list(self._connections.values()):
            connection.abort()

    def _sweep(self) -> None:
        """See to everything that time does."""
        now = self.clock.seconds()
        for connection in list(self._connections.values()):
            try:
                connection.sweep(now)
            except Exception:  # time must go on for all the others
                self._journal.failed(Failure())
                connection.abort()
        self.room.sweep()
        self._journal.sweep()

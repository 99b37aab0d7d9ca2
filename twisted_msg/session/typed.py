"""A conversation in typed frames: a table of verbs, and answers that name what was wrong.

Law of this file: a typed peer is only ever sent typed frames; requests are executed and
answered in order, and an acknowledgement never passes over a refusal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted_msg.counts import End, end_of
from twisted_msg.log.piece import Author
from twisted_msg.protocol import NotNow
from twisted_msg.rooms.room import Room
from twisted_msg.session import lists
from twisted_msg.session.clients import Mark, key_of
from twisted_msg.session.costs import Costs
from twisted_msg.session.house import House
from twisted_msg.session.line import Line
from twisted_msg.session.publishing import Publishing
from twisted_msg.session.subscriptions import Subscriptions
from twisted_msg.wire import ErrorCode, Frame, ProtocolError, Run, encode_frame, replies, requests
from twisted_msg.wire.lists import encode_room_list
from twisted_msg.wire.names import DIRECT
from twisted_msg.wire.names import number as read_number


class TypedSession:
    """One typed connection."""

    __slots__ = (
        "_costs", "_house", "_last_room", "_last_words", "_line", "_lost", "_out", "_subscriptions",
        "_superseded", "name",
    )  # fmt: skip

    def __init__(self, line: Line, house: House) -> None:
        self._line = line
        self._house = house
        self._out = Publishing(line, house, self._pause, self._turned_away)
        self._costs = Costs(line, house, self._pause)
        self._subscriptions = Subscriptions(line, house, self._costs, self._pause, self.refuse)
        self._last_words: tuple[str, ...] | None = None
        self._last_room: Room | None = None
        self._lost = self._superseded = False
        self.name = ""

    # -- from the connection -------------------------------------------------

    def frame_received(self, frame: Frame) -> None:
        """Do what a frame asks; what is refused, and leaves the connection open, is answered."""
        payload, words = frame
        room = self._last_room
        if room is not None and not room.ended:  # publishers repeat themselves
            if words is self._last_words:
                room.publish(self._line, self._out.author, payload)
                return
            if len(words) == 3 and words[1] == room.name and words[0] == "PUB":
                given = read_number(words[2])
                if given:
                    self._out.publish(room, payload, given)
                    return
        try:
            if words[:1] != ("HELLO",):
                self._introduced()
            if words or payload:  # else it is a keep-alive
                request = requests.parse_request(frame)
                _VERBS[type(request)](self, request, words)
        except ProtocolError as error:
            if error.verb is None and words:
                error.verb, error.subject = words[0], requests.subject_of(words)
            ends = error.ends_typed or error.verb == "HELLO"
            if ends or (error.verb == "PUB" and len(words) > 2):
                raise
            self._answer(error)

    def run_received(self, run: Run) -> bool:
        """Publish many messages at once, if they are to the room of the one before."""
        room = self._last_room
        if room is None or room.ended or room.full:
            return False
        if run.first is not None:
            publishes = len(run.words) == 3 and run.words[:2] == ("PUB", room.name)
            return publishes and self._out.publish_run(room, run.payloads, run.first)
        if run.words is not self._last_words:
            return False
        room.publish_run(self._line, self._out.author, run.payloads)
        return True

    def refuse(self, error: ProtocolError) -> None:
        """Tell the peer what was wrong, behind the acknowledgement of what was right; close."""
        end, reason = end_of(error.code), f"refused, {error}"
        self._line.close(end, reason, self._refusal(error), cut=True)

    def beat(self) -> None:
        """Ask a silent peer whether it is there."""
        self._line.outlet.notify(replies.Ping().encode())

    def stop(self) -> None:
        """Say that the server is going."""
        goodbye = replies.Bye("the server stops: reconnect").encode()
        self._line.close(End.STOPPED, "the server stops", goodbye)

    def lost(self) -> None:
        """Leave every room, and give back name and client; to be lost again changes nothing."""
        if self._lost:
            return
        self._lost = True
        self._subscriptions.leave()
        self._house.names.release(self.name, self)
        if self._out.key is not None:
            self._house.clients.leave(self._out.key, self)
        del self._out, self._costs, self._subscriptions  # which hold methods of this session

    # -- from the rooms and the store ----------------------------------------

    def _turned_away(self, error: ProtocolError) -> None:
        """What was published last could not be stored."""
        if self._superseded:
            self._line.outlet.pump()  # its last frame says so, and must: it is not to come back
        else:
            self.refuse(error)

    def supersede(self) -> str:
        """Another connection speaks for the client now; return the name that passes to it."""
        self._superseded = True
        self._line.close(
            End.SUPERSEDED,
            "superseded by another connection of its client",
            self._refusal(
                ProtocolError(
                    ErrorCode.SUPERSEDED,
                    "another connection said HELLO with the same client and goes on from here: do "
                    "not reconnect, or use a client of your own",
                )
            ),
            cut=True,
        )
        self._house.names.release(self.name, self)
        return self.name

    def inherit(self, name: str) -> None:
        """Keep the name of the connection that was taken over until this one is welcome."""
        if name:
            self.name = self._house.names.claim(name, self)

    def direct(self, frame: bytes) -> bool | None:
        """Send a direct message, if the peer reads and is not leaving."""
        if self._line.outlet.ending:
            return None
        welcome = bool(self._out.author.name)
        return welcome and self._line.outlet.notify(frame)

    # -- the verbs -----------------------------------------------------------

    def _hello(self, request: requests.Hello, words: tuple[str, ...]) -> None:
        if self.name:
            raise ProtocolError(
                ErrorCode.BAD_ARGS, "HELLO comes once, and before everything else: reconnect for it"
            )
        if request.client is None:
            self._welcome(request.name, self._out.mark)
            return
        key = self._out.key = key_of(request.client)
        self._pause(
            lambda then: self._house.clients.enter(key, self, then, self._line.network),
            lambda mark: self._welcome(request.name, mark),
        )

    def _welcome(self, wanted: str | None, mark: Mark | BaseException) -> None:
        if isinstance(mark, BaseException):
            raise ProtocolError(ErrorCode.INTERNAL, f"the store does not answer: {mark}")
        self._out.mark = mark
        self._introduce(wanted)
        details = {**self._house.details, "name": self.name, "last_id": mark.received}
        self._line.outlet.answer(replies.Welcome(self.name, mark.received, details).encode())
        self._line.keep_beating()

    def _pub(self, request: requests.Pub, words: tuple[str, ...]) -> None:
        if request.room.startswith(DIRECT):
            self._out.direct(request.room.removeprefix(DIRECT), request.payload, request.id)
            return
        room = self._last_room = self._costs.open(request.room)
        if room.congested:
            self._last_words = None
            room.admit(self._line)
            raise NotNow
        if request.id is None:
            self._last_words = words
            room.publish(self._line, self._out.author, request.payload)
        else:
            self._last_words = None  # and not (), which frames without words have
            self._out.publish(room, request.payload, request.id)

    def _sub(self, request: requests.Sub, words: tuple[str, ...]) -> None:
        self._subscriptions.sub(request)

    def _unsub(self, request: requests.Unsub, words: tuple[str, ...]) -> None:
        self._subscriptions.unsub(request)

    def _who(self, request: requests.Who, words: tuple[str, ...]) -> None:
        self._costs.list(lists.here(self._house, request.room))

    def _rooms(self, request: requests.Rooms, words: tuple[str, ...]) -> None:
        house = self._house
        self._pause(
            lambda then: house.portions.run(
                lists.list_rooms(house.rooms, house.max_payload, then), lambda: not self._gone
            ),
            lambda parts, cut: self._costs.list(encode_room_list(parts, cut)),
        )

    def _ping(self, request: requests.Ping, words: tuple[str, ...]) -> None:
        self._line.outlet.answer(replies.Pong(request.token).encode())

    def _pong(self, request: requests.Pong, words: tuple[str, ...]) -> None:
        """Nothing: that it came is the sign of life."""

    def _bye(self, request: requests.Bye, words: tuple[str, ...]) -> None:
        self._line.close(End.GOODBYE, "said goodbye")

    # -- within --------------------------------------------------------------

    def _introduced(self) -> None:
        """Give a name to who did not say `HELLO`."""
        if not self.name:
            self._introduce(None)

    def _introduce(self, wanted: str | None) -> None:
        names = self._house.names
        names.release(self.name, self)
        self.name = names.claim(wanted or self.name or f"guest-{self._line.number}", self)
        self._subscriptions.name = self.name
        self._out.author = Author(self._line.number, self.name.encode())

    def _pause(self, ask: Callable[[Callable[..., None]], None], then: Callable[..., None]) -> None:
        """Process no frame until an answer is there, and then what depends on it first."""

        def answered(*answer: Any) -> None:
            if not self._gone:
                self._line.guard(lambda: self._go_on(then, answer))

        self._line.hold()
        ask(answered)

    @property
    def _gone(self) -> bool:
        """Whether the peer is gone, or is going."""
        return self._lost or self._line.outlet.ending

    def _go_on(self, then: Callable[..., None], answer: tuple[Any, ...]) -> None:
        try:
            then(*answer)
        except ProtocolError as error:
            if error.ends_typed:
                raise
            self._answer(error)
        self._line.release()

    def _answer(self, error: ProtocolError) -> None:
        self._line.outlet.answer(self._refusal(error))

    def _refusal(self, error: ProtocolError) -> bytes:
        """Return the `ERR` frame for an error, which is counted."""
        self._house.counts.told[error.code] += 1
        return self.refusal(error)

    @staticmethod
    def refusal(error: ProtocolError) -> bytes:
        """Return the `ERR` frame for an error."""
        words, payload = error.answer(typed=True)
        return encode_frame(payload, words)


_VERBS: Final[
    dict[type[requests.Request], Callable[[TypedSession, Any, tuple[str, ...]], None]]
] = {
    requests.Hello: TypedSession._hello,
    requests.Pub: TypedSession._pub,
    requests.Sub: TypedSession._sub,
    requests.Unsub: TypedSession._unsub,
    requests.Who: TypedSession._who,
    requests.Rooms: TypedSession._rooms,
    requests.Ping: TypedSession._ping,
    requests.Pong: TypedSession._pong,
    requests.Bye: TypedSession._bye,
}

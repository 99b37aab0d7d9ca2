"""Faults of HTTP, event streams, WebSocket, and of who is told who comes and goes.

Each undoes one protection and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

from tests.simulation.planting import instead, planted
from twisted_msg.delivery import Outlet
from twisted_msg.rooms.room import Room
from twisted_msg.session.names import Names
from twisted_msg.session.subscriptions import Subscriptions
from twisted_msg.session.typed import TypedSession
from twisted_msg.web.api import publishing
from twisted_msg.web.api.encoding import Row, RowCache
from twisted_msg.web.api.following import Following
from twisted_msg.web.api.reading import Feed
from twisted_msg.wire.replies import Ack, Msg


@planted
def a_key_is_no_client() -> Iterator[None]:
    """An `Idempotency-Key` is another client each time."""

    def client_of(room: str, key: bytes) -> str:
        count[0] += 1
        return original(room, key + b"%d" % count[0])

    count = [0]
    original = publishing.client_of
    with instead(publishing, client_of=client_of):
        yield


@planted
def a_key_counts_for_all_rooms() -> Iterator[None]:
    """An `Idempotency-Key` is one client, whatever the room."""
    original = publishing.client_of
    with instead(publishing, client_of=lambda room, key: original("", key)):
        yield


@planted
def created_before_it_is_stored() -> Iterator[None]:
    """201 is answered though no acknowledgement came."""

    def answer(exchange: Any, room: str, replies: list[Any]) -> None:
        if not any(isinstance(reply, Ack) for reply in replies):
            replies = [*replies, Ack(1, 1 << 40)]
        original(exchange, room, replies)

    original = publishing.Publisher._answer
    with instead(publishing.Publisher, _answer=staticmethod(answer)):
        yield


@planted
def resumed_at_the_last_event() -> Iterator[None]:
    """An event stream that comes back is sent its last event again."""
    with _number_less(1):
        yield


@planted
def resumed_one_too_late() -> Iterator[None]:
    """An event stream that comes back is not sent the next event."""
    with _number_less(-1):
        yield


def _number_less(by: int) -> Any:
    from twisted_msg.web.api import following

    def number(text: str) -> int | None:
        found = original(text)
        return found if found is None else max(0, found - by)

    original = following.number
    return instead(following, number=number)


@planted
def missed_without_an_id() -> Iterator[None]:
    """An event stream is told of what it missed without an id to come back with."""

    def missed(self: Following, reply: Any) -> bytes:
        return original(self, reply).partition(b"\n")[2]

    original = Following.missed
    with instead(Following, missed=missed):
        yield


@planted
def events_of_another_room() -> Iterator[None]:
    """The latest rows are kept by number, whatever room they are of."""

    def row(self: RowCache, reply: Msg) -> Row:
        for (_, seq, start), part in self._encoded.items():
            if (seq, start) == (reply.seq, -1):
                return part
        return original(self, reply)

    original = RowCache.row
    with instead(RowCache, row=row):
        yield


@planted
def a_response_drops_what_waits() -> Iterator[None]:
    """What a response holds back while its peer does not read is lost."""

    def pause(self: Feed) -> None:
        self._unwritten.clear()
        original(self)

    original = Feed.pauseProducing
    with instead(Feed, pauseProducing=pause):
        yield


@planted
def a_follower_that_left_stays() -> Iterator[None]:
    """A follower whose connection is gone remains a member."""
    with instead(Feed, stopProducing=lambda self: setattr(self, "_end", lambda: None)):
        yield


@planted
def fragments_swapped() -> Iterator[None]:
    """Of what comes together over WebSocket, the last is taken first."""

    def received(self: Any) -> Any:
        frames = list(original(self))
        return iter(frames[::-1] if len(frames) < 3 else frames)

    from wsproto.frame_protocol import FrameProtocol

    original = FrameProtocol.received_frames
    with instead(FrameProtocol, received_frames=received):
        yield


# -- who is there ------------------------------------------------------------


@planted
def part_lost_at_takeover() -> Iterator[None]:
    """A connection that is taken over leaves its rooms without a word."""

    def supersede(self: TypedSession) -> str:
        for cursor in self._subscriptions._cursors.values():
            cursor.leave(quietly=True)
        return original(self)

    original = TypedSession.supersede
    with instead(TypedSession, supersede=supersede):
        yield


@planted
def comings_never_made_up_for() -> Iterator[None]:
    """A watcher that was not told of all who came and went is never told who is there."""
    with instead(Subscriptions, refresh=lambda self, cursor: None):
        yield


@planted
def told_though_behind() -> Iterator[None]:
    """A watcher that is behind is neither told who comes nor remembered for it."""

    def tell(self: Room, name: str, *, here: bool) -> None:
        for watcher in list(self._watchers):
            if watcher.idle and watcher.seq > self.tail.head:
                watcher.member.presence(watcher, name, here=here)

    with instead(Room, _tell=tell):
        yield


@planted
def a_name_is_given_back_by_anybody() -> Iterator[None]:
    """A connection that is gone gives its name back, though another has taken it over."""

    def release(self: Names[Any], name: str, bearer: Any) -> None:
        self._bearers.pop(name, None)

    with instead(Names, release=release):
        yield


@planted
def a_second_cursor_tells_again() -> Iterator[None]:
    """A member that joins again is told of as one who came."""

    def join(self: Room, member: Any, *arguments: Any, instead: Any = None, **rest: Any) -> Any:
        if instead is not None and not instead.ended:
            self._tell(member.name, here=True)
        return original(self, member, *arguments, instead=instead, **rest)

    original = Room.join
    with mock.patch.object(Room, "join", join):
        yield


@planted
def notices_lost() -> Iterator[None]:
    """A notice is dropped while the way out is full, and said to be sent."""

    def notify(self: Outlet, data: bytes) -> bool:
        return True if self._paused else original(self, data)

    original = Outlet.notify
    with instead(Outlet, notify=notify):
        yield

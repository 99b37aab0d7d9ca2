"""A closed connection is freed at once: no reference cycle holds it, in whatever state it was.

The tests run with the garbage collector off.  `gc.DEBUG_SAVEALL` then shows what a collection
would have freed: each object of the server's or of Twisted's in there belongs to a cycle.
"""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import ensureDeferred

from tests.unit.browsing import StoredWebCase, WebPipe, visitor
from tests.unit.conversing import SECRET, frame
from tests.unit.world import Pipe, World
from tests.websockets import handshake, masked

GET = "GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n"
HELLO = frame(f"HELLO name=ann {SECRET}")
PACKAGES = ("twisted_msg", "twisted", "wsproto", "tests.unit.world", "tests.unit.browsing")
"""Whose objects no cycle may hold; what is in memory takes the place of Twisted's transports."""

OPTIONS: Final[dict[str, Any]] = {
    "rate_messages": "1000",
    "rate_burst": "1",
    "memory_room": ["memory"],
}

EMPTY_ROOM = ("MemoryRoom", "MemoryLog", "Holds")
"""A memory room that has ended is a small cycle without members, messages or connections."""


def open_pipe(world: World, *data: bytes, stuck: bool = False) -> WebPipe:
    """Connect, say this piece by piece, and have the server do all that follows."""
    pipe = visitor(world, stuck=stuck, host="192.0.2.1")
    for piece in data:
        pipe.say(piece)
        world.work()
    return pipe


def vanish(pipe: Pipe) -> None:
    """Reset a connection; as Twisted's transports do, its own lets go of the protocol."""
    pipe.vanish()
    del pipe.protocol


def request(path: str) -> bytes:
    return GET.format(path).encode()


class Opened:
    """Opens one connection in each state; every method is one, and its name says which."""

    def __init__(self, world: World) -> None:
        self.world = world

    def _publish(self, room: str, count: int = 3) -> None:
        publisher = open_pipe(self.world)
        for number in range(count):
            publisher.say(frame(f"PUB {room} {number + 1}: " + "x" * 100_000))
            self.world.work()
        vanish(publisher)

    # -- plain ---------------------------------------------------------------

    def silent(self) -> Pipe:
        return open_pipe(self.world)

    def plain_half_header(self) -> Pipe:
        return open_pipe(self.world, b"12 ")

    def plain_half_frame(self) -> Pipe:
        return open_pipe(self.world, b"100000".ljust(128), b"x" * 70_000)

    def plain_member(self) -> Pipe:
        return open_pipe(self.world, self.world.frame(b"hello"))

    def plain_member_unread(self) -> Pipe:
        pipe = open_pipe(self.world, self.world.frame(b""), stuck=True)
        self._publish("lobby")
        return pipe

    def plain_refused(self) -> Pipe:
        return open_pipe(self.world, self.world.frame(b"hello"), b"x" * 128, stuck=True)

    def refused_first(self) -> Pipe:
        return open_pipe(self.world, b"x" * 128, stuck=True)

    def plain_goodbye(self) -> Pipe:
        return open_pipe(self.world, self.world.frame(b"!DISCONNECT"), stuck=True)

    def plain_unstored(self) -> Pipe:
        pipe = open_pipe(self.world, self.world.frame(b""))
        pipe.say(self.world.frame(b"not stored yet"))
        return pipe

    # -- typed ---------------------------------------------------------------

    def typed_half_frame(self) -> Pipe:
        return open_pipe(self.world, HELLO, b"100000 PUB lobby 1".ljust(128), b"x" * 70_000)

    def typed_welcome_awaited(self) -> Pipe:
        pipe = open_pipe(self.world)
        pipe.say(HELLO)
        return pipe

    def typed_commit_awaited(self) -> Pipe:
        pipe = open_pipe(self.world, HELLO)
        pipe.say(frame("PUB lobby 1: hello") + frame("SUB lobby") + frame("PING"))
        return pipe

    def typed_since_awaited(self) -> Pipe:
        self._publish("lobby")
        pipe = open_pipe(self.world, HELLO)
        pipe.say(frame("SUB lobby since=1"))
        return pipe

    def typed_superseded(self) -> Pipe:
        pipe = open_pipe(self.world, HELLO, stuck=True)
        other = open_pipe(self.world, HELLO)
        vanish(other)
        return pipe

    def typed_subscribed(self) -> Pipe:
        rooms = [frame(f"SUB {room} presence=1") for room in ("lobby", "memory", "other")]
        return open_pipe(self.world, HELLO, *rooms, frame("WHO lobby"), frame("ROOMS"))

    def typed_subscribed_unread(self) -> Pipe:
        pipe = open_pipe(self.world, HELLO, frame("SUB lobby"), frame("SUB memory"), stuck=True)
        self._publish("lobby")
        self._publish("memory")
        return pipe

    def typed_history_unread(self) -> Pipe:
        self._publish("lobby", 10)
        return open_pipe(self.world, HELLO, frame("SUB lobby from=0"), stuck=True)

    def typed_direct(self) -> Pipe:
        return open_pipe(self.world, HELLO, frame("PUB @ann 1: me"), frame("PUB @nobody: you"))

    def typed_refused(self) -> Pipe:
        return open_pipe(self.world, HELLO, frame("PUB lobby nonsense: x"), stuck=True)

    def typed_answered_wrong(self) -> Pipe:
        return open_pipe(self.world, HELLO, frame("SUB lobby from=77"), frame("NONSENSE"))

    def typed_answers_unread(self) -> Pipe:
        pings = b"".join(frame(f"PING {number}") for number in range(900))
        return open_pipe(self.world, HELLO, pings, stuck=True)

    def typed_goodbye(self) -> Pipe:
        return open_pipe(self.world, HELLO, frame("SUB lobby"), frame("BYE"), stuck=True)

    # -- with limits ---------------------------------------------------------

    def plain_too_fast(self) -> Pipe:
        return open_pipe(self.world, *[self.world.frame(b"x") * 2000])

    def turned_away(self) -> Pipe:
        return self._turned_away(b"")

    def turned_away_plain(self) -> Pipe:
        return self._turned_away(self.world.frame(b"hello"))

    def turned_away_http(self) -> Pipe:
        return self._turned_away(request("/"))

    def turned_away_crowded(self) -> Pipe:
        self.world.server.door.told_limit = 0
        return self._turned_away(b"")

    def _turned_away(self, data: bytes) -> Pipe:
        self.world.server.door.limit = 0
        pipe = open_pipe(self.world, stuck=True)
        if data and pipe.protocol is not None:
            pipe.say(data)
        self.world.server.door.limit = None
        self.world.server.door.told_limit = 64
        return pipe

    def began_tls(self) -> Pipe:
        return open_pipe(self.world, b"\x16\x03\x01", stuck=True)

    # -- HTTP ----------------------------------------------------------------

    def http_half_head(self) -> Pipe:
        return open_pipe(self.world, request("/")[:-7])

    def http_half_body(self) -> Pipe:
        head = b"POST /v1/rooms/lobby/messages HTTP/1.1\r\nHost: localhost\r\n"
        return open_pipe(self.world, head, b"Content-Length: 100000\r\n\r\n", b"x" * 70_000)

    def http_half_chunks(self) -> Pipe:
        head = b"POST /v1/rooms/lobby/messages HTTP/1.1\r\nHost: localhost\r\n"
        return open_pipe(self.world, head, b"Transfer-Encoding: chunked\r\n\r\n", b"fff\r\nxx")

    def http_body_too_large(self) -> Pipe:
        head = b"POST /v1/rooms/lobby/messages HTTP/1.1\r\nHost: localhost\r\n"
        return open_pipe(self.world, head, b"Content-Length: 99999999\r\n\r\n", stuck=True)

    def http_publishing(self) -> Pipe:
        pipe = open_pipe(self.world)
        head = b"POST /v1/rooms/lobby/messages HTTP/1.1\r\nHost: localhost\r\n"
        pipe.say(head + b"Content-Length: 5\r\n\r\nhello")
        return pipe

    def http_rooms_awaited(self) -> Pipe:
        pipe = open_pipe(self.world)
        self.world.server.house.portions.run(iter([None] * 3), lambda: True)  # another list
        pipe.say(request("/v1/rooms").replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nhello"))
        return pipe

    def http_idle(self) -> Pipe:
        head = b"POST /v1/rooms/lobby/messages HTTP/1.1\r\nHost: localhost\r\n"
        paths = ("/", "/nothing", "/v1/rooms", "/v1/rooms/lobby/messages", "/v1/rooms/@/events")
        asked = [request(path) for path in (*paths, "/v1/rooms/lobby/members", "/v1/nothing")]
        return open_pipe(self.world, head + b"Content-Length: 5\r\n\r\nhello", *asked)

    def http_refused(self) -> Pipe:
        return open_pipe(self.world, b"GET / HTTP/1.1 nonsense\r\n\r\n", stuck=True)

    def http_history(self) -> Pipe:
        self._publish("lobby", 10)
        return open_pipe(self.world, request("/v1/rooms/lobby/messages"), stuck=True)

    def http_history_head(self) -> Pipe:
        return open_pipe(
            self.world, request("/v1/rooms/lobby/messages").replace(b"GET", b"HEAD"), stuck=True
        )

    def http_events(self) -> Pipe:
        return open_pipe(self.world, request("/v1/rooms/lobby/events"))

    def http_events_begun(self) -> Pipe:
        pipe = open_pipe(self.world)
        pipe.say(request("/v1/rooms/lobby/events"))
        return pipe

    def http_events_behind(self) -> Pipe:
        pipe = open_pipe(self.world, request("/v1/rooms/lobby/events"), stuck=True)
        self._publish("lobby")
        return pipe

    def http_events_followed(self) -> Pipe:
        return open_pipe(self.world, request("/v1/rooms/lobby/events"), request("/") * 500)

    def http_page(self) -> Pipe:
        return open_pipe(self.world, request("/"), stuck=True)

    # -- WebSocket -----------------------------------------------------------

    def websocket_half_upgrade(self) -> Pipe:
        return open_pipe(self.world, handshake()[:-9])

    def websocket_refused(self) -> Pipe:
        return open_pipe(self.world, handshake(Sec_WebSocket_Version="8"))

    def websocket_silent(self) -> Pipe:
        return open_pipe(self.world, handshake())

    def websocket_open(self) -> Pipe:
        return open_pipe(self.world, handshake(), masked(HELLO), masked(frame("SUB lobby")))

    def websocket_plain(self) -> Pipe:
        return open_pipe(self.world, handshake(), masked(b"5".ljust(128) + b"hello"))

    def websocket_half_message(self) -> Pipe:
        size = b"\x7f" + (100_128).to_bytes(8, "big")
        begun = masked(b"100000".ljust(128) + b"x" * 70_000, size=size)
        return open_pipe(self.world, handshake(), begun)

    def websocket_unread(self) -> Pipe:
        pipe = open_pipe(self.world, handshake(), masked(frame("SUB lobby")), stuck=True)
        self._publish("lobby")
        return pipe

    def websocket_closing(self) -> Pipe:
        return open_pipe(self.world, handshake(), masked(frame("BYE")), stuck=True)

    def websocket_closed_by_peer(self) -> Pipe:
        return open_pipe(self.world, handshake(), masked(b"\x03\xe8", 8), stuck=True)

    def websocket_violation(self) -> Pipe:
        return open_pipe(self.world, handshake(), masked(b"text", 1), stuck=True)

    def websocket_too_fast(self) -> Pipe:
        return open_pipe(self.world, handshake(), masked(b"0".ljust(128)) * 2000)


def states() -> list[str]:
    return [name for name in vars(Opened) if not name.startswith("_")]


def reset(world: World, pipe: Pipe) -> None:
    """The peer resets the connection."""
    pipe.vanish()


def fin(world: World, pipe: Pipe) -> None:
    """The peer closes its side, reads the rest, and goes."""
    pipe.protocol.readConnectionLost()
    world.work()
    if not pipe.closed:
        pipe.read_on()
        world.wait(3)
    if not pipe.closed:
        pipe.vanish()


def abort(world: World, pipe: Pipe) -> None:
    """The server gives the connection up, as after an error or at a deadline."""
    for guest in world.server.guests.all():
        if guest.number:
            guest.abort()


def deadline(world: World, pipe: Pipe) -> None:
    """Time passes and the peer neither reads nor says anything."""
    for _ in range(80):
        world.clock.advance(100)
        world.work()
    if not pipe.closed:  # a member that reads everything may stay
        pipe.vanish()


def stop(world: World, pipe: Pipe) -> None:
    """The server stops."""
    ensureDeferred(world.server.drain())
    world.work()
    world.wait(7)


class ClosedConnections(StoredWebCase):
    """Each kind of connection, in each state, closed in each way."""

    def setUp(self) -> None:
        super().setUp()
        self.close_store()
        self.worlds: list[World] = []  # a world is full of cycles, and not what is looked for
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        gc.freeze()
        self.addCleanup(gc.unfreeze)
        self.addCleanup(gc.garbage.clear)
        gc.set_debug(gc.DEBUG_SAVEALL)
        self.addCleanup(gc.set_debug, 0)

    def check(self, state: str, end: Callable[[World, Pipe], None]) -> str:
        """Open and close one connection; return what is left of it, or nothing."""
        world = self.world = self.begin(**OPTIONS)
        self.worlds.append(world)
        pipe = getattr(Opened(world), state)()
        seen = [pipe, pipe.protocol, *world.server.guests.all()]
        watched = {type(each).__name__: weakref.ref(each) for each in seen if _can_be_watched(each)}
        del seen
        self.assertEqual(pipe.closed, state == "turned_away_crowded", state)
        if not pipe.closed:
            end(world, pipe)
        world.work()
        closed = pipe.closed
        del pipe.protocol  # as Twisted's transports do
        world.peers.clear()
        self._heard.clear()
        del pipe
        world.work()
        kept = [name for name, each in watched.items() if each() is not None]
        gc.collect()
        found = (type(each) for each in gc.garbage)
        cycles = Counter(kind.__name__ for kind in found if kind.__module__.startswith(PACKAGES))
        for room in EMPTY_ROOM:
            del cycles[room]
        gc.set_debug(0)
        gc.garbage.clear()
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        self.close_store()
        faults = [
            *(["it was not closed"] if not closed else []),
            *([f"kept: {', '.join(kept)}"] if kept else []),
            *([f"in cycles: {dict(cycles)}"] if cycles else []),
        ]
        return f"{state}, {end.__name__}: {'; '.join(faults)}" if faults else ""

    def check_all(self, end: Callable[[World, Pipe], None]) -> None:
        left = [self.check(state, end) for state in states()]
        self.assertEqual("\n".join(filter(None, left)), "")

    def test_reset(self) -> None:
        self.check_all(reset)

    def test_fin(self) -> None:
        self.check_all(fin)

    def test_abort(self) -> None:
        self.check_all(abort)

    def test_deadline(self) -> None:
        self.check_all(deadline)

    def test_stop(self) -> None:
        self.check_all(stop)


def _can_be_watched(each: object) -> bool:
    try:
        weakref.ref(each)
    except TypeError:
        return False
    return True

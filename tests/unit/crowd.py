"""Rooms without a server: members, publishers, a clock and a store that do what a test says."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from twisted.internet.task import Clock

from tests.unit.pumped import PumpedWorker
from twisted_msg.counts import Counts
from twisted_msg.log.commits import Commits
from twisted_msg.log.piece import Author, Piece, View
from twisted_msg.log.store import Kept, Mark, Store
from twisted_msg.log.views import PlainView, TypedView
from twisted_msg.rooms.cursor import Cursor
from twisted_msg.rooms.registry import Rooms
from twisted_msg.rooms.room import Room
from twisted_msg.wire import FrameDecoder
from twisted_msg.wire.replies import Missed, Msg, Reply, parse_reply

EPOCH = 1_700_000_000_000_000
"""Unix time in microseconds when a test begins."""

PLAIN = PlainView()
TYPED = TypedView()


class Turns:
    """What is to be called when the reactor's turn is over."""

    def __init__(self) -> None:
        self.calls: deque[Callable[[], None]] = deque()

    def __call__(self, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def turn(self) -> None:
        """End the turn, and those that follow at once."""
        while self.calls:
            self.calls.popleft()()


class Peer:
    """A member and its way out: it takes only when it was woken, and while it reads."""

    def __init__(
        self, number: int = 0, name: str = "", *, view: View = TYPED, reads: bool = True
    ) -> None:
        self.number = number
        self.name = name or f"guest-{number}"
        self.view = view
        self.reads = reads
        self.awake = False
        self.data = bytearray()
        self.missed: int | None = None
        self.damage: str | None = None
        self.presences: list[tuple[str, bool]] = []
        self.deaf = False
        self.refreshed = 0
        self._reading = False

    def join(self, room: Room, seq: int | None = None, *, instead: Cursor | None = None) -> Cursor:
        """Become a member and read what there is."""
        without = None if self.view is TYPED else self.number
        self.cursor = room.join(self, self, self.view, seq=seq, without=without, instead=instead)
        self.wake(self.cursor)
        return self.cursor

    def read(self, takes: int = 1_000_000) -> None:
        """Take so many times what the cursor has, if it was woken."""
        if self._reading:
            return
        self._reading = True
        while self.awake and takes:
            data = self.cursor.take()
            self.data += data
            self.awake = bool(data)
            takes -= 1
        self._reading = False

    # -- what a room calls ---------------------------------------------------

    def wake(self, cursor: Cursor) -> None:
        if cursor is self.cursor:
            self.awake = True
            if self.reads:
                self.read()

    def taken(self) -> int:
        return len(self.data)

    def fallen(self, cursor: Cursor, missed: int) -> None:
        assert cursor.ended
        self.missed = missed

    def unreadable(self, cursor: Cursor, reason: str) -> None:
        assert cursor.ended
        self.damage = reason

    def presence(self, cursor: Cursor, name: str, *, here: bool) -> bool:
        if not self.deaf:
            self.presences.append((name, here))
        return not self.deaf

    def refresh(self, cursor: Cursor) -> None:
        self.refreshed += 1

    # -- what it has read ----------------------------------------------------

    @property
    def payloads(self) -> list[bytes]:
        return [frame.payload for frame in FrameDecoder(128, 1 << 30).feed(bytes(self.data))]

    @property
    def replies(self) -> list[Reply | None]:
        return [parse_reply(f) for f in FrameDecoder(128, 1 << 30).feed(bytes(self.data))]

    @property
    def seqs(self) -> list[int]:
        return [reply.seq for reply in self.replies if isinstance(reply, Msg)]

    @property
    def gaps(self) -> list[tuple[int, int]]:
        return [(r.first, r.last) for r in self.replies if isinstance(r, Missed)]


class Speaker:
    """A publisher that says one thing after another, and is owed acknowledgements."""

    def __init__(self, number: int = 100, key: bytes | None = None) -> None:
        self.author = Author(number, b"guest-%d" % number)
        self.key = key
        self.said = 0
        self.held = 0
        self.acks: list[tuple[int, int]] = []
        self.refusals = 0
        self.released: list[Callable[[], None]] = []

    def say(self, room: Room, *payloads: bytes) -> int:
        """Publish, being owed an acknowledgement for each; return the last number."""
        seq = 0
        for payload in payloads:
            seq = room.publish(self, self.author, payload)
            self.said += 1
            room.owe(self, self.said, seq)
        return seq

    def hold(self) -> None:
        self.held += 1

    def release(self) -> None:
        self.held -= 1
        for call in self.released:
            call()

    def stored(self, number: int, seq: int) -> None:
        self.acks.append((number, seq))

    def turned_away(self) -> None:
        self.refusals += 1


def listed(rooms: Rooms) -> list[tuple[str, int, int]]:
    """Return each room's name, the number of its newest message, and how many are in it."""
    found = [(name, rooms.describe(name)) for name in rooms.names()]
    return [(name, *room) for name, room in found if room is not None]


class FakeStore:
    """A store in memory: it keeps all it ever got in `history`, and fails as it is told."""

    def __init__(self) -> None:
        self.floor = 0
        self.pieces: dict[str, list[Piece]] = {}
        self.heads: dict[str, int] = {}
        self.marks: dict[bytes, Mark] = {}
        self.history: dict[str, dict[int, tuple[Author, bytes]]] = {}
        self.fault: BaseException | None = None
        self.refuse_commit: Callable[[], BaseException] | None = None
        self.drops: deque[tuple[str, int]] = deque()
        self.jobs: list[str] = []
        self.groups: list[list[tuple[str, int, int]]] = []
        self.forgotten: list[str] = []

    @property
    def marks_per_address(self) -> int | None:
        return None

    def drop_marks(self, clients: Sequence[bytes]) -> None:
        self._job("drop marks")
        for client in clients:
            self.marks.pop(client, None)

    @property
    def newest(self) -> int:
        return max((piece.millis for each in self.pieces.values() for piece in each), default=0)

    @property
    def size(self) -> int:
        return sum(piece.cost for pieces in self.pieces.values() for piece in pieces)

    def open(self) -> list[Kept]:
        return [self.kept(room) for room in self.heads]

    def close(self) -> None:
        pass

    def kept(self, room: str) -> Kept:
        pieces, head = self.pieces[room], self.heads[room]
        first = pieces[0].first if pieces else head + 1
        return Kept(room, first, head, sum(piece.cost for piece in pieces))

    def head(self, room: str) -> int:
        return self.heads.get(room, self.floor)

    def commit(
        self, pieces: Sequence[Piece], marks: Sequence[tuple[bytes, int, int]]
    ) -> list[Kept]:
        self._job("commit")
        if self.refuse_commit is not None:
            refuse, self.refuse_commit = self.refuse_commit, None
            raise refuse()
        for piece in pieces:
            assert piece.first > self.head(piece.room)
            self.heads[piece.room] = piece.last
            self.pieces.setdefault(piece.room, []).append(piece)
            said = zip(piece.authors, piece.payloads, strict=True)
            self.history.setdefault(piece.room, {}).update(enumerate(said, piece.first))
        self.groups.append([(piece.room, piece.first, piece.last) for piece in pieces])
        self.marks.update((key, Mark(number, seq)) for key, number, seq in marks)
        return [self.kept(room) for room in dict.fromkeys(piece.room for piece in pieces)]

    def piece(self, room: str, seq: int) -> Piece | None:
        self._job(f"piece {seq}")
        found = next((each for each in self.pieces.get(room, ()) if each.last >= seq), None)
        return found and Piece(room, found.first, found.millis, found.authors, found.payloads)

    def since(self, room: str, millis: int) -> int:
        self._job("since")
        pieces = self.pieces.get(room, ())
        return next((each.first for each in pieces if each.millis >= millis), self.head(room) + 1)

    def mark(self, key: bytes) -> Mark | None:
        self._job("mark")
        return self.marks.get(key)

    def set_aside(self, size: int) -> None:
        self._job(f"set aside {size}")

    def check(self) -> None:
        self._job("check")

    def prune(self, now: int) -> list[Kept]:
        self._job("prune")
        if not self.drops:
            return []
        room, count = self.drops.popleft()
        del self.pieces[room][:count]
        return [self.kept(room)]

    def forget(self, room: str) -> None:
        self._job("forget")
        self.forgotten.append(room)

    def _job(self, name: str) -> None:
        self.jobs.append(name)
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault


class Home:
    """The rooms of a server, with a store whose jobs wait until `work`, or without one."""

    def __init__(
        self, store: Store | None = None, *, memory: Sequence[str] = (), age: float | None = None
    ) -> None:
        self.turns = Turns()
        self.clock = Clock()
        self.worker = PumpedWorker()
        self.broken: list[BaseException] = []
        self.back = 0
        self.counts = Counts()
        self.commits: Commits | None = None
        if store is not None:
            self.commits = Commits(
                store,
                self.worker,
                seconds=self.clock.seconds,
                soon=self.turns,
                counts=self.counts,
                kept=lambda kept: self.rooms.kept(kept),
                relieved=lambda: self.rooms.relieved(),
                broken=self.broken.append,
            )
        self.rooms = Rooms(
            seconds=self.clock.seconds,
            now=self.now,
            soon=self.turns,
            counts=self.counts,
            commits=self.commits,
            memory=memory,
            age=age,
        )
        if store is not None:
            self.rooms.load(store.open())

    def now(self) -> int:
        """Unix time in microseconds, set `back` by so many."""
        return EPOCH + int(self.clock.seconds() * 1e6) - self.back

    def turn(self) -> None:
        self.turns.turn()

    def work(self) -> None:
        """End the turn, and have the store do all that it is asked for."""
        self.turn()
        while self.worker.pump():
            self.turn()

    def wait(self, seconds: int) -> None:
        """Let time pass, swept each second."""
        for _ in range(seconds):
            self.clock.advance(1)
            self.rooms.sweep()
            self.work()

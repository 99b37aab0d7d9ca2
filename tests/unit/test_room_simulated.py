"""Rooms under everything at once, against a model: a chosen seed is a chosen history.

Whatever happens, and in whatever order: every member gets what was accepted since it came,
once and in order, or is told exactly what is gone; nothing is acknowledged or seen that was
not accepted; nobody is left asleep with something to read, and nobody held for ever.
"""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.crowd import PLAIN, TYPED, FakeStore, Home, Peer, Speaker
from twisted_msg.log import archive, commits
from twisted_msg.log.piece import MESSAGE_COST
from twisted_msg.log.store import StoreFull
from twisted_msg.rooms import memory, registry, stored
from twisted_msg.rooms.cursor import Cursor
from twisted_msg.rooms.memory import MemoryRoom
from twisted_msg.rooms.room import Room
from twisted_msg.rooms.stored import StoredRoom
from twisted_msg.wire.replies import Live, Missed, Msg

NAMES = ("one", "two", "three")
STEPS = 250
SEEDS = 40


class Witness(Peer):
    """A member that knows what it should have seen."""

    room: Room
    start: int
    begun: int | None = None
    first: int
    steady = True
    stopped: int | None = None

    def enter(self, room: Room, seq: int | None, instead: Cursor | None = None) -> None:
        self.room, self.first, self.steady = room, room.first, self.reads
        self.start = room.received + 1 if seq is None else seq
        cursor = self.join(room, seq, instead=instead)
        if self.view is TYPED:
            self.begun = room.head
            cursor.marker = Live(room.name, room.head).encode()
            cursor.marker_at = room.head
            self.wake(cursor)


class Voice(Speaker):
    """A publisher that checks what it is acknowledged, and says nothing while it is held."""

    def __init__(self, number: int, world: Simulated, key: bytes | None) -> None:
        super().__init__(number, key)
        self.world = world
        self.numbers: list[tuple[str, int]] = []

    def speak(self, room: Room, payload: bytes) -> None:
        self.numbers.append((room.name, self.say(room, payload)))
        self.world.said[room.name, self.numbers[-1][1]] = payload

    def hold(self) -> None:
        super().hold()
        assert self.held == 1 or not self.world.durable

    def stored(self, number: int, seq: int) -> None:
        super().stored(number, seq)
        assert self.numbers[number - 1][1] == seq
        for name, each in self.numbers[:number]:
            assert self.world.accepted(name, each), "acknowledged, and not stored"

    def turned_away(self) -> None:
        super().turned_away()
        if self in self.world.voices:  # refused, and its connection closed
            self.world.voices.remove(self)
            self.world.home.rooms.dismiss(self)


class Simulated:
    """One history."""

    def __init__(self, seed: int, *, durable: bool) -> None:
        self.random = Random(seed)
        self.durable = durable
        self.store = FakeStore()
        self.home = Home(self.store) if durable else Home(age=20)
        self.said: dict[tuple[str, int], bytes] = {}
        self.voices: list[Voice] = []
        self.peers: list[Witness] = []
        self.gone: list[Witness] = []
        self.count = 0
        self.turned_away = self.told = self.delivered = 0
        for _ in range(3):
            self.speaker()

    # -- the model -----------------------------------------------------------

    def accepted(self, name: str, seq: int) -> bool:
        """Whether a message cannot be lost any more: at once, in memory rooms."""
        return not self.durable or seq in self.store.history.get(name, {})

    def log(self, name: str) -> dict[int, tuple[int, bytes]]:
        """Everything that a room ever accepted: origins and payloads by number."""
        if self.durable:
            history = self.store.history.get(name, {})
            return {seq: (author.origin, text) for seq, (author, text) in history.items()}
        return {
            seq: (int(text.split()[0]), text)
            for (room, seq), text in self.said.items()
            if room == name
        }

    # -- what happens --------------------------------------------------------

    def step(self) -> None:
        names = [
            "say", "say", "say", "turn", "turn", "work", "work", "report", "report", "come", "take",
            "take", "take", "go", "again", "settle", "sweep", "pause", "stop", "speaker", "wait",
        ]  # fmt: skip
        if self.durable:
            names += ["full", "prune"]
        getattr(self, self.random.choice(names))()
        before, self.delivered = self.delivered, self.home.rooms.delivered
        assert before <= self.delivered, "a counter that goes back"
        for name in NAMES:
            room = self.home.rooms.get(name)
            if isinstance(room, MemoryRoom):
                assert room.congested or room.tail.cost <= memory.TAIL_COST

    def room(self) -> Room:
        return self.home.rooms.open(self.random.choice(NAMES))

    def say(self) -> None:
        free = [voice for voice in self.voices if not voice.held]
        if free:
            voice, room = self.random.choice(free), self.room()
            for _ in range(self.random.choice([1, 1, 2, 5])):
                if not voice.held:
                    self.count += 1
                    size = self.random.choice([0, 10, 500, 3000, 70_000])
                    text = b"%d %d " % (voice.author.origin, self.count)
                    voice.speak(room, text + b"x" * size)

    def turn(self) -> None:
        self.home.turn()

    def work(self) -> None:
        if self.home.worker.waiting:
            self.home.worker.work()

    def report(self) -> None:
        if self.home.worker.finished:
            self.home.worker.report()
            if self.told != self.turned_away:  # nobody has those numbers: others get them
                self.told = self.turned_away
                for peer in self.peers:
                    peer.start = min(peer.start, peer.room.head + 1)

    def come(self) -> None:
        """A plain member joins at once; a typed one from some number, the room being settled."""
        room = self.room()
        view = self.random.choice([PLAIN, TYPED])
        voice = self.random.choice(self.voices) if self.voices else None
        number = voice.author.origin if voice else 1
        peer = Witness(number, view=view, reads=self.random.random() < 0.5)
        if view is PLAIN:
            peer.enter(room, None)
            self.peers.append(peer)
        else:
            self.enter(peer, room.name, self.random.choice([0, 0, 1, 5, 50]))

    def enter(self, peer: Witness, name: str, back: int, instead: Witness | None = None) -> None:
        before = self.told

        def settled() -> None:
            now = self.home.rooms.open(name)
            assert self.turned_away > before or now.head >= received
            if instead is not None:
                if instead not in self.peers:
                    return
                self.leave(instead, quietly=True)
            start = max(now.first, now.head + 1 - back) if back < 50 else now.first - 1
            peer.enter(now, max(1, start), instead and instead.cursor)
            self.peers.append(peer)
            if self.random.random() < 0.3:
                now.watch(peer.cursor)

        room = self.home.rooms.open(name)
        received = room.received
        room.settle(settled)

    def take(self) -> None:
        if self.peers:
            self.random.choice(self.peers).read(self.random.choice([1, 2, 10]))

    def pause(self) -> None:
        if self.peers:
            peer = self.random.choice(self.peers)
            peer.reads = not peer.reads
            peer.steady = False
            if peer.reads:
                peer.read()

    def go(self) -> None:
        if self.peers:
            self.leave(self.random.choice(self.peers))

    def leave(self, peer: Witness, *, quietly: bool = False) -> None:
        self.peers.remove(peer)
        self.gone.append(peer)
        if not quietly:
            peer.cursor.leave()

    def again(self) -> None:
        typed = [peer for peer in self.peers if peer.view is TYPED]
        if typed:
            peer = self.random.choice(typed)
            again = Witness(peer.number, view=TYPED)
            self.enter(again, peer.room.name, self.random.choice([0, 5, 50]), peer)

    def stop(self) -> None:
        if self.peers and self.random.random() < 0.3:
            peer = self.random.choice(self.peers)
            peer.cursor.stop()
            if peer.stopped is None:
                peer.stopped = peer.room.received

    def settle(self) -> None:
        room = self.home.rooms.get(self.random.choice(NAMES))
        if room is not None:
            received, before = room.received, self.told

            def settled() -> None:
                assert self.turned_away > before or room.head >= received

            room.settle(settled)

    def sweep(self) -> None:
        self.home.rooms.sweep()

    def wait(self) -> None:
        self.home.clock.advance(self.random.choice([0.1, 1, 6]))
        self.home.rooms.sweep()

    def speaker(self) -> None:
        if len(self.voices) < 5:
            key = self.random.choice([None, b"key%d" % self.count])
            voice = Voice(1000 + self.random.randrange(10_000), self, key)
            self.voices.append(voice)
            self.home.rooms.admit(voice)
        elif self.random.random() < 0.3:
            self.home.rooms.dismiss(self.voices.pop(0))

    def full(self) -> None:
        """The next commit finds no room."""
        if self.random.random() < 0.3:
            self.store.refuse_commit = self.refused

    def refused(self) -> StoreFull:
        self.turned_away += 1
        return StoreFull("no room")

    def prune(self) -> None:
        name = self.random.choice(NAMES)
        pieces = self.store.pieces.get(name)
        if pieces:
            self.store.drops.append((name, self.random.randint(1, len(pieces))))
            assert self.home.commits is not None
            self.home.commits.archive.prune(0)

    # -- the end -------------------------------------------------------------

    def finish(self) -> None:
        """Have everybody read to the end, and look at what each has seen."""
        home = self.home
        self.store.refuse_commit = None
        for _ in range(30):
            while home.worker.finished:
                home.worker.report()
            home.work()
            for peer in self.peers:
                peer.reads = True
                peer.read()
            home.clock.advance(1)
            home.rooms.sweep()
        for peer in self.gone:
            peer.awake = True
            peer.read()  # the rest of a frame that was begun
        assert not home.broken
        assert not any(voice.held for voice in self.voices), "held for ever"
        if home.commits is not None:
            assert home.commits.weight == 0
        for peer in self.peers:
            self.check(peer, ended=False)
        for peer in self.gone:
            self.check(peer, ended=True)
        for name in NAMES:
            room = home.rooms.get(name)
            assert room is None or room.quiet
        seen = sum(len(p.payloads if p.view is PLAIN else p.seqs) for p in self.peers + self.gone)
        assert home.rooms.delivered == seen, "counted as sent what was not"

    def check(self, peer: Witness, *, ended: bool) -> None:
        log = self.log(peer.room.name)
        ended = ended or peer.missed is not None
        if peer.steady and not self.durable:
            assert peer.missed is None
            assert peer.view is PLAIN or all(last < peer.first for _, last in peer.gaps)
        if peer.view is PLAIN:
            wanted = [
                text
                for seq, (origin, text) in sorted(log.items())
                if seq >= peer.start and origin != peer.number
            ]
            seen = peer.payloads
            assert seen == wanted[: len(seen)], "lost, doubled or out of order"
            if not ended and peer.stopped is None:
                assert len(seen) == len(wanted), "asleep with something to read"
        else:
            self.check_typed(peer, log, ended=ended)
        if not ended and peer.stopped is not None:
            assert peer.cursor.done

    def check_typed(self, peer: Witness, log: dict[int, tuple[int, bytes]], *, ended: bool) -> None:
        at, lives = peer.start, 0
        for reply in peer.replies:
            if isinstance(reply, Msg):
                assert reply.seq >= at
                assert not [seq for seq in range(at, reply.seq) if seq in log], "lost silently"
                assert log[reply.seq][1] == reply.payload
                at = reply.seq + 1
            elif isinstance(reply, Missed):
                assert reply.first == at <= reply.last, "a gap that is none"
                assert peer.missed is None
                at = reply.last + 1
            else:
                assert reply == Live(peer.room.name, peer.begun or 0)
                assert at > (peer.begun or 0)
                lives += 1
        assert lives <= 1
        if not ended:
            assert lives == 1
            end = max(log, default=0)
            if peer.stopped is not None:
                end = min(end, peer.cursor.limit or 0)
            assert at > end, "asleep with something to read"


class SimulatedRooms(SynchronousTestCase):
    def setUp(self) -> None:
        # Small enough that everything happens: congestion, falls, reading from the store.
        self.patch(memory, "TAIL_COST", 40_000)
        self.patch(memory, "RELIEF_COST", 20_000)
        self.patch(stored, "RECENT_COST", 20_000)
        self.patch(archive, "PAGES_COST", 20_000)
        self.patch(registry, "MEMORY_COST", 30_000)
        self.patch(commits, "UNCOMMITTED_COST", 30_000 + MESSAGE_COST)
        self.patch(commits, "UNCOMMITTED_RELIEF", 15_000)

    def run_seeds(self, *, durable: bool) -> list[Simulated]:
        worlds = []
        for seed in range(SEEDS):
            world = Simulated(seed, durable=durable)
            try:
                for _ in range(STEPS):
                    world.step()
                world.finish()
            except BaseException as error:
                error.add_note(f"seed {seed}, {durable=}")
                raise
            worlds.append(world)
        return worlds

    def test_memory_rooms_hold_whatever_happens(self) -> None:
        worlds = self.run_seeds(durable=False)
        peers = [peer for world in worlds for peer in world.peers + world.gone]
        self.assertTrue(any(peer.gaps for peer in peers if peer.view is TYPED))
        self.assertTrue(any(peer.missed for peer in peers))
        self.assertTrue(all(isinstance(peer.room, MemoryRoom) for peer in peers))

    def test_stored_rooms_hold_whatever_happens(self) -> None:
        worlds = self.run_seeds(durable=True)
        peers = [peer for world in worlds for peer in world.peers + world.gone]
        self.assertTrue(any(peer.gaps for peer in peers if peer.view is TYPED))
        self.assertTrue(any(peer.missed for peer in peers))
        self.assertTrue(any(world.turned_away for world in worlds))
        self.assertTrue(any(job.startswith("piece") for w in worlds for job in w.store.jobs))
        self.assertTrue(all(isinstance(peer.room, StoredRoom) for peer in peers))

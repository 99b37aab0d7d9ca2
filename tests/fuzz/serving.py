"""Targets against a whole server in memory: what hostile peers do to it, and to others."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

from tests.fuzz import grammar
from tests.fuzz.faults import NoFault, hold
from tests.fuzz.script import Step, read
from tests.unit.conversing import frame
from tests.unit.crowd import FakeStore
from tests.unit.world import Pipe, World

MAX_PAYLOAD = 4096
STALL = 60

BUFFERED = 256 * 1024
"""Bytes that a server may hold for one connection that does not read: 64 KiB that a transport holds
before it says stop, 64 KiB of unread answers and as much of unread notices (docs/protocol.md,
section 16); an unfinished frame, and what goes over each of these at once."""

GONE = 45
"""Seconds after which nobody who left or stopped within a frame is still there: 31 for a frame of
4,096 bytes, 30 to flush or 2 to linger, one for each look at the clock (section 15)."""

SECRET = f"client={token_hex(16)}"
"""The witness's secret: atheris guesses one that stands here, and may then take over by right."""


class Peer:
    """One hostile connection, and what it has sent."""

    def __init__(self, world: World) -> None:
        self.pipe = self.connect(world)
        self.sent = bytearray()
        self.waiting = bytearray()  # in the network, while the server does not read
        self.cut = 0
        self.closes = False

    def connect(self, world: World) -> Pipe:
        return world.peer()

    def send(self, data: bytes) -> None:
        self.waiting += data
        self.flush()

    def flush(self) -> None:
        pipe = self.pipe
        while self.waiting and pipe.reading and not pipe.closed:
            size = self.cut or 60_000
            piece = bytes(self.waiting[:size])
            del self.waiting[:size]
            self.sent += piece
            pipe.say(piece)
        if self.closes and not self.waiting and pipe.reading and not pipe.closed:
            self.closes = False
            pipe.close_input()

    def held(self) -> int:
        """How many bytes the server holds for it."""
        connection, pipe = self.pipe.protocol, self.pipe
        out = connection.outlet
        return (
            len(connection.decoder._buffer)
            + sum(map(len, connection._unread))
            + len(pipe.dataBuffer)
            + out._answers_size
            + out._notices_size
            + len(out._rest)
        )


class Scene:
    """A server, two witnesses, and three hostile peers of a kind."""

    def __init__(self, kind: type[Peer] = Peer) -> None:
        self.kind = kind
        self.world = World(
            store=FakeStore(), memory_room=("m*",), max_payload=str(MAX_PAYLOAD),
            stall_limit=str(STALL),
        )  # fmt: skip
        self.typed = self.world.typed(
            frame(f"HELLO name=witness {SECRET}"), frame("SUB lobby presence=1")
        )
        self.plain = self.world.member()
        self.world.work()
        self.peers = [kind(self.world)]
        self.at = self.peers[0]
        self.most = 0

    def do(self, step: Step) -> None:
        """Do one step of a script."""
        peer = self.at
        if step.act == "send":
            peer.send(step.data)
        elif step.act == "+":
            self.wait(step.number % 100)
        elif step.act == "%":
            while len(self.peers) <= step.number % 3:
                self.peers.append(self.kind(self.world))
            self.at = self.peers[step.number % 3]
        elif step.act == "|":
            peer.cut = step.number
        elif step.act == "(":
            peer.pipe.stuck = True
        elif step.act == ")":
            peer.pipe.read_on()
        elif step.act == "&":
            peer.pipe.take(100)
        elif step.act == "<":
            peer.closes = True
            peer.flush()
        elif step.act == "#":
            peer.pipe.vanish()
        if step.act != "send" or len(step.data) > 2000 or self.world.worker.waiting:
            self.settle()
        else:
            self.world.turn()
        self.most = max(self.most, peer.held())

    def settle(self) -> None:
        """Have everything done that can be."""
        for _ in range(3):
            self.world.work()
            for peer in self.peers:
                peer.flush()

    def wait(self, seconds: int) -> None:
        """Let time pass; the witness stays alive."""
        for second in range(seconds):
            if second % 20 == 0:
                self.typed.say(frame(""))
            self.world.clock.advance(1)
            self.settle()


def server(data: bytes) -> None:
    """Whatever peers send, the server logs no fault, sends each its own kind of frame alone, keeps
    a bounded number of bytes for it, and has ended it when its deadlines are over; two members who
    behave are told everything that is said meanwhile, in order, and go on."""
    with NoFault():
        scene = Scene()
        for step in read(data):
            scene.do(step)
        scene.settle()
        hold(scene.most <= BUFFERED, "bytes held for one peer", scene.most)
        _ends(scene)
        for peer in scene.peers:
            _spoken_to(peer)
        witnessed(scene)
        hold(not scene.world.broken, scene.world.broken)


def stream(data: bytes) -> None:
    """A connection that sends any bytes and closes its side is answered by frames of its own kind
    alone, and with the refusal that the specification's grammar wants, if it wants one."""
    cut = data[0] if data else 0
    with NoFault():
        scene = Scene()
        peer = scene.peers[0]
        peer.cut = cut
        peer.send(data[1:])
        scene.settle()
        peer.closes = True
        scene.settle()
        scene.wait(GONE)
        hold(peer.pipe.closed, "not ended", data)
        _spoken_to(peer, code=True)
        witnessed(scene)


def _ends(scene: Scene) -> None:
    """Check that deadlines end what they are for, and that everybody can be gone."""
    scene.wait(GONE)
    for peer in scene.peers:
        connection, pipe = peer.pipe.protocol, peer.pipe
        live = not (pipe.closed or pipe.half_closed or pipe.closing)
        inside = connection.decoder.stage.value != "between frames"
        if live and inside and not connection._holds and connection.receiving:
            hold(False, "inside a frame for too long", bytes(peer.sent[-300:]))
    for peer in scene.peers:
        peer.waiting.clear()
        if not peer.pipe.closed:
            peer.closes = True
    scene.wait(GONE + STALL)
    for peer in scene.peers:
        if not peer.pipe.closed and peer.pipe.stuck:
            peer.pipe.read_on()  # it took nothing for a minute, but was owed nothing either
    scene.wait(GONE)
    for peer in scene.peers:
        hold(peer.pipe.closed, "not ended", bytes(peer.sent[-300:]), peer.pipe.protocol._phase)


def _spoken_to(peer: Peer, *, code: bool = False) -> None:
    """Check what a hostile peer was sent: frames of its own kind."""
    sent = grammar.read_stream(bytes(peer.sent), 128, MAX_PAYLOAD)
    heard = grammar.read_stream(bytes(peer.pipe.taken), 128, 1 << 30)
    hold(heard.refused is None, "no frames", peer.pipe.taken[:500])
    hold(not heard.unfinished or peer.pipe.stuck or peer.pipe.aborted, "a frame was cut short")
    first = peer.sent[:128]
    read = grammar.read_header(bytes(first)) if len(first) == 128 else None
    typed = read is not None and bool(read.words)
    errors = []
    for at, (words, payload) in enumerate(heard.frames):
        hold(bool(words) == typed, "a frame of the other kind", words, payload, bytes(first))
        if words[:1] == ("ERR",):
            errors.append(words[1])
        if not typed:
            hold(payload and payload != b"!DISCONNECT!", "a word of the server's own")
            if payload.startswith(b"!ERROR! "):
                errors.append(payload.split()[1].decode())
                hold(at + 1 == len(heard.frames), "something behind the last word", payload)
    if code and sent.refused and not any(w[:1] == ("BYE",) for w, _ in sent.frames):
        said = [payload for words, payload in sent.frames if not words]
        if typed or b"!DISCONNECT!" not in said:
            hold(errors, "no refusal", bytes(peer.sent[:400]))
            if not _may_end_before(sent.frames):
                hold(errors[-1] == sent.refused, errors, sent.refused, bytes(peer.sent[:400]))


def _may_end_before(frames: list[tuple[tuple[str, ...], bytes]]) -> bool:
    """Whether a frame of a stream may have ended it: HELLO, or a PUB with an id."""
    return any(w[:1] == ("HELLO",) or (w[:1] == ("PUB",) and len(w) > 2) for w, _ in frames)


def witnessed(scene: Scene) -> None:
    """Check that two who behave were told everything, nothing of the server's own, and go on."""
    world, typed, plain = scene.world, scene.typed, scene.plain
    publisher = world.typed(frame("PUB lobby 1: still here"), frame("WHO lobby"))
    world.work()
    heard = grammar.read_stream(publisher.received, 128, 1 << 30).frames
    acks = [words for words, _ in heard if words[0] == "ACK"]
    hold(len(acks) == 1 and acks[0][1] == "1", "not acknowledged", heard)
    here = [payload for words, payload in heard if words[0] == "HERE"]
    hold(here == [b'["guest-2","witness"]'], "still in the room", here)
    for witness in (typed, plain):
        hold(not (witness.closed or witness.closing or witness.half_closed), "a witness was ended")
    seqs: list[int] = []
    told: list[bytes] = []
    for words, payload in grammar.read_stream(typed.received, 128, 1 << 30).frames:
        hold(words, "a plain frame to a typed member", payload)
        hold(words[0] not in ("ERR", "BYE", "MISSED"), words, payload)
        if words[0] == "MSG" and words[1] == "lobby":
            seqs.append(int(words[2]))
            told.append(payload)
    hold(seqs == list(range(1, len(seqs) + 1)), "a gap, or out of order", seqs[:50])
    hold(told[-1:] == [b"still here"], "not delivered to a typed member", told[-1:])
    passed = [
        each for each in told
        if each and each != b"!DISCONNECT!" and not each.startswith(b"!ERROR! ")
    ]  # fmt: skip
    _same(plain, passed)


def _same(plain: Pipe, passed: list[bytes]) -> None:
    """Check that a plain member heard the messages that a typed one did, and no others."""
    heard: list[Any] = grammar.read_stream(plain.received, 128, 1 << 30).frames
    hold(all(not words for words, _ in heard), "a typed frame to a plain member")
    hold([payload for _, payload in heard] == passed, "a plain member heard something else")

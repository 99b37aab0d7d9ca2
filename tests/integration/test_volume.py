"""Much of everything through a real server: messages, members, hostile streams.

Seeds are fixed; sizes are bounded.  Figures that a test prints are measured, not asserted
beyond what is promised.
"""

from __future__ import annotations

import hashlib
import random
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import islice

import pytest

from tests.fuzz import grammar
from tests.hostile import Attack, run
from tests.integration.conftest import PATIENCE, ServerProcess
from tests.integration.sockets import Peer
from tests.load import hostile_web, slow_member
from tests.load.measuring import allow_descriptors

MESSAGES = 1_000_000
MEMBERS = 5_000
STREAMS = 100_000


def test_a_million_messages_arrive_complete_in_order_unchanged(server: ServerProcess) -> None:
    random_ = random.Random(20261122)
    pool = [random_.randbytes(size) for size in (1, 2, 7, 16, 33, 100, 127, 128, 129, 600)]
    pool.append(random_.randbytes(20_000))
    weights = [20] * 9 + [5, 0.05]
    sent = hashlib.sha256()
    with Peer(server) as alice, Peer(server) as bob:
        alice.join_with(bob)
        result: list[str] = []
        reader = threading.Thread(target=lambda: result.append(digest_of(bob, MESSAGES)))
        reader.start()
        stream = bytearray()
        for number in range(MESSAGES):
            payload = b"%d:" % number + random_.choices(pool, weights)[0]
            sent.update(b"%d " % len(payload) + payload)
            stream += alice.frame(payload)
            if len(stream) > 200_000:
                send_split(alice.socket, stream, random_)
                stream.clear()
        send_split(alice.socket, stream, random_)
        reader.join(300)
        assert result == [sent.hexdigest()]


def send_split(to: socket.socket, data: bytearray, random_: random.Random) -> None:
    """Send bytes in pieces of random size."""
    at = 0
    while at < len(data):
        size = random_.choice((1, 50, 127, 128, 129, 5_000, 70_000))
        to.sendall(data[at : at + size])
        at += size


def digest_of(peer: Peer, count: int) -> str:
    """Return a digest over the next messages: their lengths, contents and order."""
    digest = hashlib.sha256()
    data = b""
    at = 0
    for _ in range(count):
        while len(data) - at < 128 or len(data) - at - 128 < int(data[at : at + 128]):
            more = peer.socket.recv(1 << 20)
            assert more
            data, at = data[at:] + more, 0
        length = int(data[at : at + 128])
        payload = data[at + 128 : at + 128 + length]
        digest.update(b"%d " % length + payload)
        at += 128 + length
    assert at == len(data)
    return digest.hexdigest()


def test_five_thousand_members_cost_less_than_6_kb_each(server: ServerProcess) -> None:
    allow_descriptors()
    with Peer(server) as alice, Peer(server) as bob:
        alice.join_with(bob)
        before = server.resident()
        peers = []
        try:
            for _ in range(MEMBERS):
                peers.append(Peer(server))
                peers[-1].say(b"")
            for peer in peers:
                peer.socket.settimeout(0.2)  # how often to try again
                heard = b""
                while not heard:
                    with suppress(TimeoutError):
                        heard = peer.hear()
                    if not heard:
                        alice.say(b"who is there")
                peer.socket.settimeout(PATIENCE)
            each = (server.resident() - before) / MEMBERS
            print(f"memory for a connection: {each:.0f} bytes")
            assert each < 6_000
            alice.say(b"to all")
            for peer in peers:
                while peer.hear() != b"to all":
                    pass
        finally:
            for peer in peers:
                peer.socket.close()


# -- hostile streams -------------------------------------------------------------

NEAR_MISSES = [
    *(b"", b"+5", b"-1", b"5_0", b"0x10", b"1e3", b"5;", b"5 5", b"5\n", b"\t5", b"\xff"),
    *(b"5  PUB", b"5 pub", b"5 PUB\0", b"5 PUB  a", "٣".encode()),
    *(b"GET / HTTP/1.1\r\n", b"\x16\x03\x01"),
]


VERBS = (" PUB lobby", " PUB lobby 7", " SUB lobby last=2 presence=1", " SUB lobby from=x",
         " UNSUB lobby", " WHO no/room", " ROOMS", " PING x", " X")  # fmt: skip
"""Typed frames that leave a connection open, whatever they are answered."""


def hostile(random_: random.Random) -> bytes:
    """Return a stream of good frames, near misses and noise."""
    stream = b""
    for _ in range(random_.randrange(4)):
        payload = random_.choice((b"", b"x", b"!DISCONNECT!", b"!ERROR! x", random_.randbytes(40)))
        words = random_.choice(("", "", "", *VERBS))
        stream += f"{len(payload)}{words}".encode().ljust(128) + payload
    kind = random_.randrange(6)
    if kind == 0:
        stream += random_.randbytes(random_.randrange(1, 400))
    elif kind == 1:
        stream += random_.choice(NEAR_MISSES).ljust(128)
    elif kind == 2:
        shape = random_.choice((b"%-128d", b"%0128d", b"%128d"))
        stream += shape % random_.choice((2**20, 2**20 + 1, 10**10 - 1, 10**10, 10**40))
    elif kind == 3:
        stream += b"99 PUB lobby".ljust(128)[: random_.randrange(1, 128)]
    elif kind == 4:
        stream += b"%-128d" % random_.randrange(1, 2**20) + b"part"
    else:
        garbled = bytearray(b"%-128d" % random_.randrange(100))
        garbled[random_.randrange(128)] = random_.randrange(256)
        stream += bytes(garbled) + b"y" * random_.randrange(200)
    return stream


class FrameAttack(Attack):
    """One that must be answered as the specification wants."""

    def judge(self) -> bool:
        """Check that the answer is the one that the specification wants, and the last one."""
        code = grammar.ends_with(self.stream)  # by the letter of docs/protocol.md
        if self.stream.startswith(b"\x16"):
            code = "bad-header"  # at once: TLS, where none is spoken
        if self.stream[:1] and self.stream[:1] in b"GHPDOTC":  # taken for HTTP, of which it is none
            assert not self.heard or self.heard.startswith(b"HTTP/1.1 400 "), self.stream
            return bool(self.heard)
        frames = []
        rest = self.heard
        while rest:
            words = rest[:128].split()
            length = int(words[0])
            frames.append((words[1:], rest[128 : 128 + length]))
            assert len(rest) >= 128 + length, (self.stream, self.heard)
            rest = rest[128 + length :]
        codes = [
            words[1].decode() if words else payload.split()[1].decode()
            for words, payload in frames
            if words[:1] == [b"ERR"] or (not words and payload.startswith(b"!ERROR! "))
        ]
        ending = [code for code in codes if code not in ("bad-verb", "bad-args", "bad-room")]
        assert ending == ([code] if code else []), (self.stream, self.heard)
        assert not ending or codes[-1] == code
        return bool(self.heard)


def test_a_hundred_thousand_hostile_streams(server: ServerProcess) -> None:
    random_ = random.Random(5050)
    attacks = (FrameAttack(server.port, each, hostile(random_)) for each in range(STREAMS))
    _, early = run(islice(attacks, STREAMS // 2), server.resident, PATIENCE)
    middle = server.resident()
    run(attacks, server.resident, PATIENCE)
    late = server.resident() - middle
    told = f"{early / 2**20:.1f} and {late / 2**20:.1f} MiB"
    print(f"memory grown over each half of {STREAMS} hostile streams: {told}")
    assert early + late < hostile_web.GROWTH
    assert late < hostile_web.LATE
    with Peer(server) as alice, Peer(server) as bob:
        alice.join_with(bob)  # it serves as before


@pytest.mark.parametrize(("retain", "gaps"), [("256MiB", 0), ("16MiB", 1)])
def test_member_that_stops_reading_a_stored_room_costs_a_cursor(
    start: Callable[..., ServerProcess], retain: str, gaps: int
) -> None:
    """`python -m tests.load.slow_member` is the same with 200 members and 2 GiB."""
    server = start("--retain", retain)
    outcome = slow_member.run(server, members=50, total=64 * 1024 * 1024, size=16 * 1024)
    print(f"grown {outcome.grown / 1024**2:.1f} MiB, {outcome.read} read, gaps {outcome.gaps}")
    assert outcome.faults(gaps=gaps) == []

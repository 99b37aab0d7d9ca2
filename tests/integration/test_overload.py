"""Too much, too many, too slow: real servers under load, in small sizes.

The same in full size are the programs of tests/load.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from tests.integration.conftest import ServerProcess
from tests.integration.sockets import Peer
from tests.integration.test_family import settle
from tests.load import descriptors, many_idle, slow_member
from tests.load.measuring import Probe, allow_descriptors
from tests.load.slow_member import Reader, frame

Start = Callable[..., ServerProcess]


def acknowledged(port: int, count: int, before: bytes = b"") -> float:
    """Publish so many messages in one go; return how many seconds passed until the last ack."""
    publisher = Reader(port)
    begun = time.monotonic()
    publisher.socket.sendall(
        before + b"".join(frame(f"PUB lobby {each + 1}", b"%d" % each) for each in range(count))
    )
    last = 0
    while last < count:
        last = max([last, *(int(words[1]) for words, _ in publisher.frames())])
    publisher.close()
    return time.monotonic() - begun


def test_who_is_too_fast_is_slowed_down_and_loses_nothing(start: Start) -> None:
    server = start("--limit-loopback", "--rate-messages", "500", "--rate-burst", "1")
    with Peer(server) as member:
        member.say(b"")
        settle(server)
        with Probe(server.port) as probe:  # fifty a second: not its concern
            took = acknowledged(server.port, 1500)
        # 500 at once, 1000 at 500 a second; sent in one go, so only the server can have waited
        assert 1.9 < took < 60
        assert statistics.median(probe.seconds) < 1
        heard: list[bytes] = []
        while len(heard) < 1500:
            heard.append(member.hear())
        assert heard == [b"%d" % each for each in range(1500)]


def test_behind_a_proxy_everybody_is_held_to_the_limits(start: Start) -> None:
    """The proxy is on this machine, and says in its first line who the peer is."""
    server = start(
        *("--listen", "haproxy:tcp:0:interface=127.0.0.1"),
        *("--rate-messages", "100", "--rate-burst", "1", "--connections-per-address", "1"),
    )
    line = b"PROXY TCP4 192.0.2.%d 192.0.2.8 1 2\r\n"
    ping = b"0 PING".ljust(128)
    with Peer(server) as other, Peer(server) as too_many:
        other.send(line % 7 + ping)
        assert other.read(128).split() == [b"0", b"PONG"]
        assert acknowledged(server.port, 300, before=line % 9) > 1.9
        too_many.send(line % 7 + ping)
        assert b"busy all 1 places for connections from 192.0.2.7 are" in too_many.hear()


def test_by_default_this_machine_is_not_limited(start: Start) -> None:
    allow_descriptors()
    server = start("--rate-messages", "20", "--rate-burst", "1")
    assert acknowledged(server.port, 3000) < 60  # 20 at once, and 20 a second else: 149 seconds
    peers = [Peer(server) for _ in range(300)]
    for peer in peers:
        peer.send(b"0 PING".ljust(128))
        assert peer.read(128).split() == [b"0", b"PONG"]
    for peer in peers:
        peer.socket.close()


def test_a_client_is_told_that_there_is_no_room(start: Start, tmp_path: Path) -> None:
    from tests.integration.test_process import run

    server = start("--connections", "1")
    told = "all 1 places for connections are taken: try again later"
    with Peer(server) as inside:
        inside.say(b"")
        for seconds in ("1", "10", "60"):  # a slow machine may need more until it is told
            result = run(
                "tcpmsg", "send", "lobby", "x", "--server", server.address, "--timeout", seconds,
                cwd=tmp_path,
            )  # fmt: skip
            if told in result.stderr:
                break
        assert told in result.stderr
        assert result.returncode in (6, 75)
        assert result.stderr.count("\n") <= 3


def test_out_of_places_and_out_of_descriptors(tmp_path: Path) -> None:
    with descriptors.limited(tmp_path, 256) as server:
        outcome = descriptors.run(server, newcomers=300, seconds=2)
    print(outcome)
    assert outcome.faults(newcomers=302, places=128, stall=30) == []


def test_more_connections_than_descriptors_cannot_be_asked_for(start: Start) -> None:
    server = start("--connections", "100000000")
    assert "--connections 100000000: the limit of open files, " in server.output


def test_a_thousand_idle_connections_cost_the_others_nothing_much(server: ServerProcess) -> None:
    """`python -m tests.load.many_idle` is the same with 10,000, and compares."""
    outcome = many_idle.run(server, idle=1000, active=20, seconds=2, rounds=1, rate=200)
    print(f"p99 {outcome.ratio:.1f} times, {outcome.each:.0f} bytes each")
    assert outcome.lost == 0
    assert outcome.each < 6000
    assert statistics.median(outcome.beside[0].seconds) < 0.5


def test_the_others_are_served_beside_a_member_that_stops_reading(server: ServerProcess) -> None:
    """`python -m tests.load.slow_member --rate 2000 ...` is the same with 100 members."""
    outcome = slow_member.run(server, members=30, total=6 * 1024**2, size=1024, rate=2000)
    print(f"p99 {slow_member.percentile(outcome.seconds, 0.99) * 1000:.1f} ms")
    assert outcome.faults(gaps=0) == []
    assert len(outcome.seconds) == 6 * 1024
    assert statistics.median(outcome.seconds) < 1

"""The page of metrics: each of them moves as it should, and nobody can make more of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from random import Random
from unittest.mock import patch

from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import ensureDeferred
from twisted.web.test.requesthelper import DummyRequest

from tests.unit.browsing import WebPipe
from tests.unit.conversing import SECRET, StoredCase, TypedCase, frame
from tests.unit.world import Pipe, World
from twisted_msg import server
from twisted_msg.deadlines import FIRST_FRAME_SECONDS, FLUSH_SECONDS
from twisted_msg.log.store import StoreFull
from twisted_msg.rooms.memory import STALL_SECONDS
from twisted_msg.session import TypedSession
from twisted_msg.web.metrics import MetricsPage
from twisted_msg.web.site import make_site
from twisted_msg.wire.replies import Missed, Msg


def page(world: World) -> str:
    """Return what is served."""
    request = DummyRequest([b"metrics"])
    text = MetricsPage(world.server).render(request)
    assert isinstance(text, bytes)
    kind = request.responseHeaders.getRawHeaders(b"content-type")
    assert kind == [b"text/plain; version=0.0.4; charset=utf-8"]
    return text.decode()


def samples(world: World) -> dict[str, float]:
    """Return all values, by name and label as they stand in the page."""
    return {
        sample.name + "".join(f"{{{key}={value}}}" for key, value in sample.labels.items()): float(
            sample.value
        )
        for family in text_string_to_metric_families(page(world))
        for sample in family.samples
    }


def messages(pipe: Pipe) -> int:
    """Return how many messages a peer was sent."""
    if not pipe.protocol.typed:
        return sum(not each.startswith(b"!") for each in pipe.payloads())
    return sum(isinstance(each, Msg) for each in pipe.replies())


class Page(TypedCase):
    """What every scraper expects."""

    def test_each_metric_says_what_it_is_once(self) -> None:
        lines = page(self.world).splitlines()
        names: list[str] = []
        for line in lines:
            match = re.fullmatch(r"# (HELP|TYPE) (\S+) (.+)", line)
            if match is None:
                self.assertRegex(line, rf"^{names[-1]}(_bucket|_sum|_count)?({{.*}})? [0-9.e+-]+$")
            elif match[1] == "HELP":
                self.assertNotIn(match[2], names)
                self.assertRegex(match[3], r"^[A-Z].*\.$")
                names.append(match[2])
            else:
                self.assertEqual(match[2], names[-1])
                self.assertIn(match[3], ("counter", "gauge", "histogram"))
                self.assertEqual(match[3] == "counter", match[2].endswith("_total"))
        self.assertEqual(sum(name.startswith("tcpmsg_") for name in names), 16)
        self.assertIn("process_open_fds", names)

    def test_histograms_add_up(self) -> None:
        self.world.wait(10)
        for family in text_string_to_metric_families(page(self.world)):
            if family.type == "histogram":
                counts = [s.value for s in family.samples if s.name.endswith("_bucket")]
                self.assertEqual(counts, sorted(counts))
                (count,) = (s.value for s in family.samples if s.name.endswith("_count"))
                self.assertEqual(counts[-1], count)

    def test_build(self) -> None:
        self.assertRegex(
            page(self.world),
            r'tcpmsg_build_info{python="3\.[0-9.]+",twisted="[0-9.]+",version="[0-9.]+"} 1\.0',
        )

    def test_servers_of_one_process_have_numbers_of_their_own(self) -> None:
        other = World()
        self.peer("PUB lobby: x")
        told = [samples(world)["tcpmsg_messages_received_total"] for world in (self.world, other)]
        self.assertEqual(told, [1, 0])
        self.assertFalse([f.name for f in REGISTRY.collect() if f.name.startswith("tcpmsg")])


class MetricsCase(TypedCase):
    """With `moved`, which tells what has changed since it was last asked."""

    def begin(self, *arguments: object, **options: object) -> World:
        world = super().begin(*arguments, **options)  # type: ignore[arg-type]
        self.before = samples(world)
        return world

    def moved(self, pattern: str) -> dict[str, float]:
        """Return by how much those metrics moved whose name without `tcpmsg_` matches."""
        before, self.before = self.before, samples(self.world)
        return {
            name.removeprefix("tcpmsg_"): value - before[name]
            for name, value in self.before.items()
            if value != before[name] and re.fullmatch("tcpmsg_" + pattern, name)
        }


class Messages(MetricsCase):
    def test_a_message_is_sent_as_often_as_it_has_readers(self) -> None:
        self.peer("SUB lobby"), self.peer("SUB lobby"), self.world.member()
        talking = self.peer("SUB lobby", "SUB other", "PUB lobby: a", "PUB lobby 1: b")
        self.assertEqual(
            self.moved("messages.*"), {"messages_received_total": 2, "messages_sent_total": 8}
        )
        self.say(talking, "PUB nobody-here: c")
        self.assertEqual(self.moved("messages.*"), {"messages_received_total": 1})

    def test_plain_members_are_not_sent_their_own(self) -> None:
        alice, bob = self.world.member(), self.world.member()
        self.world.say(alice, b"a", b"b")
        self.world.say(bob, b"c")
        self.assertEqual(self.moved("messages_sent.*"), {"messages_sent_total": 3})
        alice.say(self.world.frame(b"d"))
        bob.say(self.world.frame(b"e"))
        self.world.turn()
        self.assertEqual(self.moved("messages_sent.*"), {"messages_sent_total": 2})

    def test_plain_members_are_not_sent_what_they_are_not_shown(self) -> None:
        self.world.member(), self.world.member()
        self.peer("PUB lobby", "PUB lobby: !DISCONNECT!", "PUB lobby: a")
        self.assertEqual(self.moved("messages_sent.*"), {"messages_sent_total": 2})

    def test_history_counts_and_who_leaves_takes_nothing_back(self) -> None:
        self.peer("PUB lobby: a", "PUB lobby: b")
        reader = self.peer("SUB lobby last=2")
        self.assertEqual(self.moved("messages_sent.*"), {"messages_sent_total": 2})
        self.say(reader, "UNSUB lobby")
        self.say(reader, "SUB lobby last=1")
        self.say(reader, "SUB lobby last=2")
        self.assertEqual(self.moved("messages_sent.*"), {"messages_sent_total": 3})
        reader.vanish()
        self.world.wait(5)
        self.assertEqual(self.moved("messages_sent.*"), {})

    def test_direct_messages(self) -> None:
        self.peer("HELLO name=bob")
        self.peer("PUB @bob: a", "PUB @carl: b")
        self.assertEqual(
            self.moved("(messages|frame_errors).*"),
            {
                "messages_received_total": 2,
                "messages_sent_total": 1,
                "frame_errors_total{cause=absent}": 1,
            },
        )

    def test_duplicates(self) -> None:
        talking = self.peer(f"HELLO {SECRET}", "PUB lobby 5: a", "PUB lobby 6: b")
        self.say(talking, "PUB lobby 5: a", "PUB lobby 6: b", "PUB lobby 7: c")
        self.assertEqual(
            self.moved("(messages_received|duplicates).*"),
            {"messages_received_total": 3, "duplicates_total": 2},
        )

    def test_keep_alives_are_none(self) -> None:
        self.world.member(), self.peer("HELLO", "")
        self.assertEqual(self.moved("messages.*"), {})


class Members(MetricsCase):
    def test_who_does_not_read_is_behind(self) -> None:
        stuck, other = self.peer("SUB lobby", stuck=True), self.peer("SUB lobby")
        self.assertEqual(self.moved("(members|rooms).*"), {"rooms": 1})
        large = "PUB lobby: " + "x" * 200_000
        self.say(other, large, large)
        self.assertEqual(self.moved("members.*"), {"members_behind": 1})
        stuck.read_on()
        self.assertEqual(self.moved("members.*"), {"members_behind": -1})
        self.say(other, "SUB other", "UNSUB lobby")
        self.assertEqual(self.moved("(members|rooms).*"), {"rooms": 1})

    def test_connections(self) -> None:
        first, second = self.peer("HELLO"), self.world.peer()
        self.assertEqual(self.moved("connections"), {"connections": 2})
        first.vanish()
        self.assertEqual(self.moved("connections"), {"connections": -1})
        second.vanish()
        self.assertEqual(self.moved("connections"), {"connections": -1})


class Bytes(MetricsCase):
    def test_bytes_are_what_passed_whoever_is_there(self) -> None:
        first, second = self.peer("SUB lobby"), self.peer("PUB lobby 1: abc")
        moved = self.moved(".*bytes.*")
        self.assertEqual(moved["received_bytes_total"], 128 + 131)
        self.assertEqual(moved["sent_bytes_total"], len(first.received + second.received))
        first.vanish()
        self.assertEqual(self.moved(".*bytes.*"), {})

    def test_what_waits_for_a_peer_is_not_sent(self) -> None:
        reader = self.peer("SUB lobby", stuck=True)
        self.peer("PUB lobby: " + "x" * 200_000)
        held = len(reader.dataBuffer) + len(reader.received)
        self.assertLess(held, 200_000)
        self.assertEqual(self.moved("sent_bytes.*"), {"sent_bytes_total": held})


class Ends(MetricsCase):
    """Each way to end, by its name."""

    def assert_ended(self, reason: str, cause: str = "", count: int = 1) -> None:  # type: ignore[override]
        self.world.wait(3)  # for those who linger
        wanted: dict[str, float] = {f"connections_closed_total{{reason={reason}}}": count}
        if cause:
            wanted[f"frame_errors_total{{cause={cause}}}"] = count
        self.assertEqual(self.moved("(connections_closed|frame_errors).*"), wanted)

    def test_closed(self) -> None:
        self.peer("HELLO").close_input()
        self.assert_ended("closed")

    def test_lost(self) -> None:
        self.peer("HELLO").vanish()
        self.assert_ended("lost")

    def test_goodbye(self) -> None:
        self.peer("BYE")
        self.world.say(self.world.member(), b"!DISCONNECT!")
        self.assert_ended("goodbye", count=2)

    def test_refused(self) -> None:
        self.peer("PUB a/b 1: x")
        self.assert_ended("refused", "bad-room")
        self.world.peer().say(b"?" * 128)
        self.assert_ended("refused", "bad-header")
        self.world.member().say(b"9999999999".ljust(128))
        self.assert_ended("refused", "too-large")

    def test_errors_that_end_nothing(self) -> None:
        self.peer("DANCE", "DANCE", "SUB lobby from=1 last=2")
        self.assertEqual(
            self.moved("(connections_closed|frame_errors).*"),
            {"frame_errors_total{cause=bad-verb}": 2, "frame_errors_total{cause=bad-args}": 1},
        )

    def test_timeout(self) -> None:
        self.world.peer()
        self.world.wait(FIRST_FRAME_SECONDS)
        self.assert_ended("timeout", "timeout")

    def test_who_does_not_read_the_rest(self) -> None:
        self.peer("SUB lobby", "PUB lobby: " + "x" * 200_000, "BYE", stuck=True)
        self.world.wait(FLUSH_SECONDS)
        self.assert_ended("timeout")

    def test_who_takes_nothing(self) -> None:
        self.world = self.begin(stall_limit="60")
        self.peer("SUB lobby", stuck=True)
        self.world.wait(60)
        self.assert_ended("timeout")

    def test_behind(self) -> None:
        stuck, talking = self.world.member(stuck=True), self.peer("HELLO")
        large = frame("PUB lobby: " + "x" * 500_000)
        for _ in range(30):
            if talking.reading:
                self.begin_to_say(talking)
                talking.say(large)
                self.settle()
        self.world.wait(STALL_SECONDS + 1)
        stuck.read_on()
        stuck.close_input()
        self.assert_ended("behind")

    def test_superseded(self) -> None:
        self.peer(f"HELLO {SECRET}")
        self.peer(f"HELLO {SECRET}")
        self.assert_ended("superseded", "superseded")

    def test_turned_away(self) -> None:
        self.world = self.begin(connections="1")
        self.peer("HELLO")
        self.world.peer()
        self.assert_ended("turned-away", "busy")

    def test_turned_away_without_a_word(self) -> None:
        self.world = self.begin(connections="1")
        self.world.server.door.told_limit = 0
        self.patch(server, "drop", lambda transport: transport.abortConnection())
        self.peer("HELLO")
        self.world.peer()
        self.assert_ended("turned-away")

    def test_stopped(self) -> None:
        self.peer("HELLO"), self.world.member(), self.world.peer()
        stopped = ensureDeferred(self.world.server.drain())
        self.world.peer()
        self.world.wait(5)
        self.successResultOf(stopped)
        self.assertEqual(
            self.moved("connections_closed.*"), {"connections_closed_total{reason=stopped}": 4}
        )

    def test_a_fault_on_the_way_in(self) -> None:
        self.patch(TypedSession, "frame_received", lambda session, frame: 1 // 0)
        self.peer("PING")
        self.flushLoggedErrors(ZeroDivisionError)
        self.assert_ended("fault", "internal")

    def test_a_fault_on_the_way_out(self) -> None:
        peer = self.peer("HELLO")
        self.patch(peer, "write", lambda data: 1 // 0)
        self.say(peer, "PING")
        self.flushLoggedErrors(ZeroDivisionError)
        self.assert_ended("fault")


class OverHttp(MetricsCase):
    """Visits take places and end as others do, and the page is one of the site's."""

    def begin(self, *arguments: object, **options: object) -> World:
        world = super().begin(*arguments, **options)
        world.server.web = make_site(world.server, ())
        return world

    def ask(self, *lines: str) -> WebPipe:
        pipe = WebPipe(len(self.world.peers))
        pipe.protocol = self.world.server.buildProtocol(pipe.address)
        pipe.protocol.makeConnection(pipe)
        pipe.say("\r\n".join((*lines, "", "")).encode())
        return pipe

    def test_the_page_is_at_metrics(self) -> None:
        told = self.ask("GET /metrics HTTP/1.1", "Host: localhost").received
        head, _, body = told.partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 200 OK\r\n"), head)
        self.assertIn(b"\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n", head)
        self.assertIn(b"\ntcpmsg_connections 1.0\n", body)
        self.assertEqual(self.moved("received_bytes.*"), {})  # they are no frames

    def test_it_can_only_be_read(self) -> None:
        told = self.ask("POST /metrics HTTP/1.1", "Host: localhost", "Content-Length: 0").received
        self.assertTrue(told.startswith(b"HTTP/1.1 405 "), told)

    def test_a_visit_is_a_connection_until_it_ends(self) -> None:
        pipe = self.ask("GET / HTTP/1.1", "Host: localhost")
        self.assertEqual(self.moved("connections.*"), {"connections": 1})
        pipe.protocol.loseConnection()
        self.world.wait(3)
        self.assertEqual(
            self.moved("connections.*"),
            {"connections": -1, "connections_closed_total{reason=closed}": 1},
        )

    def test_other_ends(self) -> None:
        for reason, end in (
            ("lost", lambda pipe: pipe.vanish()),
            ("refused", lambda pipe: pipe.say(b"nonsense\r\n\r\n")),
            ("fault", lambda pipe: pipe.protocol.guard(lambda: 1 // 0)),
            ("timeout", lambda pipe: (pipe.say(b"GET"), self.world.wait(40))),
        ):
            end(self.ask("GET / HTTP/1.1", "Host: localhost"))
            self.world.wait(3)
            self.flushLoggedErrors(ZeroDivisionError)
            self.assertEqual(
                self.moved("connections_closed.*"),
                {f"connections_closed_total{{reason={reason}}}": 1},
            )

    def test_stopped(self) -> None:
        self.ask("GET / HTTP/1.1", "Host: localhost")
        stopped = ensureDeferred(self.world.server.drain())
        self.world.wait(5)
        self.successResultOf(stopped)
        self.assertEqual(
            self.moved("connections_closed.*"), {"connections_closed_total{reason=stopped}": 1}
        )


class Lag(MetricsCase):
    def test_a_busy_reactor_is_late(self) -> None:
        self.world.clock.advance(1.2)
        self.assertAlmostEqual(
            self.moved("reactor_lag_seconds_sum")["reactor_lag_seconds_sum"], 0.2
        )
        self.assertEqual(self.moved("reactor_lag_seconds_count"), {})


class Store(StoredCase, MetricsCase):
    def slowly(self, seconds: float) -> Callable[..., object]:
        """Have each commit take so long."""
        store = self.world.server.house.commits._store  # type: ignore[union-attr]
        commit = store.commit

        def slow(*arguments: object) -> object:
            self.world.clock.rightNow += seconds
            return commit(*arguments)  # type: ignore[arg-type]

        self.patch(store, "commit", slow)
        return slow

    def test_a_group_is_one_commit_and_one_longest_wait(self) -> None:
        self.slowly(0.5)
        alice, bob = self.world.peer(), self.world.peer()
        self.begin_to_say(alice, "PUB lobby 1: a", "PUB lobby 2: b")
        self.world.clock.rightNow += 0.25
        self.begin_to_say(bob, "PUB other 1: c")
        self.settle()
        self.assertEqual(
            [line[:5] for line in self.heard(alice) + self.heard(bob)], ["ACK 2", "ACK 1"]
        )
        self.assertEqual(
            self.moved("(ack|commit)_.*_(sum|count)"),
            {
                "ack_seconds_sum": 0.75,
                "ack_seconds_count": 1,
                "commit_seconds_sum": 0.5,
                "commit_seconds_count": 1,
                "commit_messages_sum": 3,
                "commit_messages_count": 1,
            },
        )

    def test_who_comes_while_the_store_is_busy_waits_for_both(self) -> None:
        self.slowly(0.5)
        alice = self.world.peer()
        self.begin_to_say(alice, "PUB lobby 1: a")
        self.world.turn()
        self.begin_to_say(alice, "PUB lobby 2: b")
        self.settle()
        self.assertEqual(
            self.moved("(ack|commit)_seconds_(sum|count)"),
            {
                "ack_seconds_sum": 1.5,
                "ack_seconds_count": 2,
                "commit_seconds_sum": 1.0,
                "commit_seconds_count": 2,
            },
        )

    def test_what_is_not_stored_is_no_commit(self) -> None:
        self.break_store(lambda: StoreFull("full"))
        self.peer("PUB lobby 1: a")
        self.assertEqual(
            self.moved("(ack|commit|frame_errors|messages).*"),
            {"frame_errors_total{cause=busy}": 1, "messages_received_total": 1},
        )

    def test_the_store_grows(self) -> None:
        self.peer(*(f"PUB lobby {number}: {'x' * 50_000}" for number in range(1, 20)))
        grown = self.moved("store_bytes")["store_bytes"]
        self.assertGreater(grown, 19 * 50_000)
        files = ("log.sqlite3", "log.sqlite3-wal")
        size = sum(os.path.getsize(os.path.join(self.folder, name)) for name in files)
        self.assertEqual(samples(self.world)["tcpmsg_store_bytes"], size)

    def test_no_files_are_no_bytes(self) -> None:
        self.close_store()
        for name in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, name))
        self.assertEqual(samples(self.world)["tcpmsg_store_bytes"], 0)

    def test_what_is_missed_is_not_sent(self) -> None:
        talking = self.peer(*(f"PUB lobby {number}: {'x' * 40_000}" for number in range(1, 11)))
        rooms = self.world.rooms
        rooms.sweep()
        (kept,) = (each for each in rooms._known.values())
        store = self.world.server.house.commits._store  # type: ignore[union-attr]
        with patch.object(store, "piece", lambda *_: None):
            reader = self.peer("SUB lobby from=1")
        self.assertIn(Missed("lobby", 1, kept.head), reader.replies())
        self.say(talking, "PUB lobby 11: y")
        self.assertEqual(self.moved("messages_sent.*"), {"messages_sent_total": 1})


class Anything:
    """Peers that say whatever comes to mind, some of which is well-formed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def lines(self) -> Iterator[bytes]:
        word = "".join(self.random.choices("ab/@ é!", k=self.random.randint(1, 40)))
        for _ in range(self.random.randint(1, 4)):
            yield self.random.choice(
                [
                    self.random.randbytes(200),
                    f"{self.random.randint(0, 10**11)} {word}".encode().ljust(128)[:128],
                    frame("PUB lobby: x"),
                    frame("".join(self.random.choices("ABYZ", k=6)) + " lobby"),
                    frame("SUB lobby last=-1"),
                    frame("PUB a/b: x"),
                    frame("HELLO: {"),
                    frame(f"SUB room-{self.random.randint(0, 10**6)}"),
                    frame(f"HELLO name=n{self.random.randint(0, 10**6)}"),
                    frame(f"HELLO client={self.random.randbytes(10).hex()}"),
                ]
            )


class Hostile(MetricsCase):
    def test_nobody_can_make_another_value_of_a_label(self) -> None:
        said = Anything(1)
        before = set(self.before)
        for _ in range(300):
            peer = self.world.peer()
            for line in said.lines():
                if peer.reading:
                    peer.say(line)
            self.settle()
            if said.random.random() < 0.7:
                peer.vanish()
        self.assertEqual(set(samples(self.world)), before)
        self.assertGreater(len(self.moved("frame_errors.*")), 3)


class Everything(MetricsCase):
    """Whatever peers do, the page says what they got."""

    def history(self, seed: int) -> None:
        random, world = Random(seed), self.world
        talking = [self.peer("HELLO"), self.peer("SUB lobby"), world.member(), world.member()]
        for number in range(1, 60):
            pipe = random.choice(talking)
            if pipe.reading and pipe.protocol.typed:
                self.begin_to_say(pipe, f"PUB lobby {number}: {'x' * random.randint(0, 20_000)}")
            elif pipe.reading:
                pipe.say(world.frame(b"y" * random.randint(1, 20_000)))
            match random.randint(0, 9):
                case 0:
                    talking.append(world.member(stuck=random.random() < 0.5))
                case 1:
                    at = random.randint(0, 20)
                    talking.append(self.peer(f"SUB lobby last={at}", stuck=random.random() < 0.5))
                case 2:
                    random.choice(talking).take(random.randint(0, 50_000))
                case 3 | 4:
                    self.settle()
        self.settle()
        for pipe in world.peers:
            pipe.read_on()
        self.settle()

    def test_messages_and_bytes_are_those_that_peers_have(self) -> None:
        for seed in range(20):
            self.world = self.begin()
            self.history(seed)
            told, peers = samples(self.world), self.world.peers
            self.assertEqual(
                (told["tcpmsg_messages_sent_total"], told["tcpmsg_sent_bytes_total"]),
                (sum(map(messages, peers)), sum(len(pipe.received) for pipe in peers)),
                f"seed {seed}",
            )
            self.assertEqual(told["tcpmsg_members_behind"], 0)
            for pipe in peers:
                pipe.vanish()
            self.assertEqual(
                samples(self.world)["tcpmsg_messages_sent_total"],
                told["tcpmsg_messages_sent_total"],
            )


class EverythingStored(StoredCase, Everything):
    def begin(self, *arguments: object, **options: object) -> World:
        self.folder = self.mktemp()
        return super().begin(*arguments, **options)

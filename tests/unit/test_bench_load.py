"""Whole loads in memory: on a server of ours, and on one that does as the test says."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.error import ConnectionRefusedError as NobodyListens
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.test_cli_recv import FakeOutput
from tests.unit.world import Pipe, World
from twisted_msg.addresses import BadAddress
from twisted_msg.cli.bench import crowd as gathering
from twisted_msg.cli.bench import running
from twisted_msg.cli.bench.plan import Plan
from twisted_msg.cli.exits import Exit, InUse, UsageError
from twisted_msg.cli.options import Common
from twisted_msg.client import CannotConnect, Disconnected, Refused, TimedOut
from twisted_msg.log.sqlite import SqliteStore
from twisted_msg.log.store import KEEP_ALL
from twisted_msg.wire import encode_frame
from twisted_msg.wire.replies import Missed, Msg

COMMON = Common("unix:/server", None, 128, b"", quiet=False, verbose=False)


class Wire:
    """The client's end of a connection to a server in memory; `change` may alter what comes."""

    def __init__(self, pipe: Pipe, change: Callable[[bytes], bytes]) -> None:
        self.pipe = pipe
        self.change = change
        self.protocol: Any = None
        self.producer: Any = None
        self.held = b""
        self.gone = False
        self.deaf = False

    def write(self, data: bytes) -> None:
        self.held += data
        if self.producer and len(self.held) > 65536:
            self.producer.pauseProducing()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def loseConnection(self) -> None:
        self.lose()

    abortConnection = loseConnection

    def lose(self) -> None:
        if not self.gone:
            self.gone = True
            self.protocol.connectionLost(Failure(ConnectionDone()))

    def pump(self) -> None:
        """Carry what waits, in both directions."""
        if self.gone:
            return
        if self.held and self.pipe.reading and not self.pipe.closed and not self.deaf:
            held, self.held = self.held, b""
            self.pipe.say(held)
            if self.producer:
                self.producer.resumeProducing()
        came = bytes(self.pipe.taken)
        self.pipe.taken.clear()
        if came:
            self.protocol.dataReceived(self.change(came))
        elif self.pipe.closed or self.pipe.half_closed:
            self.protocol.readConnectionLost()


class LoadTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.begin(memory_room=["*"])
        self.output = FakeOutput()
        self.patch(running, "Output", lambda _: self.output)
        self.patch(gathering, "endpoint", lambda *_: self)
        self.changes: dict[int, Callable[[bytes], bytes]] = {}

    def begin(self, **options: Any) -> None:
        self.world = World(**options)
        self.clock: Clock = self.world.clock
        self.wires: list[Wire] = []

    def connect(self, factory: Any) -> Deferred[Any]:
        """Stand for the endpoint."""
        wire = Wire(self.world.peer(), self.changes.get(len(self.wires), lambda data: data))
        self.wires.append(wire)
        wire.protocol = factory.buildProtocol(None)
        wire.protocol.makeConnection(wire)
        return succeed(wire.protocol)

    def bench(
        self, *, terminal: io.StringIO | None = None, as_json: bool = True, **plan: Any
    ) -> None:
        self.plan = Plan("hall", **plan)
        work = running.bench(self.clock, COMMON, self.plan, json=as_json, terminal=terminal)
        self.over = False
        self.done = Deferred.fromCoroutine(work).addBoth(self.note)

    def note(self, result: Any) -> Any:
        self.over = True
        return result

    def run_on(self, seconds: float, step: float = 0.001) -> None:
        """Let time pass, and everything be carried, until the load is done."""
        for _ in range(int(seconds / step)):
            if self.over:
                return
            self.world.work()
            for wire in list(self.wires):
                wire.pump()
            self.clock.advance(step)

    def ended(self) -> int:
        self.run_on(30)
        return self.successResultOf(self.done)

    def told(self) -> dict[str, Any]:
        (line,) = self.output.data.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found

    def assert_good(self, sent: int, members: int) -> dict[str, Any]:
        told = self.told()
        self.assertEqual(
            told["check"],
            {"ok": True, "lost": 0, "doubled": 0, "out_of_order": 0, "missed": 0, "of_others": 0},
        )
        self.assertEqual((told["sent"], told["delivered"]), (sent, sent * members))
        self.assertTrue(told["complete"])
        self.assertTrue(all(wire.gone for wire in self.wires))
        return told

    def test_so_many_messages(self) -> None:
        self.bench(publishers=3, members=4, count=1000, size=20)
        self.assertEqual(self.ended(), Exit.DONE)
        told = self.assert_good(1000, 4)
        self.assertEqual(told["acknowledged"], 1000)
        self.assertEqual(told["server"]["address"], "unix:/server")
        self.assertTrue(told["server"]["version"].startswith("tcpmsg/"))
        self.assertEqual(told["options"]["in_flight"], 256)
        self.assertGreater(told["ack_ms"]["samples"], 2)
        self.assertEqual(self.world.clock.getDelayedCalls()[2:], [])  # the server has two

    def test_stored_ones(self) -> None:
        store = SqliteStore(self.mktemp(), KEEP_ALL)
        self.addCleanup(store.close)
        self.begin(store=store)
        self.bench(publishers=2, members=2, count=500, in_flight=10)
        self.assertEqual(self.ended(), Exit.DONE)
        self.assert_good(500, 2)

    def test_in_flight(self) -> None:
        """No more than so many are unacknowledged."""
        self.bench(count=50, in_flight=7, members=0)
        publisher = self.wires[0]
        most, before = 0, publisher.pipe.say

        def say(data: bytes) -> None:
            nonlocal most
            most = max(most, data.count(b" PUB "))
            before(data)

        publisher.pipe.say = say  # type: ignore[method-assign]
        self.assertEqual(self.ended(), Exit.DONE)
        self.assertEqual(most, 7)
        told = self.assert_good(50, 0)
        self.assertEqual(told["delivery_ms"], {"samples": 0})

    def test_without_ids(self) -> None:
        self.bench(members=2, count=3000, in_flight=None)
        self.assertEqual(self.ended(), Exit.DONE)
        told = self.assert_good(3000, 2)
        self.assertEqual((told["acknowledged"], told["ack_ms"]), (None, None))
        self.assertNotIn(b"ACK", self.wires[0].pipe.received)

    def test_for_some_seconds_at_a_rate(self) -> None:
        """All go at their instants, and the times are from those."""
        self.bench(publishers=2, rate=100.0, count=100)
        self.assertEqual(self.ended(), Exit.DONE)
        told = self.assert_good(100, 1)
        self.assertEqual(told["delivery_ms"]["samples"], 100)
        self.assertTrue(0.99 <= told["seconds"] < 1.0)
        self.assertLess(told["late_ms"]["max"], 2)
        self.assertLess(told["delivery_ms"]["max"], 5)

    def test_a_server_that_stands_still_is_charged_for_it(self) -> None:
        """Messages that could not go meanwhile are timed from when they were to go."""
        self.bench(rate=100.0, duration=2.0, in_flight=1)
        self.run_on(1.0)
        self.wires[0].deaf = True
        self.run_on(0.5)
        self.wires[0].deaf = False
        self.assertEqual(self.ended(), Exit.DONE)
        told = self.told()
        self.assertGreater(told["delivery_ms"]["max"], 490)
        self.assertGreater(told["delivery_ms"]["p99"], 450)
        self.assertEqual(told["delivery_ms"]["samples"], told["sent"])

    def test_a_table(self) -> None:
        self.bench(as_json=False, publishers=1, members=2, count=1234, rate=10000.0)
        self.assertEqual(self.ended(), Exit.DONE)
        text = self.output.data.decode()
        self.assertIn("at unix:/server, room hall\n1 publisher, 2 members, 128 bytes, 1,234", text)
        self.assertIn("10,000 messages a second, 256 in flight", text)
        for row in ("published     1,234", "delivered     2,468", "\ndelivery  ", "\nsent late"):
            self.assertIn(row, text)
        self.assertIn("\nevery member got every message once, in order\n", text)

    def test_how_far_it_is(self) -> None:
        terminal = io.StringIO()
        self.bench(terminal=terminal, duration=4.0, rate=100.0)
        self.ended()
        self.assertRegex(terminal.getvalue(), r"\[#{12}\.{12}\]  50%  20[01] messages, 10[01]/s")
        self.assertTrue(terminal.getvalue().endswith("\r\x1b[K"))

    def change(self, member: int, what: Callable[[bytes], bytes]) -> None:
        """Alter what one member, of one publisher's, is sent, once there are messages."""
        self.changes[1 + member] = lambda data: what(data) if b" MSG " in data else data

    def wrong(self) -> dict[str, Any]:
        self.bench(members=3, count=100, size=16, timeout=1.0)
        self.assertEqual(self.ended(), Exit.GAP)
        check: dict[str, Any] = self.told()["check"]
        self.assertFalse(check["ok"])
        return check

    def test_a_message_that_is_lost(self) -> None:
        self.change(1, lambda data: data[144:])
        self.assertEqual(self.wrong()["lost"], 1)

    def test_a_message_that_comes_twice(self) -> None:
        self.change(2, lambda data: data[:144] + data)
        self.assertEqual(self.wrong()["doubled"], 1)

    def test_messages_that_change_places(self) -> None:
        self.change(0, lambda data: data[144:288] + data[:144] + data[288:])
        self.assertGreaterEqual(self.wrong()["out_of_order"], 1)

    def test_messages_that_were_missed(self) -> None:
        head = int(self.world.clock.seconds())
        missed = Missed("hall", head + 1, head + 2).encode()
        self.change(0, lambda data: missed + data[288:])
        check = self.wrong()
        self.assertEqual((check["missed"], check["lost"]), (2, 0))

    def test_what_is_no_frame(self) -> None:
        self.change(0, lambda data: b"x" + data)
        self.bench(count=100)
        self.run_on(5)
        self.assertIn("not this protocol", str(self.failureResultOf(self.done).value))

    def test_messages_of_others_are_no_fault(self) -> None:
        self.bench(rate=100.0, duration=1.0)
        self.run_on(0.5)
        self.world.typed(encode_frame(b"hello", ("PUB", "hall")))
        self.assertEqual(self.ended(), Exit.DONE)
        self.assertEqual(self.told()["check"]["of_others"], 1)

    def test_a_room_in_which_others_publish(self) -> None:
        sender = self.world.typed()
        joined = 0

        def disturb(data: bytes) -> bytes:
            nonlocal joined
            if b"LIVE" in data and not joined:
                joined = 1
                sender.say(encode_frame(b"hello", ("PUB", "hall")))
            return data

        self.changes[1] = disturb
        self.bench(members=70, count=10)
        self.run_on(5)
        self.assertIn("choose another room", str(self.failureResultOf(self.done, InUse).value))
        self.assertTrue(all(wire.gone for wire in self.wires))
        self.assertEqual(self.output.data, b"")

    def test_a_message_of_others_that_comes_too_early(self) -> None:
        """Whole or in part, before or behind the answer, it would put members out of step."""
        early = Msg("hall", 7, "bob", 1, b"hello").encode()
        for change in (
            lambda data: data + early if b"LIVE" in data else data,
            lambda data: early + data if b"LIVE" in data else data,
            lambda data: data + early[:100] if b"LIVE" in data else data,
        ):
            self.begin(memory_room=["*"])
            self.changes = {1: change}
            self.bench(count=1)
            self.run_on(5)
            self.failureResultOf(self.done, InUse)

    def test_ctrl_c(self) -> None:
        self.bench(rate=100.0, duration=100.0)
        self.run_on(1.0)
        self.done.cancel()
        self.run_on(3.0)
        self.failureResultOf(self.done)
        told = self.told()
        self.assertFalse(told["complete"])
        self.assertEqual(told["check"]["lost"], None)
        self.assertTrue(98 <= told["sent"] <= 101)
        self.assertTrue(all(wire.gone for wire in self.wires))

    def test_ctrl_c_in_a_table(self) -> None:
        self.bench(as_json=False, rate=100.0, duration=100.0)
        self.run_on(1.0)
        self.done.cancel()
        self.run_on(3.0)
        self.failureResultOf(self.done)
        self.assertIn(b"not done: what came until now came once, and in order", self.output.data)

    def test_a_server_that_stops(self) -> None:
        self.bench(rate=100.0, duration=100.0)
        self.run_on(1.0)
        Deferred.fromCoroutine(self.world.server.drain())
        self.run_on(10)
        error = self.failureResultOf(self.done, Disconnected).value
        self.assertTrue(error.server_goes)
        self.assertGreater(self.told()["delivered"], 50)

    def test_a_server_that_acknowledges_nothing(self) -> None:
        self.bench(count=100, timeout=2.0)
        self.run_on(0.003)
        self.wires[0].deaf = True
        self.run_on(10)
        error = self.failureResultOf(self.done, TimedOut).value
        self.assertIn("acknowledged nothing for 2 s, and 1 of 1 publishers", str(error))
        self.assertFalse(self.told()["complete"])

    def test_a_load_that_outlasts_heartbeats(self) -> None:
        """The server asks members whether they are there, between messages, and is answered."""
        asked = 0

        def look(data: bytes) -> bytes:
            nonlocal asked
            asked += data.count(b"0 PING ")
            return data

        self.changes = dict.fromkeys((1, 2, 3), look)
        self.bench(members=3, rate=2.0, duration=70.0)
        self.run_on(80, step=0.1)
        self.assertEqual(self.successResultOf(self.done), Exit.DONE)
        self.assertGreaterEqual(asked, 3)
        self.assertTrue(self.told()["check"]["ok"])

    def test_what_the_server_refuses(self) -> None:
        self.begin(max_payload="100")
        self.bench(size=101, count=1)
        self.run_on(1)
        error = self.failureResultOf(self.done, Refused).value
        self.assertIn("messages of 101 bytes are over this server's limit of 100", str(error))

    def test_an_error_of_the_server(self) -> None:
        self.changes[0] = lambda data: data.replace(b"ACK", b"ERR") if b"ACK" in data else data
        self.bench(count=1)
        self.run_on(5)
        self.failureResultOf(self.done, Refused)

    def test_no_server(self) -> None:
        def refuse(*_: Any) -> Any:
            raise NobodyListens

        self.connect = refuse  # type: ignore[method-assign]
        self.bench()
        error = self.failureResultOf(self.done, CannotConnect).value
        self.assertIn("connection refused", str(error))

    def test_no_address(self) -> None:
        def bad(*_: Any) -> Any:
            raise BadAddress("'x' is no address")

        self.patch(gathering, "endpoint", bad)
        self.bench()
        self.assertIn("'x' is no address", str(self.failureResultOf(self.done, UsageError).value))

    def test_no_answer_to_sub(self) -> None:
        self.changes[1] = lambda data: b"" if b"SUBBED" in data else data
        self.bench(timeout=1.0)
        self.run_on(5)
        error = self.failureResultOf(self.done, TimedOut).value
        self.assertIn("no answer from unix:/server within 1 s", str(error))

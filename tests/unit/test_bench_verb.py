"""`tcpmsg bench` as it is typed: what its options ask for, and which servers it spares."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.cli import main as command
from twisted_msg.cli import running
from twisted_msg.cli.bench import running as work
from twisted_msg.cli.bench.plan import Plan, on_this_machine
from twisted_msg.cli.exits import Exit


class PlanTests(SynchronousTestCase):
    def test_shares(self) -> None:
        for publishers, count, shares in (
            (3, 10, [4, 3, 3]),
            (2, 10, [5, 5]),
            (3, 1, [1, 0, 0]),
            (2, None, [None, None]),
        ):
            plan = Plan("hall", publishers=publishers, count=count)
            self.assertEqual([plan.share(each) for each in range(publishers)], shares)

    def test_this_machine(self) -> None:
        for address, here in (
            ("127.0.0.1:5050", True),
            ("127.8.8.8", True),
            ("localhost:1", True),
            (":5050", True),
            ("[::1]:5050", True),
            ("tcpmsg://127.0.0.1", True),
            ("tcpmsgs://localhost:1", True),
            ("unix:/run/tcpmsg.sock", True),
            ("tcp:host=127.0.0.1:port=1", True),
            ("example.com:5050", False),
            ("127.0.0.1.example.com", False),
            ("10.0.0.1:1", False),
            ("[fe80::1]:5050", False),
            ("tcpmsg://example.com", False),
            ("tls:example.com:1", False),
            ("haproxy:tcp:127.0.0.1:1", False),
        ):
            with self.subTest(address):
                self.assertEqual(on_this_machine(address), here)


class VerbTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.asked: list[tuple[Plan, dict[str, Any]]] = []

        def bench(reactor: object, common: object, plan: Plan, **rest: Any) -> None:
            self.asked.append((plan, rest))

        def run(begin: Callable[[object], object], *, verbose: bool) -> int:
            begin(None)
            return Exit.DONE

        self.patch(work, "bench", bench)
        self.patch(running, "run", run)

    def asked_for(self, *words: str) -> Plan:
        self.assertEqual(command.main(["bench", *words]), Exit.DONE)
        return self.asked[-1][0]

    def test_defaults_end_soon(self) -> None:
        self.assertEqual(self.asked_for(), Plan("bench", 1, 1, 128, None, 5.0, None, 256, 10.0))
        self.assertEqual(self.asked[-1][1], {"json": False, "terminal": None})

    def test_everything(self) -> None:
        words = (
            "hall --publishers 2 --members 0 --size 64k --count 9 --rate 1000 --in-flight 1 "
            "--timeout 3 --json --server example.com --remote"
        )
        plan = self.asked_for(*words.split())
        self.assertEqual(plan, Plan("hall", 2, 0, 65536, 9, 5.0, 1000.0, 1, 3.0))
        self.assertTrue(self.asked[-1][1]["json"])

    def test_without_ids(self) -> None:
        plan = self.asked_for("--no-ids", "--duration", "0.5", "--rate", "0")
        self.assertEqual((plan.in_flight, plan.duration, plan.rate), (None, 0.5, None))
        self.assertIsNone(self.asked_for("--rate", "0.0").rate)

    def test_a_terminal_shows_how_far_it_is(self) -> None:
        for words, environment, shown in (
            ((), {"TERM": "xterm"}, True),
            (("-q",), {"TERM": "xterm"}, False),
            ((), {"TERM": "dumb"}, False),
        ):
            with (
                mock.patch.object(sys.stderr, "isatty", return_value=True),
                mock.patch.dict("os.environ", environment),
            ):
                self.asked_for(*words)
            self.assertEqual(self.asked[-1][1]["terminal"] is not None, shown)

    def test_many_connections_need_many_files(self) -> None:
        had = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, had)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(300, had[1]), had[1]))
        self.asked_for("--members", "150")
        self.assertGreater(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 300)

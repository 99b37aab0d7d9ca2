"""What the log says of connections, and how little one peer can make it say."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

from twisted.internet.address import HostnameAddress, IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.internet.task import Clock
from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.journal import BURST, MAX_ADDRESSES, RATE, Journal, json_lines, peer_name
from twisted_msg.wire import FrameDecoder, ProtocolError


def tcp(host: str, port: int = 1234) -> IPv4Address:
    return IPv4Address("TCP", host, port)


class JournalTestCase(SynchronousTestCase):
    """A journal with a clock that stands still, and what it wrote."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.journal = Journal(self.clock.seconds)
        self.events: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(self.observe)
        self.addCleanup(globalLogPublisher.removeObserver, self.observe)

    def observe(self, event: dict[str, Any]) -> None:
        if event.get("log_namespace") == "tcpmsg":
            self.events.append(event)

    def lines(self) -> list[str]:
        """The lines since this was last asked."""
        texts = [formatEvent(event) for event in self.events]
        self.events.clear()
        return texts

    def written(self, address: IAddress | None, count: int) -> int:
        """Have `count` connections come; return how many lines were written."""
        for _ in range(count):
            self.journal.joined(1, address)
        return len(self.lines())


class LineTests(JournalTestCase):
    """The lines themselves."""

    def test_came_and_left(self) -> None:
        self.journal.joined(7, tcp("192.0.2.1", 40000))
        self.journal.left(7, tcp("192.0.2.1", 40000), "said goodbye")
        self.journal.left(8, IPv6Address("TCP", "2001:db8::1", 9), "refused, why", refused=True)
        self.assertEqual(
            [event["log_level"] for event in self.events],
            [LogLevel.info, LogLevel.info, LogLevel.warn],
        )
        self.assertEqual(
            self.lines(),
            [
                "#7 192.0.2.1:40000 connected",
                "#7 192.0.2.1:40000 left: said goodbye",
                "#8 [2001:db8::1]:9 left: refused, why",
            ],
        )

    def test_a_store_that_takes_nothing_is_told_once(self) -> None:
        for reason in ("", "no room", "no room", "", ""):
            self.journal.strained(reason)
        self.assertEqual(
            [event["log_level"] for event in self.events], [LogLevel.warn, LogLevel.info]
        )
        self.assertEqual(
            self.lines(),
            [
                "no message can be stored: no room; who publishes is told to send it again later",
                "messages are stored again",
            ],
        )

    def test_a_store_that_changes_its_mind_has_a_budget(self) -> None:
        for _ in range(1000):
            self.journal.strained("no room")
            self.journal.strained("")
        self.assertEqual(len(self.lines()), 2 * BURST)

    def test_fields_for_json(self) -> None:
        self.journal.left(7, tcp("192.0.2.1", 4), "said goodbye")
        (event,) = self.events
        self.assertEqual(
            (event["number"], event["peer"], event["reason"]), (7, "192.0.2.1:4", "said goodbye")
        )

    def test_braces_are_no_format(self) -> None:
        self.journal.left(1, tcp("192.0.2.1", 4), "refused, {number} {0} {")
        self.assertEqual(self.lines(), ["#1 192.0.2.1:4 left: refused, {number} {0} {"])

    def test_a_peers_bytes_are_escaped(self) -> None:
        """Whatever a refused header holds, its line stays one printable line."""
        for header in (
            b"\n2030-01-01 all is well\r\n", b"\x1b]0;owned\x07", b"\0\xff\x7f", bytes(range(128)),
            "٣\u202e".encode(), b"{secret}",
        ):  # fmt: skip
            error = self.assertRaises(
                ProtocolError, list, FrameDecoder().feed(header.ljust(128, b"\n"))
            )
            self.journal.left(1, tcp("192.0.2.1"), f"refused, {error}", refused=True)
            (line,) = self.lines()
            self.assertTrue(line.isascii() and line.isprintable(), line)

    def test_a_fault_has_its_traceback(self) -> None:
        self.journal.failed(Failure(ValueError("a fault of ours")))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        (event,) = self.events
        self.assertEqual(event["log_level"], LogLevel.critical)
        self.assertIn("a fault in the server", formatEvent(event))

    def test_json_lines(self) -> None:
        """One object a line, and nothing else: line tools read it."""
        out = StringIO()
        write = json_lines(out)
        self.journal.left(7, tcp("192.0.2.1", 4), "a \u2028 \n b")
        self.journal.joined(8, None)
        for event in self.events:
            write(event)
        self.assertEqual(out.getvalue().count("\n"), 2)
        first, second = [json.loads(line) for line in out.getvalue().splitlines()]
        self.assertEqual((first["number"], first["reason"]), (7, "a \u2028 \n b"))
        self.assertEqual((second["number"], second["peer"]), (8, "a local peer"))
        self.assertTrue(out.getvalue().startswith("{"))

    def test_peer_name(self) -> None:
        for address, name in (
            (tcp("192.0.2.1", 80), "192.0.2.1:80"),
            (IPv6Address("TCP", "::1", 80), "[::1]:80"),
            (UNIXAddress("/run/a.sock"), "a local peer"),
            (UNIXAddress(None), "a local peer"),
            (HostnameAddress(b"example.com", 80), "a local peer"),
            (None, "a local peer"),
        ):
            self.assertEqual(peer_name(address), name)


class BudgetTests(JournalTestCase):
    """No peer can flood the log."""

    def test_a_burst_and_no_more(self) -> None:
        self.assertEqual(self.written(tcp("192.0.2.1"), BURST + 50), BURST)
        self.journal.left(1, tcp("192.0.2.1"), "why")
        self.journal.left(1, tcp("192.0.2.1"), "why", refused=True)
        self.assertEqual(self.lines(), [])

    def test_the_port_makes_no_difference(self) -> None:
        count = sum(self.written(tcp("192.0.2.1", port), 1) for port in range(BURST + 50))
        self.assertEqual(count, BURST)

    def test_others_are_not_affected(self) -> None:
        self.written(tcp("192.0.2.1"), BURST + 50)
        self.assertEqual(self.written(tcp("192.0.2.2"), 5), 5)
        self.assertEqual(self.written(IPv6Address("TCP", "::1", 1), 5), 5)

    def test_local_peers_share_one(self) -> None:
        total = self.written(UNIXAddress("/a"), 60) + self.written(None, 60)
        self.assertEqual(total, BURST)

    def test_a_rate_after_the_burst(self) -> None:
        address = tcp("192.0.2.1")
        self.written(address, BURST)
        for seconds in (1, 5, 10):
            self.clock.advance(seconds)
            self.assertEqual(self.written(address, BURST), seconds * RATE)
        self.clock.advance(0.25)
        self.assertEqual(self.written(address, 10), 0)
        self.clock.advance(0.25)
        self.assertEqual(self.written(address, 10), 1)

    def test_rest_restores_the_burst_and_no_more(self) -> None:
        address = tcp("192.0.2.1")
        self.written(address, BURST)
        self.clock.advance(24 * 3600)
        self.assertEqual(self.written(address, 3 * BURST), BURST)

    def test_a_peer_that_never_stops(self) -> None:
        """An hour of a thousand lines a second is two a second, summaries included."""
        address = tcp("192.0.2.1")
        count = 0
        for _ in range(600):
            count += self.written(address, 100)
            self.clock.advance(1)
            self.journal.sweep()
            count += len(self.lines())
        self.assertLessEqual(count, BURST + 600 * RATE)


class SummaryTests(JournalTestCase):
    """What was left out is counted, and said once there is room."""

    def test_nothing_to_say(self) -> None:
        self.written(tcp("192.0.2.1"), 5)
        self.journal.sweep()
        self.assertEqual(self.lines(), [])

    def test_said_once(self) -> None:
        self.written(tcp("192.0.2.1"), BURST + 50)
        self.clock.advance(1)
        self.journal.sweep()
        self.assertEqual([event["log_level"] for event in self.events], [LogLevel.warn])
        self.assertEqual(self.lines(), ["192.0.2.1: 50 more lines left out"])
        self.clock.advance(1)
        self.journal.sweep()
        self.assertEqual(self.lines(), [])

    def test_it_is_a_line_of_the_budget(self) -> None:
        address = tcp("192.0.2.1")
        self.written(address, BURST + 1)
        self.clock.advance(1)
        self.journal.sweep()
        self.assertEqual(len(self.lines()), 1)
        self.assertEqual(self.written(address, 5), RATE - 1)

    def test_nothing_is_said_without_room(self) -> None:
        self.written(tcp("192.0.2.1"), BURST + 3)
        self.journal.sweep()
        self.assertEqual(self.lines(), [])

    def test_each_address_has_its_own(self) -> None:
        self.written(tcp("192.0.2.1"), BURST + 1)
        self.written(None, BURST + 2)
        self.written(tcp("192.0.2.3"), BURST)
        self.clock.advance(1)
        self.journal.sweep()
        self.assertEqual(
            self.lines(),
            ["192.0.2.1: 1 more lines left out", "local peers: 2 more lines left out"],
        )

    def test_said_at_the_end_even_without_room(self) -> None:
        self.written(tcp("192.0.2.1"), BURST + 3)
        self.written(tcp("192.0.2.2"), BURST)
        self.journal.close()
        self.assertEqual(self.lines(), ["192.0.2.1: 3 more lines left out"])
        self.journal.close()
        self.assertEqual(self.lines(), [])


class BoundTests(JournalTestCase):
    """The table of addresses is bounded: the latest ones are remembered."""

    def fill(self, count: int) -> None:
        for number in range(count):
            self.written(tcp(f"10.0.{number // 256}.{number % 256}"), 1)

    def test_an_address_is_remembered_among_as_many(self) -> None:
        self.written(tcp("192.0.2.1"), BURST)
        self.fill(MAX_ADDRESSES - 1)
        self.assertEqual(self.written(tcp("192.0.2.1"), 1), 0)

    def test_the_one_seen_longest_ago_is_forgotten(self) -> None:
        self.written(tcp("192.0.2.1"), BURST)
        self.written(tcp("192.0.2.2"), BURST)
        self.written(tcp("192.0.2.1"), 1)
        self.fill(MAX_ADDRESSES - 1)
        self.assertEqual(self.written(tcp("192.0.2.1"), 1), 0)
        self.assertEqual(self.written(tcp("192.0.2.2"), 1), 1)

    def test_the_table_ends(self) -> None:
        self.fill(MAX_ADDRESSES + 500)
        self.assertEqual(len(self.journal._budgets), MAX_ADDRESSES)


class NetworkTests(JournalTestCase):
    """Addresses that one peer can draw from share a budget."""

    def test_ipv6_by_network(self) -> None:
        for number in range(500):
            self.journal.joined(1, IPv6Address("TCP", f"2001:db8::{number:x}", 1))
        self.assertEqual(len(self.lines()), BURST)
        self.assertEqual(self.written(IPv6Address("TCP", "2001:db8:0:1::", 1), 1), 1)
        self.assertEqual(self.written(IPv6Address("TCP", "fe80::1%eth0", 1), 1), 1)

    def test_ipv4_on_a_socket_for_both_families(self) -> None:
        """All of it is one /64: each IPv4 address is somebody of its own all the same."""
        self.assertEqual(self.written(IPv6Address("TCP", "::ffff:192.0.2.1", 1), 500), BURST)
        self.assertEqual(self.written(IPv6Address("TCP", "::ffff:192.0.2.2", 1), 1), 1)
        self.assertEqual(self.written(tcp("192.0.2.1"), 1), 0)

    def test_those_turned_away_share_one_budget(self) -> None:
        for number in range(500):
            self.journal.turned_away(tcp(f"10.0.0.{number % 256}"), "no room")
        lines = self.lines()
        self.assertEqual(len(lines), BURST)
        self.assertEqual(lines[0], "10.0.0.0:1234 was turned away: no room")
        self.journal.close()
        self.assertEqual(self.lines(), ["newcomers: 400 more lines left out"])

    def test_what_a_forgotten_address_was_not_given_is_told(self) -> None:
        self.written(tcp("192.0.2.1"), BURST + 5)
        for number in range(MAX_ADDRESSES):
            self.journal.joined(1, tcp(f"10.0.{number // 256}.{number % 256}"))
        self.assertIn("192.0.2.1: 5 more lines left out", self.lines())

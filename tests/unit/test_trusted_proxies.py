"""Who a client is behind proxies, and that its limits hold whatever the proxies' headers say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.logger import formatEvent, globalLogPublisher
from twisted.protocols.haproxy._wrapper import HAProxyWrappingFactory
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.browsing import Answer, WebCase, WebPipe
from tests.websockets import accepted, handshake, masked
from twisted_msg import pace
from twisted_msg.addresses import forwarded_ip
from twisted_msg.counts import End
from twisted_msg.deadlines import FIRST_FRAME_SECONDS, HEADER_SECONDS
from twisted_msg.proxy_headers import NO_HEADER, UNKNOWN_CLIENT, UNREADABLE, read_proxy_headers
from twisted_msg.trusted_proxies import ForwardedAddress, TrustedProxies
from twisted_msg.values import read_proxy
from twisted_msg.web.site import WebFactory
from twisted_msg.wire import ErrorCode, encode_frame

PROXY = "10.0.0.5"
RATES = {"rate_messages": "2", "rate_burst": "1"}


def named(*texts: str) -> TrustedProxies:
    return TrustedProxies(map(read_proxy, texts))


def peer(host: str) -> IPv4Address | IPv6Address:
    kind = IPv6Address if ":" in host else IPv4Address
    return kind("TCP", host, 4711)


class AddressTests(SynchronousTestCase):
    def test_entries(self) -> None:
        for entry, address in (
            ("192.0.2.7", "192.0.2.7"), ("192.0.2.7:80", "192.0.2.7"),
            ("2001:db8::7", "2001:db8::7"), ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:443", "2001:db8::7"), ("::ffff:192.0.2.7", "192.0.2.7"),
            ("[::ffff:192.0.2.7]:1", "192.0.2.7"),
        ):  # fmt: skip
            self.assertEqual(str(forwarded_ip(entry)), address)
        for entry in (
            "", "unknown", "_hidden", "localhost", "192.0.2.7.", "192.0.2", "192.0.2.256", "-",
            "192.0.2.07", "192.0.2.7:", "192.0.2.7:x", "192.0.2.7:123456", "fe80::1%eth0", "[::1",
            "::1]", "[192.0.2.7]x", "1" * 10_000, "\xb2.0.2.7", "192.0.2.7 192.0.2.8", '"::1"',
            "for=192.0.2.7", "\x00", "٣.0.2.7", "2001:db8::7:", "[]",
        ):  # fmt: skip
            self.assertIsNone(forwarded_ip(entry), entry)

    def test_who_is_trusted(self) -> None:
        proxies = named("127.0.0.1", "10.0.0.0/8", "2001:db8::/32")
        for host in ("127.0.0.1", "::ffff:127.0.0.1", "10.255.0.1", "2001:db8:1::1"):
            self.assertTrue(proxies.trusts(peer(host)), host)
        for host in ("127.0.0.2", "11.0.0.1", "2001:db9::1", "::1", "name"):
            self.assertFalse(proxies.trusts(peer(host)), host)
        for local in (UNIXAddress(None), UNIXAddress(b"/run/a"), None):
            self.assertFalse(proxies.trusts(local))
            self.assertTrue(named("unix").trusts(local))
        self.assertFalse(TrustedProxies().trusts(peer("127.0.0.1")))
        self.assertFalse(named("unix").trusts(peer("127.0.0.1")))

    def test_who_may_send_a_proxy_header(self) -> None:
        for host, alone, beside in (
            ("127.0.0.1", True, False), ("::1", True, False), (PROXY, False, True),
            ("192.0.2.1", False, False), ("name", False, False),
        ):  # fmt: skip
            self.assertIs(TrustedProxies().may_relay(peer(host)), alone, host)
            self.assertIs(named(PROXY).may_relay(peer(host)), beside, host)
        self.assertTrue(TrustedProxies().may_relay(UNIXAddress(None)))
        self.assertFalse(named(PROXY).may_relay(UNIXAddress(None)))

    def test_the_client(self) -> None:
        proxies = named("127.0.0.1", PROXY)
        for lines, client in (
            ([b"192.0.2.7"], "192.0.2.7"),
            ([b"198.51.100.1, 192.0.2.7"], "192.0.2.7"),  # what is to its left may be made up
            ([b"127.0.0.1,192.0.2.7"], "192.0.2.7"),
            ([b"192.0.2.7, 10.0.0.5"], "192.0.2.7"),
            ([b"192.0.2.7", b"10.0.0.5, 127.0.0.1"], "192.0.2.7"),
            ([b"198.51.100.1", b"192.0.2.7"], "192.0.2.7"),
            ([b"192.0.2.7:5, [::ffff:10.0.0.5]:6\t"], "192.0.2.7"),
            ([b"2001:db8::7"], "2001:db8::7"),
            ([b"10.0.0.5, 127.0.0.1"], PROXY),  # trusted ones alone
            ([b"192.0.2.7, junk"], "127.0.0.1"),  # the peer's own: it said nothing usable
            ([b"192.0.2.7, junk, 10.0.0.5"], PROXY),
            ([b""], "127.0.0.1"), ([b",,,"], "127.0.0.1"), ([b"\xff\x00"], "127.0.0.1"),
            ([b"192.0.2.7", b""], "127.0.0.1"),
            ([b", ".join([b"127.0.0.1"] * 1000)], "127.0.0.1"),
            ([b"192.0.2.7, " + b", ".join([b"127.0.0.1"] * 1000)], "192.0.2.7"),
        ):  # fmt: skip
            found = proxies.client_address(peer("127.0.0.1"), lines)
            self.assertEqual(found, ForwardedAddress(client), lines)
        self.assertEqual(proxies.client_address(peer("127.0.0.1"), []), peer("127.0.0.1"))
        for local in (UNIXAddress(None), None):
            self.assertEqual(named("unix").client_address(local, []), local)
            found = named("unix").client_address(local, [b"192.0.2.7"])
            self.assertEqual(found, ForwardedAddress("192.0.2.7"))
            self.assertEqual(named("unix").client_address(local, [b"?"]), ForwardedAddress("unix"))


class ProxyCase(WebCase):
    """A server behind a proxy, whose connections are kept open for whoever comes."""

    def setUp(self) -> None:
        super().setUp()
        self.lines: list[str] = []

        def observe(event: Any) -> None:
            self.lines.append(str(formatEvent(event)))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def begin(self, *words: Any, **options: Any) -> Any:
        self.world = super().begin(*words, **options)
        return self.world

    def proxied(self, client: str, pipe: WebPipe, path: str = "/healthz", **more: str) -> None:
        """Pass on a request of a client's."""
        self.request(path, pipe=pipe, X_Forwarded_For=client, **more)

    def answers(self, pipe: WebPipe) -> int:
        """Return how many requests were answered there."""
        return pipe.received.count(b"HTTP/1.1 200 OK")

    def upgraded(self, client: str, host: str = PROXY) -> WebPipe:
        """Begin a WebSocket of a client's through the proxy."""
        pipe = self.open(host=host)
        pipe.say(handshake(X_Forwarded_For=client))
        return pipe


class RateTests(ProxyCase):
    def test_a_client_that_is_too_fast_waits_and_no_other(self) -> None:
        self.begin(trusted_proxy=PROXY, **RATES)
        pipes = [self.open(host=PROXY) for _ in range(6)]
        for pipe in pipes[:5]:  # whichever connection they come by
            self.proxied("192.0.2.7", pipe)
        self.assertEqual([self.answers(pipe) for pipe in pipes], [1, 1, 0, 0, 0, 0])
        self.proxied("192.0.2.8", pipes[5])
        self.proxied("192.0.2.8", pipes[0])  # which the proxy uses again
        self.assertEqual([self.answers(pipe) for pipe in pipes], [2, 1, 0, 0, 0, 1])
        self.world.wait(5)
        self.assertEqual([self.answers(pipe) for pipe in pipes], [2, 1, 1, 1, 1, 1])
        self.proxied("192.0.2.7", pipes[2])
        self.assertEqual(self.answers(pipes[2]), 2)

    def test_no_more_than_the_rate_over_time(self) -> None:
        self.begin(trusted_proxy=PROXY, **RATES)
        pipes = [self.open(host=PROXY) for _ in range(40)]
        for pipe in pipes:
            self.proxied("192.0.2.7", pipe)
        self.world.wait(10)
        self.assertEqual(sum(map(self.answers, pipes)), 2)  # the rest owe twenty seconds
        self.world.wait(12)
        self.assertEqual(sum(map(self.answers, pipes)), 40)

    def test_bytes_count_for_the_client(self) -> None:
        self.begin(trusted_proxy=PROXY, rate_bytes="1k", rate_burst="1")
        one, other = self.open(host=PROXY), self.open(host=PROXY)
        for pipe, client in ((one, "192.0.2.7"), (other, "192.0.2.8")):
            self.request("/v1/rooms/a/messages", b"x" * 400, pipe=pipe, X_Forwarded_For=client)
        self.settle()
        self.request("/v1/rooms/a/messages", b"x" * 3000, pipe=one, X_Forwarded_For="192.0.2.7")
        self.settle()
        self.proxied("192.0.2.8", other)
        self.settle()
        self.assertEqual((one.received.count(b" 201 "), other.received.count(b" 201 ")), (1, 1))
        self.assertEqual(self.answers(other), 1)
        self.world.wait(4)
        self.settle()
        self.assertEqual(one.received.count(b" 201 "), 2)

    def test_what_costs_more_is_not_the_next_clients(self) -> None:
        self.begin(trusted_proxy=PROXY, **RATES)
        pipe = self.open(host=PROXY)
        self.request("/v1/rooms/new/messages", b"x", pipe=pipe, X_Forwarded_For="192.0.2.7")
        self.settle()
        self.assertTrue(pipe.reading)
        self.proxied("192.0.2.8", pipe)
        self.assertEqual(self.answers(pipe), 1)
        self.proxied("192.0.2.7", pipe)  # which owes for the room that it began
        self.assertEqual(self.answers(pipe), 1)
        self.world.wait(6)
        self.assertEqual(self.answers(pipe), 2)

    def test_of_several_at_once_each_counts_for_its_client(self) -> None:
        self.begin(trusted_proxy=PROXY, **RATES)
        pipe = self.open(host=PROXY)
        told = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {}\r\n\r\n"
        clients = ["192.0.2.7"] * 4 + ["192.0.2.8"] * 2
        pipe.say("".join(told.format(client) for client in clients).encode())
        for _ in clients:  # each request has a turn of its own
            self.world.turn()
        self.assertEqual(self.answers(pipe), 2)
        self.world.wait(3)
        self.assertEqual(self.answers(pipe), 6)

    def test_whoever_waits_and_goes_leaves_nothing(self) -> None:
        self.begin(trusted_proxy=PROXY, **RATES)
        for end in ("vanish", "close_input"):
            pipes = [self.open(host=PROXY) for _ in range(4)]
            for pipe in pipes:
                self.proxied("192.0.2.7", pipe)
            for pipe in pipes:
                getattr(pipe, end)()
            self.world.wait(10)
            self.assertEqual(self.world.server.connections, 0, end)
        self.assertEqual(self.world.server.door._counted, {})

    def test_a_stream_that_waited_ends_with_its_peer(self) -> None:
        self.begin(trusted_proxy=PROXY, **RATES)
        pipes = [self.open(host=PROXY) for _ in range(4)]
        for pipe in pipes:
            self.proxied("192.0.2.7", pipe, "/v1/rooms/lobby/events")
        pipes[3].close_input()
        self.world.wait(20)
        self.settle()
        self.assertIn(b"text/event-stream", pipes[3].received)
        self.assertTrue(pipes[3].half_closed or pipes[3].closed)

    def test_hostile_headers_never_lift_the_limit(self) -> None:
        self.begin(trusted_proxy="127.0.0.1", **RATES)
        for said in ("junk", "", "127.0.0.1", "unknown", "::1, 127.0.0.1", "\xff", "127.0.0.2",
                     ", ".join(["127.0.0.1"] * 1000)):  # fmt: skip
            pipes = [self.open(host="127.0.0.1") for _ in range(4)]
            for pipe in pipes:
                self.proxied(said, pipe)
            self.assertLess(sum(map(self.answers, pipes)), 4, said)
            self.world.wait(10)

    def test_the_machines_own_without_the_header_have_no_limit(self) -> None:
        """A proxy adds it, so these are programs that ask the server itself, as Prometheus does."""
        self.begin(trusted_proxy="127.0.0.1", **RATES)
        pipe = self.open(host="127.0.0.1")
        for _ in range(10):
            self.request("/healthz", pipe=pipe)
        self.assertEqual(self.answers(pipe), 10)

    def test_a_proxy_elsewhere_without_the_header_has_its_own_limit(self) -> None:
        self.begin(trusted_proxy=PROXY, **RATES)
        pipes = [self.open(host=PROXY) for _ in range(4)]
        for pipe in pipes:
            self.request("/healthz", pipe=pipe)
        self.assertEqual(sum(map(self.answers, pipes)), 2)

    def test_of_others_the_header_is_not_read(self) -> None:
        self.begin(trusted_proxy=PROXY, connections_per_address="1")
        one = self.open(host="192.0.2.1")
        self.proxied("192.0.2.7", one)
        self.assertEqual(self.answers(one), 1)
        self.request("/healthz", pipe=(two := self.open(host="192.0.2.1")))
        self.assertEqual(Answer(two.received).error[:2], (503, "busy"))

    def test_without_rates(self) -> None:
        self.begin(trusted_proxy=PROXY, rate_messages="none", rate_bytes="none")
        self.proxied("192.0.2.7", pipe := self.open(host=PROXY))
        self.assertEqual(self.answers(pipe), 1)

    def test_a_bound_on_memory(self) -> None:
        self.patch(pace, "MAX_ADDRESSES", 3)
        self.begin(trusted_proxy=PROXY, **RATES)
        pipe = self.open(host=PROXY)
        for number in range(1, 9):
            self.proxied(f"192.0.2.{number}", pipe)
        shared = self.world.server._address_buckets
        self.assertEqual([*shared._buckets], ["192.0.2.6", "192.0.2.7", "192.0.2.8"])

    def test_a_network_of_ipv6_is_one_client(self) -> None:
        self.begin(trusted_proxy=PROXY, **RATES)
        pipes = [self.open(host=PROXY) for _ in range(4)]
        for number, pipe in enumerate(pipes):
            self.proxied(f"2001:db8::{number}", pipe)
        self.assertEqual(sum(map(self.answers, pipes)), 2)


class PlaceTests(ProxyCase):
    def test_each_stream_takes_a_place_of_its_client(self) -> None:
        self.begin(trusted_proxy=PROXY, connections_per_address="2")
        pipes = [self.open(host=PROXY) for _ in range(4)]
        for pipe in pipes[:3]:
            self.proxied("192.0.2.7", pipe, "/v1/rooms/lobby/events")
        self.proxied("192.0.2.8", pipes[3], "/v1/rooms/lobby/events")
        self.settle()
        self.assertEqual(
            [b"text/event-stream" in pipe.received for pipe in pipes], [True, True, False, True]
        )
        status, code, text = Answer(pipes[2].received).error
        self.assertEqual((status, code), (503, "busy"))
        self.assertIn("places for connections from 192.0.2.7 are taken", text)
        self.assertIn("192.0.2.7 was turned away: all 2 places", "\n".join(self.lines))
        pipes[0].vanish()
        self.proxied("192.0.2.7", again := self.open(host=PROXY), "/v1/rooms/lobby/events")
        self.settle()
        self.assertIn(b"text/event-stream", again.received)

    def test_one_that_is_answered_gives_its_place_back(self) -> None:
        self.begin(trusted_proxy=PROXY, connections_per_address="1")
        pipe = self.open(host=PROXY)
        for client in ("192.0.2.7", "192.0.2.7", "192.0.2.8"):
            self.proxied(client, pipe)
        self.assertEqual(self.answers(pipe), 3)
        self.assertEqual(self.world.server.door._networks, {})

    def test_proxies_take_none_themselves(self) -> None:
        self.begin(trusted_proxy=PROXY, connections_per_address="1")
        pipes = [self.open(host=PROXY) for _ in range(5)]
        self.assertEqual([pipe.received for pipe in pipes], [b""] * 5)

    def test_a_proxy_that_speaks_frames_has_the_place_of_its_address(self) -> None:
        self.begin(trusted_proxy=PROXY, connections_per_address="1")
        one, other = self.open(host=PROXY), self.open(host=PROXY)
        for pipe in (one, other):
            pipe.say(encode_frame(b"", ("PING",)))
        self.assertEqual(one.received.split()[1], b"PONG")
        self.assertIn(b"!ERROR! busy all 1 places", other.received)

    def test_a_websocket_is_its_clients(self) -> None:
        self.begin(trusted_proxy="127.0.0.1", connections_per_address="1", **RATES)
        flood = self.upgraded("192.0.2.7", "127.0.0.1")
        self.assertTrue(accepted(flood.received), flood.received)
        self.assertIn("192.0.2.7 connected over WebSocket", "\n".join(self.lines))
        refused = self.upgraded("192.0.2.7", "127.0.0.1")
        self.assertEqual(Answer(refused.received).error[:2], (503, "busy"))
        other = self.upgraded("192.0.2.8", "127.0.0.1")
        ping = masked(encode_frame(b"", ("PING",)))
        flood.say(ping * 10)
        other.say(ping)
        self.assertFalse(flood.reading)
        self.assertTrue(other.reading)
        self.assertIn(b"PONG", other.received)
        flood.vanish()
        self.assertIn("192.0.2.7 left: ", "\n".join(self.lines))
        self.assertTrue(accepted(self.upgraded("192.0.2.7", "127.0.0.1").received))

    def test_the_log_tells_of_the_client(self) -> None:
        self.begin(trusted_proxy=PROXY)
        pipe = self.open(host=PROXY)
        pipe.say(b"POST / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\n"
                 b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n")  # fmt: skip
        pipe.vanish()
        self.assertIn("192.0.2.7 left: refused over HTTP, 400", "\n".join(self.lines))


class ProxyHeaderTests(ProxyCase):
    """`haproxy:` endpoints."""

    def relay(self, header: bytes, host: str = "127.0.0.1", factory: Any = None) -> WebPipe:
        """Connect a proxy that sends this header."""
        pipe = WebPipe(len(self.world.peers), host=host)
        wrapping = HAProxyWrappingFactory(factory or self.world.server)
        read_proxy_headers(SimpleNamespace(factory=wrapping))
        pipe.protocol = wrapping.buildProtocol(pipe.address)
        pipe.protocol.makeConnection(pipe)
        self.world.peers.append(pipe)
        if not pipe.closed:
            pipe.say(header)
        return pipe

    def test_places_are_those_of_the_client(self) -> None:
        self.begin(connections_per_address="1")
        ping = encode_frame(b"", ("PING",))
        get = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for host, heard in (("192.0.2.7", b"PONG"), ("192.0.2.8", b"PONG"), ("192.0.2.7", b"busy"),
                            ("127.0.0.1", b"PONG"), ("127.0.0.1", b"busy")):  # fmt: skip
            pipe = self.relay(b"PROXY TCP4 %b 192.0.2.1 1 2\r\n" % host.encode() + ping)
            self.assertIn(heard, pipe.received, host)
        pipe = self.relay(b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n" + get)
        self.assertEqual(Answer(pipe.received).error[:2], (503, "busy"))
        pipe = self.relay(b"PROXY TCP4 192.0.2.9 192.0.2.1 1 2\r\n" + get)
        pipe.say(get)
        self.assertEqual(self.answers(pipe), 2)
        self.assertIn("192.0.2.9", self.world.server.door._networks)
        pipe.vanish()
        self.assertNotIn("192.0.2.9", self.world.server.door._networks)

    def test_the_rates_of_the_client_hold(self) -> None:
        """Also where the proxy is named, and where a port takes HTTP alone."""
        get = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for trusted in ((), ("127.0.0.1",)):
            for only_http in (False, True):
                self.begin(trusted_proxy=trusted, **RATES)
                factory = WebFactory(self.site) if only_http else None
                header = b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n"
                pipe = self.relay(header, factory=factory)
                for _ in range(3):
                    pipe.say(get)
                self.assertFalse(pipe.reading, (trusted, only_http))
                self.world.wait(5)
                self.assertTrue(pipe.reading, (trusted, only_http))
                self.assertEqual(self.answers(pipe), 3)

    def test_a_proxy_behind_another_names_its_clients(self) -> None:
        """One sends a PROXY header, and the trusted peer in that header `X-Forwarded-For`."""
        self.begin(trusted_proxy=("127.0.0.1", PROXY), **RATES)
        header = f"PROXY TCP4 {PROXY} 192.0.2.1 1 2\r\n".encode()
        pipes = [self.relay(header, factory=WebFactory(self.site)) for _ in range(4)]
        for pipe in pipes:
            self.proxied("192.0.2.7", pipe)
        self.assertEqual([self.answers(pipe) for pipe in pipes], [1, 1, 0, 0])

    def test_peers_that_are_not_trusted_are_closed(self) -> None:
        for option, host, trusted in (
            ({}, "127.0.0.1", True), ({}, "192.0.2.1", False),
            ({"trusted_proxy": PROXY}, PROXY, True),
            ({"trusted_proxy": PROXY}, "127.0.0.1", False),
        ):  # fmt: skip
            self.lines.clear()
            self.begin(**option)
            pipe = self.relay(b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n", host)
            self.assertIs(pipe.closed, not trusted, host)
            told = f"{host}:1000 was turned away: it is no trusted proxy"
            self.assertIs(told in "\n".join(self.lines), not trusted)
            self.assertEqual(pipe.received, b"")
            if not trusted:
                self.assertIn("--trusted-proxy", self.lines[-1])
                self.assertEqual(self.world.server.connections, 0)
                self.assertEqual(self.world.server.counts.told[ErrorCode.FORBIDDEN], 0)

    def test_a_header_comes_in_pieces(self) -> None:
        ping = encode_frame(b"", ("PING",))
        addresses = bytes((192, 0, 2, 7, 192, 0, 2, 1, 0, 1, 0, 2))
        v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + addresses
        self.begin()
        for header in (b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n", b"PROXY UNKNOWN x\r\n", v2):
            for size in (1, 5, 7, 15, 17):
                pipe = self.relay(b"")
                for start in range(0, len(header), size):
                    pipe.say(header[start : start + size])
                self.assertFalse(pipe.closed, (header, size))
                for byte in ping:
                    pipe.say(bytes((byte,)))
                self.assertIn(b"PONG", pipe.received, (header, size))
                host = "127.0.0.1" if b"UNKNOWN" in header else "192.0.2.7"
                self.assertIn(f"{host}:", self.lines[-1])
                self.assertIn(" connected", self.lines[-1])

    def test_the_log_says_why_a_header_is_refused(self) -> None:
        v2 = b"\r\n\r\n\0\r\nQUIT\n"
        for header, reason in (
            (b"PROXY UNKNOWN\r\n", UNKNOWN_CLIENT),
            (b"PROXY UNKNOWNS\r\n", UNREADABLE),
            (b"PROXY TCP4 192.0.2.7 192.0.2.1 x 2\r\n", UNREADABLE),
            (b"PROXY TCP4 \xff 192.0.2.1 1 2\r\n", UNREADABLE),
            (b"PROXY" + b"x" * 200, UNREADABLE),
            (b"PROXY\r\n\r\n", UNREADABLE),
            (v2 + b"\x11" + b"x" * 50, UNREADABLE),
            (v2 + b"\x21\x11\0\0", UNREADABLE),
            (encode_frame(b"", ("PING",)), NO_HEADER),
            (b"GET / HTTP/1.1\r\n\r\n", NO_HEADER),
            (b"PUT / HTTP/1.1\r\n\r\n", NO_HEADER),
            (b"P\r\n", NO_HEADER),
            (b"\r\n\r\n\r\n", NO_HEADER),
            (b"\0", NO_HEADER),
        ):
            for size in (1, 6, len(header)):
                self.begin()
                self.lines.clear()
                pipe = self.relay(b"")
                for start in range(0, len(header), size):
                    pipe.say(header[start : start + size])
                self.assertTrue(pipe.closed, (header, size))
                self.assertEqual(pipe.received, b"")
                (line,) = self.lines
                self.assertEqual(line, f"#1 127.0.0.1:1000 left: refused, {reason}", header)
                self.assertEqual(self.world.server.connections, 0)
                self.assertEqual(self.world.server.counts.ended[End.REFUSED], 1)

    def test_the_log_says_so_for_the_web_alone(self) -> None:
        self.begin()
        pipe = self.relay(b"GET / HTTP/1.1\r\n\r\n", factory=WebFactory(self.world.server.web))
        self.assertTrue(pipe.closed)
        self.assertEqual(pipe.received, b"")
        self.assertIn(f"#1 127.0.0.1:1000 left: refused, {NO_HEADER}", self.lines)

    def test_without_a_place_there_is_one_line(self) -> None:
        self.begin(connections="1")
        self.relay(b"")
        pipe = self.relay(b"GET / HTTP/1.1\r\n\r\n")
        self.assertTrue(pipe.closed)
        (line,) = self.lines
        self.assertIn("turned away: all 1 places", line)

    def test_half_a_header_holds_its_place_for_half_a_minute(self) -> None:
        for header in (b"P", b"PROXY TCP4 192.0.2.7", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0cx"):
            self.begin()
            pipe = self.relay(header)
            self.world.wait(HEADER_SECONDS - 2)
            self.assertFalse(pipe.closed)
            self.world.wait(3)
            self.assertTrue(pipe.closed)
            self.assertIn("a PROXY header was not finished within 30 s", self.lines[-1])
            self.assertIn("#1 127.0.0.1:1000 left: refused, timeout", self.lines[-1])

    def test_a_whole_header_may_be_followed_by_silence(self) -> None:
        self.begin()
        pipe = self.relay(b"PROXY TCP4 192.0.2.7")
        self.world.wait(HEADER_SECONDS - 2)
        pipe.say(b" 192.0.2.1 1 2\r\n")
        self.world.wait(FIRST_FRAME_SECONDS - 2)
        self.assertFalse(pipe.closed)
        self.world.wait(3)
        self.assertTrue(pipe.closed)

"""Addresses as people type them, and what Twisted makes of the endpoint strings."""

from __future__ import annotations

import sys

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.endpoints import clientFromString, serverFromString
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactor
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg import addresses
from twisted_msg.addresses import (
    BACKLOG,
    DEFAULT_PORT,
    BadAddress,
    connecting,
    listening,
    no_endpoint,
    shown,
    typed,
)

settings.register_profile("unit", derandomize=True, deadline=None, database=None)
settings.load_profile("unit")

HOSTS = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.from_regex(r"[a-z][a-z0-9-]{0,8}(\.[a-z]{1,5}){1,2}", fullmatch=True),
)
PORTS = st.integers(0, 65535)


def listened(address: str) -> tuple[str, int, int]:
    """Interface, port and backlog that Twisted listens with."""
    reactor = MemoryReactor()
    serverFromString(reactor, listening(address)).listen(Factory())
    ((port, _, backlog, interface),) = reactor.tcpServers
    return interface, port, backlog


def connected(address: str) -> tuple[str, int]:
    """Host and port that Twisted connects to."""
    reactor = MemoryReactor()
    clientFromString(reactor, connecting(address)).connect(Factory())
    ((host, port, *_),) = reactor.tcpClients
    return host, port


class ListeningTests(SynchronousTestCase):
    """`--listen`."""

    def test_short_forms(self) -> None:
        for address, endpoint in (
            ("127.0.0.1:5050", "tcp:5050:interface=127.0.0.1"),
            ("localhost:1", "tcp:1:interface=localhost"),
            ("0.0.0.0:0", "tcp:0:interface=0.0.0.0"),
            (":5050", "tcp:5050"),
            ("5050", "tcp:5050:interface=127.0.0.1"),
            ("0", "tcp:0:interface=127.0.0.1"),
            ("[::1]:5050", r"tcp6:5050:interface=\:\:1"),
            ("[::]:65535", r"tcp6:65535:interface=\:\:"),
            ("[fe80::1%eth0]:7", r"tcp6:7:interface=fe80\:\:1%eth0"),
            ("[127.0.0.1]:7", "tcp:7:interface=127.0.0.1"),
        ):
            self.assertEqual(listening(address), f"{endpoint}:backlog=4096", address)

    def test_endpoint_strings_stay(self) -> None:
        for endpoint in ("systemd:domain=INET:index=0", "fd:3", "fd:4", "onion:80:x=y",
                         "tls:5050", "myown:port=1"):  # fmt: skip
            self.assertEqual(listening(endpoint), endpoint)

    def test_endpoint_strings_get_a_backlog(self) -> None:
        for endpoint in ("tcp:5050", "tcp4:5050", "tcp6:5050", "tcp:port=5050",
                         "ssl:5050:privateKey=a", "unix:/run/tcpmsg.sock",
                         "unix:/run/tcpmsg.sock:mode=660"):  # fmt: skip
            self.assertEqual(listening(endpoint), f"{endpoint}:backlog={BACKLOG}")

    def test_a_backlog_of_ones_own_stays(self) -> None:
        for endpoint in ("tcp:5050:backlog=7", "unix:/a:backlog=7:mode=600"):
            self.assertEqual(listening(endpoint), endpoint)

    def test_twisted_reads_them(self) -> None:
        self.assertEqual(listened("127.0.0.1:5050"), ("127.0.0.1", 5050, BACKLOG))
        self.assertEqual(listened("5050"), ("127.0.0.1", 5050, BACKLOG))
        self.assertEqual(listened(":5050"), ("", 5050, BACKLOG))
        self.assertEqual(listened("[::1]:5050"), ("::1", 5050, BACKLOG))
        self.assertEqual(listened("tcp:5050:backlog=7"), ("", 5050, 7))

    def test_twisted_reads_unix_sockets(self) -> None:
        reactor = MemoryReactor()
        serverFromString(reactor, listening("unix:/run/a.sock:mode=660")).listen(Factory())
        ((path, _, backlog, mode, _),) = reactor.unixServers
        self.assertEqual((path, backlog, mode), ("/run/a.sock", BACKLOG, 0o660))

    @given(HOSTS, PORTS)
    def test_any_host_and_port(self, host: str, port: int) -> None:
        self.assertEqual(listened(f"{host}:{port}"), (host, port, BACKLOG))

    @given(st.ip_addresses(v=6).map(str), PORTS)
    def test_any_ipv6_address(self, host: str, port: int) -> None:
        self.assertEqual(listened(f"[{host}]:{port}"), (host, port, BACKLOG))
        self.assertEqual(listened(shown(host, port)), (host, port, BACKLOG))

    def test_no_addresses(self) -> None:
        for address in ("", " ", "localhost", "localhost:", "localhost:http", "a b:5050", "::1",
                        "[::1]", "[::1]:", "[]:5050", "[::1:5050", "::1]:5050",
                        "-5", "+5", "5 ", "\u0665\u0660", "²", "localhost:\u0665",
                        "a=b:5050", "a/b:5050",
                        "/run/tcpmsg.sock", "host:5050\n"):  # fmt: skip
            error = self.assertRaises(BadAddress, listening, address)
            self.assertIn("is no address: write HOST:PORT, [IPV6]:PORT, or an endpoint", str(error))
            self.assertNotIn("\n", str(error))
            self.assertIsInstance(error, ValueError)

    def test_ports_end(self) -> None:
        for address in ("localhost:65536", "[::1]:99999", ":65536", "65536", "1.2.3.4:123456"):
            error = self.assertRaises(BadAddress, listening, address)
            self.assertTrue(str(error).endswith("is no address: ports end at 65535"), address)

    def test_what_was_typed_is_quoted(self) -> None:
        error = self.assertRaises(BadAddress, listening, "loc\nalhost")
        self.assertTrue(str(error).startswith(r"'loc\nalhost' is no address"), error)

    def test_a_bare_port_is_quoted_as_typed(self) -> None:
        error = self.assertRaises(BadAddress, listening, "99999")
        self.assertTrue(str(error).startswith("'99999' is no address"), error)

    def test_bare_ipv6_needs_brackets(self) -> None:
        self.assertRaises(BadAddress, listening, "2001:db8::1")

    def test_typed(self) -> None:
        for address in ("tcp:5050", "unix:/run/a", "fd:3", "tcp:5050:backlog=7"):
            self.assertEqual(typed(listening(address)), address)
        self.assertEqual(typed(listening("localhost:5")), "tcp:5:interface=localhost")


class ConnectingTests(SynchronousTestCase):
    """`--server`."""

    def test_short_forms(self) -> None:
        for address, endpoint in (
            ("localhost", "tcp:localhost:5050"),
            ("example.com", "tcp:example.com:5050"),
            ("my_host-1", "tcp:my_host-1:5050"),
            ("127.0.0.1", "tcp:127.0.0.1:5050"),
            ("localhost:7", "tcp:localhost:7"),
            ("[::1]:7", r"tcp:\:\:1:7"),
            (":7", "tcp:127.0.0.1:7"),
            ("tcpmsg://localhost", "tcp:localhost:5050"),
            ("tcpmsg://localhost/", "tcp:localhost:5050"),
            ("tcpmsg://localhost:7", "tcp:localhost:7"),
            ("tcpmsg://localhost:7/", "tcp:localhost:7"),
            ("tcpmsg://[::1]", r"tcp:\:\:1:5050"),
            ("tcpmsg://[::1]:7", r"tcp:\:\:1:7"),
            ("tcpmsgs://localhost", "tls:localhost:5050"),
            ("tcpmsgs://localhost:7", "tls:localhost:7"),
            ("tcpmsgs://[::1]:7/", r"tls:\:\:1:7"),
        ):
            self.assertEqual(connecting(address), endpoint)

    def test_endpoint_strings_stay(self) -> None:
        for endpoint in ("tcp:localhost:5050", "tcp:host=localhost:port=5050", "tls:a.b:5050",
                         "unix:/run/tcpmsg.sock", "unix:path=/run/a:timeout=3",
                         "myown:a=b"):  # fmt: skip
            self.assertEqual(connecting(endpoint), endpoint)

    def test_twisted_reads_them(self) -> None:
        self.assertEqual(connected("localhost"), ("localhost", DEFAULT_PORT))
        self.assertEqual(connected("127.0.0.1:7"), ("127.0.0.1", 7))
        self.assertEqual(connected("[::1]:7"), ("::1", 7))
        self.assertEqual(connected("tcpmsg://[fe80::1%eth0]"), ("fe80::1%eth0", DEFAULT_PORT))

    @given(HOSTS, PORTS)
    def test_any_host_and_port(self, host: str, port: int) -> None:
        for address in (f"{host}:{port}", f"tcpmsg://{host}:{port}"):
            self.assertEqual(connected(address), (host, port))
        self.assertEqual(connected(host), (host, DEFAULT_PORT))

    @given(st.ip_addresses(v=6).map(str), PORTS)
    def test_any_ipv6_address(self, host: str, port: int) -> None:
        for address in (shown(host, port), f"tcpmsg://[{host}]:{port}/"):
            self.assertEqual(connected(address), (host, port))

    def test_no_addresses(self) -> None:
        for address in ("", "a b", "localhost:", "localhost:x", "::1",
                        "/run/tcpmsg.sock", "host\n"):  # fmt: skip
            error = self.assertRaises(BadAddress, connecting, address)
            self.assertIn("is no address: write HOST:PORT", str(error))
        for address in ("localhost:65536", "localhost:123456", "tcpmsg://localhost:99999"):
            error = self.assertRaises(BadAddress, connecting, address)
            self.assertIn("ports end at 65535", str(error))

    def test_tls_is_never_dropped(self) -> None:
        for address in ("tcpmsgs://tcp:h:5", "tcpmsgs://unix:/x", "tcpmsgs://a:b:5", "tcpmsgs://"):
            error = self.assertRaises(BadAddress, connecting, address)
            self.assertIn("write tcpmsgs://HOST:PORT", str(error))
        self.assertEqual(connecting("tcpmsgs://tcp"), "tls:tcp:5050")
        self.assertEqual(connecting("tcpmsgs://[::1]"), r"tls:\:\:1:5050")


class NoEndpointTests(SynchronousTestCase):
    """What is said of an endpoint string that Twisted refuses."""

    def test_what_is_no_endpoint(self) -> None:
        said = no_endpoint("tcp:x", "tcp:x", ValueError("why"))
        self.assertTrue(said.startswith("'tcp:x' is no endpoint: why; write HOST:PORT"), said)

    def test_tls_that_is_not_installed(self) -> None:
        self.patch(addresses, "find_spec", lambda name: None)
        said = no_endpoint("tcpmsgs://h", "tls:h:5050", NameError("x"))
        self.assertEqual(
            said,
            "'tcpmsgs://h' needs TLS, which is not installed: "
            f"{sys.executable} -m pip install 'twisted[tls]'",
        )


class ShownTests(SynchronousTestCase):
    """Addresses as they are printed."""

    def test_shown(self) -> None:
        self.assertEqual(shown("127.0.0.1", 5050), "127.0.0.1:5050")
        self.assertEqual(shown("localhost", 1), "localhost:1")
        self.assertEqual(shown("::1", 5050), "[::1]:5050")
        self.assertEqual(shown("fe80::1%eth0", 5050), "[fe80::1%eth0]:5050")

    @given(HOSTS, PORTS)
    def test_what_is_shown_can_be_typed(self, host: str, port: int) -> None:
        self.assertEqual(connected(shown(host, port)), (host, port))


class NetworkTests(SynchronousTestCase):
    """What one peer can draw addresses from."""

    def test_network(self) -> None:
        for host, expected in (
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::/64"),
            ("2001:db8::ffff:ffff:ffff:ffff", "2001:db8::/64"),
            ("fe80::1%eth0", "fe80::/64"),
            ("localhost", "localhost"),
            ("", ""),
        ):
            self.assertEqual(addresses.network(host), expected)

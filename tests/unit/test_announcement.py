"""What a start prints if other machines can reach the server, and which addresses it lists."""

from __future__ import annotations

import errno
import shlex
import socket
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.logger import formatEvent
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg import announcement, interfaces
from twisted_msg.cli.main import _parser
from twisted_msg.interfaces import reachable
from twisted_msg.settings import load

IF_INET6 = """\
fd000000000000000000000000000002 04 40 00 82     eth0
20010db8000000000000000000000007 04 40 00 01     eth0
20010db8000000000000000000000008 04 40 00 40     eth0
20010db8000000000000000000000009 04 40 00 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
fe8000000000000000fc00fffe000001 04 40 20 80     eth0
"""


class ReachableTests(SynchronousTestCase):
    def files(self, inet6: str = IF_INET6, v6only: str = "0\n") -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        self.patch(interfaces, "_IF_INET6", folder / "if_inet6")
        self.patch(interfaces, "_V6ONLY", folder / "bindv6only")
        interfaces._IF_INET6.write_text(inet6)
        interfaces._V6ONLY.write_text(v6only)

    def setUp(self) -> None:
        self.files()
        self.patch(interfaces, "_inet", lambda: ["192.0.2.1", "192.0.2.2"])
        self.outward = {socket.AF_INET: ["192.0.2.2"], socket.AF_INET6: []}
        self.patch(interfaces, "_outward", self.outward.__getitem__)

    def test_what_is_listened_on_as_it_is(self) -> None:
        for host in ("192.0.2.9", "2001:db8::7", "fe80::1%eth0"):
            self.assertEqual(reachable(host), [host])

    def test_every_address_the_way_out_first(self) -> None:
        self.assertEqual(reachable("0.0.0.0"), ["192.0.2.2", "192.0.2.1"])
        self.assertEqual(reachable("::"), ["fd00::2", "2001:db8::9", "192.0.2.2", "192.0.2.1"])
        self.outward[socket.AF_INET6] = ["2001:db8::9"]
        self.assertEqual(reachable("::")[:2], ["2001:db8::9", "fd00::2"])

    def test_sockets_for_ipv6_alone(self) -> None:
        self.files(v6only="1\n")
        self.assertEqual(reachable("::"), ["fd00::2", "2001:db8::9"])

    def test_a_kernel_without_ipv6(self) -> None:
        interfaces._IF_INET6.unlink()
        interfaces._V6ONLY.unlink()
        self.assertEqual(reachable("::"), ["192.0.2.2", "192.0.2.1"])


class KernelTests(SynchronousTestCase):
    """What this machine's kernel answers: other on each, so only its form is known."""

    def test_addresses(self) -> None:
        for host in ("0.0.0.0", "::"):
            found = reachable(host)
            self.assertEqual(len(found), len(set(found)))
            for address in map(ip_address, found):
                self.assertFalse(address.is_loopback or address.is_unspecified)

    def test_no_way_out(self) -> None:
        class Unrouted(socket.socket):
            def connect(self, address: object) -> None:
                raise OSError(errno.ENETUNREACH, "no route")

        self.patch(socket, "socket", Unrouted)
        self.assertEqual(interfaces._outward(socket.AF_INET), [])
        reachable("0.0.0.0")


class AnnouncementTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.found = {"0.0.0.0": ["192.0.2.1", "198.51.100.1"], "::": ["2001:db8::1"]}
        self.patch(announcement, "reachable", lambda host: self.found.get(host, [host]))

    def said(self, *addresses: IAddress, web: IAddress | None = None, **options: Any) -> list[str]:
        """Return what is printed of a server that listens there."""
        lines: list[str] = []
        self.patch(announcement.log, "observer", lambda event: lines.append(formatEvent(event)))
        settings = load({"open": "yes", "store": "memory", **options}, {"HOME": "/nonexistent"})
        announcement.announce(list(addresses), settings, web)
        return lines

    def test_this_machine_alone(self) -> None:
        said = "\n".join(self.said(IPv4Address("TCP", "127.0.0.1", 5050), UNIXAddress(b"/x")))
        self.assertIn("only programs on this machine can connect", said)
        self.assertNotIn("another machine", said)

    def test_addresses_that_others_can_reach(self) -> None:
        said = self.said(
            IPv4Address("TCP", "0.0.0.0", 7000),
            IPv6Address("TCP", "::", 7001),
            listen=["0.0.0.0:7000", "[::]:7001"],
        )
        self.assertIn(
            "open to the network: whoever reaches one of these addresses can read and write: "
            "192.0.2.1:7000, 198.51.100.1:7000, [2001:db8::1]:7001",
            said,
        )
        self.assertIn("on another machine, in a browser: http://192.0.2.1:7000/", said)
        (line,) = (each for each in said if "in a terminal" in each)
        words = shlex.split(line.partition(": ")[2])
        parsed = _parser().parse_args(words[1:])
        self.assertEqual(
            (words[0], parsed.verb, parsed.server), ("tcpmsg", "chat", "192.0.2.1:7000")
        )
        self.assertTrue(said[-1].startswith("from a script: "))  # what starters wait for

    def test_tls_and_options_that_clients_need(self) -> None:
        said = self.said(
            IPv4Address("TCP", "127.0.0.1", 1),
            IPv4Address("TCP", "192.0.2.9", 7000),
            listen=["127.0.0.1:1", "ssl:7000:interface=192.0.2.9:privateKey=k:certKey=c"],
            **{"header-size": "64"},
        )
        self.assertIn("on another machine, in a browser: https://192.0.2.9:7000/", said)
        self.assertIn(
            "on another machine, in a terminal: tcpmsg chat --server tcpmsgs://192.0.2.9:7000 "
            "--header-size 64 --name carol",
            said,
        )

    def test_http_elsewhere(self) -> None:
        here, there = IPv4Address("TCP", "127.0.0.1", 1), IPv4Address("TCP", "0.0.0.0", 8080)
        said = self.said(here, web=there)
        self.assertIn("on another machine, in a browser: http://192.0.2.1:8080/", said)
        self.assertNotIn("in a terminal", "\n".join(said))

    def test_a_machine_without_a_network(self) -> None:
        self.found["0.0.0.0"] = []
        said = "\n".join(self.said(IPv4Address("TCP", "0.0.0.0", 1)))
        self.assertIn("whoever reaches an address above can read and write", said)
        self.assertNotIn("another machine", said)

"""Looks inside transports: right for Twisted's own, harmless for all others."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.address import HostnameAddress, IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.protocols.haproxy._wrapper import HAProxyWrappingFactory
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg import transports
from twisted_msg.transports import (
    READ_SIZE,
    drop_unsent,
    is_loopback,
    keep_alive,
    read_by_the_piece,
    unsent,
)


class Bystander:
    """A reactor that only listens: nothing here waits for one."""

    def _ignore(self, *_: Any) -> None:
        pass

    addReader = addWriter = removeReader = removeWriter = _ignore


class SocketTestCase(SynchronousTestCase):
    """Makes Twisted's own transports on sockets that no reactor watches."""

    def pair(self) -> tuple[Any, socket.socket]:
        """A Unix transport, and the socket at its other end."""
        near, far = socket.socketpair()
        for its in (near, far):
            self.addCleanup(its.close)
        far.setblocking(False)  # a test that waits would wait for ever
        return unix.Server(near, Protocol(), None, None, 0, Bystander()), far

    def tcp(self) -> tuple[Any, socket.socket]:
        """A TCP transport, and its own socket."""
        its = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.addCleanup(its.close)
        return tcp.Server(its, Protocol(), ("192.0.2.1", 1), None, 0, Bystander()), its


class DropUnsentTests(SocketTestCase):
    """What was written and not sent is dropped, however the transport is wrapped."""

    def test_all_that_twisted_holds(self) -> None:
        transport, _ = self.pair()
        relayed = HAProxyWrappingFactory(Factory.forProtocol(Protocol)).buildProtocol(None)
        relayed.makeConnection(transport)
        for wrapped in (transport, relayed, SimpleNamespace(carrier=relayed)):
            transport.dataBuffer, transport.offset = b"sent and unsent", 9
            transport.write(b"more")
            self.assertEqual(unsent(transport), 10)
            drop_unsent(wrapped)
            self.assertEqual((transport.dataBuffer, transport._tempDataBuffer), (b"", []))
            self.assertEqual(unsent(transport), 0)

    def test_other_transports_are_left_alone(self) -> None:
        transport = StringTransport()
        transport.write(b"data")
        drop_unsent(transport)
        self.assertEqual(transport.value(), b"data")


class UnsentTests(SocketTestCase):
    """What was written and not taken, wherever it waits."""

    def test_nothing(self) -> None:
        transport, _ = self.pair()
        self.assertEqual(unsent(transport), 0)

    def test_what_twisted_holds(self) -> None:
        transport, _ = self.pair()
        transport.write(b"x" * 1000)
        self.assertEqual(unsent(transport), 1000)
        transport.write(b"x" * 234)
        self.assertEqual(unsent(transport), 1234)

    def test_what_the_kernel_holds(self) -> None:
        transport, far = self.pair()
        transport.write(b"x" * 1000)
        transport.doWrite()
        self.assertEqual(len(transport.dataBuffer) - transport.offset, 0)
        self.assertGreaterEqual(unsent(transport), 1000)
        self.assertEqual(len(far.recv(5000)), 1000)
        self.assertEqual(unsent(transport), 0)

    def test_what_both_hold(self) -> None:
        """A reader that stopped, then reads it all: never 0 before its last byte is taken."""
        transport, far = self.pair()
        total = 5_000_000
        transport.write(b"x" * total)
        for _ in range(100):
            transport.doWrite()
        held = len(transport.dataBuffer) - transport.offset
        self.assertGreater(held, 0)
        self.assertLess(held, total)
        self.assertGreater(unsent(transport), held)
        taken = 0
        while taken < total:
            self.assertGreater(unsent(transport), 0)
            taken += len(far.recv(65536))
            transport.doWrite()
        self.assertEqual(unsent(transport), 0)

    def test_taking_shows(self) -> None:
        """What tells a slow reader from one that has stopped."""
        transport, far = self.pair()
        transport.write(b"x" * 100_000)
        transport.doWrite()
        before = unsent(transport)
        self.assertEqual(unsent(transport), before)
        taken = 0
        while taken < 100_000 and unsent(transport) == before:
            taken += len(far.recv(10_000))
        self.assertLess(unsent(transport), before)

    def test_a_closed_socket(self) -> None:
        transport, _ = self.pair()
        transport.write(b"x" * 10)
        transport.socket.close()
        self.assertEqual(unsent(transport), 10)

    def test_unknown_transports(self) -> None:
        for transport in (
            None,
            object(),
            StringTransport(),
            SimpleNamespace(dataBuffer=None, offset=0, _tempDataLen=0),
            SimpleNamespace(fileno=lambda: -1),
            SimpleNamespace(fileno=lambda: None),
            SimpleNamespace(fileno=None),
        ):
            self.assertEqual(unsent(transport), 0)

    def test_a_transport_without_a_socket(self) -> None:
        wrapper = SimpleNamespace(dataBuffer=b"12345", offset=2, _tempDataLen=4)
        self.assertEqual(unsent(wrapper), 7)

    def test_a_file_that_is_no_socket(self) -> None:
        with open(__file__, "rb") as source:
            self.assertEqual(unsent(source), 0)


class KeepAliveTests(SocketTestCase):
    """The kernel is told how soon to look for peers that vanished."""

    def test_tcp(self) -> None:
        transport, its = self.tcp()
        keep_alive(transport)
        for level, option, value in (
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
            (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
            (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
        ):
            self.assertEqual(its.getsockopt(level, option), value, option)

    def test_a_system_without_some_options(self) -> None:
        """Those that it has are set all the same."""
        transport, its = self.tcp()
        before = its.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        system = SimpleNamespace(IPPROTO_TCP=socket.IPPROTO_TCP, TCP_KEEPINTVL=socket.TCP_KEEPINTVL)
        self.patch(transports, "socket", system)
        keep_alive(transport)
        self.assertEqual(its.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), 1)
        self.assertEqual(its.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), before)
        self.assertEqual(its.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL), 15)

    def test_a_unix_socket(self) -> None:
        transport, far = self.pair()
        keep_alive(transport)
        transport.write(b"still works")
        transport.doWrite()
        self.assertEqual(far.recv(100), b"still works")

    def test_a_peer_that_is_gone(self) -> None:
        """Its socket may be closed already at any of the steps."""
        asked: list[str] = []

        def gone(step: str) -> Any:
            asked.append(step)
            raise OSError("Bad file descriptor")

        closed = SimpleNamespace(
            setTcpNoDelay=asked.append,
            setTcpKeepAlive=asked.append,
            getHandle=lambda: SimpleNamespace(setsockopt=lambda *_: gone("option")),
        )
        keep_alive(closed)
        self.assertEqual(asked, [True, True, "option"])
        closed.setTcpNoDelay = gone
        keep_alive(closed)
        self.assertEqual(asked, [True, True, "option", True])

    def test_other_transports(self) -> None:
        for transport in (None, object(), StringTransport()):
            keep_alive(transport)


class ReadSizeTests(SocketTestCase):
    def test_it_is_set_where_it_can_be(self) -> None:
        transport, _ = self.pair()
        read_by_the_piece(transport)
        self.assertEqual(transport.bufferSize, READ_SIZE)
        read_by_the_piece(None)


class DropTests(SocketTestCase):
    """Connections that are closed as soon as they are made."""

    def test_at_once_where_that_can_be(self) -> None:
        transport, far = self.pair()
        transports.drop(transport)
        self.assertEqual(far.recv(1), b"")  # would raise if it were open still
        self.assertEqual(transport.fileno(), -1)

    def test_otherwise_in_the_next_turn(self) -> None:
        aborted: list[bool] = []
        transports.drop(SimpleNamespace(abortConnection=lambda: aborted.append(True)))
        self.assertEqual(aborted, [True])


class RelayedTests(SocketTestCase):
    """Peers behind a proxy, whose address comes with their first bytes."""

    def test_behind_haproxy(self) -> None:
        direct, _ = self.tcp()
        wrapped = behind_proxy()
        self.assertIs(transports.relayed(direct), False)
        self.assertIs(transports.relayed(StringTransport()), False)
        self.assertIs(transports.relayed(wrapped), True)


def behind_proxy() -> Any:
    """Return what a connection of a `haproxy:` endpoint has for a transport."""
    made: list[Any] = []
    inner = Protocol()
    inner.connectionMade = lambda: made.append(inner.transport)  # type: ignore[method-assign]
    factory = Factory.forProtocol(lambda: inner)
    outer = HAProxyWrappingFactory(factory).buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
    outer.makeConnection(StringTransport())
    return made[0]


class LoopbackTests(SynchronousTestCase):
    """Who may reach an address."""

    def test_this_machine_only(self) -> None:
        for address in (
            IPv4Address("TCP", "127.0.0.1", 1),
            IPv4Address("TCP", "127.9.9.9", 1),
            IPv6Address("TCP", "::1", 1),
            IPv6Address("TCP", "::1%lo", 1),
            IPv6Address("TCP", "::ffff:127.0.0.1", 1),  # on a socket for both families
            UNIXAddress("/run/a.sock"),
            None,
        ):
            self.assertIs(is_loopback(address), True, address)

    def test_others_too(self) -> None:
        for address in (
            IPv4Address("TCP", "0.0.0.0", 1),
            IPv4Address("TCP", "192.0.2.1", 1),
            IPv6Address("TCP", "::", 1),
            IPv6Address("TCP", "::ffff:192.0.2.1", 1),
            IPv6Address("TCP", "fe80::1%eth0", 1),
            SimpleNamespace(host=""),
            SimpleNamespace(host="localhost"),
            SimpleNamespace(host="127.0.0.1.example.com"),
        ):
            self.assertIs(is_loopback(address), False, address)

    def test_a_hostname_address_has_no_host(self) -> None:
        """It is nothing that Twisted listens on."""
        self.assertFalse(hasattr(HostnameAddress(b"localhost", 1), "host"))

"""Reading in a transport's place: what comes, and when it is the transport's turn again."""

from __future__ import annotations

import socket

from twisted.internet.error import ConnectionLost
from twisted.internet.testing import MemoryReactor
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.cli.bench.straight import Straight, straight


class Transport:
    """Has a socket, and reads until told otherwise."""

    def __init__(self, handle: socket.socket) -> None:
        self.handle = handle
        self.reading = True

    def getHandle(self) -> socket.socket:
        return self.handle

    def pauseProducing(self) -> None:
        self.reading = False

    def resumeProducing(self) -> None:
        self.reading = True


class StraightTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.peer, here = socket.socketpair()
        for each in (self.peer, here):
            self.addCleanup(each.close)
        self.reactor = MemoryReactor()
        self.transport = Transport(here)
        self.came = b""
        self.straight = Straight(self.reactor, self.transport, self.take)
        self.addCleanup(self.straight.give_back)

    def take(self, data: memoryview) -> None:
        self.came += data

    def test_it_reads_instead(self) -> None:
        self.assertFalse(self.transport.reading)
        self.assertEqual(self.reactor.getReaders(), [self.straight])
        self.straight.doRead()  # nothing is there
        self.assertEqual(self.came, b"")
        self.peer.send(b"hello")
        self.straight.doRead()
        self.assertEqual(self.came, b"hello")

    def test_the_end_is_the_transport_s(self) -> None:
        self.peer.close()
        self.straight.doRead()
        self.assertTrue(self.transport.reading)
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(self.straight.fileno(), -1)
        self.assertEqual(self.transport.handle.recv(1), b"")

    def test_a_loss_is_the_transport_s(self) -> None:
        self.straight.connectionLost(Failure(ConnectionLost()))
        self.assertTrue(self.transport.reading)
        self.straight.connectionLost(Failure(ConnectionLost()))
        self.straight.give_back()

    def test_others_are_left_alone(self) -> None:
        self.assertIsNone(straight(self.reactor, self.transport, self.take))

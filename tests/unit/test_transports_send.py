"""Sending at once: to the kernel where that is safe, and through `write` everywhere else."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

from twisted.internet.testing import StringTransport

from tests.unit.test_transports import SocketTestCase
from twisted_msg import transports
from twisted_msg.transports import Way


class Producer:
    """A producer that counts what it is told."""

    def __init__(self) -> None:
        self.resumed = 0

    def pauseProducing(self) -> None:
        raise AssertionError("nothing is held that could be too much")

    def resumeProducing(self) -> None:
        self.resumed += 1

    def stopProducing(self) -> None:
        pass


class SendTests(SocketTestCase):
    """Bytes go to the kernel at once, where that is safe, and through `write` elsewhere."""

    def producing(self) -> tuple[Any, socket.socket, Producer]:
        """A transport with a producer, and the socket at its other end."""
        transport, far = self.pair()
        producer = Producer()
        transport.registerProducer(producer, True)
        return transport, far, producer

    def assert_written(self, transport: Any, far: socket.socket, data: bytes) -> None:
        """Check that the kernel has nothing of `data` yet, and all of it in the next turn."""
        self.assertRaises(BlockingIOError, far.recv, 1)
        transport.doWrite()
        self.assertEqual(far.recv(100), data)

    def test_all_at_once(self) -> None:
        transport, far, _ = self.producing()
        self.assertEqual(Way(transport).send(b"hello"), 5)
        self.assertEqual(far.recv(100), b"hello")

    def test_from_a_place_on(self) -> None:
        transport, far, _ = self.producing()
        self.assertEqual(Way(transport).send(b"hello", 2), 3)
        self.assertEqual(far.recv(100), b"llo")

    def test_what_the_kernel_does_not_take_is_left_and_asked_for_again(self) -> None:
        transport, far, producer = self.producing()
        data = bytes(range(256)) * 20_000
        sent = Way(transport).send(data)
        self.assertGreater(sent, 0)
        self.assertLess(sent, len(data))
        self.assertEqual(Way(transport).send(data, sent), 0)  # it is full
        self.assertEqual(len(transport.dataBuffer), 0)
        got = b""
        while len(got) < len(data):
            got += far.recv(1_000_000)
            before = producer.resumed
            if transport.producerPaused:
                transport.doWrite()
                self.assertEqual(producer.resumed, before + 1)
            sent += Way(transport).send(data, sent)
        self.assertEqual(got, data)
        self.assertEqual(sent, len(data))

    def test_behind_what_waits(self) -> None:
        transport, far, _ = self.producing()
        transport.write(b"first ")
        self.assertEqual(Way(transport).send(b"second"), 6)
        self.assert_written(transport, far, b"first second")

    def test_without_a_producer(self) -> None:
        transport, far = self.pair()
        self.assertEqual(Way(transport).send(b"hello", 1), 4)
        self.assert_written(transport, far, b"ello")

    def test_connection_that_begins_tls_writes_itself(self) -> None:
        transport, far, _ = self.producing()
        transport.TLS = True
        written: list[bytes] = []
        transport.write = written.append
        self.assertEqual(Way(transport).send(b"hello"), 5)
        self.assertEqual(written, [b"hello"])
        self.assertRaises(BlockingIOError, far.recv, 1)

    def test_connection_that_closes_or_has_closed(self) -> None:
        for closing in ("disconnecting", "_writeDisconnecting", "_writeDisconnected"):
            transport, far, _ = self.producing()
            setattr(transport, closing, True)
            self.assertEqual(Way(transport).send(b"hello"), 5)
            self.assertRaises(BlockingIOError, far.recv, 1)

    def test_lost_connection_finds_out_as_ever(self) -> None:
        transport, far, _ = self.producing()
        far.close()
        self.assertEqual(Way(transport).send(b"hello", 1), 4)
        self.assertTrue(transport._tempDataBuffer)
        transport.connected = False
        self.assertEqual(Way(transport).send(b"hello"), 5)

    def test_other_transports_write(self) -> None:
        transport = StringTransport()
        self.assertEqual(Way(transport).send(b"hello", 1), 4)
        self.assertEqual(transport.value(), b"ello")

    def test_transport_that_is_not_as_expected_writes(self) -> None:
        written: list[bytes] = []
        strange = SimpleNamespace(write=written.append, connected=True)
        self.patch(transports, "_DIRECT", frozenset({SimpleNamespace}))
        self.assertEqual(Way(strange).send(b"hello", 2), 3)
        self.assertEqual(written, [b"llo"])

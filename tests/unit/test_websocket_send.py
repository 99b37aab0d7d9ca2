"""What a WebSocket sends when the kernel takes it bit by bit: the same messages, pongs between."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.test_transports import SocketTestCase
from tests.unit.test_transports_send import Producer
from tests.websockets import BINARY, PING, PONG, Frame, masked, parsed
from twisted_msg.web.websocket import WebSocket, head_of


class Narrow:
    """A way that takes so many bytes of each that it is given, head first."""

    def __init__(self, sizes: Any) -> None:
        self.sizes = sizes
        self.taken = bytearray()

    def send(self, data: bytes, start: int = 0, head: bytes = b"") -> int:
        some = (head + data[start:])[: next(self.sizes)]
        self.taken += some
        return len(some)

    def write(self, data: bytes) -> None:
        self.taken += data


def socket_on(carrier: Any, way: Any = None) -> WebSocket:
    socket = WebSocket(carrier, None)
    outlet = SimpleNamespace(paused=False)
    socket.connection = SimpleNamespace(outlet=outlet, hear=lambda: None, charge=lambda count: None)  # type: ignore[assignment]
    if way is not None:
        socket._way = way
    return socket


class PartsTests(SynchronousTestCase):
    """A message that was begun goes on where it stopped, its head included."""

    def test_a_byte_at_a_time(self) -> None:
        for size in (1, 125, 126, 300, 70_000):
            data = random.Random(size).randbytes(size)
            way = Narrow(iter([1] * (size + 20)))
            socket = socket_on(way, way)
            sent = 0
            while sent < size:
                sent += socket.send(data, sent)
            self.assertEqual(bytes(way.taken), head_of(size) + data)

    def test_pings_meanwhile(self) -> None:
        random_ = random.Random(7)
        way = Narrow(iter(lambda: random_.choice((0, 1, 2, 3, 5, 50)), None))
        socket = socket_on(way, way)
        messages = [random_.randbytes(random_.choice((1, 20, 130, 400))) for _ in range(300)]
        pinged = 0
        for data in messages:
            sent = 0
            while sent < len(data):
                sent += socket.send(data, sent)
                if random_.random() < 0.1:
                    pinged += 1
                    socket.dataReceived(masked(b"%d" % pinged, PING))
        socket.sweep(0.0)
        frames, rest = parsed(bytes(way.taken))
        self.assertEqual(rest, b"")
        self.assertEqual([frame.payload for frame in frames if frame.code == BINARY], messages)
        pongs = [int(frame.payload) for frame in frames if frame.code == PONG]
        self.assertEqual(pongs, sorted(set(pongs)))
        self.assertEqual(pongs[-1], pinged)
        self.assertLess(len(pongs), pinged)  # of several that had to wait the last one alone

    def test_no_ping_of_its_own_in_the_middle_of_a_message(self) -> None:
        way = Narrow(iter((3, 100)))
        socket = socket_on(way, way)
        self.assertEqual(socket.send(b"hello"), 1)
        socket.ping()
        socket.sweep(0.0)
        self.assertEqual(socket.send(b"hello", 1), 4)
        socket.ping()
        frames, _ = parsed(bytes(way.taken))
        self.assertEqual(frames, [Frame(True, BINARY, b"hello"), Frame(True, PING, b"")])


class KernelTests(SocketTestCase):
    """The same with a kernel that takes what it takes."""

    def test_at_once(self) -> None:
        transport, far = self.pair()
        transport.registerProducer(Producer(), True)
        self.assertEqual(socket_on(transport).send(b"hello"), 5)
        self.assertEqual(far.recv(100), head_of(5) + b"hello")

    def test_what_it_does_not_take(self) -> None:
        transport, far = self.pair()
        transport.registerProducer(Producer(), True)
        socket = socket_on(transport)
        data = bytes(range(256)) * 20_000
        sent = socket.send(data)
        self.assertLess(sent, len(data))
        self.assertEqual(len(transport.dataBuffer), 0)  # nothing was copied
        got = b""
        while len(got) < len(data) + len(head_of(len(data))):
            got += far.recv(1_000_000)
            if transport.producerPaused:
                transport.doWrite()
            sent += socket.send(data, sent) if sent < len(data) else 0
        self.assertEqual(got, head_of(len(data)) + data)

"""The Protocol/Factory pair, on a transport of memory."""

from __future__ import annotations

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocolFactory
from twisted.internet.protocol import connectionDone
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_msg.protocol import FrameFactory, FrameProtocol
from twisted_msg.wire import ErrorCode, Frame, ProtocolError, Stage, encode_frame


class Recorder(FrameProtocol):
    """Remembers what it was handed; `on` says what to do with a payload."""

    def __init__(self, *limits: int) -> None:
        super().__init__(*limits)
        self.frames: list[Frame] = []

    def frame_received(self, frame: Frame) -> None:
        self.frames.append(frame)
        if frame.payload == b"stop":
            self.stop_receiving()
        elif frame.payload == b"close":
            self.loseConnection()
        elif frame.payload == b"wrong":
            raise ProtocolError(ErrorCode.BAD_ROOM, "no such room", verb="PUB", subject="x")
        elif frame.payload == b"fault":
            raise KeyError("a fault of the program")


class Echo(FrameProtocol):
    """The example of the documentation."""

    def frame_received(self, frame: Frame) -> None:
        self.send_frame(frame.payload, *frame.words)


class PairTestCase(SynchronousTestCase):
    """Connects a protocol to a transport of memory."""

    def connect(
        self, kind: type[FrameProtocol] = Recorder, header_size: int = 128, max_payload: int = 1000
    ) -> None:
        factory = FrameFactory(kind, header_size=header_size, max_payload=max_payload)
        self.protocol = factory.buildProtocol(None)
        self.transport = StringTransport()
        self.protocol.makeConnection(self.transport)

    def receive(self, *payloads: bytes, words: tuple[str, ...] = ()) -> None:
        """Let the frames arrive in one piece."""
        self.protocol.dataReceived(b"".join(encode_frame(p, words) for p in payloads))

    def payloads(self) -> list[bytes]:
        return [frame.payload for frame in self.protocol.frames]  # type: ignore[attr-defined]


class ReceiveTests(PairTestCase):
    """Frames come out in order, as the decoder finds them."""

    def test_frames_split_and_joined(self) -> None:
        data = encode_frame(b"a") + encode_frame(b"") + encode_frame(b"ccc")
        for size in (1, 7, 128, 1000):
            self.connect()
            for start in range(0, len(data), size):
                self.protocol.dataReceived(data[start : start + size])
            self.assertEqual(self.payloads(), [b"a", b"", b"ccc"])
        self.assertEqual(self.transport.value(), b"")
        self.assertFalse(self.transport.disconnecting)
        self.assertTrue(self.protocol.receiving)

    def test_echo(self) -> None:
        for words in ((), ("PING", "x")):
            self.connect(Echo)
            data = encode_frame(b"hello", words) + encode_frame(b"", words)
            self.protocol.dataReceived(data)
            self.assertEqual(self.transport.value(), data)

    def test_without_an_override_frames_are_ignored(self) -> None:
        self.connect(FrameProtocol)
        self.receive(b"a", b"b")
        self.assertEqual(self.transport.value(), b"")
        self.assertFalse(self.transport.disconnecting)
        self.assertIs(self.protocol.decoder.stage, Stage.BETWEEN)

    def test_typed(self) -> None:
        for words in ((), ("PING",)):
            self.connect()
            self.assertIs(self.protocol.typed, False)
            self.receive(b"a", words=words)
            self.assertIs(self.protocol.typed, bool(words))

    def test_a_fault_of_the_program_is_not_the_peers(self) -> None:
        """Twisted closes the connection and logs it; the peer is told nothing."""
        self.connect()
        self.assertRaises(KeyError, self.receive, b"fault")
        self.assertEqual(self.transport.value(), b"")


class SendTests(PairTestCase):
    """Frames go out whole."""

    def test_plain_and_typed(self) -> None:
        self.connect()
        self.protocol.send_frame(b"hello")
        self.protocol.send_frame(b"", "PUB", "lobby", "1")
        self.assertEqual(
            self.transport.value(),
            encode_frame(b"hello") + encode_frame(b"", ["PUB", "lobby", "1"]),
        )

    def test_header_and_payload_are_one_write(self) -> None:
        """Small programs call `recv` once and hope."""
        self.connect()
        writes: list[bytes] = []
        self.patch(self.transport, "write", writes.append)
        self.protocol.send_frame(b"hello")
        self.assertEqual(writes, [b"5".ljust(128) + b"hello"])

    def test_the_servers_width(self) -> None:
        self.connect(header_size=64)
        self.protocol.send_frame(b"hello")
        self.assertEqual(self.transport.value(), b"5".ljust(64) + b"hello")

    def test_what_does_not_fit_is_the_programs_mistake(self) -> None:
        self.connect(header_size=4)
        self.assertRaises(ValueError, self.protocol.send_frame, bytes(10_000))
        self.assertRaises(ValueError, self.protocol.send_frame, b"", "PING")
        self.connect()
        self.assertRaises(ValueError, self.protocol.send_frame, b"", "ping")
        self.assertEqual(self.transport.value(), b"")


class RefusedTests(PairTestCase):
    """What breaks a rule is answered, and nothing is received after it."""

    def test_plain_answer_and_close(self) -> None:
        self.connect()
        self.receive(b"a")
        self.protocol.dataReceived(b"1001".ljust(128) + b"x" * 1001)
        self.assertEqual(
            self.transport.value(),
            encode_frame(
                b"!ERROR! too-large a message of 1001 bytes is over this server's limit of "
                b"1000: send it in smaller ones"
            ),
        )
        self.assertTrue(self.transport.disconnecting)
        self.assertFalse(self.protocol.receiving)
        self.receive(b"b")
        self.assertEqual(self.payloads(), [b"a"])

    def test_typed_answer_and_close(self) -> None:
        self.connect()
        self.protocol.dataReceived(b"1001 PUB lobby".ljust(128))
        answer = self.transport.value()
        self.assertEqual(
            answer[:128].split(),
            [b"%d" % len(answer[128:]), b"ERR", b"too-large", b"PUB", b"lobby"],
        )
        self.assertIn(b"limit of 1000", answer[128:])
        self.assertTrue(self.transport.disconnecting)

    def test_a_first_header_that_cannot_be_read_is_answered_plainly(self) -> None:
        for width in (4, 64, 128, 2048):
            self.connect(header_size=width)
            self.protocol.dataReceived(b"GET / HTTP/1.1\r\n".ljust(width))
            value = self.transport.value()
            self.assertTrue(value[width:].startswith(b"!ERROR! bad-header "), value)
            self.assertEqual(int(value[:width]), len(value) - width)
            self.assertTrue(self.transport.disconnecting)

    def test_good_frames_in_the_same_piece_come_first(self) -> None:
        self.connect()
        self.protocol.dataReceived(encode_frame(b"a") + encode_frame(b"b") + b"x" * 128)
        self.assertEqual(self.payloads(), [b"a", b"b"])

    def test_raised_by_the_program(self) -> None:
        """An error of `frame_received` is answered as the decoder's are; the rest is dropped."""
        self.connect()
        self.receive(b"a", b"wrong", b"never")
        self.assertEqual(self.payloads(), [b"a", b"wrong"])
        self.assertEqual(self.transport.value(), encode_frame(b"!ERROR! bad-room no such room"))
        self.assertTrue(self.transport.disconnecting)
        self.receive(b"never")
        self.assertEqual(self.payloads(), [b"a", b"wrong"])

    def test_raised_by_the_program_on_a_typed_connection(self) -> None:
        self.connect()
        self.receive(b"wrong", words=("PUB", "x"))
        self.assertEqual(
            self.transport.value(), encode_frame(b"no such room", ["ERR", "bad-room", "PUB", "x"])
        )
        self.assertTrue(self.transport.disconnecting)

    def test_an_override_is_called_once_and_decides(self) -> None:
        errors: list[tuple[ProtocolError, bool]] = []

        class Silent(Recorder):
            def refused(self, error: ProtocolError) -> None:
                errors.append((error, self.receiving))

        self.connect(Silent)
        self.protocol.dataReceived(b"x" * 128)
        self.protocol.dataReceived(b"x" * 128)
        self.assertEqual([(e.code, receiving) for e, receiving in errors], [("bad-header", False)])
        self.assertEqual(self.transport.value(), b"")
        self.assertFalse(self.transport.disconnecting)


class EndTests(PairTestCase):
    """Ways to stop, from either side."""

    def test_stop_receiving_in_the_middle_of_a_piece(self) -> None:
        self.connect()
        self.receive(b"a", b"stop", b"never", b"wrong")
        self.receive(b"never")
        self.assertEqual(self.payloads(), [b"a", b"stop"])
        self.assertFalse(self.protocol.receiving)
        self.assertFalse(self.transport.disconnecting)
        self.protocol.send_frame(b"still sending")
        self.assertEqual(self.transport.value(), encode_frame(b"still sending"))

    def test_nothing_is_refused_after_the_stop(self) -> None:
        self.connect()
        self.protocol.dataReceived(encode_frame(b"stop") + b"x" * 128)
        self.assertEqual(self.transport.value(), b"")

    def test_close_in_the_middle_of_a_piece(self) -> None:
        self.connect()
        self.receive(b"close", b"never")
        self.assertEqual(self.payloads(), [b"close"])
        self.assertTrue(self.transport.disconnecting)

    def test_half_close_closes(self) -> None:
        for data in (b"", b"12", encode_frame(b"a")):
            self.connect()
            self.protocol.dataReceived(data)
            self.protocol.readConnectionLost()
            self.assertTrue(self.transport.disconnecting)
            self.assertFalse(self.protocol.receiving)
            self.assertEqual(self.transport.value(), b"")

    def test_half_close_may_be_answered(self) -> None:
        class Polite(Recorder):
            def input_ended(self) -> None:
                self.send_frame(b"bye")

        self.connect(Polite)
        self.protocol.readConnectionLost()
        self.assertEqual(self.transport.value(), encode_frame(b"bye"))
        self.assertFalse(self.transport.disconnecting)

    def test_closing_the_own_side_is_no_event(self) -> None:
        self.connect()
        self.protocol.writeConnectionLost()
        self.assertTrue(self.protocol.receiving)
        self.assertFalse(self.transport.disconnecting)

    def test_lost(self) -> None:
        self.connect()
        self.receive(b"a")
        self.protocol.connectionLost(connectionDone)
        self.assertEqual(self.payloads(), [b"a"])

    def test_twisted_is_told_that_half_closes_are_understood(self) -> None:
        self.connect()
        self.assertTrue(verifyObject(IHalfCloseableProtocol, self.protocol))


class FactoryTests(SynchronousTestCase):
    """Limits are checked once, where the program is told."""

    def test_defaults(self) -> None:
        protocol = FrameFactory().buildProtocol(None)
        self.assertIs(type(protocol), FrameProtocol)
        self.assertEqual(protocol.decoder.header_size, 128)
        self.assertEqual(protocol.decoder.max_payload, 1024 * 1024)

    def test_limits_and_class(self) -> None:
        factory = FrameFactory(Echo, header_size=64, max_payload=10)
        protocol = factory.buildProtocol(None)
        self.assertIs(type(protocol), Echo)
        self.assertIs(protocol.factory, factory)
        self.assertEqual((protocol.decoder.header_size, protocol.decoder.max_payload), (64, 10))
        self.assertIsNot(factory.buildProtocol(None), protocol)

    def test_the_class_attribute(self) -> None:
        class EchoFactory(FrameFactory):
            protocol = Echo

        self.assertIs(type(EchoFactory().buildProtocol(None)), Echo)
        self.assertIs(type(EchoFactory(Recorder).buildProtocol(None)), Recorder)

    def test_a_wrong_width_is_refused_at_construction(self) -> None:
        for width in (3, 2049):
            for make in (FrameFactory, FrameProtocol, Echo):
                error = self.assertRaises(ValueError, make, header_size=width)
                self.assertEqual(
                    str(error), f"a header's width is a whole number from 4 to 2048, not {width}"
                )

    def test_it_is_a_factory(self) -> None:
        self.assertTrue(verifyObject(IProtocolFactory, FrameFactory()))

"""The bytes that the benchmarks' generator says and expects, peer by peer."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bench.compare import turned
from bench.counting import check, payload
from bench.ours import Tcpmsg, TcpmsgDurable, TcpmsgPlain
from bench.peers import PEERS
from bench.strangers import JetStream, Mosquitto, Nats, TwistedInt32
from bench.sweeps import SWEEPS, sizes
from bench.workloads import WORKLOADS
from twisted_msg.log.piece import Author, Piece
from twisted_msg.log.views import PlainView, TypedView
from twisted_msg.wire import FrameDecoder
from twisted_msg.wire.requests import Pub, Sub, parse_request


class OursTests(SynchronousTestCase):
    """The generator's own frames against the product's decoder."""

    def test_a_member_joins(self) -> None:
        (step,) = Tcpmsg().joining()
        (frame,) = FrameDecoder().feed(step.send)
        self.assertEqual(parse_request(frame), Sub("mem.bench"))
        self.assertEqual(step.awaited, b"LIVE mem.bench")

    def test_a_publication_is_one_without_an_id(self) -> None:
        (frame,) = FrameDecoder().feed(Tcpmsg().publication(b"hello"))
        self.assertEqual(parse_request(frame), Pub("mem.bench", b"hello", None))

    def test_plain_publications_have_no_words(self) -> None:
        (frame,) = FrameDecoder().feed(TcpmsgPlain().publication(b"hello"))
        self.assertEqual((frame.payload, frame.words), (b"hello", ()))

    def test_deliveries_stand_where_they_are_looked_for(self) -> None:
        messages = [payload(0, number, 20) for number in range(3)]
        piece = Piece("mem.bench", 1, 1_700_000_000_000, [Author(1, b"guest-1")] * 3, messages)
        for peer, view in ((Tcpmsg(), TypedView()), (TcpmsgPlain(), PlainView())):
            self.assertEqual(check(piece.encoded(view), peer.delivery(20), 20), 3)

    def test_acknowledged_ones_have_rising_ids_over_all_blocks(self) -> None:
        blocks, _, length = TcpmsgDurable().acknowledged(256)
        stream = next(blocks) + next(blocks)
        self.assertEqual(length, 128 + 256)
        ids = [parse_request(frame).id for frame in FrameDecoder().feed(stream)]
        self.assertEqual(ids, list(range(1, len(stream) // length + 1)))

    def test_it_says_where_to_listen_and_which_rooms_are_not_stored(self) -> None:
        command = " ".join(Tcpmsg().command(1234, Path("/folder")))
        self.assertIn("--listen tcp:1234:interface=127.0.0.1", command)
        self.assertIn("--memory-room mem.*", command)


class StrangersTests(SynchronousTestCase):
    def test_nats(self) -> None:
        nats = Nats()
        self.assertEqual(nats.publication(b"hello"), b"PUB s 5\r\nhello\r\n")
        delivery = nats.delivery(16)
        stream = b"".join(b"MSG s 1 16\r\n%s\r\n" % payload(0, number, 16) for number in range(3))
        self.assertEqual(check(stream, delivery, 16), 3)
        self.assertEqual(delivery.length * 3, len(stream))
        pinged = stream[: delivery.length] + b"PING\r\n" + stream[delivery.length :]
        self.assertEqual(check(pinged, delivery, 16), 3)  # it asks after two seconds

    def test_a_stream_is_made_before_anything_else(self) -> None:
        jetstream = JetStream()
        last = jetstream.setup()[-1]
        self.assertIn(b"$JS.API.STREAM.CREATE.B r ", last.send)
        blocks, counter, length = jetstream.acknowledged(256)
        block = next(blocks)
        self.assertEqual(block[:length], b"PUB s a 256\r\n" + b"x" * 256 + b"\r\n")
        self.assertEqual(len(block) % length, 0)
        self.assertEqual(counter.feed(b'MSG a 1 26\r\n{"stream":"B", "seq":1}\r\n'), 1)

    def test_mqtt(self) -> None:
        """The packets of MQTT 3.1.1, sections 3.1, 3.3 and 3.8."""
        mosquitto = Mosquitto()
        self.assertEqual(mosquitto.greeting(7)[0].send, b"\x10\x12\0\4MQTT\4\2\0\0\0\6bench7")
        self.assertEqual(mosquitto.joining()[0].send, b"\x82\6\0\1\0\1s\0")
        self.assertEqual(mosquitto.publication(b"hi"), b"\x30\5\0\1shi")

    def test_a_long_mqtt_packet_has_two_bytes_of_length(self) -> None:
        mosquitto = Mosquitto()
        packet = mosquitto.publication(b"x" * 1024)
        self.assertEqual(packet[:3], b"\x30\x83\x08")  # 1027 = 3 + 8 * 128
        self.assertEqual(mosquitto.delivery(1024)[:2], (len(packet), len(packet) - 1024))

    def test_int32(self) -> None:
        self.assertEqual(TwistedInt32().publication(b"hello"), b"\0\0\0\5hello")
        self.assertEqual(TwistedInt32().delivery(5)[:2], (9, 4))


class PlanTests(SynchronousTestCase):
    def test_workloads_name_peers_that_there_are(self) -> None:
        for workload in WORKLOADS.values():
            self.assertEqual([each for each in workload.peers if each not in PEERS], [])
            self.assertTrue(workload.peers[0].startswith("tcpmsg"))

    def test_everybody_is_first_in_turn(self) -> None:
        orders = [turned(["a", "b", "c"], repetition) for repetition in range(4)]
        self.assertEqual(["".join(order) for order in orders], ["abc", "bca", "cab", "abc"])
        self.assertEqual(turned([], 1), [])

    def test_only_stored_messages_grow_beyond_what_is_usual(self) -> None:
        self.assertEqual(sizes(SWEEPS["stored"], 0)[-1], 10**6)
        self.assertEqual(sizes(SWEEPS["stored"], 8)[-2:], [10**7, 10**8])
        self.assertEqual(sizes(SWEEPS["members"], 8)[-1], 10**4)
        self.assertEqual(sizes(SWEEPS["members"], 2), [1, 10, 100])

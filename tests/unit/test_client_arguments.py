"""Every public method of the client library, called with arguments that cannot be.

A bad argument raises `TypeError` or `ValueError` at once and changes nothing: a message that is
sent afterwards is acknowledged, and the client closes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf, nan
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

import twisted_msg
from twisted_msg.client import Client, PlainClient, PlainConnection, PlainFactory, connect, sendable
from twisted_msg.client.sendable import check_name, check_room
from twisted_msg.protocol import FrameFactory, FrameProtocol
from twisted_msg.wire import FrameDecoder, encode_frame
from twisted_msg.wire.replies import Ack, Welcome
from twisted_msg.wire.requests import Pub, parse_request


class Broken:
    """A value whose methods raise."""

    def _fail(self, *_: object) -> Any:
        raise ZeroDivisionError("a method of the argument")

    __str__ = __repr__ = __len__ = __iter__ = __bool__ = __format__ = __hash__ = _fail  # type: ignore[assignment]
    __eq__ = __lt__ = __getitem__ = __add__ = _fail  # type: ignore[assignment]


class Text(str):
    """A text with methods of its own, which are not asked."""

    def encode(self, *_: Any) -> bytes:
        raise ZeroDivisionError("a method of the argument")

    def startswith(self, *_: Any) -> bool:
        raise ZeroDivisionError("a method of the argument")

    __str__ = __format__ = encode  # type: ignore[assignment]


class Failing:
    """Messages of which the second one cannot be had."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"good"
        raise ValueError("no more")


SURROGATE = "\ud800"
OBJECTS: tuple[Any, ...] = ({}, {"a": 1}, [], ["x"], ("x",), {1}, object(), Broken())
NUMBERS: tuple[Any, ...] = (0, 5, -1, True, 1.5, nan)
MESSAGES = (None, *NUMBERS, *OBJECTS, SURROGATE)
SEVERAL = (None, *NUMBERS, "text", b"bytes", [b"good", 5], [b"good", None], [SURROGATE],
           object(), Broken(), Failing())  # fmt: skip
ROOMS = (None, *NUMBERS, *OBJECTS, b"lobby", "", "a b", "x" * 33, "lobby\n", SURROGATE)
TARGETS = (*ROOMS, "@", "@a b", b"@bob", "@" + "x" * 25)
NAMES = (*NUMBERS, *OBJECTS, b"alice", "", "al*ce", "x" * 25, SURROGATE)
WHOLE = ("1", b"1", -1, True, 1.0, nan, inf, 2**63, *OBJECTS)
TIMES = (None, "1", b"1", -1, True, nan, -inf, *OBJECTS)
CALLS = (5, "call", b"call", *OBJECTS)
SIZES = (None, *WHOLE)
WIDTHS = (*SIZES, 3, 2049)
WORDS = (None, 5, "word", b"", *OBJECTS)


class TypedCase(SynchronousTestCase):
    """A client that is connected, and the test in the place of its server."""

    def setUp(self) -> None:
        self.reactor: Any = MemoryReactorClock()
        self.lost: list[Exception] = []
        self.client = Client(self.reactor, self.endpoint(), "alice", on_lost=self.lost.append)
        connected = Deferred.fromCoroutine(self.client.connect())
        self.protocol: Any = self.reactor.tcpClients[-1][2].buildProtocol(None)
        self.transport = StringTransport()
        self.protocol.makeConnection(self.transport)
        self.say(Welcome("alice", 6, {}))
        self.successResultOf(connected)
        self.transport.clear()

    def endpoint(self) -> TCP4ClientEndpoint:
        return TCP4ClientEndpoint(self.reactor, "server", 1)

    def say(self, reply: Any) -> None:
        self.protocol.dataReceived(reply.encode())

    def refused(self, call: Callable[[Any], Any], bad: Any) -> None:
        """Call with a bad argument: it raises at once, and nothing is said to the server."""
        try:
            made = call(bad)
            if hasattr(made, "send") and hasattr(made, "close"):  # a coroutine, or a generator
                made = Deferred.fromCoroutine(made)
            failure = self.failureResultOf(made)
            error: BaseException = failure.value
        except Exception as raised:
            error = raised
        own = (ZeroDivisionError,) if isinstance(bad, Broken) else ()
        self.assertIsInstance(error, (TypeError, ValueError, *own), (type(bad), error))
        self.assertIsInstance(str(error), str)
        self.assertEqual(self.transport.value(), b"")

    def works(self) -> None:
        """A good message is acknowledged, and `close` resolves."""
        self.assertEqual((self.client.unacknowledged, self.lost), (0, []))
        sent = self.client.send("lobby", "good")
        self.assertEqual(self.transport.value(), Pub("lobby", b"good", 7).encode())
        self.say(Ack(7, 1))
        self.assertEqual(self.successResultOf(sent).id, 7)
        closed = Deferred.fromCoroutine(self.client.close())
        self.protocol.connectionLost(Failure(ConnectionDone()))
        self.reactor.pump([0, 0])
        self.successResultOf(closed)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class ClientTests(TypedCase):
    def test_bad_arguments_change_nothing(self) -> None:
        client = self.client
        table: tuple[tuple[str, Callable[[Any], Any], tuple[Any, ...]], ...] = (
            ("send", lambda bad: client.send("lobby", bad), MESSAGES),
            ("send to", lambda bad: client.send(bad, "x"), TARGETS),
            ("send_all", lambda bad: client.send_all("lobby", bad), ([], *SEVERAL)),
            ("send_all to", lambda bad: client.send_all(bad, ["x"]), TARGETS),
            ("begin_ids", client.begin_ids, (None, 0, *WHOLE)),
            ("messages", client.messages, ROOMS),
            ("messages start", lambda bad: client.messages("lobby", start=bad), WHOLE),
            ("messages last", lambda bad: client.messages("lobby", last=bad), WHOLE),
            ("messages since", lambda bad: client.messages("lobby", since=bad), WHOLE),
            (
                "messages until_end",
                lambda bad: client.messages("lobby", until_end=bad),
                (Broken(),),
            ),
            ("messages strict", lambda bad: client.messages("lobby", strict=bad), (Broken(),)),
            ("messages on_missed", lambda bad: client.messages("lobby", on_missed=bad), CALLS),
            ("messages presence", lambda bad: client.messages("lobby", presence=bad), CALLS),
            ("who", client.who, (*ROOMS, "@bob")),
            ("connect", client.connect, (0, *WHOLE)),
            ("close", client.close, TIMES),
        )
        for what, call, values in table:
            for bad in values:
                with self.subTest(what, kind=type(bad).__name__):
                    self.refused(call, bad)
        self.works()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_texts_with_methods_of_their_own_are_texts(self) -> None:
        sent = self.client.send(Text("lobby"), Text("hello"))
        self.assertEqual(self.transport.value(), Pub("lobby", b"hello", 7).encode())
        self.say(Ack(7, 1))
        room = self.successResultOf(sent).room
        self.assertIs(type(room), str)
        messages = self.client.messages(Text("lobby"))
        self.assertRaises(ValueError, self.client.messages, "lobby")  # it is being read
        self.successResultOf(Deferred.fromCoroutine(messages.aclose()))

    def test_buffers_are_copied(self) -> None:
        buffer = bytearray(b"hello")
        self.client.send("lobby", buffer)
        buffer[:] = b"jelly"
        self.client.send("lobby", memoryview(b"whole"))
        self.protocol.connectionLost(Failure(ConnectionDone()))
        self.reactor.advance(1)
        self.protocol = self.reactor.tcpClients[-1][2].buildProtocol(None)
        transport = StringTransport()
        self.protocol.makeConnection(transport)
        transport.clear()
        self.say(Welcome("alice", 6, {}))
        said = [parse_request(frame) for frame in FrameDecoder().feed(transport.value())]
        self.assertEqual(said, [Pub("lobby", b"hello", 7), Pub("lobby", b"whole", 8)])

    def test_a_jitter_that_fails_keeps_nobody_from_coming_back(self) -> None:
        for jitter in (lambda: "x", lambda: nan, lambda: 1 / 0):
            reactor: Any = MemoryReactorClock()
            client = Client(reactor, TCP4ClientEndpoint(reactor, "server", 1), jitter=jitter)
            connected = Deferred.fromCoroutine(client.connect(None))
            reactor.tcpClients[-1][2].clientConnectionFailed(
                reactor.connectors[-1], Failure(ConnectionDone())
            )
            reactor.advance(1)
            self.assertEqual(len(reactor.tcpClients), 2)
            self.assertNoResult(connected)
        self.assertEqual(len(self.flushLoggedErrors()), 2)


class MakingTests(TypedCase):
    def test_what_cannot_make_a_client_is_refused(self) -> None:
        server = self.endpoint()

        def typed(**options: Any) -> Client:
            return Client(self.reactor, server, **options)

        def plain(**options: Any) -> PlainClient:
            return PlainClient(self.reactor, server, **options)

        secrets = (*NUMBERS, *OBJECTS, b"c" * 16, "", "short", "c" * 65, "ü" * 16)
        addresses = (None, *NUMBERS, *OBJECTS, b"127.0.0.1:5050", "", "::::", SURROGATE)
        table: tuple[tuple[str, Callable[[Any], Any], tuple[Any, ...]], ...] = (
            ("reactor", lambda bad: Client(bad, server), (None, 5, "reactor", *OBJECTS)),
            ("server", lambda bad: Client(self.reactor, bad), addresses),
            ("name", lambda bad: typed(name=bad), NAMES),
            ("client_id", lambda bad: typed(client_id=bad), secrets),
            ("token", lambda bad: typed(token=bad), (*NUMBERS, *OBJECTS, b"token", SURROGATE)),
            ("max_payload", lambda bad: typed(max_payload=bad), SIZES),
            ("on_connected", lambda bad: typed(on_connected=bad), CALLS),
            ("on_lost", lambda bad: typed(on_lost=bad), CALLS),
            ("jitter", lambda bad: typed(jitter=bad), (None, *CALLS)),
            ("entropy", lambda bad: typed(entropy=bad), (None, *CALLS)),
            ("drawn", lambda bad: typed(entropy=lambda _: bad), (None, *secrets)),
            ("connect", lambda bad: connect(self.reactor, bad), addresses),
            ("connect name", lambda bad: connect(self.reactor, server, bad), NAMES),
            ("attempts", lambda bad: connect(self.reactor, server, attempts=bad), (0, *WHOLE)),
            ("plain reactor", lambda bad: PlainClient(bad, server), (None, 5, *OBJECTS)),
            ("plain server", lambda bad: PlainClient(self.reactor, bad), addresses),
            ("plain header_size", lambda bad: plain(header_size=bad), WIDTHS),
            ("plain max_payload", lambda bad: plain(max_payload=bad), SIZES),
            ("plain disconnect_word", lambda bad: plain(disconnect_word=bad), WORDS),
            ("plain on_connected", lambda bad: plain(on_connected=bad), CALLS),
            ("plain on_lost", lambda bad: plain(on_lost=bad), CALLS),
            ("plain listen", lambda bad: plain(listen=bad), (Broken(),)),
            ("factory clock", PlainFactory, (None, 5, *OBJECTS)),
            ("one clock", PlainConnection, (None, 5, *OBJECTS)),
            ("one listen", lambda bad: PlainConnection(self.reactor, listen=bad), (Broken(),)),
            ("plain jitter", lambda bad: plain(jitter=bad), (None, *CALLS)),
            ("factory width", lambda bad: PlainFactory(self.reactor, header_size=bad), WIDTHS),
            ("factory word", lambda bad: PlainFactory(self.reactor, disconnect_word=bad), WORDS),
            ("factory made", lambda bad: PlainFactory(self.reactor, made=bad), CALLS),
            ("factory lost", lambda bad: PlainFactory(self.reactor, lost=bad), CALLS),
            ("one width", lambda bad: PlainConnection(self.reactor, header_size=bad), WIDTHS),
            ("one word", lambda bad: PlainConnection(self.reactor, disconnect_word=bad), WORDS),
            ("frames", FrameFactory, CALLS),
            ("frames width", lambda bad: FrameFactory(header_size=bad), WIDTHS),
            ("frame width", FrameProtocol, WIDTHS),
            ("frame payload", lambda bad: FrameProtocol(128, bad), SIZES),
            ("decoder", FrameDecoder, WIDTHS),
            ("decoder payload", lambda bad: FrameDecoder(128, bad), SIZES),
            ("feed", lambda bad: list(FrameDecoder().feed(bad)), (None, "x", *NUMBERS, *OBJECTS)),
            ("encode", encode_frame, (None, "x", *NUMBERS, *OBJECTS)),
            ("encode words", lambda bad: encode_frame(b"", bad), ("PUB", b"PUB", 5, [5], ["pub"])),
            ("sendable", sendable, (b"", "", b"!DISCONNECT!", b"!ERROR! x", *MESSAGES)),
        )
        attempts = len(self.reactor.tcpClients)
        for what, call, values in table:
            for bad in values:
                with self.subTest(what, kind=type(bad).__name__):
                    self.refused(call, bad)
        self.assertEqual(len(self.reactor.tcpClients), attempts)
        self.works()

    def test_what_is_public_is_in_these_tests(self) -> None:
        """A new public name needs a row above, unless it is a value that the library makes."""
        values = {
            "CannotConnect", "ClientError", "Disconnected", "ErrorCode", "Frame", "Gap", "Joined",
            "Listing", "Message", "Messages", "NotUnderstood", "Parted", "Presence", "Present",
            "ProtocolError", "Receipt", "Refused", "Superseded", "TimedOut", "__version__",
        }  # fmt: skip
        called = {
            "Client", "FrameDecoder", "FrameFactory", "FrameProtocol", "PlainClient",
            "PlainConnection", "PlainFactory", "connect", "encode_frame",
        }  # fmt: skip
        self.assertEqual(set(twisted_msg.__all__), values | called)
        self.assertLessEqual(set(twisted_msg.client.__all__), values | called | {"sendable"})


class SentencesTests(SynchronousTestCase):
    def test_an_error_says_what_is_expected(self) -> None:
        error = self.assertRaises(TypeError, check_room, 5)
        self.assertEqual(str(error), "a room's name is a str, not int")
        error = self.assertRaises(TypeError, check_name, None)
        self.assertEqual(str(error), "a name is a str, not NoneType")


class PlainTests(SynchronousTestCase):
    def test_bad_arguments_change_nothing(self) -> None:
        reactor: Any = MemoryReactorClock()
        client = PlainClient(reactor, TCP4ClientEndpoint(reactor, "server", 1))
        connected = Deferred.fromCoroutine(client.connect())
        protocol: Any = reactor.tcpClients[-1][2].buildProtocol(None)
        transport = StringTransport()
        protocol.makeConnection(transport)
        reactor.pump([0, 0])
        self.successResultOf(connected)
        transport.clear()
        connection: Any = client._connection
        messages = (b"", "", b"!DISCONNECT!", b"!ERROR! x", *MESSAGES)
        table: tuple[tuple[str, Callable[[Any], Any], tuple[Any, ...]], ...] = (
            ("send", client.send, messages),
            ("connection's send", connection.send, messages),
            (
                "connection's send_all",
                connection.send_all,
                SEVERAL,
            ),
            ("send_frame", connection.send_frame, (None, "x", *NUMBERS, *OBJECTS)),
            ("send_frame words", lambda bad: connection.send_frame(b"", bad), (None, 5, "pub")),
            ("connect", client.connect, (0, *WHOLE)),
            ("close", client.close, TIMES),
            ("disconnect", connection.disconnect, TIMES),
        )
        for what, call, values in table:
            for bad in values:
                with self.subTest(what, kind=type(bad).__name__):
                    try:
                        made = call(bad)
                        if not isinstance(made, Deferred):
                            made = Deferred.fromCoroutine(made)
                        error: BaseException = self.failureResultOf(made).value
                    except Exception as raised:
                        error = raised
                    self.assertIsInstance(error, (TypeError, ValueError, ZeroDivisionError))
                    self.assertEqual(transport.value(), b"")
        self.successResultOf(client.send("good"))
        self.assertEqual(transport.value(), encode_frame(b"good"))
        closed = Deferred.fromCoroutine(client.close())
        protocol.connectionLost(Failure(ConnectionDone()))
        reactor.pump([0, 0])
        self.successResultOf(closed)

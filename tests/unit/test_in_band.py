"""Words of the wire where they are somebody's text: nobody else is disconnected by them."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.conversing import TypedCase, frame
from tests.unit.test_client_typed import Case, msg
from twisted_msg.client import PlainConnection, PlainFactory
from twisted_msg.wire import encode_frame
from twisted_msg.wire.replies import Live, Subbed

WORDS = (
    b"!DISCONNECT!", b"!ERROR! bad-header x", b"!ERROR! missed 3", b"!ERROR!", b"!SHUTDOWN!",
    b"!DISCONNECT! ", b"!disconnect!", b"BYE", b"0 BYE", b"ERR superseded", b"bye",
)  # fmt: skip
"""What ends something somewhere, and what resembles it."""

KEPT_BACK = {b"!DISCONNECT!", b"!ERROR! bad-header x", b"!ERROR! missed 3"}
"""Those that mean something to a plain member of a server with the default word."""


class ServerTests(TypedCase):
    """Names, rooms, ids, tokens and messages that read like an end."""

    def setUp(self) -> None:
        super().setUp()
        self.listen()

    def listen(self) -> None:
        self.plain = self.world.member()
        self.typed = self.peer("HELLO name=carol", "SUB lobby presence=1")
        self.heard(self.typed)

    def assert_all_there(self) -> None:
        for pipe in (self.plain, self.typed):
            self.assertFalse(pipe.closed or pipe.closing or pipe.half_closed)

    def test_messages_of_typed_members(self) -> None:
        peer = self.peer()
        for word in WORDS:
            self.say(peer, f"PUB lobby: {word.decode()}")
        self.assert_all_there()
        self.assertEqual(self.plain.payloads(), [w for w in WORDS if w not in KEPT_BACK])
        told = [each.payload for each in self.typed.frames() if each.words[0] == "MSG"]
        self.assertEqual(told, list(WORDS))

    def test_messages_of_plain_members(self) -> None:
        for word in WORDS:
            self.world.say(self.world.peer(), b"first", word)
            self.world.work()
        self.assert_all_there()
        said = [each for word in WORDS for each in (b"first", word)]
        self.assertEqual(self.plain.payloads(), [each for each in said if each not in KEPT_BACK])

    def test_names_and_rooms_that_cannot_be(self) -> None:
        peer = self.peer("PUB lobby: hi")
        for line in (
            "SUB !DISCONNECT!", "PUB !DISCONNECT!: x", "PUB @!DISCONNECT!: x", "WHO !DISCONNECT!",
            "UNSUB !DISCONNECT!", "!DISCONNECT!: x",
        ):  # fmt: skip
            if line[0] != "!":
                self.assertRegex(self.answers(peer, line)[-1], "^ERR bad-(room|name) ")
        self.assertEqual(self.answers(peer, "PING !DISCONNECT!")[-1], "PONG !DISCONNECT!")
        refused = self.peer("HELLO name=!DISCONNECT!")
        self.assert_ended(refused, by="ERR bad-name HELLO")
        self.assert_all_there()
        self.assertEqual(self.plain.payloads(), [b"hi"])

    def test_names_and_rooms_that_are_the_configured_word(self) -> None:
        if self.stored:
            self.close_store()
        self.world = self.begin(disconnect_message="bye")
        self.listen()
        bye = self.peer("HELLO name=bye", "SUB bye", "SUB lobby", "PUB bye 1: bye", "PUB @bye: bye")
        self.say(bye, "PUB lobby: bye", "PUB lobby: !DISCONNECT!", "PUB lobby: BYE", "PING bye")
        self.assertIn("PONG bye", self.heard(bye))
        self.assert_all_there()
        self.assertEqual(self.plain.payloads(), [b"!DISCONNECT!", b"BYE"])
        self.say(bye, "PUB @carol: bye")
        self.assertRegex(self.heard(self.typed)[-1], "^MSG @carol .* bye: bye$")
        left = self.world.peer()
        left.say(self.world.frame(b"bye"))
        self.settle()
        self.assertTrue(left.half_closed)
        self.assert_all_there()

    def test_what_was_kept_is_told_when_it_is_asked_for(self) -> None:
        publisher = self.peer()
        publisher.say(b"".join(frame(f"PUB lobby: {word.decode()}") for word in WORDS))
        self.settle()
        late = self.peer("SUB lobby from=0")
        told = [each.payload for each in late.frames() if each.words[0] == "MSG"]
        self.assertEqual(told, list(WORDS))


class StoredServerTests(ServerTests):
    """The same in rooms on disk."""

    stored = True


class TypedClientTests(Case):
    def test_messages_are_messages(self) -> None:
        self.start()
        messages = self.client.messages("lobby")
        self.say(Subbed("lobby", 0), Live("lobby", 0))
        for seq, word in enumerate(WORDS, 1):
            self.say(msg(seq, word))
            self.assertEqual(self.successResultOf(self.next(messages)).payload, word)
        self.assertTrue(self.client.connected)


class PlainClientTests(SynchronousTestCase):
    def connected(self, **options: object) -> PlainConnection:
        factory = PlainFactory(
            Clock(),
            made=lambda _: None,
            lost=lambda _: None,
            **options,  # type: ignore[arg-type]
        )
        connection = factory.buildProtocol(None)
        connection.makeConnection(StringTransport())
        return connection

    def test_only_the_words_themselves_end_it(self) -> None:
        for word in WORDS:
            with self.subTest(word):
                connection = self.connected()
                connection.dataReceived(encode_frame(word))
                self.assertIs(connection.error is not None, word in KEPT_BACK)

    def test_the_configured_word_stands_for_the_other(self) -> None:
        connection = self.connected(disconnect_word=b"bye")
        connection.dataReceived(encode_frame(b"!DISCONNECT!"))
        received = Deferred.fromCoroutine(connection.receive())
        self.assertEqual(self.successResultOf(received), b"!DISCONNECT!")
        connection.dataReceived(encode_frame(b"bye"))
        self.assertIsNotNone(connection.error)

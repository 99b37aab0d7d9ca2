"""Conversations with the server from inside its own process."""

from __future__ import annotations

from itertools import pairwise

from twisted.internet.address import IPv4Address

from tests.unit.conversing import StoredCase, TypedCase
from twisted_msg.web.inside import BUFFER, Asker, Conversation, InnerTransport, ask
from twisted_msg.wire.replies import Ack, Err, Here, Live, Msg, Ping, Pong, Reply, Subbed, Welcome
from twisted_msg.wire.requests import Bye, Hello, Pub, Sub, Who
from twisted_msg.wire.requests import Ping as AskPing

PEER = Asker(IPv4Address("TCP", "192.0.2.9", 999))


class Listener:
    """Whoever holds a conversation: what it heard, and whether that is all."""

    def __init__(self) -> None:
        self.heard: list[Reply] = []
        self.ended = 0

    def hear(self, replies: list[Reply]) -> None:
        self.heard += replies

    def end(self) -> None:
        self.ended += 1


class ConversationTests(TypedCase):
    def converse(self, *, behind: int = 0) -> tuple[Conversation, Listener]:
        listener = Listener()
        asker = PEER._replace(untaken=lambda: behind)
        return Conversation(self.world.server, asker, listener.hear, listener.end), listener

    def test_as_any_peer(self) -> None:
        other = self.peer("HELLO name=alice", "SUB lobby")
        conversation, listener = self.converse()
        conversation.say(Hello("alice"), Sub("lobby"), Pub("lobby", b"hi", 1), Who("lobby"))
        self.settle()
        welcome, subbed, live, *rest = listener.heard
        self.assertEqual((type(welcome), welcome[0]), (Welcome, "alice-2"))
        self.assertEqual([type(subbed), type(live)], [Subbed, Live])
        self.assertIn(Here("lobby", ["alice", "alice-2"]), rest)
        self.assertEqual([reply[4] for reply in rest if isinstance(reply, Msg)], [b"hi"])
        self.assertEqual([reply[0] for reply in rest if isinstance(reply, Ack)], [1])
        self.assertIn("MSG lobby 1 alice-2: hi", self.heard(other))
        self.assertEqual(len(self.world.server.guests.all()), 2)
        conversation.say(Bye())
        self.settle()
        self.assertEqual((listener.ended, len(self.world.server.guests.all())), (1, 1))

    def test_nothing_comes_from_within_a_call(self) -> None:
        conversation, listener = self.converse()
        conversation.say(AskPing("a"))
        self.assertEqual(listener.heard, [])
        conversation.abort()
        self.assertEqual(listener.ended, 0)
        self.settle()
        self.assertEqual((listener.heard, listener.ended), ([], 1))
        conversation.say(AskPing("b"))
        conversation.resume()
        conversation.abort()
        self.settle()
        self.assertEqual((listener.heard, listener.ended), ([], 1))

    def test_typed_whatever_the_width_of_headers(self) -> None:
        self.world = self.begin(header_size="64")
        conversation, listener = self.converse()
        conversation.say(AskPing("a"))
        self.settle()
        self.assertEqual(listener.heard, [Pong("a")])

    def test_who_does_not_listen_costs_a_cursor(self) -> None:
        conversation, listener = self.converse()
        conversation.say(Sub("lobby"))
        self.settle()
        conversation.pause()
        for _ in range(20):
            self.peer("PUB lobby: " + "x" * 50_000)
        self.assertEqual(conversation._transport.unsent(), 0)
        self.assertEqual(len(listener.heard), 2)
        conversation.resume()
        self.settle()
        messages = [reply for reply in listener.heard if isinstance(reply, Msg)]
        self.assertEqual(len(messages), 20)
        self.assertEqual(conversation._transport.unsent(), 0)

    def test_what_was_heard_is_no_longer_unread(self) -> None:
        conversation, listener = self.converse()
        conversation.say(AskPing("a"), Who("lobby"), Sub("lobby"), Pub("lobby", b"x" * 1000, 1))
        self.settle()
        self.assertGreater(len(listener.heard), 3)
        self.assertEqual(conversation._transport.unsent(), 0)

    def test_it_shares_what_it_has_not_heard_yet(self) -> None:
        conversations = [self.converse()[0] for _ in range(2)]
        for conversation in conversations:
            conversation.say(Sub("lobby"))
        self.settle()
        taken: list[bytes] = []
        take = InnerTransport.take

        def record(transport: InnerTransport, most: int) -> list[bytes]:
            pieces = take(transport, most)
            taken.extend(pieces)
            return pieces

        self.patch(InnerTransport, "take", record)
        self.peer("PUB lobby: " + "x" * 5 * BUFFER)
        one, other = taken
        self.assertGreater(len(one), 5 * BUFFER)
        self.assertIs(one, other)

    def test_a_long_history_takes_several_turns(self) -> None:
        for _ in range(20):
            self.peer("PUB lobby: " + "x" * 50_000)
        conversation, listener = self.converse()
        conversation.say(Sub("lobby", start=0))
        counts: list[int] = []

        def look() -> None:  # whoever else has something to do
            counts.append(len(listener.heard))
            if len(counts) < 40:
                self.world.clock.callLater(0, look)

        look()
        self.settle()
        steps = [after - before for before, after in pairwise(counts)]
        self.assertEqual(counts[-1], 22)
        self.assertLess(max(steps), 5)

    def test_pings_are_answered(self) -> None:
        conversation, listener = self.converse()
        conversation.say(Hello("alice"))
        self.world.wait(200)
        self.assertGreater(listener.heard.count(Ping()), 2)
        self.assertEqual((listener.ended, len(self.world.server.guests.all())), (0, 1))

    def test_what_waits_behind_it_counts_as_unread(self) -> None:
        conversation, _ = self.converse(behind=7)
        self.assertEqual(conversation._transport.unsent(), 7)

    def test_who_takes_nothing_is_given_up(self) -> None:
        self.world = self.begin(stall_limit="60s")
        conversation, listener = self.converse()
        conversation.say(Sub("lobby"))
        self.settle()
        conversation.pause()
        for _ in range(20):
            self.peer("PUB lobby: " + "x" * 50_000)
        self.world.wait(62)
        self.assertEqual(listener.ended, 1)

    def test_a_listener_that_fails_ends_its_own_conversation_only(self) -> None:
        def hear(replies: list[Reply]) -> None:
            raise ZeroDivisionError

        other = self.peer("SUB lobby")
        listener = Listener()
        conversation = Conversation(self.world.server, PEER, hear, listener.end)
        conversation.say(AskPing())
        self.settle()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((listener.ended, len(self.world.server.guests.all())), (1, 1))
        self.assertEqual(self.answers(other, "PING a")[-1], "PONG a")

    def test_so_does_one_that_fails_at_the_end(self) -> None:
        def end() -> None:
            raise ZeroDivisionError

        Conversation(self.world.server, Asker(), Listener().hear, end).say(Bye())
        self.settle()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(self.world.server.guests.all()), 0)

    def test_it_takes_no_place(self) -> None:
        self.world.server.door.limit = 1
        pipe = self.peer("PING")
        first, heard = self.converse()
        first.say(AskPing("a"))
        self.converse()[0].abort()
        self.settle()
        self.assertEqual(heard.heard, [Pong("a")])
        self.assertEqual(self.world.server.connections, 1)
        first.say(Bye())
        self.settle()
        self.assertEqual(self.world.server.connections, 1)
        self.assertEqual(self.heard(pipe), ["PONG"])

    def test_the_server_stops(self) -> None:
        conversation, listener = self.converse()
        conversation.say(Sub("lobby"))
        self.settle()
        stop = self.world.server.drain()
        stop.send(None)
        self.settle()
        self.assertIsInstance(listener.heard[-1], type(Bye("")))
        self.assertEqual((listener.ended, len(self.world.server.guests.all())), (1, 0))
        late, heard_late = self.converse()
        late.say(AskPing())
        self.settle()
        self.assertEqual((heard_late.heard, heard_late.ended), ([], 1))
        stop.close()


class AskTests(StoredCase):
    def test_the_answer_comes_when_all_is_done(self) -> None:
        asked = ask(self.world.server, PEER, Hello("alice"), Pub("lobby", b"hi", 1))
        self.world.turn()
        self.assertNoResult(asked)
        self.settle()
        _, ack = self.successResultOf(asked)
        self.assertEqual(ack, Ack(1, 1))
        again = ask(self.world.server, PEER, Hello("alice"), Pub("lobby", b"ho", 1))
        self.settle()
        self.assertEqual(self.successResultOf(again)[0][0], "alice")  # the name was free

    def test_a_refusal(self) -> None:
        asked = ask(self.world.server, Asker(), Pub("lobby", bytes(1 << 21), 1))
        self.settle()
        (error,) = self.successResultOf(asked)
        assert isinstance(error, Err)
        self.assertEqual(error.code, "too-large")

    def test_publishers_wait_for_the_disk(self) -> None:
        flood = self.world.peer()
        self.begin_to_say(flood, *("PUB lobby: " + "x" * 60_000 for _ in range(20)))
        asked = ask(self.world.server, PEER, Pub("lobby", b"hi", 1))
        self.world.turn()
        connection = self.world.server.guests.all()[1]
        self.assertFalse(connection.transport.reading)
        self.settle()
        self.assertEqual(self.successResultOf(asked), [Ack(1, 21)])

"""The server as its peers see it: plain connections, their ends and their deadlines."""

from twisted.internet.defer import ensureDeferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.world import World
from twisted_msg.connection import (
    FIRST_FRAME_SECONDS,
    FLUSH_SECONDS,
    HEADER_SECONDS,
    LINGER_SECONDS,
    PAYLOAD_RATE,
    PAYLOAD_SECONDS,
)
from twisted_msg.server import STOP_SECONDS


class PlainMessages(SynchronousTestCase):
    """What a plain frame does."""

    def setUp(self) -> None:
        self.world = World()
        self.alice, self.bob, self.carol = (self.world.member() for _ in range(3))

    def test_message_goes_to_every_other_member(self) -> None:
        self.world.say(self.alice, b"hello", b"\0\xff bytes")
        self.assertEqual(self.alice.payloads(), [])
        self.assertEqual(self.bob.payloads(), [b"hello", b"\0\xff bytes"])
        self.assertEqual(self.carol.received, self.bob.received)

    def test_first_frame_may_be_a_message(self) -> None:
        dave = self.world.peer()
        self.world.say(dave, b"I am new")
        self.assertEqual(self.bob.payloads(), [b"I am new"])
        self.world.say(self.bob, b"welcome")
        self.assertEqual(dave.payloads(), [b"welcome"])

    def test_newcomer_gets_nothing_from_before(self) -> None:
        self.alice.say(self.world.frame(b"earlier in the same turn"))
        dave = self.world.member()
        self.world.say(self.alice, b"later")
        self.assertEqual(dave.payloads(), [b"later"])
        self.assertEqual(self.bob.payloads(), [b"earlier in the same turn", b"later"])

    def test_who_has_sent_nothing_is_no_member(self) -> None:
        dave = self.world.peer()
        self.world.say(self.alice, b"hello")
        self.assertEqual(dave.received, b"")

    def test_keep_alive_is_not_published(self) -> None:
        self.world.say(self.alice, b"", b"", b"x", b"")
        self.assertEqual(self.bob.payloads(), [b"x"])

    def test_speakers_of_one_turn_miss_only_their_own(self) -> None:
        self.alice.say(self.world.frame(b"a1"))
        self.bob.say(self.world.frame(b"b1") + self.world.frame(b"b2"))
        self.alice.say(self.world.frame(b"a2"))
        self.world.turn()
        self.assertEqual(self.alice.payloads(), [b"b1", b"b2"])
        self.assertEqual(self.bob.payloads(), [b"a1", b"a2"])
        self.assertEqual(self.carol.payloads(), [b"a1", b"b1", b"b2", b"a2"])

    def test_large_messages_stay_whole_and_in_order(self) -> None:
        large = bytes(range(256)) * 4096
        self.world.say(self.alice, b"before", large, b"after")
        self.assertEqual(self.bob.payloads(), [b"before", large, b"after"])

    def test_words_of_the_protocol_are_not_shown_to_plain_members(self) -> None:
        self.world.say(self.alice, b"!ERROR! bad-header you are out", b"!ERROR!", b"!DISCONNECT! ")
        self.assertEqual(self.bob.payloads(), [b"!ERROR!", b"!DISCONNECT! "])
        self.assertFalse(self.bob.closed)


class Ends(SynchronousTestCase):
    """Every way in which a connection ends."""

    def setUp(self) -> None:
        self.world = World()
        self.alice, self.bob = self.world.member(), self.world.member()

    def test_disconnect_after_what_came_before(self) -> None:
        self.world.say(self.alice, b"last words", b"!DISCONNECT!", b"never read")
        self.assertEqual(self.bob.payloads(), [b"last words"])
        self.assertTrue(self.alice.half_closed)
        self.world.wait(LINGER_SECONDS + 1)
        self.assertTrue(self.alice.closed)
        self.assertFalse(self.alice.aborted)
        self.assertEqual(self.world.server.room.members, 1)

    def test_disconnect_closes_at_once_when_the_peer_closes_too(self) -> None:
        self.world.say(self.alice, b"!DISCONNECT!")
        self.alice.close_input()
        self.assertTrue(self.alice.closed)

    def test_what_was_said_until_the_disconnect_is_delivered(self) -> None:
        self.bob.say(self.world.frame(b"for you"))
        self.alice.say(self.world.frame(b"!DISCONNECT!"))
        self.world.say(self.bob, b"too late")
        self.assertEqual(self.alice.payloads(), [b"for you"])

    def test_disconnect_with_a_reader_that_does_not_read(self) -> None:
        slow = self.world.member(stuck=True)
        self.world.say(self.bob, *[b"x" * 60_000] * 3)
        self.world.say(slow, b"!DISCONNECT!")
        self.assertFalse(slow.half_closed)
        self.world.wait(FLUSH_SECONDS - 2)
        slow.take(1000)  # progress: the time begins anew
        self.world.wait(FLUSH_SECONDS - 2)
        self.assertFalse(slow.closed)
        self.world.wait(5)
        self.assertTrue(slow.aborted)
        self.assertEqual(self.world.server.connections, 2)

    def test_disconnect_flushes_to_a_slow_reader(self) -> None:
        slow = self.world.member(stuck=True)
        self.world.say(self.bob, *[b"x" * 60_000] * 4)
        self.world.say(slow, b"!DISCONNECT!")
        slow.read_on()
        self.assertEqual(slow.payloads(), [b"x" * 60_000] * 4)
        self.assertTrue(slow.half_closed)

    def test_half_close_processes_everything_and_flushes(self) -> None:
        self.alice.say(self.world.frame(b"one") + self.world.frame(b"two"))
        self.alice.close_input()
        self.assertEqual(self.bob.payloads(), [b"one", b"two"])
        self.assertTrue(self.alice.closed)

    def test_half_close_inside_a_frame(self) -> None:
        self.alice.say(self.world.frame(b"whole") + self.world.frame(b"cut")[:-1])
        self.alice.close_input()
        self.assertEqual(self.bob.payloads(), [b"whole"])
        self.assertTrue(self.alice.closed)

    def test_vanished_peer_is_forgotten(self) -> None:
        self.alice.say(self.world.frame(b"said"))
        self.alice.vanish()
        self.world.say(self.bob, b"anyone?")
        self.assertEqual(self.bob.payloads(), [b"said"])
        self.assertEqual(self.world.server.room.members, 1)
        self.assertEqual(self.world.server.connections, 1)

    def test_peer_that_vanishes_while_stuck(self) -> None:
        slow = self.world.member(stuck=True)
        self.world.say(self.bob, *[b"x" * 60_000] * 3)
        slow.vanish()
        self.world.say(self.bob, b"on we go")
        self.assertEqual(self.world.server.room.members, 2)


class Refusals(SynchronousTestCase):
    """What is answered to a peer that breaks a rule."""

    def setUp(self) -> None:
        self.world = World(max_payload="1000")
        self.bob = self.world.member()

    def refusal(self, data: bytes) -> str:
        """Return the error that a new peer gets for its bytes."""
        peer = self.world.peer()
        peer.say(data)
        self.assertTrue(peer.half_closed)
        (frame,) = peer.frames()
        self.assertEqual(frame.words, ())
        peer.say(b"input behind it is discarded")
        self.world.wait(LINGER_SECONDS + 1)
        self.assertTrue(peer.closed)
        self.assertFalse(peer.aborted)
        return frame.payload.decode()

    def test_bad_header(self) -> None:
        self.assertRegex(self.refusal(b"hello".ljust(128)), r"^!ERROR! bad-header .*'hello'$")

    def test_words_on_a_plain_connection(self) -> None:
        refusal = self.refusal(self.world.frame(b"said") + self.world.frame(b"", "SUB", "lobby"))
        self.assertRegex(refusal, r"^!ERROR! bad-header ")
        self.assertEqual(self.bob.payloads(), [b"said"])

    def test_too_large_at_the_header(self) -> None:
        self.assertRegex(self.refusal(b"%-128d" % 1001), r"^!ERROR! too-large .*1001.*1000")

    def test_error_stands_behind_a_frame_under_way(self) -> None:
        world = World()
        alice, slow = world.member(), world.member(stuck=True)
        world.say(alice, b"x" * 200_000, b"y" * 200_000)
        slow.say(b"?" * 128)
        slow.read_on()
        whole, error = slow.payloads()
        self.assertEqual(whole, b"x" * 200_000)
        self.assertTrue(error.startswith(b"!ERROR! bad-header "))

    def test_fault_of_the_server_ends_one_connection_and_is_logged(self) -> None:
        peer = self.world.member()
        self.patch(self.world.server.room, "publish", lambda *_: 1 // 0)
        peer.say(self.world.frame(b"unlucky"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        (payload,) = peer.payloads()
        self.assertTrue(payload.startswith(b"!ERROR! internal "))
        self.assertTrue(peer.half_closed)
        self.assertFalse(self.bob.half_closed)

    def test_others_are_left_alone(self) -> None:
        alice = self.world.member()
        self.refusal(b"?" * 128)
        self.world.say(alice, b"still here")
        self.assertEqual(self.bob.payloads(), [b"still here"])


class TypedFirstFrame(SynchronousTestCase):
    """A typed connection is understood as such, and told that no verb is known yet."""

    def setUp(self) -> None:
        self.world = World()
        self.peer = self.world.peer()

    def test_every_verb_is_unknown_and_the_connection_stays(self) -> None:
        self.peer.say(self.world.frame(b"text", "SUB", "lobby") + self.world.frame(b"", "BYE"))
        first, second = self.peer.frames()
        self.assertEqual(first.words, ("ERR", "bad-verb", "SUB"))
        self.assertEqual(second.words, ("ERR", "bad-verb", "BYE"))
        self.assertFalse(self.peer.half_closed)

    def test_it_is_no_member_of_the_room(self) -> None:
        self.peer.say(self.world.frame(b"", "SUB", "lobby"))
        self.world.say(self.world.member(), b"hello")
        self.assertEqual(len(self.peer.frames()), 1)

    def test_keep_alive_and_plain_frame(self) -> None:
        self.peer.say(self.world.frame(b"", "PING") + self.world.frame(b""))
        self.peer.say(self.world.frame(b"plain"))
        self.assertEqual([frame.words[1] for frame in self.peer.frames()], ["bad-verb", "bad-args"])

    def test_too_large_ends_it_with_a_typed_error(self) -> None:
        self.peer.say(b"9999999999 PUB lobby".ljust(128))
        (frame,) = self.peer.frames()
        self.assertEqual(frame.words, ("ERR", "too-large", "PUB"))
        self.assertTrue(self.peer.half_closed)

    def test_bad_header_ends_it_with_a_typed_error(self) -> None:
        self.peer.say(self.world.frame(b"", "PING") + b"?" * 128)
        self.assertEqual(self.peer.frames()[-1].words, ("ERR", "bad-header"))
        self.assertTrue(self.peer.half_closed)

    def test_half_close_ends_it(self) -> None:
        self.peer.say(self.world.frame(b"", "PING"))
        self.peer.close_input()
        self.assertTrue(self.peer.closed)

    def test_unread_answers_stop_the_reading(self) -> None:
        peer = self.world.peer(stuck=True)
        ping = self.world.frame(b"", "PING")
        for _ in range(20_000):
            if not peer.reading:
                break
            peer.say(ping)
        self.assertFalse(peer.reading)
        self.assertLess(len(peer.dataBuffer), 200_000)
        peer.take()
        self.assertTrue(peer.reading)

    def test_it_is_told_when_the_server_stops(self) -> None:
        self.peer.say(self.world.frame(b"", "PING"))
        stopped = ensureDeferred(self.world.server.drain())
        self.assertEqual(self.peer.frames()[-1].words, ("BYE",))
        self.peer.close_input()
        self.successResultOf(stopped)


class Replies(SynchronousTestCase):
    """`--plain-reply`, for clients of the wider family."""

    def setUp(self) -> None:
        self.world = World(plain_reply="Msg received", header_size="64")
        self.peer = self.world.peer()

    def test_one_unframed_reply_for_each_frame_once_it_is_accepted(self) -> None:
        self.peer.say(self.world.frame(b"one"))
        self.assertEqual(self.peer.received, b"")
        self.world.turn()
        self.assertEqual(self.peer.received, b"Msg received")
        self.world.say(self.peer, b"")
        self.assertEqual(self.peer.received, b"Msg received" * 2)

    def test_also_for_the_disconnect_word(self) -> None:
        self.world.say(self.peer, b"one", b"!DISCONNECT!")
        self.assertEqual(self.peer.received, b"Msg received" * 2)
        self.assertTrue(self.peer.half_closed)

    def test_nothing_else_is_sent(self) -> None:
        other = self.world.peer()
        self.world.say(other, b"hello")
        self.world.say(self.peer, b"hello")
        stopped = ensureDeferred(self.world.server.drain())
        self.assertEqual(self.peer.received, b"Msg received")
        self.assertEqual(other.received, b"Msg received")
        self.world.wait(LINGER_SECONDS + 1)
        self.successResultOf(stopped)

    def test_refusal_takes_the_place_of_the_reply(self) -> None:
        self.peer.say(self.world.frame(b"one") + b"?" * 64)
        self.assertRegex(self.peer.received, rb"^Msg received!ERROR! bad-header ")
        self.assertTrue(self.peer.half_closed)

    def test_first_frame_refused(self) -> None:
        self.peer.say(b"?" * 64)
        self.assertRegex(self.peer.received, rb"^!ERROR! bad-header ")


class Deadlines(SynchronousTestCase):
    """Who says nothing, or half of something, does not stay for ever."""

    def setUp(self) -> None:
        self.world = World()
        self.peer = self.world.peer()

    def assert_timeout(self) -> None:
        (payload,) = self.peer.payloads()
        self.assertRegex(payload, rb"^!ERROR! timeout ")
        self.assertTrue(self.peer.half_closed)

    def test_no_first_frame(self) -> None:
        self.world.wait(FIRST_FRAME_SECONDS - 1)
        self.assertEqual(self.peer.received, b"")
        self.world.wait(3)
        self.assert_timeout()

    def test_unfinished_header_however_it_trickles(self) -> None:
        for _ in range(int(HEADER_SECONDS) + 1):
            self.peer.say(b" ")
            self.assertEqual(self.peer.received, b"")
            self.world.wait(1)
        self.world.wait(2)
        self.assert_timeout()

    def test_unfinished_payload_has_time_by_its_length(self) -> None:
        length = 10 * PAYLOAD_RATE
        self.peer.say(b"%-128d" % length)
        self.world.wait(PAYLOAD_SECONDS + 9)
        self.peer.say(b"x")
        self.assertEqual(self.peer.received, b"")
        self.world.wait(3)
        self.assert_timeout()

    def test_every_frame_has_its_own_time(self) -> None:
        for _ in range(4):
            self.peer.say(self.world.frame(b"x")[:100])
            self.world.wait(HEADER_SECONDS - 5)
            self.peer.say(self.world.frame(b"x")[100:])
        self.assertFalse(self.peer.half_closed)

    def test_listener_has_no_deadline(self) -> None:
        self.peer.say(self.world.frame(b""))
        self.world.wait(FIRST_FRAME_SECONDS * 3)
        self.assertFalse(self.peer.half_closed)

    def test_it_stands_still_while_the_server_does_not_read(self) -> None:
        slow = self.world.member(stuck=True)
        self.peer.say(self.world.frame(b""))
        while self.peer.reading:
            self.world.say(self.peer, b"x" * 60_000)
            slow.take(1)
        for _ in range(int(HEADER_SECONDS * 2)):
            slow.take(1)
            self.world.wait(1)
        self.assertFalse(self.peer.reading)
        self.assertFalse(self.peer.half_closed)


class Stopping(SynchronousTestCase):
    """What `stopService` does to connections."""

    def setUp(self) -> None:
        self.world = World()

    def test_plain_members_are_told_behind_what_they_are_owed(self) -> None:
        alice, bob = self.world.member(), self.world.member()
        alice.say(self.world.frame(b"just in time"))
        stopped = ensureDeferred(self.world.server.drain())
        self.assertEqual(bob.payloads(), [b"just in time", b"!DISCONNECT!"])
        self.assertEqual(alice.payloads(), [b"!DISCONNECT!"])
        self.assertNoResult(stopped)
        alice.close_input()
        bob.close_input()
        self.successResultOf(stopped)

    def test_nothing_to_do(self) -> None:
        self.successResultOf(ensureDeferred(self.world.server.drain()))

    def test_silent_connection_is_closed_without_a_word(self) -> None:
        peer = self.world.peer()
        stopped = ensureDeferred(self.world.server.drain())
        self.world.wait(LINGER_SECONDS + 1)
        self.assertEqual(peer.received, b"")
        self.successResultOf(stopped)

    def test_stuck_member_holds_nobody_beyond_five_seconds(self) -> None:
        alice, slow = self.world.member(), self.world.member(stuck=True)
        self.world.say(alice, *[b"x" * 60_000] * 3)
        stopped = ensureDeferred(self.world.server.drain())
        self.world.wait(STOP_SECONDS - 1)
        self.assertNoResult(stopped)
        self.world.wait(1)
        self.successResultOf(stopped)
        self.assertTrue(slow.aborted)
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_who_comes_late_is_closed(self) -> None:
        self.world.member()
        ensureDeferred(self.world.server.drain())
        late = self.world.peer()
        self.assertTrue(late.half_closed)

"""The server as its peers see it: plain connections, their ends and their deadlines."""

from twisted.internet.defer import ensureDeferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.world import World
from twisted_msg.deadlines import FIRST_FRAME_SECONDS, FLUSH_SECONDS, LINGER_SECONDS
from twisted_msg.rooms import registry


def members(world: World) -> int:
    """How many members the plain peers' room has."""
    return len(world.rooms.open("lobby").members)


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
        self.assertEqual(members(self.world), 1)

    def test_disconnect_closes_at_once_when_the_peer_closes_too(self) -> None:
        self.world.say(self.alice, b"!DISCONNECT!")
        self.alice.close_input()
        self.assertTrue(self.alice.closed)

    def test_what_was_said_until_the_disconnect_is_delivered(self) -> None:
        self.bob.say(self.world.frame(b"for you"))
        self.alice.say(self.world.frame(b"!DISCONNECT!"))
        self.world.turn()
        self.world.say(self.bob, b"too late")
        self.assertEqual(self.alice.payloads(), [b"for you"])
        self.assertTrue(self.alice.half_closed)

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
        self.world.turn()
        self.assertEqual(self.bob.payloads(), [b"one", b"two"])
        self.assertTrue(self.alice.closed)

    def test_half_close_inside_a_frame(self) -> None:
        self.alice.say(self.world.frame(b"whole") + self.world.frame(b"cut")[:-1])
        self.alice.close_input()
        self.world.turn()
        self.assertEqual(self.bob.payloads(), [b"whole"])
        self.assertTrue(self.alice.closed)

    def test_vanished_peer_is_forgotten(self) -> None:
        self.alice.say(self.world.frame(b"said"))
        self.alice.vanish()
        self.world.say(self.bob, b"anyone?")
        self.assertEqual(self.bob.payloads(), [b"said"])
        self.assertEqual(members(self.world), 1)
        self.assertEqual(self.world.server.connections, 1)

    def test_peer_that_vanishes_while_stuck(self) -> None:
        slow = self.world.member(stuck=True)
        self.world.say(self.bob, *[b"x" * 60_000] * 3)
        slow.vanish()
        self.world.say(self.bob, b"on we go")
        self.assertEqual(members(self.world), 2)


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
        self.patch(self.world.rooms.open("lobby"), "publish", lambda *_: 1 // 0)
        peer.say(self.world.frame(b"unlucky"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        (payload,) = peer.payloads()
        self.assertTrue(payload.startswith(b"!ERROR! internal "))
        self.assertTrue(peer.half_closed)
        self.assertFalse(self.bob.half_closed)

    def test_fault_in_one_way_out_keeps_nothing_from_the_others(self) -> None:
        alice, other = self.world.member(), self.world.member()
        self.patch(self.bob, "write", lambda data: 1 // 0)
        self.world.say(alice, b"for all")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertTrue(self.bob.aborted)
        self.assertEqual(other.payloads(), [b"for all"])
        self.assertEqual(members(self.world), 2)

    def test_fault_of_the_rooms_does_not_stop_the_time_of_the_others(self) -> None:
        self.patch(self.world.rooms, "sweep", lambda now: 1 // 0)
        silent = self.world.peer()
        self.world.wait(FIRST_FRAME_SECONDS + 2)
        self.assertTrue(self.flushLoggedErrors(ZeroDivisionError))
        self.assertTrue(silent.half_closed)

    def test_fault_in_one_sweep_ends_that_connection_alone(self) -> None:
        alice = self.world.member()
        self.patch(alice.protocol, "_sweep_live", lambda now: 1 // 0)
        self.world.wait(2)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertTrue(alice.aborted)
        self.assertFalse(self.bob.closed)

    def test_others_are_left_alone(self) -> None:
        alice = self.world.member()
        self.refusal(b"?" * 128)
        self.world.say(alice, b"still here")
        self.assertEqual(self.bob.payloads(), [b"still here"])


class FirstFrames(SynchronousTestCase):
    """The first frame decides how a peer is spoken to."""

    def setUp(self) -> None:
        self.world = World()
        self.peer = self.world.peer()

    def test_typed_peer_is_no_member_before_it_asks(self) -> None:
        self.world.typed(self.world.frame(b"", "PING"))
        self.peer.say(self.world.frame(b"", "PING"))
        self.world.say(self.world.member(), b"hello")
        self.assertEqual([frame.words for frame in self.peer.frames()], [("PONG",)])

    def test_too_large_ends_it_with_a_typed_error(self) -> None:
        self.peer.say(b"9999999999 PUB lobby".ljust(128))
        (frame,) = self.peer.frames()
        self.assertEqual(frame.words, ("ERR", "too-large", "PUB", "lobby"))
        self.assertTrue(self.peer.half_closed)

    def test_bad_header_ends_it_with_a_typed_error(self) -> None:
        self.peer.say(self.world.frame(b"", "PING") + b"?" * 128)
        self.assertEqual(self.peer.frames()[-1].words, ("ERR", "bad-header"))
        self.assertTrue(self.peer.half_closed)

    def test_bad_first_header_is_answered_as_a_plain_one(self) -> None:
        self.peer.say(b"0 ping".ljust(128))
        (frame,) = self.peer.frames()
        self.assertEqual(frame.words, ())
        self.assertTrue(frame.payload.startswith(b"!ERROR! bad-header "))

    def test_other_widths_speak_plain_frames_only(self) -> None:
        peer = World(header_size="64").peer()
        peer.say(b"0 PING".ljust(64))
        self.assertRegex(peer.payloads()[0], rb"^!ERROR! bad-header typed frames need headers of")

    def test_plain_peer_for_whom_there_is_no_room_is_told(self) -> None:
        self.patch(registry, "ROOMS_LIMIT", 0)
        self.peer.say(self.world.frame(b"hello"))
        self.assertRegex(self.peer.payloads()[0], b"^!ERROR! limit ")
        self.assertTrue(self.peer.half_closed)


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
        self.world.turn()
        self.assertRegex(self.peer.received, rb"^Msg received!ERROR! bad-header ")
        self.assertTrue(self.peer.half_closed)

    def test_first_frame_refused(self) -> None:
        self.peer.say(b"?" * 64)
        self.assertRegex(self.peer.received, rb"^!ERROR! bad-header ")

"""How typed connections end: by their own word, by silence, by refusal, by the server's end."""

from __future__ import annotations

from twisted.internet.defer import ensureDeferred

from tests.unit.conversing import SECRET, StoredCase, TypedCase, frame
from twisted_msg.deadlines import (
    FLUSH_SECONDS,
    HEADER_SECONDS,
    HEARTBEAT_SECONDS,
    LINGER_SECONDS,
    SILENCE_SECONDS,
)
from twisted_msg.log.store import Retention
from twisted_msg.server import STOP_SECONDS, STORE_SECONDS
from twisted_msg.session import house
from twisted_msg.session.house import PRUNE_COST, PRUNE_SECONDS

LARGE = "x" * 60_000


class Goodbyes:
    """`BYE` and a half-close flush what is owed."""

    def setUp(self) -> None:
        super().setUp()
        self.peer("HELLO name=bob", *[f"PUB lobby: {LARGE}"] * 4)

    def owed(self, heard: list[str]) -> list[str]:
        """Return what a peer heard, without the text of messages, acknowledgements first."""
        return sorted((each.split(":")[0] for each in heard), key=lambda each: each[:3] != "ACK")

    def test_history_and_goodbye_in_one_go(self) -> None:
        alice = self.peer("SUB lobby from=0", "BYE", "PUB lobby: never")
        messages = [f"MSG lobby {n} bob" for n in (1, 2, 3, 4)]
        self.assertEqual(
            self.owed(self.heard(alice)), ["SUBBED lobby 4", *messages, "LIVE lobby 4"]
        )
        self.assert_ended(alice)
        self.assertFalse(alice.aborted)
        self.world.wait(LINGER_SECONDS + 1)
        self.assertTrue(alice.closed)

    def test_history_and_half_close_in_one_go(self) -> None:
        alice = self.world.peer()
        alice.say(frame("SUB lobby from=0"))
        alice.close_input()
        self.settle()
        self.assertEqual(self.owed(self.heard(alice))[-1], "LIVE lobby 4")
        self.assertTrue(alice.closed)

    def test_answers_and_acknowledgements_are_flushed(self) -> None:
        alice = self.peer("PUB lobby 1: x", "PING a", "PUB lobby 2: y", "WHO lobby", "BYE")
        self.assertEqual(self.owed(self.heard(alice)), ["ACK 2 6", "PONG a", "HERE lobby"])
        self.assert_ended(alice)

    def test_slow_reader_gets_all_of_it(self) -> None:
        alice = self.peer("SUB lobby from=0", "PUB lobby 1: mine", "BYE", stuck=True)
        self.assertFalse(alice.half_closed)
        for _ in range(10):
            self.world.wait(FLUSH_SECONDS - 5)
            alice.take(40_000)
            self.settle()
        heard = self.owed(self.heard(alice))
        self.assertIn("ACK 1 5", heard)
        self.assertEqual([each for each in heard if "LIVE" in each], ["LIVE lobby 4"])
        self.assertEqual(len([each for each in heard if each.startswith("MSG")]), 5)
        self.assert_ended(alice)

    def test_reader_that_takes_nothing_is_cut_off(self) -> None:
        alice = self.peer("SUB lobby from=0", "BYE", stuck=True)
        self.world.wait(FLUSH_SECONDS - 1)
        self.assertFalse(alice.closed)
        self.world.wait(3)
        self.assertTrue(alice.aborted)

    def test_frames_behind_requests_that_wait_are_processed_before_a_half_close(self) -> None:
        alice, bob = self.world.peer(), self.world.peer()
        alice.protocol.hold()
        alice.protocol.dataReceived(frame("PING") + frame("SUB lobby") + frame("PING 2"))
        alice.protocol.dataReceived(frame("PUB lobby 1: z") + frame("PING 3"))
        alice.close_input()
        bob.say(frame("PUB lobby: now the room is not quiet"))
        alice.protocol.release()
        self.settle()
        heard = [each for each in self.heard(alice) if each[:3] not in ("MSG", "LIV")]
        self.assertEqual(heard, ["PONG", "SUBBED lobby 5", "PONG 2", "PONG 3", "ACK 1 6"])
        self.assertTrue(alice.closed)

    def test_who_said_goodbye_is_gone_though_its_socket_lingers(self) -> None:
        watcher = self.peer("SUB lobby presence=1")
        leaver = self.peer("HELLO name=eve", "SUB lobby")
        self.heard(watcher)
        self.say(leaver, "BYE")
        self.assertTrue(leaver.half_closed)
        self.assertFalse(leaver.closed)
        self.assertEqual(self.heard(watcher), ["PART lobby eve"])
        again = self.peer("HELLO name=eve")
        self.assertEqual(again.frames()[0].words[1], "eve")

    def test_who_is_leaving_gets_no_direct_messages(self) -> None:
        leaver = self.peer("HELLO name=eve", stuck=True)
        alice = self.peer("HELLO name=alice")
        self.say(leaver, *[f"PING {'x' * 60}"] * 600, "BYE")  # more than is taken at once
        self.heard(alice)
        self.assertEqual(self.answers(alice, "PUB @eve: too late")[0], "ERR absent PUB @eve")

    def test_refusal_gives_up_what_is_unread_of_the_rooms(self) -> None:
        alice = self.peer("SUB lobby from=0", "PING", "PUB lobby 0: x", stuck=True)
        alice.read_on()
        heard = self.owed(self.heard(alice))
        self.assertEqual(heard[-1], "ERR bad-args PUB 0")
        self.assertNotIn("MSG lobby 4 bob", heard)
        self.assert_ended(alice)


class MemoryGoodbyes(Goodbyes, TypedCase):
    pass


class StoredGoodbyes(Goodbyes, StoredCase):
    def test_end_waits_for_the_store(self) -> None:
        alice = self.world.typed(frame("PUB lobby 1: x"), frame("BYE"))
        self.assertFalse(alice.half_closed)
        self.settle()
        self.assertEqual(self.heard(alice), ["ACK 1 5"])
        self.assert_ended(alice)

    def test_half_close_while_a_request_waits(self) -> None:
        alice = self.world.typed(frame("SUB lobby since=0"), frame("PING"))
        alice.close_input()
        self.assertEqual(self.heard(alice), [])
        self.settle()
        self.assertEqual(len(self.heard(alice)), 1 + 4 + 2)
        self.assertTrue(alice.closed)


class Silence(TypedCase):
    """Heartbeats go to those who said `HELLO`."""

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.peer("HELLO")
        self.heard(self.alice)

    def test_silent_peer_is_asked_and_at_last_given_up(self) -> None:
        self.world.wait(HEARTBEAT_SECONDS - 1)
        self.assertEqual(self.heard(self.alice), [])
        self.world.wait(2)
        self.assertEqual(self.heard(self.alice), ["PING"])
        self.world.wait(SILENCE_SECONDS - HEARTBEAT_SECONDS - 3)
        self.assertEqual(self.heard(self.alice), ["PING"])
        self.world.wait(4)
        self.assertEqual(self.heard(self.alice), ["ERR timeout"])
        self.assert_ended(self.alice)

    def test_any_byte_is_a_sign_of_life(self) -> None:
        for said in (frame("PONG"), frame(""), frame("PING")[:1], frame("PING")[1:]):
            self.world.wait(HEARTBEAT_SECONDS - 2)
            self.alice.say(said)
        self.assertEqual(self.heard(self.alice), ["PONG"])
        for _ in range(5):
            self.world.wait(HEARTBEAT_SECONDS + 2)
            self.say(self.alice, "PONG")
        self.assertEqual(self.heard(self.alice), ["PING"] * 5)

    def test_who_did_not_say_hello_is_not_asked(self) -> None:
        other = self.peer("PING")
        self.world.wait(SILENCE_SECONDS * 3)
        self.assertEqual(self.heard(other), ["PONG"])
        self.assertFalse(other.half_closed)

    def test_peer_that_takes_not_even_the_question_is_given_up(self) -> None:
        vanished = self.peer("HELLO", stuck=True)
        vanished.take()
        self.world.wait(SILENCE_SECONDS - 2)
        self.assertFalse(vanished.closed)
        self.world.wait(4 + FLUSH_SECONDS)
        self.assertTrue(vanished.aborted)

    def test_it_stands_still_while_unsent_data_waits(self) -> None:
        slow = self.peer("HELLO", "SUB lobby", stuck=True)
        self.peer(*[f"PUB lobby: {LARGE}"] * 3)
        self.world.wait(SILENCE_SECONDS * 3)
        self.assertFalse(slow.half_closed or slow.closed)
        slow.read_on()
        self.assertNotIn("PING", self.heard(slow))
        self.world.wait(HEARTBEAT_SECONDS + 2)
        self.assertEqual(self.heard(slow), ["PING"])

    def test_it_stands_still_while_the_server_does_not_read(self) -> None:
        self.alice.protocol.hold()
        self.world.wait(SILENCE_SECONDS * 2)
        self.assertEqual(self.heard(self.alice), [])
        self.alice.protocol.release()
        self.world.wait(HEARTBEAT_SECONDS + 1)
        self.assertEqual(self.heard(self.alice), ["PING"])

    def test_unfinished_header_is_a_timeout_too(self) -> None:
        other = self.peer("PING")
        other.say(b"12")
        self.world.wait(HEADER_SECONDS + 2)
        self.assertEqual(self.heard(other), ["PONG", "ERR timeout"])
        self.assert_ended(other)


class Stalls(TypedCase):
    """A peer that takes nothing of what waits for it."""

    def setUp(self) -> None:
        super().setUp()
        self.world = self.begin(stall_limit="100s")
        self.slow = self.peer("SUB lobby", stuck=True)
        self.peer(*[f"PUB lobby: {LARGE}"] * 3)

    def test_it_is_closed_after_the_limit(self) -> None:
        self.world.wait(98)
        self.assertFalse(self.slow.closed)
        self.world.wait(4)
        self.assertTrue(self.slow.aborted)

    def test_progress_however_little_begins_the_time_anew(self) -> None:
        for _ in range(5):
            self.world.wait(90)
            self.slow.take(1)
        self.assertFalse(self.slow.closed)

    def test_who_has_taken_everything_is_left_alone(self) -> None:
        self.slow.read_on()
        self.world.wait(300)
        self.assertFalse(self.slow.closed)


class Stopping(StoredCase):
    """The server stops."""

    def test_store_that_does_not_answer_is_not_waited_for(self) -> None:
        alice = self.peer("PUB lobby 1: a")
        self.begin_to_say(alice, "PUB lobby 2: b")
        self.world.turn()
        ended = ensureDeferred(self.world.server.drain())
        self.world.wait(STOP_SECONDS + STORE_SECONDS)
        self.assertFalse(self.successResultOf(ended))
        self.assertTrue(alice.closed)

    def test_members_are_told_behind_what_they_are_owed(self) -> None:
        alice = self.peer("SUB lobby", "PUB lobby: a")
        alice.say(frame("PUB lobby 1: b"))
        self.heard(alice)
        stopped = ensureDeferred(self.world.server.drain())
        self.assertEqual(self.heard(alice), [])
        self.settle()
        self.assertEqual(self.heard(alice), ["ACK 1 2", "MSG lobby 2 guest-1: b", "BYE"])
        self.assertNoResult(stopped)
        alice.close_input()
        self.successResultOf(stopped)

    def test_request_that_waits_is_not_answered_any_more(self) -> None:
        alice = self.world.typed(frame("PUB lobby 1: b"), frame("SUB lobby"), frame("PING"))
        stopped = ensureDeferred(self.world.server.drain())
        self.settle()
        self.assertEqual(self.heard(alice), ["ACK 1 1", "BYE"])
        alice.close_input()
        self.successResultOf(stopped)
        self.assertEqual(self.heard(alice), [])

    def test_nothing_is_said_that_is_not_in_the_store(self) -> None:
        alice = self.world.typed(frame("PUB lobby: b"))
        alice.vanish()
        stopped = ensureDeferred(self.world.server.drain())
        self.assertNoResult(stopped)
        self.settle()
        self.successResultOf(stopped)

    def test_worker_is_given_nothing_more(self) -> None:
        alice = self.world.typed(frame("PUB lobby: b"))
        self.world.server.house.commits.archive.prune(0)
        stopped = ensureDeferred(self.world.server.drain())
        alice.close_input()
        while self.world.worker.waiting and not stopped.called:
            self.world.worker.pump()
            self.world.turn()
        self.successResultOf(stopped)
        self.world.turn()
        self.assertEqual(len(self.world.worker.waiting), 0)


class Retaining(StoredCase):
    """What is too old is dropped while the server runs."""

    def test_old_messages_are_missed(self) -> None:
        self.close_store()
        self.world = self.begin(Retention(age=PRUNE_SECONDS), retain=[f"{PRUNE_SECONDS}s"])
        self.peer("PUB lobby: old", "PUB lobby: older")
        for _ in range(3):
            self.world.wait(PRUNE_SECONDS)
            self.settle()
        self.peer("PUB lobby: new")
        self.assertEqual(
            self.heard(self.peer("SUB lobby from=1")),
            ["SUBBED lobby 3", "MISSED lobby 1 2", "MSG lobby 3 guest-2: new", "LIVE lobby 3"],
        )

    def test_a_store_at_its_limit_is_not_over_it_for_a_minute(self) -> None:
        self.close_store()
        self.world = self.begin(Retention(store=1024**2))
        for second in range(20):
            lump = f"PUB room{second}: {'x' * 200_000}"
            self.peer(*[lump] * 10).vanish()
            self.world.wait(1)
            self.settle()
        store = self.world.server.house.commits._store  # type: ignore[union-attr]
        self.assertLess(store._database.used, PRUNE_COST)

    def test_the_store_is_asked_early_only_after_as_much_again(self) -> None:
        self.patch(house, "PRUNE_COST", 100_000)
        commits = self.world.server.house.commits
        assert commits is not None
        asked: list[int] = []
        self.patch(commits.archive, "prune", asked.append)
        for times in (1, 2):
            self.peer(*["PUB lobby: " + "x" * 60_000] * 2)
            for _ in range(3):
                self.world.server.house.sweep()
            self.assertEqual(len(asked), times)

    def test_secret_stays_known(self) -> None:
        self.peer(f"HELLO {SECRET}", "PUB lobby 5: x").vanish()
        self.world.wait(PRUNE_SECONDS * 3)
        self.settle()
        self.assertEqual(self.peer(f"HELLO {SECRET}").frames()[0].words[2], "5")

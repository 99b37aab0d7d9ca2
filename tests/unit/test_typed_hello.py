"""Introductions: names, what `WELCOME` tells, and clients that come back."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.logger import formatEvent, globalLogPublisher

from tests.unit.conversing import SECRET, StoredCase, TypedCase, frame
from tests.unit.world import Pipe
from twisted_msg.wire.replies import Err, Welcome

SUPERSEDED = "ERR superseded"


def welcome(pipe: Pipe) -> Welcome:
    """Return what a peer was welcomed with."""
    (found,) = (each for each in pipe.replies() if isinstance(each, Welcome))
    return found


class Introductions(TypedCase):
    def test_welcome_tells_of_the_server(self) -> None:
        told = welcome(self.peer("HELLO name=alice"))
        self.assertEqual((told.name, told.last_id), ("alice", 0))
        self.assertEqual(told.details["v"], 1)
        self.assertRegex(told.details["server"], "^tcpmsg/")
        self.assertEqual((told.details["name"], told.details["last_id"]), ("alice", 0))
        self.assertEqual(told.details["max_payload"], 1_048_576)
        self.assertEqual(told.details["heartbeat"], 30)
        self.assertEqual(
            told.details["features"], ["ack", "direct", "history", "presence", "rooms"]
        )
        self.assertEqual(told.details["room"], "lobby")

    def test_words_and_json(self) -> None:
        self.assertEqual(welcome(self.peer('HELLO: {"v": 1, "name": "bob"}')).name, "bob")
        self.assertEqual(welcome(self.peer("HELLO name=carl: {}")).name, "carl")

    def test_who_gives_no_name_is_a_guest(self) -> None:
        self.assertEqual(welcome(self.peer("HELLO")).name, "guest-1")
        self.peer("PUB lobby: x")
        heard = self.heard(self.peer("SUB lobby last=1"))
        self.assertEqual(heard[1], "MSG lobby 1 guest-2: x")

    def test_taken_name_is_numbered_and_cut_to_fit(self) -> None:
        names = [welcome(self.peer("HELLO name=alice")).name for _ in range(3)]
        self.assertEqual(names, ["alice", "alice-2", "alice-3"])
        long = "abcdefghijklmnopqrstuvwx"
        names = [welcome(self.peer(f"HELLO name={long}")).name for _ in range(11)]
        self.assertEqual(names[:2] + names[-1:], [long, long[:22] + "-2", long[:21] + "-11"])

    def test_name_is_free_again_when_its_bearer_is_gone(self) -> None:
        self.peer("HELLO name=alice").vanish()
        self.assertEqual(welcome(self.peer("HELLO name=alice")).name, "alice")

    def test_name_of_a_guest_may_be_taken(self) -> None:
        self.peer("HELLO name=guest-2")
        self.assertEqual(welcome(self.peer("HELLO")).name, "guest-2-2")

    def test_refused_hello_ends_the_connection(self) -> None:
        for said, error in (
            ("HELLO name=a/b", "ERR bad-name HELLO"),
            ("HELLO client=short", "ERR bad-args HELLO"),
            ("HELLO nonsense", "ERR bad-args HELLO"),
            ("HELLO colour=red", "ERR bad-args HELLO"),
            ("HELLO: {", "ERR bad-json HELLO"),
            ('HELLO: {"v": 2}', "ERR version HELLO"),
        ):
            alice = self.peer(said, "PING")
            self.assertEqual(self.heard(alice), [error])
            self.assert_ended(alice)

    def test_hello_comes_once(self) -> None:
        for first in ("HELLO", f"HELLO {SECRET}"):
            alice = self.peer(first, "HELLO name=alice", "PING")
            self.assertEqual(self.heard(alice)[1:], ["ERR bad-args HELLO"])
            self.assert_ended(alice)

    def test_hello_comes_first_or_not_at_all(self) -> None:
        for before in ("PING", "PUB lobby: x", "NONSENSE", "SUB a/b", "PUB"):
            alice = self.peer(before, "HELLO name=alice", "PING")
            self.assertEqual(self.heard(alice)[-1], "ERR bad-args HELLO")
            self.assert_ended(alice)

    def test_no_secret_is_shown_to_anybody(self) -> None:
        secret = SECRET.partition("=")[2]
        alice = self.peer("PING", f"HELLO {SECRET}")
        other = self.peer(f"HELLO {SECRET}", f"HELLO {SECRET}")
        for pipe in (alice, other):
            self.assertNotIn(secret.encode(), pipe.received)

    def test_a_malformed_hello_shows_nothing_of_the_client(self) -> None:
        lines: list[str] = []

        def observe(event: Any) -> None:
            lines.append(str(formatEvent(event)) + repr(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        secret = "s3cr3t-4nd-l0ng-5ecret"
        for client in (
            secret,
            secret[:14],
            secret * 3,
            f"{secret}\t",
            f"{secret}\x80",
            f"{secret}/é",
        ):
            json = f'{{"client":"{client}"}}'
            typo = f'{{"cleint" : "{client}", "v": "1"}}'
            for said in (
                f"0 HELLO client={client}", f"0 HELLO name=a client={client} x",
                f"0 HELLO client={client} client={client}", f"0 HELLO cleint={client}",
                f"0 HELLO client={client} \t", f"0 hello client={client}",
                f"0 HELLO  client={client}",
                f"0 HELLO client:{client}\t", f"client={client}", f"x HELLO client={client}",
                f"0 HELLO client {client}", f"99999999999 HELLO client={client}",
                f"9999 HELLO client={client}", f"0 HELLO {client}\t", json, typo,
                f"{len(json.encode())} HELLO".ljust(128) + json + "{",
                f"{len(json.encode())} HELLO client=other-than-in-words".ljust(128) + json,
                f"{len(typo.encode())} HELLO".ljust(128) + typo,
                *(f"{size} HELLO".ljust(128) + json for size in (1, 12, 14, 18)),
                *(f"{size} HELLO".ljust(128) + json for size in (1, 12, 14, 18)),
                *("2 HELLO".ljust(128) + "{}" + client[cut:] for cut in (0, 2, 4, 8)),
            ):  # fmt: skip
                pipe = self.world.peer()
                pipe.say(said.encode().ljust(128) + b" " * 128)
                self.world.turn()
                shown = pipe.received.decode() + "".join(lines)
                lines.clear()
                for start in range(len(secret) - 3):
                    self.assertNotIn(secret[start : start + 4], shown, said)


class Takeovers:
    """A second `HELLO` with the same `client`."""

    def setUp(self) -> None:
        super().setUp()
        self.older = self.peer(f"HELLO {SECRET} name=alice", "SUB lobby")
        self.heard(self.older)

    def test_older_connection_is_told_and_closed(self) -> None:
        newer = self.peer(f"HELLO {SECRET}")
        self.assertEqual(self.heard(self.older), [SUPERSEDED])
        self.assert_ended(self.older)
        (error,) = (each for each in self.older.replies() if isinstance(each, Err))
        self.assertIn("do not reconnect", error.reason)
        self.assertEqual(welcome(newer).name, "alice")

    def test_its_membership_does_not_pass_over(self) -> None:
        newer = self.peer(f"HELLO {SECRET}", "WHO lobby")
        self.assertEqual(self.heard(newer)[-1], "HERE lobby: []")

    def test_ids_go_on(self) -> None:
        self.say(self.older, "PUB lobby 7: x")
        newer = self.peer(f"HELLO {SECRET}", "PUB lobby 7: x", "PUB lobby 8: y")
        self.assertEqual(welcome(newer).last_id, 7)
        self.assertEqual(self.heard(newer)[1:], ["ACK 7 1 dup", "ACK 8 2"])

    def test_what_was_received_is_settled_before_welcome(self) -> None:
        newer = self.world.peer()
        self.older.say(frame("PUB lobby 7: x"))
        newer.say(frame(f"HELLO {SECRET}") + frame("PUB lobby 7: x"))
        self.assertEqual(newer.frames(), [])
        self.older.protocol.dataReceived(frame("PUB lobby 8: too late"))
        self.settle()
        self.assertEqual(self.heard(self.older), ["ACK 7 1", SUPERSEDED])
        self.assertEqual(welcome(newer).last_id, 7)
        self.assertEqual(self.heard(newer)[1:], ["ACK 7 1 dup"])

    def test_another_name_may_be_asked_for(self) -> None:
        self.assertEqual(welcome(self.peer(f"HELLO {SECRET} name=bob")).name, "bob")
        self.assertEqual(welcome(self.peer("HELLO name=alice")).name, "alice")

    def test_name_that_was_numbered_stays_if_the_wanted_one_is_taken(self) -> None:
        other = "client=ffffffffffffffff"
        second = self.peer(f"HELLO {other} name=alice")
        self.assertEqual(welcome(second).name, "alice-2")
        self.assertEqual(welcome(self.peer(f"HELLO {other} name=alice")).name, "alice-2")

    def test_name_is_kept_while_the_newer_connection_waits(self) -> None:
        newer = self.world.peer()
        self.older.say(frame("PUB lobby 7: x"))
        newer.say(frame(f"HELLO {SECRET}"))
        thief = self.world.peer()
        thief.say(frame("HELLO name=alice") + frame("PUB @alice: hi"))
        self.assertEqual(welcome(thief).name, "alice-2")
        self.assertEqual(self.heard(thief)[1:], ["ERR busy PUB @alice"])
        self.assertEqual(newer.frames(), [])
        self.settle()
        self.assertEqual(welcome(newer).name, "alice")

    def test_third_connection_meanwhile(self) -> None:
        second, third = self.world.peer(), self.world.peer()
        self.older.say(frame("PUB lobby 7: x"))
        second.say(frame(f"HELLO {SECRET}") + frame("PUB lobby 8: never"))
        third.say(frame(f"HELLO {SECRET}"))
        self.settle()
        self.assertEqual(self.heard(self.older), ["ACK 7 1", SUPERSEDED])
        self.assertEqual(self.heard(second), [SUPERSEDED])
        self.assertEqual((welcome(third).name, welcome(third).last_id), ("alice", 7))

    def test_older_connection_is_lost_meanwhile(self) -> None:
        newer = self.world.peer()
        self.older.say(frame("PUB lobby 7: x"))
        newer.say(frame(f"HELLO {SECRET}"))
        self.older.vanish()
        self.settle()
        self.assertEqual((welcome(newer).name, welcome(newer).last_id), ("alice", 7))

    def test_newer_connection_is_lost_meanwhile(self) -> None:
        newer = self.world.peer()
        self.older.say(frame("PUB lobby 7: x"))
        newer.say(frame(f"HELLO {SECRET}"))
        newer.vanish()
        self.settle()
        again = self.peer(f"HELLO {SECRET} name=alice")
        self.assertEqual((welcome(again).name, welcome(again).last_id), ("alice", 7))

    def test_older_connection_that_does_not_read_delays_nobody(self) -> None:
        stuck = self.peer("HELLO client=ffffffffffffffff", "SUB lobby", stuck=True)
        self.say(self.older, *[f"PUB lobby: {'x' * 60_000}"] * 3)
        newer = self.peer("HELLO client=ffffffffffffffff")
        self.assertEqual(welcome(newer).name, "guest-2")
        self.world.wait(40)
        self.assertTrue(stuck.aborted)

    def test_older_connection_that_is_held_loses_what_was_not_processed(self) -> None:
        self.older.protocol.hold()
        self.older.protocol.dataReceived(frame("PUB lobby 7: x"))
        newer = self.peer(f"HELLO {SECRET}")
        self.assertEqual(welcome(newer).last_id, 0)
        self.older.protocol.release()
        self.settle()
        self.assertEqual(self.heard(self.peer("SUB lobby from=0"))[0], "SUBBED lobby 0")

    def test_older_connection_that_waits_for_an_answer(self) -> None:
        self.older.say(frame("PUB lobby: x") + frame("SUB lobby since=0") + frame("PUB lobby 9: y"))
        newer = self.peer(f"HELLO {SECRET}", "PING")
        self.assertEqual(self.heard(newer)[-1], "PONG")
        self.assert_ended(self.older, by=SUPERSEDED)

    def test_server_stops_while_hello_waits(self) -> None:
        newer = self.world.peer()
        self.older.say(frame("PUB lobby 7: x"))
        newer.say(frame(f"HELLO {SECRET}"))
        stopped = ensureDeferred(self.world.server.drain())
        self.settle()
        self.assertEqual(self.heard(newer), ["BYE"])
        self.assertEqual(self.heard(self.older), ["ACK 7 1", SUPERSEDED])
        self.world.wait(3)
        self.settle()
        self.successResultOf(stopped)

    def test_client_that_comes_back_after_its_connection_has_ended(self) -> None:
        self.say(self.older, "PUB lobby 7: x", "BYE")
        self.assertEqual(welcome(self.peer(f"HELLO {SECRET}")).last_id, 7)

    def test_half_close_behind_a_hello_that_waits_is_processed_in_its_turn(self) -> None:
        newer = self.world.peer()
        self.older.say(frame("PUB lobby 7: x"))
        newer.say(frame(f"HELLO {SECRET}") + frame("PUB lobby 8: y") + frame("SUB lobby last=2"))
        newer.close_input()
        self.settle()
        heard = self.heard(newer)
        self.assertEqual(heard[0].split()[0], "WELCOME")
        self.assertEqual(
            sorted(heard[1:]),
            [
                "ACK 8 2",
                "LIVE lobby 2",
                "MSG lobby 1 alice: x",
                "MSG lobby 2 alice: y",
                "SUBBED lobby 2",
            ],
        )
        self.assertTrue(newer.closed)


class MemoryTakeovers(Takeovers, TypedCase):
    pass


class StoredTakeovers(Takeovers, StoredCase):
    def test_mark_is_known_after_the_store_is_opened_again(self) -> None:
        self.say(self.older, "PUB lobby 7: x")
        self.close_store()
        self.world = self.begin()
        newer = self.peer(f"HELLO {SECRET}", "PUB lobby 7: x", "PUB lobby 8: y")
        self.assertEqual((welcome(newer).name, welcome(newer).last_id), ("guest-1", 7))
        self.assertEqual(self.heard(newer)[1:], ["ACK 7 1 dup", "ACK 8 2"])

    def test_takeover_while_the_store_is_asked_for_the_mark(self) -> None:
        self.say(self.older, "PUB lobby 7: x")
        self.close_store()
        self.world = self.begin()
        first, second = self.world.peer(), self.world.peer()
        first.say(frame(f"HELLO {SECRET}"))
        second.say(frame(f"HELLO {SECRET}"))
        self.settle()
        self.assertEqual(self.heard(first), [SUPERSEDED])
        self.assertEqual(welcome(second).last_id, 7)

    def test_store_that_cannot_tell_the_mark(self) -> None:
        self.patch(self.world.server.house.commits._store, "mark", lambda *_: 1 // 0)
        alice = self.peer("HELLO client=ffffffffffffffff", "PING")
        self.assertEqual(self.heard(alice), ["ERR internal"])
        self.assert_ended(alice)

    def test_takeover_while_publishes_are_under_way(self) -> None:
        for number in (7, 8):
            self.older.say(frame(f"PUB lobby {number}: x"))
            self.world.turn()
        newer = self.world.typed(frame(f"HELLO {SECRET}"))
        self.step()
        self.assertEqual(self.heard(self.older), ["ACK 7 1"])
        self.assertEqual(newer.frames(), [])
        self.settle()
        self.assertEqual(self.heard(self.older), ["ACK 8 2", SUPERSEDED])
        self.assertEqual(welcome(newer).last_id, 8)

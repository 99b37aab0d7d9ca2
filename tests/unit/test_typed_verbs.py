"""What typed peers may say and what they are answered, in memory rooms and in stored ones."""

from __future__ import annotations

from tests.unit.conversing import StoredCase, TypedCase, frame
from tests.unit.world import EPOCH


class Verbs:
    """Every verb, in rooms of either kind."""

    def test_member_sees_its_own_messages_in_place(self) -> None:
        alice = self.peer("HELLO name=alice", "SUB lobby")
        bob = self.peer("HELLO name=bob", "SUB lobby")
        self.say(alice, "PUB lobby: one")
        self.say(bob, "PUB lobby: two")
        self.assertEqual(
            self.heard(alice)[1:],
            ["SUBBED lobby 0", "LIVE lobby 0", "MSG lobby 1 alice: one", "MSG lobby 2 bob: two"],
        )
        self.assertEqual(self.heard(bob)[3:], ["MSG lobby 1 alice: one", "MSG lobby 2 bob: two"])

    def test_time_of_a_message_is_in_milliseconds(self) -> None:
        self.world.clock.advance(1.5)
        alice = self.peer("SUB lobby", "PUB lobby: now")
        self.settle()
        self.assertEqual(alice.frames()[-1].words[4], str(EPOCH // 1000 + 1500))

    def test_publishing_needs_no_membership_and_has_no_answer(self) -> None:
        reader = self.peer("SUB lobby")
        self.heard(reader)
        alice = self.peer("PUB lobby: one", "PUB lobby: two", "PUB lobby: ", "PUB other: else")
        self.assertEqual(self.heard(alice), [])
        self.assertEqual(
            self.heard(reader),
            ["MSG lobby 1 guest-2: one", "MSG lobby 2 guest-2: two", "MSG lobby 3 guest-2"],
        )

    def test_repeated_header_goes_to_the_room_it_names(self) -> None:
        alice = self.peer("SUB a", "SUB b")
        self.heard(alice)
        said = ["PUB a: x", "PUB b: x", "PUB b: x", "PUB a: x", "PUB a 7: x", "PUB a: x"]
        heard = self.answers(alice, *said)
        self.assertEqual([each.split()[1] for each in heard if "MSG a" in each], ["a"] * 4)
        self.assertEqual([each.split()[1] for each in heard if "MSG b" in each], ["b"] * 2)

    def test_only_pub_publishes_whatever_stood_before_it(self) -> None:
        alice = self.peer("PUB lobby 1: x")
        self.heard(alice)
        heard = self.answers(alice, "SUB lobby 2: y", "WHO lobby 3: z", "ROOMS")
        self.assertEqual(heard[:2], ["ERR bad-args SUB lobby", "ERR bad-args WHO lobby"])
        self.assertEqual(self.answers(alice, "PUB lobby 2: w")[-1].split()[:2], ["ACK", "2"])
        bob = self.peer("SUB lobby from=0")
        self.assertEqual(
            [each.split()[-1] for each in self.heard(bob) if each.startswith("MSG")], ["x", "w"]
        )

    def test_a_room_whose_name_is_a_number_is_no_id(self) -> None:
        alice = self.peer("SUB 5", "SUB other", "PUB 5 4: x", "PUB other 5: y", "PUB 5 6: z")
        heard = [each.split() for each in self.heard(alice) if each.startswith("MSG")]
        self.assertEqual(
            sorted((words[1], words[-1]) for words in heard),
            [("5", "x"), ("5", "z"), ("other", "y")],
        )

    def test_keep_alive_is_no_message_whatever_stood_before_it(self) -> None:
        alice = self.peer("SUB lobby", "PUB lobby 1: one")
        self.heard(alice)
        for before in ("PUB lobby 2: two", "PUB lobby: three", "PING"):
            self.say(alice, before, "")
        self.assertEqual(
            [each for each in self.heard(alice) if each.startswith("MSG")],
            ["MSG lobby 2 guest-1: two", "MSG lobby 3 guest-1: three"],
        )

    def test_message_without_words_is_refused_whatever_stood_before_it(self) -> None:
        alice = self.peer("PUB lobby 1: one")
        self.heard(alice)
        self.assertEqual(self.answers(alice, ": plain"), ["ERR bad-args"])
        self.assertEqual(self.answers(alice, "PUB lobby: x", ": plain"), ["ERR bad-args"])

    def test_unsub_ends_the_messages_and_is_answered_always(self) -> None:
        alice = self.peer("SUB lobby")
        self.heard(alice)
        self.assertEqual(self.answers(alice, "UNSUB lobby"), ["UNSUBBED lobby"])
        self.assertEqual(self.answers(alice, "UNSUB lobby"), ["UNSUBBED lobby"])
        self.assertEqual(self.answers(alice, "UNSUB never", "PUB lobby: x"), ["UNSUBBED never"])

    def test_after_unsubbed_no_message_comes_even_of_what_was_said_before(self) -> None:
        alice = self.peer("SUB lobby")
        self.heard(alice)
        self.assertEqual(self.answers(alice, "PUB lobby: x", "UNSUB lobby"), ["UNSUBBED lobby"])

    def test_who(self) -> None:
        alice = self.peer("HELLO name=alice", "SUB lobby", "SUB lobby")
        self.peer("HELLO name=bob", "SUB lobby")
        self.heard(alice)
        self.assertEqual(self.answers(alice, "WHO lobby"), ['HERE lobby: ["alice","bob"]'])
        self.assertEqual(self.answers(alice, "WHO nowhere"), ["HERE nowhere: []"])

    def test_who_sees_plain_members_too(self) -> None:
        self.world.member()
        alice = self.peer("WHO lobby")
        self.assertEqual(self.heard(alice), ['HERE lobby: ["guest-1"]'])

    def test_rooms(self) -> None:
        alice = self.peer("SUB a", "PUB a: x", "PUB b: x", "SUB b")
        self.heard(alice)
        self.say(alice, "UNSUB b", "ROOMS")
        (rooms,) = (each.rooms for each in alice.replies() if hasattr(each, "rooms"))
        self.assertEqual(
            [(each["room"], each["head"] % EPOCH, each["members"]) for each in rooms],
            [("a", 1, 1), ("b", 1, 0)],
        )

    def test_lists_are_cut_at_the_payload_limit_and_say_so(self) -> None:
        if self.stored:
            self.close_store()
        self.world = self.begin(max_payload="36")
        for name in ("anna", "berta", "clara", "doris", "emil"):
            self.peer(f"HELLO name={name}", "SUB lobby", f"SUB {name}")
        alice = self.peer("WHO lobby", "ROOMS")
        here, rooms = self.heard(alice)
        self.assertEqual(here, 'HERE lobby cut=1: ["anna","berta","clara","doris"]')
        self.assertRegex(rooms, "^ROOMS cut=")

    def test_ping_gives_the_token_back_behind_everything_before(self) -> None:
        alice = self.peer("PUB lobby: x", "SUB lobby", "PING abc", "PING", "PONG", "PONG x")
        heard = [each for each in self.heard(alice) if each != "LIVE lobby 1"]
        self.assertEqual(heard, ["SUBBED lobby 1", "PONG abc", "PONG"])

    def test_any_frame_may_carry_a_payload(self) -> None:
        alice = self.peer("SUB lobby: text", "PING: text", "WHO lobby: text", "UNSUB lobby: text")
        self.assertEqual(
            [each.split()[0] for each in self.heard(alice)],
            ["SUBBED", "LIVE", "PONG", "HERE", "UNSUBBED"],
        )

    def test_plain_and_typed_members_hear_each_other(self) -> None:
        plain, alice = self.world.member(), self.peer("SUB lobby")
        self.heard(alice)
        self.say(alice, "PUB lobby: typed", "PUB lobby: !DISCONNECT!")
        self.world.say(plain, b"plain")
        self.settle()
        self.assertEqual(plain.payloads(), [b"typed"])
        self.assertEqual(
            self.heard(alice)[1:],
            ["MSG lobby 2 guest-2: !DISCONNECT!", "MSG lobby 3 guest-1: plain"],
        )


class Replays:
    """`SUB` and where it begins."""

    def setUp(self) -> None:
        super().setUp()
        self.peer("HELLO name=bob", *[f"PUB lobby: {number}" for number in (1, 2)])
        self.world.clock.advance(10)
        self.peer("HELLO name=carl", "PUB lobby: 3")
        self.first, self.second = "MSG lobby 1 bob: 1", "MSG lobby 2 bob: 2"
        self.third = "MSG lobby 3 carl: 3"

    def replay(self, options: str) -> list[str]:
        """Return what a newcomer is sent between `SUBBED` and `LIVE`, which tell the head."""
        heard = self.heard(self.peer(f"SUB lobby {options}"))
        self.assertEqual((heard[0], heard[-1]), ("SUBBED lobby 3", "LIVE lobby 3"))
        return heard[1:-1]

    def start(self, number: int) -> str:
        """Return the option that begins at a number."""
        return f"from={number if self.stored else EPOCH + number}"

    def test_without_options_it_begins_with_what_comes(self) -> None:
        self.assertEqual(self.replay(""), [])

    def test_from(self) -> None:
        self.assertEqual(self.replay(self.start(1)), [self.first, self.second, self.third])
        self.assertEqual(self.replay(self.start(2)), [self.second, self.third])
        self.assertEqual(self.replay(self.start(4)), [])

    def test_from_nought_is_everything_kept(self) -> None:
        self.assertEqual(self.replay("from=0"), [self.first, self.second, self.third])

    def test_from_what_is_yet_to_come_is_refused(self) -> None:
        alice = self.peer(f"SUB lobby {self.start(5)}", "PING")
        self.assertEqual(self.heard(alice), ["ERR bad-args SUB lobby", "PONG"])
        self.assertEqual(self.answers(alice, "WHO lobby"), ["HERE lobby: []"])

    def test_last(self) -> None:
        self.assertEqual(self.replay("last=2"), [self.second, self.third])
        self.assertEqual(self.replay("last=0"), [])
        self.assertEqual(self.replay("last=9"), [self.first, self.second, self.third])

    def test_since(self) -> None:
        begin = EPOCH // 1000
        self.assertEqual(self.replay(f"since={begin}"), [self.first, self.second, self.third])
        self.assertEqual(self.replay(f"since={begin + 1}"), [self.third])
        self.assertEqual(self.replay(f"since={begin + 10_000}"), [self.third])
        self.assertEqual(self.replay(f"since={begin + 10_001}"), [])
        self.assertEqual(self.replay("since=0"), [self.first, self.second, self.third])

    def test_since_in_a_room_that_begins_now(self) -> None:
        alice = self.peer("SUB new since=0", "PUB new: x")
        self.assertEqual([each.split()[0] for each in self.heard(alice)], ["SUBBED", "LIVE", "MSG"])

    def test_sub_again_moves_the_cursor_and_is_no_second_join(self) -> None:
        watcher = self.peer("SUB lobby presence=1")
        self.heard(watcher)
        alice = self.peer("HELLO name=alice", "SUB lobby")
        self.heard(alice)
        self.assertEqual(
            self.answers(alice, "SUB lobby last=1", "PUB lobby: 4"),
            ["SUBBED lobby 3", self.third, "LIVE lobby 3", "MSG lobby 4 alice: 4"],
        )
        self.assertEqual(self.heard(watcher), ["JOIN lobby alice", "MSG lobby 4 alice: 4"])

    def test_what_one_said_before_sub_is_before_it(self) -> None:
        alice = self.peer("HELLO name=alice", "PUB lobby: 4", "SUB lobby last=1", "PUB lobby: 5")
        self.assertEqual(
            self.heard(alice)[1:],
            ["SUBBED lobby 4", "MSG lobby 4 alice: 4", "LIVE lobby 4", "MSG lobby 5 alice: 5"],
        )

    def test_live_has_the_number_of_subbed_in_a_busy_room_too(self) -> None:
        alice = self.world.peer()
        busy = self.world.peer()
        busy.say(frame("PUB lobby: 4"))
        alice.say(frame("SUB lobby last=1"))
        busy.say(frame("PUB lobby: 5"))
        self.world.turn()
        while self.world.worker.pump():
            busy.say(frame("PUB lobby: more"))
            self.world.turn()
            if len(alice.frames()) > 6:
                break
        heard = self.heard(alice)
        head = heard[0].split()[-1]
        self.assertEqual(heard[0].split()[0], "SUBBED")
        live = heard.index(f"LIVE lobby {head}")
        seqs = [int(each.split()[2]) for each in heard if each.startswith("MSG")]
        self.assertEqual(seqs, list(range(int(head), int(head) + len(seqs))))
        self.assertEqual(heard[live - 1].split()[2], head)


class MemoryVerbs(Verbs, TypedCase):
    pass


class StoredVerbs(Verbs, StoredCase):
    pass


class MemoryReplays(Replays, TypedCase):
    pass


class StoredReplays(Replays, StoredCase):
    def test_members_see_a_message_only_when_it_is_stored(self) -> None:
        alice = self.peer("HELLO name=alice", "SUB lobby")
        self.heard(alice)
        self.begin_to_say(alice, "PUB lobby: 4")
        self.world.turn()
        self.world.worker.work()
        self.assertEqual(self.heard(alice), [])
        self.world.worker.report()
        self.assertEqual(self.heard(alice), ["MSG lobby 4 alice: 4"])

    def test_history_is_served_after_the_store_is_opened_again(self) -> None:
        self.close_store()
        self.world = self.begin()
        heard = self.heard(self.peer("SUB lobby from=2", "PUB lobby: 4"))
        self.assertEqual(
            heard,
            ["SUBBED lobby 3", self.second, self.third, "LIVE lobby 3", "MSG lobby 4 guest-1: 4"],
        )

    def test_session_that_is_lost_while_its_request_waits_is_no_member(self) -> None:
        alice = self.world.peer()
        alice.say(frame("SUB lobby since=5") + frame("PING"))
        self.world.turn()
        alice.vanish()
        self.settle()
        self.assertEqual(self.heard(self.peer("WHO lobby")), ["HERE lobby: []"])

    def test_answer_beyond_what_was_said_skips_nothing(self) -> None:
        self.patch(self.world.server.house.commits._store, "since", lambda *_: 99)
        alice = self.peer("SUB lobby since=5", "PUB lobby: 4")
        self.assertEqual(self.heard(alice)[-2:], ["LIVE lobby 3", "MSG lobby 4 guest-3: 4"])

    def test_store_that_cannot_answer_ends_who_asked(self) -> None:
        self.patch(self.world.server.house.commits._store, "since", lambda *_: 1 // 0)
        alice = self.peer("SUB lobby since=5", "PING")
        self.assert_ended(alice, by="ERR internal")
        self.assertEqual(self.heard(self.peer("PING")), ["PONG"])

    def test_damaged_message_ends_who_reads_it_and_nobody_else(self) -> None:
        self.close_store()
        self.world = self.begin()
        other = self.peer("SUB lobby", "PING")
        self.patch(self.world.server.house.commits._store, "piece", lambda *_: 1 // 0)
        alice = self.peer("SUB lobby from=1")
        self.assert_ended(alice, by="ERR internal")
        self.say(other, "PUB lobby: on")
        self.assertEqual(self.heard(other)[-1], "MSG lobby 4 guest-1: on")

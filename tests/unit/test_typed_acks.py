"""Ids: acknowledged when stored, counted once, and never acknowledged past a refusal."""

from __future__ import annotations

from tests.unit.conversing import SECRET, StoredCase, TypedCase, frame
from twisted_msg.log.store import StoreBroken, StoreFull
from twisted_msg.rooms import registry
from twisted_msg.session.clients import key_of


class Acknowledgements:
    """In rooms of either kind."""

    def test_ids_are_acknowledged_cumulatively(self) -> None:
        alice = self.peer("PUB lobby 1: a", "PUB lobby 2: b", "PUB lobby 9: c")
        self.assertEqual(self.heard(alice), ["ACK 9 3"])
        self.assertEqual(self.answers(alice, "PUB lobby 10: d"), ["ACK 10 4"])

    def test_ids_are_counted_over_all_rooms(self) -> None:
        alice = self.peer("PUB a 1: x", "PUB b 2: x", "PUB a 3: x")
        self.assertEqual(self.heard(alice)[-1], "ACK 3 2")
        self.assertEqual(self.answers(alice, "PUB b 2: x"), ["ACK 3 2 dup"])

    def test_not_before_the_end_of_the_turn(self) -> None:
        alice = self.world.peer()
        alice.say(frame("PUB lobby 1: a"))
        self.assertEqual(self.heard(alice), [])
        self.settle()
        self.assertEqual(self.heard(alice), ["ACK 1 1"])

    def test_what_is_stored_is_acknowledged_again_at_once_and_not_stored(self) -> None:
        alice = self.peer("SUB lobby", "PUB lobby 5: a")
        self.heard(alice)
        self.begin_to_say(alice, "PUB lobby 5: a")
        self.assertEqual(self.heard(alice), ["ACK 5 1 dup"])
        self.begin_to_say(alice, "PUB lobby 3: lower")
        self.assertEqual(self.heard(alice), ["ACK 5 1 dup"])
        self.settle()
        self.assertEqual(self.heard(alice), [])

    def test_what_is_not_stored_yet_is_covered_by_the_coming_acknowledgement(self) -> None:
        alice = self.peer("SUB lobby")
        self.heard(alice)
        heard = self.answers(alice, "PUB lobby 5: a", "PUB lobby 5: a", "PUB lobby 4: b")
        self.assertEqual(sorted(heard), ["ACK 5 1", "MSG lobby 1 guest-1: a"])

    def test_highest_id_and_the_lowest(self) -> None:
        self.assertEqual(self.heard(self.peer(f"PUB lobby {2**63 - 1}: x")), [f"ACK {2**63 - 1} 1"])
        self.assertEqual(self.heard(self.peer("PUB lobby 1: x")), ["ACK 1 2"])

    def test_ids_of_other_connections_are_others(self) -> None:
        self.peer("PUB lobby 5: x")
        self.assertEqual(self.heard(self.peer("PUB lobby 1: y")), ["ACK 1 2"])

    def test_unread_acknowledgements_are_one(self) -> None:
        alice = self.peer("SUB lobby", stuck=True)
        for number in range(1, 200):
            self.say(alice, f"PUB lobby {number}: {'x' * 1000}")
        alice.read_on()
        self.settle()
        acks = [each for each in self.heard(alice) if each.startswith("ACK")]
        self.assertLess(len(acks), 100)
        self.assertEqual(acks[-1], "ACK 199 199")

    def test_refused_publish_with_an_id_ends_the_connection(self) -> None:
        for refused, error in (
            ("PUB a/b 2: x", "ERR bad-room PUB 2"),
            ("PUB @a/b 2: x", "ERR bad-name PUB 2"),
            ("PUB lobby 0: x", "ERR bad-args PUB 0"),
            ("PUB lobby two: x", "ERR bad-args PUB two"),
            ("PUB lobby 2 3: x", "ERR bad-args PUB 2"),
            (f"PUB lobby {2**63}: x", f"ERR bad-args PUB {2**63}"),
            (f"PUB lobby 2: {'x' * 1_048_577}", "ERR too-large PUB 2"),
        ):
            lines = ("PUB lobby 1: a", refused, "PUB lobby 3: never", "PING")
            alice = self.peer("SUB other", *lines)
            heard = self.heard(alice)[2:]
            self.assertEqual([each.split()[0] for each in heard], ["ACK", "ERR"], refused)
            self.assertTrue(heard[0].startswith("ACK 1 "))
            self.assertEqual(heard[1], error)
            self.assert_ended(alice)
        self.assertNotIn("never", str(self.heard(self.peer("SUB lobby from=0"))))

    def test_it_does_so_behind_a_header_that_is_remembered(self) -> None:
        alice = self.peer("PUB lobby 1: a", "PUB lobby 2: b", "PUB lobby x: c", "PUB lobby 4: d")
        self.assertEqual(self.heard(alice), ["ACK 2 2", "ERR bad-args PUB x"])
        self.assert_ended(alice)

    def test_refused_id_is_not_spent(self) -> None:
        self.peer(f"HELLO {SECRET}", "PUB lobby 1: a", "PUB a/b 2: x", "PUB lobby 3: never")
        alice = self.peer(f"HELLO {SECRET}")
        self.assertEqual(alice.frames()[0].words[2], "1")
        self.heard(alice)
        self.assertEqual(self.answers(alice, "PUB lobby 2: b"), ["ACK 2 2"])

    def test_no_room_for_a_room_refuses_the_id(self) -> None:
        alice = self.peer("PUB lobby 1: a")
        self.heard(alice)
        self.patch(registry, "ROOMS_LIMIT", 1)
        heard = self.answers(alice, "SUB more", "PUB more: x", "PUB more 2: x", "PUB lobby 3: x")
        self.assertEqual(heard, ["ERR limit SUB more", "ERR limit PUB more", "ERR limit PUB 2"])
        self.assert_ended(alice)

    def test_refused_publish_without_an_id_leaves_the_connection_open(self) -> None:
        alice = self.peer("PUB a/b: x", "PUB @a/b: x", "PUB", "PING")
        self.assertEqual(
            self.heard(alice),
            ["ERR bad-room PUB a/b", "ERR bad-name PUB @a/b", "ERR bad-args PUB", "PONG"],
        )


class MemoryAcknowledgements(Acknowledgements, TypedCase):
    pass


class StoredAcknowledgements(Acknowledgements, StoredCase):
    def test_not_before_the_store_has_it(self) -> None:
        alice = self.world.typed(frame("PUB lobby 1: a"))
        self.world.worker.work()
        self.assertEqual(self.heard(alice), [])
        self.world.worker.report()
        self.assertEqual(self.heard(alice), ["ACK 1 1"])

    def test_duplicate_of_what_is_being_stored(self) -> None:
        alice = self.world.typed(frame("PUB lobby 1: a"))
        alice.say(frame("PUB lobby 2: b"))
        self.world.turn()
        self.step()
        self.assertEqual(self.heard(alice), ["ACK 1 1"])
        alice.say(frame("PUB lobby 1: a"))
        self.assertEqual(self.heard(alice), [])  # 2 is received and not stored
        self.settle()
        self.assertEqual(self.heard(alice), ["ACK 2 2"])

    def test_refusal_waits_for_what_came_before(self) -> None:
        alice = self.world.typed(frame("PUB lobby 1: a"), frame("PUB a/b 2: x"))
        self.assertEqual(self.heard(alice), [])
        self.settle()
        self.assertEqual(self.heard(alice), ["ACK 1 1", "ERR bad-room PUB 2"])
        self.assert_ended(alice)

    def test_failed_write_says_nothing_to_anybody(self) -> None:
        alice = self.peer("SUB lobby")
        self.heard(alice)
        self.break_store(lambda: StoreBroken("no"))
        self.assertEqual(self.answers(alice, "PUB lobby 1: a", "PING"), ["PONG"])
        self.assertEqual(len(self.world.broken), 1)


class FullDisk(StoredCase):
    """A store that has no room: nothing is acknowledged, and trying later is right."""

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.peer(f"HELLO {SECRET} name=alice", "PUB lobby 1: a", "SUB lobby")
        self.heard(self.alice)
        self.break_store(lambda: StoreFull("full"))

    def test_busy_and_closed_with_nothing_acknowledged(self) -> None:
        heard = self.answers(self.alice, "PUB lobby 2: b", "PUB lobby 3: c", "PING")
        self.assertEqual(heard, ["PONG", "ERR busy PUB"])
        self.assert_ended(self.alice)
        self.assertEqual(self.world.broken, [])

    def test_retry_after_reconnecting_stores_once(self) -> None:
        self.say(self.alice, "PUB lobby 2: b")
        self.mended.restore()
        again = self.peer(f"HELLO {SECRET}")
        self.assertEqual(again.frames()[0].words[2], "1")
        self.heard(again)
        self.assertEqual(self.answers(again, "PUB lobby 2: b", "PUB lobby 2: b"), ["ACK 2 2"])
        heard = self.heard(self.peer("SUB lobby from=1"))
        self.assertEqual(len([each for each in heard if each.startswith("MSG")]), 2)

    def test_who_was_leaving_is_told_too(self) -> None:
        heard = self.answers(self.alice, "PUB lobby 2: b", "BYE")
        self.assertEqual(heard, ["ERR busy PUB"])
        self.assert_ended(self.alice)

    def test_who_half_closed_is_told_too(self) -> None:
        self.begin_to_say(self.alice, "PUB lobby 2: b")
        self.alice.close_input()
        self.settle()
        self.assertEqual(self.heard(self.alice), ["ERR busy PUB"])
        self.assertTrue(self.alice.closed)

    def test_nothing_is_processed_behind_what_was_refused(self) -> None:
        self.close_store()
        self.world = self.begin(memory_room=["quick"])
        lumps = [f"PUB quick: {'x' * 60_000}"] * 90  # more than a memory room takes
        bob = self.world.peer(stuck=True)
        bob.say(frame(f"HELLO {SECRET}"))
        self.settle()
        self.break_store(lambda: StoreFull("full"))
        said = ("SUB quick", "PUB lobby 2: refused", *lumps, "PUB lobby 3: held")
        bob.say(b"".join(map(frame, said)))
        self.world.turn()
        self.assertFalse(bob.reading)
        self.step()  # the refusal takes it out of the room, so that the others go on
        self.mended.restore()
        self.settle()
        bob.read_on()
        self.assert_ended(bob, by="ERR busy PUB")
        again = self.peer(f"HELLO {SECRET}", "PUB lobby 2: b", "PUB lobby 3: c")
        self.assertEqual(again.frames()[0].words[2], "1")
        self.assertEqual(self.heard(again)[1:], ["ACK 3 3"])

    def test_nothing_is_read_between_a_full_disk_and_the_refusal(self) -> None:
        self.close_store()
        self.world = self.begin(memory_room=["quick"])
        member, alice = self.peer("SUB quick"), self.peer(f"HELLO {SECRET}")
        self.heard(member)
        self.break_store(lambda: StoreFull("full"))
        alice.say(frame("PUB lobby 2: refused"))
        self.world.turn()
        self.world.worker.pump()  # it is told at the end of this turn
        self.assertFalse(alice.reading)
        alice.protocol.dataReceived(frame("PUB quick: behind") * 2)  # was read already
        self.settle()
        self.assertEqual(self.heard(member), [])
        self.assert_ended(alice, by="ERR busy PUB")

    def test_what_needs_no_disk_is_not_heard_behind_what_was_refused(self) -> None:
        self.close_store()
        self.world = self.begin(memory_room=["quick"])
        member = self.peer("SUB quick")
        bob = self.peer("HELLO name=bob")
        self.heard(member)
        alice = self.peer(f"HELLO {SECRET} name=alice")
        self.break_store(lambda: StoreFull("full"))
        said = ("PUB lobby 2: refused", "PUB quick 3: behind", "PUB @bob 4: behind")
        alice.say(b"".join(map(frame, said)))
        self.settle()
        self.assert_ended(alice, by="ERR busy PUB")
        self.mended.restore()
        again = self.peer(f"HELLO {SECRET} name=alice", *said)
        self.assertEqual(self.heard(again)[-1], "ACK 4 1")
        self.assertEqual(self.heard(member), ["MSG quick 1 alice: behind"])
        self.assertEqual(self.heard(bob)[1:], ["MSG @bob 1 alice: behind"])
        reader = self.peer("SUB lobby from=2")
        self.assertIn("MSG lobby 2 alice: refused", self.heard(reader))

    def test_what_a_memory_room_took_before_the_refusal_is_received(self) -> None:
        self.close_store()
        self.world = self.begin(memory_room=["quick"])
        member = self.peer("SUB quick")
        alice = self.peer(f"HELLO {SECRET} name=alice")
        bob = self.peer()
        self.heard(member)
        self.break_store(lambda: StoreFull("full"))
        self.begin_to_say(bob, "PUB lobby 1: on its way to the disk")
        self.world.turn()
        said = ("PUB quick 2: heard", "PUB lobby 3: refused")
        self.begin_to_say(alice, *said)
        self.world.worker.pump()  # the disk is full, before the memory room's turn has ended
        early = self.world.peer()
        self.begin_to_say(early, f"HELLO {SECRET}")
        self.settle()
        self.assertEqual(early.frames()[0].words[2], "2")
        self.assert_ended(alice)
        self.mended.restore()
        known = self.world.server.house.clients._clients[key_of(SECRET.removeprefix("client="))]
        self.assertEqual((known.mark.id, known.mark.received), (2, 2))  # type: ignore[union-attr]
        again = self.peer(f"HELLO {SECRET} name=alice")  # for whom the server would wait for ever
        self.assertEqual(again.frames()[0].words[2], "2")
        self.assertEqual(self.answers(again, *said)[-1], "ACK 3 2")
        self.assertEqual(self.heard(member), ["MSG quick 1 alice: heard"])

    def test_no_room_any_more_for_what_waited_refuses_the_id(self) -> None:
        self.close_store()
        self.world = self.begin(memory_room=["quick"])
        self.peer("SUB quick", "UNSUB quick")
        alice = self.world.peer()
        alice.say(frame("PUB lobby 1: a") + frame("PUB quick 2: x") + frame("PUB lobby 3: y"))
        self.world.rooms.sweep()  # while the store works, its room ends and others take its place
        self.patch(registry, "ROOMS_LIMIT", 1)
        self.settle()
        self.assertEqual(self.heard(alice), ["ACK 1 2", "ERR limit PUB 2"])
        self.assert_ended(alice)

    def test_refusal_of_one_does_not_let_another_go_on(self) -> None:
        self.close_store()
        self.world = self.begin(memory_room=["quick"])
        alice, bob = self.world.peer(stuck=True), self.world.peer()
        alice.say(frame("SUB quick"))
        bob.say(frame(f"HELLO {SECRET}"))
        self.settle()
        self.break_store(lambda: StoreFull("full"))
        alice.say(frame("PUB lobby 1: refused"))
        lumps = [f"PUB quick: {'x' * 60_000}"] * 90  # they wait for Alice, who does not read
        said = ("PUB lobby 2: refused", *lumps, "PUB lobby 3: held")
        bob.say(b"".join(map(frame, said)))
        self.world.turn()
        self.assertFalse(bob.reading)
        self.step()
        self.mended.restore()
        self.settle()
        self.assert_ended(bob, by="ERR busy PUB")
        again = self.peer(f"HELLO {SECRET}")
        self.assertEqual(again.frames()[0].words[2], "1")

    def test_who_was_superseded_is_told_that(self) -> None:
        self.begin_to_say(self.alice, "PUB lobby 2: b")
        again = self.peer(f"HELLO {SECRET}")
        self.assertEqual(self.heard(self.alice), ["ERR superseded"])
        self.assert_ended(self.alice)
        self.assertEqual(again.frames()[0].words[1:3], ("alice", "1"))

    def test_who_is_gone_is_forgotten(self) -> None:
        self.begin_to_say(self.alice, "PUB lobby 2: b")
        self.alice.vanish()
        self.settle()
        self.mended.restore()
        again = self.peer(f"HELLO {SECRET}")
        self.assertEqual(again.frames()[0].words[2], "1")

    def test_plain_peer_is_told(self) -> None:
        plain = self.world.member()
        self.world.say(plain, b"for the disk")
        self.settle()
        self.assertRegex(plain.payloads()[0], b"^!ERROR! busy ")
        self.assertTrue(plain.half_closed)

    def test_plain_peer_that_says_goodbye_is_told(self) -> None:
        plain = self.world.member()
        self.world.say(plain, b"for the disk", b"!DISCONNECT!")
        self.settle()
        self.assertRegex(plain.payloads()[0], b"^!ERROR! busy ")

    def test_readers_stay(self) -> None:
        reader = self.peer("SUB lobby from=1")
        self.peer("PUB lobby 1: refused")
        self.mended.restore()
        self.peer("PUB lobby 1: taken")
        self.assertEqual(
            self.heard(reader),
            [
                "SUBBED lobby 1",
                "MSG lobby 1 alice: a",
                "LIVE lobby 1",
                "MSG lobby 2 guest-4: taken",
            ],
        )

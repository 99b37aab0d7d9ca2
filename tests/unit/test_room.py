"""What every room does, whether it is stored or not: one suite, run for both kinds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.crowd import PLAIN, TYPED, FakeStore, Home, Peer, Speaker
from twisted_msg.log.piece import PIECE_SIZE
from twisted_msg.rooms import room as rooms
from twisted_msg.rooms.room import Room
from twisted_msg.wire.replies import Live, Missed, Msg

settings.register_profile("unit", derandomize=True, deadline=None, database=None)
settings.load_profile("unit")


class RoomBehaviour:
    """The suite; `home` makes what rooms live in, `drop` forgets a room's oldest pieces."""

    durable: bool

    def home(self) -> Home:
        raise NotImplementedError

    def drop(self, pieces: int) -> None:
        raise NotImplementedError

    def setUp(self) -> None:
        self.house = self.home()
        self.room = self.house.rooms.open("lobby")
        self.base = self.room.head
        self.speaker = Speaker()

    def say(self, *payloads: bytes) -> None:
        """Say something and have it accepted, as one batch."""
        self.speaker.say(self.room, *payloads)
        self.house.work()

    def seqs(self, *numbers: int) -> list[int]:
        """Sequence numbers, counted from where the room began."""
        return [self.base + number for number in numbers]

    def begin(self, peer: Peer) -> None:
        """Have a peer take once, what it takes being fetched before if need be."""
        while not peer.data:
            peer.read(1)
            self.house.work()

    # -- what is said is seen ------------------------------------------------

    def test_members_see_what_is_said_in_the_order_of_saying(self) -> None:
        peers = [Peer(1), Peer(2, view=PLAIN)]
        for peer in peers:
            peer.join(self.room)
        other = Speaker(101)
        for at in range(5):
            self.speaker.say(self.room, b"%d" % (2 * at))
            other.say(self.room, b"%d" % (2 * at + 1))
            if at % 2:
                self.house.work()
        self.house.work()
        for peer in peers:
            self.assertEqual(peer.payloads, [b"%d" % n for n in range(10)])
        self.assertEqual(peers[0].seqs, self.seqs(*range(1, 11)))

    def test_nothing_is_seen_before_it_is_accepted(self) -> None:
        peer = Peer(1)
        peer.join(self.room)
        self.speaker.say(self.room, b"x")
        self.assertEqual((self.room.received, self.room.head), (self.base + 1, self.base))
        self.assertFalse(self.room.quiet)
        self.assertEqual((peer.data, self.speaker.acks), (b"", []))
        self.house.work()
        self.assertTrue(self.room.quiet)
        self.assertEqual(self.room.head, self.base + 1)
        self.assertEqual(self.speaker.acks, [(1, self.base + 1)])
        self.assertEqual(peer.seqs, self.seqs(1))

    def test_plain_members_do_not_see_their_own_messages_and_typed_ones_do(self) -> None:
        plain, typed = Peer(100, view=PLAIN), Peer(100)
        plain.join(self.room)
        typed.join(self.room)
        other = Speaker(101)
        self.speaker.say(self.room, b"mine")
        other.say(self.room, b"another's")
        self.speaker.say(self.room, b"mine too")
        self.house.work()
        self.assertEqual(plain.payloads, [b"another's"])
        self.assertEqual(typed.seqs, self.seqs(1, 2, 3))

    def test_plain_members_are_not_shown_words_of_the_server(self) -> None:
        plain, typed = Peer(1, view=PLAIN), Peer(2)
        plain.join(self.room)
        typed.join(self.room)
        self.say(b"!DISCONNECT!")
        self.say(b"!ERROR! you fell")
        self.say(b"x", b"", b"y")
        self.assertEqual(plain.payloads, [b"x", b"y"])
        self.assertEqual(len(typed.seqs), 5)

    def test_who_joins_sees_what_is_said_from_then_on(self) -> None:
        self.say(b"before")
        self.speaker.say(self.room, b"on its way")
        peer = Peer(1, view=PLAIN)
        peer.join(self.room)
        self.speaker.say(self.room, b"after")
        self.house.work()
        self.assertEqual(peer.payloads, [b"after"])

    def test_one_time_of_day_is_given_to_a_batch_and_never_goes_back(self) -> None:
        peer = Peer(1)
        peer.join(self.room)
        self.house.clock.advance(5)
        self.say(b"a", b"b")
        self.house.back = 3_000_000
        self.say(b"c")
        self.house.clock.advance(4)
        self.say(b"d")
        millis = [reply.millis for reply in peer.replies if isinstance(reply, Msg)]
        start = self.house.now() // 1000 - 6000
        self.assertEqual(millis, [start + 5000, start + 5000, start + 5000, start + 6000])

    # -- replay --------------------------------------------------------------

    def test_replay_begins_at_any_number(self) -> None:
        self.say(b"1", b"2")
        self.say(b"3")
        self.say(b"4", b"5", b"6")
        for start in range(1, 8):
            peer = Peer(start)
            peer.join(self.room, self.base + start)
            self.house.work()
            self.assertEqual(peer.seqs, self.seqs(*range(start, 7)), start)
            peer.cursor.leave()

    def test_a_marker_stands_between_replay_and_what_is_live(self) -> None:
        self.say(b"1", b"2")
        self.say(b"3")
        peer = Peer(1, reads=False)
        cursor = peer.join(self.room, self.base + 2)
        head = self.room.head
        cursor.marker, cursor.marker_at = Live("lobby", head).encode(), head
        self.say(b"4")
        peer.reads = True
        peer.read()
        self.house.work()
        kinds = [r.seq if isinstance(r, Msg) else r for r in peer.replies]
        self.assertEqual(kinds, [*self.seqs(2, 3), Live("lobby", head), self.base + 4])

    def test_a_marker_comes_at_once_where_nothing_is_to_be_replayed(self) -> None:
        peer = Peer(1)
        cursor = peer.join(self.room)
        cursor.marker, cursor.marker_at = Live("lobby", self.base).encode(), self.base
        self.assertFalse(cursor.done)
        peer.wake(cursor)
        self.assertEqual(peer.replies, [Live("lobby", self.base)])

    def test_what_is_no_longer_kept_is_told(self) -> None:
        for text in (b"1", b"2", b"3", b"4"):
            self.say(text)
        self.drop(3)
        self.assertEqual(self.room.first, self.base + 4)
        peer = Peer(1)
        peer.join(self.room, self.base + 2)
        self.house.work()
        self.assertEqual(peer.gaps, [(self.base + 2, self.base + 3)])
        self.assertEqual(peer.seqs, self.seqs(4))

    def test_what_is_no_longer_kept_is_told_when_nothing_is_left(self) -> None:
        self.say(b"1")
        self.say(b"2")
        self.drop(2)
        self.assertEqual((self.room.first, self.room.head), (self.base + 3, self.base + 2))
        peer = Peer(1)
        peer.join(self.room, self.base + 1)
        self.house.work()
        self.assertEqual(peer.replies, [Missed("lobby", self.base + 1, self.base + 2)])
        self.say(b"3")
        self.assertEqual(peer.seqs, self.seqs(3))

    def test_a_plain_member_that_missed_messages_is_let_go(self) -> None:
        for text in (b"1", b"2", b"3"):
            self.say(text)
        self.drop(2)
        peer = Peer(1, view=PLAIN)
        cursor = peer.join(self.room, self.base + 1)
        self.house.work()
        self.assertEqual((peer.missed, peer.data), (2, b""))
        self.assertTrue(cursor.ended and cursor.done)
        self.assertEqual(list(self.room.names()), [])

    # -- limits --------------------------------------------------------------

    def test_a_cursor_that_stops_reads_what_was_said_up_to_then(self) -> None:
        peer = Peer(1)
        cursor = peer.join(self.room)
        self.speaker.say(self.room, b"1")
        cursor.stop()
        cursor.stop()
        self.assertFalse(cursor.done)
        self.house.work()
        self.assertTrue(cursor.done)
        self.say(b"2")
        self.assertEqual(peer.seqs, self.seqs(1))
        cursor.leave()
        cursor.leave()
        cursor.stop()

    def test_a_cursor_that_stops_owes_its_marker_too(self) -> None:
        self.say(b"1")
        peer = Peer(1, reads=False)
        cursor = peer.join(self.room, self.base + 1)
        cursor.marker, cursor.marker_at = b"marker", self.base + 1
        cursor.stop()
        self.begin(peer)
        self.assertFalse(cursor.done)
        peer.read()
        self.assertTrue(cursor.done)
        self.assertTrue(peer.data.endswith(b"marker"))

    def test_a_cursor_with_nothing_to_read_has_done_when_it_stops(self) -> None:
        cursor = Peer(1).join(self.room)
        self.assertFalse(cursor.done)
        cursor.stop()
        self.assertTrue(cursor.done)

    # -- frames that are begun -----------------------------------------------

    def test_a_cursor_that_stops_and_is_asked_early_reads_what_it_is_owed_later(self) -> None:
        peer = Peer(1)
        cursor = peer.join(self.room)
        self.speaker.say(self.room, b"1")
        cursor.stop()
        peer.wake(cursor)  # nothing is accepted yet
        self.assertFalse(cursor.done)
        self.house.work()
        self.assertEqual(peer.payloads, [b"1"])
        self.assertTrue(cursor.done)

    def test_a_large_frame_is_taken_in_slices(self) -> None:
        peer = Peer(1, reads=False)
        cursor = peer.join(self.room)
        payload = bytes(range(256)) * 1000
        self.say(payload)
        sizes = []
        while data := cursor.take():
            sizes.append(len(data))
            peer.data += data
            self.assertEqual(cursor.mid_frame, len(peer.data) < len(payload) + 128)
        self.assertEqual(max(sizes), PIECE_SIZE)
        self.assertEqual(peer.payloads, [payload])
        self.say(b"next")
        peer.read()
        self.assertEqual(peer.payloads, [payload, b"next"])

    def test_who_leaves_inside_a_frame_takes_its_rest_and_nothing_more(self) -> None:
        peer = Peer(1, reads=False)
        cursor = peer.join(self.room)
        payload = bytes(3 * PIECE_SIZE)
        self.say(payload)
        self.say(b"next")
        self.begin(peer)
        cursor.leave()
        self.assertTrue(cursor.ended and cursor.mid_frame)
        self.assertFalse(cursor.done)
        peer.reads = True
        peer.read()
        self.assertEqual(peer.payloads, [payload])
        self.assertTrue(cursor.done)

    def test_who_has_left_is_woken_no_more(self) -> None:
        peer = Peer(1)
        cursor = peer.join(self.room)
        self.speaker.say(self.room, b"x")
        cursor.leave()
        self.house.work()
        self.assertFalse(peer.awake)
        self.assertEqual(cursor.take(), b"")
        peer.join(self.room).leave()

    def one_turn_of_many(self, messages: int = 2) -> tuple[list[Peer], deque[Callable[[], None]]]:
        """Send seven peers more than one turn can deliver; return the peers and the turns to come.

        `messages` is the number of messages that one turn can deliver.
        """
        self.patch(rooms, "TURN_BYTES", messages * 60_000)
        peers = [Peer(number) for number in range(7)]
        for peer in peers:
            peer.join(self.room)
        later: deque[Callable[[], None]] = deque()
        self.room._soon = later.append
        self.speaker.say(self.room, b"x" * 60_000)
        self.house.work()
        while not any(peer.data for peer in peers):
            later.popleft()()
        return peers, later

    def test_much_for_many_is_sent_in_several_turns(self) -> None:
        """What one turn has no time for comes in the next ones: all of it, once, in order."""
        peers, later = self.one_turn_of_many()
        portion = [bool(peer.data) for peer in peers]
        self.assertEqual(portion, sorted(portion, reverse=True))
        self.assertIn(sum(portion), (1, 2))
        peers[5].cursor.leave()
        self.speaker.say(self.room, b"y")
        self.house.work()
        turns = 0
        while later:
            later.popleft()()
            turns += 1
            self.house.work()
        self.assertGreater(turns, 0)
        for number, peer in enumerate(peers):
            self.assertEqual(peer.seqs, [] if number == 5 else self.seqs(1, 2))
            self.assertTrue(number == 5 or peer.cursor.idle)

    def test_a_turn_reaches_as_many_as_it_has_time_for(self) -> None:
        peers, _ = self.one_turn_of_many(5)
        self.assertIn(sum(bool(peer.data) for peer in peers), (4, 5))

    def test_nobody_comes_before_those_who_wait_for_their_turn(self) -> None:
        """Who had their turn get what was said since behind those who had none yet."""
        peers, later = self.one_turn_of_many()
        served = [peer for peer in peers if peer.seqs]
        self.assertLess(len(served), len(peers) - 2)
        self.speaker.say(self.room, b"y")
        self.house.work()
        while later:
            later.popleft()()
            self.house.work()
            if not all(peer.seqs for peer in peers):
                self.assertEqual([peer.seqs for peer in served], [self.seqs(1)] * len(served))
        self.assertEqual([peer.seqs for peer in peers], [self.seqs(1, 2)] * len(peers))

    def test_who_leaves_because_another_was_woken_is_not_woken(self) -> None:
        first, second = Peer(1), Peer(2)
        first.join(self.room)
        second.join(self.room)
        self.patch(first, "wake", lambda cursor: second.cursor.leave())  # type: ignore[attr-defined]
        self.patch(second, "wake", lambda cursor: self.fail("it has left"))  # type: ignore[attr-defined]
        self.say(b"x")
        self.assertTrue(second.cursor.ended)

    # -- who is there --------------------------------------------------------

    def test_names_are_told_in_the_order_of_coming(self) -> None:
        for name in ("carol", "alice", "bob"):
            Peer(len(name), name).join(self.room)
        self.assertEqual(list(self.room.names()), ["carol", "alice", "bob"])

    def test_those_who_watch_are_told_who_comes_and_goes(self) -> None:
        watcher, other = Peer(1, "watcher"), Peer(2, "other")
        cursor = watcher.join(self.room)
        Peer(3, "unseen").join(self.room)
        self.room.watch(cursor)
        other.join(self.room).leave()
        self.assertEqual(watcher.presences, [("other", True), ("other", False)])
        cursor.leave()
        self.assertEqual(len(watcher.presences), 2)
        other.join(self.room)
        self.assertEqual(len(watcher.presences), 2)

    def test_who_has_left_watches_no_more(self) -> None:
        watcher, other = Peer(1), Peer(2)
        for peer in (watcher, other):
            self.room.watch(peer.join(self.room))
        self.assertEqual(self.room.watched, 2)
        watcher.cursor.leave()
        self.assertEqual(self.room.watched, 1)

    def test_who_joins_again_moves_its_place_and_nobody_hears_of_it(self) -> None:
        watcher, peer = Peer(1), Peer(2)
        self.room.watch(watcher.join(self.room))
        self.say(b"1", b"2")
        before = peer.join(self.room)
        after = peer.join(self.room, self.base + 2, instead=before)
        self.house.work()
        self.assertTrue(before.ended)
        self.assertFalse(after.ended)
        self.assertEqual(watcher.presences, [(peer.name, True)])
        self.assertEqual(list(self.room.names()), [watcher.name, peer.name])
        self.assertEqual(peer.seqs, self.seqs(2))

    def test_who_joins_again_after_its_end_has_come_anew(self) -> None:
        watcher, peer = Peer(1), Peer(2)
        self.room.watch(watcher.join(self.room))
        before = peer.join(self.room)
        before.leave()
        peer.join(self.room, instead=before)
        self.assertEqual([here for _, here in watcher.presences], [True, False, True])

    def test_who_is_behind_hears_of_comers_when_it_has_caught_up(self) -> None:
        watcher = Peer(1, reads=False)
        self.room.watch(watcher.join(self.room))
        watcher.read()
        self.say(b"x")
        Peer(2).join(self.room).leave()
        self.assertEqual((watcher.presences, watcher.refreshed), ([], 0))
        watcher.read()
        self.assertEqual((watcher.presences, watcher.refreshed), ([], 1))
        Peer(3, "late").join(self.room)
        self.assertEqual((watcher.presences, watcher.refreshed), ([("late", True)], 1))

    def test_who_is_refreshed_because_somebody_came_is_told_of_that_one(self) -> None:
        watcher = Peer(1, "watcher")
        self.room.watch(watcher.join(self.room))
        watcher.deaf = True
        seen: list[list[str]] = []

        def refresh(_: object) -> None:
            seen.append([*self.room.names()])

        with mock.patch.object(watcher, "refresh", refresh):
            Peer(2, "late").join(self.room)
        self.assertEqual(seen, [["watcher", "late"]])

    def test_who_cannot_be_told_is_refreshed(self) -> None:
        watcher = Peer(1, reads=False)
        self.room.watch(watcher.join(self.room))
        watcher.read()
        watcher.deaf = True
        Peer(2).join(self.room)
        self.assertTrue(watcher.awake)
        watcher.read()
        self.assertEqual(watcher.refreshed, 1)

    # -- settling ------------------------------------------------------------

    def test_a_settled_room_shows_all_that_was_said(self) -> None:
        seen: list[int] = []
        self.room.settle(lambda: seen.append(self.room.head))
        self.assertEqual(seen, [self.base])
        self.speaker.say(self.room, b"1")
        self.room.settle(lambda: seen.append(self.room.head))
        self.house.work()
        self.assertEqual(seen, [self.base, self.base + 1])

    def test_who_settles_while_acknowledgements_are_given_waits_for_the_rest(self) -> None:
        """What an acknowledgement lets a peer say next may come back before members are told."""
        peer, heads = Peer(1), []
        peer.join(self.room)

        def stored(number: int, seq: int) -> None:
            if number == 1:
                self.room.settle(lambda: heads.append(self.room.head))
                self.speaker.say(self.room, b"2")
                self.room.settle(lambda: heads.append(self.room.head))

        self.patch(self.speaker, "stored", stored)  # type: ignore[attr-defined]
        self.say(b"1")
        self.assertEqual(peer.seqs, self.seqs(1, 2))
        self.assertEqual(heads, self.seqs(1, 2))

    # -- the step from replay to what is live --------------------------------

    def test_replay_and_live_delivery_lose_and_repeat_nothing(self) -> None:
        step = st.one_of(
            st.tuples(st.just("say"), st.integers(1, 3)),
            st.tuples(st.sampled_from(["turn", "work", "report", "leave"]), st.just(0)),
            st.tuples(st.just("join"), st.integers(0, 6)),
            st.tuples(st.just("take"), st.integers(1, 4)),
        )
        given(st.lists(step, max_size=60))(self.check_steps)()

    def check_steps(self, steps: list[tuple[str, int]]) -> None:
        """Do these steps; at the end, everybody has seen all behind where it began."""
        self.setUp()
        house, room, base = self.house, self.room, self.base
        peers: list[tuple[Peer, int]] = []
        last = 0
        for step, number in steps:
            if step == "say":
                self.speaker.say(room, *[b"%d" % (last + at) for at in range(1, number + 1)])
                last += number
            elif step == "turn":
                house.turn()
            elif step == "work" and house.worker.waiting:
                house.worker.work()
            elif step == "report" and house.worker.finished:
                house.worker.report()
            elif step == "join":
                peer = Peer(len(peers), reads=False, view=PLAIN if number == 0 else TYPED)
                if number == 0:
                    start = room.received + 1
                    peer.join(room)
                else:
                    start = max(base + 1, room.head + 2 - number)
                    peer.join(room, start)
                peers.append((peer, start - base))
            elif step == "take" and peers:
                peers[number % len(peers)][0].read(number)
            elif step == "leave" and peers:
                peers.pop(0)[0].cursor.leave()
        for peer, _ in peers:
            peer.reads = True
            peer.read()
        while house.worker.finished:
            house.worker.report()
        house.work()
        for peer, start in peers:
            wanted = range(start, last + 1)
            if peer.view is TYPED:
                self.assertEqual(peer.seqs, self.seqs(*wanted))
            self.assertEqual(peer.payloads, [b"%d" % n for n in wanted])


class MemoryRooms(RoomBehaviour, SynchronousTestCase):
    durable = False

    def home(self) -> Home:
        return Home()

    def drop(self, pieces: int) -> None:
        for _ in range(pieces):
            self.room.tail.drop_first()

    def test_a_memory_room_is_not_durable(self) -> None:
        self.assertFalse(self.room.durable)


class StoredRooms(RoomBehaviour, SynchronousTestCase):
    durable = True

    def home(self) -> Home:
        self.store = FakeStore()
        return Home(self.store)

    def drop(self, pieces: int) -> None:
        assert self.house.commits is not None
        self.store.drops.append(("lobby", pieces))
        self.house.commits.archive.prune(0)
        self.house.work()

    def test_a_stored_room_is_durable(self) -> None:
        self.assertTrue(self.room.durable)


class StoredRoomsThatKeepLittle(StoredRooms):
    """The same, with almost everything read from the store."""

    def setUp(self) -> None:
        from twisted_msg.log import archive
        from twisted_msg.rooms import stored

        self.patch(stored, "RECENT_COST", 1)
        self.patch(archive, "PAGES_COST", 1)
        super().setUp()

    def say(self, *payloads: bytes) -> None:
        super().say(*payloads)
        room: Room = self.room
        assert len(room.tail.pieces) <= 1

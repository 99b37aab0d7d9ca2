"""Floods of frames that are alike: taken by the run, they mean what they mean one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.conversing import StoredCase, TypedCase, frame
from tests.unit.test_decoder import cut_at, singly
from tests.unit.test_protocol import PairTestCase, Recorder
from tests.unit.world import World
from twisted_msg.log.commits import UNCOMMITTED_COST
from twisted_msg.log.store import StoreFull
from twisted_msg.protocol import NotNow
from twisted_msg.rooms.memory import TAIL_COST
from twisted_msg.wire import (
    Frame,
    FrameDecoder,
    ProtocolError,
    Run,
    decoder,
    encode_frame,
    parse_header,
)
from twisted_msg.wire.names import MAX_ID
from twisted_msg.wire.series import RUN_AFTER, RUN_FIRST, RUN_MOST, Series

ALIKE = 1000
"""Frames that are more than a few."""


def numbered(count: int) -> list[bytes]:
    return [b"%04d" % number for number in range(count)]


def runs(data: bytes, header_size: int = 128) -> list[Frame | Run]:
    return list(FrameDecoder(header_size).decode(data))


def flat(events: list[Frame | Run]) -> list[Frame]:
    return [f for each in events for f in (each.frames() if isinstance(each, Run) else (each,))]


class DecoderTests(SynchronousTestCase):
    """Sentence for every test here: runs or not, the same frames come out."""

    def test_a_flood_is_few_runs(self) -> None:
        payloads = numbered(ALIKE)
        events = runs(b"".join(encode_frame(payload) for payload in payloads))
        self.assertEqual([each.payload for each in flat(events)], payloads)
        self.assertLess(len(events), 3 * RUN_AFTER)

    def test_what_is_behind_some_of_a_run_is_one(self) -> None:
        payloads = numbered(10)
        for run in (Run(payloads, ("PUB", "lobby")), Run(payloads, ("PUB", "lobby", "95"), 95)):
            for count in range(len(payloads)):
                (left,) = run.behind(count)
                self.assertEqual([*left.frames()], [*run.frames()][count:])
            self.assertEqual([*run.behind(len(payloads))], [])

    def test_a_few_are_none(self) -> None:
        events = runs(b"".join(encode_frame(b"same") for _ in range(RUN_AFTER)))
        self.assertEqual(events, [Frame(b"same")] * RUN_AFTER)

    def test_a_run_ends_where_a_header_differs(self) -> None:
        for at in range(0, 200, 7):
            payloads = numbered(200)
            payloads[at] = b"longer"
            words = [("PUB", "other" if number == at + 50 else "lobby") for number in range(200)]
            frames = [Frame(*each) for each in zip(payloads, words, strict=True)]
            stream = b"".join(encode_frame(*each) for each in frames)
            self.assertEqual(flat(runs(stream)), frames)

    def test_a_header_within_a_payload_is_payload(self) -> None:
        header = encode_frame(b"x" * 300, ("PUB", "lobby"))[:128]
        payload = (header + b"y" * 20 + header).ljust(300, b"z")
        stream = encode_frame(payload, ("PUB", "lobby")) * 50
        self.assertEqual(flat(runs(stream)), [Frame(payload, ("PUB", "lobby"))] * 50)

    def test_a_refused_header_behind_a_run(self) -> None:
        got: list[Frame] = []
        with self.assertRaises(ProtocolError):
            for each in FrameDecoder().feed(encode_frame(b"same") * 100 + b"x" * 128):
                got.append(each)
        self.assertEqual(got, [Frame(b"same")] * 100)

    def test_empty_frames(self) -> None:
        events = runs(encode_frame(b"") * 300)
        self.assertEqual(flat(events), [Frame(b"")] * 300)
        self.assertLess(len(events), 3 * RUN_AFTER)

    def test_headers_that_count_up(self) -> None:
        for first in (1, 7, 95, 998, 10**9):
            frames = [
                Frame(payload, ("PUB", "lobby", str(number)))
                for number, payload in enumerate(numbered(300), first)
            ]
            events = runs(b"".join(encode_frame(*each) for each in frames))
            self.assertEqual(flat(events), frames)
            self.assertLess(len(events), 3 * RUN_AFTER)

    def test_counting_that_stops_or_jumps(self) -> None:
        for at in range(0, 120, 7):
            for other in ("50", "1", "01", "-1", "x", str(2**63 - 1), str(2**63), "1000000"):
                ids = [str(number) for number in range(1, 121)]
                ids[at] = other
                frames = [Frame(b"same", ("PUB", "lobby", each)) for each in ids]
                stream = b"".join(encode_frame(*each) for each in frames)
                self.assertEqual(flat(runs(stream)), frames)

    def test_counting_and_alike_in_turn(self) -> None:
        frames = [
            Frame(b"same", ("PUB", "lobby", str(number // 10 if number % 100 < 50 else number)))
            for number in range(1, 1000)
        ]
        stream = b"".join(encode_frame(*each) for each in frames)
        self.assertEqual(flat(runs(stream)), frames)

    def test_the_same_number_again_is_no_counting(self) -> None:
        ids = [*range(1, 40), *[39] * 40, *range(39, 80), *[79] * 3, *range(80, 120)]
        frames = [Frame(b"same", ("PUB", "lobby", str(number))) for number in ids]
        stream = b"".join(encode_frame(*each) for each in frames)
        self.assertEqual(flat(runs(stream)), frames)

    def test_numbers_anywhere_in_a_header(self) -> None:
        for spell in (b"%d PUB lobby %d", b"   %d PUB lobby %d", b"%03d PUB a 1 %d"):
            stream = b"".join((spell % (4, n)).ljust(128) + b"text" for n in range(1, 200))
            got = [each.words[-1] for each in flat(runs(stream))]
            self.assertEqual(got, [str(number) for number in range(1, 200)])
        right = b"".join((b"4 PUB lobby %d" % n).rjust(128) + b"text" for n in range(1, 200))
        self.assertEqual(len(flat(runs(right))), 199)

    def test_no_series_counts_beyond_the_largest_id(self) -> None:
        series = Series()
        raw = (b"1 PUB lobby %d" % (MAX_ID - 1)).ljust(128)
        series.begin(raw, parse_header(raw))
        self.assertIsNotNone(series.recognise((b"1 PUB lobby %d" % MAX_ID).ljust(128)))
        self.assertIsNone(series.recognise((b"1 PUB lobby %d" % (MAX_ID + 1)).ljust(128)))

    def test_no_run_goes_beyond_the_largest_id(self) -> None:
        numbers = range(MAX_ID - 60, MAX_ID + 100)
        events = runs(b"".join(encode_frame(b"x", ("PUB", "lobby", str(n))) for n in numbers))
        counted = [each for each in events if isinstance(each, Run) and each.first is not None]
        self.assertGreater(len(counted), 0)
        for each in counted:
            self.assertLessEqual(each.first + len(each.payloads) - 1, MAX_ID)  # type: ignore[operator]

    def test_runs_are_bounded(self) -> None:
        events = runs(encode_frame(b"x") * 10 * RUN_MOST)
        self.assertEqual(max(len(e.payloads) for e in events if isinstance(e, Run)), RUN_MOST)

    def test_who_makes_it_look_in_vain_is_looked_at_less(self) -> None:
        """Of frames that are never alike for long, few are looked at as if they were."""
        looked: list[int] = []

        class Watched(Series):
            def _expected(self, payloads: list[bytes], number: int) -> bytes:
                looked.append(len(payloads))
                return super()._expected(payloads, number)

        self.patch(decoder, "Series", Watched)
        payloads = [b"x" * (1 + number // 7 % 2) for number in range(7000)]
        events = runs(b"".join(map(encode_frame, payloads)))
        self.assertEqual([each.payload for each in flat(events)], payloads)
        self.assertLess(sum(looked), len(payloads) * RUN_FIRST // 20)

    def test_largest_numbers(self) -> None:
        top = 2**63 - 1
        frames = [Frame(b"x", ("PUB", "lobby", str(n))) for n in range(top - 100, top + 3)]
        self.assertEqual(flat(runs(b"".join(encode_frame(*each) for each in frames))), frames)

    @given(
        st.lists(
            st.tuples(st.sampled_from([b"", b"aaaa", b"8   ", b"8   8   ", b"x" * 8, b"end"]),
                      st.integers(1, 40)),
            max_size=12,
        ),
        st.lists(st.integers(0, 4000), max_size=8),
    )  # fmt: skip
    def test_any_repetition_and_any_cut(
        self, groups: list[tuple[bytes, int]], places: list[int]
    ) -> None:
        """Headers of 4 bytes, so that payloads are full of what looks like one."""
        payloads = [payload for payload, times in groups for _ in range(times)]
        stream = b"".join(encode_frame(payload, (), 4) for payload in payloads)
        decoder = FrameDecoder(4)
        got = [each for piece in cut_at(stream, places) for each in decoder.feed(piece)]
        self.assertEqual([each.payload for each in got], payloads)
        decoder = FrameDecoder(4)
        got = [each for byte in singly(stream) for each in decoder.feed(byte)]
        self.assertEqual([each.payload for each in got], payloads)


class Hesitant(Recorder):
    """Takes runs or not, and stops where a test says."""

    takes = True
    stops: int | None = None
    later: int | None = None

    def run_received(self, run: Run) -> bool:
        if self.takes:
            self.frames += run.frames()
            self.frame_taken()
        return self.takes

    def frame_received(self, frame: Frame) -> None:
        if len(self.frames) == self.later:
            self.later = None
            self.hold_frames()
            raise NotNow
        super().frame_received(frame)
        self.frame_taken()

    def frame_taken(self) -> None:
        if self.stops is not None and len(self.frames) >= self.stops:
            self.stops = None
            self.hold_frames()


class ProtocolTests(PairTestCase):
    """A protocol takes a run at once or frame by frame, and may hold within it."""

    protocol: Hesitant

    def setUp(self) -> None:
        self.connect(Hesitant)
        self.all = [*numbered(ALIKE // 2), *(b"%05d" % number for number in range(ALIKE // 2))]

    def test_held_behind_a_run(self) -> None:
        self.protocol.stops = 100
        self.receive(*self.all)
        self.assertEqual(self.payloads(), self.all[: len(self.payloads())])
        self.assertLessEqual(len(self.payloads()), ALIKE // 2)
        self.protocol.release_frames()
        self.assertEqual(self.payloads(), self.all)

    def test_held_within_a_run_that_is_taken_one_by_one(self) -> None:
        self.protocol.takes = False
        self.protocol.stops = 300
        self.receive(*self.all)
        self.assertEqual(self.payloads(), self.all[:300])
        self.protocol.release_frames()
        self.assertEqual(self.payloads(), self.all)

    def test_what_is_left_of_a_run_is_a_run(self) -> None:
        self.protocol.takes = False
        self.protocol.stops = 300
        self.receive(*self.all)
        self.protocol.takes = True
        singly: list[Frame] = []
        receive = self.protocol.frame_received

        def note(frame: Frame) -> None:
            singly.append(frame)
            receive(frame)

        self.patch(self.protocol, "frame_received", note)
        self.protocol.release_frames()
        self.assertEqual(self.payloads(), self.all)
        self.assertLess(len(singly), 2 * RUN_FIRST)

    def test_one_that_is_offered_again(self) -> None:
        self.protocol.takes = False
        self.protocol.later = 300
        self.receive(*self.all)
        self.assertEqual(self.payloads(), self.all[:300])
        self.protocol.release_frames()
        self.assertEqual(self.payloads(), self.all)

    def test_stopped_within_a_run(self) -> None:
        self.protocol.takes = False
        self.receive(*self.all[:300], b"stop", *self.all[300:])
        self.assertEqual(self.payloads(), [*self.all[:300], b"stop"])
        self.protocol.release_frames()
        self.assertEqual(len(self.payloads()), 301)

    def test_stopped_behind_a_run(self) -> None:
        self.protocol.frame_taken = lambda: (  # type: ignore[method-assign]
            len(self.protocol.frames) > 300 and self.protocol.stop_receiving()
        )
        self.receive(*self.all)
        self.protocol.release_frames()
        self.assertEqual(self.payloads(), self.all[: len(self.payloads())])
        self.assertLessEqual(len(self.payloads()), ALIKE // 2)

    def test_by_default_frames_come_one_by_one(self) -> None:
        self.connect(Recorder)
        self.receive(*self.all)
        self.assertEqual(self.payloads(), self.all)


class Conversations:
    """Rooms of either kind take a flood as they take its messages."""

    def test_typed_flood(self) -> None:
        alice, bob, carol = self.peer("HELLO"), self.peer("SUB lobby"), self.world.member()
        alice.say(b"".join(frame(f"PUB lobby: {number:04}") for number in range(ALIKE)))
        self.settle()
        heard = [each.split()[-1] for each in self.heard(bob) if each.startswith("MSG")]
        self.assertEqual(heard, [payload.decode() for payload in numbered(ALIKE)])
        self.assertEqual(carol.payloads(), numbered(ALIKE))

    def test_typed_flood_with_ids(self) -> None:
        alice, bob = self.peer("HELLO client=0123456789abcdef"), self.peer("SUB lobby")
        said = [frame(f"PUB lobby {number}: {number:04}") for number in range(1, ALIKE + 1)]
        alice.say(b"".join(said))
        self.settle()
        alice.say(b"".join([*said[500:], frame(f"PUB lobby {ALIKE + 1}: last")]))
        self.settle()
        heard = [each.split()[-1] for each in self.heard(bob) if each.startswith("MSG")]
        self.assertEqual(heard, [*(f"{number:04}" for number in range(1, ALIKE + 1)), "last"])
        acks = [each.split()[1] for each in self.heard(alice) if each.startswith("ACK")]
        self.assertEqual(acks[-1], str(ALIKE + 1))

    def test_floods_with_ids_to_two_rooms(self) -> None:
        alice, bob = self.peer("HELLO"), self.peer("SUB one", "SUB two")
        said = [f"PUB {('one', 'two')[number // 50 % 2]} {number}: x" for number in range(1, 400)]
        alice.say(b"".join(map(frame, said)))
        self.settle()
        self.assertEqual(len([each for each in self.heard(bob) if each.startswith("MSG")]), 399)
        self.assertEqual(self.heard(alice)[-1].split()[:2], ["ACK", "399"])

    def test_other_verbs_that_count_up(self) -> None:
        alice = self.peer("HELLO", "PUB lobby 1: x")
        self.settle()
        self.heard(alice)
        alice.say(b"".join(frame(f"PING {number}") for number in range(300)))
        self.settle()
        self.assertEqual(self.heard(alice), [f"PONG {number}" for number in range(300)])

    def test_typed_flood_to_rooms_in_turn(self) -> None:
        alice, bob = self.peer("HELLO"), self.peer("SUB one", "SUB two")
        said = [f"PUB {('one', 'two')[number // 50 % 2]}: {number:04}" for number in range(400)]
        alice.say(b"".join(map(frame, said)))
        self.settle()
        heard = [each for each in self.heard(bob) if each.startswith("MSG")]
        for room in ("one", "two"):
            there = [each.split()[-1] for each in heard if each.split()[1] == room]
            self.assertEqual(there, [each.split()[-1] for each in said if f" {room}:" in each])

    def test_keep_alives_are_no_messages(self) -> None:
        alice, bob = self.peer("HELLO"), self.peer("SUB lobby")
        alice.say(frame("PUB lobby: x") + encode_frame(b"") * ALIKE)
        self.settle()
        self.assertEqual(len([each for each in self.heard(bob) if each.startswith("MSG")]), 1)

    def test_plain_flood_with_the_last_word_within(self) -> None:
        alice, bob = self.world.member(), self.world.member()
        words = [b"%012d" % number for number in range(300)]
        self.world.say(alice, *words, b"!DISCONNECT!", *words)
        self.settle()
        self.assertEqual(bob.payloads(), words)
        self.assertTrue(alice.half_closed)

    def test_plain_flood_and_keep_alives(self) -> None:
        alice, bob = self.world.member(), self.world.member()
        self.world.say(alice, *numbered(200), *[b""] * 200, *numbered(100))
        self.settle()
        self.assertEqual(bob.payloads(), [*numbered(200), *numbered(100)])

    def test_flood_into_a_room_that_was_put_away(self) -> None:
        alice = self.peer("HELLO", *["PUB room: x"] * 10)
        self.world.wait(3)
        self.settle()
        alice.say(frame("PUB room: x") * 100)
        self.settle()
        bob = self.peer("SUB room from=0")
        self.assertEqual(len([each for each in self.heard(bob) if each.startswith("MSG")]), 110)


class MemoryConversations(Conversations, TypedCase):
    def test_replies_for_each_message(self) -> None:
        world = World(memory_room=("*",), plain_reply="ok")
        peer = world.peer()
        world.say(peer, *numbered(100))
        self.assertEqual(peer.received, b"ok" * 100)

    def test_congested_room_takes_no_run(self) -> None:
        """A room that is full keeps its publishers waiting, however many frames are alike."""
        lump = "x" * 10_000
        early = self.peer("HELLO", *[f"PUB lobby: {lump}"] * 10)
        alice, slow = self.peer("HELLO"), self.peer("SUB lobby", stuck=True)
        sent = 0
        while alice.reading:
            alice.say(frame(f"PUB lobby: {lump}") * 60)
            sent += 60
            self.world.turn()
            self.assertLess(sent * len(lump), 3 * TAIL_COST)
        room = self.world.rooms.open("lobby")
        carl = self.peer("HELLO")
        before = room.received
        carl.say(frame(f"PUB lobby: {lump}") * 60)
        self.world.turn()
        self.assertEqual(room.received, before)
        early.say(frame(f"PUB lobby: {lump}") * 60)
        self.world.turn()
        self.assertEqual(room.received, before + 1)  # what it said before it was told to wait
        slow.read_on()
        self.settle()
        self.assertEqual(len([each for each in self.heard(slow) if "MSG" in each[:4]]), sent + 120)

    def test_many_connections_overfill_no_room_in_one_turn(self) -> None:
        peers = [self.world.member() for _ in range(60)]
        for peer in peers:
            self.world.say(peer, *[b"x" * 1000] * 10)
        room = self.world.rooms.open("lobby")
        before = room.received
        for peer in peers:
            peer.say(self.world.frame(b"x" * 1000) * 500)
        taken = (room.received - before) * 1000
        self.assertGreater(taken, TAIL_COST // 4)
        self.assertLess(taken, 2 * TAIL_COST)


class StoredConversations(Conversations, StoredCase):
    def test_many_connections_say_no_more_at_once_than_the_store_is_to_hold(self) -> None:
        peers = [self.world.member() for _ in range(60)]
        for peer in peers:
            self.world.say(peer, *[b"x" * 10] * 10)
        self.settle()
        room = self.world.rooms.open("lobby")
        for peer in peers:
            peer.say(self.world.frame(b"x" * 10) * 500)
        self.assertLess(self.world.server.house.commits.weight, 2 * UNCOMMITTED_COST)
        self.assertGreater(room.received - room.head, 1000)
        self.settle()

    def test_ids_end_where_they_end_also_in_a_run(self) -> None:
        alice = self.peer("HELLO client=0123456789abcdef", f"PUB lobby {MAX_ID - 2_000_000}: x")
        self.settle()
        self.heard(alice)
        alice.say(b"".join(frame(f"PUB lobby {MAX_ID - 50 + n}: x") for n in range(100)))
        self.settle()
        heard = self.heard(alice)
        self.assertEqual(heard[-1].split()[:2], ["ERR", "bad-args"])
        self.assertEqual(self.world.broken, [])
        self.assertEqual(self.world.rooms.open("lobby").head, 52)

    def test_full_disk_refuses_a_flood_as_one_message(self) -> None:
        alice = self.peer("HELLO client=0123456789abcdef", "PUB lobby 1: x")
        self.settle()
        self.heard(alice)
        self.break_store(lambda: StoreFull("full"))
        alice.say(b"".join(frame(f"PUB lobby {number}: x") for number in range(2, 300)))
        self.settle()
        self.assertEqual([each.split()[:2] for each in self.heard(alice)], [["ERR", "busy"]])
        self.assertEqual(self.world.rooms.open("lobby").head, 1)

    def test_ids_to_a_memory_room_behind_those_to_a_stored_one(self) -> None:
        """What is not stored waits for what is, by the run as one by one."""
        self.close_store()
        self.world = self.begin(memory_room=("quick",))
        alice, bob = self.peer("HELLO", "PUB quick 1: x", "PUB lobby 2: x"), self.peer("SUB quick")
        said = [f"PUB quick {number}: x" for number in range(3, 10)]
        said += [f"PUB lobby {number}: x" for number in range(10, 300)]
        said += [f"PUB quick {number}: x" for number in range(300, 600)]
        alice.say(b"".join(map(frame, said)))
        self.world.turn()
        self.assertEqual(len([each for each in self.heard(bob) if "MSG" in each]), 7)
        self.settle()
        self.assertEqual(len([each for each in self.heard(bob) if "MSG" in each]), 300)
        self.assertEqual(self.heard(alice)[-1].split()[:2], ["ACK", "599"])

    def test_a_run_to_a_memory_room_waits_for_what_is_stored(self) -> None:
        """Also if those before it were there already, and so waited for nothing."""
        self.close_store()
        self.world = self.begin(memory_room=("quick",))
        alice, bob = self.peer("HELLO"), self.peer("SUB quick")
        self.heard(bob)
        alice.say(b"".join(frame(f"PUB lobby {number}: x") for number in range(1, 41)))
        alice.say(b"".join(frame(f"PUB quick {number}: x") for number in range(1, 41)))
        alice.say(b"".join(frame(f"PUB quick {number}: x") for number in range(41, 141)))
        self.world.turn()
        self.assertEqual(self.heard(bob), [])
        self.settle()
        self.assertEqual(len(self.heard(bob)), 100)

    def test_a_run_of_ids_that_are_being_stored_is_stored_once(self) -> None:
        alice = self.peer("HELLO client=0123456789abcdef")
        alice.say(b"".join(frame(f"PUB lobby {number}: x") for number in range(1, 41)))
        self.world.turn()
        alice.say(b"".join(frame(f"PUB lobby {number}: x") for number in range(1, 101)))
        self.settle()
        self.assertEqual(self.world.rooms.open("lobby").head, 100)
        self.assertEqual(self.heard(alice)[-1], "ACK 100 100")

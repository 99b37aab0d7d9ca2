"""Whatever plain and typed peers say in one room: every stream is of its own kind, and in order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.conversing import frame
from tests.unit.world import EPOCH, Pipe, World
from twisted_msg.log.sqlite import SqliteStore
from twisted_msg.wire import encode_frame
from twisted_msg.wire.replies import Live, Missed, Msg, Subbed, Unsubbed

PAYLOADS = ("", "hello", "!DISCONNECT!", "!ERROR! busy you are out", "0 PING", "x" * 200_000)
TYPED = (
    "SUB lobby",
    "SUB lobby from=0",
    "SUB lobby last=3",
    f"SUB lobby since={EPOCH // 1000}",
    "SUB lobby presence=1 last=1",
    "UNSUB lobby",
    "WHO lobby",
    "ROOMS",
    "PING token",
    "NONSENSE",
    "",
    "PUB @guest-1: direct",
)
STEPS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.one_of(
            st.sampled_from(TYPED),
            st.sampled_from(PAYLOADS).map(lambda payload: f"PUB lobby: {payload}"),
            st.sampled_from(PAYLOADS).map(lambda payload: f"PUB lobby ID: {payload}"),
            st.sampled_from(["turn", "job", "read", "wait"]),
        ),
    ),
    max_size=60,
)


class Mix:
    """Three typed peers and two plain ones; every second one reads when it is told to."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pipes = [world.peer(stuck=bool(number % 2)) for number in range(5)]
        for number, pipe in enumerate(self.pipes):
            pipe.say(frame("PING" if number < 3 else ""))
        self.ids = 0

    def step(self, number: int, what: str) -> None:
        pipe, world = self.pipes[number], self.world
        if what == "turn":
            world.turn()
        elif what == "job":
            world.worker.pump()
        elif what == "wait":
            world.wait(3)
        elif what == "read":
            pipe.take(50_000)
        elif pipe.reading and not pipe.closed:
            self.ids += 1
            if number < 3:
                pipe.say(frame(what.replace("ID", str(self.ids))))
            elif what.startswith("PUB lobby"):
                payload = what.partition(": ")[2]
                pipe.say(b"" if payload == "!DISCONNECT!" else encode_frame(payload.encode()))

    def finish(self) -> None:
        """Have everybody read everything."""
        for _ in range(3):
            self.world.work()
            for pipe in self.pipes:
                pipe.read_on()


class Streams(SynchronousTestCase):
    @settings(max_examples=100, deadline=None)
    @given(STEPS)
    def test_in_a_memory_room(self, steps: list[tuple[int, str]]) -> None:
        self.run_steps(World(), steps)

    @settings(max_examples=40, deadline=None)
    @given(STEPS)
    def test_in_a_stored_room(self, steps: list[tuple[int, str]]) -> None:
        store = SqliteStore(self.mktemp())
        try:
            self.run_steps(World(store=store), steps)
        finally:
            store.close()

    def run_steps(self, world: World, steps: list[tuple[int, str]]) -> None:
        mix = Mix(world)
        for number, what in steps:
            mix.step(number, what)
        mix.finish()
        self.assertEqual(self.flushLoggedErrors(), [])
        for pipe in mix.pipes[:3]:
            self.check_typed(pipe)
        for pipe in mix.pipes[3:]:
            for each in pipe.frames():
                self.assertEqual(each.words, ())
                self.assertIn(each.payload.decode(), {"hello", "0 PING", PAYLOADS[-1]})

    def check_typed(self, pipe: Pipe) -> None:
        """Check the order of a typed stream: no number twice, none left out, `LIVE` in place."""
        following = head = None  # what comes next, and what `LIVE` must say
        for reply in pipe.replies():
            self.assertIsNotNone(reply)
            if isinstance(reply, Subbed):
                following, head = -1, reply.head
            elif isinstance(reply, Unsubbed):
                following = head = None
            elif isinstance(reply, Msg) and reply.room == "lobby":
                self.assertIn(following, (-1, reply.seq))
                following = reply.seq + 1
                if head is not None:
                    self.assertLessEqual(reply.seq, head)
            elif isinstance(reply, Missed):
                following = reply.last + 1
            elif isinstance(reply, Live):
                self.assertEqual(reply.head, head)
                self.assertIn(following, (-1, reply.head + 1))
                following, head = reply.head + 1, None
        self.assertIsNone(head, "LIVE never came")

"""Conversations in typed frames as lines of text, over a server in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.world import EPOCH, Pipe, World
from twisted_msg.log.sqlite import SqliteStore
from twisted_msg.log.store import KEEP_ALL, Retention
from twisted_msg.wire import Frame, encode_frame

SECRET = "client=0123456789abcdef"
QUIET = ("ERR", "WELCOME", "BYE")
"""Verbs whose payloads `line` leaves out: they are for people, or looked at elsewhere."""


def frame(text: str) -> bytes:
    """Return the frame of a line: `PUB lobby 1: hello` has the payload `hello`."""
    words, _, payload = text.partition(": ")
    return encode_frame(payload.encode(), words.split())


def line(frame: Frame) -> str:
    """Return a frame as a line: times left out, and numbers counted from the world's begin."""
    words = [
        str(int(word) - EPOCH) if word.isdigit() and EPOCH <= int(word) < 2 * EPOCH else word
        for word in frame.words
    ]
    if words[0] == "MSG":
        del words[4]
    text = " ".join(words)
    if frame.payload and words[0] not in QUIET:
        text += ": " + frame.payload.decode("latin-1")
    return text


class TypedCase(SynchronousTestCase):
    """Peers that say lines, and what they hear; with `stored`, in rooms on disk."""

    stored = False

    def setUp(self) -> None:
        self.folder = self.mktemp()
        self.world = self.begin()

    def begin(self, retention: Retention = KEEP_ALL, **options: Any) -> World:
        """Return a new world; a stored one on the same folder as the one before."""
        self._heard: dict[Pipe, int] = {}
        if not self.stored:
            return World(**options)
        store = SqliteStore(self.folder, retention)
        self.addCleanup(store.close)
        self.close_store = store.close
        return World(store=store, **options)

    def settle(self) -> None:
        """End the turn, and have the store do what it is asked for."""
        self.world.work()

    def peer(self, *lines: str, stuck: bool = False) -> Pipe:
        """Connect a peer that says these lines."""
        pipe = self.world.peer(stuck=stuck)
        self.say(pipe, *lines)
        return pipe

    def say(self, pipe: Pipe, *lines: str) -> None:
        """Have a peer say lines in one go, and the server do everything that follows."""
        self.begin_to_say(pipe, *lines)
        self.settle()

    def begin_to_say(self, pipe: Pipe, *lines: str) -> None:
        """Have a peer say lines in one go, in a turn that does not end."""
        if lines:
            pipe.say(b"".join(map(frame, lines)))

    def heard(self, pipe: Pipe) -> list[str]:
        """Return what a peer has heard since it was last asked."""
        lines = [line(each) for each in pipe.frames()]
        seen, self._heard[pipe] = self._heard.get(pipe, 0), len(lines)
        return lines[seen:]

    def answers(self, pipe: Pipe, *lines: str) -> list[str]:
        """Have a peer say lines; return what it hears."""
        self.say(pipe, *lines)
        return self.heard(pipe)

    def assert_ended(self, pipe: Pipe, *, by: str | None = None) -> None:
        """Check that the server has ended a connection, and with which line last."""
        self.assertTrue(pipe.half_closed or pipe.closed)
        if by is not None:
            self.assertEqual(line(pipe.frames()[-1]), by)


class StoredCase(TypedCase):
    """Rooms on disk."""

    stored = True

    def step(self) -> None:
        """Have the store do and report one job."""
        self.world.turn()
        self.assertTrue(self.world.worker.pump())
        self.world.turn()

    def break_store(self, error: Callable[[], BaseException]) -> None:
        """Have every commit fail from now on."""
        store = self.world.server.house.commits._store  # type: ignore[union-attr]

        def commit(*_: object) -> None:
            raise error()

        self.mended = self.patch(store, "commit", commit)

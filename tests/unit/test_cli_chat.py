"""A chat in memory: what typed lines do, what is shown, and both protocols' sides."""

from __future__ import annotations

import os
import sys
import time
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.cli.clients import Tidings, plain_client, typed_client
from twisted_msg.cli.colours import Paint
from twisted_msg.cli.conversation import After, Conversation, Word, Wrong
from twisted_msg.cli.exits import UsageError
from twisted_msg.cli.options import Common
from twisted_msg.cli.plain_side import UNSENT_LIMIT, PlainSide
from twisted_msg.cli.sayings import Dated, Kind, Saying, action, heard, noticed, written
from twisted_msg.cli.tasks import Tasks
from twisted_msg.cli.typed_room import Room
from twisted_msg.cli.typed_rooms import RETURN_SECONDS, WRITERS_LIMIT
from twisted_msg.cli.typed_side import TypedSide
from twisted_msg.cli.typed_words import NAMES_SHOWN, SHORT, listed
from twisted_msg.client import (
    Client,
    Disconnected,
    Joined,
    Parted,
    Present,
    Refused,
    Superseded,
    TimedOut,
)
from twisted_msg.client.waiting import Gate
from twisted_msg.wire import FrameDecoder
from twisted_msg.wire.replies import (
    Ack,
    Err,
    Here,
    Join,
    Live,
    Missed,
    Msg,
    Part,
    Pong,
    Reply,
    RoomList,
    Subbed,
    Welcome,
)
from twisted_msg.wire.requests import (
    Bye,
    Hello,
    Ping,
    Pub,
    Request,
    Rooms,
    Sub,
    Unsub,
    Who,
    parse_request,
)

NOON = 1_700_000_000 // 86400 * 86400 + 12 * 3600
"""Unix time in seconds, a Tuesday: 14 November 2023, 12:00 UTC."""


class FakeScreen:
    """Keeps what is shown; `full` makes it wait."""

    def __init__(self) -> None:
        self.shown: list[Saying] = []
        self.said: list[str] = []
        self.room = Gate(opened=True)

    def show(self, saying: Saying) -> Deferred[None] | None:
        self.shown.append(saying)
        return self.room.wait()

    def say(self, notice: str, *, urgent: bool = False) -> None:
        self.said.append(notice)

    def show_day(self, day: str) -> None:
        self.said.append(day)

    @property
    def texts(self) -> list[bytes]:
        return [saying.text for saying in self.shown]

    @property
    def lines(self) -> list[str]:
        return [written(saying) for saying in self.shown]

    def take(self) -> list[str]:
        """Return the notices since the last time."""
        said, self.said = self.said, []
        return said


class ChatCase(SynchronousTestCase):
    """Times are UTC here."""

    def setUp(self) -> None:
        patch = mock.patch.dict(os.environ, TZ="UTC")
        patch.start()
        time.tzset()
        self.addCleanup(time.tzset)
        self.addCleanup(patch.stop)
        self.screen = FakeScreen()


class FakeSide:
    """Notes what a conversation asks of it."""

    prompt = "here> "

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.acts: list[bytes] = []
        self.words = (Word("/do SOMETHING", "does it", self.act),)

    def text(self, text: bytes) -> None:
        self.texts.append(text)

    def act(self, rest: bytes) -> None:
        if not rest:
            raise Wrong("do what?")
        self.acts.append(rest)

    async def room(self) -> None:
        pass


class ConversationTests(ChatCase):
    def setUp(self) -> None:
        super().setUp()
        self.side = FakeSide()
        self.talk = Conversation(self.side, self.screen)  # type: ignore[arg-type]

    def test_texts(self) -> None:
        for line in (b"one", b"", b"   ", b"//me", b" /me", b"caf\xe9"):
            self.assertIs(self.talk.enter(line), After.GO_ON)
        self.assertEqual(self.side.texts, [b"one", b"/me", b" /me", b"caf\xe9"])
        self.assertEqual(self.talk.prompt, "here> ")
        self.successResultOf(Deferred.fromCoroutine(self.talk.room()))

    def test_words(self) -> None:
        self.talk.enter(b"/do  this and that ")
        self.assertEqual((self.side.acts, self.screen.said), ([b"this and that"], []))
        self.talk.enter(b"/do")
        self.assertEqual(self.screen.take(), ["do what? (/do SOMETHING)"])
        self.assertIs(self.talk.enter(b"/quit"), After.LEAVE)

    def test_help_lists_everything(self) -> None:
        self.talk.enter(b"/help")
        said = "\n".join(self.screen.said)
        for word in ("/do SOMETHING  does it", "/help", "/quit", "//text", "complete a command,"):
            self.assertIn(word, said)

    def test_unknown_words_send_nothing(self) -> None:
        for line, said in (
            (b"/quti now", "no command /quti; nothing was sent; did you mean /quit? /help lists"),
            (b"/zzzz\xff", "no command /zzzz\\xff; nothing was sent. /help lists"),
            (b"/", "no command /; nothing was sent."),
        ):
            self.assertIs(self.talk.enter(line), After.GO_ON)
            (notice,) = self.screen.take()
            self.assertTrue(notice.startswith(said), notice)
        self.assertEqual(self.side.texts, [])


class SayingTests(ChatCase):
    def test_shapes(self) -> None:
        for saying, line in (
            (Saying(b"hi", NOON, "al"), "12:00 <al> hi"),
            (Saying(b"hi", NOON, "al", room="dev"), "12:00 #dev <al> hi"),
            (Saying(b"waves", NOON, "al", Kind.ACTION), "12:00 * al waves"),
            (Saying(b"hi", NOON, "al", Kind.DIRECT), "12:00 [al] hi"),
            (Saying(b"hi", NOON, "bob", Kind.SENT), "12:00 -> bob: hi"),
            (Saying(b"al: hi", NOON), "12:00 al: hi"),
            (Saying(b"one\n-- two\x1b", NOON, "al"), "12:00 <al> one\n    -- two\\x1b"),
            (Saying(b"hi", 1e300, "a\x1b"), "--:-- <a\\x1b> hi"),
        ):
            with self.subTest(line):
                self.assertEqual(written(saying), line)

    def test_data_is_described_in_one_line(self) -> None:
        data = b"\x89PNG\0\n"
        for saying, line in (
            (Saying(data, NOON, "al"), "12:00 -- from al: PNG image, 6 bytes"),
            (Saying(data, NOON, "al", room="dev"), "12:00 #dev -- from al: PNG image, 6 bytes"),
            (
                Saying(data, NOON, "al", Kind.DIRECT),
                "12:00 -- from al to you alone: PNG image, 6 bytes",
            ),
            (Saying(data, NOON, "al", Kind.SENT), "12:00 -- to al alone: PNG image, 6 bytes"),
            (Saying(data, NOON), "12:00 -- PNG image, 6 bytes"),
            (
                heard(data, NOON, "al", room=None, own=False, save="save it"),
                "12:00 -- from al: PNG image, 6 bytes; to save it: save it",
            ),
        ):
            self.assertEqual(written(saying, width=20), line)

    def test_lines_are_wrapped(self) -> None:
        text = b"one two three\n    code of a line"
        self.assertEqual(
            written(Saying(text, NOON, "al"), width=20),
            "12:00 <al> one two\n    three\n        code of a\n    line",
        )
        coloured = written(Saying(b"one two three", NOON, "al"), Paint(True), 20)
        self.assertTrue(coloured.endswith("> one two\n    three"), coloured)
        self.assertEqual(
            written(Saying(b"al: one two three", NOON), width=20), "12:00 al: one two\n    three"
        )
        self.assertEqual(noticed("bob is\x1b here, and al", 20), "-- bob is\\x1b here,\n   and al")

    def test_nothing_is_measured_where_lines_are_not_broken(self) -> None:
        with mock.patch.dict(sys.modules, wcwidth=None):  # as where it is not installed
            self.assertEqual(written(Saying("é".encode(), NOON, "bö")), "12:00 <bö> é")

    def test_colours(self) -> None:
        line = written(Saying(b"hi", NOON, "al"), Paint(True))
        self.assertRegex(line, "^\x1b\\[2m12:00\x1b\\[0m <\x1b\\[\\d+mal\x1b\\[0m> hi$")
        signed = written(Saying(b"al: hi", NOON), Paint(True))
        self.assertRegex(signed, "\x1b\\[\\d+mal\x1b\\[0m: hi$")
        self.assertEqual(Paint(True).signed("no name"), "no name")

    def test_an_action_is_one_only_under_its_sender_s_name(self) -> None:
        for text, line in (
            (action("al", b"waves"), "12:00 * al waves"),
            (b"* bob waves", "12:00 <al> * bob waves"),
            (b"* al ", "12:00 <al> * al "),
        ):
            self.assertEqual(written(heard(text, NOON, "al", room=None, own=False)), line)

    def test_days_are_told_when_they_change(self) -> None:
        screen = Dated(self.screen, lambda: NOON)
        for seconds in (NOON - 86400, NOON - 86399, NOON, NOON + 1, 1e300):
            screen.show(Saying(b"x", seconds))
        self.assertEqual(
            self.screen.take(),
            ["Monday 13 November 2023", "Tuesday 14 November 2023", "a day that is in no calendar"],
        )
        self.assertEqual(len(self.screen.shown), 5)

    @given(
        st.one_of(st.binary(), st.text(" -a你\n", max_size=200).map(str.encode)),
        st.sampled_from(Kind),
        st.sampled_from([None, "dev"]),
        st.sampled_from([None, 20, 80]),
    )
    def test_no_text_begins_a_line_as_a_notice_does(
        self, text: bytes, kind: Kind, room: str | None, width: int | None
    ) -> None:
        """The first line begins with the time, and every further one with spaces."""
        first, *more = written(Saying(text, NOON, "al", kind, room), width=width).split("\n")
        self.assertRegex(first, r"^\d\d:\d\d ")
        for line in more:
            self.assertTrue(line.startswith("    "))


class RoomTests(SynchronousTestCase):
    def test_each_message_is_new_once(self) -> None:
        room = Room("lobby")
        self.assertIsNone(room.next)
        self.assertEqual([room.new(seq) for seq in (5, 5, 4, 7)], [True, False, False, True])
        self.assertEqual(room.next, 8)
        room.replaced(2)
        self.assertTrue(room.new(3))

    def test_one_s_own(self) -> None:
        room = Room("lobby")
        for text in (b"a", b"b", b"a", b"c"):
            room.say(text)
        room.unsay(b"c")
        room.unsay(b"c")
        self.assertEqual([room.own(t) for t in (b"x", b"b", b"b", b"a", b"a")],
                         [False, True, False, True, False])  # fmt: skip

    def test_who_comes_and_goes(self) -> None:
        room = Room("lobby")
        self.assertEqual(room.changed(Joined("lobby", "early"), "me"), [])
        self.assertFalse(room.known)
        room.present(["me", "al"])
        for event, said in (
            (Joined("lobby", "bob"), ["bob is here"]),
            (Joined("lobby", "bob"), []),
            (Joined("lobby", "me"), []),
            (Parted("lobby", "al"), ["al has left"]),
            (Parted("lobby", "al"), []),
            (Present("lobby", ["me", "x", "y"], 0), ["x and y are here"]),
            (Present("lobby", ["z"], 3), ["z is here"]),
        ):
            with self.subTest(event):
                self.assertEqual(room.changed(event, "me"), said)
        self.assertEqual((room.waits, room.gone()), (False, []))
        room.changed(Present("lobby", ["me"], 0), "me")
        self.assertTrue(room.waits)
        self.assertEqual(room.changed(Joined("lobby", "x"), "me"), [])
        self.assertEqual(room.changed(Parted("lobby", "y"), "me"), ["y has left"])
        self.assertEqual((room.gone(), room.gone()), (["bob and z have left"], []))

    def test_lists_for_people(self) -> None:
        self.assertEqual([listed([]), listed(["a"]), listed(["a", "b"])], ["", "a", "a and b"])
        self.assertTrue(listed(["n"] * (NAMES_SHOWN + 2)).endswith("n and 2 more"))


class TasksTests(SynchronousTestCase):
    def test_the_first_failure_is_told(self) -> None:
        tasks = Tasks()
        ended = tasks.failed()

        async def fail(error: BaseException) -> None:
            raise error

        tasks.begin(fail(ValueError()))
        tasks.begin(fail(KeyError()))
        self.failureResultOf(ended, ValueError)

    def test_what_is_no_exception_is_told_as_one(self) -> None:
        tasks = Tasks()
        tasks.fail(Failure(GeneratorExit()))
        self.failureResultOf(tasks.failed(), RuntimeError)

    def test_cancelling_is_no_failure(self) -> None:
        tasks = Tasks()

        async def wait() -> None:
            await Deferred()

        tasks.begin(wait())
        tasks.cancel()
        self.assertNoResult(tasks.failed())


class FakePlainClient:
    """The part of `PlainClient` that a side uses."""

    def __init__(self) -> None:
        self.connected = True
        self.closed = False
        self.sent: list[bytes] = []
        self.gate = Gate(opened=True)
        self.incoming: list[bytes] = []

    async def connect(self) -> None:
        pass

    def send(self, message: bytes) -> Deferred[None]:
        return self.gate.wait().addCallback(lambda _: self.sent.append(message))

    async def receive(self) -> bytes:
        if self.incoming:
            return self.incoming.pop(0)
        raise Disconnected("over")

    async def close(self, timeout: float) -> None:
        self.closed = True

    async def abort(self) -> None:
        self.closed = True


class PlainSideTests(ChatCase):
    def setUp(self) -> None:
        super().setUp()
        self.client = FakePlainClient()
        self.side = self.made(name="al")
        self.pump = Deferred.fromCoroutine(self.side.send())

    def made(self, **options: Any) -> PlainSide:
        return PlainSide(
            self.client,  # type: ignore[arg-type]
            self.screen,
            server="here:1",
            now=lambda: NOON,
            **options,
        )

    def offline(self) -> None:
        self.client.connected = False
        self.client.gate.shut()

    def online(self) -> None:
        self.client.connected = True
        self.client.gate.open()

    def leave(self) -> bool:
        return self.successResultOf(Deferred.fromCoroutine(self.side.leave(1)))

    def test_lines_are_sent_with_the_name_and_shown(self) -> None:
        self.successResultOf(Deferred.fromCoroutine(self.side.start()))
        self.assertIn("connected to here:1 in plain frames: one room", self.screen.said[0])
        talk = Conversation(self.side, self.screen)
        for line in (b"one", b"//me", b"/me waves"):
            talk.enter(line)
        self.assertEqual(self.client.sent, [b"al: one", b"al: /me", b"* al waves"])
        self.assertEqual(self.screen.texts, self.client.sent)
        self.assertTrue(all(saying.own for saying in self.screen.shown))
        self.assertEqual(self.side.prompt, "al> ")
        self.assertTrue(self.leave())
        self.successResultOf(Deferred.fromCoroutine(self.side.abort()))

    def test_me_needs_a_name_and_a_text(self) -> None:
        Conversation(self.side, self.screen).enter(b"/me")
        nameless = self.made()
        Conversation(nameless, self.screen).enter(b"/me waves")
        what, who = self.screen.said
        self.assertIn("what do you do?", what)
        self.assertIn("begin with --name", who)
        self.assertEqual(nameless.prompt, "> ")
        self.offline()
        self.assertEqual([nameless.prompt, self.side.prompt], ["(offline)> ", "al (offline)> "])

    def test_what_cannot_be_sent_is_told(self) -> None:
        side = self.made()
        side.text(b"!DISCONNECT!")
        self.assertIn("not sent", self.screen.said[-1])
        self.assertEqual(side.unsent, 0)

    def test_lines_typed_offline_are_kept_in_order_and_bounded(self) -> None:
        self.offline()
        for number in range(UNSENT_LIMIT + 1):
            self.side.text(b"%d" % number)
        self.assertIn("kept", self.screen.said[0])
        self.assertIn("wait already", self.screen.said[-1])
        waiting = Deferred.fromCoroutine(self.side.room())
        self.assertNoResult(waiting)
        self.online()
        self.successResultOf(waiting)
        self.assertEqual(self.client.sent, [b"al: %d" % n for n in range(UNSENT_LIMIT)])
        self.assertTrue(self.leave())

    def test_leaving_tells_what_was_not_sent(self) -> None:
        self.offline()
        self.side.text(b"x")
        self.assertFalse(self.leave())
        self.assertIn("1 line was not sent", self.screen.said[-1])
        self.side.text(b"y")
        self.assertFalse(self.leave())
        self.assertIn("2 lines were not sent", self.screen.said[-1])

    def test_leaving_waits_for_what_is_typed_if_connected(self) -> None:
        self.offline()
        self.side.text(b"x")
        self.successResultOf(Deferred.fromCoroutine(self.side.settle()))
        self.client.connected = True
        settled = Deferred.fromCoroutine(self.side.settle())
        self.assertNoResult(settled)
        self.online()
        self.successResultOf(settled)

    def test_a_line_lost_with_its_connection_is_told_and_not_repeated(self) -> None:
        self.offline()
        self.side.text(b"x")
        self.client.gate, broken = Gate(opened=True), self.client.gate
        broken.fail(Disconnected("the connection was lost"))
        self.assertIn("may not have arrived", self.screen.said[-1])
        self.side.text(b"y")
        self.assertEqual(self.client.sent, [b"al: y"])
        self.assertEqual(self.screen.texts, [b"al: y"])

    def test_the_client_s_end_ends_it(self) -> None:
        self.offline()
        self.side.text(b"x")
        self.client.closed = True
        self.client.gate.fail(Disconnected("over"))
        self.failureResultOf(self.pump, Disconnected)

    def test_what_comes_is_shown(self) -> None:
        self.client.incoming = [b"1", b"2"]
        self.failureResultOf(Deferred.fromCoroutine(self.side.run()), Disconnected)
        self.assertEqual(self.screen.lines, ["12:00 1", "12:00 2"])


class Peer:
    """One connection of a client, and the test in the place of its server."""

    def __init__(self, reactor: MemoryReactorClock, at: int) -> None:
        self.protocol: Any = reactor.tcpClients[at][2].buildProtocol(None)
        self.transport = StringTransport()
        self.decoder = FrameDecoder()
        self.said: list[Request] = []  # at once on being welcomed
        self.protocol.makeConnection(self.transport)

    def hear(self) -> list[Request]:
        """Return what the client has said since the last time."""
        data = self.transport.value()
        self.transport.clear()
        return [parse_request(frame) for frame in self.decoder.feed(data)]

    def say(self, *replies: Reply) -> list[Request]:
        """Say something; return what the client says since the last time."""
        self.protocol.dataReceived(b"".join(reply.encode() for reply in replies))
        return self.hear()

    def end(self, reason: Exception | None = None) -> None:
        self.protocol.connectionLost(Failure(reason or ConnectionLost()))


def msg(seq: int, text: bytes, sender: str = "bob", room: str = "lobby") -> Msg:
    return Msg(room, seq, sender, NOON * 1000, text)


class TypedSideTests(ChatCase):
    def setUp(self) -> None:
        super().setUp()
        self.reactor = MemoryReactorClock()
        self.clients: list[Client] = []
        self.now = NOON
        self.addCleanup(self.abandon)

    def abandon(self) -> None:
        """Leave nothing running."""
        Deferred.fromCoroutine(self.side.abort()).addErrback(lambda _: None)
        self.ended.addErrback(lambda _: None)

    def make(self, name: str | None) -> Client:
        client = Client(
            self.reactor,
            TCP4ClientEndpoint(self.reactor, "server", 1),
            name,
            jitter=lambda: 0.5,
            entropy=lambda size: f"{len(self.clients)}" * 2 * size,
        )
        self.clients.append(client)
        return client

    def peer(self, name: str, last_id: int = 0) -> Peer:
        """Accept the newest attempt, and welcome it under a name."""
        peer = Peer(self.reactor, -1)
        (hello,) = peer.hear()
        self.assertIsInstance(hello, Hello)
        peer.said = peer.say(Welcome(name, last_id, {}))
        return peer

    def begin(self, last: int = 20) -> Peer:
        """Connect as alice and enter the lobby, where bob is; return the connection."""
        self.side = TypedSide(
            self.make,
            self.screen,
            clock=self.reactor,
            server="here:1",
            room="lobby",
            name="alice",
            last=last,
            now=lambda: self.now,
        )
        self.talk = Conversation(self.side, self.screen)
        self.ended = Deferred.fromCoroutine(self.side.run())
        started = Deferred.fromCoroutine(self.side.start())
        peer = self.peer("alice")
        self.successResultOf(started)
        entering = Sub("lobby", last=last or None, presence=True)
        self.assertEqual(peer.said, [entering, Who("lobby"), Rooms()])
        self.assertEqual(
            self.screen.take(),
            ["connected to here:1 as alice; /help lists commands, Ctrl-D leaves"],
        )
        return peer

    def enter(self, last: int = 20) -> Peer:
        """The same, and the lobby is empty and answers."""
        peer = self.begin(last)
        peer.say(
            Subbed("lobby", 0),
            Here("lobby", ["alice", "bob"], 0),
            RoomList([{"room": "lobby"}, {"room": "dev"}, {"room": "a b"}, {"room": 5}, {}], 0),
            Live("lobby", 0),
        )
        self.assertEqual(self.screen.take(), ["in #lobby: bob and you (alice)"])
        return peer

    def test_tab_completes_names_rooms_and_words(self) -> None:
        peer = self.enter()
        peer.say(Join("lobby", "Bea"))
        for before, typed, found in (
            ("b", 1, ["Bea: ", "bob: "]),
            ("hello BO", 2, ["bob "]),
            ("hello @b", 1, ["Bea ", "bob "]),
            ("@bo", 2, ["bob "]),
            ("/w", 2, ["/who "]),
            ("//b", 3, []),
            ("/join ", 0, ["dev ", "lobby "]),
            ("/join #d", 1, ["dev "]),
            ("/part ", 0, ["lobby "]),
            ("/msg b", 1, ["Bea ", "bob "]),
            ("/msg bob ask be", 2, ["Bea "]),
            ("/nick b", 1, []),
            ("/nonsense b", 1, []),
            ("", 0, []),
            ("so ", 0, []),
            ("alice", 5, []),
        ):
            with self.subTest(before):
                self.assertEqual(self.talk.completions(before), (typed, found))
        self.type(b"/join dev")
        self.assertEqual(self.talk.completions("/msg b")[1], ["Bea ", "bob "])
        self.assertEqual(self.talk.completions("b")[1], [])

    def test_tab_completes_who_wrote_what_is_shown(self) -> None:
        peer = self.enter()
        peer.say(
            msg(1, b"one", "carol"),
            msg(2, b"two", "bob"),
            msg(3, b"before", "alice"),
            Part("lobby", "bob"),
        )
        peer.say(Msg("@alice", 1, "dave", NOON * 1000, b"psst"))
        self.assertEqual(len(self.screen.shown), 4)
        for name in ("bob", "carol", "dave"):  # none of them is there
            with self.subTest(name):
                self.assertEqual(self.talk.completions(name[:2])[1], [f"{name}: "])
                self.assertEqual(self.talk.completions(f"/msg {name[:2]}")[1], [f"{name} "])
        self.assertEqual(self.talk.completions("al")[1], [])  # oneself
        self.type(b"/join dev", b"/part lobby")  # what they wrote is still shown
        self.assertEqual(self.talk.completions("ca")[1], ["carol: "])
        self.assertEqual(self.talk.completions("/msg ca")[1], ["carol "])

    def test_tab_completes_the_last_who_wrote(self) -> None:
        peer = self.enter()
        for seq in range(1, WRITERS_LIMIT + 1):
            peer.say(msg(seq, b"x", f"n{seq}"))
        peer.say(msg(WRITERS_LIMIT + 1, b"x", "n1"), msg(WRITERS_LIMIT + 2, b"x", "new"))
        found = self.talk.completions("/msg n")[1]
        self.assertEqual(len(found), WRITERS_LIMIT)
        self.assertEqual([name in found for name in ("n1 ", "n2 ", "n3 ", "new ")], [1, 0, 1, 1])

    def test_help_tells_of_tab(self) -> None:
        self.enter()
        self.type(b"/help")
        said = "\n".join(self.screen.said)
        self.assertRegex(said, "Tab +complete a command, a room or a name, in the line editor")

    def test_rooms_to_complete_are_asked_for_again(self) -> None:
        peer = self.enter()
        peer.hear()
        self.talk.completions("/join ")
        self.assertEqual(peer.hear(), [Rooms()])
        peer.say(RoomList([{"room": "attic"}], 0))
        self.assertEqual(self.talk.completions("/who a")[1], ["attic "])
        self.assertEqual(peer.hear(), [Rooms()])
        peer.say(Err("forbidden", "not for you", "ROOMS"))
        self.assertEqual(self.talk.completions("/who a")[1], ["attic "])
        peer.end()
        self.assertEqual(self.talk.completions("/who a")[1], ["attic "])
        self.assertEqual(self.screen.take()[1:], [])

    def test_data_is_shown_with_the_command_that_saves_it(self) -> None:
        peer = self.enter()
        peer.say(msg(7, b"\x89PNG\0", "bob"))
        (line,) = self.screen.lines
        self.assertTrue(
            line.startswith("12:00 -- from bob: PNG image, 5 bytes; to save it: "), line
        )
        self.assertTrue(line.endswith(" recv lobby --from 7 --count 1 --raw > FILE.png"), line)

    def type(self, *lines: bytes) -> None:
        for line in lines:
            self.assertIs(self.talk.enter(line), After.GO_ON)

    def test_history_comes_behind_who_is_there(self) -> None:
        peer = self.begin()
        peer.say(Subbed("lobby", 2), msg(1, b"one"), msg(2, b"two"), Live("lobby", 2))
        self.assertEqual(self.screen.shown, [])
        peer.say(Here("lobby", ["bob", "alice"], 0))
        self.assertEqual(self.screen.take(), ["in #lobby: bob and you (alice)"])
        self.assertEqual(self.screen.lines, ["12:00 <bob> one", "12:00 <bob> two"])

    def test_what_one_says_is_shown_as_it_comes_back(self) -> None:
        peer = self.enter()
        self.assertEqual(self.side.prompt, "#lobby> ")
        self.type(b"hello", b"/me waves", b"//x")
        sent = [b"hello", b"* alice waves", b"/x"]
        self.assertEqual(peer.hear(), [Pub("lobby", text, n) for n, text in enumerate(sent, 1)])
        self.assertEqual(self.screen.shown, [])
        peer.say(Ack(3, 3), msg(1, b"hello", "bob"),
                 *(msg(n, text, "alice") for n, text in enumerate(sent, 2)))  # fmt: skip
        self.assertEqual(
            self.screen.lines,
            ["12:00 <bob> hello", "12:00 <alice> hello", "12:00 * alice waves", "12:00 <alice> /x"],
        )
        self.assertEqual([s.own for s in self.screen.shown], [False, True, True, True])

    def test_the_prompt_tells_of_a_server_that_takes_long(self) -> None:
        peer = self.enter()
        self.type(b"one", b"two")
        self.assertEqual(self.side.prompt, "#lobby> ")
        self.now += 2
        self.assertEqual(self.side.prompt, "#lobby (2 not stored yet)> ")
        peer.say(Ack(2, 2))
        self.assertEqual(self.side.prompt, "#lobby> ")
        self.type(b"three")
        self.assertEqual(self.side.prompt, "#lobby> ")

    def test_presence(self) -> None:
        peer = self.enter()
        peer.say(Join("lobby", "carol"), Part("lobby", "bob"))
        self.assertEqual(self.screen.take(), ["carol is here", "bob has left"])

    def test_several_rooms(self) -> None:
        peer = self.enter()
        self.type(b"/join #dev", b"to dev")
        self.assertEqual(
            peer.hear(),
            [Sub("dev", last=20, presence=True), Who("dev"), Pub("dev", b"to dev", 1)],
        )
        self.assertEqual(self.side.prompt, "#dev> ")
        peer.say(Subbed("dev", 0), Here("dev", ["alice"], 0), msg(1, b"x"), Join("lobby", "carol"))
        self.assertEqual(self.screen.take(), ["in #dev: you (alice)", "#lobby: carol is here"])
        self.assertEqual(self.screen.lines, ["12:00 #lobby <bob> x"])
        self.type(b"/join lobby", b"to lobby")
        self.assertEqual(peer.hear(), [Pub("lobby", b"to lobby", 2)])
        self.assertEqual(self.screen.take(), ["now in #lobby"])
        self.type(b"/part dev", b"/part", b"/part", b"/part dev", b"nowhere", b"/who")
        self.assertEqual(peer.hear(), [Unsub("dev"), Unsub("lobby")])
        self.assertEqual(
            self.screen.take(),
            [
                "you have left #dev",
                "you have left #lobby; /join ROOM enters one",
                "you are in no room",
                "you are not in #dev",
                "you are in no room; nothing was sent: /join ROOM",
                "you are in no room: /who ROOM",
            ],
        )
        self.assertEqual(self.side.prompt, "(no room)> ")

    def test_leaving_the_current_room_goes_back_to_another(self) -> None:
        self.enter()
        self.type(b"/join dev", b"/part")
        self.assertEqual(self.screen.take(), ["you have left #dev; now in #lobby"])
        self.assertEqual(self.side.prompt, "#lobby> ")

    def test_a_room_left_before_it_answered_says_nothing(self) -> None:
        peer = self.enter()
        self.type(b"/join dev", b"/part")
        self.screen.take()
        peer.say(Subbed("dev", 1), Here("dev", ["alice"], 0), msg(1, b"x", room="dev"))
        self.assertEqual((self.screen.said, self.screen.shown), ([], []))

    def test_a_room_that_is_refused(self) -> None:
        peer = self.enter()
        self.type(b"/join dev")
        peer.say(Err("forbidden", "not for you", "SUB", "dev"), Here("dev", [], 0))
        self.assertEqual(
            self.screen.take(),
            ["in #dev: nobody", "cannot be in #dev: not for you; now in #lobby"],
        )

    def test_who(self) -> None:
        peer = self.enter()
        self.type(b"/who", b"/who #dev", b"/who no/room")
        self.assertEqual(peer.hear(), [Who("lobby"), Who("dev")])
        self.assertIn("(/who [ROOM])", self.screen.take()[0])
        peer.say(Join("lobby", "Carol"))
        self.screen.take()
        peer.say(Here("lobby", ["Carol", "alice", "bob"], 0), Err("forbidden", "no", "WHO", "dev"))
        self.assertEqual(
            self.screen.take(), ["in #lobby: bob, Carol and you (alice)", "/who dev: no"]
        )

    def test_words_that_lack_something(self) -> None:
        self.enter()
        self.type(b"/join", b"/join a/b", b"/msg", b"/msg bob", b"/msg b/b x", b"/me", b"/nick")
        said = self.screen.take()
        for text, start in zip(
            said,
            ("which room?", "a room's name", "who?", "say", "a name is", "what do you", "who?"),
            strict=True,
        ):
            self.assertTrue(text.startswith(start), text)

    def test_direct_messages(self) -> None:
        peer = self.enter()
        self.type(b"/msg bob  hello you", b"/msg @carol hi")
        self.assertEqual(peer.hear(), [Pub("@bob", b"hello you", 1), Pub("@carol", b"hi", 2)])
        self.assertEqual(self.screen.shown, [])
        peer.say(Ack(1, 1), Err("absent", "nobody called carol is here", "PUB", "2"), Ack(2, 2))
        peer.say(msg(3, b"yes?", "bob", "@alice"))
        self.assertEqual(self.screen.lines, ["12:00 -> bob: hello you", "12:00 [bob] yes?"])
        self.assertEqual(self.screen.take(), ["not sent: nobody called carol is here: hi"])

    def test_a_direct_message_whose_outcome_is_unknown(self) -> None:
        peer = self.enter()
        self.type(b"/msg bob hi")
        peer.say(Err("unknown", "ask bob", "PUB", "1"), Ack(1, 0, dup=True))
        self.assertEqual(self.screen.take(), ["perhaps not received: ask bob: hi"])
        self.assertEqual(self.screen.shown, [])

    def test_direct_messages_that_came_too_fast_are_counted(self) -> None:
        peer = self.enter()
        self.screen.room.shut()
        big = b"x" * 400_000
        for seq in range(5):
            peer.say(msg(seq + 1, big, "bob", "@alice"))
        self.screen.room.open()
        self.assertIn("2 direct messages were lost", self.screen.take()[0])
        self.assertEqual(len(self.screen.shown), 3)

    def test_what_cannot_be_sent(self) -> None:
        peer = self.enter()
        self.type(b"!DISCONNECT!", b"/msg bob !DISCONNECT!")
        self.assertEqual(peer.hear(), [])
        self.assertEqual([text[:9] for text in self.screen.take()], ["not sent:"] * 2)

    def test_a_line_that_is_refused_is_told_with_its_beginning(self) -> None:
        peer = self.enter()
        self.type(b"y" * (SHORT + 1))
        peer.say(Err("forbidden", "you may not", "PUB", "1"))
        self.assertIn(f"not sent: you may not: {'y' * SHORT}...", self.screen.said)

    def test_what_is_typed_offline_is_sent_once(self) -> None:
        peer = self.enter()
        peer.say(msg(1, b"one"))
        peer.end()
        self.assertEqual(self.side.prompt, "#lobby (offline)> ")
        self.type(b"two", b"/who")
        self.assertIn("the line is kept and sent later: two", self.screen.take()[-1])
        self.reactor.advance(1)
        peer = self.peer("alice")
        self.assertEqual(
            peer.said,
            [
                Sub("lobby", start=2, presence=True),
                Who("lobby"),
                Who("lobby"),
                Pub("lobby", b"two", 1),
            ],
        )
        peer.say(Subbed("lobby", 1), Live("lobby", 1), Ack(1, 2), msg(2, b"two", "alice"))
        peer.say(Join("lobby", "bob"))  # comes back, too: no news
        self.assertEqual(self.screen.texts, [b"one", b"two"])
        self.assertEqual(self.screen.take(), [])

    def test_who_came_and_went_while_the_connection_was_lost(self) -> None:
        self.enter().end()
        self.reactor.advance(1)
        self.screen.take()
        peer = self.peer("alice")
        self.assertEqual(peer.said, [Sub("lobby", start=1, presence=True), Who("lobby")])
        peer.say(Subbed("lobby", 0), Here("lobby", ["alice", "carol"], 0), Live("lobby", 0))
        self.assertEqual(self.screen.take(), ["carol is here"])
        self.reactor.advance(RETURN_SECONDS)
        self.assertEqual(self.screen.take(), ["bob has left"])
        peer.say(Join("lobby", "bob"))
        self.assertEqual(self.screen.take(), ["bob is here"])

    def test_who_comes_back_a_little_later_is_no_news(self) -> None:
        self.enter().end()
        self.reactor.advance(1)
        peer = self.peer("alice")
        self.screen.take()
        peer.say(Subbed("lobby", 0), Here("lobby", ["alice"], 0), Live("lobby", 0))
        peer.say(Join("lobby", "bob"))
        self.reactor.advance(RETURN_SECONDS)
        self.assertEqual(self.screen.take(), [])

    def test_a_room_that_was_left_has_no_news(self) -> None:
        peer = self.enter()
        peer.say(Here("lobby", ["alice"], 0))
        self.type(b"/part")
        self.screen.take()
        self.reactor.advance(RETURN_SECONDS)
        self.assertEqual(self.screen.take(), [])

    def test_gaps_are_told(self) -> None:
        peer = self.enter()
        peer.say(Missed("lobby", 1, 5), msg(6, b"six"))
        (said,) = self.screen.take()
        self.assertIn("1 to 5 of lobby are no longer kept", said)
        peer.end()
        self.reactor.advance(1)
        peer = self.peer("alice")
        peer.say(Err("bad-args", "beyond", "SUB", "lobby"))
        peer.say(Subbed("lobby", 2), Live("lobby", 2), msg(3, b"three"))
        (said,) = self.screen.take()
        self.assertIn("was replaced", said)
        self.assertEqual(self.screen.texts, [b"six", b"three"])

    def test_the_end_of_the_client_is_the_end(self) -> None:
        peer = self.enter()
        peer.say(Err("superseded", "another one", None, None))
        peer.end(ConnectionDone())
        self.failureResultOf(self.ended, Superseded)
        self.type(b"too late")
        self.assertNotIn("not sent", "".join(self.screen.said))

    def test_a_question_fails_with_the_client(self) -> None:
        peer = self.enter()
        self.type(b"/who")
        peer.say(Err("superseded", "another one", None, None))
        peer.end(ConnectionDone())
        self.failureResultOf(self.ended, Superseded)

    def test_leaving(self) -> None:
        peer = self.enter()
        self.type(b"last words")
        peer.hear()
        self.successResultOf(Deferred.fromCoroutine(self.side.settle()))
        left = Deferred.fromCoroutine(self.side.leave(5))
        self.assertNoResult(left)
        self.assertEqual(peer.say(Ack(1, 1)), [Unsub("lobby"), Bye()])
        peer.end(ConnectionDone())
        self.reactor.advance(0)
        self.assertTrue(self.successResultOf(left))
        self.successResultOf(Deferred.fromCoroutine(self.side.abort()))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_leaving_without_a_connection(self) -> None:
        self.enter().end()
        self.type(b"one")
        self.assertFalse(self.successResultOf(Deferred.fromCoroutine(self.side.leave(5))))
        self.assertIn("1 line may not have been sent", self.screen.said[-1])
        self.type(b"two")
        self.assertFalse(self.successResultOf(Deferred.fromCoroutine(self.side.leave(5))))
        self.assertIn("2 lines may not", self.screen.said[-1])

    def test_leaving_takes_no_longer_than_it_may(self) -> None:
        peer = self.enter()
        self.type(b"one")
        peer.hear()
        left = Deferred.fromCoroutine(self.side.leave(5))
        self.reactor.advance(5)
        peer.end()
        self.reactor.advance(0)
        self.failureResultOf(left, TimedOut)

    # -- another name --------------------------------------------------------

    def test_another_name_loses_and_doubles_nothing(self) -> None:
        old = self.enter()
        old.say(msg(1, b"one"))
        self.type(b"as alice", b"/nick zoe", b"as zoe", b"/me waves")
        self.assertEqual(old.hear(), [Pub("lobby", b"as alice", 1)])
        room = Deferred.fromCoroutine(self.side.room())
        settled = Deferred.fromCoroutine(self.side.settle())
        old.say(msg(2, b"two"))
        new = self.peer("zoe")
        self.assertEqual(
            new.said,
            [Sub("lobby", start=3, presence=True), Ping("1")],
        )
        new.say(Subbed("lobby", 2), Live("lobby", 2), Pong("1"))
        self.assertEqual(old.hear(), [Ping("1")])
        self.assertEqual(
            old.say(Join("lobby", "zoe"), msg(3, b"as alice", "alice"), msg(4, b"four"), Pong("1")),
            [Unsub("lobby")],
        )
        new.say(msg(3, b"as alice", "alice"), msg(4, b"four"), msg(5, b"five"))
        self.assertNoResult(room)
        self.assertNoResult(settled)
        self.assertEqual(old.say(Ack(1, 3)), [Bye()])
        new.say(Part("lobby", "alice"))
        self.assertEqual(new.hear(), [])
        old.end(ConnectionDone())
        self.reactor.advance(0)
        self.assertEqual(new.hear(), [Pub("lobby", b"as zoe", 1), Pub("lobby", b"* zoe waves", 2)])
        self.assertEqual(self.screen.take(), ["you are zoe now"])
        self.assertEqual(self.screen.texts, [b"one", b"two", b"as alice", b"four", b"five"])
        self.assertEqual([s.own for s in self.screen.shown], [False, False, True, False, False])
        self.successResultOf(room)
        self.successResultOf(settled)

    def test_a_name_one_has(self) -> None:
        self.enter()
        self.type(b"/nick alice")
        self.assertEqual(self.screen.take(), ["you are alice already"])
        self.assertEqual(len(self.clients), 1)

    def test_a_name_that_is_refused_changes_nothing(self) -> None:
        old = self.enter()
        self.type(b"/nick zoe", b"still alice")
        new = Peer(self.reactor, -1)
        new.say(Err("unauthorized", "not that name", "HELLO", None))
        new.end(ConnectionDone())
        self.reactor.advance(0)
        self.assertEqual(self.screen.take(), ["you are still alice: not that name"])
        self.assertEqual(old.hear(), [Pub("lobby", b"still alice", 1)])
        self.assertNoResult(self.ended)

    def test_an_old_name_that_does_not_say_goodbye(self) -> None:
        old = self.enter()
        self.type(b"lost?", b"/nick zoe")
        new = self.peer("zoe")
        new.say(Subbed("lobby", 0), Live("lobby", 0), Pong("1"))
        old.say(Pong("1"))
        self.reactor.advance(10)
        old.end()
        self.reactor.advance(0)
        said = self.screen.take()
        self.assertIn("what alice said last: 1 messages were not acknowledged", said[0])
        self.assertEqual(said[1:], ["you are zoe now"])

    def test_the_old_client_s_end_is_not_the_conversation_s(self) -> None:
        old = self.begin()
        self.type(b"/nick zoe")
        new = self.peer("zoe")
        new.say(Pong("1"))
        old.say(Err("superseded", "another one", None, None))
        old.end(ConnectionDone())
        self.reactor.advance(0)
        new.say(Subbed("lobby", 0), Here("lobby", ["zoe"], 0), Live("lobby", 0))
        said = self.screen.take()
        self.assertIn("what alice said last", said[0])
        self.assertEqual(said[1:], ["you are zoe now", "in #lobby: you (zoe)"])
        self.assertNoResult(self.ended)

    def test_leaving_at_once_while_the_name_changes(self) -> None:
        self.enter()
        self.type(b"/nick zoe")
        aborted = Deferred.fromCoroutine(self.side.abort())
        self.reactor.advance(0)
        for protocol in (self.reactor.tcpClients[0],):
            self.assertIsNotNone(protocol)
        self.assertTrue(all(client.closed for client in self.clients))
        aborted.addErrback(lambda _: None)

    def test_without_history(self) -> None:
        peer = self.enter(last=0)
        peer.say(msg(7, b"live"))
        self.assertEqual(self.screen.texts, [b"live"])


class MemberTests(SynchronousTestCase):
    def common(self, **more: Any) -> Common:
        options: dict[str, Any] = {
            "server": "127.0.0.1:1", "name": "alice", "header_size": 128,
            "disconnect_word": b"!DISCONNECT!", "quiet": False, "verbose": False,
        }  # fmt: skip
        return Common(**{**options, **more})

    def test_what_is_told_of_connections_and_names(self) -> None:
        reactor, said = MemoryReactorClock(), list[str]()
        client = typed_client(reactor, self.common(), said.append)
        Deferred.fromCoroutine(client.connect())
        for name in ("alice2", "alice2", "alice"):
            peer = Peer(reactor, -1)
            peer.say(Welcome(name, 0, {}))
            peer.end()
            reactor.advance(60)
        lost = "connection lost, trying again (the connection was lost)"
        self.assertEqual(
            said,
            [
                "the name alice is taken: here you are alice2",
                lost,
                "connected again",
                lost,
                "connected again",
                "here you are alice",
                lost,
            ],
        )

    def test_a_plain_member_that_missed_messages(self) -> None:
        said = list[str]()
        Tidings(said.append).lost(Refused("missed", "7"))
        self.assertIn("read too slowly and missed 7 messages", said[0])

    def test_a_refused_line_is_no_lost_connection(self) -> None:
        reactor, said = MemoryReactorClock(), list[str]()
        client = typed_client(reactor, self.common(), said.append)
        Deferred.fromCoroutine(client.connect())
        peer = Peer(reactor, -1)
        peer.say(Welcome("alice", 0, {}))
        sent = client.send("lobby", "x")
        peer.say(Err("limit", "no more rooms", "PUB", "1"))
        self.failureResultOf(sent, Refused)
        peer.end()
        reactor.advance(60)
        Peer(reactor, -1).say(Welcome("alice", 0, {}))
        self.assertTrue(client.connected)
        self.assertEqual(said, [])

    def test_a_guest_who_comes_back_under_another_number(self) -> None:
        reactor, said = MemoryReactorClock(), list[str]()
        client = typed_client(reactor, self.common(name=None), said.append)
        Deferred.fromCoroutine(client.connect())
        for name in ("guest-1", "guest-2"):
            peer = Peer(reactor, -1)
            peer.say(Welcome(name, 0, {}))
            peer.end()
            reactor.advance(60)
        self.assertEqual(said[1:3], ["connected again", "here you are guest-2"])

    def test_a_server_that_cannot_be(self) -> None:
        for make in (typed_client, plain_client):
            with self.assertRaisesRegex(UsageError, "--server"):
                make(MemoryReactorClock(), self.common(server="foo:bar=baz"), print)

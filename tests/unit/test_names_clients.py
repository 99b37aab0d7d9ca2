"""Who is called what, and clients that come back: the two books that conversations share."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.session import clients
from twisted_msg.session.clients import Clients, Mark, key_of
from twisted_msg.session.names import LONGEST, Names
from twisted_msg.wire.names import NAME


class NamesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.names: Names[str] = Names()

    def test_free_name_is_what_one_gets(self) -> None:
        self.assertEqual(self.names.claim("alice", "first"), "alice")
        self.assertEqual(self.names.bearer("alice"), "first")
        self.assertIsNone(self.names.bearer("bob"))

    def test_only_the_bearer_gives_it_back(self) -> None:
        self.names.claim("alice", "first")
        self.names.release("alice", "other")
        self.assertEqual(self.names.bearer("alice"), "first")
        self.names.release("alice", "first")
        self.names.release("alice", "first")
        self.assertIsNone(self.names.bearer("alice"))

    def test_lowest_free_number_is_taken(self) -> None:
        bearers = ["first", "second", "third", "fourth"]
        given = [self.names.claim("alice", bearer) for bearer in bearers]
        self.assertEqual(given, ["alice", "alice-2", "alice-3", "alice-4"])
        self.names.release("alice-3", bearers[2])
        self.assertEqual(self.names.claim("alice", "again"), "alice-3")

    def test_ten_thousand_that_want_one_name_try_few(self) -> None:
        class Counted(dict[str, int]):
            tried = 0

            def __contains__(self, name: object) -> bool:
                self.tried += 1
                return super().__contains__(name)

        names: Names[int] = Names()
        names._bearers = bearers = Counted()
        given = [names.claim("bob", at) for at in range(10_000)]
        self.assertEqual(given[-1], "bob-10000")
        self.assertLess(bearers.tried, 10_000 * 50)

    @given(st.lists(st.sampled_from(["a", "a-2", "a-2-2", "b" * LONGEST, "b" * 22]), max_size=40))
    def test_every_name_is_one_and_nobody_shares_it(self, wanted: list[str]) -> None:
        names: Names[int] = Names()
        given = [names.claim(name, at) for at, name in enumerate(wanted)]
        self.assertEqual(len(set(given)), len(given))
        for at, name in enumerate(given):
            self.assertTrue(NAME.fullmatch(name), name)
            self.assertEqual(names.bearer(name), at)


class Session:
    """A session that notes what it is told."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.superseded = 0
        self.entered: list[Mark | BaseException] = []

    def supersede(self) -> str:
        self.superseded += 1
        return self.name

    def inherit(self, name: str) -> None:
        self.name = name


class ClientsTests(SynchronousTestCase):
    """Without a store; with one, tests/unit/test_typed_hello.py."""

    def setUp(self) -> None:
        self.later: list[Callable[[], None]] = []
        self.clients = Clients(None, self.later.append)

    def enter(self, session: Session, key: bytes = b"key") -> Session:
        self.clients.enter(key, session, session.entered.append)
        return session

    def turn(self) -> None:
        later, self.later[:] = self.later[:], []
        for call in later:
            call()

    def mark(self, session: Session) -> Mark:
        (mark,) = session.entered
        assert isinstance(mark, Mark)
        return mark

    def test_secret_is_known_by_a_digest(self) -> None:
        self.assertEqual(len(key_of("0123456789abcdef")), 16)
        self.assertNotEqual(key_of("0123456789abcdef"), key_of("0123456789abcdeg"))

    def test_new_client_has_received_nothing(self) -> None:
        mark = self.mark(self.enter(Session()))
        self.assertEqual((mark.received, mark.id, mark.seq), (0, 0, 0))
        self.assertTrue(mark.settled)

    def test_mark_is_the_same_over_connections(self) -> None:
        first = self.enter(Session())
        self.clients.leave(b"key", first)
        self.assertIs(self.mark(self.enter(Session())), self.mark(first))
        self.assertEqual(first.superseded, 0)

    def test_next_one_waits_until_everything_is_settled(self) -> None:
        first = self.enter(Session("alice"))
        mark = self.mark(first)
        mark.received = 5
        second = self.enter(Session())
        self.turn()
        self.assertEqual((first.superseded, second.entered), (1, []))
        self.assertEqual(second.name, "alice")
        mark.id = 5
        self.turn()
        self.assertIs(self.mark(second), mark)

    def test_third_one_gets_the_place_and_the_name_of_one_that_waited(self) -> None:
        first = self.enter(Session("alice"))
        self.mark(first).received = 5
        second, third = self.enter(Session()), self.enter(Session())
        self.mark(first).id = 5
        self.turn()
        self.assertEqual((second.superseded, second.entered), (1, []))
        self.assertEqual(third.name, "alice")
        self.assertIs(self.mark(third), self.mark(first))

    def test_one_that_is_gone_meanwhile_is_told_nothing(self) -> None:
        first = self.enter(Session())
        self.mark(first).received = 5
        second = self.enter(Session())
        self.clients.leave(b"key", second)
        self.mark(first).id = 5
        self.turn()
        self.assertEqual(second.entered, [])

    def test_who_was_superseded_leaves_nothing(self) -> None:
        first, second = self.enter(Session()), self.enter(Session())
        self.clients.leave(b"key", first)
        third = self.enter(Session())
        self.assertEqual(second.superseded, 1)
        self.assertEqual(len(third.entered), 1)
        self.clients.leave(b"other", first)

    def test_oldest_without_a_connection_are_forgotten(self) -> None:
        self.patch(clients, "CLIENTS_LIMIT", 3)
        marks = []
        for number in range(6):
            session = self.enter(Session(), b"%d" % number)
            marks.append(self.mark(session))
            if number != 1:
                self.clients.leave(b"%d" % number, session)
        self.assertLessEqual(len(self.clients._clients), 4)
        self.assertIs(self.mark(self.enter(Session(), b"5")), marks[5])
        self.assertIs(self.mark(self.enter(Session(), b"1")), marks[1])
        self.assertIsNot(self.mark(self.enter(Session(), b"0")), marks[0])

    def test_one_that_is_not_settled_is_not_forgotten(self) -> None:
        self.patch(clients, "CLIENTS_LIMIT", 1)
        first = self.enter(Session(), b"first")
        self.mark(first).received = 5
        self.clients.leave(b"first", first)
        for number in range(3):
            session = self.enter(Session(), b"%d" % number)
            self.clients.leave(b"%d" % number, session)
        self.mark(first).id = 5
        self.assertIs(self.mark(self.enter(Session(), b"first")), self.mark(first))

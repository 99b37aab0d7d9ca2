"""Lists of rooms are made a portion in each turn, and say how many rooms they leave out."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.world import World
from twisted_msg.session import lists
from twisted_msg.session.lists import by_name, list_rooms
from twisted_msg.session.portions import Portions
from twisted_msg.wire.lists import encode_room_list, room_entry
from twisted_msg.wire.replies import RoomList

NAMES = st.lists(st.text("abAB._-", min_size=1, max_size=32), max_size=9, unique=True)


class Known:
    """Rooms that are gone when the test says so."""

    def __init__(self, names: list[str]) -> None:
        self.heads = {name: at for at, name in enumerate(names)}
        self.looked_at: list[str] = []

    def names(self) -> list[str]:
        return list(self.heads)

    def describe(self, name: str) -> tuple[int, int] | None:
        self.looked_at.append(name)
        return (self.heads[name], 1) if name in self.heads else None


class ListTests(SynchronousTestCase):
    def made(self, rooms: Any, limit: int, **more: Any) -> tuple[list[bytes], int]:
        found: list[tuple[list[bytes], int]] = []
        for _ in list_rooms(rooms, limit, lambda *answer: found.append(answer), **more):
            self.assertEqual(found, [])
        (answer,) = found
        return answer

    @settings(deadline=None)
    @given(NAMES, st.integers(2, 400), st.integers(1, 4))
    def test_a_list_is_cut_as_late_as_possible(
        self, names: list[str], limit: int, portion: int
    ) -> None:
        with patch.object(lists, "PORTION", portion):
            parts, cut = self.made(Known(names), limit)
        rooms = [{"room": name, "head": at, "members": 1} for at, name in enumerate(names)]
        fits = rooms[: len(rooms) - cut]
        frame = encode_room_list(parts, cut)
        self.assertEqual(frame, RoomList(fits, cut).encode())
        self.assertLessEqual(len(frame) - 128, limit)
        if cut:
            self.assertGreater(len(RoomList(rooms[: len(fits) + 1]).encode()) - 128, limit)

    @settings(deadline=None)
    @given(NAMES, st.integers(1, 4))
    def test_names_in_order(self, names: list[str], portion: int) -> None:
        with patch.object(lists, "PORTION", portion):
            parts, _ = self.made(Known(names), 10_000, order=by_name)
        wanted = sorted(names, key=lambda name: (name.casefold(), name))
        entries = [room_entry(name, names.index(name), 1) for name in wanted]
        self.assertEqual(b",".join(parts), b",".join(entries))

    def test_a_portion_looks_at_few(self) -> None:
        known = Known([f"r{number}" for number in range(2 * lists.PORTION + 1)])
        work = list_rooms(known, 1 << 30, lambda *answer: None)  # type: ignore[arg-type]
        looked_at = []
        for _ in work:
            looked_at.append(len(known.looked_at))
            known.looked_at.clear()
        self.assertEqual([*looked_at, len(known.looked_at)], [lists.PORTION, lists.PORTION, 1])

    def test_rooms_that_are_gone_meanwhile_are_not_listed(self) -> None:
        known = Known(["a", "b", "c"])
        found: list[Any] = []
        with patch.object(lists, "PORTION", 1):
            work = list_rooms(known, 1 << 30, lambda *answer: found.append(answer))  # type: ignore[arg-type]
            next(work)
            del known.heads["b"], known.heads["c"]
            known.heads["d"] = 9
            self.assertEqual(list(work), [None])
        self.assertEqual(found, [([room_entry("a", 0, 1)], 0)])


class PortionsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.later: list[Any] = []
        self.done: list[str] = []
        self.portions = Portions(self.later.append)

    def work(self, name: str, portions: int) -> Any:
        for _ in range(portions - 1):
            self.done.append(name)
            yield
        self.done.append(name + "!")

    def turn(self) -> list[str]:
        self.done.clear()
        later, self.later[:] = self.later[:], []
        for call in later:
            call()
        return self.done[:]

    def test_short_work_is_done_at_once(self) -> None:
        self.portions.run(self.work("a", 1), lambda: True)
        self.assertEqual((self.done, self.later), (["a!"], []))

    def test_works_take_turns(self) -> None:
        self.portions.run(self.work("a", 3), lambda: True)
        self.portions.run(self.work("b", 2), lambda: True)
        self.assertEqual(self.done, ["a"])
        self.assertEqual([self.turn() for _ in range(5)], [["a"], ["b"], ["a!"], ["b!"], []])

    def test_work_that_nobody_wants_ends(self) -> None:
        wanted = [True]
        self.portions.run(self.work("a", 9), lambda: wanted[0])
        self.portions.run(self.work("b", 1), lambda: True)
        wanted.clear()
        wanted.append(False)
        self.assertEqual([self.turn(), self.turn(), self.turn()], [[], ["b!"], []])

    def test_a_fault_stops_nobody_else(self) -> None:
        def fails() -> Any:
            yield
            raise ZeroDivisionError

        self.portions.run(fails(), lambda: True)
        self.portions.run(self.work("b", 2), lambda: True)
        self.assertRaises(ZeroDivisionError, self.turn)
        self.assertEqual([self.turn(), self.turn()], [["b"], ["b!"]])


class PeerTests(SynchronousTestCase):
    def test_a_peer_waits_for_its_list_and_others_do_not(self) -> None:
        world = World()
        asker = world.typed(world.frame(b"", "HELLO", "name=alice"))
        for number in range(9):
            world.rooms.open(f"r{number}")
        later: list[Any] = []
        world.server.house.portions._soon = later.append
        with patch.object(lists, "PORTION", 2):
            asker.say(world.frame(b"", "ROOMS") + world.frame(b"", "PING", "behind"))
            world.turn()
            other = world.typed(world.frame(b"", "PING", "other"))
            self.assertEqual(len(other.replies()), 1)
            self.assertEqual(len(asker.replies()), 1)
            while later:
                later.pop(0)()
            world.turn()
        _, rooms, pong = asker.frames()
        self.assertEqual((rooms.words, pong.words), (("ROOMS",), ("PONG", "behind")))
        self.assertEqual(rooms.payload.count(b"room"), 9)

    def test_nothing_is_made_for_one_who_has_gone(self) -> None:
        world = World()
        asker = world.typed(world.frame(b"", "PING"))
        for number in range(9):
            world.rooms.open(f"r{number}")
        later: list[Any] = []
        world.server.house.portions._soon = later.append
        with patch.object(lists, "PORTION", 2):
            asker.say(world.frame(b"", "ROOMS"))
            asker.vanish()
            (turn,) = later
            later.clear()
            turn()
        self.assertEqual(later, [])

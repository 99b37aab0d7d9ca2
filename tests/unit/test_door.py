"""How many connections there may be, and what those hear that are too many."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.world import Pipe, World
from twisted_msg import server
from twisted_msg.deadlines import LINGER_SECONDS
from twisted_msg.door import TOLD_LIMIT, Door, places
from twisted_msg.wire import ErrorCode


class DoorTests(SynchronousTestCase):
    """The counting alone."""

    def enter(self, door: Door, number: int, host: str, *, relayed: bool = False) -> bool:
        peer = IPv4Address("TCP", host, 1)
        return door.enter(number, peer, relayed=relayed) is None

    def test_in_all(self) -> None:
        door = Door(None, loopback=False)
        door.limit = 2
        self.assertTrue(self.enter(door, 1, "192.0.2.1"))
        self.assertTrue(self.enter(door, 2, "127.0.0.1"))
        error = door.enter(3, IPv4Address("TCP", "192.0.2.3", 1), relayed=False)
        assert error is not None
        self.assertEqual(
            str(error), "busy: all 2 places for connections are taken: try again later"
        )
        self.assertTrue(door.leave(1))
        self.assertTrue(self.enter(door, 4, "192.0.2.1"))
        self.assertFalse(door.leave(3))  # was never in: nobody's place is free for it
        self.assertFalse(self.enter(door, 5, "192.0.2.1"))

    def test_from_one_address(self) -> None:
        door = Door(2, loopback=False)
        for number, host, let_in in (
            (1, "192.0.2.1", True),
            (2, "192.0.2.1", True),
            (3, "192.0.2.1", False),
            (4, "192.0.2.2", True),
            (5, "2001:db8::1", True),
            (6, "2001:db8::ffff", True),
            (7, "2001:db8::2", False),  # of the same /64
            (8, "2001:db8:0:1::1", True),
            (9, "::ffff:192.0.2.1", False),  # the first one, on a socket for both families
            (10, "127.0.0.1", True),
            (11, "127.0.0.1", True),
            (12, "127.0.0.1", True),
        ):
            self.assertIs(self.enter(door, number, host), let_in, host)
        door.leave(1)
        self.assertTrue(self.enter(door, 13, "192.0.2.1"))
        self.assertFalse(self.enter(door, 14, "192.0.2.1"))

    def test_nothing_is_kept_of_who_is_gone(self) -> None:
        door = Door(2, loopback=False)
        for number in range(3):
            self.enter(door, number, "192.0.2.1")
        for number in range(3):
            door.leave(number)
        self.assertEqual((door._networks, door._counted, door._told), ({}, {}, set()))

    def test_this_machine_if_wanted(self) -> None:
        door = Door(1, loopback=True)
        self.assertTrue(self.enter(door, 1, "127.0.0.1"))
        self.assertFalse(self.enter(door, 2, "127.0.0.1"))
        self.assertIsNone(door.enter(3, SimpleNamespace(name=b"/run/socket"), relayed=False))
        self.assertIsNotNone(door.enter(4, SimpleNamespace(name=b"/run/socket"), relayed=False))

    def test_behind_a_proxy_all_come_from_one_address(self) -> None:
        door = Door(1, loopback=False)
        for number in range(5):
            self.assertTrue(self.enter(door, number, "127.0.0.1", relayed=True))
        self.assertTrue(door.bounds(IPv4Address("TCP", "127.0.0.1", 1), relayed=True))
        self.assertFalse(door.bounds(IPv4Address("TCP", "127.0.0.1", 1), relayed=False))

    def test_no_limits(self) -> None:
        door = Door(None, loopback=True)
        for number in range(1000):
            self.assertTrue(self.enter(door, number, "192.0.2.1"))

    def test_what_open_files_leave_room_for(self) -> None:
        for descriptors, expected in (
            (20_000, (19_872, TOLD_LIMIT)),
            (256, (128, 64)),
            (255, (127, 63)),
            (64, (32, 16)),
            (1, (1, 1)),
        ):
            self.assertEqual(places(descriptors), expected)


class TurnedAwayTests(SynchronousTestCase):
    """What peers see."""

    def setUp(self) -> None:
        self.lines: list[str] = []

        def observe(event: Any) -> None:
            if event.get("log_namespace") == "tcpmsg":
                self.lines.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def begin(self, **options: Any) -> World:
        self.world = World(**options)
        return self.world

    def assert_told(self, peer: Pipe, reason: bytes) -> None:
        self.assertEqual(peer.payloads(), [b"!ERROR! busy " + reason])
        self.assertTrue(peer.half_closed)

    def test_one_too_many_from_an_address(self) -> None:
        world = self.begin(connections_per_address="2")
        first, second = world.member(), world.member()
        third = world.peer()
        self.assert_told(
            third,
            b"all 2 places for connections from 192.0.2.1 are taken: close one, or try again later",
        )
        third.say(b"0 HELLO".ljust(128))  # which was on its way
        world.wait(LINGER_SECONDS + 1)
        self.assertTrue(third.closed)
        self.assertFalse(third.aborted)
        world.say(first, b"hello")
        self.assertEqual(second.payloads(), [b"hello"])
        second.vanish()
        world.say(world.member(), b"again")
        self.assertEqual(first.payloads(), [b"again"])

    def test_one_too_many_in_all(self) -> None:
        world = self.begin(connections="2")
        for host in ("192.0.2.1", "127.0.0.1"):
            world.peer(host=host)
        self.assert_told(
            world.peer(host="192.0.2.3"),
            b"all 2 places for connections are taken: try again later",
        )
        self.assertEqual(
            [line for line in self.lines if "1002" in line],
            [
                "192.0.2.3:1002 was turned away: all 2 places for connections are taken: try again "
                "later"
            ],
        )

    def test_unframed_where_replies_are(self) -> None:
        world = self.begin(connections="1", plain_reply="ok")
        world.peer()
        self.assertEqual(world.peer().received[:13], b"!ERROR! busy ")

    def test_too_many_at_once_are_closed_without_a_word(self) -> None:
        world = self.begin(connections="1")
        dropped: list[Any] = []

        def drop(transport: Any) -> None:
            dropped.append(transport)
            transport.abortConnection()

        self.patch(server, "drop", drop)
        inside = world.member()
        peers = [world.peer(host=f"192.0.2.{number}") for number in range(1, 201)]
        self.assertEqual([bool(peer.received) for peer in peers], [True] * 64 + [False] * 136)
        self.assertEqual(dropped, peers[64:])
        self.assertEqual(world.server.connections, 1 + 64)
        world.wait(LINGER_SECONDS + 1)
        self.assertEqual(world.server.connections, 1)
        inside.vanish()
        self.assertEqual(world.member().received, b"")

    def test_the_log_does_not_grow_with_them(self) -> None:
        world = self.begin(connections="1")
        world.peer()
        self.lines.clear()
        for number in range(1, 251):
            for _ in range(4):
                world.peer(host=f"192.0.2.{number}").vanish()
        self.assertLess(len(self.lines), 110)

    def test_who_is_turned_away_is_no_newcomer_to_the_rooms(self) -> None:
        world = self.begin(connections="1")
        world.peer()
        admitted: list[Any] = []
        self.patch(world.rooms, "admit", admitted.append)
        world.peer()
        self.assertEqual(admitted, [])

    def test_the_code_says_try_again(self) -> None:
        """Clients go by it: of all codes, it is the one after which they come back."""
        error = Door(0, loopback=True).enter(1, IPv4Address("TCP", "127.0.0.1", 1), relayed=False)
        assert error is not None
        self.assertEqual(error.code, ErrorCode.BUSY)

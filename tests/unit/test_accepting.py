"""Ports that cannot accept: a pause instead of a circle, a line instead of thousands."""

from __future__ import annotations

import errno
import os
import socket
from types import SimpleNamespace
from typing import Any

from twisted.internet import tcp
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.accepting import (
    ACCEPTED_LIMIT,
    BACKLOG,
    PAUSE_SECONDS,
    TELL_SECONDS,
    Accepting,
)


class Refusing:
    """A listening socket of a system that is out of something."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.asked = 0

    def accept(self) -> Any:
        self.asked += 1
        raise OSError(self.number, os.strerror(self.number))


class Flooded:
    """A listening socket to which connections come without end."""

    def __init__(self) -> None:
        self.accepted = 0
        self.backlog = 0

    def listen(self, backlog: int) -> None:
        self.backlog = backlog

    def accept(self) -> Any:
        self.accepted += 1
        return socket.socket(), ("192.0.2.1", self.accepted)


class AcceptingTests(SynchronousTestCase):
    """One port, whose reactor only notes what it is to watch."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.reading: set[Any] = set()
        reactor = SimpleNamespace(
            addReader=self.reading.add, removeReader=self.reading.discard, callLater=None
        )
        self.port = tcp.Port(0, Factory.forProtocol(Protocol), reactor=reactor)
        self.port.connected = True
        self.port.numberAccepts = 100
        self.port.startReading()
        self.accepting = Accepting(self.clock)
        self.accepting.watch(self.port)
        self.lines: list[str] = []

        def observe(event: Any) -> None:
            self.lines.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def find_out(self, number: int) -> None:
        """Have the port find out."""
        self.port.socket = Refusing(number)  # type: ignore[assignment]
        self.port.doRead()

    def test_it_pauses_and_goes_on(self) -> None:
        for number, word in ((errno.ENFILE, "ENFILE"), (errno.EMFILE, "EMFILE")):
            self.lines.clear()
            self.clock.advance(TELL_SECONDS)
            self.find_out(number)
            self.assertEqual(self.reading, set())
            self.clock.advance(PAUSE_SECONDS - 0.1)
            self.assertEqual(self.reading, set())
            self.clock.advance(0.1)
            self.assertEqual(self.reading, {self.port})
            (line,) = self.lines
            self.assertIn(f"connections cannot be accepted ({word}): those that are there", line)

    def test_nothing_is_left_to_do_behind_a_stop(self) -> None:
        self.find_out(errno.EMFILE)
        self.accepting.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_it_is_said_once_a_minute(self) -> None:
        for _ in range(int(2 * TELL_SECONDS / PAUSE_SECONDS)):
            self.find_out(errno.ENFILE)
            self.clock.advance(PAUSE_SECONDS)
        self.assertEqual(len(self.lines), 2)

    def test_several_failures_are_one_pause(self) -> None:
        self.find_out(errno.ENFILE)
        self.find_out(errno.ENFILE)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_a_port_that_is_closed_meanwhile_stays_closed(self) -> None:
        for attribute, value in (("disconnecting", True), ("connected", False)):
            self.setUp()
            self.find_out(errno.ENFILE)
            setattr(self.port, attribute, value)
            self.clock.advance(PAUSE_SECONDS)
            self.assertEqual(self.reading, set())

    def test_what_is_no_failure_is_none(self) -> None:
        self.find_out(errno.EAGAIN)
        self.find_out(errno.EPERM)
        self.assertEqual((self.reading, self.lines), ({self.port}, []))

    def flooded(self, backlog: int = 50) -> tuple[tcp.Port, Flooded]:
        """Return a watched port with endless newcomers, all of whom its factory declines."""
        factory = Factory()
        factory.buildProtocol = lambda address: None  # type: ignore[method-assign]
        port = tcp.Port(0, factory, backlog, reactor=self.port.reactor)
        newcomers = Flooded()
        port.socket = newcomers  # type: ignore[assignment]
        port.numberAccepts = 100
        self.accepting.watch(port)
        return port, newcomers

    def test_one_turn_accepts_few(self) -> None:
        port, newcomers = self.flooded()
        for turn in range(1, 10):
            port.doRead()
            self.assertEqual(newcomers.accepted, turn * ACCEPTED_LIMIT)

    def test_many_may_wait_to_be_accepted(self) -> None:
        self.assertEqual(self.flooded()[1].backlog, BACKLOG)
        self.assertEqual(self.flooded(BACKLOG + 1)[1].backlog, BACKLOG + 1)

    def test_a_port_of_another_kind_is_left_alone(self) -> None:
        port = SimpleNamespace()
        self.accepting.watch(port)
        self.assertEqual(vars(port), {})

    def test_the_descriptor_that_twisted_keeps_for_this(self) -> None:
        """It closes newcomers with it: that is told, and paused for, as well."""
        reserved = tcp._reservedFD
        if not reserved.available():
            reserved.reserve()
            self.addCleanup(reserved.__enter__)  # closes it
        self.find_out(errno.EMFILE)
        self.assertEqual(self.reading, set())
        self.assertEqual(len(self.lines), 1)

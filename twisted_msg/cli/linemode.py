"""A chat without a line editor: lines in, lines out.

Law of this file: works with every kind of standard input and output; stdout carries
what others say, and on a terminal the days on which they said it; stderr carries what the
program says.  What this user wrote is not repeated: it stands on the terminal already, and
whatever writes into a pipe knows it.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred

from twisted_msg.cli.conversation import After, Conversation
from twisted_msg.cli.lines import Lines
from twisted_msg.cli.running import tell, whichever
from twisted_msg.cli.sayings import Saying, noticed, written
from twisted_msg.cli.streams import Input, Output
from twisted_msg.cli.wrapping import columns


class LineMode:
    """Standard input and output as a chat's face."""

    def __init__(self, reactor: Any, *, quiet: bool = False) -> None:
        """Take the reactor, and whether to leave out what is not urgent."""
        self._input = Input(reactor)
        self._output = Output(reactor)
        self._quiet = quiet
        self._terminal = sys.stdout.isatty()

    @property
    def screen(self) -> LineMode:
        """It is its own screen."""
        return self

    def show(self, saying: Saying) -> Deferred[None] | None:
        """Write to stdout what others said."""
        if saying.own:
            return None
        if saying.sender is None and not self._terminal:
            return self._output.put(saying.text + b"\n")  # the plain protocol, for programs
        width = columns(sys.stdout) if self._terminal else None
        return self._output.put(f"{written(saying, width=width)}\n".encode())

    def say(self, notice: str, *, urgent: bool = False) -> None:
        """Write a notice to stderr."""
        if urgent or not self._quiet:
            tell(notice, columns(sys.stderr))

    def show_day(self, day: str) -> None:
        """Write a day among the messages of a terminal, else to stderr: programs read messages."""
        if self._terminal:  # there is always room for one line; the message after it waits
            self._output.write(f"{noticed(day, columns(sys.stdout))}\n".encode())
        else:
            self.say(day)

    async def read(self, conversation: Conversation) -> None:
        """Enter lines until one says to leave, or input or output end."""
        await whichever(self._read(conversation), self._output_closed())

    async def finish(self) -> None:
        """Write what is still to be written."""
        await self._output.finish()

    async def _read(self, conversation: Conversation) -> None:
        lines = Lines()
        while True:
            data = await self._input.read()
            for line in lines.feed(data) if data else lines.end():
                await conversation.room()
                if conversation.enter(line) is After.LEAVE:
                    return
            if not data:
                return

    async def _output_closed(self) -> None:
        await self._output.closed.wait()

"""`tcpmsg chat`: people talk.

Law of this file: it chooses how a chat is typed and shown, and ends it; the talk itself
is in `conversation`, the ways to show it in `editor` and `linemode`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Protocol

from twisted_msg.cli.exits import Exit
from twisted_msg.cli.options import LOBBY, Common, only_lobby, read_common

if TYPE_CHECKING:
    from twisted_msg.cli.conversation import Conversation, Screen

LEAVE_SECONDS: Final = 10.0
"""How long the goodbye may take: somebody who leaves waits for the last line to be
processed, but not for long."""


class Face(Protocol):
    """How a chat is typed and shown: a screen that also reads."""

    @property
    def screen(self) -> Screen:
        """Where things are shown."""
        ...

    async def read(self, conversation: Conversation) -> None:
        """Enter lines into a conversation until its author leaves."""
        ...

    async def finish(self) -> None:
        """Write what is still to be shown, and leave the terminal as it was."""
        ...


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument(
        "room", metavar="ROOM", nargs="?", default=LOBBY, help="where: lobby [default: lobby]"
    )


def run(arguments: argparse.Namespace) -> int:
    """Talk, and return the exit code."""
    common = read_common(arguments, os.environ)
    only_lobby(arguments.room)
    on_terminal = all(each is not None and each.isatty() for each in (sys.stdin, sys.stdout))
    edits = on_terminal and find_spec("prompt_toolkit") is not None
    if edits:
        import asyncio

        from twisted.internet import asyncioreactor

        asyncioreactor.install(asyncio.new_event_loop())  # the line editor's loop

    from twisted_msg.cli import running

    if on_terminal and not edits:
        running.tell("no line editor here, so messages may cut into what you type: "
                     "pip install 'tcpmsg[chat]'")  # fmt: skip

    def face(reactor: Any) -> Face:
        if edits:
            from twisted_msg.cli.editor import Editor

            return Editor(common.name, os.environ)
        from twisted_msg.cli.linemode import LineMode

        return LineMode(reactor, quiet=common.quiet)

    return running.run(lambda reactor: talk(reactor, common, face), verbose=common.verbose)


async def talk(reactor: Any, common: Common, face: Callable[[Any], Face]) -> int:
    """Connect and talk until the user leaves."""
    from twisted_msg.cli.conversation import Conversation
    from twisted_msg.cli.member import Member
    from twisted_msg.cli.running import whichever
    from twisted_msg.client.errors import TimedOut
    from twisted_msg.client.sendable import sendable

    shown = face(reactor)
    member = Member(reactor, common, shown.screen.say)
    conversation = Conversation(
        member.client,
        shown.screen,
        name=common.name,
        check=lambda message: sendable(message, common.disconnect_word, common.header_size),
    )
    left = False

    async def type_it_all() -> None:
        await shown.read(conversation)
        await conversation.settle()

    try:
        await member.client.connect()
        shown.screen.say(f"connected to {common.server}; /help lists commands, Ctrl-D leaves")
        await whichever(type_it_all(), conversation.send(), conversation.listen())
        left = conversation.complete()
        await member.client.close(LEAVE_SECONDS)
    except TimedOut as error:
        shown.screen.say(f"left without the server's confirmation ({error})")
    finally:
        await member.client.abort()
        await shown.finish()
    return Exit.DONE if left else Exit.CANNOT_CONNECT

"""`tcpmsg chat`: people talk.

Law of this file: it chooses how a chat is typed and shown and which protocol is spoken,
and ends it; what a line does is in `conversation`, what the protocols make of it in
`plain_side` and `typed_side`, the ways to show it in `editor` and `linemode`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Protocol

from twisted_msg.cli.exits import Exit, UsageError
from twisted_msg.cli.options import LOBBY, Common, only_lobby, place, read_common, server_words
from twisted_msg.programs import install_command
from twisted_msg.wire.names import ROOM, ROOM_RULE

if TYPE_CHECKING:
    from twisted_msg.cli.conversation import Conversation, Side
    from twisted_msg.cli.sayings import DayScreen, Screen

LEAVE_SECONDS: Final = 10.0
"""How long the goodbye may take: somebody who leaves waits for the last line to be
processed, but not for long."""


HISTORY: Final = 20
"""Messages shown on joining: a small terminal's screen, with room to type."""


EDITOR: Final = "prompt_toolkit>=3.0.47"
"""What the line editor needs, as the extra `chat` in setup.cfg has it."""


class Face(Protocol):
    """How a chat is typed and shown: a screen that also reads."""

    @property
    def screen(self) -> DayScreen:
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
        "room", metavar="ROOM", nargs="?", default=LOBBY, help="where [default: lobby]"
    )
    parser.add_argument(
        "--last",
        metavar="N",
        type=place,
        default=None,
        help="how many messages of a room to show on entering it "
        f"[default: {HISTORY}, none if standard output is no terminal]",
    )


def run(arguments: argparse.Namespace) -> int:
    """Talk, and return the exit code."""
    common = read_common(arguments, os.environ)
    room = arguments.room.removeprefix("#")
    if common.plain:
        only_lobby(room)
        if arguments.last:
            raise UsageError("--last: the plain protocol has no history; leave --plain out")
    elif ROOM.fullmatch(room) is None:
        raise UsageError(f"no room {room!r}: {ROOM_RULE}")
    on_terminal = all(each is not None and each.isatty() for each in (sys.stdin, sys.stdout))
    why_not = _why_not_edited(os.environ) if on_terminal else ""
    edits = on_terminal and not why_not
    if edits:
        import asyncio

        from twisted.internet import asyncioreactor

        loop = asyncio.new_event_loop()  # the line editor's
        if not common.verbose:  # it tells of keys that it cannot read, with a traceback
            loop.set_exception_handler(lambda *_: None)
        asyncioreactor.install(loop)

    from twisted_msg.cli import running

    if why_not:
        running.tell(f"no line editor here, so messages may cut into what you type: {why_not}")
    last = arguments.last
    if last is None:
        last = HISTORY if sys.stdout is not None and sys.stdout.isatty() else 0

    def face(reactor: Any) -> Face:
        if edits:
            from twisted_msg.cli.editor import Editor

            return Editor(os.environ, quiet=common.quiet)
        from twisted_msg.cli.linemode import LineMode

        return LineMode(reactor, quiet=common.quiet)

    def side(reactor: Any, screen: Screen) -> Side:
        if common.plain:
            return _plain_side(reactor, common, screen)
        return _typed_side(reactor, common, screen, room, last)

    return running.run(lambda reactor: talk(reactor, face, side), verbose=common.verbose)


async def talk(
    reactor: Any, face: Callable[[Any], Face], side: Callable[[Any, Screen], Side]
) -> int:
    """Connect and talk until the user leaves."""
    from twisted_msg.cli.conversation import Conversation
    from twisted_msg.cli.running import whichever
    from twisted_msg.cli.sayings import Dated
    from twisted_msg.client.errors import TimedOut

    shown = face(reactor)
    try:
        screen = Dated(shown.screen)
        spoken = side(reactor, screen)
        conversation = Conversation(spoken, screen)

        async def type_it_all() -> None:
            await shown.read(conversation)
            await spoken.settle()

        try:
            await spoken.start()
            await whichever(type_it_all(), spoken.run())
            left = await spoken.leave(LEAVE_SECONDS)
        except TimedOut as error:
            screen.say(f"left without the server's confirmation ({error})", urgent=True)
            return Exit.TIMED_OUT
        finally:
            await spoken.abort()
    finally:
        await shown.finish()
    return Exit.DONE if left else Exit.CANNOT_CONNECT


def _why_not_edited(environment: Mapping[str, str]) -> str:
    """Return why a terminal gets no line editor, and the way out; nothing if it gets one."""
    if environment.get("TERM") == "dumb":
        return "TERM is dumb, and such a terminal moves no cursor"
    if find_spec("prompt_toolkit") is None:
        return install_command(EDITOR)
    return ""


def _plain_side(reactor: Any, common: Common, screen: Screen) -> Side:
    """Return a side that speaks the original protocol."""
    from twisted_msg.cli.clients import plain_client
    from twisted_msg.cli.plain_side import PlainSide
    from twisted_msg.client.sendable import sendable

    return PlainSide(
        plain_client(reactor, common, screen.say),
        screen,
        server=common.server,
        name=common.name,
        check=lambda message: sendable(message, common.disconnect_word, common.header_size),
    )


def _typed_side(reactor: Any, common: Common, screen: Screen, room: str, last: int) -> Side:
    """Return a side that speaks typed frames."""
    from twisted_msg.cli.clients import typed_client
    from twisted_msg.cli.shapes import save_command
    from twisted_msg.cli.typed_side import TypedSide

    return TypedSide(
        lambda name: typed_client(reactor, replace(common, name=name), screen.say),
        screen,
        clock=reactor,
        server=common.server,
        name=common.name,
        room=room,
        last=last,
        save=save_command(server_words(common, os.environ)),
    )

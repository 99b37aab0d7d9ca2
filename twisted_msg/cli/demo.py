"""`tcpmsg demo`: some people and programs talk in a room, so that it is not empty.

Law of this file: it says a fixed number of things and ends; what it says is in `scene`, and goes
the way of everybody's messages.
"""

from __future__ import annotations

import argparse
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from twisted_msg.cli.exits import Exit, UsageError
from twisted_msg.cli.options import LOBBY, Common, not_plain, read_common
from twisted_msg.cli.scene import SCENE

if TYPE_CHECKING:
    from twisted_msg.client.client import Client

LONGEST_PACE: Final = 10.0
"""Seconds between two messages at the most: the whole then takes four minutes."""

CONNECT_SECONDS: Final = 10.0
"""How long each may take to connect."""

LEAVE_SECONDS: Final = 2.0
"""How long each goodbye may take: what was said is stored by then."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.description = (
        f"Fill a room with a lively example: {len({line.name for line in SCENE})} people and "
        f"programs say {len(SCENE)} things, with code, links, a long text and a picture, and leave."
    )
    parser.add_argument(
        "room", metavar="ROOM", nargs="?", default=LOBBY, help=f"where [default: {LOBBY}]"
    )
    parser.add_argument(
        "--pace",
        metavar="S",
        type=pace,
        default=0.4,
        help=f"seconds between two messages, 0 to {LONGEST_PACE:g} [default: 0.4]",
    )


def pace(text: str) -> float:
    """Return a number of seconds from 0 to `LONGEST_PACE`, for argparse."""
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,9})?", text) or float(text) > LONGEST_PACE:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds to {LONGEST_PACE:g}")
    return float(text)


def run(arguments: argparse.Namespace) -> int:
    """Play the scene, and return the exit code."""
    common = read_common(arguments, os.environ)
    not_plain(common, "demo")

    from twisted_msg.cli.running import run

    return run(
        lambda reactor: play(reactor, common, arguments.room, arguments.pace),
        verbose=common.verbose,
    )


async def play(reactor: Any, common: Common, room: str, pace: float) -> int:
    """Have everybody come, say what they have to say, one after the other, and leave.

    `pace` is in seconds.  Raises `UsageError` for a room that cannot be, and `ClientError`.
    """
    from twisted.internet.task import deferLater

    from twisted_msg.cli.clients import connect, show_directs, to_stderr, typed_client

    say = to_stderr(common)
    people: dict[str, Client] = {}
    try:
        for name, message in SCENE:
            if name not in people:
                person = typed_client(reactor, replace(common, name=name), lambda _: None)
                people[name] = person
                show_directs(person)
                await connect(reactor, common, person, CONNECT_SECONDS)
            try:
                await people[name].send(room, message)
            except ValueError as error:
                raise UsageError(str(error)) from None
            await deferLater(reactor, pace)
    except BaseException:
        for person in people.values():
            await person.abort()
        raise
    for person in people.values():
        await person.close(LEAVE_SECONDS)
    say(f"{len(people)} people and programs have said {len(SCENE)} things in {room}")
    return Exit.DONE

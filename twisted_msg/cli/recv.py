"""`tcpmsg recv`: the messages of rooms, on standard output as they come.

Law of this file: stdout carries messages and nothing else, each one written as soon as
it is there; a terminal gets nothing that acts on it.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from functools import partial

from twisted_msg.cli.exits import UsageError
from twisted_msg.cli.options import (
    Common,
    count,
    on_terminal,
    only_lobby,
    place,
    read_common,
    seconds,
    server_words,
)
from twisted_msg.cli.shapes import (
    WORDS,
    Shape,
    Template,
    json_line,
    raw_bytes,
    raw_line,
    save_command,
    visible_line,
)
from twisted_msg.cli.wrapping import columns
from twisted_msg.times import read_since
from twisted_msg.wire.names import DIRECT, NAME, NAME_RULE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument(
        "rooms",
        metavar="ROOM",
        nargs="+",
        help="a room, or several: each line then begins with #ROOM.  @NAME alone: messages to NAME",
    )
    begin = parser.add_argument_group(
        "where to begin in each room [default: with the next message]"
    )
    where = begin.add_mutually_exclusive_group()
    where.add_argument(
        "--from",
        dest="start",
        metavar="SEQ",
        type=place,
        help="with this sequence number; 0 is everything kept",
    )
    where.add_argument("--last", metavar="N", type=count, help="with the last N messages")
    where.add_argument(
        "--since",
        metavar="TIME",
        type=_since,
        help="10m ago (s, m, h, d), a date such as 2026-01-31T12:00, or Unix milliseconds",
    )
    end = parser.add_argument_group("where to end [default: never]")
    end.add_argument("--count", metavar="N", type=count, help="after N messages in all")
    end.add_argument(
        "--timeout",
        metavar="S",
        type=seconds,
        help="after S seconds, with exit code 6 if nothing came, or less than was asked for; until "
        "then a server that is not there is tried again (exit code 5 if it never was)",
    )
    end.add_argument(
        "--until-end",
        action="store_true",
        help="after the message that is the newest now, in each room; without a beginning, from 0",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="end with exit code 7 where messages are no longer kept, instead of telling it",
    )
    written = parser.add_argument_group(
        "how messages are written [default: a line each]",
        "By default messages are written as they came. On a terminal, the sender stands before "
        "each message, and data that is no text is described.",
    ).add_mutually_exclusive_group()
    written.add_argument("--json", action="store_true", help="one JSON object a line")
    words = " ".join(f"{{{word}}}" for word in WORDS)
    written.add_argument(
        "--format",
        metavar="TEMPLATE",
        type=_template,
        help=f"a line each, of this template with the words {words}, and {{{{ }}}} for braces; "
        "the time is UTC, line breaks within a text are written as \\n",
    )
    written.add_argument(
        "--raw",
        action="store_true",
        help="the bytes of the messages and nothing else, not even line ends; to no terminal",
    )


def run(arguments: argparse.Namespace) -> int:
    """Receive, and return the exit code."""
    common = _check(arguments, read_common(arguments, os.environ))
    several = len(arguments.rooms) > 1
    shape: Shape = partial(raw_line, several=several)
    if arguments.json:
        shape = json_line
    elif arguments.format is not None:
        shape = arguments.format
    elif arguments.raw:
        shape = raw_bytes
    elif on_terminal(sys.stdout):
        save = save_command(server_words(common, os.environ))
        width = partial(columns, sys.stdout)  # asked again for each message: windows are resized
        shape = partial(visible_line, several=several, save=save, columns=width)

    from twisted_msg.cli import running
    from twisted_msg.cli.receiving import Order, receive

    start = arguments.start
    if arguments.until_end and (start, arguments.last, arguments.since) == (None, None, None):
        start = 0
    order = Order(
        tuple(arguments.rooms),
        start,
        arguments.last,
        arguments.since,
        arguments.until_end,
        arguments.strict,
        arguments.count,
        arguments.timeout,
    )
    return running.run(
        lambda reactor: receive(reactor, common, shape, order), verbose=common.verbose
    )


def _check(arguments: argparse.Namespace, common: Common) -> Common:
    """Return the options with the name to receive as.  Raises `UsageError`."""
    if arguments.raw and on_terminal(sys.stdout):
        raise UsageError(
            "--raw: what others send may act on this terminal; write it to a file: --raw > FILE"
        )
    what = ""
    for number, room in enumerate(arguments.rooms):
        if common.plain:
            only_lobby(room)
            what = "the plain protocol has no history; leave --plain out"
        elif room.startswith(DIRECT):
            common = _as_receiver(arguments, common, room)
            what = "direct messages are live only, and have no history"
        if room in arguments.rooms[:number]:
            raise UsageError(f"the room {room} is named twice")
    for flag, given in (
        ("--from", arguments.start is not None),
        ("--last", arguments.last is not None),
        ("--since", arguments.since is not None),
        ("--until-end", arguments.until_end),
        ("--strict", arguments.strict),
    ):
        if what and given:
            raise UsageError(f"{flag}: {what}")
    return common


def _as_receiver(arguments: argparse.Namespace, common: Common, room: str) -> Common:
    """Return the options under the name whose direct messages are wanted.  Raises `UsageError`."""
    name = room.removeprefix(DIRECT)
    if NAME.fullmatch(name) is None:
        raise UsageError(f"{NAME_RULE}, not {name!r}")
    if vars(arguments).get("name", name) != name:
        raise UsageError(f"recv {room} receives as {name}: leave --name out")
    if len(arguments.rooms) > 1:
        raise UsageError(f"{room} and rooms: receive each with a command of its own")
    return replace(common, name=name)


def _template(text: str) -> Template:
    """Return a template, for argparse."""
    try:
        return Template(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _since(text: str) -> int:
    """Return a time as Unix milliseconds, for argparse."""
    try:
        return read_since(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None

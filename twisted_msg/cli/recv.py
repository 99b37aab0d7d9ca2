"""`tcpmsg recv`: the messages of a room, on standard output as they come.

Law of this file: stdout carries messages and nothing else, each one written as soon as
it is there; a terminal gets nothing that acts on it.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace

from twisted_msg.cli.exits import UsageError
from twisted_msg.cli.options import (
    Common,
    count,
    on_terminal,
    only_lobby,
    place,
    read_common,
    seconds,
)
from twisted_msg.cli.shapes import Shape, json_line, raw_line, visible_line
from twisted_msg.times import read_since
from twisted_msg.wire.names import DIRECT, NAME, NAME_RULE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument(
        "room", metavar="ROOM", help="which room, or @NAME: the direct messages to NAME"
    )
    begin = parser.add_argument_group("where to begin [default: with the next message]")
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
    end.add_argument("--count", metavar="N", type=count, help="after N messages")
    end.add_argument(
        "--timeout",
        metavar="S",
        type=seconds,
        help="after S seconds: with exit code 6 if nothing came, or less than was asked for",
    )
    end.add_argument(
        "--until-end",
        action="store_true",
        help="behind the message that is the newest now; without a beginning, from 0",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="end with exit code 7 where messages are no longer kept, instead of telling it",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """Receive, and return the exit code."""
    common = _check(arguments, read_common(arguments, os.environ))
    shape: Shape = raw_line
    if arguments.json:
        shape = json_line
    elif on_terminal(sys.stdout):
        shape = visible_line

    from twisted_msg.cli import running
    from twisted_msg.cli.receiving import Order, receive

    start = arguments.start
    if arguments.until_end and (start, arguments.last, arguments.since) == (None, None, None):
        start = 0
    order = Order(
        arguments.room,
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
    room: str = arguments.room
    direct = room.startswith(DIRECT) and not common.plain
    if direct:
        name = room.removeprefix(DIRECT)
        if NAME.fullmatch(name) is None:
            raise UsageError(f"{NAME_RULE}, not {name!r}")
        if vars(arguments).get("name", name) != name:
            raise UsageError(f"recv {room} receives as {name}: leave --name out")
        common = replace(common, name=name)
    if common.plain or direct:
        if common.plain:
            only_lobby(room)
            what = "the plain protocol has no history; leave --plain out"
        else:
            what = "direct messages are live only, and have no history"
        for flag, given in (
            ("--from", arguments.start is not None),
            ("--last", arguments.last is not None),
            ("--since", arguments.since is not None),
            ("--until-end", arguments.until_end),
            ("--strict", arguments.strict),
        ):
            if given:
                raise UsageError(f"{flag}: {what}")
    return common


def _since(text: str) -> int:
    """Return a time as Unix milliseconds, for argparse."""
    try:
        return read_since(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None

"""`tcpmsg recv`: the messages of a room, on standard output as they come.

Law of this file: stdout carries messages and nothing else, each one written as soon as
it is there; a terminal gets nothing that acts on it.
"""

from __future__ import annotations

import argparse
import os
import sys

from twisted_msg.cli.options import count, only_lobby, read_common, seconds
from twisted_msg.cli.shapes import Shape, json_line, raw_line, visible_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("room", metavar="ROOM", help="from where: lobby")
    parser.add_argument("--count", metavar="N", type=count, help="end after N messages")
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=seconds,
        help="end after S seconds: with exit code 6 if nothing came, or fewer than N",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """Receive, and return the exit code."""
    common = read_common(arguments, os.environ)
    only_lobby(arguments.room)
    shape: Shape = raw_line
    if arguments.json:
        shape = json_line
    elif sys.stdout is not None and sys.stdout.isatty():
        shape = visible_line

    from twisted_msg.cli import running
    from twisted_msg.cli.receiving import receive

    return running.run(
        lambda reactor: receive(reactor, common, shape, arguments.count, arguments.timeout),
        verbose=common.verbose,
    )

"""`tcpmsg send`: messages from the command line or from a pipe.

Law of this file: arguments only, so that help needs no Twisted; what they ask for is
done by `sending`.
"""

from __future__ import annotations

import argparse
import os
import sys

from twisted_msg.cli.exits import UsageError
from twisted_msg.cli.options import only_lobby, read_common, seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("room", metavar="ROOM", help="where to: lobby")
    parser.add_argument(
        "text",
        metavar="TEXT",
        nargs="?",
        help="the message (behind -- if it begins with a dash); - or nothing reads standard "
        "input, one message a line",
    )
    parser.add_argument("--whole", action="store_true", help="all of standard input is one message")
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=seconds,
        default=30.0,
        help="how many seconds the server may take to answer, or to take more [default: 30]",
    )


def run(arguments: argparse.Namespace) -> int:
    """Send, and return the exit code."""
    common = read_common(arguments, os.environ)
    only_lobby(arguments.room)
    text = arguments.text
    if text not in (None, "-") and arguments.whole:
        raise UsageError("--whole is about standard input: leave it or the text out")
    if text is None and sys.stdin is not None and sys.stdin.isatty():
        raise UsageError(
            "nothing to send: write the text behind the room, pipe something in, "
            "or write - to type line by line (Ctrl-D ends)"
        )

    from twisted_msg.cli import running, sending

    def work(reactor: object) -> running.Work:
        if text in (None, "-"):
            what = sending.whole(reactor) if arguments.whole else sending.by_line(reactor)
        else:
            what = sending.single(os.fsencode(text))
        return sending.send(reactor, common, arguments.timeout, what)

    return running.run(work, verbose=common.verbose)

"""`tcpmsg send`: messages from the command line or from a pipe.

Law of this file: arguments only, so that help needs no Twisted; what they ask for is
done by `sending`, and for the original protocol by `sending_plain`.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Final

from twisted_msg.cli.exits import UsageError
from twisted_msg.cli.options import count, on_terminal, only_lobby, read_common, seconds

RETRIES: Final = """\
safe retries:
  A run that ended with exit code 6, or was killed, may have sent its messages or not.  With
  --client and --id the same command can be run again, and each message is stored once:

    ID=$(date +%s%N)  # drawn once for each message: ids rise
    tcpmsg send lobby "paid" --client ~/.my-client --id "$ID"

  The lines of a pipe have the ids N, N+1, ...; those that are stored already are passed over."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("room", metavar="ROOM", help="where to: a room, or @NAME for one member")
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
        help="how many seconds the server may take to acknowledge something, over lost "
        "connections too [default: 30]",
    )
    parser.add_argument(
        "--client",
        metavar="FILE",
        help="go on as the client whose secret the file holds; it is made if it is not there",
    )
    parser.add_argument(
        "--id",
        metavar="N",
        type=count,
        help="with --client: the id of the message, or of the first of a pipe, whose next ones "
        "count up from it",
    )
    parser.epilog = f"{parser.epilog}\n\n{RETRIES}"


def run(arguments: argparse.Namespace) -> int:
    """Send, and return the exit code."""
    common = read_common(arguments, os.environ)
    text = arguments.text
    if text not in (None, "-") and arguments.whole:
        raise UsageError("--whole is about standard input: leave it or the text out")
    if common.plain:
        only_lobby(arguments.room)
        if arguments.client is not None:
            raise UsageError("--client: the plain protocol knows no clients; leave --plain out")
        if text == "":
            raise UsageError("an empty message cannot be sent: on the wire it is a keep-alive")
    if arguments.id is not None and arguments.client is None:
        raise UsageError("--id needs --client FILE: ids are counted for each client")
    if text is None and on_terminal(sys.stdin):
        raise UsageError(
            "nothing to send: write the text behind the room, pipe something in, "
            "or write - to type line by line (Ctrl-D ends)"
        )

    from twisted_msg.cli import running, sources

    def work(reactor: object) -> running.Work:
        if text in (None, "-"):
            what = sources.whole(reactor) if arguments.whole else sources.by_line(reactor)
        else:
            what = sources.single(os.fsencode(text))
        if common.plain:
            from twisted_msg.cli.sending_plain import send_plain

            return send_plain(reactor, common, arguments.timeout, what)
        from twisted_msg.cli.sending import Order, send

        watched = text in (None, "-") and not common.quiet and not on_terminal(sys.stdin)
        dumb = os.environ.get("TERM") == "dumb"  # it could not write over a line
        terminal = sys.stderr if watched and on_terminal(sys.stderr) and not dumb else None
        order = Order(arguments.room, arguments.timeout, arguments.client, arguments.id, terminal)
        return send(reactor, common, order, what)

    return running.run(work, verbose=common.verbose)

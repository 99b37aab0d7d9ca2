"""`tcpmsg bench`: a load on a running server, and how it bears it.

Law of this file: arguments only, so that help needs no Twisted; a load that others would feel
is refused until it is said to be meant.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
from typing import Any, Final

from twisted_msg.cli.bench.messages import DIGITS, PUBLISHERS
from twisted_msg.cli.bench.plan import SECONDS, Plan, on_this_machine
from twisted_msg.cli.exits import UsageError
from twisted_msg.cli.options import (
    count,
    decimal,
    not_plain,
    on_terminal,
    place,
    read_common,
    seconds,
)
from twisted_msg.values import read_size
from twisted_msg.wire.limits import LENGTH_BOUND
from twisted_msg.wire.names import ROOM, ROOM_RULE

SPARE: Final = 64
"""Open files beside the connections."""

NOTES: Final = """\
what is measured:
  Delivery is from the instant at which a message goes to the last byte of it at a member, ack to
  its acknowledgement.  Of messages that go as fast as they can, the last of each write is timed;
  with --rate, every message or every so many-th, from the instant at which it was to go, however
  late that was: "sent late" is how much of that is this program's own.  Percentiles are at most
  half a per cent off.  Rates are of everything from the first write to the last arrival.

what is checked:
  Each member must get each message once, and each publisher's in order, to the last byte; if not,
  the exit code is 7.

  In a stored room the messages stay as the server keeps them (--retain): choose a room for this
  that matters to nobody."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument(
        "room", metavar="ROOM", nargs="?", default="bench", help="which room [default: bench]"
    )
    load = parser.add_argument_group("the load")
    end = load.add_mutually_exclusive_group()
    ids = load.add_mutually_exclusive_group()

    def add(to: Any, name: str, metavar: str, kind: Any, default: Any, text: str) -> None:
        to.add_argument(name, metavar=metavar, type=kind, default=default, help=text)

    add(load, "--publishers", "N", count, 1, "connections that publish [default: 1]")
    add(load, "--members", "N", place, 1, "connections that listen [default: 1]")
    add(load, "--size", "SIZE", _size, 128,
        f"bytes of each message, at least {DIGITS}, such as 64k [default: 128]")  # fmt: skip
    add(end, "--count", "N", count, None, "how many messages to publish in all")
    add(end, "--duration", "S", seconds, SECONDS,
        f"for how many seconds to publish [default: {SECONDS:g}]")  # fmt: skip
    add(load, "--rate", "N", _rate, 0.0,
        "messages a second in all; 0 is as fast as it goes [default: 0]")  # fmt: skip
    add(ids, "--in-flight", "N", count, 256,
        "messages of each publisher that may be unacknowledged [default: 256]")  # fmt: skip
    ids.add_argument(
        "--no-ids", action="store_true", help="publish without ids, so that nothing is acknowledged"
    )
    add(parser, "--timeout", "S", seconds, 10.0,
        "how many seconds the server may do nothing [default: 10]")  # fmt: skip
    parser.add_argument(
        "--remote",
        action="store_true",
        help="yes, put the load on a server that is not on this machine",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.epilog = f"{parser.epilog}\n\n{NOTES}"


def run(arguments: argparse.Namespace) -> int:
    """Put the load on, and return the exit code."""
    common = read_common(arguments, os.environ)
    not_plain(common, "bench")
    plan = Plan(
        arguments.room,
        arguments.publishers,
        arguments.members,
        arguments.size,
        arguments.count,
        arguments.duration,
        arguments.rate or None,
        None if arguments.no_ids else arguments.in_flight,
        arguments.timeout,
    )
    if ROOM.fullmatch(plan.room) is None:
        raise UsageError(f"{ROOM_RULE}, not {plan.room!r}")
    if plan.publishers > PUBLISHERS:
        raise UsageError(f"--publishers: at most {PUBLISHERS:,}")
    if not arguments.remote and not on_this_machine(common.server):
        raise UsageError(
            f"{common.server} is not on this machine, and others may feel the load: "
            "say --remote if that is meant"
        )
    _have_files(plan.publishers + 2 * plan.members + SPARE)

    from twisted_msg.cli import running
    from twisted_msg.cli.bench.running import bench

    dumb = os.environ.get("TERM") == "dumb"  # it could not write over a line
    watched = not common.quiet and not dumb and on_terminal(sys.stderr)
    terminal = sys.stderr if watched else None
    return running.run(
        lambda reactor: bench(reactor, common, plan, json=arguments.json, terminal=terminal),
        verbose=common.verbose,
    )


def _have_files(number: int) -> None:
    """Make sure that so many files may be open.  Raises `UsageError`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard not in (resource.RLIM_INFINITY, -1) and number > hard:
        raise UsageError(
            f"so many connections need {number:,} open files, and this process may have {hard:,} "
            "(ulimit -Hn)"
        )
    if number > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))


def _size(text: str) -> int:
    """Return a payload's size in bytes, for argparse."""
    try:
        size = read_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if size < DIGITS:
        raise argparse.ArgumentTypeError(
            f"a message carries its number, so it has at least {DIGITS} bytes, not {text}"
        )
    if size >= LENGTH_BOUND:
        raise argparse.ArgumentTypeError(
            f"no message has {text} bytes: the wire holds less than {LENGTH_BOUND:,}"
        )
    return size


def _rate(text: str) -> float:
    """Return a number from 0, for argparse."""
    value = decimal(text)
    if value is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of messages a second")
    return value

"""`tcpmsg recv`: the messages of a room, on standard output as they come.

Law of this file: stdout carries messages and nothing else, each one written as soon as
it is there; a terminal gets nothing that acts on it.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from twisted_msg.cli.options import LOBBY, count, only_lobby, read_common, seconds
from twisted_msg.cli.text import visible

Shape = Callable[[bytes], bytes]
"""Makes the line of output for a message, line feed included."""


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


def raw_line(message: bytes) -> bytes:
    """Return a message as it came."""
    return message + b"\n"


def visible_line(message: bytes) -> bytes:
    """Return a message fit for a terminal, its further lines indented."""
    return (visible(message, continuation="    ") + "\n").encode()


def json_line(message: bytes, now: Callable[[], float] = time.time) -> bytes:
    """Return a message as a JSON object: `time` is when it came, in Unix milliseconds.

    The plain protocol tells neither sequence nor sender: both are null.  The text is
    ASCII with escapes, so that it is harmless wherever it is shown.
    """
    row: dict[str, Any] = {"room": LOBBY, "seq": None, "from": None, "time": int(now() * 1000)}
    try:
        row["text"] = message.decode("utf-8")
    except UnicodeDecodeError:
        row["base64"] = base64.b64encode(message).decode("ascii")
    line = json.dumps(row, separators=(",", ":")).replace("\x7f", "\\u007f")
    return line.encode("ascii") + b"\n"

"""`tcpmsg who`: who is in a room.

Law of this file: one name a line, sorted; asking is no joining.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from twisted_msg.cli.options import add_asking, not_plain, read_common
from twisted_msg.rows import json_row

if TYPE_CHECKING:
    from twisted_msg.client.client import Client


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("room", metavar="ROOM", help="which room")
    add_asking(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask, print, and return the exit code."""
    common = read_common(arguments, os.environ)
    not_plain(common, "who")
    room: str = arguments.room

    from twisted_msg.cli.asking import run_question, tell_cut

    async def names(client: Client) -> bytes:
        listed = await client.who(room)
        tell_cut(common, listed.cut)
        found = sorted(listed, key=str.casefold)
        if arguments.json:
            return b"".join(json_row({"room": room, "name": name}) for name in found)
        return "".join(f"{name}\n" for name in found).encode()

    return run_question(common, arguments.timeout, names)

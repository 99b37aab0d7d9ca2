"""`tcpmsg rooms`: which rooms there are.

Law of this file: a room a line, sorted by name: its name, how many members it has, and
the sequence number of its newest message.  A server is not trusted to send texts that a
terminal can bear.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from twisted_msg.cli.options import add_asking, not_plain, on_terminal, read_common
from twisted_msg.cli.text import visible
from twisted_msg.rows import json_row

if TYPE_CHECKING:
    from twisted_msg.client.client import Client


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_asking(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask, print, and return the exit code."""
    common = read_common(arguments, os.environ)
    not_plain(common, "rooms")
    for_people = on_terminal(sys.stdout)

    from twisted_msg.cli.asking import run_question, tell_cut

    async def listed(client: Client) -> bytes:
        rooms = await client.rooms()
        tell_cut(common, rooms.cut)
        found = [_row(each) for each in rooms]
        found.sort(key=lambda row: (str(row["room"]).casefold(), str(row["room"])))
        if arguments.json:
            return b"".join(map(json_row, found))
        rows = [tuple(visible(str(cell)) for cell in row.values()) for row in found]
        return (_table(rows) if for_people else _tabbed(rows)).encode()

    return run_question(common, arguments.timeout, listed)


def _row(room: dict[str, Any]) -> dict[str, Any]:
    """Return what is shown of a room as the server describes it: texts and numbers."""
    keys = {"room": "room", "members": "members", "seq": "head"}
    told = {column: room.get(key) for column, key in keys.items()}
    return {key: value if isinstance(value, str | int) else None for key, value in told.items()}


def _tabbed(rows: Iterable[tuple[str, ...]]) -> str:
    """Return rows for programs."""
    return "".join("\t".join(row) + "\n" for row in rows)


def _table(rows: list[tuple[str, ...]]) -> str:
    """Return rows for people: aligned, under a heading."""
    if not rows:
        return "no rooms yet\n"
    rows = [("room", "members", "newest"), *rows]
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(
        f"{name:<{wide[0]}}  {members:>{wide[1]}}  {newest:>{wide[2]}}\n"
        for name, members, newest in rows
    )

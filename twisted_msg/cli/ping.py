"""`tcpmsg ping`: whether the server is there, and how soon it answers.

Law of this file: one line with the time from the question to the answer, without the
time that connecting took.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from twisted_msg.cli.options import add_asking, not_plain, read_common
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
    not_plain(common, "ping")

    async def answer(client: Client) -> bytes:
        millis = await client.ping() * 1000
        if arguments.json:
            return json_row({"server": common.server, "ms": round(millis, 3)})
        return f"{visible(common.server)} answered in {millis:.3f} ms\n".encode()

    from twisted_msg.cli.asking import run_question

    return run_question(common, arguments.timeout, answer)

"""One question to a server, and its answer on standard output.

Law of this file: stdout carries the answer and nothing else; a server that does not
answer in time is told as such, whatever it was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

from twisted.internet import defer
from twisted.internet.defer import Deferred

from twisted_msg.cli.clients import connect, show_directs, to_stderr, typed_client
from twisted_msg.cli.exits import Exit, UsageError
from twisted_msg.cli.options import Common
from twisted_msg.cli.running import run
from twisted_msg.cli.streams import Output
from twisted_msg.client.client import Client
from twisted_msg.client.errors import TimedOut

Question = Callable[[Client], Coroutine[Deferred[Any], Any, bytes]]
"""Asks a client's server something, and returns the output."""

LEAVE_SECONDS: Final = 2.0
"""How long the goodbye may take: the answer is there."""


def run_question(common: Common, timeout: float, question: Question) -> int:
    """Ask, write the answer, and return the exit code."""
    return run(lambda reactor: ask(reactor, common, timeout, question), verbose=common.verbose)


def tell_cut(common: Common, cut: int) -> None:
    """Say how many entries a server left out of a list, if it did."""
    if cut:
        to_stderr(common)(f"and {cut} more, left out to keep within the server's payload limit")


async def ask(reactor: Any, common: Common, timeout: float, question: Question) -> int:
    """Ask, and write the answer.

    `timeout` is in seconds, once for the connection and once for the answer.  Raises
    `UsageError` for what cannot be asked, and `ClientError`.
    """
    nobody = replace(common, name=None)  # so that no name is taken
    client = typed_client(reactor, nobody, to_stderr(common))
    show_directs(client)
    await connect(reactor, common, client, timeout)
    try:
        answer = await Deferred.fromCoroutine(question(client)).addTimeout(timeout, reactor)
        output = Output(reactor)
        await output.put(answer)
        await output.finish()
    except defer.TimeoutError:
        await client.abort()
        raise TimedOut(f"no answer from {common.server} within {timeout:g} s") from None
    except ValueError as error:
        await client.abort()
        raise UsageError(str(error)) from None
    except Exception:
        await client.abort()
        raise
    await client.close(LEAVE_SECONDS)
    return Exit.DONE

"""How the programs of a torture run begin: options that all have, and the patience of a test.

Law of this file: what a program does is its own matter.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from twisted_msg.client import service

QUICK_RETRY: Final = 0.3
"""Seconds that a client waits at most before it tries again: with the library's own
half a minute, most of a run of kills would be spent waiting."""


def options_of(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of every program; `doc` is its module's."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n")[0])
    parser.add_argument("server")
    parser.add_argument("notes", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--rooms", type=lambda words: words.split(","), default=["a"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patient", action="store_true", help="wait as the library does")
    return parser


def begin(
    parser: argparse.ArgumentParser,
    run: Callable[[Any, argparse.Namespace], Coroutine[Any, Any, None]],
) -> None:
    """Read the options, and run under the reactor; does not return."""
    options = parser.parse_args()
    if not options.patient:
        service.LONGEST_RETRY = QUICK_RETRY  # type: ignore[misc]
    react(lambda reactor: Deferred.fromCoroutine(run(reactor, options)))

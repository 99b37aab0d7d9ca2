"""`tcpmsg serve`: the same service as `twistd -n tcpmsg`, with the command's exit codes.

Law of this file: what is wrong with the options or the addresses is one line and an
exit code; a server that was asked to stop and stopped well exits 0.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from twisted_msg.cli.exits import Exit
from twisted_msg.options import CONFIG_HELP, OPTIONS, SWITCHED_ON
from twisted_msg.settings import SettingsError, load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the server's options, from the same table as twistd's."""
    parser.add_argument("--config", metavar="FILE", help=CONFIG_HELP)
    for option in OPTIONS:
        kind: dict[str, Any]
        if option.flag:
            kind = {"action": "store_const", "const": SWITCHED_ON}
        else:
            kind = {"action": "append" if option.repeatable else "store", "metavar": option.metavar}
        parser.add_argument(
            f"--{option.name}",
            dest=f"serve_{option.key}",
            help=option.line.replace("%", "%%"),
            **kind,
        )


def given(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options that were given, by name."""
    return {
        option.name: value
        for option in OPTIONS
        if (value := getattr(arguments, f"serve_{option.key}")) is not None
    }


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal says stop.  Returns the exit code: 0, or 1 or 2 if it cannot start."""
    from twisted_msg.tap import check_endpoints, use_monotonic_time

    try:
        settings = load(given(arguments), os.environ, arguments.config)
        check_endpoints(settings)
    except SettingsError as error:
        print(f"tcpmsg: {error}", file=sys.stderr)
        return Exit.USAGE

    from twisted.internet import reactor
    from twisted.logger import globalLogBeginner, textFileLogObserver

    from twisted_msg.journal import json_lines
    from twisted_msg.service import CannotStart, ServerService

    use_monotonic_time(reactor)  # first: the service keeps the clock that it finds
    service = ServerService(settings, reactor)
    try:
        service.startService()
    except CannotStart as error:
        print(f"tcpmsg: {error}", file=sys.stderr)
        return Exit.UNEXPECTED
    observer = json_lines if settings.log_format == "json" else textFileLogObserver
    globalLogBeginner.beginLoggingTo([observer(sys.stderr)], redirectStandardIO=False)
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()
    return Exit.DONE

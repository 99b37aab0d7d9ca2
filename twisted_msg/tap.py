"""The plugin's two halves for `twistd` and `twist`: the options, and the service made of them.

Law of this file: what is wrong with the options is said in one line before anything
is made, forked or written.  The global reactor is named here and in the command only.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, NoReturn

from twisted.application.service import IService
from twisted.internet.endpoints import serverFromString
from twisted.logger import FileLogObserver, textFileLogObserver
from twisted.python import usage
from twisted.python.logfile import LogFile

from twisted_msg import __version__
from twisted_msg.addresses import no_endpoint, typed
from twisted_msg.journal import json_lines
from twisted_msg.options import CONFIG_HELP, OPTIONS, SWITCHED_ON, Option
from twisted_msg.service import CannotStart, ServerService, log
from twisted_msg.settings import Settings, SettingsError, load, suggestion

WRONG_USAGE = 2
"""Exit code for options that cannot be used, as of the `tcpmsg` command."""


class Options(usage.Options):
    """The options of `twistd tcpmsg`, made from the table in `options`."""

    synopsis = "[options]"
    longdesc = (
        "A TCP messaging server: a header of 128 bytes holds the length, then the message. "
        "Options may also be set by TCPMSG_... variables and in tcpmsg.toml."
    )
    settings: Settings

    optParameters = [  # noqa: RUF012 (the name and shape that usage.Options reads)
        ["config", None, None, CONFIG_HELP],
        *(
            [option.name, None, None, option.line]
            for option in OPTIONS
            if not (option.repeatable or option.flag)
        ),
    ]
    optFlags = [  # noqa: RUF012 (as above)
        [option.name, None, option.line] for option in OPTIONS if option.flag
    ]

    def opt_version(self) -> NoReturn:
        """Show the version and exit."""
        print(f"tcpmsg {__version__}")
        raise SystemExit(0)

    def parseOptions(self, options: Any = None) -> None:
        """Parse; what is wrong is one line, not the whole help."""
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            _leave(_explained(str(error)))

    def postOptions(self) -> None:
        """Read and check everything, endpoints included."""
        config = self["config"]
        flags = {
            option.name: SWITCHED_ON if option.flag else value
            for option in OPTIONS
            if (value := self.get(option.name)) is not None and value != 0  # a flag not given
        }
        try:
            self.settings = load(flags, os.environ, config)
            check_endpoints(self.settings)
        except SettingsError as error:
            _leave(str(error))
        if self.settings.log_format is not None:
            self._choose_log(self.settings.log_format)

    def _choose_log(self, log_format: str) -> None:
        """Have twistd, or twist, write the log in the format that was asked for."""
        host: Any = getattr(self, "parent", None) or {}
        if "fileLogObserverFactory" in host:  # twist
            as_json = log_format == "json"
            host["fileLogObserverFactory"] = json_lines if as_json else textFileLogObserver
        elif log_format == "json" and "logfile" in host and not host.get("logger"):  # twistd
            JsonLog.path = host["logfile"]
            JsonLog.foreground = bool(host["nodaemon"])
            host["logger"] = "twisted_msg.tap.JsonLog.observer"


class JsonLog:
    """Where twistd's log goes, when its lines are JSON.

    twistd takes the name of a function without arguments as its `--logger`, and reads
    its other options for its own text log only; so they are kept here.
    """

    path: str | None = None
    foreground = True

    @classmethod
    def observer(cls) -> FileLogObserver:
        """Return the observer for twistd's `--logfile`, standard output or `twistd.log`."""
        if cls.path == "-" or (cls.foreground and not cls.path):
            return json_lines(sys.stdout)
        return json_lines(LogFile.fromFullPath(cls.path or "twistd.log"))


def _collector(option: Option) -> Callable[[Options, str], None]:
    """Return the method that `usage.Options` calls for every use of a repeatable option."""

    def collect(self: Options, value: str) -> None:
        self.setdefault(option.name, []).append(value)

    collect.__doc__ = option.line
    return collect


for _option in OPTIONS:
    if _option.repeatable:
        setattr(Options, f"opt_{_option.key}", _collector(_option))


def check_endpoints(settings: Settings) -> None:
    """Raise `SettingsError` for an endpoint string that Twisted cannot read."""
    from twisted.internet import reactor

    places = [("--listen", endpoint) for endpoint in settings.listen]
    if settings.web is not None:
        places.append(("--web", settings.web))
    for option, endpoint in places:
        try:
            serverFromString(reactor, endpoint)
        except Exception as error:  # each kind of endpoint raises what it likes
            message = no_endpoint(typed(endpoint), endpoint, error)
            raise SettingsError(f"{option}: {message}") from None


def use_monotonic_time(reactor: Any) -> None:
    """Have a reactor's timers count by the monotonic clock.

    Its own are Unix time: set the clock back an hour, and every deadline waits an hour.
    """
    reactor.seconds = time.monotonic


def makeService(options: Options) -> IService:  # the name that twistd calls
    """Return the service for twistd; nothing is opened yet."""
    from twisted.internet import reactor

    host: Mapping[str, Any] = getattr(options, "parent", None) or {}
    sys.excepthook = partial(_report, host)
    use_monotonic_time(reactor)
    return ServerService(options.settings, reactor)


def _report(
    host: Mapping[str, Any],
    kind: type[BaseException],
    error: BaseException,
    traceback: TracebackType | None,
) -> None:
    """Say in one line why the start failed: twistd lets such exceptions pass to `sys.excepthook`.

    A person at a terminal reads standard error; who reads a log file finds it there.
    """
    if not issubclass(kind, CannotStart):
        sys.__excepthook__(kind, error, traceback)
        return
    if not host.get("nodaemon", True) or host.get("logfile"):
        log.critical("{error}", error=error)
    print(f"tcpmsg: {error}", file=sys.__stderr__)


def _explained(message: str) -> str:
    """Return Twisted's words for a bad option, with the option that was probably meant."""
    if message.startswith("Wrong number of arguments"):
        return "tcpmsg takes options only, and no arguments behind them"
    rest = message.partition("option --")[2]
    name = rest.split()[0] if rest else ""
    if name and message.endswith("not recognized"):
        return f"unknown option --{name}" + suggestion(
            f"--{name}", ["--config", *(f"--{option.name}" for option in OPTIONS)]
        )
    return message


def _leave(message: str) -> NoReturn:
    """End before anything was started, with one line on standard error."""
    print(f"tcpmsg: {message}", file=sys.stderr)
    raise SystemExit(WRONG_USAGE)

"""The command's entry: which verb, with which options.

Law of this file: a verb's module is imported when the verb is used and not before, so
that help is quick; what cannot be understood is one line and exit code 2.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final, NamedTuple, NoReturn

from twisted_msg import __version__
from twisted_msg.cli.exits import Exit, UsageError
from twisted_msg.cli.options import add_common, client_options
from twisted_msg.settings import nearest


class Verb(NamedTuple):
    """A verb of the command.

    `module` has `add_arguments(parser)`, without Twisted, and `run(arguments) -> exit code`.
    """

    name: str
    summary: str
    example: str
    module: str
    client: bool = True


VERBS: Final = (
    Verb("serve", "run a server", "tcpmsg serve --listen 127.0.0.1:5050",
         "twisted_msg.cli.serve", client=False),
    Verb("send", "send messages", "tcpmsg send lobby 'hello, world'", "twisted_msg.cli.send"),
    Verb("recv", "print messages as they come", "tcpmsg recv lobby --last 10",
         "twisted_msg.cli.recv"),
    Verb("chat", "talk", "tcpmsg chat --name alice", "twisted_msg.cli.chat"),
    Verb("who", "say who is in a room", "tcpmsg who lobby", "twisted_msg.cli.who"),
    Verb("rooms", "list the rooms", "tcpmsg rooms", "twisted_msg.cli.rooms"),
    Verb("ping", "ask whether the server answers", "tcpmsg ping", "twisted_msg.cli.ping"),
    Verb("demo", "have a room look lively", "tcpmsg demo", "twisted_msg.cli.demo"),
    Verb("bench", "measure a server under load", "tcpmsg bench --members 100 --size 16",
         "twisted_msg.cli.bench.verb"),
)  # fmt: skip
"""Every verb, in the order of the help text."""

_BY_NAME: Final = {verb.name: verb for verb in VERBS}

EXIT_CODES: Final = (
    "exit codes: 0 done, 1 unexpected error, 2 wrong usage, 3 refused, 4 not authenticated, "
    "5 cannot connect, 6 timed out or outcome unknown, 7 history has a gap, 75 try again later, "
    "130 interrupted, 143 terminated"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (the process's without) and return the exit code."""
    _open_standard_descriptors()
    try:
        arguments = _parser().parse_args(argv)
        return int(import_module(_BY_NAME[arguments.verb].module).run(arguments))
    except UsageError as error:
        return _wrong(str(error))
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the interpreter flushes it at exit
        return Exit.DONE


def _open_standard_descriptors() -> None:
    """Give closed standard descriptors a place, so that no socket takes their numbers."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # as Python leaves it; `print` would take stdout for stderr
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - for the whole run


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and which knows the names it was given."""

    def __init__(self, **rest: Any) -> None:
        rest.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **rest)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and what to do, and exit."""
        sys.exit(_wrong(f"{message} (see {self.prog} --help)"))

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: None = None
    ) -> argparse.Namespace:
        """Parse everything; what is left over is an error with a suggestion."""
        self._given = list(sys.argv[1:] if args is None else args)
        parsed, rest = self.parse_known_args(args, namespace)
        if parsed.verb is None:
            self.error(f"a verb is missing; there are: {', '.join(_BY_NAME)}")
        if rest:
            verb = self.verb(parsed.verb)
            wrong = next((word for word in rest if word.startswith("-") and word != "-"), "")
            if wrong:
                flag = wrong.partition("=")[0]
                verb.error(f"no option {flag}{nearest(flag, verb.flags())}")
            verb.error(f"one argument too many: {rest[0]!r}; put a text with spaces in quotes")
        if not _BY_NAME[parsed.verb].client and client_options(parsed):
            flags = ", ".join(client_options(parsed))
            self.error(f"{flags} before {parsed.verb}: the server's options stand behind the verb")
        return parsed

    def verb(self, name: str) -> _VerbParser:
        """Return a verb's parser."""
        return self.verbs[name]

    verbs: dict[str, _VerbParser]
    _given: list[str]

    def flags(self) -> list[str]:
        """Return every option string."""
        return list(self._option_string_actions)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Say which verbs there are, better than argparse does."""
        if action.dest == "verb" and value not in _BY_NAME:
            for word in self._given:
                flag = word.partition("=")[0]
                if flag.startswith("--") and flag not in self.flags():
                    self.error(f"no option {flag}{nearest(flag, self.flags())}")
                if word == value:
                    break
            self.error(
                f"no verb {value!r}"
                + (nearest(value, list(_BY_NAME)) or f"; there are: {', '.join(_BY_NAME)}")
            )
        super()._check_value(action, value)


class _VerbParser(_Parser):
    """A verb's parser, which asks the verb's module for its arguments when it is used."""

    _loaded = False

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse options and arguments in any order."""
        if self._loaded:
            return super().parse_known_args(args, namespace)
        self._loaded = True
        verb = _BY_NAME[self.prog.rpartition(" ")[2]]
        import_module(verb.module).add_arguments(self)
        if verb.client:
            add_common(self)
        return self.parse_known_intermixed_args(args, namespace)


def _parser() -> _Parser:
    """Return the parser of the whole command."""
    width = max(len(verb.name) for verb in VERBS)
    lines = "\n".join(
        f"  {verb.name:<{width}}  {verb.summary:<30} {verb.example}" for verb in VERBS
    )
    parser = _Parser(
        prog="tcpmsg",
        usage="tcpmsg [common options] VERB ...",
        description="Messages over TCP: a server, and clients for people and scripts.\n\n"
        f"verbs (tcpmsg VERB --help says more):\n{lines}",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"tcpmsg {__version__}")
    add_common(parser)
    group = parser.add_subparsers(
        dest="verb",
        metavar="VERB",
        required=False,
        parser_class=_VerbParser,
        help=argparse.SUPPRESS,
    )
    parser.verbs = {
        verb.name: group.add_parser(
            verb.name,
            prog=f"tcpmsg {verb.name}",
            description=verb.summary[0].upper() + verb.summary[1:] + ".",
            epilog=f"example:\n  {verb.example}",
        )
        for verb in VERBS
    }
    return parser


def _wrong(message: str) -> int:
    """Say what is wrong on stderr."""
    print(f"tcpmsg: {message}", file=sys.stderr)
    return Exit.USAGE

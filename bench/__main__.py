"""The command line: `scripts/bench compare`, `scale`, `lag`, `guard`, `page`.

Law of this file: options are read and passed on, nothing is measured here.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from bench.counting import Wrong
from bench.peer import ROOT
from bench.peers import PEERS
from bench.tables import shown
from bench.workloads import WORKLOADS, Terms

EVERY = ["codec", *WORKLOADS]
"""What `compare` measures."""

FIGURES = ROOT / "docs" / "performance"
"""Where figures and plots are kept that docs/performance.md shows."""


PAGE = ROOT / "docs" / "performance.md"
"""The page that shows them; its parts between markers are written anew."""

TERMS = {
    "seconds": "how long each cell is measured",
    "warm": "seconds before that",
    "members": "of the fan-outs",
    "window": "messages of each publisher that may be on their way",
    "round_trips": "messages of the latency workload",
    "connections": "of the idle workload",
    "in_flight": "messages that may be unacknowledged where many may be",
    "slow_seconds": "how long the member that does not read stays",
    "durable_size": "bytes of messages that are acknowledged",
    "tries": "how often a cell that others disturb is measured at the most",
}
"""What the terms of `compare` are, for its help."""


def _names(known: list[str]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
        return names

    return read


def _number(kind: type[float], least: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = kind(text)
        if not value >= least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least:g}")
        return value

    read.__name__ = kind.__name__  # which argparse tells to whom writes something else
    return read


_COUNT = _number(int, 1)
_SECONDS = _number(float, 0.01)


def _parser() -> argparse.ArgumentParser:
    from bench.guard import TOLERANCE
    from bench.paths import PATHS
    from bench.sweeps import SWEEPS

    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measure this server; see docs/performance.md."
    )
    verbs = parser.add_subparsers(dest="verb", required=True)

    compare = verbs.add_parser(
        "compare",
        help="this server beside its peers (some 15 minutes)",
        description="Measure this server beside its peers.  With --workloads or --peers and "
        "without --out, tables are printed and nothing is written.",
    )
    compare.add_argument(
        "--workloads", type=_names(EVERY), default=EVERY, metavar="NAME,...", help=", ".join(EVERY)
    )
    compare.add_argument(
        "--peers", type=_names([*PEERS]), default=[*PEERS], metavar="NAME,...",
        help=", ".join(PEERS),
    )  # fmt: skip
    compare.add_argument("--repeat", type=_COUNT, default=3, help="how often [default: 3]")
    for name, value in Terms._field_defaults.items():
        compare.add_argument(
            f"--{name.replace('_', '-')}", default=value, metavar="N",
            type=_COUNT if isinstance(value, int) else _SECONDS,
            help=f"{TERMS[name]} [default: {value:g}]",
        )  # fmt: skip

    scale = verbs.add_parser("scale", help="how cost grows (some 10 minutes)")
    scale.add_argument(
        "--only", type=_names([*SWEEPS]), default=[*SWEEPS], metavar="NAME,...",
        help=f"{', '.join(SWEEPS)}; the figures of the others stay as they are",
    )  # fmt: skip
    scale.add_argument("--seconds", type=_SECONDS, default=2.0, help="of each point [default: 2]")
    scale.add_argument(
        "--warm", type=_SECONDS, default=0.5, help="seconds before it is measured [default: 0.5]"
    )
    scale.add_argument(
        "--tries", type=_COUNT, default=Terms().tries, metavar="N",
        help=f"{TERMS['tries'].replace('cell', 'point')} [default: {Terms().tries}]",
    )  # fmt: skip
    scale.add_argument(
        "--largest", type=_COUNT, default=0, metavar="N",
        help="go up to 10^N of whatever it is (--largest 8 --only stored: 100 million messages)",
    )  # fmt: skip

    lag = verbs.add_parser("lag", help="how late the server's reactor is under large messages")
    lag.add_argument("--seconds", type=_SECONDS, default=10.0, help="of each case [default: 10]")

    guard = verbs.add_parser("guard", help="is this checkout slower than another revision?")
    guard.add_argument("base", nargs="?", default="", help="default: the last tag, else main")
    guard.add_argument("--rounds", type=_COUNT, default=20, help="pairs of each path [default: 20]")
    guard.add_argument(
        "--tolerance", type=_number(float, 1.0), default=TOLERANCE,
        help=f"what a path may cost, as a multiple of before [default: {TOLERANCE}]",
    )  # fmt: skip
    guard.add_argument(
        "--only", type=_names([*PATHS]), default=[*PATHS], metavar="PATH,...",
        help=", ".join(PATHS),
    )  # fmt: skip

    page = verbs.add_parser("page", help="make table and plots of the figures that are there")
    for each in (compare, scale, lag, page):
        each.add_argument(
            "--out", type=Path, help="folder for the figures [default: docs/performance]"
        )
        each.add_argument(
            "--page", type=Path,
            help="page to write them into [default: docs/performance.md, without --out]",
        )  # fmt: skip
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    asked = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(143))  # so that servers are ended too
    try:
        if asked.verb == "guard":
            from bench.guard import guard

            return guard(asked.base, asked.rounds, asked.only, asked.tolerance)
        _measure(asked)
    except Wrong as error:
        print(f"scripts/bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _measure(asked: argparse.Namespace) -> None:
    """Measure what is asked for, and have it shown."""
    from bench.page import write

    out, page = asked.out or FIGURES, asked.page or (None if asked.out else PAGE)
    if asked.verb == "compare":
        from bench.compare import compare

        terms = Terms(**{name: getattr(asked, name) for name in Terms._fields})
        whole = (asked.workloads, asked.peers) == (EVERY, [*PEERS])
        results = out / "peers.json" if whole or asked.out else None
        found = compare(asked.workloads, asked.peers, asked.repeat, terms, results)
        if results is None:  # the figures that are there are of all, in one run
            print(shown(found))
            return
    elif asked.verb == "scale":
        from bench.scale import scale

        terms = Terms(seconds=asked.seconds, warm=asked.warm, tries=asked.tries)
        scale(asked.only, asked.largest, terms, out / "scale.json")
    elif asked.verb == "lag":
        from bench.lag import lag

        lag(asked.seconds, out / "lag.json")
    write(out, page)


if __name__ == "__main__":
    sys.exit(main())

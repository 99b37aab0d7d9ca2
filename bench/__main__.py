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
from bench.workloads import WORKLOADS, Terms

FIGURES = ROOT / "docs" / "performance"
"""Where figures and plots are kept that docs/performance.md shows."""


def _names(known: list[str]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
        return names

    return read


def _parser() -> argparse.ArgumentParser:
    from bench.guard import TOLERANCE, every_path
    from bench.sweeps import SWEEPS

    parser = argparse.ArgumentParser(prog="scripts/bench", description=(__doc__ or "")[:53])
    verbs = parser.add_subparsers(dest="verb", required=True)

    every = ["codec", *WORKLOADS]
    compare = verbs.add_parser("compare", help="this server beside its peers (some 10 minutes)")
    compare.add_argument("--workloads", type=_names(every), default=every)
    compare.add_argument("--peers", type=_names(list(PEERS)), default=list(PEERS))
    compare.add_argument("--repeat", type=int, default=3)
    for name, value in Terms._field_defaults.items():
        compare.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)

    scale = verbs.add_parser("scale", help="how cost grows (some 10 minutes)")
    scale.add_argument("--only", type=_names(list(SWEEPS)), default=list(SWEEPS))
    scale.add_argument("--seconds", type=float, default=2.0, help="of each point")
    scale.add_argument("--warm", type=float, default=0.5, help="seconds before it is measured")
    scale.add_argument(
        "--largest", type=int, default=0, metavar="N",
        help="go up to 10^N of whatever it is (--largest 8 --only stored: 100 million messages)",
    )  # fmt: skip

    lag = verbs.add_parser("lag", help="how late the server's reactor is under large messages")
    lag.add_argument("--seconds", type=float, default=10.0)

    for each in (compare, scale, lag):
        each.add_argument("--out", type=Path, default=FIGURES, help="folder for the figures")
        each.add_argument(
            "--page", type=Path, default=ROOT / "docs" / "performance.md",
            help="page that shows them; its parts between markers are written anew",
        )  # fmt: skip

    guard = verbs.add_parser("guard", help="is this checkout slower than another revision?")
    guard.add_argument("base", nargs="?", default="", help="default: the last tag, else main")
    guard.add_argument("--rounds", type=int, default=20)
    guard.add_argument("--tolerance", type=float, default=TOLERANCE)
    guard.add_argument("--only", type=_names(every_path()), default=every_path())

    page = verbs.add_parser("page", help="make table and plots of the figures that are there")
    page.add_argument("--out", type=Path, default=FIGURES)
    page.add_argument("--page", type=Path, default=ROOT / "docs" / "performance.md")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    asked = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(143))  # so that servers are ended too
    try:
        if asked.verb == "guard":
            from bench.guard import guard

            return guard(asked.base, asked.rounds, asked.only, asked.tolerance)
        if asked.verb == "compare":
            from bench.compare import compare

            terms = Terms(**{name: getattr(asked, name) for name in Terms._fields})
            compare(asked.workloads, asked.peers, asked.repeat, terms, asked.out / "peers.json")
        elif asked.verb == "scale":
            from bench.scale import scale

            scale(asked.only, asked.largest, asked.seconds, asked.warm, asked.out / "scale.json")
        elif asked.verb == "lag":
            from bench.lag import lag

            lag(asked.seconds, asked.out / "lag.json")
        from bench.page import write

        write(asked.out, asked.page)
    except Wrong as error:
        print(f"scripts/bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

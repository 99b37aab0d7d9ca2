"""docs/performance.md: the parts between markers are made of the figures, the prose stays.

    <!-- figures: NAME -->
    ... what stands here is written anew ...
    <!-- end of figures -->

Law of this file: nothing outside of the markers is touched.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from bench import tables
from bench.counting import Wrong
from bench.figures import kept

_PART = re.compile(r"(<!-- figures: ([a-z]+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)


def filled(page: str, parts: dict[str, str]) -> str:
    """Return a page with its parts written anew; those without figures stay as they are.

    Raises `Wrong` for a marker that is not closed.
    """
    opened = len(re.findall(r"<!-- figures: ", page))
    if opened != len(_PART.findall(page)) or opened != page.count("<!-- end of figures -->"):
        raise Wrong("a marker of the page is not closed, or has no name that is known")
    return _PART.sub(
        lambda found: f"{found[1]}{parts[found[2]]}{found[3]}" if found[2] in parts else found[0],
        page,
    )


def parts(folder: Path) -> dict[str, str]:
    """Return what the figures in a folder make, by the name of the marker."""
    made: dict[str, str] = {}
    peers, growth, lag = (kept(folder / f"{name}.json") for name in ("peers", "scale", "lag"))
    if peers:
        made |= {
            "about": tables.about(peers),
            "memory": tables.side_by_side(peers, "tcpmsg"),
            "stored": tables.side_by_side(peers, "tcpmsg-durable"),
            "codec": tables.codec(peers),
            "details": tables.details(peers),
        }
    if growth:
        made["scale"] = tables.scale(growth)
    if lag:
        made["lag"] = tables.lag(lag)
    return made


def write(folder: Path, page: Path | None) -> None:
    """Write the page's parts, if there is a page, and the plots beside the figures."""
    if page is not None:
        if not page.is_file():
            raise Wrong(f"there is no page {page}")
        before = page.read_text()
        after = filled(before, parts(folder))
        if after != before:
            page.write_text(after)
    try:
        from bench import plots
    except ImportError as error:
        print(f"no plots: {error}; scripts/bench has what they need", file=sys.stderr)
        return
    for name, draw in (("peers", plots.peers), ("scale", plots.scale)):
        found = kept(folder / f"{name}.json")
        if found:
            draw(found, folder)

"""Figures as Markdown: what was found, who is how many times better, and every cell behind it.

Law of this file: pure; a ratio is that of two cells of one repetition, and of ratios the
median is shown.  Above 1 this server is better, whatever the unit; what it loses is bold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bench.counting import median
from bench.figures import disturbed
from bench.workloads import WORKLOADS, Terms, Workload

Cells = Sequence[dict[str, Any]]

PREFIXES = ((1e9, " G"), (1e6, " M"), (1e3, " k"))


def number(value: float, unit: str = "") -> str:
    """Return a number with three digits that mean something."""
    size = abs(value)
    for factor, prefix in PREFIXES:
        if size >= factor * 0.9995:
            return f"{digits(value / factor)}{prefix}{unit}"
    return f"{digits(value)} {unit}".strip()


def digits(value: float) -> str:
    """Return a number without a prefix, with three digits unless it is large."""
    size = abs(value)
    return f"{value:.0f}" if size >= 99.95 else f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"


def of(cells: Cells, workload: str, peer: str, figure: str) -> dict[int, float]:
    """Return a figure by repetition."""
    return {
        each["repetition"]: each[figure]
        for each in cells
        if each["workload"] == workload and each["peer"] == peer and each.get(figure) is not None
    }


def better(cells: Cells, workload: Workload, ours: str, theirs: str) -> float | None:
    """Return how many times better ours is, None if they were never measured together."""
    mine = of(cells, workload.name, ours, workload.figure)
    other = of(cells, workload.name, theirs, workload.figure)
    ratios = [
        mine[each] / other[each] if workload.more else other[each] / mine[each]
        for each in mine.keys() & other.keys()
        if mine[each] and other[each]
    ]
    return median(ratios) if ratios else None


def rows(lines: Iterable[Sequence[str]], heads: Sequence[str]) -> str:
    """Return a Markdown table."""
    rule = ["---"] + ["---:"] * (len(heads) - 1)
    shown = [heads, rule, *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in shown) + "\n"


def side_by_side(found: dict[str, Any], ours: str) -> str:
    """Return the table of the workloads in which `ours` is what is compared."""
    cells, known = found["cells"], found["about"]["peers"]
    done = {each["workload"] for each in cells}
    workloads = [w for w in WORKLOADS.values() if w.peers[0] == ours and w.name in done]
    if not workloads:
        return ""
    peers = [name for name in known if any(name in w.peers for w in workloads)]
    lines = []
    for workload in workloads:
        line = [f"{workload.title} ({workload.unit})"]
        for peer in peers:
            line.append(_shown(cells, workload, ours, peer))
        lines.append(line)
    return rows(lines, ["", *(known[peer]["shown"] for peer in peers)])


def _shown(cells: Cells, workload: Workload, ours: str, peer: str) -> str:
    values = of(cells, workload.name, peer, workload.figure).values()
    if not values:
        return "failed" if any(
            each["workload"] == workload.name and each["peer"] == peer for each in cells
        ) else "-"  # fmt: skip
    shown = number(median(values))
    if peer.startswith("tcpmsg"):
        return shown
    ratio = better(cells, workload, ours, peer)
    if ratio is None:
        return shown
    times = f"{digits(ratio)} x"
    return f"{shown} ({times if ratio >= 1 else f'**{times}**'})"


def shown(found: dict[str, Any]) -> str:
    """Return all tables of one run, for a terminal."""
    beside = [side_by_side(found, ours) for ours in ("tcpmsg", "tcpmsg-durable")]
    return "\n".join(filter(None, [about(found), *beside, codec(found), details(found)]))


def codec(found: dict[str, Any]) -> str:
    """Return what the codec alone does."""
    names = dict.fromkeys(name for each in found["codec"] for name in each)
    lines = [
        [name, number(median(each[name] for each in found["codec"])) + " frames/s"]
        for name in names
    ]
    return rows(lines, ["path", "of CPU time"]) if lines else ""


def details(found: dict[str, Any]) -> str:
    """Return every cell: median, least and greatest, and what tells who was the bottleneck."""
    cells, lines = found["cells"], []
    for name, peer in dict.fromkeys((each["workload"], each["peer"]) for each in cells):
        workload = WORKLOADS[name]
        here = [each for each in cells if (each["workload"], each["peer"]) == (name, peer)]

        def spread(figure: str, unit: str = "", here: Cells = here) -> str:
            values = [each[figure] for each in here if each.get(figure) is not None]
            if not values:
                return "-"
            least, middle, most = min(values), median(values), max(values)
            return f"{number(middle, unit)} ({number(least)} to {number(most)})"

        lines.append([
            name, peer, spread(workload.figure), spread("p99"), spread("server_load"),
            spread("others"), spread("generator_idle"), spread("cost"), spread("resident", "B"),
            "; ".join(sorted({remark for each in here for remark in _remarks(each)})) or "all",
        ])  # fmt: skip
    if not lines:
        return ""
    return rows(lines, [
        "workload", "peer", "median (least to most)", "p99 µs", "server's load",
        "taken by others", "generator idle", "server's CPU µs each", "memory", "deliveries",
    ])  # fmt: skip


def _remarks(cell: dict[str, Any]) -> Iterable[str]:
    if disturbed(cell):
        yield "**disturbed**"
    if "failed" in cell:
        yield "failed: " + cell["failed"].replace("|", "/")[:120]
    if "fate" in cell:
        yield f"the slow one was {cell['fate']}"
        yield f"{digits(cell['kept_late'])} of the rate in the last quarter of the time"
    if "grown" in cell:
        yield f"server grew by {number(cell['grown'], 'B')}"


def about(found: dict[str, Any]) -> str:
    """Return what it was measured on, as a list."""
    told, terms = found["about"], found["terms"]
    lines = [
        f"{told['date']}, revision {told['commit']}; repetitions: {terms['repetitions']}, of "
        f"{terms['seconds']:g} s for each cell",
        f"{told['processor']}, {told['cores']} cores"
        + (", generator and server on one" if told["shared_core"] else "")
        + f"; {told['kernel']}, Python {told['python']}, SQLite {told['sqlite']}",
        "load average of the machine at the beginning and after each repetition: "
        + ", ".join(map(str, told["load"])),
    ]
    lines += [
        f"{peer['shown']} {peer['version']}: {peer['note']}" for peer in told["peers"].values()
    ]
    usual = Terms._field_defaults
    unusual = [
        f"{name} {value:g}" for name, value in terms.items() if value != usual.get(name, value)
    ]
    if unusual:
        lines.append("otherwise than usual: " + ", ".join(unusual).replace("_", " "))
    doubtful = sum(map(disturbed, found["cells"]))
    if doubtful:
        lines.append(
            f"**{doubtful} of {len(found['cells'])} cells are not to be trusted**: others "
            "took more than a tenth of a core meanwhile (*Every cell* says in which)"
        )
    if found["missing"]:
        lines.append("left out, for they were not installed: " + ", ".join(found["missing"]))
    return "".join(f"* {line}\n" for line in lines)


def scale(found: dict[str, Any]) -> str:
    """Return each sweep as a table."""
    parts = []
    for sweep in found["sweeps"]:
        heads = [sweep["axis"], *sweep["columns"].values()]
        lines = [
            [
                f"{point['at']:,}" + (" **disturbed**" if disturbed(point) else ""),
                *(
                    number(point[key]) if point.get(key) is not None
                    else point.get("failed", "-").replace("|", "/")[:80]
                    for key in sweep["columns"]
                ),
            ]
            for point in sweep["points"]
        ]  # fmt: skip
        parts.append(f"**{sweep['title']}**\n\n{measured(sweep['about'])}\n{rows(lines, heads)}")
    return "\n".join(parts)


def measured(about: dict[str, Any]) -> str:
    """Return when figures were taken, and of which revision."""
    loads = ", ".join(map(str, about["load"]))
    return f"Measured on {about['date']} with revision {about['commit']}; load average {loads}.\n"


def lag(found: dict[str, Any]) -> str:
    """Return how late the reactor was."""
    lines = [
        [each["what"], *(f"{each[key] / 1000:.1f} ms" for key in ("p50", "p99", "p999", "worst")),
         number(each["rate"], "B/s")]
        for each in found["cases"]
    ]  # fmt: skip
    table = rows(lines, ["while", "median", "p99", "p99.9", "worst", "sent to members"])
    return f"{measured(found['about'])}\n{table}"

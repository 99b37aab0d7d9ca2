"""The plots, as SVG that can be read on light and on dark pages.

Law of this file: the same figures make the same bytes; no date, no random names, and text
that stays text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bench import tables
from bench.counting import median
from bench.workloads import WORKLOADS

GREY = "#7d8590"
"""Of text and axes: 4:1 against white, 5:1 against the dark grey of code hosts."""

COLOURS = {
    "tcpmsg": "#2f81f7", "tcpmsg-plain": "#8ab8fb", "tcpmsg-durable": "#2f81f7",
    "nats": "#2da44e", "jetstream": "#8bd3a0", "jetstream-always": "#1a7f9c",
    "mosquitto": "#d29922", "twisted-int32": "#bf6bd6",
}  # fmt: skip

mpl.rcParams.update({
    "svg.hashsalt": "tcpmsg", "svg.fonttype": "none", "font.family": "sans-serif",
    "font.size": 9, "text.color": GREY, "axes.labelcolor": GREY, "axes.edgecolor": GREY,
    "axes.titlecolor": GREY, "axes.titlesize": 9, "xtick.color": GREY, "ytick.color": GREY,
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "savefig.transparent": True,
})  # fmt: skip


def peers(found: dict[str, Any], folder: Path) -> None:
    """Draw how many times better this server is, and the figures behind it."""
    _ratios(found, "tcpmsg", folder / "ratios.svg")
    _ratios(found, "tcpmsg-durable", folder / "stored.svg")


def _ratios(found: dict[str, Any], ours: str, file: Path) -> None:
    """Draw a bar for each peer and workload, to the right of 1 where this server is better."""
    cells, known = found["cells"], found["about"]["peers"]
    strangers = [name for name in known if not name.startswith("tcpmsg")]
    groups: list[tuple[str, list[tuple[str, float]]]] = []
    for workload in WORKLOADS.values():
        if workload.peers[0] != ours:
            continue
        bars = [
            (peer, ratio)
            for peer in strangers
            if peer in workload.peers
            and (ratio := tables.better(cells, workload, ours, peer)) is not None
        ]
        if bars:
            groups.append((workload.title, bars))
    if not groups:
        return
    height = sum(len(bars) for _, bars in groups) * 0.2 + len(groups) * 0.12 + 0.9
    figure, axes = plt.subplots(figsize=(7.6, height))
    at, ticks = 0.0, []
    for title, bars in groups:
        ticks.append((at + (len(bars) - 1) / 2, title))
        for peer, ratio in bars:
            axes.barh(at, ratio - 1, left=1, height=0.8, color=COLOURS[peer])
            axes.annotate(
                f"{tables.digits(ratio)} x", (ratio, at),
                xytext=(4 if ratio >= 1 else -4, 0), textcoords="offset points", va="center",
                ha="left" if ratio >= 1 else "right", fontsize=8,
            )  # fmt: skip
            at += 1
        at += 0.6
    axes.set_xscale("log")
    axes.axvline(1, color=GREY, linewidth=1)
    low, high = axes.get_xlim()
    axes.set_xlim(min(0.5, low / 1.8), high * 1.8)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} x")
    axes.set_yticks([y for y, _ in ticks], [title for _, title in ticks])
    axes.invert_yaxis()
    axes.set_xlabel("how many times better than the peer (left of 1 x: worse)")
    drawn = {peer for _, bars in groups for peer, _ in bars}
    axes.legend(
        handles=[
            Patch(color=COLOURS[peer], label=known[peer]["shown"])
            for peer in strangers if peer in drawn
        ],
        loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=3,
    )  # fmt: skip
    _save(figure, file)


def scale(found: dict[str, Any], folder: Path) -> None:
    """Draw a panel for each sweep's columns that are asked to be drawn."""
    panels = [
        (sweep, key, label)
        for sweep in found["sweeps"]
        for key, label in sweep["columns"].items()
        if key in sweep["drawn"] and any(point.get(key) for point in sweep["points"])
    ]
    if not panels:
        return
    wide = 3
    high = -(-len(panels) // wide)
    figure, grid = plt.subplots(high, wide, figsize=(8.4, 2.3 * high), squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, (sweep, key, label) in zip(grid.flat, panels, strict=False):
        _panel(axes, sweep, key, label)
    figure.tight_layout()
    _save(figure, folder / "scale.svg")


def _panel(axes: Axes, sweep: dict[str, Any], key: str, label: str) -> None:
    points: Sequence[dict[str, Any]] = [each for each in sweep["points"] if each.get(key)]
    places = [max(each["at"], 1) for each in points]
    values = [each[key] for each in points]
    axes.plot(places, values, marker="o", markersize=3, color=COLOURS["tcpmsg"])
    axes.set_xscale("log")
    axes.set_yscale("log")
    middle = median(values)
    axes.set_ylim(min(*values, middle / 4) / 1.3, max(*values, middle * 4) * 1.3)
    axes.set_title(label)
    axes.set_xlabel(sweep["axis"])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: _tick(value))
    axes.xaxis.set_major_formatter(lambda value, _: _tick(value))
    axes.grid(color=GREY, alpha=0.25)


def _tick(value: float) -> str:
    """Return a power of ten, or what a limit of an axis is, as short as can be."""
    factor, prefix = next((each for each in tables.PREFIXES if value >= each[0]), (1.0, ""))
    return f"{value / factor:g}{prefix}"


def _save(figure: Figure, file: Path) -> None:
    figure.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    drawn = "\n".join(line.rstrip() for line in file.read_text().splitlines())
    file.write_text(drawn + "\n")

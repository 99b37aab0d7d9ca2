"""What a load showed, as a table for people and as an object for programs.

Law of this file: figures in, text out; what was not seen is None, and never 0.  No Twisted.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from twisted_msg import __version__
from twisted_msg.cli.bench.measures import Times
from twisted_msg.cli.bench.plan import Plan
from twisted_msg.cli.text import visible

PERCENTILES: Final = (50.0, 99.0, 99.9)
"""Which percentiles are told, beside the longest."""

Latency = dict[str, float | int]
"""How many times were taken, and in milliseconds the percentiles (`p50`) and the `max`."""


class Figures(NamedTuple):
    """What was measured.

    `delivered` counts each message once for each member that got it; `acknowledged` and `ack`
    are None without ids, `late` without a rate, and `lost` if the load did not go to its end.
    `cpu` is in seconds, of this program.
    """

    seconds: float
    sent: int
    acknowledged: int | None
    delivered: int
    delivery: Latency
    ack: Latency | None
    late: Latency | None
    lost: int | None
    doubled: int
    disordered: int
    missed: int
    others: int
    cpu: float

    @property
    def good(self) -> bool:
        """Whether every member got every message once, in order, as far as it was seen."""
        return not (self.lost or self.doubled or self.disordered or self.missed)


def latency(times: Times) -> Latency:
    """Return what is told of times."""
    told: Latency = {"samples": times.count}
    if times.count:
        for percent in PERCENTILES:
            told[f"p{percent:g}"] = _millis(times.percentile(percent))
        told["max"] = _millis(times.longest)
    return told


def as_object(figures: Figures, plan: Plan, server: str, told: dict[str, Any]) -> dict[str, Any]:
    """Return everything, for programs; `told` is what the server says of itself."""
    published = figures.sent if figures.acknowledged is None else figures.acknowledged
    return {
        "version": __version__,
        "server": {"address": server, "version": told.get("server")},
        "options": {
            "room": plan.room,
            "publishers": plan.publishers,
            "members": plan.members,
            "size": plan.size,
            "count": plan.count,
            "duration": plan.duration if plan.count is None else None,
            "rate": plan.rate,
            "in_flight": plan.in_flight,
            "ids": plan.in_flight is not None,
            "timeout": plan.timeout,
        },
        "seconds": round(figures.seconds, 6),
        "complete": figures.lost is not None,
        "sent": figures.sent,
        "acknowledged": figures.acknowledged,
        "published_per_second": round(published / figures.seconds, 1),
        "delivered": figures.delivered,
        "delivered_per_second": round(figures.delivered / figures.seconds, 1),
        "delivery_ms": figures.delivery,
        "ack_ms": figures.ack,
        "late_ms": figures.late,
        "check": {
            "ok": figures.good,
            "lost": figures.lost,
            "doubled": figures.doubled,
            "out_of_order": figures.disordered,
            "missed": figures.missed,
            "of_others": figures.others,
        },
        "cpu": round(figures.cpu / figures.seconds, 3),
    }


def as_table(figures: Figures, plan: Plan, server: str, told: dict[str, Any]) -> str:
    """Return the same for people."""
    seconds = figures.seconds
    lines = [f"{visible(str(told.get('server', 'server')))} at {visible(server)}, room {plan.room}"]
    lines += [_described(plan), ""]
    published = figures.sent if figures.acknowledged is None else figures.acknowledged
    rows: list[tuple[str, ...]] = [("", "messages", "a second", "payload")]
    rows.append(("published", *_rate(published, plan.size, seconds)))
    if plan.members:
        rows.append(("delivered", *_rate(figures.delivered, plan.size, seconds)))
    lines += [*_aligned(rows), ""]
    rows = [("", *(f"p{percent:g}" for percent in PERCENTILES), "max", "taken")]
    for name, times in (
        ("delivery", figures.delivery if plan.members else None),
        ("ack", figures.ack),
        ("sent late", figures.late),
    ):
        if times is not None and times["samples"]:
            shown = (f"{value:,.3f} ms" for key, value in times.items() if key != "samples")
            rows.append((name, *shown, f"{times['samples']:,}"))
    if len(rows) > 1:
        lines += [*_aligned(rows), ""]
    lines += [_checked(figures, plan)]
    lines += [
        f"in {seconds:.3f} s, in which this program used {figures.cpu / seconds:.0%} of a CPU"
    ]
    return "\n".join(lines) + "\n"


def _described(plan: Plan) -> str:
    """Return what was asked for, in a line."""
    parts = [
        _many(plan.publishers, "publisher"),
        _many(plan.members, "member"),
        _many(plan.size, "byte"),
        _many(plan.count, "message") if plan.count is not None else f"{plan.duration:g} s",
        "as fast as it goes" if plan.rate is None else f"{plan.rate:,g} messages a second",
        "without ids" if plan.in_flight is None else f"{plan.in_flight:,} in flight",
    ]
    return ", ".join(parts)


def _checked(figures: Figures, plan: Plan) -> str:
    """Return what became of the messages, in a line."""
    wrong = [
        f"{count:,} {what}"
        for count, what in (
            (figures.lost, "lost"),
            (figures.doubled, "doubled"),
            (figures.disordered, "out of order"),
            (figures.missed, "missed, as the server said"),
        )
        if count
    ]
    others = (
        f"; {_many(figures.others, 'message')} of others came as well" if figures.others else ""
    )
    if wrong:
        return f"WRONG: of what the members should have got, {', '.join(wrong)}{others}"
    if figures.lost is None:
        return f"not done: what came until now came once, and in order{others}"
    if not plan.members:
        return "nobody listened, so it is not known whether messages arrive"
    return f"every member got every message once, in order{others}"


def _rate(messages: int, size: int, seconds: float) -> tuple[str, str, str]:
    """Return cells of a table of rates."""
    a_second = messages / seconds
    return f"{messages:,}", f"{a_second:,.0f}", f"{a_second * size / 1e6:,.1f} MB/s"


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Return a table's lines, the first column on the left and the others on the right."""
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [f"{row[0]:<{wide[0]}}"]
            + [f"{cell:>{width}}" for cell, width in zip(row[1:], wide[1:], strict=True)]
        )
        for row in rows
    ]


def _many(count: int, what: str) -> str:
    """Return a number of things."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _millis(seconds: float) -> float:
    """Return milliseconds, to a microsecond."""
    return round(seconds * 1000, 3)

"""What a server has counted, in the text format that Prometheus reads.

Law of this file: names and words of metrics stand here and nowhere else; it reads what is
there and counts nothing itself.  It runs in the reactor's thread, where the numbers live.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from twisted.copyright import version as twisted_version
from twisted.web.server import Request

from twisted_msg import __version__
from twisted_msg.counts import Distribution
from twisted_msg.server import Server
from twisted_msg.web.answers import Branch

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
"""The format that everything reads: what a scraper says it would rather have is not looked at."""


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value)


def _counters(label: str) -> Callable[[str, str, Mapping[str, int]], Metric]:
    """Return what makes a counter for each value of a label."""

    def make(name: str, text: str, values: Mapping[str, int]) -> Metric:
        metric = CounterMetricFamily(name, text, labels=(label,))
        for key, value in values.items():
            metric.add_metric((str(key),), value)
        return metric

    return make


def _histogram(name: str, text: str, values: Distribution) -> Metric:
    bounds = [*map(str, map(float, values.bounds)), "+Inf"]
    buckets = list(zip(bounds, accumulate(values.counts), strict=True))
    return HistogramMetricFamily(name, text, buckets, values.total)


class _Row(NamedTuple):
    """A metric: its kind, its name, what it says, and how it is read off a server."""

    kind: Callable[[str, str, Any], Metric]
    name: str
    text: str
    read: Callable[[Server], object]


_METRICS: Final = (
    _Row(
        _gauge,
        "tcpmsg_connections",
        "Connections that there are now, whatever they speak.",
        lambda server: server.connections,
    ),
    _Row(
        _counters("reason"),
        "tcpmsg_connections_closed_total",
        "Connections that have ended, by why.",
        lambda server: server.counts.ended,
    ),
    _Row(
        _gauge,
        "tcpmsg_rooms",
        "Rooms that there are now, with those of which only the store keeps something.",
        lambda server: len(server.house.rooms),
    ),
    _Row(
        _gauge,
        "tcpmsg_members_behind",
        "Members, counted in each of their rooms, that have not taken all that was said there.",
        lambda server: server.house.rooms.behind,
    ),
    _Row(
        _counter,
        "tcpmsg_messages_received_total",
        "Messages that were published, direct ones included, duplicates not.",
        lambda server: server.counts.received,
    ),
    _Row(
        _counter,
        "tcpmsg_messages_sent_total",
        "Messages that members were sent: one that a hundred read counts a hundred times.",
        lambda server: server.house.rooms.delivered,
    ),
    _Row(
        _counter,
        "tcpmsg_received_bytes_total",
        "Bytes of frames that came from peers.",
        lambda server: server.counts.received_bytes,
    ),
    _Row(
        _counter,
        "tcpmsg_sent_bytes_total",
        "Bytes of frames that were sent to peers.",
        lambda server: server.sent_bytes,
    ),
    _Row(
        _counter,
        "tcpmsg_duplicates_total",
        "Messages that were not taken again, for their id had been received before.",
        lambda server: server.counts.duplicates,
    ),
    _Row(
        _counters("cause"),
        "tcpmsg_frame_errors_total",
        "Errors that peers were told, by the code that the protocol has for the cause.",
        lambda server: server.counts.told,
    ),
    _Row(
        _histogram,
        "tcpmsg_ack_seconds",
        "From when the first message of a group commit was read until all of the group was stored "
        "and acknowledged: the longest wait in each group. Memory rooms are not in it.",
        lambda server: server.counts.ack_seconds,
    ),
    _Row(
        _histogram,
        "tcpmsg_commit_seconds",
        "What each group commit took in the store, its sync included.",
        lambda server: server.counts.commit_seconds,
    ),
    _Row(
        _histogram,
        "tcpmsg_commit_messages",
        "How many messages each group commit stored.",
        lambda server: server.counts.commit_messages,
    ),
    _Row(
        _gauge,
        "tcpmsg_store_bytes",
        "Bytes that the files of the store take on disk; 0 without a store.",
        lambda server: server.house.commits.archive.size if server.house.commits else 0,
    ),
    _Row(
        _histogram,
        "tcpmsg_reactor_lag_seconds",
        "How late a timer was called that is due once a second: what any connection waited then "
        "for the work of others.",
        lambda server: server.counts.lag_seconds,
    ),
)


def _build() -> Metric:
    """Return what this is a build of."""
    return InfoMetricFamily(
        "tcpmsg_build",
        "The versions of the server, and of what it runs on.",
        {
            "version": __version__,
            "python": platform.python_version(),
            "twisted": twisted_version,
        },
    )


class ServerMetrics(Collector):
    """The metrics of one server, read off it when somebody asks."""

    def __init__(self, server: Server) -> None:
        """Take the server."""
        self._server = server

    def collect(self) -> Iterator[Metric]:
        """Return each metric with its values."""
        yield _build()
        for kind, name, text, read in _METRICS:
            yield kind(name, text, read(self._server))


class MetricsPage(Branch):
    """`/metrics`: those of a server, and those of its process."""

    def __init__(self, server: Server) -> None:
        """Take the server; the registry is the page's own."""
        super().__init__()
        self._registry = CollectorRegistry()
        self._registry.register(ServerMetrics(server))
        ProcessCollector(registry=self._registry)

    def render_GET(self, request: Request) -> bytes:
        """Return the page."""
        request.setHeader(b"content-type", CONTENT_TYPE)
        request.setHeader(b"cache-control", b"no-store")
        return generate_latest(self._registry)

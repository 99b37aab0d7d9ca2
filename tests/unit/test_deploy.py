"""What stands in docs and deploy/ about metrics, held against the page that a server has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.test_metrics import page
from tests.unit.world import World
from twisted_msg.counts import End
from twisted_msg.settings import load
from twisted_msg.wire import ErrorCode

HERE = Path(__file__).parents[2]

OTHERS = {"up"}
"""Names that Prometheus has of itself."""

LABELS = {"job", "instance", "le"}
"""Labels that each metric has where it is stored, and those of histograms."""


def served() -> dict[str, set[str]]:
    """Return the labels of each name that a server's page has."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(page(World())):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def selectors(expression: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Return each metric that an expression names, and what it says of labels."""
    bare = re.sub(r"\b(by|on|without|ignoring) *\([^)]*\)", "", expression)
    for name, braces in re.findall(r"\b([a-z_:][a-z0-9_:]*)\b(?! *\()(?:{([^}]*)})?", bare):
        if name not in ("or", "and", "unless", "by", "on") and re.search(r"[a-z]", name):
            yield name, dict(re.findall(r'(\w+)=~?"([^"]*)"', braces))


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.served = served()

    def assert_known(self, expression: str) -> None:
        """Check that an expression is about metrics that there are."""
        expression = re.sub(r"\[[^\]]*\]", "", expression)  # ranges, which have letters too
        found = list(selectors(expression))
        self.assertTrue(found, expression)
        values = {"reason": set(End), "cause": set(ErrorCode)}
        for name, labels in found:
            if name in OTHERS:
                continue
            self.assertIn(name, self.served, expression)
            self.assertLessEqual(set(labels), LABELS | self.served[name], expression)
            for label, value in labels.items():
                self.assertIn(value, values.get(label, {value}), expression)


class Checking(Case):
    """The check itself sees what is wrong."""

    def test_expressions_are_taken_apart(self) -> None:
        self.assertEqual(
            list(selectors('sum by (le) (rate(a_b{c="d",e=~"f"})) / on (g) max(h) > 0.5 or i')),
            [("a_b", {"c": "d", "e": "f"}), ("h", {}), ("i", {})],
        )

    def test_wrong_ones_are_seen(self) -> None:
        for wrong in (
            "tcpmsg_conections > 3",
            'rate(tcpmsg_frame_errors_total{reason="busy"}[5m])',
            'tcpmsg_frame_errors_total{cause="bussy"}',
            'sum(rate(tcpmsg_ack_seconds{job="tcpmsg"}[5m]))',
            "5 > 3",
        ):
            self.assertRaises(self.failureException, self.assert_known, wrong)


class Page(Case):
    def test_the_table_of_metrics_is_what_is_served(self) -> None:
        text = (HERE / "docs" / "operating.md").read_text()
        rows = re.findall(r"^\| `(tcpmsg_\w+)(?:{([\w,]+)})?` \| (\w+) \|", text, re.MULTILINE)
        kinds = dict(re.findall(r"^# TYPE (tcpmsg_\S+) (\S+)$", page(World()), re.MULTILINE))
        self.assertEqual({name: kind for name, _, kind in rows}, kinds)
        for name, labels, kind in rows:
            if kind != "histogram":
                self.assertEqual({each for each in labels.split(",") if each}, self.served[name])

    def test_each_end_is_explained(self) -> None:
        text = (HERE / "docs" / "operating.md").read_text()
        (explained,) = re.findall(
            r"^A connection ends as (.*?)\n\n", text, re.MULTILINE | re.DOTALL
        )
        for end in End:
            self.assertIn(f"`{end}` (", explained)


class Rules(Case):
    def test_alerts(self) -> None:
        text = (HERE / "deploy" / "prometheus" / "alerts.yml").read_text()
        (group,) = yaml.safe_load(text)["groups"]
        for rule in group["rules"]:
            self.assert_known(rule["expr"])
            self.assertIn(rule["labels"]["severity"], ("page", "ticket"))
            self.assertIn("{{ $labels.instance }}", rule["annotations"]["summary"])
            self.assertRegex(rule["annotations"]["description"], r"^[A-Z].{60,}\.$")
            for name in re.findall(r"\b(?:tcpmsg|process)_\w+", rule["annotations"]["description"]):
                known = name in self.served or f"{name}_bucket" in self.served
                self.assertTrue(known, name)
        names = [rule["alert"] for rule in group["rules"]]
        self.assertEqual(len(names), len(set(names)))

    def test_scrape(self) -> None:
        folder = HERE / "deploy" / "prometheus"
        config = yaml.safe_load((folder / "prometheus.yml").read_text())
        for name in config["rule_files"]:
            self.assertTrue((folder / name).exists())
        (scrape,) = config["scrape_configs"]
        self.assertEqual(scrape["job_name"], "tcpmsg")
        self.assertEqual(scrape.get("metrics_path", "/metrics"), "/metrics")


class Dashboard(Case):
    def setUp(self) -> None:
        super().setUp()
        text = (HERE / "deploy" / "grafana" / "tcpmsg.json").read_text()
        self.board: dict[str, Any] = json.loads(text)

    def test_expressions(self) -> None:
        panels = [panel for panel in self.board["panels"] if panel["type"] != "row"]
        self.assertGreater(len(panels), 10)
        for panel in panels:
            self.assertTrue(panel["description"].endswith("."), panel["title"])
            for target in panel["targets"]:
                self.assert_known(self.filled(target["expr"]))
                self.assertIn('{job="$job",instance=~"$instance"', target["expr"])
        for note in self.board["annotations"]["list"]:
            self.assert_known(self.filled(note["expr"]))
        for variable in self.board["templating"]["list"]:
            if variable["type"] == "query":
                (name,) = re.findall(r"label_values\((\w+)", variable["definition"])
                self.assertIn(name, self.served)

    def filled(self, expression: str) -> str:
        """Return an expression with its variables filled in."""
        return expression.replace("$__rate_interval", "1m").replace("time()", "1")

    def test_panels_lie_beside_each_other(self) -> None:
        taken: dict[tuple[int, int], str] = {}
        ids = [panel["id"] for panel in self.board["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        for panel in self.board["panels"]:
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24)
            for x in range(at["x"], at["x"] + at["w"]):
                for y in range(at["y"], at["y"] + at["h"]):
                    self.assertNotIn((x, y), taken, panel["title"])
                    taken[x, y] = panel["title"]


class UnitTests(SynchronousTestCase):
    """The unit of systemd has room for what the default limits let peers hold."""

    def test_memory_holds_what_three_addresses_may_send_half(self) -> None:
        unit = (HERE / "deploy" / "systemd" / "tcpmsg.service").read_text()
        found = re.search(r"^MemoryMax=(\d+)G$", unit, re.MULTILINE)
        assert found is not None
        settings = load(
            {}, dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"), "/nowhere")
        )
        assert settings.connections_per_address is not None
        half_received = 3 * settings.connections_per_address * settings.max_payload
        self.assertGreater(int(found[1]) << 30, (60 << 20) + half_received)
        docs = (HERE / "docs" / "operating.md").read_text()
        self.assertIn(f"`{found[0]}`", docs)

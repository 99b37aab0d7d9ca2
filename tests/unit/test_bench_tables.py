"""The tables of docs/performance.md, and where they are put."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from bench import tables
from bench.counting import Wrong
from bench.page import filled


def found(*cells: dict[str, Any]) -> dict[str, Any]:
    """Figures as `compare` writes them."""
    shown = {"tcpmsg": "tcpmsg", "tcpmsg-plain": "plain", "nats": "NATS", "mosquitto": "Mosquitto"}
    return {
        "about": {
            "peers": {n: {"shown": s, "note": "n", "version": "1"} for n, s in shown.items()}
        },
        "codec": [{"decode": 1e6}, {"decode": 3e6}, {"decode": 2e6}],
        "missing": [],
        "cells": list(cells),
    }


def cell(peer: str, rate: float, repetition: int = 0, workload: str = "ingest") -> dict[str, Any]:
    return {"workload": workload, "peer": peer, "repetition": repetition, "rate": rate, "p50": rate}


class NumberTests(SynchronousTestCase):
    def test_three_digits_that_mean_something(self) -> None:
        shown = [tables.number(each) for each in (0, 0.04, 1.234, 12.34, 123.4, 999.6, 1234, 2.5e7)]
        self.assertEqual(
            shown, ["0.00", "0.04", "1.23", "12.3", "123", "1.00 k", "1.23 k", "25.0 M"]
        )

    def test_units_stand_behind_the_prefix(self) -> None:
        self.assertEqual(tables.number(2048, "B"), "2.05 kB")
        self.assertEqual(tables.number(12, "B"), "12.0 B")


class SideBySideTests(SynchronousTestCase):
    def lines(self, *cells: dict[str, Any]) -> list[str]:
        return tables.side_by_side(found(*cells), "tcpmsg").splitlines()

    def test_ratios_are_of_one_repetition(self) -> None:
        """Medians alone would say 2.0: the machine was twice as fast the second time."""
        cells = [
            cell("tcpmsg", 100, 0), cell("nats", 10, 0),
            cell("tcpmsg", 200, 1), cell("nats", 100, 1),
            cell("tcpmsg", 400, 2), cell("nats", 100, 2),
        ]  # fmt: skip
        self.assertIn("100 (4.00 x)", self.lines(*cells)[2])

    def test_what_is_lost_is_bold(self) -> None:
        self.assertIn("50.0 (**0.20 x**)", self.lines(cell("tcpmsg", 10), cell("nats", 50))[2])

    def test_less_is_better_where_it_is(self) -> None:
        cells = [cell("tcpmsg", 10, 0, "latency"), cell("nats", 50, 0, "latency")]
        self.assertIn("50.0 (5.00 x)", self.lines(*cells)[2])

    def test_failures_and_absence_are_told(self) -> None:
        failed = {"workload": "ingest", "peer": "mosquitto", "repetition": 0, "failed": "no"}
        line = self.lines(cell("tcpmsg", 10), failed)[2]
        self.assertTrue(line.endswith("| failed |"), line)
        self.assertEqual(line.count(" - "), 2)  # plain frames and NATS

    def test_own_peers_have_no_ratio(self) -> None:
        line = self.lines(cell("tcpmsg", 10), cell("tcpmsg-plain", 5))[2]
        self.assertIn("| 10.0 | 5.00 |", line)


class DetailsTests(SynchronousTestCase):
    def test_disturbed_cells_are_told(self) -> None:
        disturbed = cell("tcpmsg", 1) | {"others": 0.3}
        figures = found(cell("nats", 2) | {"others": 0.1}, disturbed)
        told = {"date": "d", "commit": "c", "processor": "p", "cores": 2, "shared_core": False,
                "kernel": "k", "python": "3", "sqlite": "3", "load": [0]}  # fmt: skip
        figures["about"] |= told
        figures["terms"] = {"repetitions": 1, "seconds": 2.0, "members": 3, "slow_seconds": 1.5}
        self.assertIn(
            "* otherwise than usual: members 3, slow seconds 1.5\n", tables.about(figures)
        )
        self.assertIn("**1 of 2 cells are not to be trusted**", tables.about(figures))
        self.assertEqual(tables.details(figures).count("**disturbed**"), 1)

    def test_least_and_greatest_are_shown(self) -> None:
        cells = [cell("tcpmsg", rate, number) for number, rate in enumerate((30, 10, 20))]
        self.assertIn("20.0 (10.0 to 30.0)", tables.details(found(*cells)))

    def test_failures_have_their_reason(self) -> None:
        failed = {"workload": "ingest", "peer": "nats", "repetition": 0, "failed": "it | broke"}
        self.assertIn("failed: it / broke", tables.details(found(failed)))

    def test_the_codec_has_its_median(self) -> None:
        self.assertIn("| decode | 2.00 M frames/s |", tables.codec(found()))


class ScaleTests(SynchronousTestCase):
    def test_each_sweep_has_its_date_and_each_point_its_doubts(self) -> None:
        points = [{"at": 1, "rate": 5.0, "others": 0.2}, {"at": 10, "failed": "no | way"}]
        sweeps = [
            {
                "about": {"date": date, "commit": "c", "load": [0]},
                "title": date, "axis": "rooms", "columns": {"rate": "a second"}, "points": points,
            }
            for date in ("monday", "friday")
        ]  # fmt: skip
        told = tables.scale({"sweeps": sweeps})
        self.assertIn("**monday**\n\nMeasured on monday with revision c; load average 0.\n", told)
        self.assertIn("Measured on friday", told)
        self.assertIn("| 1 **disturbed** | 5.00 |\n| 10 | no / way |", told)


class PageTests(SynchronousTestCase):
    PAGE = "before\n<!-- figures: about -->\nold\n<!-- end of figures -->\nafter\n"

    def test_only_what_stands_between_the_markers_is_new(self) -> None:
        page = filled(self.PAGE, {"about": "new\nand more\n"})
        self.assertEqual(page, self.PAGE.replace("old\n", "new\nand more\n"))
        self.assertEqual(filled(page, {"about": "old\n"}), self.PAGE)

    def test_a_part_without_figures_stays(self) -> None:
        self.assertEqual(filled(self.PAGE, {"scale": "new\n"}), self.PAGE)

    def test_backslashes_are_themselves(self) -> None:
        self.assertIn("\\1 \\g<0>", filled(self.PAGE, {"about": "\\1 \\g<0>\n"}))

    def test_a_marker_that_is_not_closed_is_refused(self) -> None:
        for page in (self.PAGE.replace("<!-- end of figures -->", ""), self.PAGE + self.PAGE[7:20]):
            self.assertRaises(Wrong, filled, page + "<!-- figures: x -->\n", {})

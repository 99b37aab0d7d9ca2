"""The benchmarks run: tiny ones of each kind, and a server that loses messages is found out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import load
from bench.compare import cell
from bench.lag import Watched
from bench.servers import Cores, ServerProcess
from bench.strangers import TwistedInt32
from bench.workloads import WORKLOADS, Terms, flood
from tests.integration.conftest import PATIENCE, ROOT

TINY = Terms(
    seconds=0.1, warm=0.02, members=3, round_trips=20, connections=20, slow_seconds=0.1, tries=1
)


def run(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the program as scripts/bench does."""
    return subprocess.run(
        [sys.executable, "-m", "bench", *words, "--out", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=4 * PATIENCE,
    )  # fmt: skip


def figures(file: Path) -> Any:
    return json.loads(file.read_text())


def test_this_server_beside_the_naive_one(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("<!-- figures: memory -->\n<!-- end of figures -->\n")
    asked = [f"--{name.replace('_', '-')}={value}" for name, value in TINY._asdict().items()]
    workloads = "fanout-16,ingest,latency,durable,idle"
    ran = run(
        tmp_path, "compare", "--repeat=1", f"--workloads={workloads}", *asked,
        "--peers=tcpmsg,tcpmsg-durable,twisted-int32", f"--page={tmp_path / 'page.md'}",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    cells = figures(tmp_path / "peers.json")["cells"]
    assert [each for each in cells if "failed" in each] == []
    assert [each for each in cells if not each.get("sent", each["count"])] == []
    assert {each["checked"] > 0 for each in cells if "checked" in each} == {True}
    assert len(cells) == 2 + 2 + 2 + 1 + 2
    page = (tmp_path / "page.md").read_text()
    assert "1 publisher, 100 members, 16 B" in page
    assert "Twisted Int32StringReceiver" in page


def test_a_part_alone_is_printed_and_changes_nothing() -> None:
    """The figures that are there are of one run; a part of another one does not belong to them."""
    kept = {path: path.read_bytes() for path in (ROOT / "docs" / "performance").iterdir()}
    page = (ROOT / "docs" / "performance.md").read_bytes()
    ran = subprocess.run(
        [sys.executable, "-m", "bench", "compare", "--workloads=ingest", "--peers=tcpmsg",
         "--repeat=1", "--seconds=0.05", "--tries=1"],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "| 1 publisher, nobody listens, 16 B (messages/s) |" in ran.stdout
    assert kept == {path: path.read_bytes() for path in kept}
    assert page == (ROOT / "docs" / "performance.md").read_bytes()


def test_how_cost_grows(tmp_path: Path) -> None:
    ran = run(
        tmp_path, "scale", "--largest=1", "--seconds=0.05", "--warm=0.02",
        "--tries=1", "--only=payload,rooms",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    sweeps = figures(tmp_path / "scale.json")["sweeps"]
    points = [point for sweep in sweeps for point in sweep["points"]]
    assert len(points) == 1 + 2
    assert [point for point in points if "failed" in point or not point["sent"]] == []
    assert points[0]["checked"] > 0


def test_a_store_that_was_made_is_read_by_the_server(tmp_path: Path) -> None:
    from bench.sweeps import stored

    point = stored(1000, Cores.found(), TINY)
    assert point["sent"] > 0
    assert point["read"] > 0


class Forgetful(TwistedInt32):
    """A relay that keeps one message in ten to itself, or alters it."""

    fault = ""

    def command(self, port: int, folder: Path) -> list[str]:
        relay = (ROOT / "bench" / "relay.py").read_text()
        loop = "        for member in members:\n"
        assert loop in relay
        (folder / "relay.py").write_text(relay.replace(loop, self.fault + loop))
        return [sys.executable, str(folder / "relay.py"), str(port)]


@pytest.mark.parametrize(
    ("fault", "drain", "found"),
    [
        ('        if string[15:16] == b"7": return\n', 0.2, "a member was sent"),
        (
            '        string = string.replace(b"0013", b"0014")\n', PATIENCE,
            "message 14 came in place of 13",
        ),
    ],
    ids=["loses", "alters"],
)  # fmt: skip
def test_a_server_that_loses_or_alters_messages_has_failed(
    fault: str, drain: float, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "DRAIN", drain)
    peer = Forgetful()
    peer.fault = fault
    row = cell(WORKLOADS["fanout-16"], peer, Cores.found(), TINY._replace(window=16))
    assert found in row["failed"]


class Mute(Forgetful):
    """Accepts nobody."""

    def command(self, port: int, folder: Path) -> list[str]:
        return ["sleep", "60"]


def test_who_is_interrupted_leaves_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[subprocess.Popen[bytes]] = []

    def interrupt(seconds: float) -> None:
        begun.append(server.process)
        monkeypatch.undo()  # once: the end is waited for with it, too
        raise KeyboardInterrupt

    server = ServerProcess.__new__(ServerProcess)
    monkeypatch.setattr("bench.servers.time.sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        server.__init__(Mute(), Cores.found())  # type: ignore[misc]
    assert [process.returncode for process in begun] == [-signal.SIGTERM]
    assert not server.folder.exists()


def test_a_checkout_is_as_fast_as_itself() -> None:
    """One path, two pairs, a tolerance that nothing exceeds: whether it runs, not what it says."""
    ran = subprocess.run(
        [sys.executable, "-m", "bench", "guard", "HEAD", "--rounds=2", "--tolerance=100",
         "--only=decode alike,fan-out to 100"],
        cwd=ROOT, capture_output=True, text=True, timeout=4 * PATIENCE,
        env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "fan-out to 100" in ran.stdout


def test_the_reactor_is_watched(tmp_path: Path) -> None:
    """The server with the watch serves, and writes what it saw when it stops."""
    with ServerProcess(Watched(), Cores.found(), folder=tmp_path) as server:
        row = flood(Watched(), server, TINY, size=16)
    looks = figures(tmp_path / "lag.json")
    assert row["sent"] > 0
    assert len(looks) > 0
    assert all(late >= 0 for _, late in looks)

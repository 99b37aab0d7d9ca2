"""The real server, tortured for two minutes; `scripts/torture` does the same for longer.

Every run that ends in zeros stands beside one with a fault planted in the server, which must
turn it red: so it is known that the run would see it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.torture.__main__ import RUNS
from tests.torture.servers import STRACE

SEED = 4
"""Of these runs; what they meet differs all the same, for processes run as they like."""

STALL = 30.0
"""Seconds for what is promised within one or five (`scripts/torture` holds it to that): other
work may make this machine stand still meanwhile."""

CLEAN: dict[str, dict[str, Any]] = {
    "kills": {"kills": 10},
    "cuts": {"messages": 2000},
    "retry": {},
    "order": {"messages": 2000},
    "stop": {"stops": 1, "stopping": STALL},
    "full-disk": {"fills": 1},
    "refusals": {"alterations": 60},
    "fsync-order": {"messages": 300},
    "fsync-error": {"ending": STALL},
    "power-loss": {"cuts": 300, "messages": 200},
    "crash-then-power-loss": {"rounds": 2, "cuts": 50},
}

PLANTED: list[tuple[str, str, str, dict[str, Any]]] = [
    ("kills", "early-ack", "LOST", {"kills": 2, "pause": 0.0}),
    ("retry", "no-marks", "DUP", {"rounds": 6}),
    ("order", "resume-off", "different things", {"messages": 500, "leave": 200}),
    ("stop", "undrained", "stop cleanly", {"stops": 1}),
    ("full-disk", "full-is-stored", "LOST", {"fills": 1}),
    ("fsync-order", "no-sync", "before it was synced", {"messages": 100}),
    ("fsync-error", "carry-on", "it carried on", {}),
    ("power-loss", "no-sync", "LOST", {"cuts": 20, "messages": 50}),
    ("crash-then-power-loss", "no-sync-at-start", "TAKEN BACK", {"rounds": 1, "cuts": 50}),
]


@pytest.fixture(autouse=True)
def strace() -> None:
    """Without it nothing is shown, and a test that shows nothing must not pass."""
    assert shutil.which(STRACE), "install the Debian package strace: apt-get install strace"


@pytest.mark.parametrize("name", CLEAN)
def test_nothing_is_lost_doubled_swapped_or_left_out(name: str, tmp_path: Path) -> None:
    verdict = RUNS[name].run(tmp_path, SEED, **CLEAN[name])
    assert verdict.faults == [], f"{verdict.words}\n{verdict.save()}"


@pytest.mark.parametrize(("name", "fault", "word", "bounds"), PLANTED)
def test_a_planted_fault_is_found(
    name: str, fault: str, word: str, bounds: dict[str, Any], tmp_path: Path
) -> None:
    verdict = RUNS[name].run(tmp_path, SEED, fault=fault, **bounds)
    assert any(word in each for each in verdict.faults), verdict.words


class _Believed(int):
    """A checksum that equals every other."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


def test_altered_messages_that_are_believed_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twisted_msg.log.sqlite.checksum", lambda *place: _Believed(1))
    verdict = RUNS["refusals"].run(tmp_path, SEED, alterations=20)
    assert any("altered messages were delivered" in each for each in verdict.faults), verdict.words

"""What it was measured on, as far as it matters: processor, kernel, versions.

Law of this file: nothing that names a machine or where it stands.
"""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import twisted
from bench.peer import ROOT, Peer
from bench.servers import Cores
from twisted_msg import __version__


def about(cores: Cores, peers: Iterable[Peer]) -> dict[str, Any]:
    """Return what a reader must know of machine and versions."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": commit(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0) | {cores.server, cores.generator}),
        "shared_core": cores.server == cores.generator,
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "twisted": twisted.__version__,
        "sqlite": sqlite3.sqlite_version,
        "peers": {
            peer.name: {"shown": peer.shown, "note": peer.note, "version": version(peer)}
            for peer in peers
        },
        "load": [round(os.getloadavg()[0], 2)],
    }


def processor() -> str:
    """Return the processor's model, as Linux tells it."""
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1].strip() if found else platform.machine()


def version(peer: Peer) -> str:
    """Return a peer's version."""
    command = peer.version()
    if command is None:
        return f"Twisted {twisted.__version__}" if peer.program == "python3" else __version__
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return "unknown"
    found = re.search(r"\d+(\.\d+)+", said.stdout + said.stderr)
    return found[0] if found else "unknown"


def commit() -> str:
    """Return the revision of this project that is measured, with a `+` if it was changed since."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "twisted_msg")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if changed else "")

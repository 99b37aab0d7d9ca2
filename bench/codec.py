"""The codec alone, in a process of its own: what frames cost before anything is done with them.

Law of this file: it runs `paths.py` and knows which of its paths are the codec's.
"""

from __future__ import annotations

from bench.paths import PATHS
from bench.timing import Tree

CODEC = ("decode alike", "decode unlike", "decode plain", "encode typed")


def measure(core: int, seconds: float) -> dict[str, float]:
    """Return frames a second of CPU time for each path, measured for so many seconds each."""
    found: dict[str, float] = {}
    with Tree(None, core) as tree:
        for name in CODEC:
            assert name in PATHS
            samples = [tree.sample(name) for _ in range(max(3, int(seconds / 0.1)))]
            best = sorted(each for each in samples if each is not None)
            found[name] = 1e9 / best[len(best) // 2]
    return found

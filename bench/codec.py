"""The codec alone, in a process of its own: what frames cost before anything is done with them.

Law of this file: it runs `paths.py` and knows which of its paths are the codec's.
"""

from __future__ import annotations

from bench.counting import Wrong, median
from bench.timing import Tree

CODEC = ("decode alike", "decode unlike", "decode plain", "encode typed")


def measure(core: int, seconds: float) -> dict[str, float]:
    """Return frames a second of CPU time for each path, measured for so many seconds each.

    Raises `Wrong` for a path that does not run.
    """
    found: dict[str, float] = {}
    with Tree(None, core) as tree:
        for name in CODEC:
            samples = [tree.sample(name) for _ in range(max(3, int(seconds / 0.1)))]
            if name in tree.refusals:
                raise Wrong(f"{name}: {tree.refusals[name]}")
            found[name] = 1e9 / median(each for each in samples if each is not None)
    return found

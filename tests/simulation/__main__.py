"""Runs seeds by hand: `python -m tests.simulation --seed 7 --trace`, `--seeds 50000 --jobs 2`."""

from __future__ import annotations

import sys

from tests.simulation.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

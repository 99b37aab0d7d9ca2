"""Runs one target: guided by coverage if atheris is there, else by mutation alone.

    python -m tests.fuzz                                 which targets there are
    python -m tests.fuzz server --seconds 60             guided (pip install '.[fuzz]')
    python -m tests.fuzz server --seconds 60 --unguided --seed 7
    python -m tests.fuzz headers --count 1000000         hostile headers against the grammar
    python -m tests.fuzz server FILE ...                 what these inputs do

A finding is printed and kept in a file of `tests/fuzz/findings`; the exit code is then not 0.
`--grow` adds inputs that reached something new to the target's corpus, the smallest that do.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import subprocess
import sys
import tempfile
import time
from hashlib import sha1
from pathlib import Path

FINDINGS = Path(__file__).with_name("findings")
"""Where findings are kept until they are mended; git knows nothing of it."""

FINISH_SECONDS = 20
"""How long libFuzzer may take beyond its time: one slow input, and its report."""


def main() -> int:
    """Run what the arguments say."""
    arguments = _arguments()
    if arguments.target == "headers":
        return _headers(arguments.count, arguments.seed)
    if not arguments.target:
        from tests.fuzz.targets import TARGETS

        for target in TARGETS.values():
            says = " ".join((target.check.__doc__ or "").split())
            print(f"{target.name:<14} {says}")
        return 0
    if arguments.files:
        return _replay(arguments.target, arguments.files)
    if arguments.unguided or importlib.util.find_spec("atheris") is None:
        run(arguments.target, arguments.seed, until=time.monotonic() + arguments.seconds)
        return 0
    if arguments.inner:
        _guided(arguments.target, arguments.inner)
        return 0
    return _bounded(arguments)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", nargs="?", default="")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--unguided", action="store_true")
    parser.add_argument("--grow", action="store_true")
    parser.add_argument("--inner", action="append", help=argparse.SUPPRESS)
    return parser.parse_args()


def _bounded(arguments: argparse.Namespace) -> int:
    """Run libFuzzer in a process of its own, which ends in time whatever it does."""
    from tests.fuzz.targets import TARGETS

    target = TARGETS[arguments.target]
    FINDINGS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, "new")
        found.mkdir()
        words = Path(folder, "words")
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words if word))
        flags = [
            str(found), str(target.folder), f"-dict={words}", f"-max_len={target.longest}",
            f"-max_total_time={arguments.seconds}", f"-seed={arguments.seed}", "-timeout=20",
            "-rss_limit_mb=1500", f"-artifact_prefix={FINDINGS}/{target.name}-",
            "-print_final_stats=1", "-reload=0", "-len_control=20",
        ]  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzz", target.name, *_inner(flags)],
            timeout=arguments.seconds + FINISH_SECONDS + 60,
            check=False,
        )
        if arguments.grow:
            _grow(target.name, found)
    return done.returncode


def _inner(flags: list[str]) -> list[str]:
    return [f"--inner={flag}" for flag in flags]


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _guided(name: str, flags: list[str]) -> None:
    """Let atheris guide; it ends the process."""
    import atheris

    with atheris.instrument_imports(include=["twisted_msg"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup([name, *flags], TARGETS[name].check)
    atheris.Fuzz()


def _grow(name: str, found: Path) -> None:
    """Keep what reached something new, if it is small."""
    from tests.fuzz.targets import TARGETS

    target = TARGETS[name]
    fresh = sorted(found.iterdir(), key=lambda path: path.stat().st_size)
    for path in fresh[:40]:
        data = path.read_bytes()
        if len(data) <= 400:
            (target.folder / f"found-{sha1(data).hexdigest()[:10]}").write_bytes(data)
    print(f"{name}: {len(fresh)} inputs reached something new, {min(40, len(fresh))} looked at")


def run(
    name: str,
    seed: int,
    *,
    count: int | None = None,
    until: float | None = None,
    findings: Path = FINDINGS,
) -> None:
    """Run the corpus, then mutations of it, until one does not hold, which is raised.

    That one is printed, and kept in a file of the folder `findings`.
    """
    from tests.fuzz.mutation import mutated
    from tests.fuzz.targets import TARGETS

    target = TARGETS[name]
    seeds = target.seeds()
    source = random.Random(seed)
    number = 0
    while (count is None or number < count) and (until is None or time.monotonic() < until):
        fresh = number >= len(seeds)
        data = mutated(source, seeds, target.words) if fresh else seeds[number]
        try:
            target.check(data)
        except Exception:
            findings.mkdir(exist_ok=True)
            kept = findings / f"{name}-{sha1(data).hexdigest()[:10]}"
            kept.write_bytes(data)
            print(f"{name}, seed {seed}, input {number}, kept in {kept}: {data!r}")
            raise
        number += 1
    print(f"{name}: {number} inputs, nothing found")


def _replay(name: str, files: list[Path]) -> int:
    """Run the inputs of these files."""
    from tests.fuzz.targets import TARGETS

    for path in files:
        TARGETS[name].check(path.read_bytes())
        print(f"{path}: holds")
    return 0


def _headers(count: int, seed: int) -> int:
    """Compare so many hostile headers with the grammar, and print the first disagreement."""
    from tests.fuzz.agreement import agree

    print(agree(seed, count))
    return 0


if __name__ == "__main__":
    sys.exit(main())

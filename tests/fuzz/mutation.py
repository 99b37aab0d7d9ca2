"""Mutations without a guide: what CI runs over the corpus, where nothing measures coverage.

Law of this file: everything is drawn from the random source that it is given.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

EDGES = (
    b"0", b"1", b"-1", b"+5", b"1_0", b"1e3", b"127", b"128", b"129", b"4096", b"4097", b"65536",
    b"1048576", b"1048577", b"9999999999", b"10000000000", b"9223372036854775807",
    b"9223372036854775808", b"18446744073709551616", b"00000000000000000001",
)  # fmt: skip
"""Numbers round the limits of docs/protocol.md."""

SIGNS = (
    b"\0", b"\t", b"\r", b" ", b"  ", b"\x1b[2J", b"\x7f", b"\x80", b"\x9b31m", b"\xff", b"\\n",
    b"\\x00", b"\\xff", b'"', b"{", b"}", b"[", b"]", b"\\ud800", "٣".encode(), "\u202e".encode(),
    "\u200b".encode(), b"!", b"@", b"=", b"*", b"/", b": ", b"\n",
)  # fmt: skip

IN_BAND = (b"!DISCONNECT!", b"!ERROR! x", b"!ERROR!", b"!ERROR! missed 3", b"!SHUTDOWN!")


def mutated(source: random.Random, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """Return a seed with one to six changes; `words` are the target's own."""
    data = source.choice(seeds)
    for _ in range(source.randint(1, 6)):
        data = _changed(source, data, seeds, words)
    return data[:20_000]


def _changed(
    source: random.Random, data: bytes, seeds: Sequence[bytes], words: Sequence[bytes]
) -> bytes:
    at = source.randrange(len(data) + 1)
    kind = source.randrange(8)
    if kind == 0:  # a bit
        if at == len(data):
            return data
        return data[:at] + bytes([data[at] ^ 1 << source.randrange(8)]) + data[at + 1 :]
    if kind == 1:
        return data[:at] + source.choice(SIGNS + IN_BAND) + data[at:]
    if kind == 2:
        return data[:at] + data[at + source.randint(1, 8) :]
    if kind == 3:  # a number for a number
        parts = data.split(b" ")
        numbers = [n for n, part in enumerate(parts) if part[:1].isdigit()]
        if not numbers:
            return data
        parts[source.choice(numbers)] = source.choice(EDGES)
        return b" ".join(parts)
    if kind == 4 and words:
        return data[:at] + source.choice(words) + data[at:]
    lines = data.split(b"\n")
    line = source.randrange(len(lines))
    if kind == 5:  # lines of another
        others = source.choice(seeds).split(b"\n")
        begin = source.randrange(len(others))
        return b"\n".join(
            lines[:line] + others[begin : begin + source.randint(1, 6)] + lines[line:]
        )
    if kind == 6:
        return b"\n".join(lines[:line] + lines[line + 1 :])
    other = source.randrange(len(lines))
    lines[line], lines[other] = lines[other], lines[line]
    return b"\n".join(lines)

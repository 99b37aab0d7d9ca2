"""What a hostile peer does, as lines of text: small to mutate, and a person can read a finding.

    PUB lobby 1: hello          a typed frame, its length counted
    -: hello                    a plain frame
    7 PUB lobby: x              begins with a digit or a space: the header as it stands
    > \\x00raw bytes             bytes as they are
    |5                          cut what follows in pieces of 5 bytes (0: not at all)
    *200                        the next line so many times
    +30                         so many seconds pass
    %1                          the next lines are another peer's
    (   )   &                   the peer stops reading; reads on; takes a little
    <   #                       it closes its side; it is gone
    ?who                        what the program on this side does meanwhile (clients only)

Law of this file: every string of bytes is a script, and a script's cost is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

MAX_STEPS: Final = 6_000
"""Steps of one script, repetitions included."""

ESCAPE: Final = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|n)")

MAX_BYTES: Final = 2_000_000
"""Bytes that one script sends at the most."""


class Step(NamedTuple):
    """One thing done: `sends` bytes, or an `act` (a sign of the table above) with a number."""

    act: str
    data: bytes = b""
    number: int = 0


def read(script: bytes) -> Iterator[Step]:
    """Yield what a script does."""
    times, sent, steps = 1, 0, 0
    for line in script.split(b"\n"):
        if not line:
            continue
        sign, rest = line[:1], line[1:]
        if sign == b"*":
            times = _number(rest)
            continue
        step = _step(sign, rest, line)
        for _ in range(times):
            steps += 1
            sent += len(step.data)
            if steps > MAX_STEPS or sent > MAX_BYTES:
                return
            yield step
        times = 1


def _step(sign: bytes, rest: bytes, line: bytes) -> Step:
    if sign in (b"+", b"|", b"%"):
        return Step(sign.decode(), number=_number(rest))
    if sign in (b"(", b")", b"&", b"<", b"#"):
        return Step(sign.decode())
    if sign == b"?":
        return Step("?", rest)
    if sign == b">":
        return Step("send", _bytes(rest.removeprefix(b" ")))
    return Step("send", frame(line))


def frame(line: bytes) -> bytes:
    """Return the frame of a line, however wrong it is."""
    header, _, payload = line.partition(b": ")
    payload = _bytes(payload)
    if header == b"-":
        header = b"%d" % len(payload)
    elif not header[:1].isdigit() and header[:1] != b" ":
        header = b"%d %b" % (len(payload), header)
    return header[:128].ljust(128) + payload


def line(words: tuple[str, ...] | list[str], payload: bytes) -> bytes:
    """Return the line of a valid frame."""
    head = " ".join(words).encode() if words else b"-"
    return head + b": " + quoted(payload) if payload else head


def quoted(data: bytes) -> bytes:
    """Return bytes as they stand in a script."""
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else f"\\x{byte:02x}" for byte in data
    ).encode()


def _number(text: bytes) -> int:
    return min(int(text), 5_000) if text.isdigit() and len(text) < 6 else 1


def _bytes(text: bytes) -> bytes:
    """Return a text with its escapes replaced; what is none stands for itself."""
    return ESCAPE.sub(lambda match: bytes([int(match[1] or b"0a", 16)]), text)

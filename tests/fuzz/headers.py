"""Headers near valid ones, and noise: what a bad or broken peer might send in the place of one.

Law of this file: everything is drawn from the random source that it is given, so a seed is the
whole of a run.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

PROBES = (
    b"", b"0", b"5", b"00", b"5 ", b" 5", b"05", b"9999", b"99999",
    b"9999999999", b"10000000000", b"09999999999", b"010000000000", b"99999999999999999999",
    b"1048576", b"1048577", b"4294967296", b"9223372036854775808", b"0" * 127 + b"1", b"9" * 128,
    b"+5", b"-5", b"-0", b"5_0", b"5.0", b"5e3", b"0x10", b"0b1", b"5L", b"1,000", b"5 5", b"5  5",
    b"\t5", b"5\t", b"5\n", b"\n5", b"5\r\n", b"5\x0b", b"\x0c5", b"5\0", b"\x005", b"\xa05",
    b"5\x1c", b"5\x1f", b"\x1f5",
    b"5\x85", b"\xb2", b"\xb9\xb3", b"5\xb2", "٣".encode(), "\uff12".encode(), "५".encode(),
    "²".encode(), "5\u00a0".encode(), "\ufeff5".encode(), "5\u2003PING".encode(),
    b"5 PING", b"5 PING ", b" 5 PING", b"5  PING", b"5\tPING", b"5 ping", b"5 Ping", b"5 PING1",
    b"5 P2", b"5 PING  a", b"5 PING a  b", b"5 PING a b", b"5 PING a\tb", b"5 PING a\0b",
    b"5 PING \x7f", b"5 PING ~", b"5 PING !", b"5 PING a=b", b"5 PING \xe9", b"5PING", b"PING",
    b"PING 5", b"05 PING", b"9999999999 PING", b"10000000000 PING", b"+5 PING", b"5 _", b"5 ~",
    b"5 PING " + b"a" * 121, b"5" + b" A" * 63, b"00000000005 PING", b"000000000000005 PING a",
    "5 PÏNG".encode(), "5 PING é".encode(), b"0 A", b"A", b"hello world", b"GET / HTTP/1.1\r\n",
    b"\x16\x03\x01", b"!DISCONNECT!", b"!ERROR! x", b"{}", b"\x1b[2J", "5\u202e".encode(),
)  # fmt: skip
"""What people, other protocols and Python's `int()` take for a length."""

SIGNS = (
    b" ", b"  ", b"\t", b"\n", b"\r", b"\0", b"\x0b", b"\x0c", b"\x1c", b"\x7f", b"\x80", b"\x85",
    b"\xa0", b"\xff", b"+", b"-", b"_", b".", b"e", b"E", b"x", b"0", b"9", b"A", b"Z", b"a", b"@",
    b"[", b"!", b"~", b"=", "٣".encode(), "\uff11".encode(), "\u2003".encode(), "\u200b".encode(),
)  # fmt: skip
"""Signs that stand at an edge of the grammar, or look like one within it."""

WORDS = (b"PUB", b"SUB", b"MSG", b"A", b"lobby", b"@al", b"7", b"from=1", b"x" * 40, b"~")


def hostile(source: random.Random, width: int = 128) -> bytes:
    """Return one header of `width` bytes: valid, nearly valid, or not at all."""
    kind = source.randrange(8)
    if kind == 0:
        text = source.choice(PROBES)
    elif kind == 1:
        text = source.randbytes(source.randrange(width + 1))
    else:
        text = _valid(source)
        for _ in range(kind % 4):
            text = _near(source, text)
    text = text[:width]
    fill = source.choice((b" ", b" ", b" ", b"0", b"\0"))
    return source.choice((text.ljust, text.ljust, text.rjust, text.center))(width, fill)


def many(seed: int, count: int, widths: tuple[int, ...] = (128, 64, 4, 2048)) -> Iterator[bytes]:
    """Yield so many headers, two of three of the first width."""
    source = random.Random(seed)
    for number in range(count):
        width = widths[0] if number % 3 else source.choice(widths)
        yield hostile(source, width)


def _valid(source: random.Random) -> bytes:
    """Return what a header of some client holds."""
    digits = source.choice((1, 2, 4, 7, 10, 11))
    text = b"%d" % source.randrange(10**digits)
    if source.random() < 0.2:
        text = text.zfill(source.randrange(1, 30))
    for _ in range(source.choice((0, 0, 1, 2, 3, 5))):
        text += b" " + source.choice(WORDS)
    return text


def _near(source: random.Random, text: bytes) -> bytes:
    """Return a text with one thing changed."""
    at = source.randrange(len(text) + 1)
    kind = source.randrange(5)
    if kind == 0:
        return text[:at] + source.choice(SIGNS) + text[at:]
    if kind == 1:
        return text[:at] + source.choice(SIGNS) + text[at + 1 :]
    if kind == 2:
        return text[:at] + text[at + 1 :]
    if kind == 3 and at < len(text):  # one bit
        return text[:at] + bytes([text[at] ^ 1 << source.randrange(8)]) + text[at + 1 :]
    other = source.randrange(len(text) + 1)  # two places swapped
    low, high = sorted((at, other))
    return (
        text[:low]
        + text[high : high + 1]
        + text[low + 1 : high]
        + text[low : low + 1]
        + (text[high + 1 :])
    )

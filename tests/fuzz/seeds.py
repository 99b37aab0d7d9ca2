"""Makes the first corpus from the conformance vectors: `python -m tests.fuzz.seeds`.

Law of this file: it writes `vector-*` files alone, the same ones every time; findings and what a
guided run has found stay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from hashlib import sha1
from pathlib import Path
from typing import Any

from tests.fuzz import grammar, script
from tests.fuzz.targets import MASKED, TARGETS

VECTORS = Path(__file__).parents[2] / "conformance"

SMALL = 600
"""Bytes of the largest seed: a small one is mutated where it matters."""

Keep = Callable[[str, bytes], None]
"""Puts an input into the corpus of the target that has this name."""


def main() -> None:
    """Write all of them anew."""
    for target in TARGETS.values():
        target.folder.mkdir(parents=True, exist_ok=True)
        for path in target.folder.glob("vector-*"):
            path.unlink()
    for path, data in made().items():
        path.write_bytes(data)


def made() -> dict[Path, bytes]:
    """Return all of them, by where they stand."""
    seeds: dict[Path, bytes] = {}

    def keep(name: str, data: bytes) -> None:
        """Put in one file of a target's corpus, if it is small."""
        if len(data) <= SMALL:
            seeds[TARGETS[name].folder / f"vector-{sha1(data).hexdigest()[:10]}"] = data

    for row in _rows("frames"):
        stream = bytes.fromhex(row["in"])
        if len(stream) <= SMALL:
            keep("stream", b"\0" + stream)
            keep("decoder", bytes([(128, 128, 128, 64, 4).index(row["header_size"])]) + stream)
        keep("header", stream[:128].strip(b" "))
    for row in _rows("server"):
        _dialogue(row, keep)
    for row in _rows("client"):
        _visit(row, keep)
    _requests(keep)
    _sockets(keep)
    keep("plain_client", b"-: hi\n?read\n-: ho\n-: !DISCONNECT!\n+5\n-: back")
    keep("plain_client", b"|5\n-: hi\n-: !ERROR! missed 3\n+2\n-: !ERROR! busy later\n+40")
    keep("plain_client", b"*2000\n-: xxxxxxxxxxxxxxxxxxxxxxxx\n?read\n(\n*50\n?send\n)\n<\n+3\n#")
    keep("plain_client", b"PING x\n+1\n> Msg received\n+1\n5 5\n+1\n> 5\n<")
    return seeds


def _requests(keep: Keep) -> None:
    """Keep requests to the door: good ones, and some that leave in doubt where they end."""
    messages, host = b"/v1/rooms/lobby/messages", b"Host: localhost"
    post = b"POST " + messages + b"?name=al"
    for cut, lines, body in (
        (0, (b"GET /", host), b""),
        (7, (b"GET " + messages, host), b""),
        (1, (post, host, b"Content-Length: 5"), b"hello"),
        (9, (post, host, b"Content-Length: 5", b"Idempotency-Key: k"), b"helloGET /r HTTP/1.1\r\n"),
        (5, (post, host, b"Transfer-Encoding: chunked"), b"5\r\nhello\r\n0\r\n\r\n"),
        (5, (post, host, b"Transfer-Encoding: chunked"), b"5;x=y\r\nhel"),
        (50, (post, host, b"Content-Length: 3", b"Transfer-Encoding: chunked"), b"0\r\n\r\n"),
        (3, (b"POST /v1/rooms/@witness/messages", host, b"Content-Length: 4"), b"psst"),
        (0, (b"GET /v1/rooms/lobby/events?last=2", host, b"Last-Event-ID: 1"), b""),
        (2, (b"HEAD /v1/rooms", host, b"Connection: close"), b""),
        (2, (b"GET /ws", host, b"Upgrade: websocket", b"Connection: Upgrade"), b""),
        (4, (b"OPTIONS /metrics", host), b"GET\r\n\r\n"),
        (1, (b"PUT /%ff", b"Host: x", b"Origin: http://y", b"Expect: 100-continue"), b""),
        (1, (b"get /", host), b""),
    ):  # fmt: skip
        head = b"\r\n".join((lines[0] + b" HTTP/1.1", *lines[1:], b"", b""))
        keep("web", bytes([cut]) + head + body)
        keep("web", bytes([cut]) + (head + body) * 2)


def _sockets(keep: Keep) -> None:
    """Keep what may follow a handshake."""
    for cut, each in enumerate(MASKED):
        keep("websocket", bytes([cut]) + each)
        keep("websocket", bytes([cut + 1]) + each + MASKED[0] + MASKED[-2])
    keep("websocket", b"\x07" + b"".join(MASKED[4:9]))


def _rows(name: str) -> list[Any]:
    return [json.loads(line) for line in (VECTORS / f"{name}.jsonl").read_text().splitlines()]


def _dialogue(row: Any, keep: Keep) -> None:
    """Keep a dialogue with a server as a script, and its frames as requests and replies."""
    lines: list[bytes] = []
    who = "A"
    for step in row["steps"]:
        if step.get("who", who) != who:
            who = step["who"]
            lines.append(b"%%%d" % ((ord(who) - 65) % 3))
        if "send" in step:
            sent = b"".join(map(_data, step["send"]))
            lines += _lines(sent)
            if step.get("end"):
                lines.append(b"<")
        for each in step.get("receive", ()):
            if isinstance(each, dict) and each.get("words"):
                keep("replies", _reply(each))
    keep("server", b"\n".join(lines))
    for line in lines:
        if line[:1].isalpha():
            keep("requests", line)
            if line.startswith(b"HELLO") and b": " in line:
                keep("hello", script._bytes(line.partition(b": ")[2]))


def _visit(row: Any, keep: Keep) -> None:
    """Keep a script for a client."""
    lines: list[bytes] = []
    for step in row["steps"]:
        if "welcomes" in step:
            last = _filled(str(step["welcomes"])).encode()
            lines.append(b'WELCOME alice %b: {"v":1}' % last)
        elif "sends" in step:
            words = [_filled(str(word)) for word in step["sends"]]
            lines.append(script.line(words, _data(step.get("payload", ""))))
        elif "cuts" in step:
            lines.append(b"#\n+2")
        elif "tell" in step:
            lines.append(b"?send")
    keep("client", b"\n".join(lines))


def _lines(stream: bytes) -> list[bytes]:
    """Return a stream as lines of a script: frames where it holds them, else bytes."""
    read = grammar.read_stream(stream)
    again = b"".join(script.frame(script.line(words, payload)) for words, payload in read.frames)
    if read.refused is None and not read.unfinished and again == stream:
        return [script.line(words, payload) for words, payload in read.frames]
    return [b"> " + script.quoted(stream)]


def _reply(each: Any) -> bytes:
    payload = each.get("payload", "")
    if isinstance(payload, dict) and "json" in payload:
        data = json.dumps(payload["json"]).encode()
    elif isinstance(payload, list):
        data = b"".join(map(_data, payload))
    else:
        data = b"a sentence"
    words = " ".join(_filled(str(word)) for word in each["words"]).encode()
    return words + (b": " + data if data else b"")


def _data(part: Any) -> bytes:
    if isinstance(part, str):
        return _filled(part).encode("latin-1", "replace")
    if "repeat" in part:
        return part["repeat"].encode("latin-1") * min(part["times"], 5000)
    header = _filled(part["header"]).encode("latin-1", "replace")
    width = part.get("width", 128)
    align = part.get("align", "<")
    if align == "<":
        return header.ljust(width)
    return header.rjust(width, b" " if align == ">" else b"0")


def _filled(text: str) -> str:
    """Return a text with something in the place of what varies."""
    text = re.sub(r"<room:([^>]*)>", r"\1", text)
    text = re.sub(r"<client:[^>]*>", "0123456789abcdef", text)
    text = re.sub(r"<name:[^>]*>", "al", text)
    return re.sub(r"<[^>]*>", "1", text)


if __name__ == "__main__":
    main()

"""The vectors of conformance/, made from the dialogues of docs/protocol.md and its grammar.

    python -m tests.integration.vectors

writes them anew; `test_conformance.py` fails while they are not what this makes.

Law of this file: the page is the source.  What another server may do otherwise (its sentences,
the numbers it begins with, the names of its guests) becomes a placeholder here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.integration.conftest import ROOT
from tests.integration.dialogues import (
    ANY,
    KILLED,
    STOPS,
    Dialogue,
    Header,
    Part,
    Repeated,
    Step,
    Welcome,
    read_dialogue,
)
from tests.integration.page import DIALOGUES
from twisted_msg.wire import names

FOLDER = ROOT / "conformance"
SUBSTITUTED = re.compile(r"[a-z.-]{1,12}")
"""Rooms whose names mean nothing; those of other forms are there for their form."""

Record = dict[str, Any]

# -- server.jsonl --------------------------------------------------------------------


def server_vectors() -> Iterator[Record]:
    """Yield the page's dialogues, less those whose bytes depend on how JSON is written."""
    counts: dict[str, int] = {}
    for block in DIALOGUES:
        if any(" cut=" in line for line in block.lines):
            continue
        number = counts[block.heading] = counts.get(block.heading, 0) + 1
        yield Translation(read_dialogue(block.lines)).record(f"{block.heading}, {number}")


class Translation:
    """One dialogue on its way to JSON."""

    def __init__(self, dialogue: Dialogue) -> None:
        self.dialogue = dialogue
        self.rooms_of_ids: dict[str, str] = {}
        self.rooms: set[str] = set()
        self.replays = self.lists_all = False

    def record(self, name: str) -> Record:
        options: dict[str, str | bool] = {}
        for word in self.dialogue.options:
            if word.startswith("--"):
                options[word.removeprefix("--")] = True  # a flag, if no value follows
            else:
                options[next(reversed(options))] = word
        steps = [self.step(step) for step in self.dialogue.steps]
        plain = any(isinstance(step, Step) and begins_plain(step) for step in self.dialogue.steps)
        record: Record = {"name": name, "steps": steps}
        if options:
            record["options"] = options
        if plain:
            record["plain"] = True
        if self.lists_all or (plain and self.replays):
            record["fresh"] = True
        return record

    def step(self, step: Step | str) -> Record:
        if isinstance(step, str):
            return {"server": {STOPS: "stops", KILLED: "is killed"}[step]}
        record: Record = {"who": step.who}
        if step.sends:
            record["send"] = [self.sent(part) for part in step.parts]
        else:
            record["receive"] = list(self.received(step.parts))
        if step.ends:
            record["end"] = True
        return record

    def sent(self, part: Part) -> Any:
        if isinstance(part, bytes | Repeated):
            return bytes_of(part)
        assert isinstance(part, Header)
        length, *words = re.split(r" (?=\S)", part.text) if part.width == 128 else [part.text]
        text = (
            " ".join([length, *self.request(words)]) if words and words[0].isupper() else part.text
        )
        record: Record = {"header": text}
        if part.width != 128:
            record["width"] = part.width
        if part.align:
            record["align"] = part.align
        return record

    def request(self, words: list[str]) -> list[str]:
        """Return a request's words with placeholders."""
        verb, *rest = words
        if verb == "HELLO":
            return [verb, *(re.sub(r"^client=(.{16,})$", r"client=<client:\1>", w) for w in rest)]
        if verb == "ROOMS" and not rest:
            self.lists_all = True
        if verb not in ("PUB", "SUB", "UNSUB", "WHO") or not rest:
            return words
        room, *more = rest
        self.rooms.add(room)
        if verb == "PUB" and more:
            self.rooms_of_ids[more[0]] = room
        if verb == "SUB":
            self.replays |= bool(more)
            more = [
                f"from={seq(room, word[5:])}" if re.match(r"from=(<|[1-9][0-9]?$)", word) else word
                for word in more
            ]
        return [verb, named(room), *more]

    def received(self, parts: list[Part]) -> Iterator[Any]:
        parts = list(parts)
        while parts:
            part = parts.pop(0)
            if isinstance(part, Welcome):
                yield welcome(part.name, str(part.last))
            elif isinstance(part, Header):
                held: list[Part] = []
                while parts and not isinstance(parts[0], Header | Welcome):
                    held.append(parts.pop(0))
                yield self.frame(part, held)
            else:
                raw = b"".join(joined([part]))
                text, marker, rest = raw.partition(b"!ERROR! ")
                if text:
                    yield {"raw": text.decode("latin-1")}
                if marker:
                    yield {"raw error": rest.split()[0].decode()}

    def frame(self, header: Header, held: list[Part]) -> Record:
        """Return what a frame is to be."""
        length, *words = header.text.split(" ")
        payload = b"".join(joined(held))
        if not words:
            assert int(length) == len(payload), header
            record: Record = {"words": []}
            if header.width != 128:
                record["width"] = header.width
            if payload.startswith(b"!ERROR! ") and not payload.startswith(b"!ERROR! missed"):
                record["payload"] = {"error": payload.split()[1].decode()}
            else:
                record["payload"] = [bytes_of(part) for part in held if part != b""]
            return record
        if words[0] == "WELCOME":
            full = welcome(words[1], words[2])
            full["payload"]["json"] |= {
                "server": "<text>",
                "max_payload": "<number>",
                "heartbeat": "<number>",
                "features": "<list>",
            }
            return full
        assert int(length) == len(payload), header
        return {"words": self.answer(words), "payload": self.told(words, payload, held)}

    def answer(self, words: list[str]) -> list[str]:
        """Return an answer's words with placeholders."""
        verb, *rest = words
        if verb in ("MSG", "SUBBED", "LIVE", "MISSED"):
            room = rest[0]
            number = (lambda word: "<any>") if room.startswith("@") else (lambda w: seq(room, w))
            count = {"MISSED": 2}.get(verb, 1)
            tail = rest[1 + count :]
            if verb == "MSG":
                tail = [guest(tail[0]), "<any>", *tail[2:]]
            return [verb, named(room), *map(number, rest[1 : 1 + count]), *tail]
        if verb == "ACK":
            room = self.rooms_of_ids[rest[0]]
            number = "<any>" if room.startswith("@") else seq(room, rest[1])
            return [verb, rest[0], number, *rest[2:]]
        if verb in ("UNSUBBED", "HERE", "JOIN", "PART"):
            return [verb, named(rest[0]), *map(guest, rest[1:])]
        if verb == "ERR" and len(rest) == 3 and rest[2] in self.rooms:
            return [verb, *rest[:2], named(rest[2])]
        return words

    def told(self, words: list[str], payload: bytes, held: list[Part]) -> Any:
        """Return what a payload is to be."""
        if words[0] in ("ERR", "BYE"):
            return {"sentence": True}
        if words[0] == "HERE":
            return {"json": json.loads(payload)}
        if words[0] == "ROOMS":
            rooms = json.loads(payload)
            for room in rooms:
                room["head"] = seq(room["room"], str(room["head"]))
                room["room"] = named(room["room"])
            return {"json": rooms, "any order": True}
        return [bytes_of(part) for part in held if part != b""]


def begins_plain(step: Step) -> bool:
    """Return whether a line begins with a frame without words."""
    first = step.parts[0] if step.sends and step.parts else None
    return isinstance(first, Header) and first.text.strip().isdigit()


def welcome(name: str, last: str) -> Record:
    """Return a `WELCOME`: a name that is not as it was asked for has a form of the server's own."""
    shown = "<name:alice-2>" if name == "alice-2" else guest(name)
    return {
        "words": ["WELCOME", shown, last],
        "payload": {"json": {"v": 1, "name": shown, "last_id": int(last)}},
    }


def seq(room: str, word: str) -> str:
    """Return the placeholder for a number of a room."""
    return f"<seq:{room}:{word.strip('<>')}>"


def named(room: str) -> str:
    """Return the placeholder for a room, or what only looks like one."""
    legal = names.ROOM.fullmatch(room) and SUBSTITUTED.fullmatch(room)
    return f"<room:{room}>" if legal else room


def guest(name: str) -> str:
    """Return a name in which the number may be another."""
    return re.sub(r"<([a-z]+)>", lambda m: "<any>" if m[1] == ANY else f"<n:{m[1]}>", name)


def joined(parts: list[Part]) -> Iterator[bytes]:
    for part in parts:
        if isinstance(part, Repeated):
            yield part.data * part.times
        elif isinstance(part, bytes):
            yield part


def bytes_of(part: Part) -> Any:
    """Return bytes as JSON has them: each character is one byte."""
    if isinstance(part, Repeated):
        return {"repeat": part.data.decode("latin-1"), "times": part.times}
    assert isinstance(part, bytes)
    return part.decode("latin-1")


# -- frames.jsonl --------------------------------------------------------------------


def head(text: str, width: int = 128) -> bytes:
    return text.encode("latin-1").ljust(width)


Good = tuple[bytes, list[str], bytes]
"""A frame that is right: its header, its words and its payload."""

PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
HELLO: Good = (head("5"), [], b"hello")
PING: Good = (head("0 PING"), ["PING"], b"")

GOOD: dict[str, list[Good]] = {
    "an empty frame": [(head("0"), [], b"")],
    "a message": [HELLO],
    "spaces before the length": [(b"%128d" % 5, [], b"hello")],
    "leading zeros over the whole width": [(b"%0128d" % 5, [], b"hello")],
    "leading zeros, and spaces on both sides": [(head("   0005"), [], b"hello")],
    "a payload that looks like a header": [(head("128"), [], head("5")), (head("1"), [], b"x")],
    "all 256 bytes": [(head("256"), [], bytes(range(256)))],
    "several frames": [HELLO, (head("0"), [], b""), HELLO],
    "a verb": [PING],
    "a verb of one letter": [(head("0 A"), ["A"], b"")],
    "all printable characters": [(head(f"2 X {PRINTABLE}"), ["X", PRINTABLE], b"hi")],
    "words behind spaces": [(b"5 PUB hall 1".rjust(128), ["PUB", "hall", "1"], b"hello")],
    "words up to the last byte": [(b"0 " + b"V" * 126, ["V" * 126], b"")],
    "typed, then a keep-alive without words": [PING, (head("0"), [], b"")],
    "typed, then a message without words": [PING, HELLO],
    "words that are numbers": [(head("0 PUB 0 00"), ["PUB", "0", "00"], b"")],
}

BAD_HEADERS = {
    "nothing but spaces": "",
    "a plus": "+5",
    "a minus": "-5",
    "an underscore": "1_000",
    "a decimal point": "5.0",
    "an exponent": "1e3",
    "hexadecimal": "0x5",
    "a letter": "five",
    "a superscript two": "\xb2",
    "a digit of another script, in UTF-8": "\xd9\xa5",
    "a newline behind the length": "5\n",
    "a tab behind the length": "5\t",
    "a carriage return": "5\r",
    "a NUL": "5\0",
    "a no-break space": "5\xa0",
    "a space within the length": "5 5",
    "ten to the tenth": "10000000000",
    "twenty digits": "99999999999999999999",
    "a verb in small letters": "0 ping",
    "a verb with a digit": "0 PING2",
    "a verb that is a sign": "0 -",
    "two spaces before the verb": "0  PING",
    "two spaces between words": "0 PUB  lobby",
    "a tab between words": "0 PUB\tlobby",
    "a control character in a word": "0 PUB lob\x07by",
    "a byte above 126 in a word": "0 PUB l\xf6bby",
    "DEL in a word": "0 PUB lob\x7fby",
    "a newline behind a word": "0 PUB lobby\n",
    "a verb without a length": "PING",
    "another protocol": "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n" + "x" * 90,
}


def frame_vectors() -> Iterator[Record]:
    """Yield streams of bytes, and what they hold."""
    for name, frames in GOOD.items():
        yield stream(name, frames)
    for name, text in BAD_HEADERS.items():
        yield stream(name, [], "bad-header", head(text))
    yield stream("frames before a bad one", [HELLO, HELLO], "bad-header", head("+5") + b"hello")
    yield stream("nothing behind a bad one", [], "bad-header", head("x") + head("0"))
    yield stream("words behind a plain frame", [HELLO], "bad-header", head("0 PING"))
    yield stream("a bad verb behind a good one", [PING], "bad-header", head("0 ping"))
    yield stream("at the limit", [(head("9"), [], b"123456789")], max_payload=9)
    yield stream("over the limit", [HELLO], "too-large", head("10"), max_payload=9)
    yield stream("words, over the limit", [], "too-large", head("10 PUB hall 1"), max_payload=9)
    yield stream("the longest length", [], "too-large", head("9999999999"))
    yield stream("a header cut off", [HELLO], None, head("5")[:127])
    yield stream("a payload cut off", [HELLO], None, head("5") + b"hell")
    four = [(b"   5", [], b"hello"), (b"0009", [], b"123456789"), (b"0   ", [], b"")]
    yield stream("4 bytes", four, width=4)
    yield stream("4 digits", [(b"9999", [], b"x" * 9999)], width=4)
    yield stream("4 bytes have no room for words", [], "bad-header", b"0 AB", width=4)
    yield stream("words at another width", [], "bad-header", head("0 PING", 64), width=64)
    yield stream("64 bytes", [(head("5", 64), [], b"hello"), (head("0", 64), [], b"")], width=64)
    yield stream("2048 bytes", [(head("5", 2048), [], b"hello")], width=2048)


def stream(
    name: str,
    frames: list[Good],
    error: str | None = None,
    tail: bytes = b"",
    *,
    width: int = 128,
    max_payload: int = 1048576,
) -> Record:
    """Return a case: some good frames, and behind them what is refused, or unfinished."""
    data = b"".join(header + payload for header, _, payload in frames) + tail
    return {
        "name": name,
        "header_size": width,
        "max_payload": max_payload,
        "in": data.hex(),
        "frames": [{"words": words, "payload": payload.hex()} for _, words, payload in frames],
        "error": error,
    }


# -- client.jsonl ----------------------------------------------------------------------

HI, HO = {"room": "lobby", "payload": "hi"}, {"room": "lobby", "payload": "ho"}


def come(last_id: Any = 0) -> list[Record]:
    """The client connects, says HELLO and is welcome."""
    return [{"connects": True}, {"welcomes": last_id}]


def publishes(number: int, payload: str, room: str = "lobby") -> Record:
    return {"receives": ["PUB", room, f"<id:{number}>"], "payload": payload}


def says(*words: str, payload: str = "", **more: Any) -> Record:
    return {"sends": list(words), "payload": payload, **more}


def message(seq: int, payload: str) -> Record:
    event = {"room": "lobby", "seq": seq, "sender": "bob", "payload": payload}
    return {"reports": {"message": event}}


def heard(seq: int, payload: str, *extra: str, **more: Any) -> list[Record]:
    """The client is sent a message, and reports it."""
    words = ("MSG", "lobby", str(seq), "bob", "1700000000000", *extra)
    return [says(*words, payload=payload, **more), message(seq, payload)]


JOIN: list[Record] = [
    {"tell": {"join": {"room": "lobby"}}},
    {"receives": ["SUB", "lobby"]},
    says("SUBBED", "lobby", "4"),
    says("LIVE", "lobby", "4"),
]
SEND_TWO: list[Record] = [
    {"tell": {"send": HI}},
    {"tell": {"send": HO}},
    publishes(1, "hi"),
    publishes(2, "ho"),
]
STORED_TWO: list[Record] = [
    says("ACK", "<id:2>", "8"),
    {"reports": {"stored": 1}},
    {"reports": {"stored": 2}},
]

CLIENT: dict[str, list[Record]] = {
    "answers PING with PONG, and its token": [
        *come(),
        says("PING"),
        {"receives": ["PONG"]},
        says("PING", "abc"),
        {"receives": ["PONG", "abc"]},
    ],
    "an acknowledged message is stored": [
        *come(),
        {"tell": {"send": HI}},
        publishes(1, "hi"),
        says("ACK", "<id:1>", "7"),
        {"reports": {"stored": 1}},
    ],
    "ids rise, and one ACK stands for all before it": [*come(), *SEND_TWO, *STORED_TWO],
    "after a cut the same client sends the same ids again, in order": [
        *come(),
        *SEND_TWO,
        {"cuts": True},
        *come(),
        publishes(1, "hi"),
        publishes(2, "ho"),
        *STORED_TWO,
    ],
    "what was acknowledged before a cut is not sent again": [
        *come(),
        *SEND_TWO,
        says("ACK", "<id:1>", "7"),
        {"reports": {"stored": 1}},
        {"cuts": True},
        *come("<id:1>"),
        publishes(2, "ho"),
        says("ACK", "<id:2>", "8", "dup"),
        {"reports": {"stored": 2}},
    ],
    "a direct message that was received before a cut is not reported as stored": [
        *come(),
        {"tell": {"send": {"room": "@bob", "payload": "hi"}}},
        {"receives": ["PUB", "@bob", "<id:1>"], "payload": "hi"},
        {"cuts": True},
        *come("<id:1>"),
        {"reports": {"refused": 1}},
    ],
    "after a cut it resumes behind the last message it has seen": [
        *come(),
        *JOIN,
        *heard(5, "five"),
        *heard(9, "nine"),
        {"cuts": True},
        *come(),
        {"receives": ["SUB", "lobby", "from=10"]},
        says("SUBBED", "lobby", "10"),
        *heard(10, "ten"),
        says("LIVE", "lobby", "10"),
        *heard(11, "eleven"),
    ],
    "after BYE it connects again": [
        *come(),
        *JOIN,
        *heard(5, "five"),
        says("BYE", payload="the server stops"),
        {"cuts": True},
        *come(),
        {"receives": ["SUB", "lobby", "from=6"]},
    ],
    "MISSED is told, and counts as seen": [
        *come(),
        *JOIN,
        *heard(5, "five"),
        {"cuts": True},
        *come(),
        {"receives": ["SUB", "lobby", "from=6"]},
        says("SUBBED", "lobby", "9"),
        says("MISSED", "lobby", "6", "9"),
        {"reports": {"missed": {"room": "lobby", "first": 6, "last": 9}}},
        says("LIVE", "lobby", "9"),
        {"cuts": True},
        *come(),
        {"receives": ["SUB", "lobby", "from=10"]},
    ],
    "what it does not know it passes over, payload and all": [
        *come(),
        *JOIN,
        says("SHOUT", "lobby", payload="0 BYE".ljust(128)),
        says("LIVE", "lobby", "4", "mood=good", payload="and a payload"),
        *heard(5, "five", "kind=file", "parts=3"),
        says("PING", "x", payload="any frame may carry a payload"),
        {"receives": ["PONG", "x"]},
    ],
    "frames byte by byte": [
        *come(),
        *JOIN,
        *heard(5, "five", bytewise=True),
        *heard(6, "six", bytewise=True),
    ],
    "superseded, it does not come back": [
        *come(),
        *JOIN,
        says("ERR", "superseded", payload="another connection has your client"),
        {"cuts": True},
        {"reports": {"over": "superseded"}},
        {"stays away": 3},
    ],
    "a refused message is told, and the next one sent": [
        *come(),
        *SEND_TWO,
        says("ERR", "bad-room", "PUB", "<id:1>", payload="no such room"),
        {"cuts": True},
        {"reports": {"refused": 1}},
        *come(),
        publishes(2, "ho"),
        says("ACK", "<id:2>", "8"),
        {"reports": {"stored": 2}},
    ],
}
"""What a server says to a client, and what the client must do.  Written here, since no dialogue
of the page has the server's side."""


def client_vectors() -> Iterator[Record]:
    for name, steps in CLIENT.items():
        yield {"name": name, "steps": steps}


# -- the files --------------------------------------------------------------------------


def files() -> dict[str, str]:
    """Return the text of each file."""
    made = {
        "frames.jsonl": frame_vectors(),
        "server.jsonl": server_vectors(),
        "client.jsonl": client_vectors(),
    }
    return {
        name: "".join(json.dumps(record) + "\n" for record in records)
        for name, records in made.items()
    }


def main() -> None:
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="ascii")
        print(f"{FOLDER / name}: {text.count(chr(10))} vectors")


if __name__ == "__main__":
    main()

"""Every publish is sent one to five times, over old and new connections and over restarts.

The publishers are sockets and no client library, for a library sends nothing twice that it
need not.
"""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from pathlib import Path

from tests.history import Said
from tests.torture.notes import payload
from tests.torture.servers import HEADER, Server, frame, talking
from tests.torture.stage import Stage, Verdict

ROOM = "a"


class Repeater:
    """A publisher that repeats itself; `sends` counts what it sent in all."""

    def __init__(self, name: str, server: Server, verdict: Verdict, chance: random.Random) -> None:
        self.name = name
        self.server = server
        self.history = verdict.history
        self.chance = chance
        self.sends = self.doubles = 0
        self.last = 0
        self.acked = 0
        self.lines: list[socket.socket] = []
        self._data = b""

    def connect(self) -> None:
        """Say `HELLO` on a new connection; the older one stays open at this end."""
        line = talking(self.server.port)
        line.sendall(frame(f"HELLO client=torture-{self.name}-0123456789 name={self.name}"))
        self.lines.append(line)
        self._data = b""

    def say(self, count: int) -> None:
        """Send that many new messages, each up to five times, new ones in the order of ids."""
        ids = list(range(self.last + 1, self.last + count + 1))
        self.last += count
        sending: list[int] = []
        for id_ in ids:
            self.history.said(ROOM, Said(self.name, id_))
            sending.append(id_)
            sending += self.chance.choices(sending[-30:], k=self.chance.randint(0, 4))
        self._send(sending)

    def repeat(self) -> None:
        """Send again what is not acknowledged, and some of what is."""
        again = range(max(1, self.acked - self.chance.randint(0, 5)), self.last + 1)
        self._send(list(again))

    def _send(self, ids: list[int]) -> None:
        frames = [frame(f"PUB {ROOM} {id_}", payload(Said(self.name, id_), 64)) for id_ in ids]
        self.sends += len(ids)
        with suppress(OSError):
            self.lines[-1].sendall(b"".join(frames))

    def leave(self) -> None:
        """End the connection without a word, maybe with frames that the server still reads."""
        for line in self.lines:
            line.close()
        self.lines = []

    def listen(self) -> None:
        """Read acknowledgements until everything is, or the connection ends."""
        with suppress(OSError):
            while self.acked < self.last:
                more = self.lines[-1].recv(1 << 16)
                if not more:
                    return
                self._data += more
                self._understand()

    def _understand(self) -> None:
        while len(self._data) >= HEADER:
            length, verb, *words = self._data[:HEADER].split()
            end = HEADER + int(length)
            if len(self._data) < end:
                return
            self._data = self._data[end:]
            if verb == b"ACK":
                id_, seq = int(words[0]), int(words[1])
                self.doubles += words[2:] == [b"dup"]
                for each in range(self.acked + 1, id_ + 1):
                    self.history.said(ROOM, Said(self.name, each), "ok")
                self.acked = max(self.acked, id_)
                numbers = self.history.numbers.setdefault(ROOM, {})
                if numbers.setdefault(Said(self.name, id_), seq) != seq:
                    raise AssertionError(f"{self.name} {id_}: two numbers for one message")


def run(folder: Path, seed: int, *, rounds: int = 12, fault: str = "") -> Verdict:
    """Have four publishers repeat themselves, in rounds of which every third kills the server."""
    chance = random.Random(seed)
    verdict = Verdict("retry", seed)
    stage = Stage(Server(folder, fault=fault), (ROOM,), verdict)
    server = stage.server
    repeaters = [Repeater(f"r{n}", server, verdict, chance) for n in range(1, 5)]
    restarts = 0
    try:
        stage.follow(1)
        for number in range(rounds):
            for each in repeaters:
                if not each.lines or chance.random() < 0.5:
                    each.connect()
                    each.repeat()
                each.say(chance.randint(1, 100))
            if number % 3 == 2:
                server.kill()
                server.start()
                restarts += 1
            for each in repeaters:
                what = chance.choice(["listen", "leave", "repeat"])
                if number % 3 == 2 or what == "leave":
                    each.leave()
                elif what == "repeat":
                    each.repeat()
                if what == "listen" and each.lines:
                    each.listen()
        for each in repeaters:
            each.connect()
            each.repeat()
            each.listen()
            each.leave()
        stage.finish()
    finally:
        stage.end()
    unsettled = [each.name for each in repeaters if each.acked < each.last]
    if unsettled:
        verdict.faults.append(f"not everything of {unsettled} was acknowledged")
    messages = sum(each.last for each in repeaters)
    verdict.figures.append(
        f"{messages} messages were sent {sum(each.sends for each in repeaters)} times over "
        f"{restarts} restarts; {sum(each.doubles for each in repeaters)} acks said dup"
    )
    return verdict

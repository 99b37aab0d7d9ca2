"""The others: NATS and its streams, Mosquitto, and what Twisted gives to whoever asks.

Law of this file: each with the settings that it comes with, save those that make it
comparable (one core, no log, small frames without delay), and those are told in its note.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from bench.counting import Counter, Delivery, Tokens
from bench.peer import Peer, Step


class TwistedInt32(Peer):
    """What one gets from Twisted in thirty lines: a length, a broadcast."""

    name = "twisted-int32"
    shown = "Twisted Int32StringReceiver"
    note = "bench/relay.py: sendString to every member, on the default reactor"
    program = "python3"

    def command(self, port: int, folder: Path) -> list[str]:
        """See `Peer`."""
        return [sys.executable, "-m", "bench.relay", str(port)]

    def joining(self) -> list[Step]:
        """See `Peer`."""
        return [Step(self.publication(b"JOIN"), self.publication(b"JOINED"))]

    def publication(self, payload: bytes) -> bytes:
        """See `Peer`."""
        return len(payload).to_bytes(4, "big") + payload

    def delivery(self, size: int) -> Delivery:
        """See `Peer`."""
        return Delivery(4 + size, 4)


class Nats(Peer):
    """NATS without storage."""

    name = "nats"
    shown = "NATS"
    note = "nats-server, core NATS, one core (GOMAXPROCS=1), no TLS, no accounts, no log"
    program = "nats-server"
    settings = ""
    barrier = Step(b"PING\r\n", b"PONG\r\n")
    variables: ClassVar[dict[str, str]] = {"GOMAXPROCS": "1"}

    def version(self) -> list[str] | None:
        """See `Peer`."""
        return [self.found() or "", "--version"]

    def command(self, port: int, folder: Path) -> list[str]:
        """See `Peer`."""
        file = folder / "nats.conf"
        file.write_text(
            f'listen: "127.0.0.1:{port}"\nping_interval: "1h"\nlogfile: "{folder / "log"}"\n'
            f"max_connections: 20000\n{self.settings.replace('FOLDER', str(folder))}"
        )
        return [self.found() or "", "-c", str(file)]

    def greeting(self, number: int) -> list[Step]:
        """See `Peer`."""
        words = {"verbose": False, "pedantic": False, "lang": "bench", "version": "1",
                 "protocol": 1, "headers": True, "no_responders": True}  # fmt: skip
        return [
            Step(b"", b"\r\n"),
            Step(b"CONNECT %s\r\nPING\r\n" % json.dumps(words).encode(), b"PONG\r\n"),
        ]

    def joining(self) -> list[Step]:
        """See `Peer`."""
        return [Step(b"SUB s 1\r\nPING\r\n", b"PONG\r\n")]

    def publication(self, payload: bytes) -> bytes:
        """See `Peer`."""
        return b"PUB s %d\r\n%s\r\n" % (len(payload), payload)

    def delivery(self, size: int) -> Delivery:
        """See `Peer`."""
        head = len(b"MSG s 1 %d\r\n" % size)
        return Delivery(head + size + 2, head, b"PING\r\n")


class JetStream(Nats):
    """NATS with a stream on disk, as it is if nothing is said about syncing."""

    name = "jetstream"
    shown = "JetStream"
    note = "one replica, file storage, default sync: the answer comes before the fsync"
    kinds: ClassVar[frozenset[str]] = frozenset({"durable"})
    settings = "jetstream: { store_dir: 'FOLDER/js' }\n"

    def setup(self) -> list[Step]:
        """See `Peer`."""
        stream = {"name": "B", "subjects": ["s"], "storage": "file", "num_replicas": 1,
                  "retention": "limits", "discard": "old"}  # fmt: skip
        body = json.dumps(stream).encode()
        ask = b"SUB r 9\r\nPUB $JS.API.STREAM.CREATE.B r %d\r\n%s\r\n" % (len(body), body)
        return [*self.greeting(0), Step(ask, b'"did_create":true')]

    def acknowledged(self, size: int) -> tuple[Iterator[bytes], Counter, int]:
        """See `Peer`."""
        one = b"PUB s a %d\r\n%s\r\n" % (size, b"x" * size)
        refusals = (b'"error"', b"-ERR", b"NATS/1.0 503")
        return _again(one * 1024), Tokens(b'"seq":', refusals), len(one)

    def answers(self) -> list[Step]:
        """See `Peer`."""
        return [Step(b"SUB a 1\r\nPING\r\n", b"PONG\r\n")]


class JetStreamAlways(JetStream):
    """NATS with a stream on disk, synced before each answer."""

    name = "jetstream-always"
    shown = "JetStream, sync always"
    note = "the same with sync_interval: always, fsync before the answer"
    settings = "jetstream: { store_dir: 'FOLDER/js', sync_interval: always }\n"


class Mosquitto(Peer):
    """An MQTT broker in C."""

    name = "mosquitto"
    shown = "Mosquitto"
    note = "MQTT 3.1.1, QoS 0, default limits"
    program = "mosquitto"
    barrier = Step(b"\xc0\x00", b"\xd0\x00")

    def found(self) -> str | None:
        """See `Peer`; Debian keeps it where a user's path does not look."""
        return super().found() or shutil.which(self.program, path="/usr/sbin:/usr/local/sbin")

    def version(self) -> list[str] | None:
        """See `Peer`."""
        return [self.found() or "", "-h"]

    def command(self, port: int, folder: Path) -> list[str]:
        """See `Peer`."""
        file = folder / "mosquitto.conf"
        file.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\n"
            "set_tcp_nodelay true\nuser root\n"
        )
        return [self.found() or "", "-c", str(file)]

    def greeting(self, number: int) -> list[Step]:
        """See `Peer`."""
        body = _text(b"MQTT") + bytes([4, 2, 0, 0]) + _text(b"bench%d" % number)
        return [Step(_packet(0x10, body), b"\x20\x02\x00\x00")]

    def joining(self) -> list[Step]:
        """See `Peer`."""
        return [Step(_packet(0x82, b"\0\1" + _text(b"s") + b"\0"), b"\x90\x03\x00\x01\x00")]

    def publication(self, payload: bytes) -> bytes:
        """See `Peer`."""
        return _packet(0x30, _text(b"s") + payload)

    def delivery(self, size: int) -> Delivery:
        """See `Peer`."""
        whole = len(self.publication(bytes(size)))
        return Delivery(whole, whole - size)


def _again(block: bytes) -> Iterator[bytes]:
    while True:
        yield block


def _text(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def _packet(kind: int, body: bytes) -> bytes:
    """Return an MQTT packet: the length in groups of seven bits, the lowest first."""
    rest, length = len(body), bytearray()
    while True:
        rest, low = divmod(rest, 128)
        length.append(low | (128 if rest else 0))
        if not rest:
            return bytes([kind]) + bytes(length) + body

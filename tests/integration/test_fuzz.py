"""The fuzz targets as CI runs them: without a guide, over the corpus and mutations of it.

`python -m tests.fuzz TARGET` runs one for longer, guided by coverage.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from tests.fuzz import seeds
from tests.fuzz.__main__ import run
from tests.fuzz.agreement import agree
from tests.fuzz.faults import Finding
from tests.fuzz.script import MAX_STEPS, read
from tests.fuzz.targets import CORPUS, MASKED, TARGETS
from twisted_msg import delivery
from twisted_msg.client import typed
from twisted_msg.client.subscription import Message, Subscription
from twisted_msg.deadlines import Deadlines
from twisted_msg.log.views import PlainView
from twisted_msg.web import channel, websocket
from twisted_msg.wire import decoder, header, hello, replies

HEADERS = 100_000
COUNTS = {
    "header": 5000, "decoder": 2500, "requests": 5000, "replies": 5000, "hello": 5000,
    "stream": 700, "server": 500, "web": 120, "websocket": 100, "client": 700, "plain_client": 700,
}  # fmt: skip
"""Inputs for each target: two seconds' worth of each."""


def test_a_hundred_thousand_hostile_headers_agree_with_the_grammar() -> None:
    """`python -m tests.fuzz headers --count 1000000` is the same, longer."""
    print(agree(5050, HEADERS))


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found(name: str, tmp_path: Path) -> None:
    run(name, 20261123, count=COUNTS[name], findings=tmp_path)


def test_a_finding_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The very input that does not hold, in the folder for it and nowhere else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hello, "read_name", lambda *_: None)
    with pytest.raises(Finding):
        run("hello", 20261123, count=COUNTS["hello"], findings=tmp_path / "findings")
    assert [path.name for path in tmp_path.iterdir()] == ["findings"]
    (kept,) = (tmp_path / "findings").iterdir()
    assert kept.name.startswith("hello-")
    with pytest.raises(Finding):
        TARGETS["hello"].check(kept.read_bytes())


def test_the_corpus_has_the_conformance_vectors_of_today() -> None:
    """`python -m tests.fuzz.seeds` makes them anew."""
    there = {path: path.read_bytes() for path in CORPUS.glob("*/vector-*")}
    assert there == seeds.made()


def test_every_target_says_what_holds_and_has_a_small_corpus() -> None:
    assert set(COUNTS) == set(TARGETS) == {folder.name for folder in CORPUS.iterdir()}
    for target in TARGETS.values():
        assert (target.check.__doc__ or "").strip().endswith(".")
        assert target.seeds()
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 200_000


def test_every_string_of_bytes_is_a_bounded_script() -> None:
    source = random.Random(7)
    for _ in range(2000):
        steps = list(read(source.randbytes(source.randrange(200))))
        assert len(steps) <= MAX_STEPS
    assert len(list(read(b"*5000\nPING\n*5000\nPING"))) == MAX_STEPS


# -- faults planted in the product, so that the targets are known to see ------------------


WELCOME = b'WELCOME alice 0: {"v":1}\n'


def unremembering(self: Subscription, reply: replies.Msg) -> None:
    """`Subscription.message` as it would be if it handed on what it has seen."""
    self._keep(Message(reply.room, reply.seq, reply.sender, reply.millis, reply.payload))


def test_a_planted_fault_in_each_layer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(name: str, data: bytes) -> None:
        TARGETS[name].check(b"")
        with pytest.raises(Finding):
            TARGETS[name].check(data)

    with monkeypatch.context() as planted:  # words may be apart by more than a space
        planted.setattr(header, "_TYPED", re.compile(rb"([0-9]+) +([A-Z]+(?: [!-~]+)*)"))
        found("header", b"1  PING")
    with monkeypatch.context() as planted:  # words behind a plain frame are let pass
        admit = decoder.FrameDecoder._admit

        def forgetful(self: decoder.FrameDecoder, read: header.Header) -> header.Header:
            self.typed = None
            return admit(self, read)

        planted.setattr(decoder.FrameDecoder, "_admit", forgetful)
        found("decoder", b"\0" + b"0".ljust(128) + b"0 PING".ljust(128))
        found("stream", b"\0" + b"0".ljust(128) + b"0 PING".ljust(128))
    with monkeypatch.context() as planted:  # anybody may hang up on plain members
        planted.setattr(PlainView, "_shows", lambda self, payload: bool(payload))
        found("server", b"PUB lobby: !DISCONNECT!")
    with monkeypatch.context() as planted:  # unread answers are never too many
        planted.setattr(delivery, "ANSWERS_LIMIT", 1 << 30)
        found("server", b"(\n*5000\nPING " + b"x" * 60)
    with monkeypatch.context() as planted:  # a frame may take for ever
        planted.setattr(Deadlines, "lateness", lambda *_, **__: "")
        found("server", b"> 5 PU")
    with monkeypatch.context() as planted:  # a fault of the server's own
        planted.setattr(replies.Pong, "encode", lambda self: b"" + None)
        found("server", b"PING")
    get = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with monkeypatch.context() as planted:  # what begins behind another request is not seen
        planted.setattr(channel.Channel, "lineReceived", channel.FlowChannel.lineReceived)
        found("web", b"\x01" + get + get[:16])
    with monkeypatch.context() as planted:  # a visit may take for ever, and read nothing
        planted.setattr(channel.Channel, "sweep", lambda *_: None)
        found("web", b"\x00" + get)
    with monkeypatch.context() as planted:  # a fault while a header is looked at
        planted.setattr(channel, "is_clear", lambda *_: 1 // 0)
        found("web", b"\x00" + get)
    with monkeypatch.context() as planted:  # a ping is answered by text
        planted.setattr(
            websocket.WebSocket, "_pong", lambda self, payload: self.carrier.write(b"\x81\x01x")
        )
        found("websocket", b"\x00" + MASKED[6])
    with monkeypatch.context() as planted:  # a message's head tells another size
        planted.setattr(websocket, "head_of", lambda size: bytes((0x82, 1)))
        found("websocket", b"\x00" + MASKED[0])
    with monkeypatch.context() as planted:  # a name in quotes is taken as it is
        planted.setattr(hello, "read_name", lambda *_: None)
        found("hello", b'{"name":"\\u001b"}')
    with monkeypatch.context() as planted:  # too much unread is kept
        planted.setattr(Subscription, "_keep", lambda self, item: self.unread.append(item))
        found("client", WELCOME + b"SUBBED lobby 0\n" + b"\n".join(
            b"MSG lobby %d bob 17: %b" % (seq, b"x" * 30000) for seq in range(1, 60)))  # fmt: skip
    with monkeypatch.context() as planted:  # what came before is handed on again
        planted.setattr(Subscription, "message", unremembering)
        found("client", WELCOME + b"SUBBED hall 3\nMSG hall 2 bob 17: x\nMSG hall 2 bob 17: x")
    with monkeypatch.context() as planted:  # a server may ask for ever and not read
        planted.setattr(typed, "UNREAD_ANSWERS", 1 << 30)
        found("client", WELCOME + b"(\n*3000\nPING x")

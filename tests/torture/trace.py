"""A server's system calls, read from strace's file: what it wrote, synced, and told its peers.

Law of this file: a write, a sync, a name counts when its call has returned; what is told to a
peer counts from the moment its call begins.  So an order that is seen here was real.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.history import Said
from tests.torture.notes import said_in
from tests.torture.servers import HEADER

_LINE = re.compile(rb"(\d+) +(\d+\.\d+) (.*)\n")
_TEXT = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"')
_DESCRIPTOR = re.compile(rb"(\d+)<([^>]*)>")
_CLIENT = re.compile(rb"torture-([a-z]+[0-9]*)-")


class Wrote(NamedTuple):
    """Bytes were written into a file, at an offset."""

    path: str
    offset: int
    data: bytes


class Cut(NamedTuple):
    """A file has a new size."""

    path: str
    size: int


class Made(NamedTuple):
    """A file or folder of this name may be new."""

    path: str
    folder: bool


class Removed(NamedTuple):
    """A name is gone."""

    path: str


class Synced(NamedTuple):
    """A file or folder was synced."""

    path: str


class Failed(NamedTuple):
    """A sync or a write has failed, at this time."""

    path: str
    at: float


class Acked(NamedTuple):
    """A client was told that its messages up to this id are stored."""

    client: str
    id: int


class Delivered(NamedTuple):
    """Somebody was sent a message."""

    room: str
    seq: int
    said: Said


class Ended(NamedTuple):
    """The process was gone, at this time, with this exit code (None: a signal)."""

    code: int | None
    at: float


Event = Wrote | Cut | Made | Removed | Synced | Failed | Acked | Delivered | Ended


class _Call(NamedTuple):
    """One system call; `begun` and `ended` are the numbers of its lines."""

    begun: int
    ended: int
    at: float
    name: bytes
    words: bytes
    result: bytes


def events(path: Path, folder: Path) -> list[Event]:
    """Return what happened to the files in a folder, and what peers were told, in order."""
    found: list[tuple[int, Event]] = []
    peers = _Peers()
    files = _Files(str(folder))
    for call in _calls(path):
        if call.name in _PEERS:
            found += [(call.begun, event) for event in peers.understand(call)]
        else:
            found += [(call.ended, event) for event in files.understand(call)]
    found.sort(key=lambda pair: pair[0])
    return [event for _, event in found]


def _calls(path: Path) -> Iterator[_Call]:
    """Return the calls in the order in which they returned; those that did not are left out."""
    begun: dict[bytes, tuple[int, float, bytes]] = {}
    with path.open("rb") as lines:
        for number, line in enumerate(lines):
            match = _LINE.fullmatch(line)
            if match is None:
                raise AssertionError(f"the trace has a line that nobody reads: {line[:200]!r}")
            task, time, text = match[1], float(match[2]), match[3]
            first = number
            if text.startswith(b"<... "):
                first, _, before = begun.pop(task)
                text = before + text.partition(b" resumed>")[2]
            if text.endswith(b" <unfinished ...>"):
                begun[task] = number, time, text[: -len(b" <unfinished ...>")]
            elif text.startswith(b"+++ "):
                yield _Call(first, number, time, b"+++", text, b"")
            elif not text.startswith(b"--- "):
                words, _, result = text.rpartition(b" = ")
                name, _, words = words.partition(b"(")
                yield _Call(first, number, time, name, words, result)


def _texts(words: bytes) -> list[bytes]:
    """Return the strings among a call's arguments."""
    return [_plain(each) for each in _TEXT.findall(words)]


def _plain(text: bytes) -> bytes:
    return bytes.fromhex(text.replace(b"\\x", b"").decode())


_PEERS = frozenset({b"sendto", b"recvfrom", b"accept4", b"sendmsg"})
_UNKNOWN = frozenset(
    {b"pwritev", b"pwritev2", b"writev", b"fallocate", b"copy_file_range", b"sync_file_range",
     b"msync", b"rename", b"renameat", b"renameat2", b"link", b"linkat", b"truncate"}
)  # fmt: skip
"""Calls that no server made so far.  If one does, this file has to learn what it means."""


class _Files:
    """What calls do to the files in a folder, and to that folder's own name."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._places: dict[bytes, int] = {}  # where the next `write` goes, by descriptor

    def understand(self, call: _Call) -> Iterator[Event]:
        name, words, result = call.name, call.words, call.result
        if result == b"?":
            return  # killed in the midst of it
        if name == b"+++":
            if b"exited with" in words:
                yield Ended(int(words.split()[3]), call.at)
            return
        if name in (b"openat", b"open", b"creat", b"mkdir", b"mkdirat", b"unlink", b"unlinkat"):
            path = os.path.normpath(_texts(words)[0].decode())
            if not self._inside(path) or result.startswith(b"-1"):
                return
            if name in (b"unlink", b"unlinkat"):
                yield Removed(path)
            elif name in (b"mkdir", b"mkdirat"):
                yield Made(path, folder=True)
            else:
                self._places[result.partition(b"<")[0]] = 0
                if b"O_CREAT" in words:
                    yield Made(path, folder=False)
                if b"O_TRUNC" in words:
                    yield Cut(path, 0)
            return
        match = _DESCRIPTOR.match(words)
        path = _plain(match[2]).decode(errors="replace") if match else ""
        # the folder's parent counts: whoever makes a folder has to sync the name of it
        if match is None or not (self._inside(path) or path == os.path.dirname(self.folder)):
            return
        if name in (b"fsync", b"fdatasync"):
            yield Synced(path) if result.startswith(b"0") else Failed(path, call.at)
        elif name in _UNKNOWN:
            raise AssertionError(f"the trace has a call that nobody reads: {name!r} of {path}")
        elif result.startswith(b"-1"):
            yield Failed(path, call.at)
        elif name == b"pwrite64":
            data = _texts(words)[0][: int(result.split()[0])]
            yield Wrote(path, int(words.rpartition(b", ")[2].rstrip(b")")), data)
        elif name == b"write":
            data = _texts(words)[0][: int(result.split()[0])]
            place = self._places.get(match[1], 0)
            self._places[match[1]] = place + len(data)
            yield Wrote(path, place, data)
        elif name == b"ftruncate":
            yield Cut(path, int(words.rpartition(b", ")[2].rstrip(b")")))

    def _inside(self, path: str) -> bool:
        return path == self.folder or path.startswith(self.folder + "/")


class _Peers:
    """What peers are told; a connection is known by the number of its socket."""

    def __init__(self) -> None:
        self._clients: dict[bytes, str] = {}
        self._streams: dict[bytes, bytes] = {}

    def understand(self, call: _Call) -> Iterator[Event]:
        match = _DESCRIPTOR.match(call.words)
        texts = _texts(call.words)
        if match is None or not texts or call.result.startswith(b"-1"):
            return
        if call.name == b"sendmsg":
            raise AssertionError("the trace has a call that nobody reads: sendmsg")
        socket = match[2]
        if call.name == b"recvfrom":
            client = _CLIENT.search(texts[0])
            if client is not None:
                self._clients.setdefault(socket, client[1].decode())
        elif call.name == b"sendto":
            # killed in the midst of it, it may have told everything
            whole = call.result == b"?"
            sent = texts[0] if whole else texts[0][: int(call.result.split()[0])]
            yield from self._told(socket, self._streams.get(socket, b"") + sent)

    def _told(self, socket: bytes, data: bytes) -> Iterator[Event]:
        """Return what the frames in a stream say; a cut off one is kept for the next call."""
        at = 0
        while len(data) - at >= HEADER:
            length, verb, *words = data[at : at + HEADER].split()
            end = at + HEADER + int(length)
            if end > len(data):
                break
            payload = data[at + HEADER : end]
            client = self._clients.get(socket)
            if verb == b"ACK" and client:
                yield Acked(client, int(words[0]))
            elif verb == b"WELCOME" and client:
                yield Acked(client, json.loads(payload)["last_id"])
            elif verb == b"MSG":
                yield Delivered(words[0].decode(), int(words[1]), said_in(payload))
            at = end
        self._streams[socket] = data[at:]

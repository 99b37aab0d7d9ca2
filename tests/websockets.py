"""WebSocket by hand (RFC 6455), for tests: frames in and out, and a peer with a socket's face.

Law of this file: it shares no code with the server's side, and may break every rule on purpose.
"""

from __future__ import annotations

import base64
import hashlib
import random
import socket
from typing import Final, NamedTuple

from tests.connecting import connected

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY: Final = base64.b64encode(bytes(range(16)))
_MASKS = random.Random(6455)


def handshake(path: str = "/ws", **headers: str) -> bytes:
    """Return a right handshake, with headers added or, if they have no text, left out."""
    given = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY.decode(),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = [
        f"GET {path} HTTP/1.1",
        *(f"{name}: {value}" for name, value in given.items() if value),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def accepted(answer: bytes) -> bool:
    """Return whether an answer's head accepts that handshake."""
    token = hashlib.sha1(KEY + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return answer.startswith(b"HTTP/1.1 101 ") and base64.b64encode(token) in answer


def masked(
    payload: bytes = b"",
    code: int = BINARY,
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = None,
    size: bytes | None = None,
) -> bytes:
    """Return a frame as clients send them; `mask` b"" leaves it bare, `size` tells it falsely."""
    mask = _MASKS.randbytes(4) if mask is None else mask
    if size is None:
        length = len(payload)
        if length < 126:
            size = bytes([length])
        elif length < 1 << 16:
            size = b"\x7e" + length.to_bytes(2, "big")
        else:
            size = b"\x7f" + length.to_bytes(8, "big")
    size = bytes([size[0] | (0x80 if mask else 0)]) + size[1:]
    if mask:
        stream = (mask * (len(payload) // 4 + 1))[: len(payload)]
        payload = (
            int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")
        ).to_bytes(len(payload), "big")  # fmt: skip
    return bytes([(0x80 if fin else 0) | rsv << 4 | code]) + size + mask + payload


def close(code: int = 1000, reason: bytes = b"") -> bytes:
    """Return a Close of the client's."""
    return masked(code.to_bytes(2, "big") + reason, CLOSE)


class Frame(NamedTuple):
    """A frame of the server's: whether it ends its message, its kind, and what it holds."""

    fin: bool
    code: int
    payload: bytes


def parsed(data: bytes) -> tuple[list[Frame], bytes]:
    """Return the whole frames at the front of some bytes, and the rest.

    Raises `AssertionError` for what a server must not send.
    """
    frames = []
    while len(data) >= 2:
        first, size = data[0], data[1]
        assert not first & 0x70, f"reserved bits in {data[:4]!r}"
        assert not size & 0x80, f"a server's frames are bare, not {data[:4]!r}"
        begin = 2
        if size >= 126:
            wide = 2 if size == 126 else 8
            if len(data) < 2 + wide:
                break
            begin += wide
            size = int.from_bytes(data[2:begin], "big")
        if len(data) < begin + size:
            break
        frames.append(Frame(bool(first & 0x80), first & 0x0F, data[begin : begin + size]))
        data = data[begin + size :]
    return frames, data


class WebSocketPeer:
    """A client with the face of a socket: what is sent is one message, a half-close is a Close."""

    def __init__(self, address: tuple[str, int], patience: float, *, pieces: int = 0) -> None:
        """Connect; what is sent is cut into about so many fragments, with pings in between."""
        self.socket = connected(address, patience)
        self.code: int | None = None
        self._pieces = pieces
        self._ahead = self._data = b""
        self._ended = False
        self.socket.sendall(handshake())
        answer = b""
        while b"\r\n\r\n" not in answer:
            more = self.socket.recv(4096)
            assert more, answer
            answer += more
        head, _, self._ahead = answer.partition(b"\r\n\r\n")
        assert accepted(head), head

    def __enter__(self) -> WebSocketPeer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def settimeout(self, seconds: float) -> None:
        """Have reads fail after so many seconds."""
        self.socket.settimeout(seconds)

    def sendall(self, data: bytes) -> None:
        """Send a message, whole or in fragments with pings in between."""
        if not self._pieces:
            self.socket.sendall(masked(data))
            return
        size = len(data) // self._pieces + 1
        pieces = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
        frames = b""
        for number, piece in enumerate(pieces):
            code = CONTINUATION if number else BINARY
            frames += masked(piece, code, fin=number == len(pieces) - 1) + masked(b"?", PING)
        self.socket.sendall(frames)

    def shutdown(self, how: int) -> None:
        """Say that nothing more comes."""
        assert how == socket.SHUT_WR
        self.socket.sendall(close())

    def recv(self, count: int) -> bytes:
        """Return some bytes of the stream, or none at its end."""
        while not self._data and not self._ended:
            frames, self._ahead = parsed(self._ahead)
            for frame in frames:
                self._take(frame)
            if not frames:
                more = self.socket.recv(1 << 16)
                assert more, "the connection ended without a Close"
                self._ahead += more
        data, self._data = self._data[:count], self._data[count:]
        return data

    def _take(self, frame: Frame) -> None:
        if frame.code == CLOSE:
            self.code = int.from_bytes(frame.payload[:2], "big") or None
            self._ended = True
            self._end()
        elif frame.code == PING:
            self.socket.sendall(masked(frame.payload, PONG))
        elif frame.code != PONG:
            assert frame.code in (BINARY, CONTINUATION), frame
            self._data += frame.payload

    def _end(self) -> None:
        """Answer Close, and see that the server ends the connection."""
        try:
            self.socket.sendall(close())
            while self.socket.recv(4096):
                pass
        except OSError:
            pass  # it was gone before the answer came

    def close(self) -> None:
        """Close."""
        self.socket.close()

"""Clients of this protocol's wider family, written as people write them: sockets, no library.

The clients here are deliberately naive; what they get away with is what the server promises.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.connecting import connected
from tests.integration.conftest import PATIENCE, ServerProcess

Start = Callable[..., ServerProcess]

FORMAT = "utf-8"
DISCONNECT_MESSAGE = "!DISCONNECT!"
JOIN = b"0".ljust(128)
"""What a client sends that only listens: an empty frame."""


def connect(server: ServerProcess) -> socket.socket:
    """Connect; reads fail, rather than hang, when nothing comes."""
    return connected(("127.0.0.1", server.port), PATIENCE)


def settle(server: ServerProcess) -> None:
    """Wait until the server has processed what was sent before, on whatever connection.

    Nothing answers a plain frame, so two newcomers, one after the other, send what every
    server refuses and read the refusal to its end.  Connections are accepted in order, and one
    turn of the server's loop reads all that are readable: the turn after the first refusal
    began when everything sent before (up to 64 KiB for each connection) had been read.
    """
    for _ in range(2):
        with connect(server) as newcomer:
            newcomer.sendall(b"?" * 2048)  # not a header, however wide it is
            while newcomer.recv(4096):
                pass


def frame(payload: bytes) -> bytes:
    return f"{len(payload):<128}".encode() + payload


def read_frame(client: socket.socket) -> bytes:
    """Read one message as careful people do."""
    return exactly(client, int(exactly(client, 128)))


def exactly(client: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = client.recv(count - len(data))
        assert piece, f"the stream ended after {data!r}"
        data += piece
    return data


def to_the_end(client: socket.socket) -> bytes:
    data = b""
    while piece := client.recv(65536):
        data += piece
    return data


def join(server: ServerProcess, *clients: socket.socket) -> None:
    """Have clients become members of the room."""
    for client in clients:
        client.sendall(JOIN)
    settle(server)


# -- the original, and its nearest relatives -----------------------------------


def tutorial_send(client: socket.socket, msg: str, header: int = 128) -> None:
    """The original tutorial's function, line for line."""
    message = msg.encode(FORMAT)
    msg_length = len(message)
    send_length = str(msg_length).encode(FORMAT)
    send_length += b" " * (header - len(send_length))
    client.send(send_length)
    client.send(message)


def tutorial_receive(client: socket.socket, header: int = 128) -> str:
    """The original tutorial's other half: `recv` once and hope, `int` of what came."""
    msg_length = int(client.recv(header).decode(FORMAT))
    return client.recv(msg_length).decode(FORMAT)


def test_the_original_scripts(server: ServerProcess) -> None:
    with connect(server) as alice, connect(server) as bob:
        join(server, bob)
        for text in ("Hello World!", "Grüße", "Hello Tim!"):
            tutorial_send(alice, text)
            assert tutorial_receive(bob) == text
        tutorial_send(bob, "and back")
        assert tutorial_receive(alice) == "and back"
        tutorial_send(alice, DISCONNECT_MESSAGE)
        assert to_the_end(alice) == b""
        tutorial_send(bob, DISCONNECT_MESSAGE)
        assert to_the_end(bob) == b""  # alice's last word was not for bob


def test_64_byte_headers_with_an_unframed_reply(start: Start) -> None:
    server = start("--header-size", "64", "--plain-reply", "Msg received")
    with connect(server) as client, connect(server) as other:
        for text in ("Hello World!", "Hello Everyone!", "", "Hello Tim!"):
            tutorial_send(client, text, header=64)
            assert client.recv(2048).decode(FORMAT) == "Msg received"
        tutorial_send(other, "me too", header=64)
        assert other.recv(2048).decode(FORMAT) == "Msg received"
        tutorial_send(client, DISCONNECT_MESSAGE, header=64)
        assert client.recv(2048).decode(FORMAT) == "Msg received"
        assert client.recv(2048) == b""
        tutorial_send(other, DISCONNECT_MESSAGE, header=64)
        assert to_the_end(other) == b"Msg received"  # and no message of the first client


def test_a_reply_for_each_of_many_messages_in_one_piece(start: Start) -> None:
    server = start("--plain-reply", "ok\n")
    with connect(server) as client:
        client.sendall(b"".join(frame(b"line %d" % i) for i in range(500)))
        client.sendall(frame(DISCONNECT_MESSAGE.encode()))
        assert to_the_end(client) == b"ok\n" * 501


@pytest.mark.parametrize(
    "header",
    [
        lambda length: str(length).zfill(128).encode(),
        lambda length: b"%128d" % length,
        lambda length: b"%-128d" % length,
        lambda length: str(length).zfill(10).center(128).encode(),
    ],
    ids=["zero-padded", "right-aligned", "left-aligned", "centred"],
)
def test_lengths_however_they_are_padded(
    server: ServerProcess, header: Callable[[int], bytes]
) -> None:
    with connect(server) as sender, connect(server) as reader:
        join(server, reader)
        for payload in (b"x", b"0123456789" * 7, b"7" * 128, b"\0\xff\n" * 3000):
            sender.sendall(header(len(payload)) + payload)
            assert read_frame(reader) == payload


@pytest.mark.parametrize("width", [4, 10, 16, 64, 256, 1024, 2048])
def test_every_width_of_the_family(start: Start, width: int) -> None:
    server = start("--header-size", str(width))
    with connect(server) as alice, connect(server) as bob:
        tutorial_send(bob, "", header=width)
        settle(server)
        tutorial_send(alice, "hello", header=width)
        assert exactly(bob, width + 5) == b"5".ljust(width) + b"hello"


def test_recv_once_and_hope(server: ServerProcess) -> None:
    """A small frame comes in one piece, header and payload together."""
    with connect(server) as sender, connect(server) as hopeful:
        join(server, hopeful)
        for size in (1, 5, 128, 500, 1024):
            sender.sendall(frame(b"x" * size))
            assert hopeful.recv(4096) == frame(b"x" * size)


def test_a_reader_that_takes_a_header_and_leaves_the_payload_for_later(
    server: ServerProcess,
) -> None:
    with connect(server) as sender, connect(server) as reader:
        join(server, reader)
        sender.sendall(frame(b"one") + frame(b"two"))
        assert int(reader.recv(128)) == 3
        sender.sendall(frame(b"three"))
        assert exactly(reader, 3) == b"one"
        assert [read_frame(reader), read_frame(reader)] == [b"two", b"three"]


# -- many ----------------------------------------------------------------------


def test_200_clients_at_once(server: ServerProcess) -> None:
    count = 200
    all_ready = threading.Barrier(count + 1, timeout=PATIENCE)
    all_joined = threading.Barrier(count + 1, timeout=PATIENCE)
    all_may_speak = threading.Barrier(count + 1, timeout=PATIENCE)

    def client(number: int) -> list[bytes]:
        all_ready.wait()
        with connect(server) as me:
            me.sendall(JOIN)
            all_joined.wait()
            all_may_speak.wait()
            me.sendall(frame(b"from %d" % number))
            return [read_frame(me) for _ in range(count - 1)]

    with ThreadPoolExecutor(count) as pool:
        clients = [pool.submit(client, number) for number in range(count)]
        all_ready.wait()
        all_joined.wait()
        settle(server)
        all_may_speak.wait()
        heard = [each.result() for each in clients]

    everything = {b"from %d" % number for number in range(count)}
    for number, messages in enumerate(heard):
        assert set(messages) == everything - {b"from %d" % number}
    # one order for all: whatever two members both heard, they heard in the same order
    first, second = heard[0], heard[1]
    both = set(first) & set(second)
    assert [m for m in first if m in both] == [m for m in second if m in both]


# -- strange ways to send ------------------------------------------------------


def test_one_byte_at_a_time(server: ServerProcess) -> None:
    with connect(server) as sender, connect(server) as reader:
        join(server, reader)
        for payload in (b"hello", b"", b"5".ljust(128)):
            for byte in frame(payload):
                sender.send(bytes([byte]))
        sender.sendall(frame(b"end"))
        assert read_frame(reader) == b"hello"
        assert read_frame(reader) == b"5".ljust(128)
        assert read_frame(reader) == b"end"


def test_many_frames_in_one_send(server: ServerProcess) -> None:
    payloads = [b"%d " % i * (i % 97) for i in range(3000)]
    with connect(server) as sender, connect(server) as reader:
        join(server, reader)
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(sender.sendall, b"".join(map(frame, payloads)))
            for payload in filter(None, payloads):  # empty ones are keep-alives
                assert read_frame(reader) == payload
            sending.result()


def test_a_frame_split_everywhere(server: ServerProcess) -> None:
    data = frame(b"split me")
    with connect(server) as sender, connect(server) as reader:
        join(server, reader)
        for at in range(len(data) + 1):
            sender.sendall(data[:at])
            if at % 17 == 0:
                settle(server)  # so that the server sees the two parts apart
            sender.sendall(data[at:])
            assert read_frame(reader) == b"split me"


def test_a_message_of_the_largest_size(server: ServerProcess) -> None:
    payload = bytes(range(256)) * 4096  # 1 MiB
    with connect(server) as sender, connect(server) as reader:
        join(server, reader)
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(sender.sendall, frame(payload))
            assert read_frame(reader) == payload
            sending.result()


# -- strange ways to leave -----------------------------------------------------


def test_a_half_close_after_sending(server: ServerProcess) -> None:
    """As `printf ... | nc -N` does: everything is processed, and then the server closes too."""
    payloads = [b"message %d" % i for i in range(1000)]
    with connect(server) as reader:
        join(server, reader)
        with connect(server) as sender:
            sender.sendall(b"".join(map(frame, payloads)))
            sender.shutdown(socket.SHUT_WR)
            assert to_the_end(sender) == b""
        assert [read_frame(reader) for _ in payloads] == payloads


def test_a_half_close_waits_for_the_replies(start: Start) -> None:
    server = start("--plain-reply", "Msg received")
    with connect(server) as sender:
        sender.sendall(frame(b"one") + frame(b"two") + frame(b"cut off")[:-1])
        sender.shutdown(socket.SHUT_WR)
        assert to_the_end(sender) == b"Msg received" * 2


def test_a_half_close_still_gets_what_the_others_said_before(server: ServerProcess) -> None:
    with connect(server) as sender, connect(server) as listener:
        join(server, listener)
        sender.sendall(frame(b"one") + frame(b"two"))
        settle(server)
        listener.shutdown(socket.SHUT_WR)
        assert to_the_end(listener) == frame(b"one") + frame(b"two")


def test_sending_and_closing_at_once(server: ServerProcess) -> None:
    """No goodbye, no half-close: the program just ends."""
    with connect(server) as reader:
        join(server, reader)
        with connect(server) as sender:
            sender.sendall(frame(b"first") + frame(b"last"))
        assert [read_frame(reader), read_frame(reader)] == [b"first", b"last"]


def vanish(client: socket.socket) -> None:
    """Close with a reset: no goodbye of any kind."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_one_that_vanishes_while_others_go_on(server: ServerProcess) -> None:
    with connect(server) as alice, connect(server) as bob:
        join(server, alice, bob)
        for number in range(30):
            member, cut_off, silent = connect(server), connect(server), connect(server)
            member.sendall(frame(b"I am %d" % number))
            assert read_frame(alice) == read_frame(bob) == b"I am %d" % number
            cut_off.sendall(frame(b"never finished")[:-1])
            for client in (member, cut_off, silent):
                vanish(client)
            alice.sendall(frame(b"still here"))
            assert read_frame(bob) == b"still here"
            bob.sendall(frame(b"so am I"))
            assert read_frame(alice) == b"so am I"


def test_one_that_vanishes_with_unread_messages(server: ServerProcess) -> None:
    with connect(server) as alice, connect(server) as bob:
        deaf = connect(server)
        join(server, bob, deaf)
        payloads = [b"%d" % i * 1000 for i in range(1000)]
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(alice.sendall, b"".join(map(frame, payloads)))
            for number, payload in enumerate(payloads):
                assert read_frame(bob) == payload
                if number == 500:
                    vanish(deaf)
            sending.result()

"""What a real server does when something happens to the files of its store."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import PATIENCE, ServerProcess
from twisted_msg.service import BROKEN_STORE


def acknowledged(peer: socket.socket, number: int) -> bool:
    """Publish with an id; return whether the acknowledgement comes before the connection ends."""
    try:
        peer.sendall(b"%-128b" % (b"0 PUB lobby %d" % number))
        answer = b""
        while len(answer) < 128:
            data = peer.recv(128 - len(answer))
            if not data:
                return False
            answer += data
    except ConnectionError:
        return False
    return answer.split()[:3] == [b"0", b"ACK", b"%d" % number]


@pytest.mark.parametrize("gone", ["folder", "log.sqlite3", "log.sqlite3-wal", "lock", "moved"])
def test_store_removed_under_a_server(
    start: Callable[..., ServerProcess], tmp_path: Path, gone: str
) -> None:
    """The server notices, acknowledges nothing more and ends with its code for a broken store."""
    folder = tmp_path / "store"
    server = start("--data-dir", str(folder))
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as peer:
        assert acknowledged(peer, 1)
        if gone == "folder":
            shutil.rmtree(folder)
        elif gone == "moved":
            os.rename(folder, tmp_path / "elsewhere")
        else:
            (folder / gone).unlink()
        deadline = time.monotonic() + PATIENCE
        number = 2
        while acknowledged(peer, number):
            assert time.monotonic() < deadline, "it goes on acknowledging"
            number += 1
    assert server.stop(0) == BROKEN_STORE
    assert "was removed (No such file or directory) while the server used it; put" in server.output

"""The page over TLS: Chromium offers `h2` and `http/1.1` by ALPN, for a WebSocket `http/1.1`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.browser.conftest import Person
from tests.certificates import make_certificate
from tests.integration.conftest import ServerProcess


def test_two_people_talk(
    start: Callable[..., ServerProcess], person: Callable[..., Person], tmp_path: Path
) -> None:
    server = start("--listen", make_certificate(tmp_path))
    alice, bob = (
        person(server, scheme="https", ignore_https_errors=True).come(name)
        for name in ("alice", "bob")
    )
    alice.tell("hello")
    bob.sees("hello")

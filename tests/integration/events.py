"""An EventSource for tests: it comes back by itself, as browsers do, and says what it was sent."""

from __future__ import annotations

import http.client
import json
import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

from tests.integration.conftest import PATIENCE, ServerProcess


class EventSource:
    """Follows a room over however many connections, in a thread of its own.

    `came` gets each message's row, `missed` each gap's, `answered` a word for each connection
    once it is answered.
    """

    def __init__(self, server: ServerProcess, path: str) -> None:
        self._server = server
        self._path = path
        self._last = ""
        self._retry = 0.05
        self._over = threading.Event()
        self._socket: socket.socket | None = None
        self.came: queue.Queue[Any] = queue.Queue()
        self.missed: list[Any] = []
        self.answered: queue.Queue[None] = queue.Queue()
        self.live = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Follow no more."""
        self._over.set()
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread from its reading
        self._thread.join(PATIENCE)

    def take(self, count: int) -> list[Any]:
        """Return the next messages."""
        return [self.came.get(timeout=PATIENCE) for _ in range(count)]

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._follow()
            except (OSError, http.client.HTTPException, ValueError):
                pass  # the server is away, or was killed within an event
            self._over.wait(self._retry)

    def _follow(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=PATIENCE)
        with closing(connection):
            connection.connect()
            self._socket = connection.sock
            if self._over.is_set():
                return
            headers = {"Last-Event-ID": self._last} if self._last else {}
            connection.request("GET", self._path, headers=headers)
            with closing(connection.getresponse()) as answer:
                assert answer.status == 200, answer.read()
                self.answered.put(None)
                self._read(answer)

    def _read(self, answer: http.client.HTTPResponse) -> None:
        for event in events(answer):
            self._last = event.get("id", self._last)
            if event.get("event") == "message":
                self.came.put(json.loads(event["data"]))
            elif event.get("event") == "missed":
                self.missed.append(json.loads(event["data"]))
            elif event.get("event") == "live":
                self.live.set()


def events(lines: Any) -> Iterator[dict[str, str]]:
    """Return the events of a stream, each when its blank line has come."""
    event: dict[str, str] = {}
    for line in lines:
        text = line.decode().rstrip("\n")
        if not text:
            yield event
            event = {}
        elif not text.startswith(":"):
            field, _, value = text.partition(": ")
            event[field] = value

"""Idempotency keys: a request that is sent again is stored once.

Law of this file: a key is a client of its own, which publishes one message with the id 1;
what the store remembers of clients, and for how long, is all there is to it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from hashlib import blake2b
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred, DeferredLock

from twisted_msg.web.api.exchange import wrong

T = TypeVar("T")

MAX_KEY: Final = 255
"""Bytes of the longest key: above every UUID and digest that people use."""

_PERSON: Final = b"tcpmsg-http-key"
"""Keeps these digests apart from those of the same bytes made elsewhere."""


def client_of(room: str, key: bytes) -> str:
    """Return the client that a key stands for in a room.  Raises `ProtocolError`.

    It differs from room to room, for an answer must not name a message of another one.
    """
    if not 1 <= len(key) <= MAX_KEY:
        raise wrong(f"an Idempotency-Key has 1 to {MAX_KEY} bytes, not {len(key)}")
    return blake2b(room.encode() + b"\n" + key, digest_size=24, person=_PERSON).hexdigest()


class Turns:
    """Lets those with the same key do what they do one after another."""

    def __init__(self) -> None:
        self._locks: dict[str, DeferredLock] = {}

    async def take(self, key: str, work: Callable[[], Coroutine[Deferred[Any], Any, T]]) -> T:
        """Do something when all who came before with this key are done; return its result."""
        lock = self._locks.setdefault(key, DeferredLock())
        try:
            result: T = await lock.run(lambda: Deferred.fromCoroutine(work()))
        finally:
            if not (lock.locked or lock.waiting):
                self._locks.pop(key, None)
        return result

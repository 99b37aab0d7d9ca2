"""Publishers that wait because there is no room for what they say.

Law of this file: whoever is held is released exactly once, in the order of coming, and
what a released one says may fill the room again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Publisher(Protocol):
    """Who publishes, or may: what a room needs to know of a sender."""

    def hold(self) -> None:
        """There is no room: publish nothing more for now."""
        ...

    def release(self) -> None:
        """There is room for more."""
        ...


class Holds:
    """The publishers that wait for one thing; `full` says whether they must."""

    __slots__ = ("_full", "_held", "_releasing")

    def __init__(self, full: Callable[[], bool]) -> None:
        self._full = full
        self._held: dict[Publisher, None] = {}
        self._releasing = False

    def hold(self, publisher: Publisher) -> None:
        """Ask a publisher to wait, once."""
        if publisher not in self._held:
            self._held[publisher] = None
            publisher.hold()

    def forget(self, publisher: Publisher) -> None:
        """Forget a publisher that is gone."""
        self._held.pop(publisher, None)

    def release(self) -> None:
        """Let those go on who wait, until it is full again."""
        if not self._held or self._releasing:
            return  # nobody waits, or what one that was released says leads here again
        self._releasing = True
        try:
            while self._held and not self._full():
                publisher = next(iter(self._held))
                del self._held[publisher]
                publisher.release()
        finally:
            self._releasing = False

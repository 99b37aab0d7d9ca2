"""Who is called what: a name belongs to one connection at a time.

Law of this file: a taken name is cut and numbered until it is free, and nobody is left
without one.
"""

from __future__ import annotations

from itertools import count
from typing import Final, Generic, TypeVar

LONGEST: Final = 24
"""Characters of the longest name; see `wire.names`."""

Bearer = TypeVar("Bearer")


class Names(Generic[Bearer]):
    """The names that are taken, and by whom."""

    def __init__(self) -> None:
        self._bearers: dict[str, Bearer] = {}

    def claim(self, wanted: str, bearer: Bearer) -> str:
        """Return the name that a bearer gets: the one it wants, numbered if that is taken."""
        name = wanted
        for number in count(2):
            if name not in self._bearers:
                break
            name = f"{wanted[: LONGEST - 1 - len(str(number))]}-{number}"
        self._bearers[name] = bearer
        return name

    def release(self, name: str, bearer: Bearer) -> None:
        """Give a name back, if it is the bearer's."""
        if self._bearers.get(name) is bearer:
            del self._bearers[name]

    def bearer(self, name: str) -> Bearer | None:
        """Return who has a name."""
        return self._bearers.get(name)

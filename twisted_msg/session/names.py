"""Who is called what: a name belongs to one connection at a time.

Law of this file: a taken name is cut and numbered until it is free, and nobody is left
without one.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

LONGEST: Final = 24
"""Characters of the longest name; see `wire.names`."""

FEW: Final = 16
"""Bearers of one name among whom the lowest free number is looked for.  Behind them a number
is found by halving: else each of ten thousand that want one name would try thousands."""

Bearer = TypeVar("Bearer")


class Names(Generic[Bearer]):
    """The names that are taken, and by whom."""

    def __init__(self) -> None:
        self._bearers: dict[str, Bearer] = {}

    def claim(self, wanted: str, bearer: Bearer) -> str:
        """Return the name that a bearer gets: the one it wants, numbered if that is taken."""
        name = wanted if wanted not in self._bearers else self._numbered(wanted)
        self._bearers[name] = bearer
        return name

    def release(self, name: str, bearer: Bearer) -> None:
        """Give a name back, if it is the bearer's."""
        if self._bearers.get(name) is bearer:
            del self._bearers[name]

    def bearer(self, name: str) -> Bearer | None:
        """Return who has a name."""
        return self._bearers.get(name)

    def _numbered(self, wanted: str) -> str:
        """Return a free name made of a taken one and a number."""
        for number in range(2, FEW):
            if (name := _cut(wanted, number)) not in self._bearers:
                return name
        taken, free = FEW - 1, FEW
        while _cut(wanted, free) in self._bearers:
            taken, free = free, 2 * free
        while free - taken > 1:
            middle = (taken + free) // 2
            if _cut(wanted, middle) in self._bearers:
                taken = middle
            else:
                free = middle
        return _cut(wanted, free)


def _cut(wanted: str, number: int) -> str:
    """Return a name with a number behind it, cut so that both fit."""
    return f"{wanted[: LONGEST - 1 - len(str(number))]}-{number}"

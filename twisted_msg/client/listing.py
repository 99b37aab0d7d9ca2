"""Lists as a server sends them: as much as fits its limit for one answer.

Law of this file: a list that was cut says by how much.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


class Listing(list[T]):
    """What a server listed: a list, behind whose end the server left out `cut` more entries."""

    def __init__(self, entries: Iterable[T] = (), cut: int = 0) -> None:
        """Take the entries, and how many more there are."""
        super().__init__(entries)
        self.cut = cut

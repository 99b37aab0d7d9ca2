"""How faults are planted: a register of contexts in which the product lacks a part.

Law of this file: what is replaced is put back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest import mock

Planted = AbstractContextManager[None]
FAULTS: dict[str, Callable[[], Planted]] = {}


def planted(fault: Callable[[], Iterator[None]]) -> Callable[[], Planted]:
    """Register a fault under its name, with dashes."""
    made = contextmanager(fault)
    FAULTS[fault.__name__.replace("_", "-")] = made
    return made


@contextmanager
def instead(owner: Any, **names: Any) -> Iterator[None]:
    """Have other functions in the place of an owner's."""
    with mock.patch.multiple(owner, **names):
        yield

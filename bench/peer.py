"""What a server is to the generator: how it is started, and the bytes that are said to it.

Law of this file: bytes and command lines only.  Sockets, pacing, counting and statistics
are the same for all.
"""

from __future__ import annotations

import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

from bench.counting import Counter, Delivery

ROOT: Final = Path(__file__).parents[1]
"""The checkout."""


class Step(NamedTuple):
    """A part of a dialogue: what is sent, and what must be in the answer (nothing: no wait)."""

    send: bytes
    awaited: bytes = b""


class Peer(ABC):
    """A server; its defaults are those of one that needs no word before it serves."""

    name = ""
    shown = ""
    note = ""
    program = ""
    """The executable that it needs, looked for beside this interpreter and on the path."""

    kinds: ClassVar[frozenset[str]] = frozenset({"memory"})
    """What it takes part in: "memory" (nothing is stored), "durable", "plain"."""

    barrier: Step | None = None
    """A question that is answered when all before it was read; None: half-close and wait."""

    variables: ClassVar[dict[str, str]] = {}

    def found(self) -> str | None:
        """Return where its program is, None if it is not here."""
        beside = Path(sys.executable).with_name(self.program)
        return str(beside) if beside.is_file() else shutil.which(self.program)

    @abstractmethod
    def command(self, port: int, folder: Path) -> list[str]:
        """Return the command that starts it; it may write into `folder`."""

    def version(self) -> list[str] | None:
        """Return a command that prints its version first, None if it has that of this project."""
        return None

    def setup(self) -> list[Step]:
        """Return the dialogue of a first connection, before all others."""
        return []

    def greeting(self, number: int) -> list[Step]:
        """Return how connection `number` begins."""
        return []

    def joining(self) -> list[Step]:
        """Return how a connection becomes a member, behind its greeting."""
        return []

    @abstractmethod
    def publication(self, payload: bytes) -> bytes:
        """Return the bytes that publish a payload, not to be acknowledged."""

    @abstractmethod
    def delivery(self, size: int) -> Delivery:
        """Return what a delivery of so many bytes of payload is on the wire."""

    def answers(self) -> list[Step]:
        """Return how a publisher has acknowledgements sent to it, behind its greeting."""
        return []

    def acknowledged(self, size: int) -> tuple[Iterator[bytes], Counter, int]:
        """Return publications that are acknowledged, in blocks, who counts that, a length.

        The length is that of one publication in bytes, the same for all.
        """
        raise TypeError(f'{self.name} acknowledges nothing, so it is not of kind "durable"')

"""Lines out of a stream of bytes, and the check before they are sent.

Law of this file: a line is what stands between line feeds, byte for byte; how the
stream is cut changes nothing.  No Twisted here.
"""

from __future__ import annotations

from typing import Final

from twisted_msg.cli.exits import UsageError

MAX_LINE: Final = 64 * 1024 * 1024
"""Bytes of the longest line, and of the whole input with `--whole`: far above what servers
take, and bounded, for a file without line feeds must not fill the memory."""


class Lines:
    """An incremental splitter."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that these bytes complete, without their line feeds.

        Raises `UsageError` for a line above `MAX_LINE`.
        """
        first, *others = data.split(b"\n")
        self._rest += first
        if not others:
            if len(self._rest) > MAX_LINE:
                raise UsageError(f"a line is longer than {MAX_LINE} bytes; send it in pieces")
            return []
        lines = [bytes(self._rest), *others[:-1]]
        self._rest = bytearray(others[-1])
        return lines

    def end(self) -> list[bytes]:
        """Return the last line if it had no line feed."""
        rest, self._rest = bytes(self._rest), bytearray()
        return [rest] if rest else []

"""What `tcpmsg send` sends: messages of the command line or of standard input.

Law of this file: input is read only when somebody asks for more, so that a fast writer
waits and no memory fills.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from twisted_msg.cli.exits import UsageError
from twisted_msg.cli.lines import MAX_LINE, Lines
from twisted_msg.cli.streams import Input

Source = AsyncIterator[list[bytes]]
"""Messages to send, some at a time, as they stand in the input; empty ones are counted."""


async def single(text: bytes) -> Source:
    """Yield the one message of the command line."""
    yield [text]


async def by_line(reactor: Any) -> Source:
    """Yield the lines of standard input."""
    lines, source = Lines(), Input(reactor)
    while data := await source.read():
        yield lines.feed(data)
    yield lines.end()


async def whole(reactor: Any) -> Source:
    """Yield all of standard input as one message."""
    content, source = bytearray(), Input(reactor)
    while data := await source.read():
        content += data
        if len(content) > MAX_LINE:
            raise UsageError(f"the input is longer than {MAX_LINE} bytes; nothing was sent")
    yield [bytes(content)]

"""What is said in a chat, and the line that shows it.

Law of this file: every line begins with a time of day, which no notice does, and what
others wrote stands behind it, made visible, its further lines indented: nothing that
somebody writes begins a line as the program's notices do.

Lines of typed members look as in IRC::

    12:34 <alice> hello
    12:34 * alice waves
    12:34 [bob] this is for you alone
    12:34 -> bob: and this for bob alone
    12:34 #dev <alice> hello, in one of several rooms

`/me waves` goes over the wire as the text `* alice waves`: programs, and plain members,
who are told no senders, read it as it is meant.  Only the sender's own name makes it an
action here; anybody else's is shown as the text that it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred

from twisted_msg.cli.colours import Paint
from twisted_msg.cli.text import visible

INDENT = "    "
"""What stands before the further lines of a message."""


class Kind(Enum):
    """What a saying is."""

    TEXT = "said to a room"
    ACTION = "said of oneself with /me"
    DIRECT = "said to this user alone"
    SENT = "said by this user to one member alone"


class Saying(NamedTuple):
    """Something that was said.

    `time` is Unix time in seconds; `sender` is None where the protocol does not tell, and
    for `SENT` it is whom it went to.  `room` is told where several rooms are shown, and
    `own` is true of what this user wrote in this session.
    """

    text: bytes
    time: float
    sender: str | None = None
    kind: Kind = Kind.TEXT
    room: str | None = None
    own: bool = False


class Screen(Protocol):
    """Where a chat shows things; it makes everything harmless."""

    def show(self, saying: Saying) -> Deferred[None] | None:
        """Show what was said; a Deferred fires when there is room for more."""
        ...

    def say(self, notice: str, *, urgent: bool = False) -> None:
        """Show a notice of the program's own; an urgent one is for the quiet ones, too."""
        ...


class Dated:
    """A screen that is told the day where it is not the one of the line before."""

    def __init__(self, screen: Screen, now: Callable[[], float] = time.time) -> None:
        """Take the screen, and what returns Unix time in seconds."""
        self._screen = screen
        self._day = _local("%Y-%m-%d", now())

    def show(self, saying: Saying) -> Deferred[None] | None:
        """Show what was said, under its day."""
        day = _local("%Y-%m-%d", saying.time)
        if day != self._day:
            self._day = day
            self.say(_local("%A %d %B %Y", saying.time) or "a day that is in no calendar")
        return self._screen.show(saying)

    def say(self, notice: str, *, urgent: bool = False) -> None:
        """Show a notice."""
        self._screen.say(notice, urgent=urgent)


def action(name: str, text: bytes) -> bytes:
    """Return what goes over the wire for `/me`."""
    return b"* %s %s" % (name.encode(), text)


def heard(text: bytes, time: float, sender: str, *, room: str | None, own: bool) -> Saying:
    """Return what a typed member said to a room."""
    prefix = action(sender, b"")
    if text.startswith(prefix) and len(text) > len(prefix):
        return Saying(text.removeprefix(prefix), time, sender, Kind.ACTION, room, own)
    return Saying(text, time, sender, Kind.TEXT, room, own)


def written(saying: Saying, paint: Paint = Paint()) -> str:  # noqa: B008 - it cannot change
    """Return the line for what was said, or the lines."""
    text = visible(saying.text, continuation=INDENT)
    head = paint.dim(_local("%H:%M", saying.time) or "--:--")
    if saying.room is not None:
        head += paint.dim(f" #{visible(saying.room)}")
    if saying.sender is None:
        return f"{head} {paint.signed(text)}"
    name = paint.name(visible(saying.sender))
    shape = {
        Kind.TEXT: "<{}> {}",
        Kind.ACTION: "* {} {}",
        Kind.DIRECT: "[{}] {}",
        Kind.SENT: "-> {}: {}",
    }[saying.kind]
    return f"{head} {shape.format(name, text)}"


def _local(shape: str, seconds: float) -> str | None:
    """Return local time, or None for one that is in no calendar: servers may say anything."""
    try:
        return time.strftime(shape, time.localtime(seconds))
    except (OverflowError, ValueError, OSError):
        return None

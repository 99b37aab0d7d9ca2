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
    12:34 -- from alice: PNG image, 3.3 KiB; to save it: tcpmsg recv lobby --from 17 ...

`/me waves` goes over the wire as the text `* alice waves`: programs, and plain members,
who are told no senders, read it as it is meant.  Only the sender's own name makes it an
action here; anybody else's is shown as the text that it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple, Protocol

from twisted.internet.defer import Deferred

from twisted_msg.cli.binary import binary, described
from twisted_msg.cli.colours import Paint
from twisted_msg.cli.text import visible
from twisted_msg.cli.wrapping import INDENT, wrapped

MARK: Final = "-- "
"""What a notice begins with, on a terminal with a line editor."""


class Kind(Enum):
    """What a saying is."""

    TEXT = "said to a room"
    ACTION = "said of oneself with /me"
    DIRECT = "said to this user alone"
    SENT = "said by this user to one member alone"


_OF_TEXT: Final = {
    Kind.TEXT: "<{}>",
    Kind.ACTION: "* {}",
    Kind.DIRECT: "[{}]",
    Kind.SENT: "-> {}:",
}
_OF_DATA: Final = {
    Kind.TEXT: "from {}",
    Kind.ACTION: "from {}",
    Kind.DIRECT: "from {} to you alone",
    Kind.SENT: "to {} alone",
}


class Saying(NamedTuple):
    """Something that was said.

    `time` is Unix time in seconds; `sender` is None where the protocol does not tell, and
    for `SENT` it is whom it went to.  `room` is told where several rooms are shown, and
    `own` is true of what this user wrote in this session.  `save` is the command that saves data,
    if there is one.
    """

    text: bytes
    time: float
    sender: str | None = None
    kind: Kind = Kind.TEXT
    room: str | None = None
    own: bool = False
    save: str = ""


class Screen(Protocol):
    """Where a chat shows things; it makes everything harmless."""

    def show(self, saying: Saying) -> Deferred[None] | None:
        """Show what was said; a Deferred fires when there is room for more."""
        ...

    def say(self, notice: str, *, urgent: bool = False) -> None:
        """Show a notice of the program's own; an urgent one is for the quiet ones, too."""
        ...


class DayScreen(Screen, Protocol):
    """A screen that shows days between the messages."""

    def show_day(self, day: str) -> None:
        """Show the day of the next message.

        It is part of the messages, whose lines have only the time of day: `--quiet` does not hide
        it where messages are read on a terminal.
        """
        ...


class Dated:
    """A screen that shows the day of a message where it is not the one of the line before."""

    def __init__(self, screen: DayScreen, now: Callable[[], float] = time.time) -> None:
        """Take the screen, and what returns Unix time in seconds."""
        self._screen = screen
        self._day = _local("%Y-%m-%d", now())

    def show(self, saying: Saying) -> Deferred[None] | None:
        """Show what was said, under its day."""
        day = _local("%Y-%m-%d", saying.time)
        if day != self._day:
            self._day = day
            self._screen.show_day(
                _local("%A %d %B %Y", saying.time) or "a day that is in no calendar"
            )
        return self._screen.show(saying)

    def say(self, notice: str, *, urgent: bool = False) -> None:
        """Show a notice."""
        self._screen.say(notice, urgent=urgent)


def noticed(notice: str, width: int | None = None) -> str:
    """Return the text of a notice, in lines of at most `width` cells."""
    return MARK + wrapped(visible(notice), width, " " * len(MARK), MARK)


def action(name: str, text: bytes) -> bytes:
    """Return what goes over the wire for `/me`."""
    return b"* %s %s" % (name.encode(), text)


def heard(
    text: bytes, time: float, sender: str, *, room: str | None, own: bool, save: str = ""
) -> Saying:
    """Return what a typed member said to a room."""
    prefix = action(sender, b"")
    if text.startswith(prefix) and len(text) > len(prefix):
        return Saying(text.removeprefix(prefix), time, sender, Kind.ACTION, room, own)
    return Saying(text, time, sender, Kind.TEXT, room, own, save)


def written(
    saying: Saying,
    paint: Paint = Paint(),  # noqa: B008 - it cannot change
    width: int | None = None,
) -> str:
    """Return the text that shows a message, in lines of at most `width` cells.

    What is no text is one line however wide, so that its command can be copied.
    """
    head = _local("%H:%M", saying.time) or "--:--"
    if saying.room is not None:
        head += f" #{visible(saying.room)}"
    name = None if saying.sender is None else visible(saying.sender)
    data = binary(saying.text)
    if data is not None:
        shape = _OF_DATA[saying.kind]
        origin = None if name is None else shape.format(paint.name(name))
        return f"{paint.dim(head)} {described(data, origin, saying.save)}"
    text = visible(saying.text, continuation=INDENT)
    if name is None:
        return f"{paint.dim(head)} {paint.signed(wrapped(text, width, INDENT, f'{head} '))}"
    shape = _OF_TEXT[saying.kind]
    text = wrapped(text, width, INDENT, f"{head} {shape.format(name)} ")
    return f"{paint.dim(head)} {shape.format(paint.name(name))} {text}"


def _local(shape: str, seconds: float) -> str | None:
    """Return local time, or None for one that is in no calendar: servers may say anything."""
    try:
        return time.strftime(shape, time.localtime(seconds))
    except (OverflowError, ValueError, OSError):
        return None

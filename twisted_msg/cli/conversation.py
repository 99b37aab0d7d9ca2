"""What a typed line does, whichever protocol is spoken.

Law of this file: a line is a message, or a slash and a word of the table; whatever is
neither sends nothing, and its author is told what would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from twisted_msg.cli.sayings import Screen
from twisted_msg.settings import nearest


class Wrong(Exception):
    """A slash word was not used as it can be; the text says what is wrong, in one line."""


class Word(NamedTuple):
    """A slash word: how it is used (`/msg NAME TEXT`), what it does, and what does it.

    `act` takes what stands behind the word, without the spaces round it, and raises
    `Wrong` if that cannot be.
    """

    usage: str
    summary: str
    act: Callable[[bytes], None]
    first: Callable[[], Iterable[str]] | None = None
    """Returns what the first argument may be, where it can be completed."""

    @property
    def name(self) -> str:
        """The word itself, with its slash."""
        return self.usage.partition(" ")[0]


class Side(Protocol):
    """One person's side of a conversation: what the protocol spoken makes of it."""

    @property
    def prompt(self) -> str:
        """What stands before the line being typed."""
        ...

    @property
    def words(self) -> Sequence[Word]:
        """The slash words that this protocol has a meaning for."""
        ...

    def people(self) -> Iterable[str]:
        """Return the names that are completed in a text: of those whom it may address."""
        ...

    def text(self, text: bytes) -> None:
        """Send a text to all who are there."""
        ...

    async def room(self) -> None:
        """Wait until another line may be entered."""
        ...

    async def start(self) -> None:
        """Connect, and tell the user where and as whom.  Raises `ClientError`."""
        ...

    async def run(self) -> None:
        """Send and show, for as long as there is a connection or hope; raises what ended it."""
        ...

    async def settle(self) -> None:
        """Wait until everything typed is on its way, if there is a connection."""
        ...

    async def leave(self, timeout: float) -> bool:
        """Say goodbye; return whether all was sent, after telling if it was not.

        Raises `TimedOut` after `timeout` seconds.
        """
        ...

    async def abort(self) -> None:
        """Close at once, and leave nothing running."""
        ...


class After(Enum):
    """What follows on a line that was typed."""

    GO_ON = "go on"
    LEAVE = "leave"


class Conversation:
    """The lines that one person types."""

    def __init__(self, side: Side, screen: Screen) -> None:
        """Take what sends them, and where to tell what is wrong."""
        self._side = side
        self._screen = screen
        self._words = {word.name: word for word in side.words}

    @property
    def prompt(self) -> str:
        """What stands before the line being typed."""
        return self._side.prompt

    async def room(self) -> None:
        """Wait until another line may be entered."""
        await self._side.room()

    def completions(self, before: str) -> tuple[int, list[str]]:
        """Return what the word before the cursor may become, sorted, and how much of it is typed.

        `before` is the line up to the cursor.  In a text, names are completed; after a slash, the
        slash word and its first argument.  What is returned replaces so many last characters.
        """
        line, space, typed = before.rpartition(" ")
        ending = " "
        found: Iterable[str]
        if before.startswith("/") and not before.startswith("//"):
            word = self._words.get(line.strip())
            if not space:
                found = ("/help", "/quit", *self._words)
            elif word is not None and word.first is not None:
                found = word.first()
            elif " " in line.strip():
                found = self._side.people()
            else:
                found = ()
        elif typed:
            found = self._side.people()
            ending = " " if space else ": "
        else:
            found = ()
        if typed[:1] in ("@", "#") and typed:
            typed = typed[1:]
            ending = " "
        fits = [each for each in found if each.casefold().startswith(typed.casefold())]
        return len(typed), [each + ending for each in sorted(fits, key=str.casefold)]

    def enter(self, line: bytes) -> After:
        """Do what a typed line says."""
        if line.startswith(b"/") and not line.startswith(b"//"):
            return self._command(line)
        text = line[1:] if line.startswith(b"//") else line
        if text.strip():
            self._side.text(text)
        return After.GO_ON

    def _command(self, line: bytes) -> After:
        """Do what a line beginning with a slash says."""
        first, *rest = line.split(maxsplit=1)
        name = first.decode(errors="backslashreplace")
        if name == "/quit":
            return After.LEAVE
        if name == "/help":
            self._help()
        elif name in self._words:
            try:
                self._words[name].act(rest[0].strip() if rest else b"")
            except Wrong as error:
                self._screen.say(f"{error} ({self._words[name].usage})", urgent=True)
        else:
            near = nearest(name, ["/help", "/quit", *self._words])
            self._screen.say(
                f"no command {name}; nothing was sent{near or '.'} "
                "/help lists them, //text sends /text",
                urgent=True,
            )
        return After.GO_ON

    def _help(self) -> None:
        """Say what can be typed."""
        completed = "a command"
        if any(word.first is not None for word in self._words.values()):
            completed += ", a room or a name"
        rows = [(word.usage, word.summary) for word in self._words.values()]
        rows += [
            ("/help", "this list"),
            ("/quit", "leave (so does Ctrl-D)"),
            ("//text", "send a message that begins with a slash: /text"),
            ("Tab", f"complete {completed}, in the line editor"),
        ]
        width = max(len(usage) for usage, _ in rows)
        for usage, summary in rows:
            self._screen.say(f"{usage:<{width}}  {summary}", urgent=True)
        self._screen.say("Everything else is sent as it stands.", urgent=True)

"""A chat, whatever it is typed and shown with.

Law of this file: what is typed goes out in order and once, or its author is told; what
comes in is shown through a `Screen`, which makes it harmless.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

from twisted.internet.defer import Deferred

from twisted_msg.client.errors import ClientError
from twisted_msg.client.reconnecting import PlainClient
from twisted_msg.client.sendable import sendable
from twisted_msg.client.waiting import Gate

UNSENT_LIMIT: Final = 100
"""Lines that wait for a connection: more than anybody types while a server restarts, and
few enough to read again what was not sent."""

HELP: Final = (
    "/help         this list",
    "/quit         leave (so does Ctrl-D)",
    "//text        send a message that begins with a slash: /text",
    "Everything else is sent as it stands to all who are there.",
)


class Screen(Protocol):
    """Where a chat shows things."""

    def show(self, message: bytes) -> Deferred[None] | None:
        """Show a message from others; a Deferred fires when there is room for more."""
        ...

    def say(self, notice: str) -> None:
        """Show a notice of the program's own."""
        ...


class After(Enum):
    """What follows on a line that was typed."""

    GO_ON = "go on"
    LEAVE = "leave"


class Conversation:
    """One person's side of a chat."""

    def __init__(
        self,
        client: PlainClient,
        screen: Screen,
        *,
        name: str | None = None,
        check: Callable[[bytes], bytes] = sendable,
    ) -> None:
        """Take the client, the screen, the name to sign with, and what checks a message.

        `check` raises `ValueError` for what cannot be sent.
        """
        self._client = client
        self._screen = screen
        self._prefix = b"" if name is None else f"{name}: ".encode()
        self._check = check
        self._unsent: deque[bytes] = deque()
        self._typed = Gate()
        self._room = Gate(opened=True)
        self._sent = Gate(opened=True)

    @property
    def unsent(self) -> int:
        """How many lines wait for a connection."""
        return len(self._unsent)

    def enter(self, line: bytes) -> After:
        """Do what a typed line says."""
        if line.startswith(b"/") and not line.startswith(b"//"):
            return self._command(line.decode(errors="backslashreplace"))
        text = line[1:] if line.startswith(b"//") else line
        if text.strip():
            self._enqueue(self._prefix + text)
        return After.GO_ON

    async def room(self) -> None:
        """Wait until a line may be entered without being turned away."""
        await self._room.wait()

    async def send(self) -> None:
        """Send what is typed, for as long as the client lives."""
        while True:
            await self._typed.wait()
            message = self._unsent[0]
            try:
                await self._client.send(message)
            except ClientError as error:
                if self._client.closed:
                    raise
                # it was handed to a connection that is gone: again could mean twice
                self._screen.say(f"the last line may not have arrived ({error})")
            self._unsent.popleft()
            self._room.open()
            if not self._unsent:
                self._typed.shut()
                self._sent.open()

    async def listen(self) -> None:
        """Show what comes in, for as long as the client lives."""
        while True:
            waiting = self._screen.show(await self._client.receive())
            if waiting is not None:
                await waiting

    async def settle(self) -> None:
        """Wait until everything typed is sent, if there is a connection."""
        if self._client.connected:
            await self._sent.wait()

    def complete(self) -> bool:
        """Return whether everything typed was sent; say so if not."""
        if self._unsent:
            lines = "1 line was" if self.unsent == 1 else f"{self.unsent} lines were"
            self._screen.say(f"{lines} not sent: there is no connection")
        return not self._unsent

    def _enqueue(self, message: bytes) -> None:
        """Take a message to be sent as soon as possible."""
        try:
            self._check(message)
        except ValueError as error:
            self._screen.say(f"not sent: {error}")
            return
        if len(self._unsent) >= UNSENT_LIMIT:
            self._screen.say(f"not sent: {UNSENT_LIMIT} lines wait already; try again later")
            return
        if not self._client.connected:
            self._screen.say("there is no connection now: the line is kept and sent later")
        self._unsent.append(message)
        if len(self._unsent) >= UNSENT_LIMIT:
            self._room.shut()
        self._sent.shut()
        self._typed.open()

    def _command(self, line: str) -> After:
        """Do what a line beginning with a slash says."""
        word = line.split(maxsplit=1)[0]
        if word == "/quit":
            return After.LEAVE
        if word == "/help":
            for text in HELP:
                self._screen.say(text)
        else:
            self._screen.say(
                f"no command {word}; nothing was sent. /help lists them, //text sends /text"
            )
        return After.GO_ON

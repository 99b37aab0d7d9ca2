"""A side of a conversation in the original protocol.

Law of this file: one room, no acknowledgements: what is typed goes out in order and
once, or its author is told; a name is part of the text, and nothing sent comes back, so it
is shown when it is handed over.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from twisted_msg.cli.conversation import Word, Wrong
from twisted_msg.cli.running import whichever
from twisted_msg.cli.sayings import Saying, Screen, action
from twisted_msg.client.errors import ClientError
from twisted_msg.client.reconnecting import PlainClient
from twisted_msg.client.sendable import sendable
from twisted_msg.client.waiting import Gate

UNSENT_LIMIT: Final = 100
"""Lines that wait for a connection: more than anybody types while a server restarts, and
few enough to read again what was not sent."""


class PlainSide:
    """One person in the room of a plain server."""

    def __init__(
        self,
        client: PlainClient,
        screen: Screen,
        *,
        server: str,
        name: str | None = None,
        check: Callable[[bytes], bytes] = sendable,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Take the client, the screen, the server's address and the name to sign with.

        `check` raises `ValueError` for what cannot be sent; `now` is Unix time in seconds.
        """
        self._client = client
        self._screen = screen
        self._server = server
        self._name = name
        self._check = check
        self._now = now
        self._unsent: deque[bytes] = deque()
        self._typed = Gate()
        self._room = Gate(opened=True)
        self._sent = Gate(opened=True)
        self.words = (Word("/me TEXT", "say what you do: * alice waves", self._me),)

    @property
    def prompt(self) -> str:
        """The name, and whether there is a connection."""
        name = self._name or ""
        return f"{name}> " if self._client.connected else f"{name} (offline)> ".lstrip()

    @property
    def unsent(self) -> int:
        """How many lines wait for a connection."""
        return len(self._unsent)

    def people(self) -> Sequence[str]:
        """Nobody: the plain protocol does not say who is there."""
        return ()

    def text(self, text: bytes) -> None:
        """Send a text, signed."""
        self._enqueue(text if self._name is None else f"{self._name}: ".encode() + text)

    async def room(self) -> None:
        """Wait until a line may be entered without being turned away."""
        await self._room.wait()

    async def start(self) -> None:
        """Connect."""
        await self._client.connect()
        self._screen.say(
            f"connected to {self._server} in plain frames: one room, no history; "
            "/help lists commands, Ctrl-D leaves"
        )

    async def run(self) -> None:
        """Send what is typed and show what comes, for as long as the client lives."""
        await whichever(self.send(), self.listen())

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
                self._screen.say(f"the last line may not have arrived ({error})", urgent=True)
            else:
                self._screen.show(Saying(message, self._now(), own=True))
            self._unsent.popleft()
            self._room.open()
            if not self._unsent:
                self._typed.shut()
                self._sent.open()

    async def listen(self) -> None:
        """Show what comes in, for as long as the client lives."""
        while True:
            text = await self._client.receive()
            waiting = self._screen.show(Saying(text, self._now()))
            if waiting is not None:
                await waiting

    async def settle(self) -> None:
        """Wait until everything typed is sent, if there is a connection."""
        if self._client.connected:
            await self._sent.wait()

    async def leave(self, timeout: float) -> bool:
        """Say goodbye; return whether everything typed was sent."""
        lines = self.unsent
        if lines:
            said = "1 line was" if lines == 1 else f"{lines} lines were"
            self._screen.say(f"{said} not sent: there is no connection", urgent=True)
        await self._client.close(timeout)
        return not lines

    async def abort(self) -> None:
        """Close at once."""
        await self._client.abort()

    def _enqueue(self, message: bytes) -> None:
        """Take a message to be sent as soon as possible."""
        try:
            self._check(message)
        except ValueError as error:
            self._screen.say(f"not sent: {error}", urgent=True)
            return
        if len(self._unsent) >= UNSENT_LIMIT:
            self._screen.say(
                f"not sent: {UNSENT_LIMIT} lines wait already; try again later", urgent=True
            )
            return
        if not self._client.connected:
            self._screen.say("there is no connection now: the line is kept and sent later")
        self._unsent.append(message)
        if len(self._unsent) >= UNSENT_LIMIT:
            self._room.shut()
        self._sent.shut()
        self._typed.open()

    def _me(self, text: bytes) -> None:
        """Say what one does."""
        if not text:
            raise Wrong("what do you do?")
        if self._name is None:
            raise Wrong("without a name nobody would know who: begin with --name")
        self._enqueue(action(self._name, text))

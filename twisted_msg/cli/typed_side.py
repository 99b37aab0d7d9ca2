"""A side of a conversation in typed frames: rooms, direct messages, and a name to change.

Law of this file: what is typed is handed to the client in its order, and is stored once
or its author is told why not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_msg.cli.conversation import Word, Wrong
from twisted_msg.cli.sayings import Kind, Saying, Screen, action
from twisted_msg.cli.shapes import Save, save_command
from twisted_msg.cli.tasks import Tasks
from twisted_msg.cli.typed_rooms import Rooms
from twisted_msg.cli.typed_words import name_in, room_in, short, words
from twisted_msg.client.client import Client
from twisted_msg.client.errors import ClientError
from twisted_msg.client.outbox import Receipt
from twisted_msg.client.sendable import sendable
from twisted_msg.client.waiting import Gate
from twisted_msg.wire import ErrorCode

FAREWELL_SECONDS: Final = 10.0
"""How long an old name may take to say goodbye."""

SLOW_SECONDS: Final = 2.0
"""How long a line may wait for the server before the prompt tells: people notice by then that
what they have typed is nowhere to be seen."""

Make = Callable[[str | None], Client]
"""Makes a client of a name, not connected yet, that tells of its connections by itself."""


class TypedSide:
    """One person in some rooms of a server."""

    def __init__(
        self,
        make: Make,
        screen: Screen,
        *,
        clock: IReactorTime,
        server: str,
        room: str,
        name: str | None = None,
        last: int = 0,
        save: Save = save_command(),  # noqa: B008 - it cannot change
        check: Callable[[bytes], bytes] = sendable,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Take what makes clients, the screen and clock, the server's address, first room, name.

        `last` messages of a room are shown on entering it.  `save` makes the command that saves
        a message.  `check` raises `ValueError` for
        what cannot be sent; `now` is Unix time in seconds.
        """
        self._make = make
        self._screen = screen
        self._server = server
        self._first = room
        self._check = check
        self._now = now
        self._tasks = Tasks()
        self._free = Gate(opened=True)  # shut while the name changes
        self._client = make(name)
        self._other: Client | None = None  # while the name changes
        self._owing_since = 0.0  # when the first line was sent that is not acknowledged
        self._rooms = Rooms(self._client, screen, self._tasks, last, clock, save)
        rooms = self._rooms
        self.words = (
            Word("/join ROOM", "enter a room, or go back to one", self._join, rooms.known),
            Word("/part [ROOM]", "leave it", self._part, lambda: rooms.entered),
            Word("/who [ROOM]", "who is there", self._who, rooms.known),
            Word(
                "/msg NAME TEXT",
                "say something to one member alone",
                self._msg,
                self._rooms.everybody,
            ),
            Word("/me TEXT", "say what you do: * alice waves", self._me),
            Word("/nick NAME", "change your name", self._nick),
        )

    # -- for the conversation ------------------------------------------------

    @property
    def prompt(self) -> str:
        """The room that text goes to, and what keeps it from getting there."""
        current = self._rooms.current
        room = "(no room)" if current is None else f"#{current.name}"
        lines = self._client.unacknowledged
        if not self._client.connected:
            return f"{room} (offline)> "
        if lines and self._now() - self._owing_since >= SLOW_SECONDS:
            return f"{room} ({lines} not stored yet)> "
        return f"{room}> "

    def people(self) -> Iterable[str]:
        """Return who else is in the current room, and who wrote what is shown."""
        return self._rooms.people

    def text(self, text: bytes) -> None:
        """Send a text to the current room."""
        self._do(partial(self._publish, text))

    async def room(self) -> None:
        """Wait until more can be owed to the server."""
        await self._free.wait()
        await self._client.room()

    async def start(self) -> None:
        """Connect, and enter the first room."""
        client = self._client
        await client.connect()
        self._screen.say(
            f"connected to {self._server} as {client.name}; /help lists commands, Ctrl-D leaves"
        )
        self._tasks.begin(self._directs(client))
        self._rooms.enter(self._first)
        self._rooms.ask_rooms()

    async def run(self) -> None:
        """Wait for the end; raises what it is."""
        await self._tasks.failed()

    async def settle(self) -> None:
        """Wait until the name is the one that was asked for, if there is a connection."""
        if self._client.connected:
            await self._free.wait()

    async def leave(self, timeout: float) -> bool:
        """Say goodbye; return whether everything typed is stored."""
        lines = self._client.unacknowledged
        if lines and not self._client.connected:
            said = "1 line" if lines == 1 else f"{lines} lines"
            self._screen.say(f"{said} may not have been sent: there is no connection", urgent=True)
            return False
        await self._client.close(timeout)
        return True

    async def abort(self) -> None:
        """Close every client at once."""
        self._tasks.cancel()
        for client in (self._client, self._other):
            if client is not None:
                await client.abort()

    # -- the words -----------------------------------------------------------

    def _join(self, rest: bytes) -> None:
        self._do(partial(self._rooms.enter, room_in(rest)))

    def _part(self, rest: bytes) -> None:
        self._do(partial(self._rooms.leave, room_in(rest) if rest else None))

    def _who(self, rest: bytes) -> None:
        self._do(partial(self._rooms.ask_who, room_in(rest) if rest else None))

    def _msg(self, rest: bytes) -> None:
        name, _, text = rest.partition(b" ")
        to = name_in(name.removeprefix(b"@"))
        if not text.strip():
            raise Wrong("say something")
        self._do(partial(self._say_to, to, text.strip()))

    def _me(self, rest: bytes) -> None:
        if not rest:
            raise Wrong("what do you do?")
        self._do(lambda: self._publish(action(self._client.name or "", rest)))

    def _nick(self, rest: bytes) -> None:
        self._do(partial(self._rename, name_in(rest)))

    def _do(self, act: Callable[[], None]) -> None:
        """Do something in its turn: after a change of the name, if one is going on."""
        self._free.wait().addCallback(lambda _: act()).addErrback(self._tasks.fail)

    # -- sending -------------------------------------------------------------

    def _publish(self, text: bytes) -> None:
        """Send a text to the current room."""
        room = self._rooms.current
        if room is None:
            self._screen.say("you are in no room; nothing was sent: /join ROOM", urgent=True)
        elif self._fit(text):
            room.say(text)
            self._send(room.name, text).addErrback(lambda _: room.unsay(text))

    def _say_to(self, name: str, text: bytes) -> None:
        """Send a direct message, and show it once it is on its way to somebody."""

        def taken(_: Receipt) -> None:
            self._screen.show(Saying(text, self._now(), name, Kind.SENT, own=True))

        if self._fit(text):
            self._send(f"@{name}", text).addCallbacks(taken, lambda _: None)

    def _fit(self, text: bytes) -> bool:
        """Return whether a text can be sent, or tell why not."""
        try:
            self._check(text)
        except ValueError as error:
            self._screen.say(f"not sent: {error}", urgent=True)
            return False
        return True

    def _send(self, where: str, text: bytes) -> Deferred[Receipt]:
        """Send a text; if it is refused, its author is told, and the Deferred fails."""
        client = self._client
        if not client.unacknowledged:
            self._owing_since = self._now()
        if not client.connected:
            self._screen.say(
                f"there is no connection now: the line is kept and sent later: {short(text)}"
            )

        def refused(failure: Failure) -> Failure:
            error = failure.value
            if isinstance(error, ClientError) and not client.closed:
                unknown = getattr(error, "code", "") == ErrorCode.UNKNOWN
                what = "perhaps not received" if unknown else "not sent"
                self._screen.say(f"{what}: {words(error)}: {short(text)}", urgent=True)
            return failure

        sent: Deferred[Receipt] = client.send(where, text).addErrback(refused)
        return sent

    # -- direct messages -----------------------------------------------------

    async def _directs(self, client: Client) -> None:
        """Show the direct messages that come to a client."""
        messages, lost = client.directs(), 0
        try:
            async for message in messages:
                if messages.dropped > lost:
                    self._screen.say(
                        f"{messages.dropped - lost} direct messages were lost: they came faster "
                        "than they could be shown",
                        urgent=True,
                    )
                    lost = messages.dropped
                self._rooms.wrote(message.sender)
                waiting = self._screen.show(
                    Saying(message.payload, message.time / 1000, message.sender, Kind.DIRECT)
                )
                if waiting is not None:
                    await waiting
        except ClientError:
            if client is self._client:
                raise

    # -- the name ------------------------------------------------------------

    def _rename(self, name: str) -> None:
        """Come back under another name; what is typed meanwhile waits for it."""
        if name == self._client.name:
            self._screen.say(f"you are {name} already", urgent=True)
        else:
            self._free.shut()
            self._tasks.begin(self._come_as(name))

    async def _come_as(self, name: str) -> None:
        """Connect under another name, read on there, and let the old name go.

        A client's name is part of how it introduces itself, so there are two for a moment:
        the new one reads on behind what was shown before the old one stops, and nothing said
        in between is lost or shown twice.
        """
        old = self._client
        new = self._other = self._make(name)
        try:
            await new.connect()
        except ClientError as error:
            self._screen.say(f"you are still {old.name}: {words(error)}", urgent=True)
        else:
            self._client, self._other = new, old
            self._tasks.begin(self._directs(new))
            self._rooms.move(new)
            try:
                await new.ping()  # it has entered every room,
                await old.ping()  # and the old one has what was said before
                await old.close(FAREWELL_SECONDS)
            except ClientError as error:
                self._screen.say(f"what {old.name} said last: {error}", urgent=True)
            self._screen.say(f"you are {new.name} now", urgent=True)
        self._other = None
        self._free.open()

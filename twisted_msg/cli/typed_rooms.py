"""The rooms that a chat is in: history, what is said, who comes and goes.

Law of this file: what is shown of a room is what is stored there, one's own lines
included, each once and in its order, whichever client it came through.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from twisted_msg.cli.binary import binary
from twisted_msg.cli.sayings import Screen, heard
from twisted_msg.cli.shapes import Save
from twisted_msg.cli.tasks import Tasks
from twisted_msg.cli.typed_room import Room
from twisted_msg.cli.typed_words import listed, words
from twisted_msg.client.client import Client
from twisted_msg.client.errors import ClientError, Gap, Refused
from twisted_msg.client.messages import Messages, Presence
from twisted_msg.client.subscription import Message
from twisted_msg.wire.names import ROOM

RETURN_SECONDS: Final = 5.0
"""How long somebody who is missing may take to come back before that is told: after a
server's restart everybody comes back within a few seconds."""

WRITERS_LIMIT: Final = 200
"""Names of people who wrote that are kept for completion: more than a terminal shows messages, and
few enough to look through at each Tab."""


class Rooms:
    """Rooms by name, one of which is the current one."""

    def __init__(
        self,
        client: Client,
        screen: Screen,
        tasks: Tasks,
        last: int,
        clock: IReactorTime,
        save: Save,
    ) -> None:
        """Take what to read with, where to show it, and what runs the reading.

        `last` is how many messages are shown on entering; the clock is for what is told late;
        `save` makes the command that saves a message.
        """
        self.current: Room | None = None
        self._client = client
        self._screen = screen
        self._tasks = tasks
        self._last = last
        self._clock = clock
        self._save = save
        self._rooms: dict[str, Room] = {}
        self._names: set[str | None] = set()  # one's own, this session
        self._listed: set[str] = set()  # the server's rooms, when it was last asked
        self._writers: dict[str, None] = {}  # who wrote what is shown, the last of them at the end

    @property
    def entered(self) -> list[str]:
        """The names of the rooms that one is in."""
        return list(self._rooms)

    @property
    def people(self) -> set[str]:
        """Who else is in the current room, and who wrote what is shown."""
        here = set() if self.current is None else self.current.others
        return here | self._others_who_wrote()

    def everybody(self) -> set[str]:
        """Return who else is in any of the rooms that one is in, and who wrote what is shown."""
        return self._others_who_wrote().union(*(room.others for room in self._rooms.values()))

    def wrote(self, name: str) -> None:
        """Note who wrote what is shown; keep the last `WRITERS_LIMIT` names."""
        self._writers.pop(name, None)
        self._writers[name] = None
        if len(self._writers) > WRITERS_LIMIT:
            del self._writers[next(iter(self._writers))]

    def known(self) -> set[str]:
        """Return the rooms that there are, as far as the server has said; it is asked again."""
        self.ask_rooms()
        return self._listed.union(self._rooms)

    def ask_rooms(self) -> None:
        """Ask the server for its rooms, to complete their names."""
        if self._client.connected:
            self._tasks.begin(self._list_rooms())

    def enter(self, name: str) -> None:
        """Enter a room, or make it the current one."""
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = Room(name)
            self._read_on(room)
        else:
            self._screen.say(f"now in #{name}", urgent=True)
        self.current = room

    def leave(self, name: str | None) -> None:
        """Leave a room, or the current one."""
        room = self.current if name is None else self._rooms.get(name)
        if room is None:
            said = "you are in no room" if name is None else f"you are not in #{name}"
            self._screen.say(said, urgent=True)
            return
        if room.messages is not None:
            self._tasks.begin(room.messages.aclose())
        self._forget(room, f"you have left #{room.name}")

    def ask_who(self, name: str | None) -> None:
        """Tell who is in a room, or the current one."""
        if name is None and self.current is None:
            self._screen.say("you are in no room: /who ROOM", urgent=True)
        else:
            self._tasks.begin(self._who(name or (self.current.name if self.current else "")))

    def move(self, client: Client) -> None:
        """Read on with another client, which has another name."""
        old, self._client = self._client.name, client
        self._names.add(old)
        for room in list(self._rooms.values()):
            room.forget(old)
            self._read_on(room)

    # -- reading -------------------------------------------------------------

    def _read_on(self, room: Room) -> None:
        """Read a room, from where it was left if it was read before."""
        client, start = self._client, room.next
        room.messages = client.messages(
            room.name,
            start=start,
            last=self._last or None if start is None else None,
            on_missed=partial(self._missed, room),
            presence=partial(self._presence, client, room),
        )
        self._tasks.begin(self._read(client, room, room.messages))

    async def _read(self, client: Client, room: Room, messages: Messages) -> None:
        """Say who is in a room, and show what is said there."""
        try:
            if not room.known:
                names = await client.who(room.name)
                if room.messages is not messages:
                    return  # it was left, or is read on with another client
                room.present(names)
                room.forget(client.name)
                self._screen.say(f"in #{room.name}: {self._people(names)}")
            async for message in messages:
                await self._heard(room, message)
        except ClientError as error:
            if client is not self._client:
                return  # its name was given up
            if client.closed:
                raise
            if room.messages is messages:
                await messages.aclose()
                self._forget(room, f"cannot be in #{room.name}: {words(error)}")

    async def _heard(self, room: Room, message: Message) -> None:
        """Show a message, unless another client showed it."""
        if not room.new(message.seq):
            return
        self._names.add(self._client.name)
        data = binary(message.payload)
        saying = heard(
            message.payload,
            message.time / 1000,
            message.sender,
            room=room.name if len(self._rooms) > 1 else None,
            own=message.sender in self._names and room.own(message.payload),
            save="" if data is None else self._save(room.name, message.seq, data.extension),
        )
        self.wrote(message.sender)
        waiting = self._screen.show(saying)
        if waiting is not None:
            await waiting

    def _others_who_wrote(self) -> set[str]:
        """Return who wrote what is shown, without one's own names."""
        return self._writers.keys() - self._names - {self._client.name}

    def _missed(self, room: Room, gap: Gap) -> None:
        """Tell of messages that are no longer kept."""
        if gap.last < gap.first:
            room.replaced(gap.last)
        self._screen.say(str(gap), urgent=True)

    # -- who is there --------------------------------------------------------

    def _presence(self, client: Client, room: Room, event: Presence) -> None:
        """Tell who came and went."""
        if client is self._client and self._rooms.get(room.name) is room:
            self._tell(room, room.changed(event, client.name))
            if room.waits:
                self._tasks.begin(self._gone(room))

    async def _gone(self, room: Room) -> None:
        """Tell who is missing, and does not come back."""
        await deferLater(self._clock, RETURN_SECONDS)
        if self._rooms.get(room.name) is room:
            self._tell(room, room.gone())

    def _tell(self, room: Room, news: list[str]) -> None:
        """Tell of those who came and went."""
        mark = f"#{room.name}: " if len(self._rooms) > 1 else ""
        for said in news:
            self._screen.say(mark + said)

    async def _who(self, name: str) -> None:
        """Ask who is in a room, and tell."""
        try:
            names = await self._client.who(name)
        except Refused as error:
            if self._client.closed:
                raise
            self._screen.say(f"/who {name}: {words(error)}", urgent=True)
        else:
            self._screen.say(f"in #{name}: {self._people(names)}", urgent=True)

    async def _list_rooms(self) -> None:
        """Take note of the server's rooms; without an answer, those known stay."""
        try:
            rooms = await self._client.rooms()
        except ClientError:
            return  # whoever works with this client is told
        found = (room.get("room") for room in rooms)
        self._listed = {name for name in found if isinstance(name, str) and ROOM.fullmatch(name)}

    def _people(self, names: list[str]) -> str:
        """Return who is there, oneself last."""
        own = self._client.name
        others = sorted((name for name in names if name != own), key=str.casefold)
        return listed([*others, f"you ({own})"] if own in names else others) or "nobody"

    # -- leaving -------------------------------------------------------------

    def _forget(self, room: Room, said: str) -> None:
        """Forget a room, and tell where its author is now."""
        room.messages = None
        del self._rooms[room.name]
        if self.current is room:
            self.current = next(reversed(self._rooms.values()), None)
            where = self.current
            said += "; /join ROOM enters one" if where is None else f"; now in #{where.name}"
        self._screen.say(said, urgent=True)

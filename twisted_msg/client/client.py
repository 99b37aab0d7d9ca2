"""What programs do as a client: send to rooms, read them, and ask who is there.

Law of this file: it says what a program may ask for, and checks that; all else is decided
by the parts.  What was accepted by `send` is settled, one way or the other, exactly once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred, fail

from twisted_msg.client.errors import ClientError, Gap, Refused
from twisted_msg.client.listing import Listing
from twisted_msg.client.membership import Membership
from twisted_msg.client.messages import Messages, Presence, Reading
from twisted_msg.client.outbox import Receipt
from twisted_msg.client.postbox import Postbox
from twisted_msg.client.sendable import check_room, check_target
from twisted_msg.client.subscription import Subscription
from twisted_msg.wire import ErrorCode
from twisted_msg.wire.arguments import check_callable, check_payloads, check_whole
from twisted_msg.wire.replies import Here, RoomList
from twisted_msg.wire.requests import Rooms, Sub, Who


class Client(Membership):
    """A named member of a server that keeps its promises over lost connections.

    Made, and connected, by `connect`; or made first and connected by `async with`, which
    also closes it::

        async with Client(reactor, "127.0.0.1:5050", "alice") as client:
            await client.send("lobby", "hello")
    """

    # -- sending -------------------------------------------------------------

    def send(self, room: str, message: bytes | str) -> Deferred[Receipt]:
        """Send one message to a room, or to one member as `@name`; text goes as UTF-8.

        It starts at once, whoever waits or not.  The Deferred fires when the message is
        stored, however many connections that takes; it fails with `Refused` if the server
        does not take it, and with what ended the client otherwise.  For a direct message it fails
        with `Refused` also if it reached nobody (`absent`, `busy`), or if the connection was lost
        before that was known (`unknown`).  Cancelling it stops the waiting, not the message.
        Raises `ValueError` for what cannot be a room, and `TypeError` for what is neither bytes
        nor text; then nothing is sent.
        """
        return self.send_all(room, (message,))

    def send_all(self, room: str, messages: Iterable[bytes | str]) -> Deferred[Receipt]:
        """Send messages to one room, in one piece; see `send`.

        The Deferred fires when the last one is stored, with its receipt.  If some were
        refused it fails with the first refusal, once all others are stored.  Much cheaper
        than single sends.  Raises `ValueError` if there is no message at all, and as `send` does.
        """
        room, payloads = check_target(room), check_payloads(messages)
        if not payloads:
            raise ValueError("there is no message to send")
        largest, limit = max(map(len, payloads)), self._talk.max_payload
        if largest > limit:
            return fail(
                Refused(
                    ErrorCode.TOO_LARGE,
                    f"a message of {largest} bytes is over this server's limit of {limit}: "
                    "send it in smaller ones",
                )
            )
        return self._talk.send(room, payloads)

    def begin_ids(self, number: int) -> None:
        """Give the next message this id, from 1 to 2^63-1, and the others those behind it.

        Ids rise by one from where the server stands with this client's id.  A program that
        keeps `client_id`, and gives the same messages the same ids in every run, sends none
        twice.  Raises `ValueError` if that would go back, behind ids that were given or that
        the server has received (`Client.server["last_id"]`), and before `connect`; and
        `TypeError` for what is no whole number.
        """
        self._talk.outbox.begin_at(number)

    def room(self) -> Deferred[None]:
        """Return a Deferred that fires when there is room for more to send.

        Whoever sends without waiting for receipts waits for this from time to time: it
        is what bounds the memory.  It fails with what ended the client.
        """
        return self._talk.room.wait()

    @property
    def unacknowledged(self) -> int:
        """How many messages are not known to be stored."""
        return len(self._talk.outbox)

    @property
    def refusal(self) -> ClientError | None:
        """Why the server takes no messages for now, or None if it does: its disk may be full.

        They are sent again after a pause that grows, until it takes them.
        """
        return self._talk.refusal

    # -- reading -------------------------------------------------------------

    def messages(
        self,
        room: str,
        *,
        start: int | None = None,
        last: int | None = None,
        since: int | None = None,
        until_end: bool = False,
        strict: bool = False,
        on_missed: Callable[[Gap], None] | None = None,
        presence: Callable[[Presence], None] | None = None,
    ) -> Messages:
        """Read a room: join it at once, and return an asynchronous iterator of its messages.

        At most one of `start` (a sequence number; 0 is everything kept), `last` (so many
        messages) and `since` (Unix time in milliseconds) says from where; otherwise it begins
        with the next message.  With `until_end` it ends behind the message that was the
        newest when it joined.  Where messages are no longer kept, `on_missed` is called and
        `Messages.missed` counts; with `strict`, `Gap` is raised.  `presence` is called with
        `Joined`, `Parted` and `Present`.

        A program that reads too slowly leaves the room, reads what it has, and joins again
        where it was: other members see that, and nothing is lost.
        Raises `ValueError` for what cannot be a room, for two beginnings, and if this client
        reads the room already, and `TypeError`.
        """
        room = check_room(room)
        if sum(given is not None for given in (start, last, since)) > 1:
            raise ValueError("start, last and since each say where to begin: choose one")
        for what, place in (("start", start), ("last", last), ("since", since)):
            if place is not None:
                check_whole(place, what)
        for what, callback in (("on_missed", on_missed), ("presence", presence)):
            if callback is not None:
                check_callable(callback, what)
        until_end, strict = bool(until_end), bool(strict)
        request = Sub(room, start, last, since, presence is not None)
        core = Subscription(request, self._talk.say, until_end=until_end)
        reading = Reading(core, self._talk.readings.remove, presence)
        self._talk.read(reading)
        return Messages(reading, strict=strict, on_missed=on_missed)

    def directs(self) -> Messages:
        """Return an asynchronous iterator of the direct messages that come from now on.

        They are live only: what comes while there is no connection is told to its sender as
        absent, and what is not read in time is lost, the oldest first; `Messages.dropped`
        counts.  Raises `ValueError` if they are being read already.
        """
        reading = Reading(Postbox(), self._talk.readings.remove)
        self._talk.read(reading)
        return Messages(reading)

    # -- asking --------------------------------------------------------------

    async def who(self, room: str) -> Listing[str]:
        """Return the names of those who are in a room; `Listing.cut` more did not fit.

        Raises `Refused`, and `ValueError` or `TypeError` for what cannot be a room.
        """
        here: Here = await self._talk.ask(Who(check_room(room)))
        return Listing(here.names, here.cut)

    async def rooms(self) -> Listing[dict[str, Any]]:
        """Return the rooms that one may see, each as the server describes it.

        `Listing.cut` more did not fit.  Raises `Refused`.
        """
        found: RoomList = await self._talk.ask(Rooms())
        return Listing(found.rooms, found.cut)

"""What `tcpmsg send` does once its arguments are known.

Law of this file: exit code 0 means that everything is stored; whatever else happened is
told, with what may be stored and how to send the rest without sending anything twice.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import IO, Any, Final, NamedTuple

from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from twisted_msg.cli.clients import (
    connect,
    show_directs,
    tell_wrapped,
    to_stderr,
    typed_client,
)
from twisted_msg.cli.exits import Exit, UsageError
from twisted_msg.cli.identity import Identity
from twisted_msg.cli.options import Common
from twisted_msg.cli.progress import Progress
from twisted_msg.cli.running import whichever
from twisted_msg.cli.sources import Source
from twisted_msg.client.client import Client
from twisted_msg.client.errors import ClientError, Refused, TimedOut
from twisted_msg.client.sendable import check_target
from twisted_msg.client.waiting import Gate
from twisted_msg.wire import ErrorCode
from twisted_msg.wire.limits import MAX_PAYLOAD
from twisted_msg.wire.names import DIRECT

LEAVE_SECONDS: Final = 2.0
"""How long the goodbye may take: everything is stored by then."""


class Order(NamedTuple):
    """What the verb was asked for, beside the messages.

    `timeout` is in seconds, for each acknowledgement; `client_file` holds the client's
    secret, None draws one for this run; `first_id` is for the first message, None goes on
    where that client stands.  `terminal` is where to show how far it is, None nowhere.
    """

    room: str
    timeout: float
    client_file: str | None = None
    first_id: int | None = None
    terminal: IO[str] | None = None


async def send(reactor: Any, common: Common, order: Order, source: Source) -> int:
    """Send what comes from a source, and wait until the server has stored it.

    Raises `UsageError` for what cannot be sent, `InUse` if another run has the client's file,
    and `ClientError`.
    """
    try:
        check_target(order.room)
    except ValueError as error:
        raise UsageError(str(error)) from None
    path = order.client_file
    with nullcontext() if path is None else Identity(path) as identity:
        progress = Progress(reactor, order.terminal)
        say = progress.before(to_stderr(common))
        secret = None if identity is None else identity.secret
        client = typed_client(reactor, common, say, secret)
        show_directs(client, progress.before(tell_wrapped))
        await connect(reactor, common, client, order.timeout)
        try:
            await Sending(reactor, order, client, say).work(source, progress)
        except Exception:
            await client.abort()
            raise
        finally:
            progress.clear()
        await client.close(LEAVE_SECONDS)
    return Exit.DONE


class Sending:
    """One run of the verb, once there is a client and a connection."""

    def __init__(
        self, reactor: Any, order: Order, client: Client, say: Callable[[str], None]
    ) -> None:
        self._reactor = reactor
        self._order = order
        self._client = client
        self._say = say
        stored = self._told("last_id", 0)
        self._first = order.first_id or stored + 1
        self._stored_before = max(0, stored + 1 - self._first)
        if self._first > stored + 1:
            client.begin_ids(self._first)
        self._number = 0
        self._sent = 0
        self._owed = 0
        self._error: BaseException | None = None
        self._owing = Gate()
        self._settled = Gate(opened=True)

    async def work(self, source: Source, progress: Progress) -> None:
        """Send everything, and wait until it is stored."""
        try:
            await whichever(self._pump(source), self._stalled(), progress.show(self._how_far))
        except TimedOut as error:
            raise self._advised(error, self._client.refusal) from None

    async def _pump(self, source: Source) -> None:
        """Send, at the pace of the acknowledgements."""
        wrong: Exception | None = None
        try:
            async for messages in source:
                good, wrong = self._checked(messages)
                if good:
                    self._hand_over(good)
                    await self._client.room()
                if wrong is not None or self._error is not None:
                    break
        except (UsageError, OSError) as error:
            wrong = error  # of the input; what came before it still goes out
        await self._settled.wait()
        if self._error is not None or wrong is not None:
            raise self._error or wrong  # type: ignore[misc]
        if self._stored_before and self._number:
            last = self._first + self._stored_before - 1
            if self._number < self._stored_before:
                raise UsageError(
                    f"nothing was sent: --id {self._first} is below {last}, the last id of this "
                    "client, and an id counts once; what an earlier run sent under it is stored, "
                    f"and a new message needs one above {last} (leave --id out for the next)"
                )
            passed = self._stored_before
            some = "1 message was" if passed == 1 else f"{passed} messages were"
            if self._order.room.startswith(DIRECT):
                raise Refused(
                    ErrorCode.UNKNOWN,
                    f"{some} sent by an earlier run, and it is not known whether "
                    f"{self._order.room.removeprefix(DIRECT)} has received that: ask, or send it "
                    "again under a new id",
                )
            self._say(f"{some} stored by an earlier run, and not sent again")

    def _hand_over(self, messages: list[bytes]) -> None:
        """Give messages to the client, and take note of what becomes of them."""
        number = len(messages)
        try:
            stored = self._client.send_all(self._order.room, messages)
        except ValueError as error:  # no ids are left
            raise UsageError(str(error)) from None
        self._sent += number
        self._owed += number
        self._settled.shut()
        self._owing.open()
        stored.addErrback(self._failed).addCallback(lambda _: self._settle(number))

    def _failed(self, failure: Failure) -> None:
        """Some were refused, or nothing can be sent any more; the first error stands."""
        self._error = self._error or failure.value

    def _settle(self, number: int) -> None:
        """It is known of so many messages what became of them."""
        self._owed -= number
        if not self._owed:
            self._owing.shut()
            self._settled.open()

    async def _stalled(self) -> None:
        """Raise `TimedOut` when nothing is acknowledged for too long."""
        timeout = self._order.timeout
        while True:
            await self._owing.wait()
            before = self._sent - self._client.unacknowledged
            await deferLater(self._reactor, timeout)
            left = self._client.unacknowledged
            if left and self._sent - left == before:
                raise TimedOut(f"no acknowledgement within {timeout:g} s")

    def _how_far(self) -> str:
        """Return what is stored, for a person who watches."""
        stored = self._sent - self._client.unacknowledged
        return f"{stored:,} {'message' if stored == 1 else 'messages'} stored"

    def _checked(self, messages: list[bytes]) -> tuple[list[bytes], ClientError | None]:
        """Return the messages to send before the first that is too large, and what is wrong."""
        passed = min(len(messages), max(0, self._stored_before - self._number))
        begun = self._number
        self._number += len(messages)
        limit = self._told("max_payload", MAX_PAYLOAD)
        if messages and max(map(len, messages)) > limit:
            for at, message in enumerate(messages):
                if at >= passed and len(message) > limit:
                    return messages[passed:at], _too_large(len(message), limit, begun + at)
        return messages[passed:], None

    def _told(self, key: str, default: int) -> int:
        """Return a number that the server told when it made the client welcome."""
        value = self._client.server.get(key)
        return value if isinstance(value, int) else default

    def _advised(self, error: TimedOut, refusal: ClientError | None) -> ClientError:
        """Return an error with what may be stored, and what to do about it.

        If the server has said why it takes nothing for now, that is the error.
        """
        left = self._client.unacknowledged
        some = "1 message" if left == 1 else f"{left} messages"
        path = self._order.client_file
        if path is None:
            advice = "--client FILE and --id N make retries safe (tcpmsg send --help)"
        else:
            advice = (
                f"the same command with --client {path} --id {self._first} is safe to run, "
                "and sends only what is not stored"
            )
        if isinstance(refusal, Refused):
            return Refused(refusal.code, f"{refusal.reason} ({error} for {some}; {advice})")
        return TimedOut(f"{error}: {some} may be stored or not; {advice}")


def _too_large(size: int, limit: int, before: int) -> Refused:
    """Return the exception for a message over the server's limit, so many lines being before it."""
    which = f"line {before + 1}" if before else "the first message"
    fate = "the lines before it were sent, the rest were not" if before else "nothing was sent"
    return Refused(
        ErrorCode.TOO_LARGE,
        f"{which} has {size} bytes, and this server takes {limit}; {fate}",
    )

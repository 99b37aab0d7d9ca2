"""Keeping a connection: attempts, waits between them, and the end of it all.

Law of this file: `ClientService` connects, nothing here does by hand; an error that is
final is not tried again; once stopped, every wait has its reason and no timer is left.
It knows nothing of what is said on a connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.application.internet import ClientService, backoffPolicy
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import clientFromString
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_msg.addresses import BadAddress, connecting, no_endpoint
from twisted_msg.client.errors import ClientError, Disconnected, cannot_connect
from twisted_msg.client.waiting import Gate
from twisted_msg.wire.arguments import check_callable, check_text, check_whole

_log = Logger(namespace="tcpmsg")

FIRST_RETRY: Final = 0.25
"""Seconds, doubled before the first use and after each failure: a server that restarts is
back within a second."""

LONGEST_RETRY: Final = 30.0
"""Seconds that the wait grows to: a server that was away for long is noticed soon enough."""

STEADY_SECONDS: Final = 10.0
"""How long a connection must last for the waits to begin anew: a server that accepts and
closes at once is backed off from like one that does not answer."""


def endpoint(reactor: Any, address: str) -> IStreamClientEndpoint:
    """Return the endpoint for an address as people type it; see `addresses.connecting`.

    Raises `BadAddress` if it is none, or of a kind that is not installed.
    """
    description = connecting(address)
    try:
        made: IStreamClientEndpoint = clientFromString(reactor, description)
    except Exception as error:  # each kind of endpoint raises what it likes
        raise BadAddress(no_endpoint(address, description, error)) from None
    return made


class Lifeline:
    """A connection to one server that is made again whenever it is lost.

    Whoever owns it tells it when a connection is ready for use (`came`) and when one is
    gone (`went`); `ready` is the gate between the two.
    """

    def __init__(
        self,
        reactor: Any,
        server: str | IStreamClientEndpoint,
        factory: IProtocolFactory,
        *,
        jitter: Callable[[], float],
        ended: Callable[[ClientError], None],
        on_connected: Callable[[], None] | None = None,
        on_lost: Callable[[ClientError], None] | None = None,
    ) -> None:
        """Take the reactor, the server's address or endpoint, and what builds connections.

        `jitter` returns a number from 0 to 1.  `ended` is called once, with the reason, when
        no connection will be tried any more; `on_connected` whenever one is ready, and
        `on_lost` with the reason when one is lost and another will be tried, unless that was
        forgiven.  Raises `BadAddress` for an address that cannot be, and `TypeError`.
        """
        check_callable(getattr(reactor, "callLater", None), "a reactor's callLater")
        check_callable(jitter, "jitter")
        for what, callback in (("on_connected", on_connected), ("on_lost", on_lost)):
            if callback is not None:
                check_callable(callback, what)
        self.ready = Gate()
        self.closing = False
        """Whether no connection will be tried any more."""
        self.started = False
        """Whether `connect` was called."""
        self._clock = reactor
        self._shown = server if isinstance(server, str) else "the server"
        self._ended = ended
        self._on_connected = on_connected
        self._on_lost = on_lost
        self._attempts: int | None = None
        self._tried = 0
        self._failures = 0
        self._forgiven: ClientError | None = None
        self._since: float | None = None
        self._stopping = False
        self._stopped = Gate()
        self._jitter = jitter
        self._backoff = backoffPolicy(FIRST_RETRY, LONGEST_RETRY, 2.0, jitter=lambda: 0.0)
        if callable(getattr(server, "connect", None)):
            made: Any = server
        else:
            made = endpoint(reactor, check_text(server, "a server's address"))
        self._service = ClientService(
            _Watched(made, self._failed), factory, retryPolicy=self._wait, clock=reactor
        )

    async def connect(self, attempts: int | None) -> None:
        """Return when the first connection is ready; try `attempts` times (None: for ever).

        Raises `CannotConnect` with the last attempt's cause, or what the server said
        instead; nothing is tried any more then.  Called once only.
        """
        if attempts is not None:
            check_whole(attempts, "attempts", 1)
        self.started = True
        self._attempts = attempts
        if not self.closing:
            self._service.startService()
        try:
            await self.ready.wait()
        except CancelledError:
            self.stop(Disconnected("this client was closed"))
            await self.stopped()
            raise
        except ClientError:
            await self.stopped()
            raise

    def came(self) -> None:
        """Take note that a connection is ready for use."""
        self._attempts = None
        self._since = self._clock.seconds()
        self.ready.open()
        if self._on_connected is not None:
            _tell(self._on_connected)

    def went(self, error: ClientError | None) -> None:
        """Take note that a connection is gone; another is tried unless the error is final."""
        self.ready.shut()
        if self.closing or error is None:
            return
        if error.final:
            self.stop(error)
        elif not self._spent(error) and error is not self._forgiven and self._on_lost is not None:
            _tell(self._on_lost, error)

    def forgive(self, error: ClientError) -> None:
        """Take note that a connection will end with this error, and that nothing is wrong with it.

        Then the waits begin anew, and nobody is told of a loss: whoever caused it knows.
        """
        self._failures = 0
        self._forgiven = error

    def stopped(self) -> Deferred[None]:
        """Return a Deferred that fires when all is quiet, behind `stop`."""
        return self._stopped.wait()

    def stop(self, error: ClientError) -> None:
        """Connect no more, and give every wait the reason; what follows runs by itself."""
        self.closing = True
        if self._stopping:
            return
        self._stopping = True
        stopping = Deferred.fromCoroutine(self._stop_service())
        self.ready.fail(error)
        self._ended(error)
        stopping.addErrback(self._not_stopped)

    async def _stop_service(self) -> None:
        """Stop `ClientService`, in a turn of its own: from its callbacks it cannot be."""
        await deferLater(self._clock, 0)
        await self._service.stopService()
        self._stopped.open()

    def _not_stopped(self, failure: Failure) -> None:
        """`ClientService` could not stop: who waits for it is told why."""
        self._stopped.fail(_cause(failure))

    def _failed(self, failure: Failure) -> Failure:
        """An attempt has failed."""
        if not self.closing:
            error = cannot_connect(self._shown, _cause(failure))
            error.__cause__ = _cause(failure)
            self._spent(error)
        return failure

    def _spent(self, error: ClientError) -> bool:
        """Count an attempt; return whether it was the last one."""
        if self._attempts is None:
            return False
        self._tried += 1
        if self._tried < self._attempts:
            return False
        if isinstance(error, Disconnected):
            error = cannot_connect(self._shown, error)
        self.stop(error)
        return True

    def _wait(self, attempt: int) -> float:
        """Return for how many seconds to wait before the next attempt."""
        if self._since is not None and self._clock.seconds() - self._since >= STEADY_SECONDS:
            self._failures = 0
        self._since = None
        self._failures += 1
        return self._backoff(self._failures) * (0.5 + self._spread())

    def _spread(self) -> float:
        """Return a number from 0 to 1 by `jitter`, whose failures are only logged."""
        try:
            return min(1.0, max(0.0, float(self._jitter())))
        except Exception:
            _log.failure("the callback {callback} failed", callback=self._jitter)
            return 0.5


def _tell(callback: Callable[..., None], *arguments: object) -> None:
    """Call what the client's owner gave; what fails there is logged, and ends no connection."""
    try:
        callback(*arguments)
    except Exception:
        _log.failure("the callback {callback} failed", callback=callback)


def _cause(failure: Failure) -> Exception:
    """Return what a failure holds."""
    value = failure.value
    return value if isinstance(value, Exception) else RuntimeError("no cause was given")


@implementer(IStreamClientEndpoint)
class _Watched:
    """An endpoint whose failures are told."""

    def __init__(
        self, endpoint: IStreamClientEndpoint, failed: Callable[[Failure], Failure]
    ) -> None:
        self._endpoint = endpoint
        self._failed = failed

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """Connect as the endpoint does."""
        connected: Deferred[Any] = self._endpoint.connect(protocolFactory)
        return connected.addErrback(self._failed)

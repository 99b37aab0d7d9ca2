"""One coroutine under the reactor, and how its end becomes an exit code.

Law of this file: the global reactor is imported here (and where a verb chooses another
kind), signals end the coroutine in an orderly way, and no way out shows a traceback to
somebody who did not ask for one.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Coroutine, Iterable
from types import FrameType
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred, DeferredList, FirstError
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)

from twisted_msg.cli.exits import Exit, InUse, UsageError
from twisted_msg.cli.text import visible
from twisted_msg.cli.wrapping import wrapped
from twisted_msg.client.errors import (
    CannotConnect,
    ClientError,
    Disconnected,
    Gap,
    Refused,
    TimedOut,
)
from twisted_msg.wire import ErrorCode

Work = Coroutine[Deferred[Any], Any, int]
"""What a verb does: a coroutine that returns an exit code."""

_SIGNALS: Final = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED}

PREFIX: Final = "tcpmsg: "
"""What begins every line of the program's own on stderr."""


class Interrupted(Exception):
    """The user pressed Ctrl-C where that is a key and no signal."""


class OutputClosed(Exception):
    """Whoever read the output has had enough of it."""


def tell(message: str, width: int | None = None) -> None:
    """Write one line to stderr, prefixed; a message from others is made visible.

    With a width it is broken into lines of so many cells.
    """
    text = wrapped(visible(message), width, " " * len(PREFIX), PREFIX)
    try:
        print(f"{PREFIX}{text}", file=sys.stderr, flush=True)
    except OSError:
        pass  # nobody reads stderr, or it is full: not a reason to end


def run(main: Callable[[Any], Work], *, verbose: bool = False) -> int:
    """Run a coroutine under the global reactor and return the exit code.

    SIGINT and SIGTERM cancel it; a second one ends the process on the spot.  `verbose`
    shows the traceback of an unexpected error.
    """
    from twisted.internet import reactor as imported

    reactor: Any = imported
    reactor.seconds = time.monotonic  # else timers stall when the clock is set back
    errors = FilteringLogObserver(
        textFileLogObserver(sys.stderr), [LogLevelFilterPredicate(LogLevel.error)]
    )
    observers = [errors] if verbose else []
    globalLogBeginner.beginLoggingTo(observers, redirectStandardIO=False, discardBuffer=True)
    ended: list[int] = []
    received: list[int] = []
    work: list[Deferred[int]] = []

    def start() -> None:
        if received:  # before there was anything to cancel
            reactor.stop()
            return
        work.append(Deferred.fromCoroutine(_watched(main(reactor), verbose)))
        work[0].addCallback(ended.append).addBoth(lambda _: reactor.stop())

    def cancel() -> None:
        for each in work:
            each.cancel()

    def interrupted(number: int, frame: FrameType | None) -> None:
        if received:
            os._exit(_SIGNALS[signal.Signals(number)])
        received.append(number)
        reactor.callFromThread(cancel)

    for number in _SIGNALS:
        signal.signal(number, interrupted)
    reactor.callLater(0, start)  # in a turn of the loop, which an asyncio reactor needs
    reactor.run(installSignalHandlers=False)
    if received:
        return _SIGNALS[signal.Signals(received[0])]
    return ended[0] if ended else Exit.UNEXPECTED


async def whichever(*coroutines: Coroutine[Deferred[Any], Any, Any]) -> None:
    """Run coroutines side by side until the first one returns or raises; cancel the others."""
    await _side_by_side(coroutines, until_first=True)


async def together(*coroutines: Coroutine[Deferred[Any], Any, Any]) -> None:
    """Run coroutines side by side until all have returned or one raises; cancel the others."""
    await _side_by_side(coroutines, until_first=False)


async def _side_by_side(
    coroutines: Iterable[Coroutine[Deferred[Any], Any, Any]], *, until_first: bool
) -> None:
    """Run coroutines until one fails or all (with `until_first`, one) end; cancel the others."""
    running = [Deferred.fromCoroutine(coroutine) for coroutine in coroutines]
    try:
        await DeferredList(  # type: ignore[call-overload]
            running, fireOnOneCallback=until_first, fireOnOneErrback=True, consumeErrors=True
        )
    except FirstError as first:
        first.subFailure.raiseException()
    finally:
        for each in running:
            each.addErrback(lambda _: None)
            each.cancel()


def outcome(error: BaseException, *, verbose: bool = False) -> int:
    """Say what ended the work, in one line on stderr, and return its exit code."""
    if isinstance(error, Interrupted):
        return Exit.INTERRUPTED
    if isinstance(error, OutputClosed | BrokenPipeError):
        return Exit.DONE
    if isinstance(error, UsageError):
        tell(str(error))
        return Exit.USAGE
    if isinstance(error, InUse):
        tell(str(error))
        return Exit.TRY_AGAIN
    if isinstance(error, OSError):
        tell(f"cannot read or write: {error.strerror or error}")
        return Exit.UNEXPECTED
    if isinstance(error, ClientError):
        tell(_advised(error))
        return _code(error)
    tell(
        f"unexpected error: {type(error).__name__}: {error}"
        + ("" if verbose else " (-v says more)")
    )
    if verbose:
        traceback.print_exception(error)
    return Exit.UNEXPECTED


async def _watched(work: Work, verbose: bool) -> int:
    """Return the work's exit code, whatever ends it."""
    try:
        return await work
    except CancelledError:
        return Exit.INTERRUPTED
    except Exception as error:
        return outcome(error, verbose=verbose)


def _code(error: ClientError) -> Exit:
    """Return the exit code for what ended a client's work."""
    if error.server_goes:
        return Exit.TRY_AGAIN
    if isinstance(error, CannotConnect | Disconnected):
        return Exit.CANNOT_CONNECT
    if isinstance(error, TimedOut):
        return Exit.TIMED_OUT
    if isinstance(error, Gap):
        return Exit.GAP
    if isinstance(error, Refused):
        return {
            ErrorCode.UNAUTHORIZED.value: Exit.UNAUTHENTICATED,
            ErrorCode.BUSY.value: Exit.TRY_AGAIN,
            ErrorCode.LIMIT.value: Exit.TRY_AGAIN,
            ErrorCode.UNKNOWN.value: Exit.TIMED_OUT,
        }.get(error.code, Exit.REFUSED)
    return Exit.REFUSED


def _advised(error: ClientError) -> str:
    """Return an error's text, with what to do where the text alone does not say."""
    if isinstance(error, Disconnected):
        return f"{error}; what was sent last may or may not have arrived: try again"
    return str(error)

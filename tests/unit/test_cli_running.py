"""How the end of the work becomes an exit code, and work side by side."""

import io
import subprocess
import sys
from contextlib import redirect_stderr
from unittest import mock

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.cli.exits import InUse, UsageError
from twisted_msg.cli.running import Interrupted, OutputClosed, outcome, whichever
from twisted_msg.client import (
    CannotConnect,
    ClientError,
    Disconnected,
    Gap,
    NotUnderstood,
    Refused,
    Superseded,
    TimedOut,
)
from twisted_msg.client.errors import cannot_connect
from twisted_msg.client.waiting import Gate

EARLY_CTRL_C = """
import os, signal, sys
from twisted.internet.defer import Deferred
from twisted_msg.cli.running import run

install = signal.signal

def press(number, handler):
    install(number, handler)
    if number == signal.SIGTERM:  # all handlers are there, and nothing runs yet
        os.kill(os.getpid(), signal.SIGINT)

async def work():
    await Deferred()

signal.signal = press
sys.exit(run(lambda reactor: work()))
"""


class RunTests(SynchronousTestCase):
    def test_ctrl_c_before_anything_runs(self) -> None:
        done = subprocess.run([sys.executable, "-c", EARLY_CTRL_C], timeout=30, check=False)
        self.assertEqual(done.returncode, 130)


class OutcomeTests(SynchronousTestCase):
    def test_exit_codes(self) -> None:
        for problem, code, said in (
            (Interrupted(), 130, ""),
            (OutputClosed(), 0, ""),
            (BrokenPipeError(), 0, ""),
            (UsageError("u"), 2, "tcpmsg: u\n"),
            (CannotConnect("c"), 5, "tcpmsg: c\n"),
            (cannot_connect("s", Disconnected("d", server_goes=True)), 75, "s: d; try again"),
            (TimedOut("t"), 6, "tcpmsg: t\n"),
            (Refused("forbidden", "\x1b[2J"), 3, "forbidden: \\x1b[2J\n"),
            (Refused("limit", "r"), 75, "limit: r\n"),
            (Superseded("superseded", "r"), 3, "superseded: r\n"),
            (Gap("hall", 1, 2), 7, "the messages 1 to 2 of hall are no longer kept\n"),
            (InUse("i"), 75, "tcpmsg: i\n"),
            (Refused("unauthorized", "r"), 4, "unauthorized: r\n"),
            (Refused("busy", "r"), 75, "busy: r\n"),
            (NotUnderstood("n"), 3, "tcpmsg: n\n"),
            (Disconnected("d"), 5, "d; what was sent last"),
            (Disconnected("d", server_goes=True), 75, "d; what"),
            (ClientError("e"), 3, "e\n"),
            (KeyError("k"), 1, "unexpected error: KeyError: 'k' (-v says more)\n"),
        ):
            with self.subTest(repr(problem)):
                out = io.StringIO()
                with redirect_stderr(out):
                    self.assertEqual(outcome(problem), code)
                self.assertIn(said, out.getvalue())
                self.assertLessEqual(out.getvalue().count("\n"), 1)

    def test_verbose_shows_the_traceback(self) -> None:
        out = io.StringIO()
        with redirect_stderr(out):
            outcome(KeyError("k"), verbose=True)
        self.assertIn("KeyError: 'k'", out.getvalue().splitlines()[-1])

    def test_stderr_that_nobody_reads(self) -> None:
        with mock.patch("sys.stderr") as stderr:
            stderr.write.side_effect = BrokenPipeError()
            self.assertEqual(outcome(TimedOut("t")), 6)


class WhicheverTests(SynchronousTestCase):
    def test_the_first_end_cancels_the_others(self) -> None:
        gate, cancelled = Gate(), []

        async def first() -> None:
            await gate.wait()

        async def other() -> None:
            try:
                await Deferred()
            except CancelledError:
                cancelled.append(True)
                raise

        done = Deferred.fromCoroutine(whichever(first(), other()))
        self.assertNoResult(done)
        gate.open()
        self.successResultOf(done)
        self.assertEqual(cancelled, [True])

    def test_an_error_is_raised_as_it_is(self) -> None:
        async def fails() -> None:
            raise TimedOut("t")

        async def waits() -> None:
            await Deferred()

        done = Deferred.fromCoroutine(whichever(waits(), fails()))
        self.failureResultOf(done, TimedOut)

    def test_cancelling_it_cancels_all(self) -> None:
        async def waits() -> None:
            await Deferred()

        done = Deferred.fromCoroutine(whichever(waits(), waits()))
        done.cancel()
        self.failureResultOf(done, CancelledError)

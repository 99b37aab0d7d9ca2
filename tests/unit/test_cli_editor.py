"""The last words of a chat with a line editor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.cli.editor import SHOWN_LOOKS, SHOWN_SECONDS, _shown


class Standing(asyncio.SelectorEventLoop):
    """A loop whose process may have stood still for some seconds."""

    stood = 0.0

    def time(self) -> float:
        return super().time() + self.stood


class LastWords(SynchronousTestCase):
    """What is being written when a chat ends."""

    def setUp(self) -> None:
        self.loop = Standing()
        self.addCleanup(self.loop.close)
        self.written = 0

    def finish(self, write: Callable[[], Awaitable[None]]) -> None:
        """End while something is being written."""

        async def chat() -> None:
            writing = asyncio.ensure_future(write())
            await _shown()
            writing.cancel()

        self.loop.run_until_complete(chat())

    def test_they_are_waited_for_though_the_process_stands_still_meanwhile(self) -> None:
        async def write() -> None:
            for turn in range(10):
                if turn == 5:
                    self.loop.stood += 2 * SHOWN_SECONDS
                await asyncio.sleep(0)
            self.written += 1

        self.finish(write)
        self.assertEqual(self.written, 1)

    def test_they_are_not_waited_for_without_end(self) -> None:
        async def write() -> None:
            while True:
                self.loop.stood += SHOWN_SECONDS / SHOWN_LOOKS
                await asyncio.sleep(0)

        begun = self.loop.time()
        self.finish(write)
        self.assertGreaterEqual(self.loop.time() - begun, SHOWN_SECONDS)

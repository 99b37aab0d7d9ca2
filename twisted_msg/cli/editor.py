"""A chat with a line editor: what comes in does not disturb the line being typed.

Law of this file: prompt-toolkit is imported here only, and everything from others goes
through `written` or `noticed` before it goes through `patch_stdout`, which passes escapes on.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.shortcuts import CompleteStyle
from twisted.internet.defer import Deferred

from twisted_msg.cli.colours import Paint, wanted
from twisted_msg.cli.conversation import After, Conversation
from twisted_msg.cli.running import Interrupted
from twisted_msg.cli.sayings import Saying, noticed, written
from twisted_msg.cli.wrapping import columns

SHOWN_SECONDS: Final = 2.0
"""How long to wait for the last words: prompt-toolkit itself waits up to a second for a
terminal that does not say where its cursor is."""

SHOWN_LOOKS: Final = 20
"""In how many parts that is waited for: a process that stands still, as on a laptop that
sleeps, finds its time over when it goes on, and loses one part and not all of them."""


class Editor:
    """A terminal as a chat's face."""

    def __init__(self, environment: Mapping[str, str], *, quiet: bool = False) -> None:
        """Take the environment, which may refuse colours, and whether to leave out what can be."""
        self._quiet = quiet
        self._paint = Paint(wanted(sys.stdout, environment))
        self._session: PromptSession[str] = PromptSession(
            interrupt_exception=Interrupted,
            enable_suspend=True,
            refresh_interval=1.0,  # the prompt tells of what takes long
            erase_when_done=True,  # a line is shown as it comes back, or told of
            complete_while_typing=False,
            complete_style=CompleteStyle.READLINE_LIKE,  # above the line, without a menu
        )
        self._patched = ExitStack()
        self._patched.enter_context(patch_stdout(raw=True))
        self._task: asyncio.Task[str] | None = None

    @property
    def screen(self) -> Editor:
        """It is its own screen."""
        return self

    def show(self, saying: Saying) -> None:
        """Show what was said above the line being typed."""
        print(written(saying, self._paint, columns(sys.stdout)))

    def say(self, notice: str, *, urgent: bool = False) -> None:
        """Show a notice above the line being typed."""
        if urgent or not self._quiet:
            print(self._paint.dim(noticed(notice, columns(sys.stdout))))

    def show_day(self, day: str) -> None:
        """Show a day above the line being typed."""
        self.say(day, urgent=True)

    async def read(self, conversation: Conversation) -> None:
        """Enter lines until one says to leave, or Ctrl-D does."""
        self._session.completer = _Names(conversation)
        while True:
            try:
                line = await self._line(conversation)
            except EOFError:
                return
            for each in line.split("\n"):  # a paste may bring several
                await conversation.room()
                if conversation.enter(each.encode(errors="surrogateescape")) is After.LEAVE:
                    return

    async def finish(self) -> None:
        """Write what is still to be shown, and give the terminal back as it was."""
        task = self._task
        if task is not None and not task.done():
            done: Deferred[None] = Deferred()
            task.add_done_callback(lambda _: done.callback(None))
            task.cancel()
            await done
        self._patched.close()
        await Deferred.fromFuture(asyncio.get_running_loop().create_task(_shown()))

    async def _line(self, conversation: Conversation) -> str:
        """Return the next line."""
        self._task = asyncio.get_running_loop().create_task(
            self._session.prompt_async(
                lambda: conversation.prompt,
                handle_sigint=False,  # signals are `running`'s matter
                set_exception_handler=False,
            )
        )
        line: str = await Deferred.fromFuture(self._task)
        return line


class _Names(Completer):
    """Completes names, rooms and slash words by Tab."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterator[Completion]:
        """Yield what the word before the cursor may become."""
        before = document.current_line_before_cursor
        typed, found = self._conversation.completions(before)
        for text in found:
            yield Completion(text, start_position=-typed, display=text.rstrip(" :"))


async def _shown() -> None:
    """Wait until prompt-toolkit has written what it was given: it does so in tasks of the loop."""
    await asyncio.sleep(0)  # what its thread has asked of the loop is begun
    writing = asyncio.all_tasks() - {asyncio.current_task()}
    for _ in range(SHOWN_LOOKS):
        if not writing:
            return
        _, writing = await asyncio.wait(writing, timeout=SHOWN_SECONDS / SHOWN_LOOKS)

"""What a chat knows of one room that its user is in.

Law of this file: facts about one room, and no connection: a room outlives the clients
through which it is read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from twisted_msg.cli.typed_words import listed
from twisted_msg.client.messages import Joined, Messages, Parted, Presence, Present


class Room:
    """A room: what of it was shown, who is there, and what one has said that is to come."""

    def __init__(self, name: str) -> None:
        """Take its name."""
        self.name = name
        self.messages: Messages | None = None
        """Where its messages come from now."""
        self._seen: int | None = None
        self._here: set[str] | None = None
        self._absent: set[str] = set()  # of those: who may have left, and nobody said so
        self._said: deque[bytes] = deque()

    # -- what was shown ------------------------------------------------------

    @property
    def next(self) -> int | None:
        """The sequence to go on from, if anything was shown."""
        return None if self._seen is None else self._seen + 1

    def new(self, seq: int) -> bool:
        """Return whether a message was not shown yet, and take it that it is shown now."""
        if self._seen is not None and seq <= self._seen:
            return False
        self._seen = seq
        return True

    def replaced(self, head: int) -> None:
        """Its history is another one, which goes on behind `head`."""
        self._seen = head

    # -- what one says -------------------------------------------------------

    def say(self, text: bytes) -> None:
        """Note what one says here."""
        self._said.append(text)

    def unsay(self, text: bytes) -> None:
        """It was not sent."""
        if text in self._said:
            self._said.remove(text)

    def own(self, text: bytes) -> bool:
        """Return whether a message under one's own name is one of those said in this session.

        They come in the order in which they were said; one that does not come is passed over.
        """
        if text not in self._said:
            return False
        while self._said.popleft() != text:
            pass
        return True

    # -- who is there --------------------------------------------------------

    def present(self, names: Iterable[str]) -> None:
        """These are there, and nobody else."""
        self._here = set(names)

    @property
    def others(self) -> set[str]:
        """Who else is there, as far as that is known."""
        return set(self._here or ())

    @property
    def known(self) -> bool:
        """Whether it is known who is there."""
        return self._here is not None

    def forget(self, name: str | None) -> None:
        """One's own name is nobody's coming and going."""
        if self._here is not None and name is not None:
            self._here.discard(name)

    def changed(self, event: Presence, own: str | None) -> list[str]:
        """Take in who came or went; return what is to be said about it.

        Nobody who is there comes once more: after a server's restart everybody does.  Who
        is missing from a list may be on the way back, and is left to `gone`.
        """
        here = self._here
        if here is None:
            return []  # who is there is yet to be told
        before = set(here)
        if isinstance(event, Joined):
            here.add(event.name)
            self._absent.discard(event.name)
        elif isinstance(event, Parted):
            here.discard(event.name)
        elif isinstance(event, Present):
            self._absent = set() if event.cut else here.difference(event.names, [own])
            here.update(event.names)
        here.discard(own or "")
        before.discard(own or "")
        came = sorted(here - before)
        said = [f"{listed(came)} {'is' if len(came) == 1 else 'are'} here"] if came else []
        return said + _left(before - here)

    @property
    def waits(self) -> bool:
        """Whether somebody may have left, or be on the way back."""
        return bool(self._absent)

    def gone(self) -> list[str]:
        """Take it that who was missing has left; return what is to be said about it."""
        here = self._here or set()
        went = here & self._absent
        here -= went
        self._absent = set()
        return _left(went)


def _left(names: Iterable[str]) -> list[str]:
    """Return what is said of those who went."""
    went = sorted(names)
    return [f"{listed(went)} {'has' if len(went) == 1 else 'have'} left"] if went else []

"""The verbs that both sides say.

Law of this file: nothing here knows which side speaks; `requests` and `replies`
name these as their own.
"""

from typing import NamedTuple

from twisted_msg.wire.frames import encode_frame


class Ping(NamedTuple):
    """Are you there?  A `token` (1 to 64 printable characters) comes back with the answer."""

    token: str | None = None

    def encode(self) -> bytes:
        """Return the whole frame.  Raises `ValueError` for a token that is not one word."""
        return encode_frame(b"", ("PING",) if self.token is None else ("PING", self.token))


class Pong(NamedTuple):
    """I am here, and have processed all that came before the `PING` with this token."""

    token: str | None = None

    def encode(self) -> bytes:
        """Return the whole frame.  Raises `ValueError` for a token that is not one word."""
        return encode_frame(b"", ("PONG",) if self.token is None else ("PONG", self.token))


class Bye(NamedTuple):
    """A clean end.  A server says why in `reason`; a client need not."""

    reason: str = ""

    def encode(self) -> bytes:
        """Return the whole frame."""
        return encode_frame(text_payload(self.reason), ("BYE",))


def text_payload(text: str) -> bytes:
    """Return the payload that holds a text for people; what UTF-8 lacks is escaped."""
    return text.encode("utf-8", "backslashreplace")

"""What can end a client's work, each with its cause and the way out.

Law of this file: every text is one line for a person, names what happened and what
to do about it, and holds what a server sent only as it came: whoever shows it on a
terminal escapes it first.
"""

from __future__ import annotations

import os
from typing import Final

from twisted.internet import error

from twisted_msg.wire import ErrorCode

FINAL: Final = frozenset(
    {
        ErrorCode.BAD_HEADER,
        ErrorCode.UNAUTHORIZED,
        ErrorCode.VERSION,
        ErrorCode.SUPERSEDED,
    }
)
"""Codes after which trying again would only be refused again."""

ONLY_PLAIN: Final = "if it speaks plain frames only, use --plain, or PlainClient in a program"
"""What to try with a server that is there and has no typed frames."""

MISSED: Final = "missed"
"""The code that tells a plain member how many messages it missed; its reason is the number."""


class ClientError(Exception):
    """The client could not do what it was asked; the text says why, in one line."""

    final: bool = False
    """Whether a new connection would end the same way."""

    server_goes: bool = False
    """Whether the server said that it stops: it may be back soon."""


class CannotConnect(ClientError):
    """There is no connection to the server, and there was none before."""


class Disconnected(ClientError):
    """The connection has ended."""

    def __init__(self, reason: str, *, server_goes: bool = False) -> None:
        super().__init__(reason)
        self.server_goes = server_goes


class TLSFailed(Disconnected):
    """TLS could not begin: the server's certificate is not trusted, or it speaks no TLS."""


class Refused(ClientError):
    """The server refused something: `ERR <code>`, or `!ERROR! <code> <reason>` to a plain member.

    `code` is one of the protocol's (docs/protocol.md, section Errors) or `missed`;
    `reason` is the server's sentence, unescaped, or the number of messages missed.  With the
    code `unknown` nothing was refused: it is not known whether a direct message was received.
    """

    def __init__(self, code: str, reason: str, *, final: bool | None = None) -> None:
        told = reason if code == ErrorCode.UNKNOWN else f"the server refused it: {code}: {reason}"
        super().__init__(told)
        self.code = code
        self.reason = reason
        self.final = code in FINAL if final is None else final

    @property
    def missed(self) -> bool:
        """Whether it only says that this member read too slowly and missed messages."""
        return self.code == MISSED


class Superseded(Refused):
    """Another connection took over with this client's id; who is told so does not come back."""


class Gap(ClientError):
    """Messages of a room are no longer kept: the sequences `first` to `last` were missed.

    If `last` is below `first`, the room's history was replaced by another one, and reading
    goes on behind its newest message, which is `last`.
    """

    def __init__(self, room: str, first: int, last: int) -> None:
        if last < first:
            text = f"the history of {room} was replaced: it goes on behind {last}, not {first}"
        else:
            text = f"the messages {first} to {last} of {room} are no longer kept"
        super().__init__(text)
        self.room = room
        self.first = first
        self.last = last

    @property
    def count(self) -> int:
        """How many sequence numbers it spans, at least 1; fewer messages may have had them."""
        return max(1, self.last - self.first + 1)


class NotUnderstood(ClientError):
    """What came from the other side is not this protocol, or a message is too large to take."""

    final = True


class TimedOut(ClientError):
    """Something did not happen within its time."""


def refusal(text: str) -> Refused:
    """Return the exception for what stands behind `!ERROR! ` in a server's frame."""
    code, _, reason = text.partition(" ")
    return Refused(code or ErrorCode.INTERNAL, reason or "no reason was given")


PASSING: Final = frozenset({ErrorCode.LIMIT, ErrorCode.BUSY, ErrorCode.TIMEOUT, ErrorCode.INTERNAL})
"""Codes of a refused `HELLO` after which it may be accepted a little later."""


def answered(code: str, reason: str, *, hello: bool = False) -> Refused:
    """Return the exception for an `ERR` frame; `hello` if it refuses the introduction."""
    if code == ErrorCode.SUPERSEDED:
        return Superseded(code, reason)
    return Refused(code, reason, final=code not in PASSING if hello else None)


def unknown_outcome() -> Refused:
    """Return the exception for a direct message whose outcome was lost with the connection."""
    return Refused(
        ErrorCode.UNKNOWN,
        "the connection was lost before the server said what became of the direct message: its "
        "receiver may have it or not; ask, or send it again as a new message",
    )


def lost(cause: BaseException | None) -> Disconnected:
    """Return the exception for a connection that ended by `cause`, without a goodbye."""
    library = type(cause).__module__.partition(".")[0]
    if library == "service_identity":
        return TLSFailed(
            "the server's certificate is for another name: connect by a name or address that it "
            "holds"
        )
    if library != "OpenSSL":
        return Disconnected("the connection was lost")
    errors = cause.args[0] if cause is not None and cause.args else None
    if isinstance(errors, int):  # of a `SysCallError`: the number of an error of the system
        return Disconnected("the connection was lost")
    (*_, text), *_ = errors or [("no cause was given",)]
    if text == "certificate verify failed":
        return TLSFailed(
            "the server's certificate is not trusted; if you signed it yourself, set SSL_CERT_FILE "
            "to the file that holds it"
        )
    return TLSFailed(
        f"TLS failed ({text}); if the server speaks none there, write HOST:PORT without tcpmsgs://"
    )


def cannot_connect(address: str, cause: BaseException) -> CannotConnect:
    """Return the exception for a failed attempt to reach `address` (as the user wrote it)."""
    made = CannotConnect(f"cannot connect to {address}: {_explained(cause)}")
    made.server_goes = isinstance(cause, ClientError) and cause.server_goes
    return made


def _explained(cause: BaseException) -> str:
    """Return cause and way out of a failed attempt."""
    if isinstance(cause, error.ConnectionRefusedError):
        return "connection refused; is the server running? start it with: tcpmsg serve"
    if isinstance(cause, error.DNSLookupError):
        return "no such host; check the name, or write the address in digits"
    if isinstance(cause, error.TimeoutError | error.TCPTimedOutError):
        return "no answer; check the address, and that no firewall stands between"
    if isinstance(cause, error.NoRouteError):
        return "no route to that host; check the address and this machine's network"
    if isinstance(cause, TLSFailed):
        return str(cause)
    if isinstance(cause, ClientError) and cause.server_goes:
        return f"{cause}; try again later"
    if isinstance(cause, ClientError):
        return (
            f"{cause} before the server made this client welcome: it may be stopping, or no "
            f"tcpmsg server; {ONLY_PLAIN}"
        )
    number = getattr(cause, "osError", None)
    text = os.strerror(number) if isinstance(number, int) else str(cause).strip(". \n")
    return f"{text or type(cause).__name__}; check the address, and that the server runs"

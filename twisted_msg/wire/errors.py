"""What a peer can do wrong, and what the wire answers.

Law of this file: a `ProtocolError` is always the peer's fault, names cause and
remedy, and carries its own answer, so that a shell needs one `except` and no
table.  Mistakes of the local program are ordinary `ValueError`s.
"""

from enum import StrEnum
from typing import Final

from twisted_msg.wire.limits import ERROR_PREFIX

MAX_QUOTED_WORD: Final = 40
"""Characters of the longest word that an `ERR` repeats: two of them and the code still
fit a header of 128 bytes."""


class ErrorCode(StrEnum):
    """The codes of `ERR` and `!ERROR!` frames (docs/protocol.md, section Errors)."""

    BAD_HEADER = "bad-header"
    BAD_VERB = "bad-verb"
    BAD_ARGS = "bad-args"
    BAD_ROOM = "bad-room"
    BAD_NAME = "bad-name"
    BAD_JSON = "bad-json"
    TOO_LARGE = "too-large"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    ABSENT = "absent"
    UNKNOWN = "unknown"
    SUPERSEDED = "superseded"
    LIMIT = "limit"
    BUSY = "busy"
    TIMEOUT = "timeout"
    VERSION = "version"
    INTERNAL = "internal"


ENDING: Final = frozenset(
    {
        ErrorCode.BAD_HEADER,
        ErrorCode.TOO_LARGE,
        ErrorCode.UNAUTHORIZED,
        ErrorCode.SUPERSEDED,
        ErrorCode.VERSION,
        ErrorCode.TIMEOUT,
        ErrorCode.INTERNAL,
    }
)
"""Codes after which a typed connection ends; a plain one ends after every error."""


class ProtocolError(Exception):
    """A peer broke a rule of the protocol.

    `code` says which rule; `reason` is a sentence for a person, naming cause and
    remedy, with every byte of the peer's escaped.  `verb` and `subject` (an id or a
    room) say which request was refused, where one is known.
    """

    def __init__(
        self,
        code: ErrorCode,
        reason: str,
        *,
        verb: str | None = None,
        subject: str | None = None,
    ) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.verb = verb
        self.subject = subject

    @property
    def ends_typed(self) -> bool:
        """Whether a typed connection is closed after this error."""
        return self.code in ENDING

    def plain_payload(self) -> bytes:
        """Return the payload that tells a plain peer: `!ERROR! <code> <reason>`."""
        return ERROR_PREFIX + f"{self.code} {self.reason}".encode()

    def answer(self, *, typed: bool) -> tuple[tuple[str, ...], bytes]:
        """Return words and payload of the frame that tells the peer.

        A typed peer gets `ERR <code> [<verb> [<subject>]]` and the reason; words too
        long to repeat are left out.  A plain peer gets no words.
        """
        if not typed:
            return (), self.plain_payload()
        words = ["ERR", str(self.code)]
        for word in (self.verb, self.subject):
            if word is None or len(word) > MAX_QUOTED_WORD:
                break
            words.append(word)
        return tuple(words), self.reason.encode()

"""Words of a frame, read by the rules of `names`.

Law of this file: each function returns what a word means, or raises the sentence
that says what it must be; which verb it stood behind is the caller's to add.
"""

from twisted_msg.wire.errors import MAX_QUOTED_WORD, ErrorCode, ProtocolError
from twisted_msg.wire.names import MAX_ID, NAME, NAME_RULE, ROOM, ROOM_RULE, TOKEN, number


def read_name(word: str, code: ErrorCode = ErrorCode.BAD_ARGS) -> str:
    """Return a member's name.  Raises `ProtocolError` with `code` for what cannot be one."""
    if NAME.fullmatch(word) is None:
        raise ProtocolError(code, f"{NAME_RULE}, not {quoted(word)}")
    return word


def read_room(word: str, code: ErrorCode = ErrorCode.BAD_ARGS) -> str:
    """Return a room's name.  Raises `ProtocolError` with `code` for what cannot be one."""
    if ROOM.fullmatch(word) is None:
        raise ProtocolError(code, f"{ROOM_RULE}, not {quoted(word)}")
    return word


def read_number(word: str, what: str) -> int:
    """Return a number; `what` names it in the sentence.

    Raises `ProtocolError` with `bad-args` for anything but 0 to 2^63-1 in digits.
    """
    value = number(word)
    if value is None:
        raise ProtocolError(
            ErrorCode.BAD_ARGS,
            f"{what} is a whole number from 0 to {MAX_ID}, not {quoted(word)}",
        )
    return value


def read_token(args: tuple[str, ...]) -> str | None:
    """Return the token of a `PING` or `PONG` from the words behind its verb, or None.

    Raises `ProtocolError` with `bad-args` for one that is too long.
    """
    if not args:
        return None
    if TOKEN.fullmatch(args[0]) is None:
        raise ProtocolError(
            ErrorCode.BAD_ARGS,
            f"a token is 1 to 64 printable ASCII characters, not {quoted(args[0])}",
        )
    return args[0]


def quoted(word: str) -> str:
    """Return the beginning of a peer's word for people: escaped, quoted and bounded."""
    shown = ascii(word[:MAX_QUOTED_WORD])
    return shown if len(word) <= MAX_QUOTED_WORD else shown + "..."

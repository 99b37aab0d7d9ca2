"""What a client says: each typed verb as a small value, and the parser that makes them.

Law of this file: grammar only.  Who may do what, and whether a room is there, is
the session's to decide.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from twisted_msg.wire.errors import ErrorCode, ProtocolError
from twisted_msg.wire.frames import Frame, encode_frame
from twisted_msg.wire.hello import VERSION, Hello, merged, read_fields
from twisted_msg.wire.names import DIRECT, ID_RULE, number
from twisted_msg.wire.verbs import Bye, Ping, Pong
from twisted_msg.wire.words import quoted, read_name, read_number, read_room, read_token

__all__ = [
    "VERSION",
    "Request",
    "parse_request",
    "Bye",
    "Hello",
    "Ping",
    "Pong",
    "Pub",
    "Rooms",
    "Sub",
    "Unsub",
    "Who",
]


class Pub(NamedTuple):
    """Publish `payload` in `room`, or to one member as `@name`; with an `id`, acknowledged."""

    room: str
    payload: bytes
    id: int | None = None

    def encode(self) -> bytes:
        """Return the whole frame.  Raises `ValueError` for a room that is not one word."""
        words = ("PUB", self.room) if self.id is None else ("PUB", self.room, str(self.id))
        return encode_frame(self.payload, words)


class Sub(NamedTuple):
    """Become a member of `room`, and be told what was said before.

    At most one of `start` (the first sequence number; 0 is everything kept), `last` (so
    many messages) and `since` (Unix time in milliseconds) says from where.  With
    `presence`, the coming and going of others is told too.
    """

    room: str
    start: int | None = None
    last: int | None = None
    since: int | None = None
    presence: bool = False

    def encode(self) -> bytes:
        """Return the whole frame.  Raises `ValueError` for a room that is not one word."""
        options = (("from", self.start), ("last", self.last), ("since", self.since))
        words = ["SUB", self.room, *(f"{k}={v}" for k, v in options if v is not None)]
        if self.presence:
            words.append("presence=1")
        return encode_frame(b"", words)


class Unsub(NamedTuple):
    """Leave `room`."""

    room: str

    def encode(self) -> bytes:
        """Return the whole frame.  Raises `ValueError` for a room that is not one word."""
        return encode_frame(b"", ("UNSUB", self.room))


class Who(NamedTuple):
    """Ask who is in `room`."""

    room: str

    def encode(self) -> bytes:
        """Return the whole frame.  Raises `ValueError` for a room that is not one word."""
        return encode_frame(b"", ("WHO", self.room))


class Rooms(NamedTuple):
    """Ask which rooms there are to see."""

    def encode(self) -> bytes:
        """Return the whole frame."""
        return encode_frame(b"", ("ROOMS",))


Request = Hello | Pub | Sub | Unsub | Who | Rooms | Ping | Pong | Bye
"""What a client may say.  Values of different verbs may be equal, as tuples are: tell
them apart by their class."""


def parse_request(frame: Frame) -> Request:
    """Return what a typed frame of a client's asks for.

    Raises `ProtocolError`, with the verb and, where there is one, the id or room that
    was refused.  An empty frame without words is a keep-alive and for the caller to
    drop; here every frame without words is refused.
    """
    if not frame.words:
        raise ProtocolError(
            ErrorCode.BAD_ARGS,
            "a message without a verb, on a connection that speaks in typed frames: "
            "send PUB <room> and the message",
        )
    verb, *rest = frame.words
    args = tuple(rest)
    row = _VERBS.get(verb)
    if row is None:
        raise ProtocolError(
            ErrorCode.BAD_VERB,
            f"there is no verb {quoted(verb)} here: use {', '.join(_VERBS)}",
            verb=verb,
        )
    try:
        if not row.fewest <= len(args) <= row.most:
            raise ProtocolError(
                ErrorCode.BAD_ARGS,
                f"{verb} has the wrong number of words behind it ({len(args)}): send {_form(verb)}",
            )
        return row.parse(args, frame.payload)
    except ProtocolError as error:
        error.verb = verb
        error.subject = subject_of(frame.words)
        raise


def subject_of(words: tuple[str, ...]) -> str | None:
    """Return the word that says which request a frame was, its id or room, if it has one."""
    row = _VERBS.get(words[0])
    places = () if row is None else row.subject
    return next((words[at] for at in places if at < len(words)), None)


def _hello(args: tuple[str, ...], payload: bytes) -> Hello:
    """Read a `HELLO`: its JSON first, since another version may have other words."""
    return merged(read_fields(payload), _options("HELLO", args, 0))


def _pub(args: tuple[str, ...], payload: bytes) -> Pub:
    """Read a `PUB`."""
    room, *rest = args
    if room.startswith(DIRECT):
        read_name(room.removeprefix(DIRECT), ErrorCode.BAD_NAME)
    else:
        read_room(room, ErrorCode.BAD_ROOM)
    if not rest:
        return Pub(room, payload)
    given = number(rest[0])
    if not given:  # neither None nor 0
        raise ProtocolError(ErrorCode.BAD_ARGS, f"{ID_RULE}, not {quoted(rest[0])}")
    return Pub(room, payload, given)


def _sub(args: tuple[str, ...], payload: bytes) -> Sub:
    """Read a `SUB`."""
    room = args[0]
    if room.startswith(DIRECT):
        raise ProtocolError(
            ErrorCode.FORBIDDEN,
            "direct messages need no SUB and are live only on this server: they reach "
            "whoever bears the name, so send HELLO with it",
        )
    read_room(room, ErrorCode.BAD_ROOM)
    options = _options("SUB", args, 1)
    presence = options.pop("presence", "0")
    if presence not in ("0", "1"):
        raise ProtocolError(
            ErrorCode.BAD_ARGS, f"presence= is 1 (tell me) or 0 (do not), not {quoted(presence)}"
        )
    if len(options) > 1:
        raise ProtocolError(
            ErrorCode.BAD_ARGS,
            f"{'= and '.join(options)}= together do not say where to begin: choose one",
        )
    places = {key: read_number(word, f"{key}=") for key, word in options.items()}
    return Sub(room, places.get("from"), places.get("last"), places.get("since"), presence == "1")


def _unsub(args: tuple[str, ...], payload: bytes) -> Unsub:
    """Read an `UNSUB`."""
    return Unsub(read_room(args[0], ErrorCode.BAD_ROOM))


def _who(args: tuple[str, ...], payload: bytes) -> Who:
    """Read a `WHO`."""
    return Who(read_room(args[0], ErrorCode.BAD_ROOM))


def _options(verb: str, args: tuple[str, ...], start: int) -> dict[str, str]:
    """Return the `key=value` words from a place on.

    Raises `ProtocolError` with `bad-args` for a key that the verb does not have or that
    stands twice.  A strange word is told by its place: it might be a secret gone astray.
    """
    found: dict[str, str] = {}
    for place, word in enumerate(args[start:], start + 1):
        key, equals, value = word.partition("=")
        if not equals or key not in _VERBS[verb].options:
            raise ProtocolError(
                ErrorCode.BAD_ARGS,
                f"word {place} behind {verb} is none that it takes: send {_form(verb)}",
            )
        if key in found:
            raise ProtocolError(
                ErrorCode.BAD_ARGS, f"{key}= stands twice behind {verb}: give it once"
            )
        found[key] = value
    return found


def _form(verb: str) -> str:
    """Return how a verb is written."""
    return f"{verb} {_VERBS[verb].form}".rstrip()


class _Verb(NamedTuple):
    """What the parser knows of a verb.

    `form` is how people write the words behind it, of which there are `fewest` to
    `most`; `subject` holds the places of words that may say which request it was (the verb
    stands at 0), best first;
    `options` are the keys of its `key=value` words.
    """

    parse: Callable[[tuple[str, ...], bytes], Request]
    form: str = ""
    fewest: int = 0
    most: int = 0
    subject: tuple[int, ...] = ()
    options: tuple[str, ...] = ()


_MANY: Final = 1_000
"""Words are not counted where each is looked at: no header holds so many."""

_VERBS: Final[dict[str, _Verb]] = {
    "HELLO": _Verb(_hello, "[name=<name>] [client=<id>]", most=_MANY, options=("name", "client")),
    "PUB": _Verb(_pub, "<room> [<id>]", 1, 2, (2, 1)),
    "SUB": _Verb(
        _sub,
        "<room> [from=<seq>] [last=<n>] [since=<millis>] [presence=1]",
        1,
        _MANY,
        (1,),
        ("from", "last", "since", "presence"),
    ),
    "UNSUB": _Verb(_unsub, "<room>", 1, 1, (1,)),
    "WHO": _Verb(_who, "<room>", 1, 1, (1,)),
    "ROOMS": _Verb(lambda args, payload: Rooms()),
    "PING": _Verb(lambda args, payload: Ping(read_token(args)), "[<token>]", most=1),
    "PONG": _Verb(lambda args, payload: Pong(read_token(args)), "[<token>]", most=1),
    "BYE": _Verb(lambda args, payload: Bye()),
}

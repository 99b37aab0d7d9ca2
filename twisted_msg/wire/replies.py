"""What a server says: each typed verb as a small value, and the parser for clients.

Law of this file: clients are patient.  Verbs and extra words that are not known
are passed over, so that servers can say more later; a known verb that lacks what
it must hold is refused.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from twisted_msg.wire.errors import MAX_QUOTED_WORD, ErrorCode, ProtocolError
from twisted_msg.wire.frames import Frame, encode_frame
from twisted_msg.wire.lists import Here, RoomList, read_here, read_room_list
from twisted_msg.wire.payloads import decode_json, encode_json
from twisted_msg.wire.verbs import Bye, Ping, Pong, text_payload
from twisted_msg.wire.words import read_name, read_number, read_room, read_token

__all__ = [
    "Reply",
    "parse_reply",
    "Ack",
    "Bye",
    "Err",
    "Here",
    "Join",
    "Live",
    "Missed",
    "Msg",
    "Part",
    "Ping",
    "Pong",
    "RoomList",
    "Subbed",
    "Unsubbed",
    "Welcome",
]


class Welcome(NamedTuple):
    """The answer to `HELLO`: the `name` one got, and the highest id received from this client.

    `details` is the JSON object that tells of the server.
    """

    name: str
    last_id: int
    details: dict[str, Any]

    def encode(self) -> bytes:
        """Return the whole frame.  Raises `TypeError` or `ValueError` for what is not JSON."""
        return encode_frame(encode_json(self.details), ("WELCOME", self.name, str(self.last_id)))


class Ack(NamedTuple):
    """Every `PUB` up to `id` is stored; that one stands at `seq`.  `dup`: it was already."""

    id: int
    seq: int
    dup: bool = False

    def encode(self) -> bytes:
        """Return the whole frame."""
        words = ("ACK", str(self.id), str(self.seq))
        return encode_frame(b"", (*words, "dup") if self.dup else words)


class Subbed(NamedTuple):
    """One is a member of `room` now, whose newest message is `head`."""

    room: str
    head: int

    def encode(self) -> bytes:
        """Return the whole frame."""
        return encode_frame(b"", ("SUBBED", self.room, str(self.head)))


class Live(NamedTuple):
    """What was asked for of `room` up to `head` was sent; what follows is live."""

    room: str
    head: int

    def encode(self) -> bytes:
        """Return the whole frame."""
        return encode_frame(b"", ("LIVE", self.room, str(self.head)))


class Unsubbed(NamedTuple):
    """One is no member of `room`, and no message of it follows."""

    room: str

    def encode(self) -> bytes:
        """Return the whole frame."""
        return encode_frame(b"", ("UNSUBBED", self.room))


class Msg(NamedTuple):
    """A message.

    `seq` is its number in `room` (or `@receiver`, if it is direct), `millis` its Unix
    time in milliseconds; `extras` are the words behind, as they came.
    """

    room: str
    seq: int
    sender: str
    millis: int
    payload: bytes
    extras: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """Return the whole frame.  Raises `ValueError` if `extras` do not fit the header."""
        words = ("MSG", self.room, str(self.seq), self.sender, str(self.millis), *self.extras)
        return encode_frame(self.payload, words)


class Missed(NamedTuple):
    """The messages `first` to `last` of `room`, both included, are no longer kept."""

    room: str
    first: int
    last: int

    def encode(self) -> bytes:
        """Return the whole frame."""
        return encode_frame(b"", ("MISSED", self.room, str(self.first), str(self.last)))


class Join(NamedTuple):
    """Somebody became a member of `room`."""

    room: str
    name: str

    def encode(self) -> bytes:
        """Return the whole frame."""
        return encode_frame(b"", ("JOIN", self.room, self.name))


class Part(NamedTuple):
    """Somebody left `room`."""

    room: str
    name: str

    def encode(self) -> bytes:
        """Return the whole frame."""
        return encode_frame(b"", ("PART", self.room, self.name))


class Err(NamedTuple):
    """What was wrong, in `reason`; with which request, in `verb` and `subject` (an id or a room).

    `code` is a text and no `ErrorCode`: a newer server may know more of them.
    """

    code: str
    reason: str
    verb: str | None = None
    subject: str | None = None

    def encode(self) -> bytes:
        """Return the whole frame; words too long to repeat are left out, as in `ProtocolError`."""
        words = ["ERR", self.code]
        for word in (self.verb, self.subject):
            if word is None or len(word) > MAX_QUOTED_WORD:
                break
            words.append(word)
        return encode_frame(text_payload(self.reason), words)


Reply = (
    Welcome
    | Ack
    | Subbed
    | Live
    | Unsubbed
    | Here
    | RoomList
    | Msg
    | Missed
    | Join
    | Part
    | Err
    | Ping
    | Pong
    | Bye
)
"""What a server may say.  Values of different verbs may be equal, as tuples are (`Live`
and `Subbed`): tell them apart by their class."""


def parse_reply(frame: Frame) -> Reply | None:
    """Return what a typed frame of a server's says, or None for what a client passes over.

    That is a verb it does not know, or an empty frame without words, a keep-alive.
    Raises `ProtocolError` with `bad-args` or `bad-json` for a known verb that is malformed.
    """
    if not frame.words:
        if frame.payload:
            raise ProtocolError(
                ErrorCode.BAD_ARGS,
                "the server sent a plain message on a connection that speaks in typed "
                "frames: check what listens there",
            )
        return None
    verb, *rest = frame.words
    row = _VERBS.get(verb)
    if row is None:
        return None
    args = tuple(rest)
    try:
        if len(args) < row.fewest:
            raise ProtocolError(
                ErrorCode.BAD_ARGS,
                f"the server's {verb} lacks words, being {verb} {row.form}: check its version",
            )
        return row.parse(args, frame.payload)
    except ProtocolError as error:
        error.verb = verb
        raise


def _welcome(args: tuple[str, ...], payload: bytes) -> Welcome:
    """Read a `WELCOME`."""
    details: Any = decode_json(payload)
    if not isinstance(details, dict):
        raise ProtocolError(ErrorCode.BAD_JSON, "the JSON of WELCOME is an object, and not this")
    return Welcome(read_name(args[0]), _seq(args[1]), details)


def _msg(args: tuple[str, ...], payload: bytes) -> Msg:
    """Read a `MSG`."""
    room, seq, sender, millis, *extras = args
    return Msg(
        room, _seq(seq), read_name(sender), read_number(millis, "a time"), payload, tuple(extras)
    )


def _err(args: tuple[str, ...], payload: bytes) -> Err:
    """Read an `ERR`."""
    verb, subject = (*args[1:], None, None)[:2]
    return Err(args[0], _text(payload), verb, subject)


def _seq(word: str) -> int:
    """Return an id or a sequence number."""
    return read_number(word, "an id or a sequence number")


def _text(payload: bytes) -> str:
    """Return a payload that is for people: whatever it is, they see it."""
    return payload.decode("utf-8", "replace")


class _Verb(NamedTuple):
    """What the parser knows of a verb: how it is written, and its `fewest` words."""

    parse: Callable[[tuple[str, ...], bytes], Reply]
    form: str = ""
    fewest: int = 0


# A room's word that may be `@name` is taken as it is: what can stand there may grow.
_VERBS: Final[dict[str, _Verb]] = {
    "WELCOME": _Verb(_welcome, "<name> <last_id>", 2),
    "ACK": _Verb(lambda a, _: Ack(_seq(a[0]), _seq(a[1]), "dup" in a[2:]), "<id> <seq>", 2),
    "SUBBED": _Verb(lambda a, _: Subbed(a[0], _seq(a[1])), "<room> <head>", 2),
    "LIVE": _Verb(lambda a, _: Live(a[0], _seq(a[1])), "<room> <head>", 2),
    "UNSUBBED": _Verb(lambda a, _: Unsubbed(a[0]), "<room>", 1),
    "HERE": _Verb(read_here, "<room>", 1),
    "ROOMS": _Verb(read_room_list),
    "MSG": _Verb(_msg, "<room> <seq> <sender> <millis>", 4),
    "MISSED": _Verb(lambda a, _: Missed(a[0], _seq(a[1]), _seq(a[2])), "<room> <first> <last>", 3),
    "JOIN": _Verb(lambda a, _: Join(read_room(a[0]), read_name(a[1])), "<room> <name>", 2),
    "PART": _Verb(lambda a, _: Part(read_room(a[0]), read_name(a[1])), "<room> <name>", 2),
    "ERR": _Verb(_err, "<code> [<verb> [<id or room>]]", 1),
    "PING": _Verb(lambda a, _: Ping(read_token(a))),
    "PONG": _Verb(lambda a, _: Pong(read_token(a))),
    "BYE": _Verb(lambda _, payload: Bye(_text(payload))),
}

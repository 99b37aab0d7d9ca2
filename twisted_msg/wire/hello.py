"""The introduction: `HELLO`, in words and in JSON.

Law of this file: `client` and `token` are secrets, and stand in no sentence and in
no `repr`.
"""

from typing import Any, Final, NamedTuple

from twisted_msg.wire.errors import ErrorCode, ProtocolError
from twisted_msg.wire.frames import encode_frame
from twisted_msg.wire.names import CLIENT, CLIENT_RULE
from twisted_msg.wire.payloads import decode_json, encode_json
from twisted_msg.wire.words import read_name

VERSION: Final = 1
"""The version of the protocol that this floor speaks."""


class Hello(NamedTuple):
    """An introduction.

    `name` is what one wants to be called, `client` the secret that ids are counted
    under, `token` the proof of who one is; all may be left out.
    """

    name: str | None = None
    client: str | None = None
    version: int = VERSION
    token: str | None = None

    def encode(self) -> bytes:
        """Return the whole frame, with everything in its JSON payload."""
        fields = {"v": self.version, "name": self.name, "client": self.client, "token": self.token}
        given = {key: value for key, value in fields.items() if value is not None}
        return encode_frame(encode_json(given), ("HELLO",))

    def __repr__(self) -> str:
        client, token = (
            "None" if secret is None else "..." for secret in (self.client, self.token)
        )
        return f"Hello(name={self.name!r}, client={client}, version={self.version}, token={token})"


def merged(given: dict[str, str], words: dict[str, str]) -> Hello:
    """Return the `Hello` that `given` (from `read_fields`) and its `key=value` words make.

    Raises `ProtocolError` with `bad-args` if they contradict each other or the client
    breaks its rule, and with `bad-name` if the name does.
    """
    given = dict(given)
    for key, value in words.items():
        if given.setdefault(key, value) != value:
            raise ProtocolError(
                ErrorCode.BAD_ARGS,
                f"HELLO gives one {key} in its words and another in its JSON: give it once",
            )
    hello = Hello(given.get("name"), given.get("client"), VERSION, given.get("token"))
    if hello.name is not None:
        read_name(hello.name, ErrorCode.BAD_NAME)
    if hello.client is not None and CLIENT.fullmatch(hello.client) is None:
        raise ProtocolError(ErrorCode.BAD_ARGS, f"{CLIENT_RULE}, and this one is not")
    return hello


def read_fields(payload: bytes) -> dict[str, str]:
    """Return name, client and token as a `HELLO`'s payload gives them; null is not given.

    Raises `ProtocolError` with `bad-json` for what is no object of texts, and with
    `version` for another version than this one.
    """
    if not payload:
        return {}
    held: Any = decode_json(payload)
    if not isinstance(held, dict):
        raise ProtocolError(
            ErrorCode.BAD_JSON, 'the JSON of HELLO is an object, such as {"v": 1, "name": "alice"}'
        )
    version = held.get("v", VERSION)
    if type(version) is not int:  # True is an int to Python, and equals 1
        raise ProtocolError(
            ErrorCode.BAD_JSON, f"v in the JSON of HELLO is a whole number: send {VERSION}"
        )
    if version != VERSION:
        raise ProtocolError(
            ErrorCode.VERSION, f"this server speaks version {VERSION} of the protocol: send that v"
        )
    given = {key: held[key] for key in ("name", "client", "token") if held.get(key) is not None}
    for key, value in given.items():
        # Half a surrogate pair can be written in JSON, and encoded nowhere.
        if not isinstance(value, str) or any("\ud800" <= char <= "\udfff" for char in value):
            raise ProtocolError(
                ErrorCode.BAD_JSON, f"{key} in the JSON of HELLO is a text: write it in quotes"
            )
    return given

"""JSON as the wire carries it: ASCII-escaped and compact one way, strict the other.

Law of this file: what `decode_json` returns, `encode_json` can send again, and
nothing that a peer sends raises anything but `ProtocolError`.
"""

import re
from json import JSONDecoder, JSONEncoder
from math import isinf
from typing import Any, Final, NoReturn

from twisted_msg.wire.errors import ErrorCode, ProtocolError

MAX_JSON: Final = 16 * 1024 * 1024
"""Bytes of the longest JSON that is read: above the list of all rooms that a server may have.
What is read takes up to 25 times as much memory, whatever the other side meant by it."""

MAX_DEPTH: Final = 8
"""Arrays and objects that may lie within each other; what this protocol sends has 3."""

_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)
"""A string of JSON; one without an end takes all that follows.  It never goes back, so that it is
linear in any input."""

_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(each for each in range(256) if each not in b"[]{}")

_ENCODER: Final = JSONEncoder(separators=(",", ":"), allow_nan=False)


def encode_json(value: Any) -> bytes:
    """Return a value's JSON in ASCII.

    Raises `TypeError` or `ValueError` for what JSON does not know (NaN and the infinities too).
    """
    return _ENCODER.encode(value).encode("ascii")


def decode_json(payload: bytes) -> Any:
    """Return the value that a payload holds as JSON in UTF-8.

    Raises `ProtocolError` with `bad-json` for anything else.  The sentence repeats
    nothing of the payload, which may hold secrets.
    """
    try:
        if len(payload) > MAX_JSON:
            raise ProtocolError(
                ErrorCode.BAD_JSON,
                f"JSON of {len(payload)} bytes is not read: {MAX_JSON} are the most",
            )
        text = payload.decode("utf-8")
        if not _is_shallow(payload):
            raise ProtocolError(
                ErrorCode.BAD_JSON,
                f"the brackets of the JSON do not match, or more than {MAX_DEPTH} lie within each "
                "other",
            )
        return _DECODER.decode(text)
    except UnicodeDecodeError as error:
        fault = f"its byte {error.start} is no UTF-8"
    except ValueError:
        # The parser's own messages may quote; also here: NaN, and numbers past all use.
        fault = "its text does not parse, or holds a number that JSON or this program does not know"
    raise ProtocolError(
        ErrorCode.BAD_JSON,
        f"the payload is not JSON: {fault}; send JSON in UTF-8, such as a library writes",
    )


def _is_shallow(payload: bytes) -> bool:
    """Return whether brackets come in pairs and at most `MAX_DEPTH` lie within each other.

    The depth is known before anything is parsed.  Each round removes the innermost pairs; whether
    a `[` is closed by a `}` is for the parser to see.
    """
    brackets = _STRING.sub(b"", payload).translate(_SQUARE, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"")
    return not brackets


def _finite(text: str) -> float:
    """Return a number with a fraction or an exponent.  Raises `ValueError` if it is too large."""
    value = float(text)
    if isinf(value):
        raise ValueError("beyond the range of a float")
    return value


def _refuse(text: str) -> NoReturn:
    """Raise `ValueError` for NaN and the infinities, which Python would read and JSON lacks."""
    raise ValueError(f"{text} is not JSON")


_DECODER: Final = JSONDecoder(parse_float=_finite, parse_constant=_refuse)

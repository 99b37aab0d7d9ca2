"""JSON as the wire carries it: ASCII-escaped and compact one way, strict the other.

Law of this file: what `decode_json` returns, `encode_json` can send again, and
nothing that a peer sends raises anything but `ProtocolError`.
"""

from json import JSONDecoder, JSONEncoder
from math import isinf
from typing import Any, Final, NoReturn

from twisted_msg.wire.errors import ErrorCode, ProtocolError

MAX_JSON: Final = 16 * 1024 * 1024
"""Bytes of the longest JSON that is read: above the list of all rooms that a server may have.
What is read takes up to 25 times as much memory, whatever the other side meant by it."""

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
        return _DECODER.decode(payload.decode("utf-8"))
    except RecursionError:
        fault = "it is nested too deeply"
    except UnicodeDecodeError as error:
        fault = f"its byte {error.start} is no UTF-8"
    except ValueError:
        # The parser's own messages may quote; also here: NaN, and numbers past all use.
        fault = "its text does not parse, or holds a number that JSON or this program does not know"
    raise ProtocolError(
        ErrorCode.BAD_JSON,
        f"the payload is not JSON: {fault}; send JSON in UTF-8, such as a library writes",
    )


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

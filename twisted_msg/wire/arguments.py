"""Checks of the arguments that a program passes to the library.

Each check raises `TypeError` or `ValueError` before the caller changes anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isnan
from operator import index
from typing import Any, Final

from twisted_msg.wire.names import MAX_ID

BUFFERS: Final = (bytes, bytearray, memoryview)
"""What holds bytes.  One object, since a union of types is made anew at each check."""


def check_text(value: object, what: str) -> str:
    """Return a text as a plain `str`; `what` names it in errors.

    Raises `TypeError` for what is no `str`, and `ValueError` for a text that UTF-8 cannot hold.
    """
    if not isinstance(value, str):
        raise TypeError(f"{what} is a str, not {_kind(value)}")
    text = str.__str__(value)  # a subclass may have methods of its own
    text.encode()
    return text


def check_payload(message: object) -> bytes:
    """Return a message's bytes: those of a `bytes` or another buffer of bytes, a `str` as UTF-8.

    Raises `TypeError` for anything else, and `ValueError` for a text that UTF-8 cannot hold.
    """
    if isinstance(message, str):
        return str.encode(message)
    if isinstance(message, BUFFERS):
        return bytes(message)
    raise TypeError(f"a message is bytes or a str, not {_kind(message)}")


def check_payloads(messages: Iterable[object]) -> list[bytes]:
    """Return the bytes of several messages.  Raises as `check_payload` does.

    A single message, whose parts would pass for many, is refused with `TypeError`.
    """
    if isinstance(messages, (str, *BUFFERS)):
        raise TypeError(f"messages are several, such as a list of them, not one {_kind(messages)}")
    return [m if type(m) is bytes else check_payload(m) for m in messages]


def check_whole(value: Any, what: str, least: int = 0, most: int = MAX_ID) -> int:
    """Return a whole number from `least` to `most`; `what` names it in errors.

    Raises `TypeError` for what is no whole number (a bool and a float neither), and `ValueError`.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{what} is a whole number, not {_kind(value)}")
    number = index(value)
    if not least <= number <= most:
        raise ValueError(f"{what} is a whole number from {least} to {most}, not {number}")
    return number


def check_seconds(value: Any) -> float:
    """Return a time to wait, in seconds.

    Raises `TypeError` for what is no int or float, and `ValueError` for NaN and below 0.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a timeout is a number of seconds, not {_kind(value)}")
    if isnan(value) or value < 0:
        raise ValueError(f"a timeout is a number of seconds from 0 on, not {value}")
    return value


def check_callable(value: object, what: str) -> None:
    """Raise `TypeError` for what cannot be called; `what` names it."""
    if not callable(value):
        raise TypeError(f"{what} is something to call, not {_kind(value)}")


def _kind(value: object) -> str:
    """Return the name of a value's type, without calling any method of the value."""
    return type(value).__name__

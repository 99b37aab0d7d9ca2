"""What the first byte of a connection says it speaks.

Law of this file: one byte decides, and nothing is guessed; whatever is neither HTTP nor TLS
is frames, whose decoder says what is wrong with it.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class Speech(Enum):
    """What a connection may speak."""

    FRAMES = "frames"
    HTTP = "HTTP"
    TLS = "TLS"


_KINDS: Final = {
    **dict.fromkeys((b"G", b"H", b"P", b"D", b"O", b"T", b"C"), Speech.HTTP),
    b"\x16": Speech.TLS,
}
"""First bytes of HTTP's methods (GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, CONNECT),
and that of a TLS handshake's record.  A frame begins with a digit or a space."""


def opening(data: bytes) -> Speech:
    """Return what a connection speaks whose first bytes are these."""
    return _KINDS.get(data[:1], Speech.FRAMES)

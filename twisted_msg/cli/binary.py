"""What a payload is that is no text, in one line for people.

The kind is a guess by the first bytes, from the table that the web page has too
(webui/src/text/kinds.ts).
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Binary(NamedTuple):
    """A kind of data, a file extension that suits it, and a size in bytes."""

    kind: str
    extension: str
    size: int

    def __str__(self) -> str:
        """Return kind and size for people: `PNG image, 3.6 KiB`."""
        return f"{self.kind}, {_shown_size(self.size)}"


_KINDS: Final = (
    (b"\x89PNG", "PNG image", "png"),
    (b"\xff\xd8\xff", "JPEG image", "jpg"),
    (b"GIF8", "GIF image", "gif"),
    (b"%PDF", "PDF document", "pdf"),
    (b"PK\x03\x04", "ZIP archive", "zip"),
    (b"\x1f\x8b", "gzip data", "gz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard data", "zst"),
    (b"\xfd7zXZ", "xz data", "xz"),
    (b"\x7fELF", "ELF program", "elf"),
    (b"SQLite", "SQLite database", "sqlite"),
    (b"OggS", "Ogg media", "ogg"),
    (b"\x00asm", "WebAssembly module", "wasm"),
)

_SAMPLE: Final = 512
"""Bytes that are looked at to tell whether data is text, as Perl's `-T` does."""

_ODD: Final = bytes({*range(0x20), *range(0x7F, 0x100)} - set(b"\b\t\n\f\r\x1b"))
"""Bytes that are rare in text which is not UTF-8."""


def binary(payload: bytes) -> Binary | None:
    """Return the kind of a binary payload, or None if the payload is text.

    UTF-8 without NUL is text.  A payload that is not UTF-8, such as an old script's Latin-1, is
    text as well if it has no NUL, does not begin as a known kind does, and has at most a third of
    unusual bytes in its first `_SAMPLE`.  These are the rules of Perl's `-T`.
    """
    if b"\0" not in payload:
        try:
            payload.decode()
        except UnicodeDecodeError:
            pass
        else:
            return None
    sample = payload[:_SAMPLE]
    kind = next(
        ((kind, ending) for begins, *(kind, ending) in _KINDS if sample.startswith(begins)), None
    )
    if kind is None and sample[:4] == b"RIFF":
        kind = {b"WEBP": ("WebP image", "webp"), b"WAVE": ("WAV audio", "wav")}.get(sample[8:12])
    if kind is None and b"\0" not in payload:
        odd = len(sample) - len(sample.translate(None, _ODD))
        if odd * 3 <= len(sample):
            return None
    return Binary(*(kind or ("binary data", "bin")), len(payload))


def described(data: Binary, origin: str | None, command: str = "") -> str:
    """Return the line for data: from whom, what it is, and the command that saves it.

    `origin` and `command` are left out where there is none.
    """
    said = f"-- {'' if origin is None else f'{origin}: '}{data}"
    return f"{said}; to save it: {command}" if command else said


def _shown_size(size: int) -> str:
    """Return a number of bytes as people read it."""
    if size < 1024:
        return "1 byte" if size == 1 else f"{size} bytes"
    value, unit = size / 1024, "KiB"
    if value >= 1024:
        value, unit = value / 1024, "MiB"
    return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"

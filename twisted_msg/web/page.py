"""The page at `/` and its files: the chat that `webui/` is built into.

Law of this file: what is served was read and named when the server began, so that no path that
a peer asks for ever reaches the file system; and the page may load and reach nothing but what
comes from where it came from itself.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from twisted.web.http import CACHED
from twisted.web.resource import Resource
from twisted.web.server import Request

from twisted_msg.web.answers import Branch, Nothing

FOLDER: Final = "static"
"""Where the built files are, beside this module; `scripts/webui` makes them anew."""

PAGE: Final = "index.html"

TYPES: Final = {
    "css": b"text/css; charset=utf-8",
    "html": b"text/html; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
}
"""The content type of each kind of file that there is; one of another kind is a `KeyError`."""

FOR_EVER: Final = b"public, max-age=31536000, immutable"
"""For files whose name holds a digest of what is in them: another content has another name."""

ASK_FIRST: Final = b"no-cache"
"""For files whose name stays: browsers keep them, and ask whether they are still the same."""

_POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
"""What the page may do, but for whom it may speak to."""

_HEADERS: Final = (
    (b"Referrer-Policy", b"no-referrer"),
    (b"Cross-Origin-Opener-Policy", b"same-origin"),
    (
        b"Permissions-Policy",
        b"accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), "
        b"magnetometer=(), microphone=(), midi=(), payment=(), usb=()",
    ),
)

_HOST: Final = re.compile(r"[A-Za-z0-9.:\[\]_-]+")
"""What a `Host` header holds that can stand in a policy as it is."""

_ENCODING: Final = re.compile(
    r"\s*(?:gzip|x-gzip)\s*(?:;\s*q\s*=\s*(?P<quality>[0-9.]+)\s*)?", re.I
)


def policy(host: str | None) -> bytes:
    """Return the Content-Security-Policy of a page that was asked for under this `Host`.

    Browsers differ in whether `'self'` covers WebSockets, so they are named.
    """
    reached = "'self'"
    if host is not None and _HOST.fullmatch(host):
        reached += f" ws://{host} wss://{host}"
    rules = {**_POLICY, "connect-src": reached}
    return "; ".join(f"{name} {value}" for name, value in rules.items()).encode()


def takes_gzip(accepted: str) -> bool:
    """Return whether an `Accept-Encoding` header has gzip in it, and does not refuse it."""
    for part in accepted.split(","):
        found = _ENCODING.fullmatch(part)
        if found is not None:
            return (found["quality"] or "1").strip("0.") != ""
    return False


class Kept(Branch):
    """A file that is served as it was when the server began."""

    def __init__(self, name: str, content: bytes, caching: bytes) -> None:
        """Take the file's name, what is in it, and for how long browsers may keep it."""
        super().__init__()
        self._type = TYPES[name.rpartition(".")[2]]
        self._content = content
        self._caching = caching
        self._tag = hashlib.sha256(content).hexdigest()[:32]
        self._compressed: bytes | None = None

    def render_GET(self, request: Request) -> bytes:
        """Return the file, compressed for those who take that, or that it is still the same."""
        headers = request.responseHeaders
        headers.setRawHeaders(b"Content-Type", [self._type])
        headers.setRawHeaders(b"Cache-Control", [self._caching])
        headers.setRawHeaders(b"Vary", [b"Accept-Encoding"])
        for name, value in _HEADERS:
            headers.setRawHeaders(name, [value])
        headers.setRawHeaders(b"Content-Security-Policy", [policy(request.getHeader("host"))])
        small = takes_gzip(request.getHeader("accept-encoding") or "")
        if request.setETag(f'"{self._tag}{"-gzip" if small else ""}"'.encode()) is CACHED:
            return b""
        if not small:
            return self._content
        headers.setRawHeaders(b"Content-Encoding", [b"gzip"])
        return self._small()

    def _small(self) -> bytes:
        """Return the content compressed: done once, when it is first wanted, in some 20 ms."""
        if self._compressed is None:
            self._compressed = gzip.compress(self._content, mtime=0)
        return self._compressed


class Folder(Branch):
    """A folder of files, which is nothing by itself."""

    def render(self, request: Request) -> bytes:
        """Answer that there is nothing of this name."""
        return Nothing().render(request)


def page_files(folder: Traversable | None = None) -> Iterator[tuple[bytes, Resource]]:
    """Read the files of a folder, the package's own if it is left out.

    Returns what stands at the root of the tree, each with its name; the page's is empty.
    Raises `OSError` if there is no page.
    """
    folder = folder or files(__package__) / FOLDER
    yield b"", Kept(PAGE, (folder / PAGE).read_bytes(), ASK_FIRST)
    for entry in folder.iterdir():
        name = entry.name.encode()
        if entry.is_dir():
            branch = Folder()
            for file in entry.iterdir():
                branch.putChild(file.name.encode(), Kept(file.name, file.read_bytes(), FOR_EVER))
            yield name, branch
        elif entry.name != PAGE:
            yield name, Kept(entry.name, entry.read_bytes(), ASK_FIRST)

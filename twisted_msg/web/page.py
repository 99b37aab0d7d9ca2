"""The page at `/`: what this is, for a person who opens the server's address in a browser.

Law of this file: it is one small page without scripts, the same for everybody.
"""

from __future__ import annotations

from typing import Final

from twisted.web.resource import Resource
from twisted.web.server import Request

from twisted_msg import __version__
from twisted_msg.web.answers import Branch

PAGE: Final = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>tcpmsg</title>
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto;
padding: 0 1rem; color-scheme: light dark; }} code {{ font-size: .95em; }}</style>
<h1>tcpmsg {__version__}</h1>
<p>A messaging server: whatever has a socket can speak to it. This address takes</p>
<ul>
<li>frames over TCP: a header of 128 bytes that begins with the length, then the message;</li>
<li>the same frames in binary messages of a WebSocket at <code>/ws</code>.</li>
</ul>
</html>
""".encode()


class Root(Branch):
    """The root of the tree, and its page."""

    def getChild(self, path: bytes, request: Request) -> Resource:
        """Return the page itself for `/`, and nothing for other names."""
        return self if path == b"" else super().getChild(path, request)

    def render_GET(self, request: Request) -> bytes:
        """Return the page."""
        request.setHeader(b"Content-Type", b"text/html; charset=utf-8")
        request.setHeader(
            b"Content-Security-Policy", b"default-src 'none'; style-src 'unsafe-inline'"
        )
        return PAGE

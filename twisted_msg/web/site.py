"""The web site: the tree of what can be asked for, and who builds the visits to it.

Law of this file: it puts together and decides nothing; there is no access log, for the log is
about what a person must see to.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from typing import Any

from twisted.internet.interfaces import IAddress, IProtocolNegotiationFactory
from twisted.internet.protocol import Factory
from twisted.web.resource import IResource
from twisted.web.server import Site
from zope.interface import implementer

from twisted_msg.server import ALPN_PROTOCOLS, Server
from twisted_msg.web.answers import Branch
from twisted_msg.web.api.tree import TOP, api_resource
from twisted_msg.web.channel import Channel
from twisted_msg.web.metrics import MetricsPage
from twisted_msg.web.origin import Names
from twisted_msg.web.page import page_files
from twisted_msg.web.upgrade import Upgrade


class WebSite(Site):
    """What visits show."""

    def __init__(self, root: IResource, server: Server, names: Names) -> None:
        """Take the tree, the server, and the names it answers to."""
        super().__init__(root, reactor=server.clock)
        self.names = names
        self.body_limit = server.max_payload
        self._server = server

    def getContentFile(self, length: int | None) -> BytesIO:
        """Return where the body of a request goes: memory, for it has a limit."""
        return BytesIO()

    def receive(self, number: int) -> Channel:
        """Return a visit that takes over the place of this number; see `host.Web`."""
        return Channel(self, self._server, number)


@implementer(IProtocolNegotiationFactory)
class WebFactory(Factory):
    """Builds visits on a port of HTTP's own."""

    noisy = False

    def __init__(self, site: WebSite) -> None:
        """Take the site to show."""
        self._site = site

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Return a visit, whose place is still to be found."""
        return self._site.receive(0)

    def acceptableProtocols(self) -> list[bytes]:
        """Return what a TLS listener may select by ALPN."""
        return ALPN_PROTOCOLS


def make_site(server: Server, names: Iterable[str]) -> WebSite:
    """Return the site of a server that answers to these names of hosts, beside `localhost`."""
    root = Branch()
    for name, file in page_files():
        root.putChild(name, file)
    root.putChild(b"ws", Upgrade())
    interface = api_resource(server)
    for word in TOP:
        root.putChild(word, interface)
    root.putChild(b"metrics", MetricsPage(server))
    return WebSite(root, server, Names(names))

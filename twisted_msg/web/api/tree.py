"""The table of all paths.

Law of this file: it is what `openapi.json` describes; a test compares them.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from twisted_msg.server import Server
from twisted_msg.web.api.exchange import Exchange
from twisted_msg.web.api.following import Followers
from twisted_msg.web.api.health import Health
from twisted_msg.web.api.lists import Lists
from twisted_msg.web.api.publishing import Publisher
from twisted_msg.web.api.reading import Readings
from twisted_msg.web.api.routes import Routes

DESCRIPTION: Final = files("twisted_msg.web.api").joinpath("openapi.json").read_bytes()
"""The interface for programs, in the language of OpenAPI."""

TOP: Final = (b"v1", b"healthz", b"readyz")
"""The first words of all paths: under each of them a site puts the resource."""


def api_resource(server: Server) -> Routes:
    """Return the resource that serves every path whose first word is in `TOP`.

    It answers all others with 404, so that it may stand for those as well.
    """
    readings, followers, lists = Readings(server), Followers(server), Lists(server)
    health, publisher = Health(server), Publisher(server)
    return Routes(
        {
            "/v1/rooms": {"GET": lists.rooms},
            "/v1/rooms/{room}/members": {"GET": lists.members},
            "/v1/rooms/{room}/messages": {"GET": readings.read, "POST": publisher.publish},
            "/v1/rooms/{room}/events": {"GET": followers.follow},
            "/v1/openapi.json": {"GET": _describe},
            "/healthz": {"GET": health.alive},
            "/readyz": {"GET": health.ready},
        },
        server.failed,
    )


async def _describe(exchange: Exchange) -> None:
    """Answer with the interface's description."""
    exchange.parameters()
    exchange.answer_with(DESCRIPTION)

"""tcpmsg: a messaging server that anything with a socket can speak to.

Public names are imported when they are first used, so that importing the package
costs nothing and does not choose a reactor.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisted_msg.client import (
        CannotConnect,
        Client,
        ClientError,
        Disconnected,
        Gap,
        Joined,
        Listing,
        Message,
        Messages,
        NotUnderstood,
        Parted,
        PlainClient,
        PlainConnection,
        PlainFactory,
        Presence,
        Present,
        Receipt,
        Refused,
        Superseded,
        TimedOut,
        connect,
    )
    from twisted_msg.protocol import FrameFactory, FrameProtocol
    from twisted_msg.wire import ErrorCode, Frame, FrameDecoder, ProtocolError, encode_frame

__version__ = "0.1.0"

_HOMES = {
    "FrameFactory": "twisted_msg.protocol",
    "FrameProtocol": "twisted_msg.protocol",
    "CannotConnect": "twisted_msg.client",
    "Client": "twisted_msg.client",
    "ClientError": "twisted_msg.client",
    "Disconnected": "twisted_msg.client",
    "Gap": "twisted_msg.client",
    "Joined": "twisted_msg.client",
    "Listing": "twisted_msg.client",
    "Message": "twisted_msg.client",
    "Messages": "twisted_msg.client",
    "NotUnderstood": "twisted_msg.client",
    "Parted": "twisted_msg.client",
    "Presence": "twisted_msg.client",
    "PlainClient": "twisted_msg.client",
    "PlainConnection": "twisted_msg.client",
    "PlainFactory": "twisted_msg.client",
    "Present": "twisted_msg.client",
    "Receipt": "twisted_msg.client",
    "Refused": "twisted_msg.client",
    "Superseded": "twisted_msg.client",
    "TimedOut": "twisted_msg.client",
    "connect": "twisted_msg.client",
    "ErrorCode": "twisted_msg.wire",
    "Frame": "twisted_msg.wire",
    "FrameDecoder": "twisted_msg.wire",
    "ProtocolError": "twisted_msg.wire",
    "encode_frame": "twisted_msg.wire",
}

__all__ = [
    "CannotConnect",
    "Client",
    "ClientError",
    "Disconnected",
    "ErrorCode",
    "Frame",
    "FrameDecoder",
    "FrameFactory",
    "FrameProtocol",
    "Gap",
    "Joined",
    "Listing",
    "Message",
    "Messages",
    "NotUnderstood",
    "Parted",
    "Presence",
    "PlainClient",
    "PlainConnection",
    "PlainFactory",
    "Present",
    "ProtocolError",
    "Receipt",
    "Refused",
    "Superseded",
    "TimedOut",
    "__version__",
    "connect",
    "encode_frame",
]


def __getattr__(name: str) -> Any:
    """Import a public name's home when the name is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__

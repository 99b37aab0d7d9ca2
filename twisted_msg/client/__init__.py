"""The client: one connection, or one that comes back by itself.

Law of this floor: it knows the protocol and the wire, and nothing of the server's side;
reactor, clock and randomness are arguments.
"""

from twisted_msg.client.errors import (
    CannotConnect,
    ClientError,
    Disconnected,
    NotUnderstood,
    Refused,
    TimedOut,
)
from twisted_msg.client.factory import PlainFactory
from twisted_msg.client.plain import PlainConnection
from twisted_msg.client.reconnecting import PlainClient
from twisted_msg.client.sendable import sendable

__all__ = [
    "CannotConnect",
    "ClientError",
    "Disconnected",
    "NotUnderstood",
    "PlainClient",
    "PlainConnection",
    "PlainFactory",
    "Refused",
    "TimedOut",
    "sendable",
]

"""The client: one connection, or one that comes back by itself; plain or typed.

Law of this floor: it knows the protocol and the wire, and nothing of the server's side;
reactor, clock and randomness are arguments.
"""

from twisted_msg.client.client import Client
from twisted_msg.client.connecting import connect
from twisted_msg.client.errors import (
    CannotConnect,
    ClientError,
    Disconnected,
    Gap,
    NotUnderstood,
    Refused,
    Superseded,
    TimedOut,
)
from twisted_msg.client.factory import PlainFactory
from twisted_msg.client.listing import Listing
from twisted_msg.client.messages import Joined, Messages, Parted, Presence, Present
from twisted_msg.client.outbox import Receipt
from twisted_msg.client.plain import PlainConnection
from twisted_msg.client.reconnecting import PlainClient
from twisted_msg.client.sendable import sendable
from twisted_msg.client.subscription import Message

__all__ = [
    "CannotConnect",
    "Client",
    "ClientError",
    "Disconnected",
    "Gap",
    "Joined",
    "Listing",
    "Message",
    "Messages",
    "NotUnderstood",
    "Parted",
    "PlainClient",
    "PlainConnection",
    "PlainFactory",
    "Presence",
    "Present",
    "Receipt",
    "Refused",
    "Superseded",
    "TimedOut",
    "connect",
    "sendable",
]

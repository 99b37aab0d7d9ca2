"""The naive server: Twisted's own length-prefixed protocol, and a loop over the members.

    python -m bench.relay PORT

Law of this file: what anybody would write first.  It is what this server's design is
measured against, so it is not to be improved.
"""

import sys

from twisted.internet import protocol, reactor
from twisted.protocols.basic import Int32StringReceiver

members: set["Relay"] = set()


class Relay(Int32StringReceiver):
    """One connection: who says JOIN is sent what everybody says from then on."""

    def connectionMade(self) -> None:
        """Small frames go out without delay, as with all peers."""
        self.transport.setTcpNoDelay(True)  # type: ignore[union-attr]

    def stringReceived(self, string: bytes) -> None:
        """Send to all."""
        if string == b"JOIN":
            members.add(self)
            self.sendString(b"JOINED")
            return
        for member in members:
            member.sendString(string)

    def connectionLost(self, reason: object = None) -> None:
        """Forget who is gone."""
        members.discard(self)


if __name__ == "__main__":
    factory = protocol.ServerFactory.forProtocol(Relay)
    reactor.listenTCP(int(sys.argv[1]), factory, 4096, "127.0.0.1")  # type: ignore[arg-type]
    reactor.run()

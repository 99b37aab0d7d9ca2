"""An echo server: every frame comes back as it was sent.  See README.md beside this file."""

import sys

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import react

from twisted_msg import Frame, FrameFactory, FrameProtocol
from twisted_msg.addresses import listening


class Echo(FrameProtocol):
    """One connection, whatever the peer is."""

    def frame_received(self, frame: Frame) -> None:
        """Send a frame back: its payload, and its words if it is a typed one."""
        self.send_frame(frame.payload, *frame.words)


async def main(reactor, address="127.0.0.1:5051"):
    port = await serverFromString(reactor, listening(address)).listen(FrameFactory(Echo))
    print("the echo server listens on", port.getHost(), flush=True)
    await Deferred()  # for ever


if __name__ == "__main__":
    react(main, sys.argv[1:2])

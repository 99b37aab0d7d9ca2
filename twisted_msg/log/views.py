"""How members of each kind see a message.

Law of this file: what may not be shown to a kind of member is left out here, at
delivery, and nowhere else.
"""

from twisted_msg.log.piece import Message
from twisted_msg.wire import encode_frame
from twisted_msg.wire.limits import DISCONNECT, ERROR_PREFIX, HEADER_SIZE


class PlainView:
    """Messages as plain frames.

    What a plain member would take for a word of the server's own is not shown: the
    disconnect word, an error, and the empty keep-alive.  So nobody can hang up on others.
    """

    def __init__(self, header_size: int = HEADER_SIZE, disconnect: bytes = DISCONNECT) -> None:
        """Take the header's width in bytes and the disconnect word."""
        self.header_size = header_size
        self.disconnect = disconnect

    def encode(self, message: Message) -> bytes:
        """Return the plain frame, or nothing for what plain members are not shown."""
        payload = message.payload
        if not payload or payload == self.disconnect or payload.startswith(ERROR_PREFIX):
            return b""
        return encode_frame(payload, (), self.header_size)

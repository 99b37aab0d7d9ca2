"""The protocol alone: bytes in, frames out, and back again.

Law of this floor: no Twisted, no clocks, no rooms, no input or output.  What
stands here can be tested, fuzzed and reused without a network.
"""

from twisted_msg.wire.decoder import FrameDecoder, Stage
from twisted_msg.wire.errors import ErrorCode, ProtocolError
from twisted_msg.wire.frames import Frame, Run, encode_frame
from twisted_msg.wire.header import Header, encode_header, parse_header

__all__ = [
    "ErrorCode",
    "Frame",
    "FrameDecoder",
    "Header",
    "ProtocolError",
    "Run",
    "Stage",
    "encode_frame",
    "encode_header",
    "parse_header",
]

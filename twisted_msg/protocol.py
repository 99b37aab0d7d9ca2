"""The Protocol/Factory pair: frames instead of bytes, in any Twisted program.

Law of this file: it knows frames and transports, and nothing of what a verb
means.  The server, the client and programs of others stand on the same pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from twisted_msg.wire import ErrorCode, Frame, FrameDecoder, ProtocolError, Run, encode_frame
from twisted_msg.wire.arguments import check_callable
from twisted_msg.wire.limits import HEADER_SIZE, MAX_PAYLOAD


class NotNow(Exception):
    """Raised by `frame_received`, which has held the frames: offer this one again on release."""


@implementer(IHalfCloseableProtocol)
class FrameProtocol(Protocol):
    """A connection that receives and sends frames.

    Subclass it and override `frame_received`, as one would override `stringReceived`
    of Twisted's `Int32StringReceiver`::

        class Echo(FrameProtocol):
            def frame_received(self, frame):
                self.send_frame(frame.payload, *frame.words)

    `refused` and `input_ended` may be overridden as well; their defaults answer and close.
    """

    transport: Any
    """Twisted's transport: its interfaces do not name all that its transports can do."""

    def __init__(self, header_size: int = HEADER_SIZE, max_payload: int = MAX_PAYLOAD) -> None:
        """Take the header's width and the largest payload to accept, both in bytes.

        Raises `ValueError` for a width outside 4 to 2048 and a payload below 0, and `TypeError`.
        """
        self.decoder = FrameDecoder(header_size, max_payload)
        self._receiving = True
        self._flowing = True  # receiving, and not held
        self._taking = False
        self._left: tuple[Frame | Run, ...] = ()
        """What was begun when frames were held, and comes before `_rest`: a frame to be offered
        again, and what is left of its run.  It is replaced each time and never grows."""
        self._rest: Iterator[Frame | Run] | None = None
        self._unread: list[bytes] = []
        self._ended = False

    # -- for subclasses ------------------------------------------------------

    def frame_received(self, frame: Frame) -> None:
        """Called with every frame, in the order of the stream.

        A `ProtocolError` raised here is answered as one of the decoder's is.
        """

    def run_received(self, run: Run) -> bool:
        """Called with many frames in a row that are alike; see `Run`.

        Returns whether all of them were taken at once; else each is handed to
        `frame_received`, which is what this does.
        """
        return False

    def refused(self, error: ProtocolError) -> None:
        """Called once, when the input broke a rule; nothing is received after it.

        Tells the peer and closes.
        """
        words, payload = error.answer(typed=self.typed)
        self.send_frame(payload, *words)
        self.loseConnection()

    def input_ended(self) -> None:
        """Called when the peer has sent all that it will and may still read: closes."""
        self.loseConnection()

    def send_frame(self, payload: bytes, *words: str) -> None:
        """Send one frame; `words` (the verb first) make it a typed one.

        Raises `ValueError` if a word breaks the grammar or does not fit the header, and
        `TypeError` for a payload that is no bytes.
        """
        self.transport.write(encode_frame(payload, words, self.decoder.header_size))

    def stop_receiving(self) -> None:
        """Discard all further input, the rest of the piece at hand included."""
        self._receiving = self._flowing = False
        self._left = ()
        self._rest = None
        self._unread.clear()
        self.decoder.discard()

    def hold_frames(self) -> None:
        """Receive no frame until `release_frames`, not even those of the piece at hand.

        Only what the transport still delivers is kept meanwhile: pause it as well.
        """
        self._flowing = False

    def release_frames(self) -> None:
        """Receive frames again, those that were kept first."""
        self._flowing = self._receiving
        if self._taking:
            return  # held and released while a frame was handed on: whoever did that goes on
        rest, self._rest = self._rest, None
        if rest is not None:
            self._take(rest)
        while self._flowing and self._unread:
            self._take(self.decoder.decode(self._unread.pop(0)))
        if self._flowing and self._ended:
            self.input_ended()

    def loseConnection(self) -> None:  # the name that Twisted's protocols use
        """Close when everything sent so far is flushed, and discard what still comes in."""
        self.stop_receiving()
        self.transport.loseConnection()

    @property
    def receiving(self) -> bool:
        """Whether frames are still taken from the input."""
        return self._receiving

    @property
    def typed(self) -> bool:
        """Whether the connection's first frame was a typed one."""
        return bool(self.decoder.typed)

    # -- for Twisted ---------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        """Feed the decoder and hand on what comes out."""
        if self._flowing:
            self._take(self.decoder.decode(data))
        elif self._receiving:
            self._unread.append(data)

    def _take(self, frames: Iterator[Frame | Run]) -> None:
        """Hand frames on until they are held, or at an end."""
        self._taking = True
        try:
            while self._left:
                frame, self._left = self._left[0], self._left[1:]
                if not self._hand_on(frame):
                    break
            else:
                for frame in frames:
                    if not self._hand_on(frame):
                        break
                else:
                    return
            self._rest = frames if self._receiving else None
        except ProtocolError as error:
            self.stop_receiving()
            self.refused(error)
        finally:
            self._taking = False

    def _hand_on(self, frame: Frame | Run) -> bool:
        """Hand a frame or a run on; return whether others may follow."""
        return self._take_run(frame) if isinstance(frame, Run) else self._take_frame(frame)

    def _take_frame(self, frame: Frame) -> bool:
        """Hand a frame on; return whether others may follow."""
        try:
            self.frame_received(frame)
        except NotNow:
            self._left = (frame, *self._left)
            return False
        return self._flowing

    def _take_run(self, run: Run) -> bool:
        """Hand a run on, at once or frame by frame, and keep what is left of it, as a run."""
        if self.run_received(run):
            return self._flowing
        for taken, frame in enumerate(run.frames(), 1):
            if not self._take_frame(frame):
                if self._receiving:
                    self._left += tuple(run.behind(taken))
                return False
        return True

    def readConnectionLost(self) -> None:
        """Hand on a half-close, behind the frames that are held."""
        self._ended = True
        if self._flowing or not self._receiving:
            self.input_ended()

    def writeConnectionLost(self) -> None:
        """Nothing to do: it is this side that closed it."""


class FrameFactory(Factory):
    """Builds `FrameProtocol`s that share a header's width and a largest payload."""

    protocol: type[FrameProtocol] = FrameProtocol

    def __init__(
        self,
        protocol: type[FrameProtocol] | None = None,
        *,
        header_size: int = HEADER_SIZE,
        max_payload: int = MAX_PAYLOAD,
    ) -> None:
        """Take the class to build (else the class attribute `protocol`) and the limits in bytes.

        Raises `ValueError` and `TypeError` as `FrameProtocol` does.
        """
        if protocol is not None:
            check_callable(protocol, "the class to build")
        self.build = protocol or self.protocol
        self.header_size = header_size
        self.max_payload = max_payload
        FrameDecoder(header_size, max_payload)  # a wrong width is refused here, not at a peer

    def buildProtocol(self, addr: IAddress | None) -> FrameProtocol:
        """Return the protocol for one connection; `addr` may be missing."""
        built = self.build(self.header_size, self.max_payload)
        built.factory = self
        return built


__all__ = ["ErrorCode", "Frame", "FrameFactory", "FrameProtocol", "ProtocolError"]

"""A conversation in typed frames: a table of verbs, and answers that name what was wrong.

Law of this file: a typed peer is only ever sent typed frames.  This version of the
server knows no verbs yet, and says so.
"""

from twisted_msg.session.line import Line
from twisted_msg.wire import ErrorCode, Frame, ProtocolError, encode_frame


class TypedSession:
    """One typed connection."""

    __slots__ = ("_line",)

    def __init__(self, line: Line) -> None:
        self._line = line

    def frame_received(self, frame: Frame) -> None:
        """Answer a frame; one without words and payload is a keep-alive."""
        if frame.words:
            verb = frame.words[0]
            self._answer(
                ProtocolError(
                    ErrorCode.BAD_VERB,
                    f"this server does not know {verb[:40]}: it speaks plain frames only, "
                    "whose headers hold nothing but the length",
                    verb=verb,
                )
            )
        elif frame.payload:
            self._answer(
                ProtocolError(
                    ErrorCode.BAD_ARGS,
                    "this connection began with a typed frame, so each message needs a verb: "
                    "open another connection for plain frames",
                )
            )

    def refuse(self, error: ProtocolError) -> None:
        """Tell the peer what was wrong, and close."""
        self._line.close(f"refused, {error}", self.refusal(error))

    def stop(self) -> None:
        """Say that the server is going."""
        self._line.close("the server stops", encode_frame(b"the server stops", ("BYE",)))

    def lost(self) -> None:
        """Nothing is kept for a typed connection yet."""

    def _answer(self, error: ProtocolError) -> None:
        self._line.outlet.answer(self.refusal(error))

    @staticmethod
    def refusal(error: ProtocolError) -> bytes:
        """Return the `ERR` frame for an error."""
        words, payload = error.answer(typed=True)
        return encode_frame(payload, words)

"""One peer's connection: its way in, its way out, and its deadlines.

Law of this file: every connection ends by a path that lets the peer read what it was
told, and no peer can hold one for ever by doing nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_msg.counts import End, end_of
from twisted_msg.deadlines import LINGER_SECONDS, Deadlines
from twisted_msg.delivery import Outlet
from twisted_msg.host import Host
from twisted_msg.pace import Pace, Rates
from twisted_msg.protocol import FrameProtocol
from twisted_msg.proxy_headers import has_partial_header
from twisted_msg.session import Session
from twisted_msg.transports import drop_unsent, keep_alive, read_by_the_piece
from twisted_msg.wire import ErrorCode, Frame, ProtocolError, Run, Stage
from twisted_msg.wire.limits import HEADER_SIZE


class _Phase(Enum):
    """Where a connection is on its way out."""

    LIVE = "live"
    FLUSHING = "flushing"
    LINGERING = "lingering"
    LOST = "lost"


class Connection(FrameProtocol):
    """One peer: a frame protocol with a session, an outlet and deadlines."""

    factory: Any
    host: Host[Connection]
    outlet: Outlet
    carried = False
    _pace: Pace | None = None

    def __init__(self, header_size: int, max_payload: int) -> None:
        super().__init__(header_size, max_payload)
        self.number = 0
        self.session: Session | None = None
        self._phase = _Phase.LIVE
        self._why = End.LOST, "the connection was lost"  # unless it is found to be otherwise
        self._refused = False
        self._holds = 0
        self._deadlines = Deadlines()
        self._lingers_since = 0.0
        self._heard = self._beats = False

    # -- the way in ----------------------------------------------------------

    def connectionMade(self) -> None:
        """Begin: what kind of connection it is, its first frame will say."""
        self.host = self.factory
        keep_alive(self.transport)
        read_by_the_piece(self.transport)
        self.outlet = Outlet(self.transport, self._backlog, self._outlet_failed)
        self.host.joined(self)

    def dataReceived(self, data: bytes) -> None:
        """Take input, whose first byte says whether it is frames."""
        first = not self._heard and self.session is None and self.receiving
        if first and not self.host.opened(self, data):
            return
        self._heard = True
        self.host.counts.received_bytes += len(data)
        if self._pace is not None:
            self._pace.read(len(data))
        self.guard(super().dataReceived, data)

    def readConnectionLost(self) -> None:
        """Take the end of the input."""
        self.guard(super().readConnectionLost)

    def guard(self, take: Callable[..., None], *arguments: Any) -> None:
        """Make a call; a fault of the server's own ends this connection and no other."""
        try:
            take(*arguments)
        except ProtocolError as error:
            self.stop_receiving()
            self.refused(error)
        except Exception:
            self.host.failed(Failure())
            self.stop_receiving()
            self.refused(
                ProtocolError(ErrorCode.INTERNAL, "a fault in the server, which is in its log")
            )

    def frame_received(self, frame: Frame) -> None:
        """Hand a frame to the session, which the first one decides."""
        session = self.session
        if session is None:
            session = self.session = self.host.converse(self)
        take: Callable[[Frame], None] = session.frame_received
        if self._pace is not None:
            take = self._pace.counting(take)
        self.frame_received = take  # type: ignore[assignment, method-assign]
        take(frame)

    def run_received(self, run: Run) -> bool:
        """Hand many frames to the session at once, if it takes them so."""
        pace, count = self._pace, len(run.payloads)
        if pace is not None and not pace.allows(count):
            return False  # one by one, and none too many
        taken = self.session is not None and self.session.run_received(run)
        if taken and pace is not None:
            pace.count(count)
        return taken

    def surrender(self) -> Any:
        """Return the transport, which speaks something else and is another's from now on."""
        self._let_go()
        if self._holds:
            self.transport.resumeProducing()
        return self.transport

    def refused(self, error: ProtocolError) -> None:
        """Answer an error and end."""
        self._refused = True
        if self.session is not None:
            self.session.refuse(error)
        else:
            refusal = self.host.refusal(self, error)
            self.close(end_of(error.code), f"refused, {error}", refusal)

    def refuse_proxy_header(self, reason: str) -> None:
        """Close without an answer: what the peer speaks is not known."""
        self._refused = True
        self.stop_receiving()
        self.close(End.REFUSED, f"refused, {reason}")

    def input_ended(self) -> None:
        """The peer closed its side: send what is owed, and close."""
        if self._phase is _Phase.LINGERING:
            self.transport.loseConnection()
        cut = "" if self.decoder.stage is Stage.BETWEEN or not self.receiving else " inside a frame"
        self.close(End.CLOSED, f"closed its side{cut}")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell session and server."""
        if self.session is not None:
            self.session.lost()
        if self._why[0] is End.LOST and reason.check(ConnectionDone):
            self._why = End.CLOSED, "closed the connection"
        self._let_go()
        drop_unsent(self.transport)  # a commit that it waits for holds this connection
        self.host.left(self, *self._why, refused=self._refused)

    def _let_go(self) -> None:
        """Drop all buffers and all references to this connection: no cycle may keep it."""
        self._phase = _Phase.LOST
        self.stop_receiving()
        self.outlet.stopProducing()  # a wrapper may not have called it
        self.transport.unregisterProducer()  # which one with TLS keeps
        self.session = None
        self.__dict__.pop("frame_received", None)
        if self._pace is not None:
            self._pace.stop()
            self._pace = None

    # -- no faster than it may -----------------------------------------------

    def limit(self, rates: Rates) -> None:
        """Read no faster than these rates allow, from now on; to be called before anything came."""
        self._pace = Pace(rates, self.host.clock, self)

    @property
    def network(self) -> str | None:
        """The network by which limits count the peer; see `Line`."""
        return self.host.network_of(self.transport)

    def charge(self, messages: int) -> None:
        """Count what a frame asks for as so many more; see `Line`."""
        if self._pace is not None:
            self._pace.count(messages)

    # -- for the session -----------------------------------------------------

    def hold(self) -> None:
        """Stop reading; see `Line`."""
        self._holds += 1
        if self._holds == 1 and self.receiving:
            self.hold_frames()
            self.transport.pauseProducing()

    def release(self) -> None:
        """Undo one `hold`."""
        self._holds -= 1
        if self._holds == 0 and self.receiving:
            self._deadlines.restart()
            if not self._ended:
                self.transport.resumeProducing()
            self.guard(self.release_frames)

    def keep_beating(self) -> None:
        """Ask a silent peer whether it is there, from now on; see `Line`."""
        self._beats = True
        self._deadlines.hear(self.host.clock.seconds())

    def close(self, end: End, reason: str, last: bytes = b"", *, cut: bool = False) -> None:
        """Take no more input, send what is owed and `last`, then close; see `Line`."""
        self.stop_receiving()
        if cut:
            self.outlet.cut_short()
            self.outlet.end_with(last)
        if self._phase is not _Phase.LIVE:
            return
        self._phase = _Phase.FLUSHING
        self._why = end, reason
        if self._holds and not self._ended:
            self.transport.resumeProducing()  # to discard
        self._deadlines.restart()
        self.outlet.end(self._flushed, last)

    # -- the way out ---------------------------------------------------------

    def _flushed(self) -> None:
        """Everything owed is with the transport: close this side, and discard the other."""
        if self.session is not None:
            self.session.lost()  # nobody waits for the peer to close its own side
        # a transport within a wrapper (TLS, haproxy:) would not tell us of a half-close
        direct = getattr(self.transport, "protocol", None) is self
        if direct and not self._ended:
            self.transport.loseWriteConnection()
        else:
            self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """This side is closed, its last byte sent."""
        self._phase = _Phase.LINGERING
        self._lingers_since = self.host.clock.seconds()
        if self._ended:
            self.transport.loseConnection()

    def _outlet_failed(self) -> None:
        """A fault of the server's own, and nobody knows what was written of a frame."""
        self.host.failed(Failure())
        self.stop_receiving()
        self._why = End.FAULT, "a fault in the server"
        self.abort()

    def _backlog(self, full: bool) -> None:
        """Read no more while the peer leaves too many answers unread."""
        if full:
            self.hold()
        else:
            self.release()

    # -- the passing of time -------------------------------------------------

    def sweep(self, now: float) -> None:
        """See to the deadlines; called about once a second."""
        if self._phase is _Phase.LINGERING:
            if now - self._lingers_since >= LINGER_SECONDS:
                self.transport.loseConnection()
        elif self._phase is _Phase.FLUSHING:
            if self._deadlines.unflushed(self.outlet.taken(), now):
                self._why = End.TIMEOUT, f"{self._why[1]}; it did not read the rest"
                self.abort()
        else:
            self._sweep_live(now)

    def _sweep_live(self, now: float) -> None:
        """See to the deadlines of a connection that is not on its way out."""
        deadlines = self._deadlines
        if self.outlet.waiting:
            stuck = deadlines.stall(self.outlet.taken(), now, self.host.stall_limit)
            if stuck:
                self._why = End.TIMEOUT, stuck
                self.abort()
                return
        if self._holds:
            deadlines.hear(now)  # nobody listens, so nobody is silent
            return
        first = self.session is None
        partial = first and has_partial_header(self.transport)
        late = deadlines.lateness(self.decoder, now, first=first, partial_proxy_header=partial)
        if not late and self._beats:
            late = self._silence(now)
        if late:
            self.stop_receiving()
            self.refused(ProtocolError(ErrorCode.TIMEOUT, late))

    def stop(self) -> None:
        """The server stops: say so, where it is known how to."""
        if self.session is None:
            self.close(End.STOPPED, "the server stops")
        else:
            self.session.stop()

    def beat(self) -> None:
        """Ask a silent peer whether it is there."""
        if self.session is not None:
            self.session.beat()

    def abort(self) -> None:
        """Close at once, whatever is still unsent."""
        self.transport.abortConnection()

    def _silence(self, now: float) -> str:
        """Ask a silent peer whether it is there; return what to tell one that does not answer."""
        deadlines = self._deadlines
        questions = deadlines.asked * HEADER_SIZE  # theirs is the one silence that counts
        if self._heard or (self.outlet.waiting and self.outlet.unsent() > questions):
            self._heard = False
            deadlines.hear(now)
            return ""
        late = deadlines.silence(now)
        if not late and deadlines.ask(now):
            self.beat()
        return late

"""Standard input and output for coroutines.

Law of this file: the descriptors are shared with other programs (a shell, a pipeline),
so they are never made non-blocking, as `twisted.internet.stdio` would; each is read or
written only when it is ready, and then in pieces that cannot block.
"""

from __future__ import annotations

import errno
import os
import select
import stat
from typing import Any, Final

from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.main import CONNECTION_LOST
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_msg.cli.running import OutputClosed
from twisted_msg.client.waiting import Gate

CHUNK: Final = 64 * 1024
"""Bytes read at once: what a pipe of Linux holds."""

PIECE: Final = select.PIPE_BUF
"""Bytes that a pipe takes without blocking whenever it says that it is ready (POSIX)."""


class Input(FileDescriptor):
    """A descriptor to read from, one chunk at a time, when asked for it."""

    def __init__(self, reactor: Any, descriptor: int = 0) -> None:
        """Take the reactor and the descriptor's number."""
        super().__init__(reactor)
        self.connected = 1
        self._descriptor = descriptor
        self._waiting: Deferred[bytes] | None = None

    async def read(self) -> bytes:
        """Return the next bytes, at most `CHUNK`; none at the end.  Raises `OSError`."""
        if not self.connected:
            return b""
        self._waiting = Deferred(lambda _: self._stop())
        self.startReading()
        return await self._waiting

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def doRead(self) -> Exception | None:
        """Read what is there."""
        waiting = self._waiting
        self._stop()
        try:
            data = os.read(self._descriptor, CHUNK)
        except BlockingIOError:  # somebody else made it non-blocking and took what was there
            self._waiting = waiting
            self.startReading()
            return None
        except OSError as error:
            if not (error.errno == errno.EIO and self._device()):
                self.connected = 0
                if waiting is not None:
                    waiting.errback(error)
                return None
            data = b""  # a terminal that is gone
        if not data:
            self.connected = 0
        if waiting is not None:
            waiting.callback(data)
        return None

    def connectionLost(self, reason: Failure) -> None:
        """The other end is gone and nothing is left to read."""
        waiting = self._waiting
        self._stop()
        super().connectionLost(reason)
        if waiting is not None:
            waiting.callback(b"")

    def _device(self) -> bool:
        """Return whether this is, or was, something like a terminal."""
        return stat.S_ISCHR(os.fstat(self._descriptor).st_mode)

    def _stop(self) -> None:
        """Read no more until asked."""
        self._waiting = None
        self.stopReading()


@implementer(IPushProducer)
class Output(FileDescriptor):
    """A descriptor to write to, which says when it has had enough."""

    def __init__(self, reactor: Any, descriptor: int = 1) -> None:
        """Take the reactor and the descriptor's number."""
        super().__init__(reactor)
        self.connected = 1
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._room = Gate(opened=True)
        self._flushed = Gate()
        self.closed = Gate()
        """Fails with `OutputClosed` when nobody reads any more, or with the system's error."""
        self.registerProducer(self, True)
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            self.startReading()  # never readable, but this tells when its reader is gone

    def put(self, data: bytes) -> Deferred[None]:
        """Write; the Deferred fires when there is room for more.

        It fails with `OutputClosed` if nobody reads any more.
        """
        self.write(data)
        return self._room.wait()

    async def finish(self) -> None:
        """Wait until everything is written; nothing can be written after it."""
        if self.connected:
            self.unregisterProducer()
            self.loseConnection()
        await self._flushed.wait()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def writeSomeData(self, data: bytes) -> int | BaseException:
        """Write what fits without blocking."""
        written = 0
        while written < len(data) and self._poll.poll(0):
            try:
                written += os.write(self._descriptor, data[written : written + PIECE])
            except BlockingIOError:
                break
            except BrokenPipeError:
                return CONNECTION_LOST
            except OSError as error:
                return error  # a full disk, say: not what the reader wanted
            if written >= CHUNK:
                break
        return written

    def doRead(self) -> Exception | None:
        """A pipe's writing end is readable only when the reader is gone."""
        return CONNECTION_LOST

    def connectionLost(self, reason: Failure) -> None:
        """Everything is written after `finish`, or the reader is gone."""
        written = self.offset == len(self.dataBuffer) and not self._tempDataLen
        self.producer = None
        super().connectionLost(reason)
        if self.disconnecting and written:
            self._flushed.open()
            return
        error: Exception = OutputClosed("nobody reads the output any more")
        if isinstance(reason.value, OSError):
            error = reason.value
        for gate in (self._room, self._flushed, self.closed):
            gate.fail(error)

    def pauseProducing(self) -> None:
        """Enough is waiting to be written."""
        self._room.shut()

    def resumeProducing(self) -> None:
        """Everything is written."""
        self._room.open()

    def stopProducing(self) -> None:
        """Nothing more can be written: `connectionLost` follows."""

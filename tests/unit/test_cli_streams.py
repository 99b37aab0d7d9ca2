"""Standard input as a coroutine reads it: pieces, the end, and what is neither."""

from __future__ import annotations

import errno
import os
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactor
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.cli.streams import Input


class InputTests(SynchronousTestCase):
    def read(self, descriptor: int, broken: int = 0) -> Deferred[bytes]:
        """Read once; if it is broken, the system gives that error."""
        source: Any = Input(MemoryReactor(), descriptor)
        reading = Deferred.fromCoroutine(source.read())
        self.assertNoResult(reading)
        if broken:
            with mock.patch("os.read", side_effect=OSError(broken, os.strerror(broken))):
                source.doRead()
        else:
            source.doRead()
        self.assertFalse(source.connected and source.reactor.getReaders())
        return reading

    def opened(self, path: str) -> int:
        descriptor = os.open(path, os.O_RDONLY)
        self.addCleanup(os.close, descriptor)
        return descriptor

    def test_what_is_there_and_the_end(self) -> None:
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        os.write(writer, b"x")
        self.assertEqual(self.successResultOf(self.read(reader)), b"x")
        os.close(writer)
        self.assertEqual(self.successResultOf(self.read(reader)), b"")

    def test_a_terminal_that_is_gone_is_the_end(self) -> None:
        descriptor = self.opened("/dev/null")  # a device, as terminals are
        self.assertEqual(self.successResultOf(self.read(descriptor, errno.EIO)), b"")

    def test_a_file_that_cannot_be_read_on_is_not_the_end(self) -> None:
        descriptor = self.opened(__file__)
        for broken in (errno.EIO, errno.EISDIR):
            self.failureResultOf(self.read(descriptor, broken), OSError)

"""What a client says of a connection that OpenSSL ended."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.client.errors import TLSFailed, lost


class LostTests(SynchronousTestCase):
    def test_an_error_of_openssl(self) -> None:
        error = lost(SSL.Error([("SSL routines", "", "wrong version number")]))
        self.assertIsInstance(error, TLSFailed)
        self.assertIn("TLS failed (wrong version number)", str(error))
        self.assertIn("no cause was given", str(lost(SSL.Error([]))))

    def test_an_error_of_the_system(self) -> None:
        for cause in (SSL.SysCallError(104, "ECONNRESET"), SSL.SysCallError(-1, "Unexpected EOF")):
            error = lost(cause)
            self.assertEqual(str(error), "the connection was lost")
            self.assertNotIsInstance(error, TLSFailed)

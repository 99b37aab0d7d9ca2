"""A client's secret in a file, so that a later run goes on as the same client.

Law of this file: the file is its owner's alone, and of one run at a time: two that sent
under one secret would take the connection from each other.  No Twisted.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from types import TracebackType
from typing import Final

from twisted_msg.cli.exits import InUse, UsageError
from twisted_msg.wire.names import CLIENT, CLIENT_RULE

SECRET_BYTES: Final = 16
"""Random bytes of a new secret, written in hexadecimal digits."""

_LONGEST: Final = 1024
"""Bytes that are read: more than any secret has, with some space round it."""


class Identity:
    """The secret that a file holds, and the lock on that file while this is open."""

    def __init__(self, path: str) -> None:
        """Open the file, made with a new secret if it is not there.

        Raises `UsageError` for a file that cannot serve, and `InUse` if another run has it.
        """
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UsageError(f"--client {path}: {error.strerror}") from None
        try:
            self.secret = self._locked()
        except OSError as error:
            self.close()
            raise UsageError(f"--client {path}: {error.strerror}") from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let another run have it."""
        os.close(self._descriptor)

    def __enter__(self) -> Identity:
        """Return this."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let another run have it."""
        self.close()

    def _locked(self) -> str:
        """Lock the file, and return what it holds."""
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"--client {self.path}: that is no file")
        if status.st_mode & 0o077:
            raise UsageError(
                f"--client {self.path}: others may open it, and it holds a secret: "
                f"chmod 600 {self.path}"
            )
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(
                f"--client {self.path}: another run uses it now; try again later, or give "
                "each its own file"
            ) from None
        held = os.read(self._descriptor, _LONGEST)
        if not held:
            return self._new()
        try:
            secret = held.decode("ascii").strip()
        except UnicodeDecodeError:
            secret = ""
        if CLIENT.fullmatch(secret) is None:
            raise UsageError(f"--client {self.path}: what it holds is no secret; {CLIENT_RULE}")
        return secret

    def _new(self) -> str:
        """Write a new secret, for good, before it is used."""
        secret = secrets.token_hex(SECRET_BYTES)
        os.write(self._descriptor, f"{secret}\n".encode())
        os.fsync(self._descriptor)
        return secret

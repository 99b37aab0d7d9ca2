"""Places for a store that have little room: a small file system, or a disk that says so.

Law of this file: the server is not told which it is, and sees the real thing, ENOSPC.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.torture.servers import STRACE

ROOM = 32 * 1024 * 1024
"""Bytes of the small file system."""


class Space:
    """A folder with room for 32 MiB, which may be used up and given back.

    A file system of its own (tmpfs), where that may be mounted; else every write of the
    server's fails with ENOSPC from the 2,000th on, until it is started again.
    """

    def __init__(self, folder: Path, *, mounting: bool = True) -> None:
        self.folder = folder
        self.before: list[str] = []
        self._filler = folder / "filler"
        mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder)]
        self.mounted = (
            mounting and subprocess.run(mount, capture_output=True, check=False).returncode == 0
        )
        if not self.mounted:
            self.before = [
                STRACE, "-f", "--seccomp-bpf", "-e", "trace=pwrite64",
                "-o", str(folder.with_suffix(".trace")),
                "--inject=pwrite64:error=ENOSPC:when=2000+",
            ]  # fmt: skip

    @property
    def kind(self) -> str:
        return "a tmpfs of 32 MiB" if self.mounted else "ENOSPC by strace"

    def use_up(self, left: int) -> None:
        """Leave room for so many bytes more."""
        if self.mounted:
            there = os.statvfs(self.folder)
            more = bytes(max(0, there.f_bavail * there.f_frsize - left))
            with suppress(OSError), self._filler.open("ab") as filler:
                filler.write(more)  # or some of it: the server may take the rest meanwhile

    def give_back(self) -> None:
        """Make room again."""
        self._filler.unlink(missing_ok=True)

    def freeze(self) -> bool:
        """Let nobody write any more; return whether that could be had."""
        words = ["mount", "-o", "remount,ro", str(self.folder)]
        return self.mounted and subprocess.run(words, check=False).returncode == 0

    def close(self) -> None:
        """Take the file system away."""
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

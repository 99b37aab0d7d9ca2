"""The exit codes, for scripts to tell one end from another.

Law of this file: a published contract (the table of `tcpmsg --help` and the manual); a
code is never given a second meaning.
"""

from enum import IntEnum


class Exit(IntEnum):
    """How a run of the command ended."""

    DONE = 0
    """Done: acknowledged, or received what was asked."""
    UNEXPECTED = 1
    """An error that nobody foresaw."""
    USAGE = 2
    """Wrong usage or configuration."""
    REFUSED = 3
    """The server refused it."""
    UNAUTHENTICATED = 4
    """Not authenticated."""
    CANNOT_CONNECT = 5
    """Cannot connect, or the connection was lost before the work was done."""
    TIMED_OUT = 6
    """Timed out: nothing received, or no confirmation in time; or it is not known whether a direct
    message was received."""
    GAP = 7
    """History has a gap; with `bench`, what members got is not what was sent."""
    TRY_AGAIN = 75
    """Try again later: the server is stopping or busy (EX_TEMPFAIL of sysexits.h)."""
    INTERRUPTED = 130
    """Ctrl-C, as shells count it: 128 and SIGINT."""
    TERMINATED = 143
    """Told to end: 128 and SIGTERM."""


class UsageError(Exception):
    """The command was asked for something that cannot be; the text is one line with the way out."""


class InUse(Exception):
    """Something that only one run at a time may have is held by another; the text is one line."""

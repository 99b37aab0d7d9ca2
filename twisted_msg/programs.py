"""How the programs of this installation are typed, so that a shell finds them.

Every line that this returns works as it stands, in a checkout and in an installation.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys


def tcpmsg_command() -> str:
    """Return how to type the `tcpmsg` command."""
    if shutil.which("tcpmsg"):
        return "tcpmsg"
    beside = os.path.join(os.path.dirname(sys.executable), "tcpmsg")
    if os.path.exists(beside):
        return shlex.quote(beside)
    return f"{shlex.quote(sys.executable)} -m twisted_msg"


def install_command(requirement: str) -> str:
    """Return how to install a library for this interpreter, such as `wcwidth>=0.2.5`."""
    return f"{shlex.quote(sys.executable)} -m pip install {shlex.quote(requirement)}"

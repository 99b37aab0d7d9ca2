"""The system packages that the scripts need: they install all missing ones, or name them all."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.integration.conftest import PATIENCE, ROOT


def run_script(
    folder: Path, *words: str, user: int, programs: tuple[str, ...]
) -> subprocess.CompletedProcess[str]:
    """Run a command where the user is as told and only these programs are there."""
    for name in programs:
        (folder / name).symlink_to(str(shutil.which(name)))
    for name, script in (("id", f"echo {user}"), ("apt-get", f'echo "$*" >>{folder}/log')):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return subprocess.run(
        ["/bin/sh", *words],
        cwd=ROOT,
        env={**os.environ, "PATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_the_test_command_names_all_that_is_missing_before_it_begins(tmp_path: Path) -> None:
    done = run_script(tmp_path, "scripts/test", user=1000, programs=("dirname", "python3"))
    assert (done.returncode, done.stdout) == (1, "")
    first, needs, install, *more = done.stderr.splitlines()
    assert "about 20 minutes" in first
    assert needs.startswith("this needs the Debian packages ")
    packages = install.removeprefix("    sudo apt-get install ").split()
    assert {"curl", "git", "strace", "chromium", "nodejs", "npm"} <= set(packages)
    assert more == []


def test_root_installs_all_that_is_missing_in_one_go(tmp_path: Path) -> None:
    script = ". scripts/environment; needs_programs strace npm chromium"
    done = run_script(tmp_path, "-c", script, user=0, programs=("npm",))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "installing the Debian packages strace chromium\n"
    assert (tmp_path / "log").read_text() == "update -qq\ninstall -y -qq strace chromium\n"

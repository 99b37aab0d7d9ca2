"""What people install: the wheel, the sdist and the checkout, each in a clean environment."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT, ServerProcess, environment
from tests.integration.sockets import Peer

pytestmark = pytest.mark.xdist_group("install")
"""In one process, for what is built is built once."""

INSTALL_SECONDS = 300.0
"""How long an install may take: it fetches what it needs from the package index."""


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed, and return what it prints."""
    result = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(PIP_DISABLE_PIP_VERSION_CHECK="1"),
        timeout=INSTALL_SECONDS,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files that git knows, links as links."""
    folder = tmp_path_factory.mktemp("checkout") / "tcpmsg"
    folder.mkdir()
    names = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    present = [name for name in names.splitlines() if (ROOT / name).exists()]
    archive = subprocess.run(
        ["tar", "-c", *present], cwd=ROOT, capture_output=True, check=True
    ).stdout
    subprocess.run(["tar", "-x"], cwd=folder, input=archive, check=True)
    return folder


@pytest.fixture(scope="module")
def built(checkout: Path) -> Path:
    """The folder that holds the wheel and the sdist."""
    run(sys.executable, "-m", "build", "--outdir", checkout.parent / "dist", cwd=checkout)
    return checkout.parent / "dist"


def talk(server: ServerProcess) -> None:
    with Peer(server) as alice, Peer(server) as bob:
        alice.join_with(bob)


@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_install_and_serve(
    kind: str, built: Path, tmp_path: Path, start: Callable[..., ServerProcess]
) -> None:
    (package,) = built.glob(kind)
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"
    run(programs / "pip", "install", "-q", package, cwd=tmp_path)
    assert run(programs / "tcpmsg", "--version", cwd=tmp_path).startswith("tcpmsg ")
    server = start(command=[str(programs / "twistd"), "-n", "--pidfile=", "tcpmsg"])
    talk(server)
    server.stop()


def test_what_is_in_the_packages(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"twisted/plugins/tcpmsg_plugin.py", "twisted_msg/py.typed"} <= names
    page = {name for name in names if name.startswith("twisted_msg/web/static/")}
    assert {name.rpartition(".")[2] for name in page} == {"css", "html", "js", "svg"}
    assert "twisted/__init__.py" not in names
    assert "twisted/plugins/__init__.py" not in names
    assert not any(name.startswith(("tests/", "twistd_plugins/")) for name in names)
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        assert any(name.endswith("/twistd_plugins/tcpmsg_plugin.py") for name in archive.getnames())


def test_first_line_of_the_readme(checkout: Path, start: Callable[..., ServerProcess]) -> None:
    server = start(command=[str(checkout / "scripts" / "serve")], patience=INSTALL_SECONDS)
    talk(server)
    command = checkout / ".venv" / "bin" / "tcpmsg"
    assert f"from a script: {command} send --server {server.address} lobby" in server.output
    run(command, "send", "--server", server.address, "lobby", "hello", cwd=checkout)
    server.stop()


def test_plugin_without_an_install(checkout: Path, start: Callable[..., ServerProcess]) -> None:
    command = [sys.executable, "-m", "twisted.scripts.twistd", "-n", "--pidfile=", "tcpmsg"]
    server = start(
        command=[
            sys.executable,
            "-c",
            "from twisted.scripts.twistd import run; run()",
            *command[3:],
        ],
        variables={"PYTHONPATH": str(checkout)},
    )
    talk(server)

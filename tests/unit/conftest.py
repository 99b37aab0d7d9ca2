"""Where unit tests leave what they write: `TestCase.mktemp` makes folders where it is run."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Run in a folder of its own, as trial does."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("unit"))
    yield
    os.chdir(before)

"""A store with true environments, made once; and homes in which the TUI keeps what it keeps."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bigstore.make import make
from tests.bigstore.sizes import Sizes

SIZES = Sizes(environments=38, layers=260, files=6000)
"""Five generations a project: eight projects."""


@pytest.fixture(scope="session")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with `store` and `projects`, which tests may read."""
    place = tmp_path_factory.mktemp("tui") / "big"
    make(str(place), SIZES)
    return place


@pytest.fixture
def own_store(tmp_path: Path) -> Path:
    """Return another one, which a test may change."""
    place = tmp_path / "big"
    make(str(place), SIZES)
    return place


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give each test a home, a state directory and a working directory of its own."""
    place = tmp_path / "home"
    place.mkdir()
    for name in [one for one in os.environ if one.startswith("XDG_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.chdir(place)
    return place

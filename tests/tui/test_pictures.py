"""Each screen at both sizes and in both themes, against the pictures that are kept beside these tests."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from driving import Driver, app_of, drive
from snapshots import check, picture

from envforge.tui.core.memory import Memory
from envforge.tui.theme import DARK, LIGHT
from tests.bigstore.make import make
from tests.tui.conftest import SIZES

KEYS = {
    "environments": ["down"],
    "layers": ["2"],
    "packages": ["3", "down"],
    "diff": ["4"],
    "spec": ["6"],
    "help": ["question_mark"],
    "log": ["o"],
}
SCREENS = [(80, 24), (120, 40)]


@pytest.fixture(scope="module")
def placed() -> Iterator[Path]:
    """Make a store at a path that is equally long on all machines: columns are as wide as what is in them."""
    place = Path(tempfile.mkdtemp(prefix="tui-", dir="/tmp"))
    make(str(place / "big"), SIZES)
    yield place / "big"
    shutil.rmtree(place)


@pytest.mark.parametrize("theme", [DARK, LIGHT])
@pytest.mark.parametrize("size", SCREENS, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", KEYS)
def test_screens_look_as_they_are_kept(placed: Path, name: str, size: tuple[int, int], theme: str) -> None:
    async def steps(driver: Driver) -> None:
        for key in KEYS[name]:
            await driver.press(key)
        found = picture(driver)
        check(f"{name}-{theme.removeprefix('envforge-')}-{size[0]}x{size[1]}", found)

    drive(app_of(placed, "p000", memory=Memory(theme=theme)), steps, size)

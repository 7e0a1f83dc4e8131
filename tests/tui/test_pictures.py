"""Each screen at both sizes and in both themes, against the pictures that are kept beside these tests."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import sample_containers
from attrs import evolve
from driving import Driver, app_of, drive
from snapshots import check, picture

from envforge.digest import is_sha256
from envforge.tui import looking
from envforge.tui.core import store
from envforge.tui.core.memory import Memory
from envforge.tui.theme import DARK, LIGHT
from envforge.upkeep.model import Kind, Size, Thing
from envforge.upkeep.usage import Usage, by_environment, by_root
from tests.bigstore.make import make
from tests.tui.conftest import SIZES

KEYS = {
    "environments": ["down"],
    "layers": ["2"],
    "packages": ["3", "down"],
    "diff": ["4"],
    "store": ["5", "down", "space"],
    "store-layers": ["5", "v"],
    "store-packages": ["5", "v", "v"],
    "spec": ["6"],
    "containers": ["7", "SHOWN", "down", "down", "down"],
    "help": ["question_mark"],
    "log": ["o"],
}
DIALOGS = {
    "palette": ["ctrl+p"],
    "preview": ["2", "tab", "down", "v"],
    "rollback": ["r", "down", "enter"],
    "gc": ["5", "down", "space", "c"],
    "spec-mistakes": ["6", "i", *"no", "enter", "escape"],
}
"""What lies over a screen, and others that are seldom seen: dark and small, light and large."""
SCREENS = [(80, 24), (120, 40)]


@pytest.fixture(scope="module")
def placed() -> Iterator[Path]:
    """Make a store at a path that is equally long on all machines: columns are as wide as what is in them."""
    place = Path(tempfile.mkdtemp(prefix="tui-", dir="/tmp"))
    make(str(place / "big"), SIZES)
    yield place / "big"
    shutil.rmtree(place)


def _space(space: Callable[[str], tuple[Usage, list[int]]], store: str) -> tuple[Usage, list[int]]:
    """Return what there is, with sizes that are the same on all file systems."""
    marked = space(store)[0].marked
    things = tuple(evolve(one, size=_size_of(one)) for one in marked.things)
    same = evolve(marked, things=things)
    folders = {str(kind): tally for kind, tally in same.tally(same.everything).items()}
    found = Usage(folders, same.weigh(same.freed()), by_environment(same), same)
    return found, [one.exclusive.size_bytes for one in by_root(same)]


def _size_of(thing: Thing) -> Size:
    """Return a size by the thing's kind and name."""
    number = int(thing.name[:4], 16) if is_sha256(thing.name) else 1
    return Size(4096 * (1 + number % 50) * (3 if thing.kind is Kind.TREE else 1), 1 + number % 7)


@pytest.mark.parametrize("theme", [DARK, LIGHT])
@pytest.mark.parametrize("size", SCREENS, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", KEYS)
def test_screens_look_as_they_are_kept(
    placed: Path, name: str, size: tuple[int, int], theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample_containers.instead(monkeypatch)
    monkeypatch.setattr(looking, "space", partial(_space, looking.space))
    _check(placed, name, KEYS[name], size, theme)


@pytest.mark.parametrize(("size", "theme"), [(SCREENS[0], DARK), (SCREENS[1], LIGHT)], ids=["dark", "light"])
@pytest.mark.parametrize("name", DIALOGS)
def test_what_lies_over_screens_looks_as_it_is_kept(
    placed: Path, name: str, size: tuple[int, int], theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "space", partial(_space, looking.space))
    monkeypatch.setattr(store, "ago", lambda *_: "1 h ago")  # a part of it stands beside a dialog
    _check(placed, name, DIALOGS[name], size, theme)


def _check(place: Path, name: str, keys: list[str], size: tuple[int, int], theme: str) -> None:
    async def steps(driver: Driver) -> None:
        await _press(driver, keys)
        check(f"{name}-{theme.removeprefix('envforge-')}-{size[0]}x{size[1]}", picture(driver))

    drive(app_of(place, "p000", memory=Memory(theme=theme)), steps, size)


async def _press(driver: Driver, keys: list[str]) -> None:
    for key in keys:
        if key == "SHOWN":
            sample_containers.show(driver.app.screen)
            await driver.settle()
        else:
            await driver.press(key)


@pytest.mark.parametrize("width", [100, 120])
def test_samples_stand_beside_their_numbers(
    placed: Path, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample_containers.instead(monkeypatch)

    async def steps(driver: Driver) -> None:
        await _press(driver, KEYS["containers"])
        line = next(line for line in driver.lines if "│ cpu " in line)
        assert set("▁▂▃▄▅▆▇█") & set(line[: line.index("││")]), line

    drive(app_of(placed, "p000"), steps, (width, 28))

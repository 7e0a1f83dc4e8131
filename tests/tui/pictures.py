"""`python -m tests.tui.pictures DIR`: pictures of the screens, from the real program on a generated store.

DIR/environments-dark.svg …     for the README with `--readme`: those that it shows
"""

import argparse
import asyncio
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__))

import pytest
import sample_containers
from driving import Driver, app_of

from envforge.tui.core.memory import Memory
from envforge.tui.theme import DARK, LIGHT
from tests.bigstore.make import make
from tests.bigstore.sizes import Sizes

KEYS = {
    "environments": ["down"],
    "layers": ["2", "enter", "t"],
    "packages": ["3", "down", "down"],
    "diff": ["4"],
    "store": ["5", "down", "space", "space"],
    "store-layers": ["5", "v"],
    "spec": ["6"],
    "containers": ["7", "SHOWN", "down", "down", "down"],
    "help": ["question_mark"],
}
README = ("environments", "layers", "diff", "store", "containers")


_FONTS = re.compile(r"@font-face \{.*?\}", re.DOTALL)
"""Textual's pictures fetch a font from elsewhere; the reader's own does as well."""


async def _picture(place: str, name: str, theme: str, size: tuple[int, int]) -> str:
    app = app_of(place, "p000", memory=Memory(theme=theme))
    async with app.run_test(size=size) as pilot:
        driver = Driver(app, pilot)
        await driver.settle()
        for key in KEYS[name]:
            if key == "SHOWN":
                sample_containers.show(driver.app.screen)
                await driver.settle()
            else:
                await driver.press(key)
        return _FONTS.sub("", app.export_screenshot(simplify=True))


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tui.pictures")
    parser.add_argument("directory")
    parser.add_argument("--readme", action="store_true", help="those of the README only: 100x28, dark")
    parser.add_argument("--only", choices=KEYS)
    options = parser.parse_args()
    sample_containers.instead(pytest.MonkeyPatch())
    os.makedirs(options.directory, exist_ok=True)
    sizes = [(100, 28)] if options.readme else [(80, 24), (120, 40)]
    names = [options.only] if options.only else README if options.readme else KEYS
    with tempfile.TemporaryDirectory() as place:
        os.environ["HOME"] = place
        make(f"{place}/big", Sizes(environments=24, layers=200, files=8000))
        for name in names:
            for theme in (DARK,) if options.readme else (DARK, LIGHT):
                for size in sizes:
                    picture = asyncio.run(_picture(f"{place}/big", name, theme, size))
                    end = "" if options.readme else f"-{theme.removeprefix('envforge-')}-{size[0]}x{size[1]}"
                    path = f"{options.directory}/{name}{end}.svg"
                    with open(path, "w", encoding="utf-8") as file:
                        file.write(picture)
                    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(_main())

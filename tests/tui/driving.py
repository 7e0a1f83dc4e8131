"""Drives the app without a terminal: keys pressed, the screen read as text or as a picture."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from envforge.tui import looking
from envforge.tui.app import EnvforgeApp
from envforge.tui.core.commands import Commands
from envforge.tui.core.memory import Memory

Steps = Callable[["Driver"], Awaitable[None]]


class Driver:
    """One app that runs."""

    def __init__(self, app: EnvforgeApp, pilot: Pilot[int]) -> None:
        self.app, self.pilot = app, pilot

    async def press(self, *keys: str) -> None:
        """Press keys, and wait until all that they began is done."""
        await self.pilot.press(*keys)
        await self.settle()

    async def until(self, text: str, timeout_s: float = 60) -> None:
        """Wait until a text is on the screen, or among what is said beside it."""
        end = time.monotonic() + timeout_s
        while text not in self.text and text not in self.said:
            assert time.monotonic() < end, self.text
            await self.pilot.pause(0.05)

    @property
    def said(self) -> str:
        """Return what was said beside the screen."""
        return "\n".join(one.message for one in self.app._notifications)

    async def settle(self) -> None:
        """Wait until nothing is being loaded, and no timer is about to load something."""
        for _ in range(600):
            await self.pilot.pause(0.02)
            if self.app.is_idle:
                await self.pilot.pause(0.2)
                if self.app.is_idle and self.text.strip():  # else what lies over the screen is not drawn yet
                    return
        raise AssertionError(f"still going on:\n{self.text}")

    @property
    def lines(self) -> list[str]:
        """Return what is on the screen."""
        width, height = self.app.size
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip)[:width].rstrip() for strip in strips][:height]

    @property
    def text(self) -> str:
        """Return the screen as one text."""
        return "\n".join(self.lines)

    def one(self, kind: type[Any], name: str | None = None) -> Any:
        """Return a widget of the screen."""
        return self.app.screen.query_one(f"#{name}" if name else kind, kind)


def app_of(place: Path | str, project: str = "", **options: Any) -> EnvforgeApp:
    """Return an app on a generated store, in the directory of one of its projects or in none."""
    store = f"{place}/store"
    file = f"{place}/projects/{project}/envforge.toml" if project else None
    here = looking.here(file, store, None)
    kept = options.pop("memory", None) or Memory()
    return EnvforgeApp(store, Commands(store, here=here.spec if here else ""), kept, here=here, **options)


def drive(app: EnvforgeApp, steps: Steps, size: tuple[int, int] = (80, 24)) -> Driver:
    """Run the app at a size, take the steps, and leave."""

    async def run() -> Driver:
        async with app.run_test(size=size) as pilot:
            driver = Driver(app, pilot)
            await driver.settle()
            await steps(driver)
            return driver

    return asyncio.run(run())

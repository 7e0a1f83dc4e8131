"""Styles by what they mean: `good`, `bad`, … are component classes, so the theme says how each one looks."""

from typing import Final

from rich.style import Style
from textual.content import Content
from textual.widget import Widget

from envforge.tui.core.words import printable

NAMES: Final = ("strong", "dim", "good", "warn", "bad", "accent")
CELL_CLASSES: Final = frozenset(f"cell--{name}" for name in NAMES)


def titled(text: str) -> Content:
    """Return a text of others, a path for one, as a border's title: a plain `str` would be read as markup."""
    return Content(printable(text))


class Styled(Widget):
    """A widget that draws text in the styles of cells."""

    def cell_style(self, name: str) -> Style:
        """Return the style of that name; nothing for an empty one."""
        return self.style_of(f"cell--{name}") if name in NAMES else Style()

    def style_of(self, component: str) -> Style:
        """Return what a component class sets, without what it inherits."""
        known = self._known()
        if component not in known:
            known[component] = self.get_component_rich_style(component, partial=True)
        return known[component]

    @property
    def own_style(self) -> Style:
        """Return `rich_style`, the style of text without one of its own: worked out once for all lines."""
        known = self._known()
        if "" not in known:
            known[""] = self.rich_style
        return known[""]

    def _known(self) -> dict[str, Style]:
        """Return the styles that are known already, by component class."""
        known: dict[str, Style] = self.__dict__.setdefault("_known_styles", {})
        return known

    def notify_style_update(self) -> None:
        """Forget styles: the theme is another one."""
        self.__dict__.pop("_known_styles", None)
        super().notify_style_update()
